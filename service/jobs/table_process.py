"""Arrow streams and Parquet files of strangers, read by a process of its own.

What a few kilobytes unpack to, only unpacking them shows, and a file that was made to do harm may
end whoever reads it. So a process with a limit of memory reads it and writes the columns that are
wanted as a plain Arrow stream, in batches of few bytes; that is what this process reads.
"""

from __future__ import annotations

import contextlib
import json
import subprocess
import sys
import threading
from collections.abc import Iterator, Sequence
from dataclasses import asdict, dataclass
from typing import Any

from ifonly.models.onnx.box import environment
from ifonly.service.errors import MalformedTable, TooManyTableRows
from ifonly.service.jobs.forms import TableForm

MEMORY_BYTES = 1 << 30
"""Address space of that process, some of which the libraries themselves take."""
CPU_SECONDS = 60.0
BATCH_ROWS = 1_024
BATCH_BYTES = 8 << 20
"""Of one batch as it comes back."""
CELL_BYTES = 4_096
"""Of one value: names of categories and ids of rows are shorter."""
MOST_SAID = 65_536
"""Bytes that the process may say of why it ended."""


@dataclass(frozen=True)
class TableWanted:
    """What is read of a file."""

    form: TableForm
    columns: Sequence[str]
    """By name, those of them that there are; all others are left alone."""
    prefix: str
    """Columns whose names begin so are wanted, too."""
    max_rows: int


class TableProcess:
    """One file, read by a process of its own: ``feed`` it from one thread, take ``batches`` in
    another, ``close`` it."""

    def __init__(self, wanted: TableWanted) -> None:
        self._wanted = wanted
        told = json.dumps(asdict(wanted) | {"form": wanted.form.value})
        self._child = subprocess.Popen(
            [sys.executable, "-m", "ifonly.service.jobs.table_worker", told],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            cwd="/",  # `-m` puts the working folder on the path
            env={**environment(), "ARROW_DEFAULT_MEMORY_POOL": "system"},
            start_new_session=True,
        )
        self._said = b""
        # Read meanwhile: a full pipe would block the child for ever.
        self._listener = threading.Thread(target=self._listen, daemon=True)
        self._listener.start()

    def _listen(self) -> None:
        assert self._child.stderr is not None
        while piece := self._child.stderr.read(4_096):
            self._said = (self._said + piece)[-MOST_SAID:]

    def feed(self, piece: bytes) -> bool:
        """Give it more of the file; waits while it is busy. False: it takes no more."""
        assert self._child.stdin is not None
        try:
            self._child.stdin.write(piece)
            self._child.stdin.flush()
        except (OSError, ValueError):  # it has ended, or was closed
            return False
        return True

    def end(self) -> None:
        """That was the whole file."""
        assert self._child.stdin is not None
        with contextlib.suppress(OSError, ValueError):
            self._child.stdin.close()

    def batches(self) -> Iterator[Any]:
        """Record batches in order, each of :data:`BATCH_ROWS` rows and :data:`BATCH_BYTES` at the
        most.

        Raises
        ------
        MalformedTable
            If the file is none, or cannot be read within the limits; rows before that have come.
        TooManyTableRows
            If it has more rows than may be.
        """
        import pyarrow as pa

        assert self._child.stdout is not None
        try:
            with pa.ipc.open_stream(self._child.stdout) as reader:
                for batch in reader:
                    batch.validate(full=True)
                    yield batch
        # It ends its stream before its time where something is wrong, and says what.
        except (pa.ArrowException, OSError, ValueError):
            self._raise()
        if self._child.wait() != 0:
            self._raise()

    def _raise(self) -> None:
        self._child.kill()
        code = self._child.wait()
        self._listener.join(5.0)
        try:
            said = json.loads(self._said.rstrip(b"\n").rpartition(b"\n")[2])
            problem, rows = str(said["problem"]), said.get("rows")
        except (ValueError, KeyError, TypeError):
            limit = f"{MEMORY_BYTES >> 20} MiB of memory and {CPU_SECONDS:g} s of a processor"
            problem, rows = f"its reading ended ({code}); it may take {limit}", None
        if rows is not None:
            raise TooManyTableRows(int(rows), self._wanted.max_rows)
        raise MalformedTable(self._wanted.form.value, problem)

    def close(self) -> None:
        """End it, wherever it is."""
        self._child.kill()
        self._child.wait()
        for pipe in (self._child.stdin, self._child.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError, ValueError):
                    pipe.close()
        self._listener.join(5.0)
        assert self._child.stderr is not None
        self._child.stderr.close()

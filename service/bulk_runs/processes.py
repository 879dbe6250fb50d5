"""A worker that is a process of this machine."""

from __future__ import annotations

import contextlib
import os
import pickle
import subprocess
import sys
from typing import IO

import numpy as np

from ifonly.models.frames import read_frame, write_frame
from ifonly.models.onnx.box import environment
from ifonly.service.bulk_runs.answering import Answering
from ifonly.service.bulk_runs.exchange import Header, WorkerEnded, part_of, sent
from ifonly.service.bulk_runs.parts import AnsweredPart
from ifonly.service.bulk_runs.reading.source import RowSlice
from ifonly.service.errors import CannotBulk


class AnsweringProcess:
    """One process; it has the model when it is made.

    Raises
    ------
    CannotBulk
        If it cannot be started, or not have the model.
    """

    def __init__(self, answering: Answering) -> None:
        self._child = subprocess.Popen(
            [sys.executable, "-m", "ifonly.service.bulk_runs.worker"],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            # `-m` puts the working folder on the path: in this one nobody can write a module.
            cwd="/",
            env=os.environ | environment(),
            start_new_session=True,  # Ctrl-C is for us, who then end it
        )
        try:
            self._send({}, pickle.dumps(answering))
            said, _ = read_frame(self._pipe(self._child.stdout))
        except (EOFError, OSError):
            raise CannotBulk(f"a process could not be started ({self._ended()})") from None
        if "problem" in said:
            self.end()
            raise CannotBulk(said["problem"])

    def is_ready(self, seconds: float) -> bool:
        return True

    @property
    def is_alive(self) -> bool:
        return self._child.poll() is None

    def ask(self, slice_: RowSlice) -> AnsweredPart:
        try:
            self._send(*sent(slice_))
            said, found = read_frame(self._pipe(self._child.stdout))
        except (EOFError, OSError):
            raise WorkerEnded(str(self._ended())) from None
        return part_of(said, found[0].tobytes())

    def end(self) -> None:
        self._ended()

    def _ended(self) -> int:
        """With which code."""
        self._child.kill()
        code = self._child.wait()
        for pipe in (self._child.stdin, self._child.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):  # what was not sent will not be read
                    pipe.close()
        return code

    def _send(self, header: Header, data: bytes) -> None:
        write_frame(self._pipe(self._child.stdin), header, np.frombuffer(data, np.uint8))

    @staticmethod
    def _pipe(pipe: IO[bytes] | None) -> IO[bytes]:
        assert pipe is not None
        return pipe

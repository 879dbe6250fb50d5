"""Slices answered in processes of their own, each of which has the model once.

A process that dies is replaced and its slice asked again. A slice that has ended several is taken
apart until the row is found that does: the others are answered, and the run goes on.
"""

from __future__ import annotations

import contextlib
import os
import pickle
import subprocess
import sys
import threading
from collections.abc import Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from typing import IO

import numpy as np
import pyarrow as pa

from ifonly.models.frames import read_frame, write_frame
from ifonly.models.onnx.box import environment
from ifonly.service.bulk_runs.answering import Answering
from ifonly.service.bulk_runs.parts import AnsweredPart, packed
from ifonly.service.bulk_runs.reading.pieces import BrokenRow
from ifonly.service.bulk_runs.reading.source import RowSlice
from ifonly.service.errors import CannotBulk
from ifonly.service.logs import logger

TRIES = 2
"""Processes that may end at a slice before it is taken apart."""
MOST_REPLACED = 200
"""After which it is no row that ends them; one row costs about two dozen."""
AHEAD = 2
"""Slices of each process that are read before it asks for them."""


class AnsweringPool:
    """``count`` processes; in a ``with`` block, at whose end they end."""

    def __init__(self, answering: Answering, count: int) -> None:
        self._answering = answering
        self.count = count
        self.replaced = 0
        """Processes that died and were replaced."""
        self._threads = ThreadPoolExecutor(count, "bulk")
        self._idle: list[_AnsweringProcess] = []
        self._all: set[_AnsweringProcess] = set()
        self._lock = threading.Lock()
        self._is_over = False

    def __enter__(self) -> AnsweringPool:
        return self

    def __exit__(self, *_: object) -> None:
        with self._lock:
            self._is_over = True
            running = list(self._all)
        # Killed: what they still work at is not wanted, and is not lost.
        for worker in running:
            worker.end()
        self._threads.shutdown(cancel_futures=True)

    def answered(self, slices: Iterator[RowSlice]) -> Iterator[tuple[RowSlice, AnsweredPart]]:
        """Each slice with its part, in no order; no more of them are in memory than are needed.

        Raises
        ------
        CannotBulk
            If no process can be started, or a slice cannot be answered.
        """
        waiting: dict[Future[AnsweredPart], RowSlice] = {}
        is_open = True
        while is_open or waiting:
            while is_open and len(waiting) < AHEAD * self.count:
                slice_ = next(slices, None)
                if slice_ is None:
                    is_open = False
                    break
                waiting[self._threads.submit(self._ask, slice_)] = slice_
            done, _ = wait(waiting, return_when=FIRST_COMPLETED)
            for future in done:
                yield waiting.pop(future), future.result()

    def _ask(self, slice_: RowSlice, tries: int = TRIES) -> AnsweredPart:
        for _ in range(tries):
            with self._lent() as worker:
                try:
                    return worker.ask(slice_)
                except (EOFError, OSError):
                    code = worker.end()
            if self._is_over:
                break
            self.replaced += 1
            if self.replaced > MOST_REPLACED:
                raise CannotBulk(
                    f"{self.replaced} processes have ended, the last with {code}: what ends them "
                    "is no row (-9: the system, for want of memory?)"
                )
            first, last = slice_.first, slice_.first + slice_.batch.num_rows - 1
            logger.warning("the process at rows %d to %d ended (%s)", first, last, code)
        if self._is_over:
            raise CannotBulk("the run is over")
        return self._apart(slice_)

    def _apart(self, slice_: RowSlice) -> AnsweredPart:
        """The slice in two halves; a row alone that ends whoever answers it is broken."""
        count = slice_.batch.num_rows
        if count == 1:
            if slice_.broken:  # nothing was asked about it: it is not the row
                raise CannotBulk("no process can answer anything: see the messages above")
            why = BrokenRow("the process that answered it ended, each time")
            row = _without_readings(slice_.batch, self._answering)
            return self._ask(RowSlice(slice_.number, slice_.first, row, {0: why}))
        half = count // 2
        # Some row of it does: only a row alone is given another chance.
        parts = [
            self._ask(_part_of(slice_, start, end), TRIES if end - start == 1 else 1)
            for start, end in ((0, half), (half, count))
        ]
        return AnsweredPart.joined(slice_.number, parts)

    @contextlib.contextmanager
    def _lent(self) -> Iterator[_AnsweringProcess]:
        with self._lock:
            if self._is_over:
                raise CannotBulk("the run is over")
            worker = self._idle.pop() if self._idle else None
        if worker is None:
            worker = _AnsweringProcess(self._answering)
            with self._lock:
                self._all.add(worker)
        try:
            yield worker
        finally:
            with self._lock:
                if worker.is_alive and not self._is_over:
                    self._idle.append(worker)
                else:
                    self._all.discard(worker)
                    worker.end()


class _AnsweringProcess:
    """One process."""

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
            raise CannotBulk(f"a process could not be started ({self.end()})") from None
        if "problem" in said:
            self.end()
            raise CannotBulk(said["problem"])

    @property
    def is_alive(self) -> bool:
        return self._child.poll() is None

    def ask(self, slice_: RowSlice) -> AnsweredPart:
        """Raises
        ------
        EOFError, OSError
            If it dies meanwhile.
        CannotBulk
            If it cannot be answered.
        """
        broken = [[at, why.problem, why.value, why.field] for at, why in slice_.broken.items()]
        header = {"number": slice_.number, "first": slice_.first, "broken": broken}
        self._send(header, packed(slice_.batch))
        said, found = read_frame(self._pipe(self._child.stdout))
        if "problem" in said:
            raise CannotBulk(said["problem"])
        return AnsweredPart.read(found[0].tobytes())

    def end(self) -> int:
        """Kill it, if it lives; with which code it ended."""
        self._child.kill()
        code = self._child.wait()
        for pipe in (self._child.stdin, self._child.stdout):
            if pipe is not None:
                with contextlib.suppress(OSError):  # what was not sent will not be read
                    pipe.close()
        return code

    def _send(self, header: dict[str, object], data: bytes) -> None:
        write_frame(self._pipe(self._child.stdin), header, np.frombuffer(data, np.uint8))

    @staticmethod
    def _pipe(pipe: IO[bytes] | None) -> IO[bytes]:
        assert pipe is not None
        return pipe


def _part_of(slice_: RowSlice, start: int, end: int) -> RowSlice:
    broken = {at - start: why for at, why in slice_.broken.items() if start <= at < end}
    batch = slice_.batch.slice(start, end - start)
    return RowSlice(slice_.number, slice_.first + start, batch, broken)


def _without_readings(batch: pa.RecordBatch, answering: Answering) -> pa.RecordBatch:
    """A row by which only its id, and what is taken along, are known."""
    known = {*answering.kept, answering.explainer.options.id}
    columns = [
        column if field.name in known else pa.nulls(batch.num_rows, field.type)
        for field, column in zip(batch.schema, batch.columns, strict=True)
    ]
    return pa.RecordBatch.from_arrays(columns, schema=batch.schema)

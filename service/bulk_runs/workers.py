"""Slices answered by workers, each of which has the model once: processes, or a cluster's actors.

A worker that dies is replaced and its slice asked again. A slice that has ended several is taken
apart until the row is found that does: the others are answered, and the run goes on.
"""

from __future__ import annotations

import contextlib
import threading
from collections.abc import Callable, Iterator
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait

import pyarrow as pa

from ifonly.service.bulk_runs.answering import Answering
from ifonly.service.bulk_runs.exchange import SliceWorker, WorkerEnded
from ifonly.service.bulk_runs.parts import AnsweredPart
from ifonly.service.bulk_runs.processes import AnsweringProcess
from ifonly.service.bulk_runs.reading.pieces import BrokenRow
from ifonly.service.bulk_runs.reading.source import RowSlice
from ifonly.service.errors import CannotBulk
from ifonly.service.logs import logger

TRIES = 2
"""Workers that may end at a slice before it is taken apart."""
MOST_REPLACED = 200
"""After which it is no row that ends them; one row costs about two dozen."""
MOST_LOST = 5
"""Machines that may go while they have a slice before that, too, is laid to the slice: a row may
take so much memory that its machine goes."""
STARTS = 3
"""Workers that may end one after another before they have the model."""
AHEAD = 2
"""Slices of each worker that are read before it asks for them."""
LOOK_SECONDS = 0.2
"""After which whoever waits for a new worker looks whether another has become free."""


class AnsweringPool:
    """``count`` workers; in a ``with`` block, at whose end they end."""

    def __init__(
        self,
        answering: Answering,
        count: int,
        opening: Callable[[Answering], SliceWorker] = AnsweringProcess,
    ) -> None:
        self._answering = answering
        self._opening = opening
        self.count = count
        self.replaced = 0
        """Workers that died and were replaced."""
        self._threads = ThreadPoolExecutor(count, "bulk")
        # Of threads there are as many as workers: none is opened while one is in a list here.
        self._idle: list[SliceWorker] = []
        self._starting: list[SliceWorker] = []
        self._all: set[SliceWorker] = set()
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
            If no worker can be started, or a slice cannot be answered.
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
        ended = lost = 0
        while ended < tries:
            with self._lent() as worker:
                try:
                    return worker.ask(slice_)
                except WorkerEnded as how:
                    worker.end()
                    lost += how.is_lost
                    ended += not how.is_lost or lost > MOST_LOST
                    code = str(how)
            if self._is_over:
                break
            self.replaced += 1
            if self.replaced > MOST_REPLACED:
                raise CannotBulk(
                    f"{self.replaced} workers have ended, the last with {code}: what ends them "
                    "is no row (-9: the system, for want of memory?)"
                )
            first, last = slice_.first, slice_.first + slice_.batch.num_rows - 1
            logger.warning("the worker at rows %d to %d ended (%s)", first, last, code)
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
    def _lent(self) -> Iterator[SliceWorker]:
        worker = self._borrowed()
        try:
            yield worker
        finally:
            with self._lock:
                is_wanted = worker.is_alive and not self._is_over
                if is_wanted:
                    self._idle.append(worker)
                else:
                    self._all.discard(worker)
            if not is_wanted:
                worker.end()

    def _borrowed(self) -> SliceWorker:
        """One that is free, or else a new one, whichever is there first: a new one may have to
        wait until a cluster has room for it."""
        own: SliceWorker | None = None
        ended = 0
        while True:
            with self._lock:
                if self._is_over:
                    raise CannotBulk("the run is over")
                if self._idle:
                    if own is not None:
                        self._starting.append(own)
                    return self._idle.pop()
                if own is None and self._starting:
                    own = self._starting.pop()
            if own is None:
                own = self._opened()
            try:
                if own.is_ready(LOOK_SECONDS):
                    return own
            except WorkerEnded as how:
                self._given_up(own)
                own, ended = None, ended + 1
                self.replaced += 1
                if ended == STARTS or self.replaced > MOST_REPLACED:
                    raise CannotBulk(f"a worker could not be started ({how})") from None
            except CannotBulk:
                self._given_up(own)
                raise

    def _opened(self) -> SliceWorker:
        worker = self._opening(self._answering)
        with self._lock:
            self._all.add(worker)
            is_over = self._is_over
        if is_over:  # nobody else will
            worker.end()
        return worker

    def _given_up(self, worker: SliceWorker) -> None:
        with self._lock:
            self._all.discard(worker)
        worker.end()


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

"""Rows that several questions ask about at the same time go in one call.

As a database commits: who asks while nobody else does goes at once; who asks while calls are on
their way waits some milliseconds for others. Calls run in threads of their own, and whoever waits
for one leaves when their time is over, so that a slow row delays nobody else for long: after half
of their time those who share its call ask alone.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from ifonly.models.predictor import Rows
from ifonly.service.errors import PredictorUnclear
from ifonly.service.served.remote.failures import CallFailed, FailureKind

WINDOW_SECONDS = 0.003

Call = Callable[[Rows], list[Any]]
"""Rows to their words in the same order. It ends by itself, also where nobody waits any more."""


@dataclass(eq=False)
class _Asked:
    """What one question waits for."""

    rows: Rows
    until: float
    is_done: threading.Event = field(default_factory=threading.Event)
    said: list[Any] = field(default_factory=list)
    error: Exception | None = None
    is_alone: bool = False


class Batcher:
    """Joins calls of ``most`` rows at most. Thread-safe."""

    def __init__(self, call: Call, most: int, window: float = WINDOW_SECONDS) -> None:
        self._call = call
        self._most = most
        self._window = window
        self._lock = threading.Lock()
        self._waiting: list[_Asked] = []
        self._is_full = threading.Event()
        self._running = 0

    def ask(self, rows: Rows, until: float) -> list[Any]:
        """Words on ``rows``, ``(n, n_features)``, in their order; waits until ``until``
        (``time.monotonic``).

        Raises
        ------
        CallFailed
            If they did not come, or not in time.
        PredictorUnclear
            If they cannot be read.
        """
        found: list[Any] = []
        for start in range(0, len(rows), self._most):
            found += self._part(rows[start : start + self._most], until)
        return found

    def _part(self, rows: Rows, until: float) -> list[Any]:
        asked = _Asked(rows, until)
        self._join(asked)
        # Others' rows may be why nothing comes: half of the time is kept for asking alone.
        now = time.monotonic()
        if not asked.is_alone:
            asked.is_done.wait(max(0.0, (until - now) / 2))
        if not asked.is_alone and _may_be_others(asked):
            asked = _Asked(rows, until, is_alone=True)
            self._start([asked])
        if not asked.is_done.wait(max(0.0, until - time.monotonic())):
            raise CallFailed("it did not answer in time", FailureKind.LATE)
        if asked.error is not None:
            raise asked.error
        return asked.said

    def _join(self, asked: _Asked) -> None:
        """Into the next call; whoever is first in it sends it."""
        with self._lock:
            self._waiting.append(asked)
            is_first, others = len(self._waiting) == 1, self._running
            if sum(len(a.rows) for a in self._waiting) >= self._most:
                self._is_full.set()
        if not is_first:
            return
        if others:
            self._is_full.wait(self._window)
        with self._lock:
            waiting, self._waiting = self._waiting, []
            self._is_full.clear()
        for group in _groups(waiting, self._most):
            group[0].is_alone = len(group) == 1
            self._start(group)

    def _start(self, group: Sequence[_Asked]) -> None:
        with self._lock:
            self._running += 1
        # A thread a call and no pool: slow ones must not fill it.
        thread = threading.Thread(target=self._run, args=(group,), name="predictor", daemon=True)
        try:
            thread.start()
        except RuntimeError as error:  # the system gives no more of them
            with self._lock:
                self._running -= 1
            for asked in group:
                asked.error = CallFailed(f"nobody is left to ask it: {error}", FailureKind.BUSY)
                asked.is_done.set()

    def _run(self, group: Sequence[_Asked]) -> None:
        try:
            rows = np.concatenate([asked.rows for asked in group])
            said, start = self._call(rows), 0
            for asked in group:
                asked.said = said[start : start + len(asked.rows)]
                start += len(asked.rows)
        except Exception as error:  # handed to whoever waits
            for asked in group:
                asked.error = error
        finally:
            with self._lock:
                self._running -= 1
            for asked in group:
                asked.is_done.set()


def _may_be_others(asked: _Asked) -> bool:
    """Whether asking alone could give what asking together did not: another's row may have been
    slow, or refused for all."""
    if not asked.is_done.is_set() or isinstance(asked.error, PredictorUnclear):
        return True
    return isinstance(asked.error, CallFailed) and asked.error.how is FailureKind.SAID


def _groups(waiting: Sequence[_Asked], most: int) -> list[list[_Asked]]:
    """In order, ``most`` rows each at most."""
    groups: list[list[_Asked]] = []
    room = 0
    for asked in waiting:
        if len(asked.rows) > room:
            groups.append([])
            room = most
        groups[-1].append(asked)
        room -= len(asked.rows)
    return groups

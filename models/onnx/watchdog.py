"""One thread that sees to it that no run of a graph takes for ever.

A run that is watched costs its caller an entry in a set. Time is counted in rounds of the
watchdog, not by a clock: while the process is stopped, or gets no processor, it makes none.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from ifonly.models.onnx.guard import Guard

ROUND_SECONDS = 0.1
STUCK_SECONDS = 2.0
"""A run that goes on for so long after it was told to stop does not hear."""


class Watched:
    """One run: if it takes longer than ``seconds``, another thread takes its model out of service
    and calls ``stop``."""

    __slots__ = ("_guard", "_rounds", "_seconds", "_stop", "was_stopped")

    def __init__(self, guard: Guard, seconds: float, stop: Callable[[], object]) -> None:
        self.was_stopped = False
        self._guard = guard
        self._seconds = seconds
        # Rounded up: never stopped before its time.
        self._rounds = -int(-seconds // ROUND_SECONDS)
        self._stop = stop

    @property
    def label(self) -> str:
        """Name of the model whose graph runs."""
        return self._guard.label

    def round(self) -> None:
        """Another round has gone by."""
        self._rounds -= 1
        if self._rounds < 0 and not self.was_stopped:
            self._guard.condemned(f"a run of its graph took longer than {self._seconds:g} s")
            self.stop()

    def stop(self) -> None:
        self._rounds = min(self._rounds, 0)
        self.was_stopped = True
        self._stop()

    @property
    def is_stuck(self) -> bool:
        # Rounds go on counting below 0, so this is how long ago it was told.
        return self.was_stopped and -self._rounds * ROUND_SECONDS > STUCK_SECONDS


class Watchdog:
    """Thread-safe. Its thread starts with the first run."""

    def __init__(self) -> None:
        self._runs: set[Watched] = set()
        self._thread: threading.Thread | None = None
        self._starting = threading.Lock()

    def enter(self, run: Watched) -> None:
        # A set's `add` and `discard` are one step each in Python: no lock on the way of a run.
        self._runs.add(run)
        if self._thread is None:
            self._start()

    def leave(self, run: Watched) -> None:
        self._runs.discard(run)

    def stop_all(self) -> None:
        """Every run that is under way is over."""
        for run in tuple(self._runs):
            run.stop()

    @property
    def running(self) -> tuple[str, ...]:
        """Names of the models whose graphs are running."""
        return tuple(sorted({run.label for run in tuple(self._runs)}))

    @property
    def stuck(self) -> tuple[str, ...]:
        """Names of the models whose runs were told to stop and go on: each has a thread that
        nobody gets back."""
        return tuple(sorted({run.label for run in tuple(self._runs) if run.is_stuck}))

    def _start(self) -> None:
        with self._starting:
            if self._thread is None:
                self._thread = threading.Thread(target=self._patrol, name="watchdog", daemon=True)
                self._thread.start()

    def _patrol(self) -> None:
        while True:
            time.sleep(ROUND_SECONDS)
            # A copy: runs come and go while it is walked.
            for run in tuple(self._runs):
                run.round()


watchdog = Watchdog()
"""The one of this process."""

"""A circuit breaker (Nygard, *Release It!*, 2007): who lets all wait is left alone for a while."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable

from ifonly.service.served.remote.failures import CallFailed, FailureKind

PAUSE_SECONDS, LONGEST_PAUSE = 5.0, 60.0
"""Of the first pause, and of the longest: each probe that fails doubles it."""
MOST_FAILURES = 5
"""In a row, none of which took long, before it opens. A call that let us wait opens it at once:
else each row of a request or of a job would wait as long."""


class Breaker:
    """Closed: calls go through. Open: none does until the pause is over; then one, the probe,
    closes it or opens it again. Thread-safe."""

    def __init__(self, url: str, clock: Callable[[], float] = time.monotonic) -> None:
        self._url = url
        self._clock = clock
        self._lock = threading.Lock()
        self._failures = 0
        self._until: float | None = None
        self._pause = PAUSE_SECONDS
        self._probing = False
        self._why = ""

    @property
    def is_open(self) -> bool:
        return self._until is not None

    def enter(self) -> None:
        """Ask whether a call may be made. Whoever enters reports how it ended.

        Raises
        ------
        CallFailed
            If not.
        """
        with self._lock:
            if self._until is None:
                return
            left = self._until - self._clock()
            if left > 0.0 or self._probing:
                raise CallFailed(
                    f"{self._url} is not asked for {self._pause:g} s: {self._why}",
                    FailureKind.OPEN,
                    after=max(left, 0.0),
                )
            self._probing = True

    def succeeded(self) -> None:
        """It answered, whatever it said."""
        with self._lock:
            self._failures, self._until, self._probing = 0, None, False
            self._pause = PAUSE_SECONDS

    def failed(self, error: CallFailed) -> None:
        """A call had no answer."""
        if error.how is FailureKind.OPEN:
            return
        if error.how is FailureKind.SAID:
            self.succeeded()
            return
        with self._lock:
            # News of a call from before it opened, or of the probe by its other reporter.
            if self._until is not None and not self._probing:
                return
            self._failures += 1
            if error.how is FailureKind.LATE or self._probing or self._failures >= MOST_FAILURES:
                self._pause = (
                    min(2 * self._pause, LONGEST_PAUSE) if self._probing else PAUSE_SECONDS
                )
                self._until = self._clock() + self._pause
                self._why = error.reason
            self._probing = False

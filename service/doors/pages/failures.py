"""How often somebody did not get in, as records."""

from __future__ import annotations

PAUSE_SECONDS = 1.0


class Failures:
    """Which failures are recorded: one a second, with how many there were since the one before.
    Whoever tries keys is not known, and must not fill the disk."""

    def __init__(self) -> None:
        self._next = 0.0
        self._others = 0

    def told(self, now: float) -> int | None:
        """How many others this one stands for; None: it is only counted. ``now``: a clock that
        never goes back."""
        if now < self._next:
            self._others += 1
            return None
        others, self._others, self._next = self._others, 0, now + PAUSE_SECONDS
        return others

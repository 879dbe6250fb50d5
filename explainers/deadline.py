"""The only clock in ``explainers``: when to stop looking."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, replace

from ifonly.explainers.errors import DeadlineReached


def stay() -> None:
    """For whoever has the processor for themselves."""


@dataclass(frozen=True)
class Deadline:
    """A moment after which a search answers with what it has."""

    at: float = math.inf
    """On ``clock``'s scale, in seconds."""
    clock: Callable[[], float] = time.monotonic
    give_way: Callable[[], None] = stay
    """Called at each look: may wait, where others share the processor; ``clock`` then stands still.
    Not by :meth:`left`, for whoever only wants to know."""
    once_found: float | None = None
    """The moment for a search that has found a row; None: the same as for one that has not."""

    @classmethod
    def never(cls) -> Deadline:
        return cls()

    @classmethod
    def after(
        cls,
        seconds: float,
        clock: Callable[[], float] = time.monotonic,
        give_way: Callable[[], None] = stay,
    ) -> Deadline:
        return cls(clock() + seconds, clock, give_way)

    def sooner(self, share: float, once_found: float | None = None) -> Deadline:
        """The moment when ``share`` of the time that is left is over; ``once_found`` is the share
        of a search that has found a row by then (:meth:`extended`)."""
        if self.at == math.inf:
            return self
        now = self.clock()
        left = self.at - now
        later = None if once_found is None else now + once_found * left
        return Deadline(now + share * left, self.clock, self.give_way, later)

    def extended(self) -> Deadline:
        """The moment for a search that has found a row."""
        if self.once_found is None:
            return self
        return replace(self, at=self.once_found, once_found=None)

    def left(self) -> float:
        """Seconds; negative when the moment has passed."""
        return self.at - self.clock()

    def expired(self) -> bool:
        # Before the clock is looked at, since it stands still meanwhile.
        self.give_way()
        return self.at != math.inf and self.clock() >= self.at

    def check(self) -> None:
        """Raises
        ------
        DeadlineReached
            If the moment has passed.
        """
        if self.expired():
            raise DeadlineReached("the deadline has passed")


class OwnTime:
    """A clock of work that waits for others in between: it stands still but while it is run."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self._clock = clock
        self._spent = 0.0
        self._since: float | None = None

    def __call__(self) -> float:
        """Seconds that it ran."""
        running = 0.0 if self._since is None else self._clock() - self._since
        return self._spent + running

    @contextmanager
    def run(self) -> Iterator[None]:
        """Open while the work goes on."""
        self._since = self._clock()
        try:
            yield
        finally:
            self._spent, self._since = self(), None

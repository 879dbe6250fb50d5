"""How much time a question gets, and where it went."""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import AbstractContextManager, contextmanager, nullcontext
from dataclasses import dataclass

from ifonly.explainers.deadline import Deadline
from ifonly.explainers.watch import Watch, unwatched
from ifonly.service.scheduling.time_slices import Turn
from ifonly.service.settings import Settings
from ifonly.service.wire import replies

LEAST_PATIENCE_SECONDS = 1.0
"""A question waits so long for a thread, however short its own time is."""


@dataclass(frozen=True)
class Budget:
    """The time of one question's search. It begins with the search: what the question waited for
    a thread before is told apart, and costs it nothing."""

    ms: int
    asked: float | None = None
    """By ``time.perf_counter``, when it began to wait; None if nothing was waited for."""
    really_ms: int | None = None
    """What the search gets, where that is not what its answer says: asked again by a replay."""
    turn: Turn | None = None
    """Whom it gives way to; None: nobody."""

    @classmethod
    def of(cls, asked: int | None, settings: Settings, turn: Turn | None = None) -> Budget:
        """What a request that was read just now gets of what it asks for."""
        ms = min(asked or settings.default_deadline_ms, settings.max_deadline_ms)
        return cls(ms, time.perf_counter(), turn=turn)

    @property
    def patience(self) -> float:
        """Seconds after which waiting for a thread is given up."""
        return max(self.ms / 1_000, LEAST_PATIENCE_SECONDS)

    def deadline(self) -> Deadline:
        """Of a search that begins now."""
        seconds = (self.really_ms or self.ms) / 1_000
        return Deadline.after(seconds) if self.turn is None else self.turn.deadline(seconds)

    def begun(self) -> AbstractContextManager[object]:
        """Open while anything is done for the question."""
        return nullcontext() if self.turn is None else self.turn

    def away(self) -> AbstractContextManager[object]:
        """Open while another process computes for the question."""
        return nullcontext() if self.turn is None else self.turn.away()

    def waited(self) -> float:
        """Seconds that it gave way to others."""
        return 0.0 if self.turn is None else self.turn.waited


def _nothing() -> float:
    return 0.0


class Stopwatch:
    """A :class:`Watch` that adds up the stages of one question, for whoever else watches too."""

    def __init__(
        self,
        asked: float | None,
        watch: Watch = unwatched,
        waited: Callable[[], float] = _nothing,
    ) -> None:
        """``waited``: seconds so far that are no stage's."""
        self._watch = watch
        self._waited = waited
        self._began = time.perf_counter()
        self._queued = 0.0 if asked is None else self._began - asked
        self._spent = Counter[str]()

    @contextmanager
    def __call__(self, stage: str, /) -> Iterator[None]:
        # Less what was waited so far: a stage that gives way is not charged for it.
        began = time.perf_counter() - self._waited()
        try:
            with self._watch(stage):
                yield
        finally:
            spent = time.perf_counter() - self._waited() - began
            self._spent[stage] += spent  # type: ignore[assignment]

    def times(self) -> replies.Times:
        """Until now."""
        stages = [self._spent[stage] for stage in ("search", "verify", "complete")]
        waited = self._waited()
        rest = time.perf_counter() - self._began - waited - sum(stages)
        in_ms = [round(1e3 * max(0.0, s), 3) for s in (self._queued + waited, *stages, rest)]
        names = ("queued_ms", "search_ms", "verify_ms", "complete_ms", "rest_ms")
        return replies.Times(**dict(zip(names, in_ms, strict=True)))

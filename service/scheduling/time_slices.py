"""Hard searches give way: to short questions at once, and to each other in slices.

How hard a question is, only asking it shows. A search that has run for ``HARD_SECONDS`` is hard.
Of these no more than a few run at once, in slices, the actors in turn; and while a short question
is being answered none of them does, but for a slice now and then, so that they end too. A search
gives way where it looks at its deadline anyway (:class:`ifonly.explainers.deadline.Deadline`); what
it waited costs it nothing, for its clock stands still meanwhile.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from types import TracebackType
from typing import Self

from ifonly.explainers.deadline import Deadline
from ifonly.service.scheduling.round_robin import Rotation

HARD_SECONDS = 0.05
"""A search, or any question, that has run for so long is a hard one: others have its place."""
SLICE_SECONDS = 0.05
"""So long it runs before another one may."""
QUIET_SECONDS = 0.005
"""Short questions come one after the other: so long after one, hard searches wait for the next."""
LONGEST_QUIET_SECONDS = 0.1
"""Once no hard search has run for so long, one does, whatever else is being answered."""
FIRM_SECONDS = 0.025
"""And runs for so long at least."""
CHARGE_SECONDS = 1.0
"""Processor time is told in pieces of so much."""
OVER = 86_400.0
"""Added to a clock, it passes every deadline."""

Charge = Callable[[str, float], None]
"""Is told of an actor's processor time, in seconds, by the thread that spent it."""


def _free(actor: str, seconds: float) -> None:
    return


def _wanted() -> bool:
    return False


class Turns:
    """What is being searched in one process. Thread-safe."""

    def __init__(self, at_once: int = 1, charge: Charge = _free) -> None:
        self._at_once = at_once
        self._charge = charge
        self._lock = threading.Lock()
        self._running = 0
        self._ran = time.monotonic()
        """When a hard one ran last."""
        self._waiting: Rotation[threading.Event] = Rotation()
        self._has_watch = False
        """Whether a search that waits looks every ``QUIET_SECONDS`` whether it may go on."""
        self._short_until = 0.0
        self.short = 0
        """Short questions that are being answered."""
        self.stopped = False

    @contextmanager
    def brief(self) -> Iterator[None]:
        """A short question is being answered until the block ends."""
        self.begin_short()
        try:
            yield
        finally:
            self.end_short()

    def begin_short(self) -> None:
        with self._lock:
            self.short += 1

    def end_short(self) -> None:
        with self._lock:
            self.short -= 1
            # The quiet spares a client who asks one thing
            # after another a hard search each time (0084).
            self._short_until = time.monotonic() + QUIET_SECONDS
            self._grant()

    def search(
        self, actor: str, *, background: bool = False, is_over: Callable[[], bool] = _wanted
    ) -> Turn:
        """For one search; ``background``: it is a hard one from its beginning, and free;
        ``is_over``: whether nobody wants to know any more, besides that all searches end."""
        charge = _free if background else self._charge
        return Turn(self, actor, background=background, charge=charge, is_over=is_over)

    def stop(self) -> None:
        """All searches end, by their deadline, those that begin later too; none waits any more."""
        with self._lock:
            self.stopped = True
            self._grant()

    def wait(self, actor: str, *, held: bool) -> None:
        """Until it is a hard search's turn; ``held``: it had one until now."""
        mine = threading.Event()
        with self._lock:
            if held:
                self._release()
            self._waiting.put(actor, mine)
            self._grant()
        # Polled: only the clock ends the quiet, and nobody signals that.
        while not mine.is_set():
            self._watch(mine)

    def _watch(self, mine: threading.Event) -> None:
        """Wait a while; one of those who wait looks often."""
        with self._lock:
            # One looks often and grants for all: each of a
            # hundred waiting would wake the interpreter.
            watches = not self._has_watch
            self._has_watch = True
        mine.wait(QUIET_SECONDS if watches else LONGEST_QUIET_SECONDS)
        with self._lock:
            if watches:
                self._has_watch = False
            self._grant()

    def leave(self) -> None:
        """A hard search has ended."""
        with self._lock:
            self._release()
            self._grant()

    def is_busy(self, now: float) -> bool:
        """Whether short questions are being answered, or were just now."""
        return self.short > 0 or now < self._short_until

    @property
    def is_wanted(self) -> bool:
        """Whether another hard search waits."""
        return len(self._waiting) > 0

    def _release(self) -> None:
        self._running -= 1
        self._ran = time.monotonic()

    def _grant(self) -> None:
        while self._waiting and (self.stopped or self._has_room()):
            found = self._waiting.pop()
            assert found is not None
            self._running += 1
            # Set at the grant too: the longest quiet counts from when a hard search last ran.
            self._ran = time.monotonic()
            found[1].set()

    def _has_room(self) -> bool:
        if self._running >= self._at_once:
            return False
        now = time.monotonic()
        # Short questions first; but a hard one now and then, or a busy service would never end one.
        return not self.is_busy(now) or now - self._ran >= LONGEST_QUIET_SECONDS


class Turn:
    """One search: a clock that stands still while others have their turn.

    Used by one thread, as a context manager around all that is done for the question.
    """

    def __init__(
        self,
        turns: Turns,
        actor: str,
        *,
        background: bool,
        charge: Charge,
        is_over: Callable[[], bool],
    ) -> None:
        self._turns = turns
        self._is_over = is_over
        self._actor = actor
        self._charge = charge
        self._background = background
        self._hard = False
        self._look = 0.0
        """When the slice, or what makes it a hard one, is over."""
        self._firm = 0.0
        self._told = 0.0
        self.waited = 0.0
        """Seconds that it gave way to others."""

    def __enter__(self) -> Self:
        # Of this thread: what others compute meanwhile is not charged to the actor.
        self._told = time.thread_time()
        if self._background:
            # Nobody waits for the reply to a job's row: it takes its turn as a hard one at once.
            self._hard = True
            self._wait(held=False)
        else:
            self._turns.begin_short()
            self._look = time.monotonic() + HARD_SECONDS
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        if self._hard:
            self._turns.leave()
            # Whatever is left, however little: the end of a search is charged, too.
            self._tell(0.0)
        else:
            self._turns.end_short()

    @contextmanager
    def away(self) -> Iterator[None]:
        """Another process computes until the block ends: its place is others', its time runs on."""
        if not self._hard:
            # Who only waits holds up no hard search.
            self._turns.end_short()
            try:
                yield
            finally:
                self._turns.begin_short()
            return
        self._turns.leave()
        try:
            yield
        finally:
            self._wait(held=False)

    def clock(self) -> float:
        """Seconds that only its own search takes."""
        # Waiting is taken off: a search has the time it asked for, whoever else asks (0077).
        return time.monotonic() - self.waited

    def deadline(self, seconds: float) -> Deadline:
        """After so much of its own time from now; or as soon as nobody wants to know any more,
        be that already so."""
        # Set by the clock without the jump: one that is set after it must be passed, too.
        return Deadline(self.clock() + seconds, self._jumping_clock, self.give_way)

    def _jumping_clock(self) -> float:
        return self.clock() + (OVER if self._turns.stopped or self._is_over() else 0.0)

    def give_way(self) -> None:
        """Wait, if it is another's turn."""
        now = time.monotonic()
        if self._hard and self._turns.is_busy(now):
            # A hard search that was just let on is not stopped by the next short question at once.
            if now >= self._firm:
                self._pause()
        elif now >= self._look:
            self._pause()

    def _pause(self) -> None:
        turns = self._turns
        if not self._hard:
            self._hard = True
            # It is no short question any more, or it would
            # hold up hard searches, itself among them.
            turns.end_short()
            self._wait(held=False)
        elif turns.is_wanted or turns.is_busy(time.monotonic()):
            self._wait(held=True)
        else:
            self._look = time.monotonic() + SLICE_SECONDS
        # In pieces: a charge is a write to the store.
        self._tell(CHARGE_SECONDS)

    def _wait(self, *, held: bool) -> None:
        began = time.monotonic()
        self._turns.wait(self._actor, held=held)
        now = time.monotonic()
        self.waited += now - began
        self._look, self._firm = now + SLICE_SECONDS, now + FIRM_SECONDS

    def _tell(self, least: float) -> None:
        now = time.thread_time()
        if now - self._told >= least:
            self._charge(self._actor, now - self._told)
            self._told = now

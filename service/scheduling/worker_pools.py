"""Threads that answer, and who may have how many of them.

Places are shared by actor. Whoever waits is taken in turn, an actor at a time; the last places,
and the last ones in the queue, are for those who have none. So one key that fills all that it may
fill costs another key one turn.
"""

from __future__ import annotations

import asyncio
import math
from collections import Counter
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextvars import ContextVar, copy_context
from functools import partial
from typing import TypeVar

from ifonly.service.errors import Overloaded, ShareSpent
from ifonly.service.scheduling.round_robin import Rotation
from ifonly.service.scheduling.time_slices import HARD_SECONDS

T = TypeVar("T")

asking: ContextVar[str] = ContextVar("asking", default="")
"""The actor for whom something is done; empty: nobody known."""
CONCURRENT = "questions at once"
"""What that share is called."""


class Workers:
    """Threads that answer questions, so that the event loop only shuffles bytes.

    A question that takes longer than ``patience`` seconds goes on as a slow one and leaves its
    place to those that wait: a proof that takes seconds does not hold up what takes milliseconds.
    There are ``threads`` for quick ones and ``slow`` more; beside these, ``kept`` are for actors
    who have none. All that changes does so on the event loop.
    """

    def __init__(
        self,
        threads: int,
        max_waiting: int,
        slow: int = 0,
        patience: float = HARD_SECONDS,
        *,
        kept: int = 0,
        most_each: int = 0,
    ) -> None:
        """``max_waiting``: who may wait, more if they are of more actors; ``most_each``: questions
        of one actor, 0: any."""
        # As many as places can ever be taken: who gets one is decided below, not by the pool.
        self._pool = ThreadPoolExecutor(threads + slow + kept, "worker")
        self._threads = threads
        self._room = threads + slow
        self._kept = kept
        self._max_waiting = max_waiting
        self._most_each = most_each
        self._patience = patience
        self._quick = 0
        self._inside = 0
        self._held = Counter[str]()
        self._queue: Rotation[asyncio.Future[None]] = Rotation()

    @property
    def waiting(self) -> int:
        """Questions that have no thread yet."""
        return len(self._queue)

    async def run(
        self, answer: Callable[[], T], patience: float = math.inf, actor: str | None = None
    ) -> T:
        """Run ``answer`` in one of the threads, for ``actor``; by default for whoever asks.

        Raises
        ------
        Overloaded
            If too many wait for a thread already, or none is free for ``patience`` seconds.
        ShareSpent
            If the actor has as many as one may have.
        """
        actor = asking.get() if actor is None else actor
        await self._admitted(actor, patience)
        place = _WorkerPlace(self, actor)
        loop = asyncio.get_running_loop()
        # Cancelled when whoever asked goes away; the thread's work goes on, and is recorded.
        done: asyncio.Future[T] = loop.create_future()
        # How hard a question is, only asking it shows (decision 0054).
        timer = loop.call_later(self._patience, place.is_slow)

        def over(tell: Callable[[], None]) -> None:
            # When the thread is done, not when the client has gone away.
            timer.cancel()
            place.leave()
            if not done.cancelled():
                tell()

        def work() -> None:
            # No task and no future of the pool's: one call of the loop a question.
            try:
                tell = partial(done.set_result, answer())
            except StopIteration as error:  # no future takes one
                failed = RuntimeError("an answer raised StopIteration")
                failed.__cause__ = error
                tell = partial(done.set_exception, failed)
            except BaseException as error:
                tell = partial(done.set_exception, error)
            loop.call_soon_threadsafe(over, tell)

        self._pool.submit(copy_context().run, work)
        return await done

    async def _admitted(self, actor: str, patience: float) -> None:
        # A free place is not taken past those who wait: they came first.
        if not self._queue and self._may(actor) and not self._is_spent(actor):
            self._take(actor)
            return
        self._check(actor)
        mine = asyncio.get_running_loop().create_future()
        self._queue.put(actor, mine)
        # It may get a kept place at once, past those who wait and may not have one.
        self._dispatch()
        try:
            async with asyncio.timeout(None if patience == math.inf else patience):
                await mine
        except BaseException as error:
            # A cancelled wait must leave the queue, too.
            self._queue.remove(actor, mine)
            if mine.done() and not mine.cancelled():  # it was given a place, and is not there
                _WorkerPlace(self, actor).leave()
            if isinstance(error, TimeoutError):
                raise Overloaded(self.waiting) from None
            raise

    def _is_spent(self, actor: str) -> bool:
        most = self._most_each
        return most > 0 and self._queue.count(actor) + self._held[actor] >= most

    def _check(self, actor: str) -> None:
        """Whether one more of the actor's may wait."""
        mine = self._queue.count(actor)
        if self._is_spent(actor):
            raise ShareSpent(CONCURRENT, mine + self._held[actor], self._most_each, 1.0)
        if self.waiting < self._max_waiting:
            return
        others = self._queue.actors - bool(mine)
        # Who waits and who comes now have equal shares of the queue.
        fair = self._max_waiting // (others + 1)
        if mine < fair:
            return
        if others and mine:
            raise ShareSpent(CONCURRENT, mine + self._held[actor], fair, 1.0)
        raise Overloaded(self.waiting)

    def _dispatch(self) -> None:
        while self._queue:
            found = self._queue.pop(self._may)
            if found is None:
                return
            actor, mine = found
            if not mine.done():  # else whoever asked has gone away just now
                self._take(actor)
                mine.set_result(None)

    def _may(self, actor: str) -> bool:
        """Whether there is a place for one more of the actor's."""
        # An actor who has a thread leaves the kept places to those who have none.
        if self._held[actor]:
            return self._quick < self._threads and self._inside < self._room
        return self._quick < self._threads + self._kept and self._inside < self._room + self._kept

    def _take(self, actor: str) -> None:
        self._inside += 1
        self._quick += 1
        self._held[actor] += 1

    def _leave(self, actor: str, *, quick: bool) -> None:
        self._inside -= 1
        self._quick -= quick
        self._held[actor] -= 1
        if not self._held[actor]:
            del self._held[actor]
        self._dispatch()

    def _slow(self) -> None:
        self._quick -= 1
        self._dispatch()


class _WorkerPlace:
    """The thread that a question has: among the quick ones, or the slow ones."""

    def __init__(self, workers: Workers, actor: str) -> None:
        self._workers = workers
        self._actor = actor
        self._quick = True

    def is_slow(self) -> None:
        # Without slow threads the place stays taken: there is no other thread for it.
        if self._workers._room > self._workers._threads:
            self._quick = False
            self._workers._slow()

    def leave(self) -> None:
        self._workers._leave(self._actor, quick=self._quick)

"""The event loop is shared, too: requests of one actor do not queue up before another's.

What is read and written for a request takes the loop about a millisecond, and whoever has thirty
under way takes thirty in a row. While several actors ask, in this process or another one of the
service, each has only one under way in a process; the rest of theirs wait in turn, unread, and
begin with a pause between them in which the others come first. An actor who is alone is not held
up, and what takes longer than ``HARD_SECONDS`` (a hard question) does not count any more.
"""

from __future__ import annotations

import asyncio
import time
from collections import Counter
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from ifonly.service.errors import ShareSpent
from ifonly.service.scheduling.presence import Presence
from ifonly.service.scheduling.round_robin import Rotation
from ifonly.service.scheduling.time_slices import HARD_SECONDS

AT_ONCE = 1
"""Requests of one actor in a process, while others ask."""
LEAST_PAUSE, LONGEST_PAUSE = 0.01, 0.1
"""Seconds from the end of a request until the next of those that waited begins: twice as long as
it took, within these."""
MOST_WAITING = 256
"""Requests of one actor in a process; more are refused."""
WAITING = "requests that wait"
"""What that share is called."""


class AdmissionQueue:
    """Used on the event loop."""

    def __init__(self, presence: Presence | None = None) -> None:
        """``presence``: what is known of who asks; by default what this process sees."""
        self._presence = presence or Presence()
        self._under_way = Counter[str]()
        self._waiting: Rotation[asyncio.Future[None]] = Rotation()

    @asynccontextmanager
    async def entered(self, actor: str) -> AsyncIterator[None]:
        """Open while something is done for a request of the actor.

        Raises
        ------
        ShareSpent
            If too many of theirs wait already.
        """
        loop = asyncio.get_running_loop()
        self._presence.note(actor)
        if self._under_way[actor] >= AT_ONCE and self._presence.others(actor):
            await self._turn(actor)
        else:
            self._under_way[actor] += 1
        place = _AdmittedRequest(self, actor)
        # A hard question counts for so long only: its actor's quick ones go on meanwhile.
        timer = loop.call_later(HARD_SECONDS, place.leave)
        try:
            yield
        finally:
            timer.cancel()
            place.leave()

    async def _turn(self, actor: str) -> None:
        waiting = self._waiting.count(actor)
        if waiting >= MOST_WAITING:
            raise ShareSpent(WAITING, waiting, MOST_WAITING, 1.0)
        # A future a request and no semaphore: who is next is decided by actor, not by arrival.
        mine: asyncio.Future[None] = asyncio.get_running_loop().create_future()
        self._waiting.put(actor, mine)
        try:
            await mine
        except BaseException:
            self._waiting.remove(actor, mine)
            # A place given just as the wait was cancelled goes to the next, or it is lost for ever.
            if mine.done() and not mine.cancelled():
                self._free(actor)
            raise

    def leave(self, actor: str, took: float) -> None:
        """A request has ended: the next of the actor's begins after a pause, if one waits."""
        if not self._waiting.count(actor):
            self._free(actor)
            return
        pause = 0.0
        if self._presence.others(actor):
            pause = min(max(2.0 * took, LEAST_PAUSE), LONGEST_PAUSE)
        # The place is freed after the pause, in which others' requests reach the loop first.
        asyncio.get_running_loop().call_later(pause, self._free, actor)

    def _free(self, actor: str) -> None:
        self._under_way[actor] -= 1
        if not self._under_way[actor]:
            del self._under_way[actor]
        while (found := self._waiting.pop(lambda a: self._under_way[a] < AT_ONCE)) is not None:
            if not found[1].done():  # else whoever waited has gone away
                self._under_way[found[0]] += 1
                found[1].set_result(None)


class _AdmittedRequest:
    """A request that is under way: it leaves once, however often that is said."""

    def __init__(self, queue: AdmissionQueue, actor: str) -> None:
        self._queue = queue
        self._actor = actor
        self._began = time.monotonic()
        self._has_left = False

    def leave(self) -> None:
        if not self._has_left:
            self._has_left = True
            self._queue.leave(self._actor, time.monotonic() - self._began)

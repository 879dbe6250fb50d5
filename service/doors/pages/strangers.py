"""Pages for whoever is not signed in: they are served beside everything else, not before it."""

from __future__ import annotations

import asyncio
import time
from collections.abc import AsyncIterator
from contextlib import asynccontextmanager

from ifonly.service.errors import Overloaded

SHARE = 0.2
"""Of the event loop's time, at the most."""
MOST_WAITING = 256
"""Requests of strangers; more are refused with 503."""
LEAST_REST, LONGEST_REST = 0.01, 0.05
"""Seconds: what a request costs before it is admitted is not measured, and what is measured may
have been somebody else's."""


class Strangers:
    """One at a time; after each the event loop is others' for four times as long as it took."""

    def __init__(self) -> None:
        self._turn = asyncio.Lock()
        self._waiting = 0

    @asynccontextmanager
    async def admitted(self) -> AsyncIterator[None]:
        """Raises
        ------
        Overloaded
            If too many wait already.
        """
        # Bounded: strangers cost memory while they wait, and nobody knows how many come.
        if self._waiting >= MOST_WAITING:
            raise Overloaded(self._waiting)
        self._waiting += 1
        try:
            await self._turn.acquire()
        finally:
            self._waiting -= 1
        # Time of this thread's processor: a stranger does not pay for a machine that is busy.
        began = time.thread_time()
        try:
            yield
        finally:
            rest = (1.0 / SHARE - 1.0) * (time.thread_time() - began)
            loop = asyncio.get_running_loop()
            rest = min(max(rest, LEAST_REST), LONGEST_REST)
            # Held until then: the next stranger waits, and whoever is known does not.
            loop.call_later(rest, self._turn.release)

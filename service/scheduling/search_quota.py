"""Nobody has more than their share of the searches: CPU-seconds of hard ones, by actor."""

from __future__ import annotations

import math
import time
from collections.abc import Awaitable, Callable
from concurrent.futures import Future
from dataclasses import dataclass
from functools import partial

from ifonly.service import logs
from ifonly.service.errors import JournalFull, ShareSpent
from ifonly.service.store import rates
from ifonly.service.store.database import Database
from ifonly.service.store.journal import Journal
from ifonly.service.store.rates import SearchShare

LOOK_SECONDS = 1.0
"""For so long a process believes what it last saw of a bucket: another may have emptied it."""
MOST_ACTORS = 10_000
"""Of whom a process remembers what it saw; then it forgets, and looks again."""
SEARCH_SECONDS = "CPU-seconds of search"
"""What the share is called."""

Read = Callable[[Callable[[], float]], Awaitable[float]]
"""Reads the store in a thread that may."""


@dataclass(frozen=True, slots=True)
class _SeenShare:
    left: float
    at: float


class Shares:
    """Asked before every explanation; told of what each hard one cost.

    Questions that are answered within a slice cost nothing: what they take is bounded by how many
    there are at once. Thread-safe.
    """

    def __init__(self, database: Database, journal: Journal, share: SearchShare | None) -> None:
        self._database = database
        self._journal = journal
        self._share = share
        self._seen: dict[str, _SeenShare] = {}

    async def admit(self, actor: str, read: Read) -> None:
        """Raises
        ------
        ShareSpent
            If the actor's searches have taken all that they may.
        StoreUnavailable, StoreDamaged, Overloaded
            If the store cannot say.
        """
        if self._share is None:
            return
        seen = self._seen.get(actor)
        # Saves a query a request; what is missed is at most a second's searching.
        if seen is None or time.monotonic() - seen.at > LOOK_SECONDS:
            seen = self._note(actor, await read(partial(self._left, actor, self._share)))
        if seen.left <= 0.0:
            share = self._share
            wait = -seen.left / share.per_second
            used = math.ceil(share.burst - seen.left)
            raise ShareSpent(SEARCH_SECONDS, used, share.burst, wait)

    def charge(self, actor: str, seconds: float) -> None:
        """So much processor time was searched for the actor."""
        if self._share is None:
            return
        try:
            spent = self._journal.change(rates.spend(actor, seconds, self._share))
        except JournalFull as error:
            # The search is done and its answer good: it is given free rather than lost.
            logs.logger.warning("%.1f s of search are nobody's: %s", seconds, error)
            return
        spent.add_done_callback(partial(self._paid, actor))

    def _left(self, actor: str, share: SearchShare) -> float:
        return rates.left(self._database, actor, share)

    def _paid(self, actor: str, done: Future[float]) -> None:
        error = done.exception()
        if error is None:
            self._note(actor, done.result())
        else:
            logs.logger.warning("what was searched could not be written down: %s", error)

    def _note(self, actor: str, left: float) -> _SeenShare:
        if len(self._seen) >= MOST_ACTORS:
            self._seen.clear()
        seen = _SeenShare(left, time.monotonic())
        self._seen[actor] = seen
        return seen

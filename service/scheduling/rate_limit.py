"""Nobody asks more often than they may."""

from __future__ import annotations

import asyncio

from ifonly.service.store.journal import Journal
from ifonly.service.store.rates import Rate, Tokens, take

MOST_ACTORS = 10_000
"""Of whom a process remembers what it has; then it forgets, and asks the store again."""


class Rates:
    """Asked before every request; see :mod:`ifonly.service.store.rates`."""

    def __init__(self, journal: Journal, rate: Rate | None) -> None:
        self._journal = journal
        self._rate = rate
        self._tokens: dict[str, Tokens] = {}

    async def admit(self, actor: str) -> None:
        """Raises
        ------
        TooOften
            If the actor has asked as often as they may.
        JournalFull, StoreUnavailable
            If the store cannot say.
        """
        if self._rate is None:
            return
        # Clearing all costs each actor one commit, and spares keeping an order of use.
        if len(self._tokens) >= MOST_ACTORS:
            self._tokens.clear()
        tokens = self._tokens.setdefault(actor, Tokens())
        # A loop: other requests of the actor may have spent the handful meanwhile.
        while not tokens.spend():
            taken = self._journal.change(take(actor, self._rate))
            tokens.put(await asyncio.wrap_future(taken))

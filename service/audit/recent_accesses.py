"""Looks at what was recorded: the record of one, and which are new (whoever watches a page is
recorded once a minute, not at every change)."""

from __future__ import annotations

import json

from ifonly.service.store.chain import Facts
from ifonly.service.store.journal import Draft

READ, LISTED, EXPORTED = "read", "listed", "exported"
"""Status of the record: of one record, of several, of a file of them."""
SAME_SECONDS = 60.0
MOST_REMEMBERED = 10_000


class RecentAccesses:
    """The looks of the last minute."""

    def __init__(self) -> None:
        self._seen: dict[tuple[str, str], float] = {}

    def is_new(self, who: str, what: str, now: float) -> bool:
        """Whether this one is to be recorded. ``now``: a clock that never goes back."""
        last = self._seen.get((who, what))
        if last is not None and now - last < SAME_SECONDS:
            return False
        # Bounds memory; what is forgotten is recorded once more, never not at all.
        if len(self._seen) >= MOST_REMEMBERED:
            self._seen.clear()
        self._seen[who, what] = now
        return True

    def forget(self, who: str, what: str) -> None:
        """It could not be recorded after all."""
        self._seen.pop((who, what), None)


def with_query(facts: Facts, query: str) -> Draft:
    """The record of a look; ``query``, which may name somebody, can be erased."""
    # The query goes into the payload, which can be erased; the chain cannot.
    if not query:
        return Draft(facts)
    return Draft(facts, json.dumps({"request": {"query": query}}).encode())

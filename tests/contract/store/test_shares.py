"""Whoever's hard searches have taken their share is refused, and told what of and how much."""

from __future__ import annotations

import asyncio
from collections.abc import Callable

import pytest

from ifonly.service.ask.problems import problem_of
from ifonly.service.errors import ShareSpent
from ifonly.service.scheduling import search_quota as module
from ifonly.service.scheduling.search_quota import Shares
from ifonly.service.store.database import Database
from ifonly.service.store.journal import Journal
from ifonly.service.store.rates import SearchShare

SHARE = SearchShare(per_second=0.001, burst=10.0)


async def read(look: Callable[[], float]) -> float:
    return look()


def refused(shares: Shares, actor: str) -> ShareSpent:
    with pytest.raises(ShareSpent) as found:
        asyncio.run(shares.admit(actor, read))
    return found.value


def test_who_has_spent_their_share_is_refused_in_every_process_and_others_are_not(
    database: Database, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "LOOK_SECONDS", 0.0)
    shares, other = (Shares(database, journal, SHARE) for _ in range(2))
    asyncio.run(shares.admit("key:1", read))
    shares.charge("key:1", 6.0)
    other.charge("key:1", 6.0)
    journal.change(lambda connection: None).result(30)  # after both
    for one in (shares, other):
        error = refused(one, "key:1")
        assert (error.share, error.used, error.limit) == ("CPU-seconds of search", 12, 10.0)
        asyncio.run(one.admit("key:2", read))
    problem = problem_of(error)
    assert problem is not None
    assert problem.kind.status == 429
    assert problem.retry_seconds is not None
    assert 1_900 <= problem.retry_seconds <= 2_000
    assert problem.said("/here")["share"] == "CPU-seconds of search"


def test_without_a_share_nothing_is_looked_up_or_written(
    database: Database, journal: Journal
) -> None:
    shares = Shares(database, journal, None)
    before = journal.commits
    shares.charge("key:1", 1e9)
    asyncio.run(shares.admit("key:1", read))
    assert journal.commits == before

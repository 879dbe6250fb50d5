"""How often who may ask, on both stores: shared by all processes, never more than was poured in."""

from __future__ import annotations

import pytest

from ifonly.service.errors import TooOften
from ifonly.service.store import rates
from ifonly.service.store.database import Database, connect
from ifonly.service.store.journal import Journal
from ifonly.service.store.rates import Rate, SearchShare, Taken, Tokens, left, spend, take
from tests.contract.store.conftest import journal_of

SHARE = SearchShare(per_second=2.0, burst=30.0)
RATE = Rate(per_second=20.0, burst=10)


@pytest.fixture
def clock(monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """Microseconds that pass only when a test says so."""
    now = [1_000_000_000]
    monkeypatch.setattr(rates, "now_us", lambda: now[0])
    return now


def taken(journal: Journal, actor: str = "key:1") -> Taken:
    return journal.change(take(actor, RATE)).result(30)


def drained(journal: Journal) -> int:
    """All that there is."""
    total = 0
    while got := taken(journal).tokens:
        total += got
    return total


def test_processes_share_one_bucket(journal: Journal, url: str, clock: list[int]) -> None:
    other_store = connect(url)
    with journal_of(other_store) as other:
        assert taken(journal).tokens == 2  # a handful: what fills in a tenth of a second
        assert drained(other) == 8
        assert drained(journal) == 0
        clock[0] += 250_000
        assert drained(other) == 5
        assert taken(journal, "key:2").tokens == 2  # somebody else's is full
    other_store.close()


def test_an_empty_bucket_says_how_long(journal: Journal, clock: list[int]) -> None:
    assert drained(journal) == 10
    assert taken(journal).wait_seconds == pytest.approx(0.05)
    clock[0] += 25_000
    assert taken(journal).wait_seconds == pytest.approx(0.025)
    clock[0] += 25_000
    assert taken(journal).tokens == 1


def test_a_bucket_holds_no_more_than_a_burst_and_a_clock_set_back_pours_nothing(
    journal: Journal, clock: list[int]
) -> None:
    assert drained(journal) == 10
    clock[0] += 3_600_000_000
    assert drained(journal) == 10
    clock[0] -= 1_800_000_000
    assert drained(journal) == 0


def test_a_process_gives_out_what_it_took_and_then_asks_again() -> None:
    tokens = Tokens()
    assert tokens.spend() is False
    tokens.put(Taken(2))
    assert [tokens.spend() for _ in range(3)] == [True, True, False]
    tokens.put(Taken(0, 30.0))
    with pytest.raises(TooOften):
        tokens.spend()


def test_a_bucket_that_was_filled_by_a_clock_that_ran_ahead_fills_from_now(
    journal: Journal, clock: list[int]
) -> None:
    assert drained(journal) == 10
    clock[0] += 86_400_000_000
    assert drained(journal) == 10  # a day ahead
    clock[0] -= 86_400_000_000
    assert drained(journal) == 0
    clock[0] += 250_000
    assert drained(journal) == 5


def test_clocks_that_differ_a_little_pour_nothing_in_twice(
    journal: Journal, clock: list[int]
) -> None:
    assert drained(journal) == 10
    clock[0] += 1_000_000
    assert drained(journal) == 10
    for _ in range(5):
        clock[0] -= 1_000_000
        assert drained(journal) == 0
        clock[0] += 1_000_000
        assert drained(journal) == 0


def test_searches_are_paid_for_afterwards_by_all_processes_together(
    database: Database, journal: Journal, url: str, clock: list[int]
) -> None:
    other_store = connect(url)
    with journal_of(other_store) as other:
        assert left(database, "key:1", SHARE) == 30.0
        assert journal.change(spend("key:1", 20.0, SHARE)).result(30) == 10.0
        assert other.change(spend("key:1", 25.0, SHARE)).result(30) == -15.0
        assert left(database, "key:1", SHARE) == -15.0
        clock[0] += 10_000_000
        assert left(other_store, "key:1", SHARE) == 5.0
        clock[0] += 3_600_000_000
        assert left(database, "key:1", SHARE) == 30.0
        assert left(database, "key:2", SHARE) == 30.0
        assert taken(journal).tokens == 2  # how often they ask is another bucket
    other_store.close()

"""Halves of predictions on both stores: joined once, looked at once, whoever is killed or late."""

from __future__ import annotations

from concurrent.futures import ThreadPoolExecutor
from contextlib import closing
from dataclasses import replace

import pytest
import sqlalchemy as sa

from ifonly.service.access import Principal, Role
from ifonly.service.errors import LostLease, QueueFull, UnknownRecord
from ifonly.service.store import dead_letters, inbox
from ifonly.service.store.database import Database, connect
from ifonly.service.store.inbox import Arrived, Half, Pair, PairState
from ifonly.service.store.journal import Journal
from ifonly.service.store.retention import Kept, forget
from tests.contract.store.conftest import journal_of

SENDER = Principal("key:1", frozenset({Role.SENDER}))
LONG, OVER = 60_000_000, -1
"""Leases; the second has run out when it is given."""


def half(half: Half, identity: str = "a", data: bytes = b"{}", who: Principal = SENDER) -> Arrived:
    return Arrived(half, ("http://pod/", identity), {"id": identity}, data, who, "request-1")


def accept(journal: Journal, *arrived: Arrived, most: int = 100) -> int:
    return journal.change(inbox.accept(arrived, most)).result(30)


def claim(journal: Journal, worker: str, lease_us: int = LONG) -> list[Pair]:
    return journal.change(inbox.claim(worker, 64, lease_us)).result(30)


def both(journal: Journal, identity: str = "a") -> None:
    accept(journal, half(Half.RESPONSE, identity, b"said"), half(Half.REQUEST, identity, b"asked"))


def test_both_halves_make_a_pair_whatever_comes_first_and_how_often(
    database: Database, journal: Journal
) -> None:
    assert accept(journal, half(Half.RESPONSE, data=b"said")) == 1
    assert accept(journal, half(Half.RESPONSE, data=b"otherwise")) == 0  # the first one stays
    assert not inbox.is_any_joined(database)
    assert claim(journal, "w") == []
    stranger = replace(SENDER, actor="key:2")
    assert accept(journal, half(Half.REQUEST, data=b"forged", who=stranger)) == 1  # joins nothing
    assert accept(journal, half(Half.REQUEST, data=b"asked")) == 1
    assert inbox.is_any_joined(database)
    again = half(Half.REQUEST, data=b"otherwise"), half(Half.RESPONSE, data=b"otherwise")
    assert accept(journal, *again) == 0
    (pair,) = claim(journal, "w")
    assert (pair.request, pair.response, pair.said) == (b"asked", b"said", {"id": "a"})
    assert pair.principal == SENDER
    assert claim(journal, "other") == []


def test_a_settled_pair_is_known_and_holds_nothing(database: Database, journal: Journal) -> None:
    both(journal)
    (pair,) = claim(journal, "w")
    journal.change(inbox.settled("w", [pair.key])).result(30)
    assert accept(journal, half(Half.REQUEST), half(Half.RESPONSE)) == 0
    assert claim(journal, "w") == []
    with database.reading() as connection:
        (row,) = connection.execute(sa.text("SELECT * FROM inference_events")).mappings()
    assert (row["request"], row["response"], row["said"]) == (None, None, "{}")


def test_a_worker_that_was_killed_or_is_late_settles_nothing_of_anothers(
    database: Database, journal: Journal
) -> None:
    both(journal)
    (pair,) = claim(journal, "killed", OVER)
    (again,) = claim(journal, "next")
    assert again.request == b"asked"
    with pytest.raises(LostLease):
        journal.change(inbox.settled("killed", [pair.key])).result(30)
    journal.change(inbox.hand_back("killed")).result(30)  # frees nothing of the other's
    assert claim(journal, "third") == []
    journal.change(inbox.settled("next", [pair.key])).result(30)
    assert inbox.count(database, PairState.SORTED) == 1


def test_what_one_hands_back_is_free_at_once(journal: Journal) -> None:
    both(journal)
    assert claim(journal, "w")
    journal.change(inbox.hand_back("w")).result(30)
    assert claim(journal, "other")


def test_what_is_put_off_lets_others_come_first(journal: Journal) -> None:
    both(journal, "a")
    (pair,) = claim(journal, "w")
    journal.change(inbox.postpone("w", [pair.key], LONG)).result(30)
    assert claim(journal, "w") == []
    both(journal, "b")
    (other,) = claim(journal, "w")
    assert other.said == {"id": "b"}
    both(journal, "c")
    (third,) = claim(journal, "w")
    journal.change(inbox.postpone("w", [third.key], OVER)).result(30)
    assert [again.key for again in claim(journal, "w")] == [third.key]


def test_more_than_may_wait_are_refused_together(database: Database, journal: Journal) -> None:
    accept(journal, half(Half.REQUEST, "a"), most=1)
    with pytest.raises(QueueFull, match="events"):
        accept(journal, half(Half.RESPONSE, "a"), half(Half.REQUEST, "b"), most=1)
    assert inbox.count(database, PairState.WAITING, PairState.JOINED) == 1
    assert inbox.count(database, PairState.JOINED) == 0


def test_what_cannot_be_read_is_kept_until_somebody_sees_to_it(
    database: Database, journal: Journal
) -> None:
    both(journal)
    (pair,) = claim(journal, "w")
    journal.change(inbox.bury("w", {pair.key: "a body is no JSON"})).result(30)
    (dead,) = inbox.dead(database)
    assert (dead.reason, dead.request, dead.state) == (
        "a body is no JSON",
        b"asked",
        PairState.DEAD,
    )
    assert claim(journal, "w") == []
    journal.change(dead_letters.retry(pair.key)).result(30)
    (again,) = claim(journal, "w")
    journal.change(inbox.bury("w", {again.key: "still none"})).result(30)
    journal.change(dead_letters.discard(pair.key)).result(30)
    assert inbox.dead(database) == []
    for change in (dead_letters.retry, dead_letters.discard):
        with pytest.raises(UnknownRecord):
            journal.change(change(pair.key)).result(30)


def test_a_half_that_stays_alone_is_forgotten_once_the_patience_is_over(
    database: Database, journal: Journal
) -> None:
    accept(journal, half(Half.REQUEST, "alone"))
    both(journal, "joined")
    assert journal.change(inbox.forget_lonely(LONG)).result(30) == 0
    assert journal.change(inbox.forget_lonely(-LONG)).result(30) == 1
    assert inbox.count(database, PairState.WAITING) == 0
    assert inbox.count(database, PairState.JOINED) == 1


def test_keys_of_settled_pairs_are_forgotten_by_their_age(
    database: Database, journal: Journal
) -> None:
    both(journal)
    (pair,) = claim(journal, "w")
    journal.change(inbox.settled("w", [pair.key])).result(30)
    both(journal, "b")
    journal.change(forget(Kept(jobs=30.0, keys=1.0))).result(30)
    assert inbox.count(database, PairState.SORTED) == 1
    journal.change(forget(Kept(jobs=30.0, keys=-1.0))).result(30)
    assert inbox.count(database, PairState.SORTED) == 0
    assert inbox.count(database, PairState.JOINED) == 1  # nobody has looked at it yet


def test_two_processes_join_and_claim_each_pair_once(url: str, database: Database) -> None:
    with closing(connect(url)) as second, journal_of(database) as a, journal_of(second) as b:
        with ThreadPoolExecutor(2) as pool:
            sent = [
                pool.submit(accept, journal, half(side, str(k)))
                for k in range(20)
                for journal, side in ((a, Half.REQUEST), (b, Half.RESPONSE))
            ]
            assert [done.result(60) for done in sent] == [1] * 40
            mine, theirs = pool.map(claim, (a, b), ("a", "b"))
            rest = claim(a, "a")
        keys = [pair.key for pair in (*mine, *theirs, *rest)]
        assert (len(keys), len(set(keys))) == (20, 20)

"""Lists that auditors look through, populations of samples, and one's own reviews: what is in them,
and that none of them reads the whole table."""

from __future__ import annotations

from typing import Any

import pytest

from ifonly.service.store import archive, explanations, populations
from ifonly.service.store.archive import Filter
from ifonly.service.store.chain import Facts
from ifonly.service.store.database import Database
from ifonly.service.store.journal import Journal
from ifonly.service.store.kinds import RecordKind
from ifonly.service.store.listings import is_listed
from ifonly.service.store.terms import RecordList
from ifonly.service.store.withdrawals import in_force, withdrawn
from tests.contract.store.conftest import draft
from tests.contract.store.test_archive import plan

E, R = RecordKind.EXPLANATION, RecordKind.REVIEW
FRAGILE = {"suggestion": {"cost": 5, "robust": 0, "sets": [["a", "+"]]}}


def varied(k: int) -> dict[str, Any]:
    statuses = ("optimal", "feasible", "unknown", "abstained", "infeasible", "put", None)
    robust: dict[str, Any] = {"suggestion": {"robust": k % 2, "sets": [['"robust":0', "+"]]}}
    return {
        "kind": list(RecordKind)[k % len(RecordKind)] if k % 3 else E,
        "status": statuses[k % len(statuses)],
        "detail": (None, robust, {"rows": 1}, FRAGILE)[k % 4],
        "time_us": 10**15 + k,
    }


@pytest.mark.parametrize("listing", RecordList)
def test_a_list_is_the_same_to_the_database_and_to_whoever_reads_a_record(
    database: Database, journal: Journal, listing: RecordList
) -> None:
    sent = [draft(k, **varied(k)) for k in range(240)]
    for future in [journal.append(each) for each in sent]:
        future.result(30)
    want = {each.facts.id for each in sent if is_listed(each.facts, listing)}
    if listing is RecordList.UPKEEP:  # of which the store itself has written some
        want |= {
            r.facts.id
            for r in archive.page(database, Filter({"actor": "system"}), None, 50).records
        }
    assert len(want) > 5
    page = archive.page(database, Filter({}, listing=listing), None, 300)
    assert {record.facts.id for record in page.records} == want
    exported = archive.everything(database, Filter({}, listing=listing))
    assert {seen.record.facts.id for seen in exported} == want
    for cursor in (None, archive.page(database, Filter({}, listing=listing), None, 2).next):
        for wanted in (Filter({}, listing=listing), Filter({}, since_us=1, listing=listing)):
            how = plan(database, archive.query(wanted, cursor, 20))
            assert f"ix_audit_records_{listing}" in how, how
            for bad in ("SCAN", "TEMP B-TREE", "Seq Scan", "Sort"):
                assert bad not in how, how


def said(journal: Journal, about: str, verdict: str, number: int, **more: Any) -> str:
    facts = {"kind": R, "about": about, "status": verdict, "time_us": 10**15 + number, **more}
    return journal.append(draft(number, **facts)).result(30).id


def test_what_was_taken_back_waits_again_and_only_whoever_said_it_takes_it_back(
    database: Database, journal: Journal
) -> None:
    ids = [journal.append(draft(k, kind=E, time_us=10**15 + k)).result(30).id for k in range(3)]
    first = said(journal, ids[0], "approve", 10)
    other = said(journal, ids[1], "reject", 11)
    said(journal, ids[1], "withdraw", 12, actor="key:other", detail={"withdraws": other})
    said(journal, ids[1], "withdraw", 13, detail={"withdraws": first})  # of another explanation
    taken = said(journal, ids[0], "withdraw", 14, detail={"withdraws": first})
    said(journal, ids[0], "withdraw", 15, detail={"withdraws": first})  # once more
    waiting = explanations.unreviewed(database, Filter({}), None, 9).records
    assert [r.facts.id for r in waiting] == [ids[2], ids[0]]
    reviews = explanations.reviews_of(database, ids)
    assert withdrawn(reviews) == {first: taken}
    assert [r.facts.id for r in in_force(reviews)] == [other]
    for detail in (None, {"withdraws": 3}, {"withdraws": taken}):
        said(journal, ids[1], "withdraw", 20, detail=detail)
    again = explanations.unreviewed(database, Filter({}), None, 9).records
    assert [r.facts.id for r in again] == [ids[2], ids[0]]


def test_of_what_waits_only_what_belongs_is_told(database: Database, journal: Journal) -> None:
    ids = [
        journal.append(draft(k, kind=E, seed=k % 2, time_us=10**15 + k)).result(30).id
        for k in range(9)
    ]
    cursor, found = None, list[str]()
    while True:
        page = explanations.unreviewed(
            database, Filter({}), cursor, 2, lambda record: record.facts.seed == 0
        )
        found += [record.facts.id for record in page.records]
        cursor = page.next
        if cursor is None:
            break
    assert found == ids[::-2]


def test_a_population_is_read_once_and_counted_no_further_than_asked(
    database: Database, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ifonly.service.store.populations.PIECE", 2)
    for k in range(9):
        models = {"model": "press"} if k == 4 else {}
        journal.append(draft(k, kind=E, time_us=k // 2, **models)).result(30)
    journal.append(draft(9, time_us=2)).result(30)
    every = [r.facts.seed for r in populations.explained(database, None, 0, 10)]
    assert len(every) == 9
    times = [r.facts.time_us for r in populations.explained(database, "milling-machine", 1, 3)]
    assert times == [1, 1, 2]
    assert populations.count(database, None, 0, 10, 5) == 5
    assert populations.count(database, "press", 0, 10, 5) == 1
    assert populations.ends(database)[journal.writer] >= 10


def test_ones_own_reviews_are_the_newest_and_nobody_elses(
    database: Database, journal: Journal
) -> None:
    ids = [said(journal, "x", "approve", k, actor=f"key:{k % 2}") for k in range(6)]
    found = populations.own_reviews(database, "key:1", 10**15 + 2, 9)
    assert [r.facts.id for r in found] == [ids[3], ids[5]]


def test_neither_populations_nor_reviews_read_the_whole_table(
    database: Database, journal: Journal
) -> None:
    done = [
        journal.append(
            draft(k, kind=(E, R, RecordKind.PREDICTION)[k % 3], model=f"m-{k % 5}", time_us=k)
        )
        for k in range(600)
    ]
    for future in done:
        future.result(30)
    for model in (None, "m-1"):
        for query in (
            populations.piece_query(model, (100, "w", 3), 500),
            populations.count_query(model, 100, 500, 50),
            populations.own_reviews_query(100, 20),
        ):
            how = plan(database, query)
            assert "ix_audit_records_kind" in how or not database.is_sqlite, how
            # PostgreSQL may sort the few rows that an index has found.
            for bad in ("SCAN audit", "TEMP B-TREE", "Seq Scan"):
                assert bad not in how, how


def test_a_tampered_detail_is_in_no_list() -> None:
    for detail in ("x", ["robust"], {"suggestion": "robust"}, {"suggestion": {"robust": "0"}}):
        facts = Facts(kind=E, actor="a", status="optimal", detail=detail)  # type: ignore[arg-type]
        assert not is_listed(facts, RecordList.FRAGILE)

"""Explanations that wait for review, and those of a period, from indexes on both stores."""

from __future__ import annotations

import pytest

from ifonly.service.store import explanations
from ifonly.service.store.archive import Filter
from ifonly.service.store.database import Database
from ifonly.service.store.journal import Journal
from ifonly.service.store.kinds import RecordKind
from tests.contract.store.conftest import draft
from tests.contract.store.test_archive import plan


def explained(journal: Journal, number: int, **facts: object) -> str:
    given = {"kind": RecordKind.EXPLANATION, "time_us": 1_000 + number, **facts}
    return journal.append(draft(number, **given)).result(30).id


def said(journal: Journal, about: str, verdict: str, number: int = 500) -> None:
    facts = {
        "kind": RecordKind.REVIEW,
        "about": about,
        "status": verdict,
        "time_us": 1_000 + number,
    }
    journal.append(draft(number, **facts)).result(30)


def test_what_an_auditor_judged_waits_no_more(database: Database, journal: Journal) -> None:
    ids = [explained(journal, k) for k in range(6)]
    journal.append(draft(9)).result(30)  # no explanation
    explained(journal, 6, status="already_target")
    said(journal, ids[1], "approve")
    said(journal, ids[2], "reject")
    said(journal, ids[3], "comment")
    said(journal, ids[4], "acted")
    first = explanations.unreviewed(database, Filter({}), None, 3)
    rest = explanations.unreviewed(database, Filter({}), first.next, 3)
    waiting = [r.facts.id for r in (*first.records, *rest.records)]
    assert waiting == [ids[5], ids[4], ids[3], ids[0]]
    assert rest.next is None
    of = explanations.reviews_of(database, waiting)
    assert [(r.facts.about, r.facts.status) for r in of] == [
        (ids[3], "comment"),
        (ids[4], "acted"),
    ]


def test_the_queue_is_filtered_as_the_trail_is(database: Database, journal: Journal) -> None:
    explained(journal, 1, model="press")
    wanted = explained(journal, 2, status="infeasible")
    explained(journal, 3, status="infeasible", model="press")
    only = Filter({"model": "milling-machine", "status": "infeasible"}, since_us=1, until_us=9_999)
    (found,) = explanations.unreviewed(database, only, None, 9).records
    assert found.facts.id == wanted


def test_a_period_is_read_once_oldest_first_in_pieces(
    database: Database, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ifonly.service.store.archive.PIECE", 2)
    ids = [explained(journal, k // 2) for k in range(9)]  # two at each time
    explained(journal, 3, model="press")
    asked = (database, RecordKind.EXPLANATION, "milling-machine", 1_001, 1_004)
    found = [r.facts.id for r, _ in explanations.about_model(*asked)]
    assert found == ids[2:8]
    assert explanations.count_about_model(*asked) == 6


def test_no_queue_reads_the_whole_table(database: Database, journal: Journal) -> None:
    for k in range(200):
        identity = explained(journal, k, model=f"model-{k % 5}")
        if k % 3:
            said(journal, identity, "approve")
    for equal in ({}, {"model": "model-1"}, {"status": "optimal"}):
        explained_ = explanations.explained_query(Filter(equal, since_us=1), None, 20)
        said_ = explanations.reviews_query([identity])
        for query in (explained_, said_):
            how = plan(database, query)
            for bad in ("SCAN audit", "Seq Scan"):
                assert bad not in how, how
        assert "ix_audit_records_about" in how, how
        assert "TEMP B-TREE" not in plan(database, explained_)

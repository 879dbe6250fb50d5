"""Recent predictions, the alarms apart: what is in the lists, and how they are read."""

from __future__ import annotations

from itertools import pairwise
from typing import Any

import pytest

from ifonly.service.store import recent
from ifonly.service.store.database import Database
from ifonly.service.store.journal import Journal
from ifonly.service.store.kinds import RecordKind
from ifonly.service.store.recent import LISTS, Which
from tests.contract.store.conftest import draft
from tests.contract.store.test_archive import plan

P, E = RecordKind.PREDICTION, RecordKind.EXPLANATION
RECORDS: dict[str, tuple[Which | None, dict[str, Any]]] = {
    "an alarm": ("alarms", {"kind": P, "status": "alarm"}),
    "no alarm": ("others", {"kind": P, "status": "no_alarm"}),
    "a prediction of a model that desires nothing": ("others", {"kind": P, "status": None}),
    "an explained alarm": ("alarms", {"kind": E, "status": "optimal"}),
    "an alarm that nothing clears": ("alarms", {"kind": E, "status": "infeasible"}),
    "nothing to explain": ("others", {"kind": E, "status": "already_target"}),
    "an explanation of a record": (None, {"kind": E, "status": "optimal", "about": "x"}),
    "a what-if": (None, {"kind": RecordKind.WHAT_IF, "status": None}),
    "a refusal": (None, {"kind": RecordKind.REFUSAL, "status": "invalid-request"}),
    "a review": (None, {"kind": RecordKind.REVIEW, "status": "approve", "about": "x"}),
}


def test_each_list_has_what_belongs_to_it_the_newest_first(
    database: Database, journal: Journal
) -> None:
    want: dict[str, list[str]] = {which: [] for which in LISTS}
    for k, (which, facts) in enumerate(RECORDS.values()):
        receipt = journal.append(draft(k, time_us=10**15 + k, **facts)).result(30)
        if which is not None:
            want[which].insert(0, receipt.id)
    for which in LISTS:
        found = recent.recent(database, which, None, 20)
        assert [record.facts.id for record, _ in found.entries] == want[which]
        assert all(payload is not None for _, payload in found.entries)
        assert found.next is None


def test_pages_follow_one_another_without_gap(database: Database, journal: Journal) -> None:
    ids = [
        journal.append(draft(k, time_us=10**15 + k, status="alarm")).result(30).id for k in range(7)
    ]
    seen: list[str] = []
    cursor: str | None = None
    while True:
        page = recent.recent(database, "alarms", cursor, 3)
        seen += [record.facts.id for record, _ in page.entries]
        cursor = page.next
        if cursor is None:
            break
    assert seen == ids[::-1]


def test_the_sign_changes_with_every_new_entry_and_with_nothing_else(
    database: Database, journal: Journal
) -> None:
    signs = [recent.newest(database)]
    for k, (_, facts) in enumerate(RECORDS.values()):
        journal.append(draft(k, time_us=10**15 + k, **facts)).result(30)
        signs.append(recent.newest(database))
    moved = [a != b for a, b in pairwise(signs)]
    assert moved == [which is not None for which, _ in RECORDS.values()]


@pytest.mark.parametrize("which", LISTS)
def test_a_list_is_read_from_its_index_and_no_table_is_scanned(
    database: Database, journal: Journal, which: Which
) -> None:
    done = [
        journal.append(draft(k, time_us=10**15 + k, status="alarm" if k % 9 == 0 else "no_alarm"))
        for k in range(1_000)
    ]
    for future in done:
        future.result(30)
    cursor = recent.recent(database, which, None, 20).next
    for query in (
        recent.query(which, None, 20),
        recent.query(which, cursor, 20),
        recent.newest_of(which),
    ):
        how = plan(database, query)
        assert f"ix_audit_records_{which}" in how, how
        for bad in ("SCAN", "TEMP B-TREE", "Seq Scan", "Sort"):
            assert bad not in how, how

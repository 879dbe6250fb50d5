"""Earlier predictions of one piece of equipment: which, how many, and from which index."""

from __future__ import annotations

import json
from typing import Any

import pytest

from ifonly.service.store import archive, earlier
from ifonly.service.store.database import Database
from ifonly.service.store.journal import Draft, Journal
from ifonly.service.store.kinds import RecordKind
from tests.contract.store.conftest import draft
from tests.contract.store.test_archive import plan

NOW = 10**15
MILL = {"equipment": "Mill 7"}


def reading(seconds: float, said: Any = None, **facts: Any) -> Draft:
    """So many seconds before the one that is looked at."""
    time_us = NOW - round(seconds * 1e6)
    made = draft(0, time_us=time_us, status="no_alarm", **facts)
    asked = {"instance": {"torque": seconds}, "attributes": MILL if said is None else said}
    return Draft(made.facts, json.dumps({"answer": {}, "request": asked}).encode())


def test_the_hour_before_of_this_equipment_and_of_nothing_else(
    database: Database, journal: Journal
) -> None:
    said = [(3_599, None), (60, None), (30, [{"equipment": "Mill 8"}, MILL]), (0, None)]
    kept = [journal.append(reading(*each)).result(30).id for each in said]
    others = [
        reading(3_601),
        reading(-1),  # it came after
        reading(30, {"equipment": "Mill 8"}),
        reading(30, {"equipment": "Mill 7' OR 1=1"}),
        reading(30, {}),
        reading(30, [{"equipment": "Mill 8"}, {"line": "Mill 7"}, {}]),
        reading(30, model="lathe"),
        reading(30, about="x"),  # a row of a job
        reading(30, kind=RecordKind.EXPLANATION),
    ]
    for each in others:
        journal.append(each).result(30)
    of, _ = archive.get(database, kept[-1])
    found = earlier.earlier(database, of, MILL)
    assert [record.facts.id for record, _ in found] == kept


def test_of_many_some_are_read_from_the_first_to_the_last(
    database: Database, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(earlier, "MOST_READ", 4)
    monkeypatch.setattr(earlier, "MOST_LOOKED_AT", 9)
    done = [journal.append(reading(11 - k)) for k in range(12)]
    ids = [future.result(30).id for future in done]
    of, _ = archive.get(database, ids[-1])
    found = earlier.earlier(database, of, MILL)
    read = [record.facts.id for record, _ in found]
    # Nine are looked at.
    assert (len(read), read[0], read[-1]) == (4, ids[3], ids[-1])


def test_they_are_found_from_an_index(database: Database, journal: Journal) -> None:
    of, _ = archive.get(database, journal.append(reading(0)).result(30).id)
    how = plan(database, earlier.query(database, of, MILL))
    assert "ix_audit_records_kind_model" in how or not database.is_sqlite, how
    for bad in ("SCAN audit_records", "Seq Scan on audit_records"):
        assert bad not in how, how

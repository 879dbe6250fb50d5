"""How many rows each version decided by the hour, counted as records are written."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import closing
from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa

from ifonly.service.store import alarm_rates as rates
from ifonly.service.store.alarm_rates import HOUR_US, Decided, HourlyRate
from ifonly.service.store.database import Database, connect
from ifonly.service.store.journal import Draft, Journal
from ifonly.service.store.kinds import RecordKind
from ifonly.service.store.migrate import upgrade
from ifonly.service.store.tables import alarm_rates
from tests.contract.store.conftest import STORES, draft, journal_of, new_url
from tests.contract.store.test_archive import plan

NOON = 500_000 * HOUR_US
MINUTE_US = HOUR_US // 60
ALL = (0, 2**62)


def decided(
    minute: int, rows: int = 1, alarms: int = 0, model: str = "mill", version: str = "1"
) -> Draft:
    said: dict[str, Any] = {"model": model, "version": version, "status": "alarm"}
    made = draft(minute, time_us=NOON + minute * MINUTE_US, **said)
    return replace(made, decided=Decided(rows, alarms))


def wrote(journal: Journal, *drafts: Draft) -> None:
    for future in [journal.append(each) for each in drafts]:
        future.result(30)


def test_rows_are_counted_by_hour_and_version(database: Database, journal: Journal) -> None:
    wrote(
        journal,
        decided(0, rows=3, alarms=1),
        decided(59, alarms=1),
        decided(60),
        decided(61, version="2"),
        decided(61, model="press", alarms=1),
        draft(1, time_us=NOON),  # decides nothing
    )
    assert rates.hourly(database, "mill", *ALL) == [
        HourlyRate(NOON, "1", 4, 2),
        HourlyRate(NOON + HOUR_US, "1", 1, 0),
        HourlyRate(NOON + HOUR_US, "2", 1, 0),
    ]
    assert rates.hourly(database, "mill", NOON + HOUR_US, NOON + HOUR_US) == []
    assert rates.hourly(database, "nobody", *ALL) == []


def test_what_waits_is_written_with_a_later_record_or_at_the_end(database: Database) -> None:
    with journal_of(database, standing_seconds=3_600) as journal:
        wrote(journal, decided(0, alarms=1), decided(1))
        assert rates.hourly(database, "mill", *ALL) == []
    assert rates.hourly(database, "mill", *ALL) == [HourlyRate(NOON, "1", 2, 1)]


def test_counts_of_several_processes_add_up(database: Database) -> None:
    with journal_of(database) as one, journal_of(database) as other:
        for journal in (one, other, one):
            wrote(journal, decided(0, rows=2, alarms=1))
    assert rates.hourly(database, "mill", *ALL) == [HourlyRate(NOON, "1", 6, 3)]


def test_a_transaction_that_fails_counts_nothing(database: Database, journal: Journal) -> None:
    first = decided(0, alarms=1)
    wrote(journal, first)
    with pytest.raises(sa.exc.IntegrityError):  # the same record again
        journal.append(first).result(30)
    wrote(journal, decided(1))
    assert rates.hourly(database, "mill", *ALL) == [HourlyRate(NOON, "1", 2, 1)]


def test_totals_written_twice_are_the_same(database: Database) -> None:
    counts = rates.RateCounts("me", 0)
    seen = [(decided(0, rows=2, alarms=1).facts, Decided(2, 1))]
    for _ in range(2):  # the first was committed, and nobody heard of it
        with database.writer.begin() as connection:
            counts.write(connection, seen)
    counts.keep()
    assert rates.hourly(database, "mill", *ALL) == [HourlyRate(NOON, "1", 2, 1)]


def test_records_of_before_are_counted_by_the_migration(
    database: Database, journal: Journal
) -> None:
    before: tuple[dict[str, Any], ...] = (
        {"status": "alarm"},
        {"status": "no_alarm"},
        {"status": "alarm", "about": "a job"},
        {"status": "optimal", "kind": RecordKind.EXPLANATION},
        {"status": None},
    )
    for k, said in enumerate(before):
        wrote(journal, draft(k, time_us=NOON + k, model="mill", **said))
    with database.writer.begin() as connection:
        alarm_rates.drop(connection)
        connection.execute(sa.text("UPDATE alembic_version SET version_num = '0016'"))
    upgrade(database)
    assert rates.hourly(database, "mill", *ALL) == [HourlyRate(NOON, "1", 2, 1)]


def test_what_somebody_has_written_into_the_table_is_no_count(
    database: Database, journal: Journal
) -> None:
    if not database.is_sqlite:
        pytest.skip("PostgreSQL takes no text for a number")
    wrote(journal, decided(0))
    with database.writer.begin() as connection:
        connection.execute(sa.update(alarm_rates).values(alarms="many"))
    assert rates.hourly(database, "mill", *ALL) == [HourlyRate(NOON, "1", 1, 0)]


def test_when_another_version_was_asked_is_told(database: Database, journal: Journal) -> None:
    said: dict[str, Any] = {"kind": RecordKind.MODEL, "model": "mill"}
    wrote(
        journal,
        draft(1, time_us=NOON, version="2", status="activated", **said),
        draft(2, time_us=NOON + 1, version="3", status="staged", **said),
        draft(3, time_us=NOON + 2, version="1", status="rolled_back", **said),
    )
    found = rates.changes(database, "mill", NOON, NOON + 3)
    assert [(c.time_us, c.version, c.status) for c in found] == [
        (NOON, "2", "activated"),
        (NOON + 2, "1", "rolled_back"),
    ]
    assert rates.changes(database, "mill", NOON + 3, NOON + 9) == []


# --- plans ----------------------------------------------------------------------------------


@pytest.fixture(scope="module", params=STORES)
def many(
    request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Database]:
    with closing(connect(new_url(request, tmp_path_factory.mktemp("many")))) as database:
        upgrade(database)
        with journal_of(database) as journal:
            wrote(journal, *(decided(60 * (k % 200), model=f"m{k % 3}") for k in range(600)))
        yield database


def test_rates_are_read_from_their_key_and_no_table_is_scanned(many: Database) -> None:
    asked = rates.hours_query("m1", NOON, NOON + 48 * HOUR_US)
    found = plan(many, asked)
    assert "audit_records" not in found
    if many.is_sqlite:
        assert "SEARCH alarm_rates USING INDEX" in found
        assert "(model=? AND hour_us>? AND hour_us<?)" in found
    else:
        assert "Seq Scan" not in found
        assert "hour_us >=" in found
    changed = plan(many, rates.changes_query("m1", NOON, NOON + HOUR_US))
    assert "ix_audit_records_kind_model" in changed
    assert "SCAN" not in changed
    assert "Seq Scan" not in changed

"""What is kept only for a while is gone afterwards; evidence stays."""

from __future__ import annotations

import pytest
import sqlalchemy as sa

from ifonly.service.store import jobs, retention
from ifonly.service.store.chain import DAY_US, Facts, now_us
from ifonly.service.store.database import Database
from ifonly.service.store.jobs import Answered
from ifonly.service.store.journal import Draft, Journal
from ifonly.service.store.kinds import RecordKind
from ifonly.service.store.retention import Kept, forget
from ifonly.service.store.tables import idempotency_keys, job_rows, rate_buckets, records
from ifonly.service.store.tables import jobs as jobs_table

KEPT = Kept(jobs=30, keys=2)


def count(database: Database, table: sa.Table) -> int:
    with database.reading() as connection:
        return connection.execute(sa.select(sa.func.count()).select_from(table)).scalar_one()


def finished_job(database: Database, journal: Journal, rows: int) -> str:
    facts = Facts(kind=RecordKind.JOB, actor="t", model="press", version="1", detail={"rows": rows})
    job, work = jobs.submit(facts, [b"{}"] * rows, 10_000)
    journal.append(work).result()
    claim = journal.change(jobs.claim("w", rows, 60_000_000)).result()
    assert claim is not None
    drafts = [
        Answered(row.number, Draft(Facts(kind=RecordKind.EXPLANATION, actor="t", about=job.id)))
        for row in claim.rows
    ]
    journal.append(jobs.finish(claim.job, "w", drafts)).result()
    return job.id


def age(database: Database, table: sa.Table, column: str, days: float) -> None:
    with database.writer.begin() as connection:
        connection.execute(sa.update(table).values({column: now_us() - round(days * DAY_US)}))


def forget_all(journal: Journal) -> int:
    turns = 0
    while journal.change(forget(KEPT)).result():
        turns += 1
    return turns


def test_a_finished_job_is_forgotten_by_its_age_and_its_records_stay(
    database: Database, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(retention, "ROWS_AT_ONCE", 4)
    for rows in (3, 2, 10):  # each goes whole, also one that is larger than a piece
        finished_job(database, journal, rows)
    before = count(database, records)
    assert forget_all(journal) == 0
    age(database, jobs_table, "finished_us", 31)
    assert forget_all(journal) == 3
    assert (count(database, jobs_table), count(database, job_rows)) == (0, 0)
    assert count(database, rate_buckets) == 0  # whose turn it was
    assert count(database, records) == before


def test_a_job_that_is_not_finished_is_kept_however_old(
    database: Database, journal: Journal
) -> None:
    facts = Facts(kind=RecordKind.JOB, actor="t", model="press", version="1", detail={"rows": 1})
    journal.append(jobs.submit(facts, [b"{}"], 10)[1]).result()
    age(database, jobs_table, "created_us", 1_000)
    assert forget_all(journal) == 0
    assert count(database, job_rows) == 1


def test_an_actor_keeps_their_turn_while_they_have_jobs(
    database: Database, journal: Journal
) -> None:
    facts = Facts(kind=RecordKind.JOB, actor="t", model="press", version="1", detail={"rows": 2})
    journal.append(jobs.submit(facts, [b"{}"] * 2, 10)[1]).result()
    assert journal.change(jobs.claim("w", 1, 60_000_000)).result() is not None
    with database.writer.begin() as connection:
        gone = [{"actor": f"{jobs.TURN}gone", "tokens": 0.0, "filled_us": 7}]
        connection.execute(sa.insert(rate_buckets), gone)
    forget_all(journal)
    with database.reading() as connection:
        kept = connection.execute(sa.select(rate_buckets.c.actor)).scalars().all()
    assert kept == [f"{jobs.TURN}t"]


def test_idempotency_keys_and_buckets_are_forgotten_by_their_age(
    database: Database, journal: Journal
) -> None:
    now = now_us()
    with database.writer.begin() as connection:
        for days in (0, 1.5, 2.5):
            then = now - round(days * DAY_US)
            connection.execute(
                sa.insert(idempotency_keys).values(
                    actor="t", key=str(days), digest="d", record="r", created_us=then
                )
            )
            connection.execute(
                sa.insert(rate_buckets).values(actor=str(days), tokens=1.0, filled_us=then)
            )
    assert forget_all(journal) == 1
    assert (count(database, idempotency_keys), count(database, rate_buckets)) == (2, 1)

"""Rows that share a record, on both stores: answered once, found, erased and vouched for."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa

from ifonly.service.audit.together import each_row, gathered
from ifonly.service.errors import LostLease
from ifonly.service.jobs.answers import answers, whole
from ifonly.service.store import erasure, jobs
from ifonly.service.store.chain import Facts, Head, seal
from ifonly.service.store.database import Database
from ifonly.service.store.jobs import Answered, AnsweredTogether, JobRow, StoredJob
from ifonly.service.store.journal import Draft, Journal
from ifonly.service.store.kinds import RecordKind
from ifonly.service.store.tables import job_rows
from ifonly.service.store.tables import jobs as jobs_table
from ifonly.service.store.verification import verify

HOUR_US = 3_600_000_000
PLACES = (0, 1, 3, 4, 7)
"""Of the rows; between them are blank lines."""


def submitted(journal: Journal) -> StoredJob:
    facts = Facts(kind=RecordKind.JOB, actor="key:1", model="press", version="1")
    requests = [b'{"instance":{"pressure":%d}}' % k for k in PLACES]
    job, work = jobs.submit(facts, requests, 100, PLACES)
    journal.append(work).result(30)
    return job


def answered(row: JobRow, status: str = "already_target", **more: Any) -> Answered:
    request = json.loads(row.request) | more
    answer = {
        "id": f"own-{row.number}",
        "status": status,
        "prediction": {"score": float(row.number)},
        "text": {"en": "nothing to change"},
        "work": {"rows": 1, "times": {"search_ms": 1.0}},
    }
    kept = {"answer": answer, "request": request, "row_id": f"r{row.number}"}
    facts = Facts(kind=RecordKind.EXPLANATION, actor="key:1", status=status, latency_us=10)
    return Answered(row.number, Draft(facts, json.dumps(kept).encode()))


def begun(journal: Journal) -> tuple[StoredJob, list[JobRow]]:
    job = submitted(journal)
    claim = journal.change(jobs.claim("w", 99, HOUR_US)).result(30)
    assert claim is not None
    assert [row.number for row in claim.rows] == [*PLACES]
    return job, list(claim.rows)


def finished(journal: Journal) -> StoredJob:
    """Two alone (an alarm; another shift), three together."""
    job, rows = begun(journal)
    found = [
        answered(rows[0]),
        answered(rows[1], "optimal"),
        answered(rows[2]),
        answered(rows[3], attributes={"shift": "night"}),
        answered(rows[4]),
    ]
    drafts = [
        Answered(e.number, Draft(_about(e.draft.facts, job.id), e.draft.payload)) for e in found
    ]
    journal.append(jobs.finish(job, "w", gathered(drafts))).result(30)
    return job


def _about(facts: Facts, job: str) -> Facts:
    return replace(facts, about=job)


def test_rows_share_a_record_and_each_is_told_by_itself(
    database: Database, journal: Journal
) -> None:
    job = finished(journal)
    ended = jobs.find(database, job.id)
    assert (ended.answered, ended.statuses) == (5, {"already_target": 4, "optimal": 1})
    told = [whole(row) for row in answers(jobs.results(database, job.id))]
    assert [(row["row"], row["id"]) for row in told] == [(k, f"r{k}") for k in PLACES]
    assert [row["explanation"]["prediction"]["score"] for row in told] == [*map(float, PLACES)]
    shared = [told[k]["explanation"] for k in (0, 2, 4)]
    assert {each["id"] for each in shared} == {each["audit"]["id"] for each in shared}
    assert len({each["id"] for each in shared}) == 1
    assert shared[0]["work"] == {"rows": 1, "times": {"search_ms": 3.0}}
    assert {told[1]["explanation"]["id"], told[3]["explanation"]["id"]} == {"own-1", "own-4"}
    first = next(jobs.results(database, job.id)).record
    assert (first.facts.kind, first.facts.latency_us) == (RecordKind.ROWS, 30)
    assert (first.facts.detail or {})["numbers"] == [0, 3, 7]
    assert verify(database).holds


def test_what_is_erased_with_one_is_what_shared_its_record(
    database: Database, journal: Journal
) -> None:
    job = finished(journal)
    record = next(jobs.results(database, job.id)).record
    journal.append(erasure.erase(record.facts.id, "test", "asked for")).result(30)
    told = [whole(row) for row in answers(jobs.results(database, job.id))]
    assert [row["row"] for row in told if row.get("erased")] == [0, 3, 7]
    assert [row.get("id") for row in told] == [None, "r1", None, "r4", None]
    assert verify(database).holds


@pytest.mark.parametrize(
    ("change", "where"),
    [
        (sa.update(job_rows).where(job_rows.c.number == 7).values(number=8), "job_rows.number"),
        (sa.update(jobs_table).values(statuses='{"optimal":5}'), "jobs.statuses"),
        (sa.update(jobs_table).values(statuses=None), "jobs.statuses"),
    ],
)
def test_what_is_bent_is_found(
    database: Database, journal: Journal, change: sa.Update, where: str
) -> None:
    job = finished(journal)
    with database.writer.begin() as connection:
        connection.execute(change)
    found = verify(database).findings
    assert where in {finding.where for finding in found}
    if where.startswith("jobs."):
        assert jobs.page(database, jobs.JobFilter(), None, 5).doubtful == {job.id}


def test_a_row_that_leads_to_the_others_record_is_found(
    database: Database, journal: Journal
) -> None:
    job = finished(journal)
    shared = next(jobs.results(database, job.id)).record.facts.id
    bent = sa.update(job_rows).where(job_rows.c.number == 1).values(record=shared)
    with database.writer.begin() as connection:
        connection.execute(bent)
    assert "job_rows.record" in {finding.where for finding in verify(database).findings}
    told = [whole(row) for row in answers(jobs.results(database, job.id))]
    assert told[1]["problem"]["type"].endswith("not-as-sealed")


def test_a_record_is_of_those_rows_that_the_worker_has_still(
    database: Database, journal: Journal
) -> None:
    job, rows = begun(journal)
    found = gathered([answered(row) for row in rows])
    assert len(found) == 1
    assert isinstance(found[0], AnsweredTogether)
    gone = sa.update(job_rows).where(job_rows.c.number.in_((1, 3))).values(worker="other")
    with database.writer.begin() as connection:
        connection.execute(gone)
    journal.append(jobs.finish(job, "w", found)).result(30)
    assert jobs.find(database, job.id).answered == 3
    record = found[0].draft_of([0, 4, 7])
    kept = json.loads(record.payload or b"")
    assert [instance["pressure"] for instance in kept["request"]["instances"]] == [0, 4, 7]
    with pytest.raises(LostLease):
        journal.append(jobs.finish(job, "w", found)).result(30)


def test_other_records_have_one_row_each() -> None:
    facts = Facts(kind=RecordKind.EXPLANATION, actor="a", detail={"row": 5})
    record = seal(facts, "w", Head(), None)
    assert list(each_row(record, {"answer": {}, "request": {}})) == [
        (5, {"answer": {}, "request": {}})
    ]

"""Jobs and their rows, held against the records that vouch for them."""

from __future__ import annotations

import hashlib
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

import sqlalchemy as sa

from ifonly.service.errors import NotAsSealed, UnknownRecord
from ifonly.service.store.chain import IntegrityFinding, Payload, Record, canonical
from ifonly.service.store.chain_membership import (
    contradicted,
    contradictions,
    standing,
    standing_only,
    stands,
)
from ifonly.service.store.database import Database
from ifonly.service.store.jobs.stored import JobRow, StoredJob, by_id, job_of, row_of, terms
from ifonly.service.store.kinds import RecordKind
from ifonly.service.store.rows import octets, record_of
from ifonly.service.store.tables import IS_OF_JOB, job_rows, jobs, records
from ifonly.service.store.terms import State

ANSWERS = (RecordKind.EXPLANATION, RecordKind.ROWS)
"""Kinds of record that answer rows; others say why there is no answer."""


def digest_of_all(digests: Iterable[str | None]) -> str:
    """What the job's record says of all its questions."""
    return hashlib.sha256("".join(str(digest) for digest in digests).encode()).hexdigest()


def digest_of_places(places: Iterable[int]) -> str:
    """What it says of their places, where these do not follow one another."""
    return hashlib.sha256(",".join(map(str, places)).encode()).hexdigest()


def find(database: Database, identity: str) -> StoredJob:
    """Raises
    ------
    UnknownRecord
        If there is no such job within the scope.
    NotAsSealed
        If it is not the job that its records tell of.
    StoreUnavailable, StoreDamaged
        If the store cannot be read.
    """
    # One moment: a job that ends between two queries would contradict its records.
    with database.snapshot() as connection:
        job = by_id(connection, identity)
        # Out of scope reads as unknown: 404, as for what never was (decision 0083).
        if not database.scope.has_model(job.model) or not database.scope.covers(
            terms(connection, identity).scope
        ):
            raise UnknownRecord(identity, "job")
        found = list(_findings(connection, job))
    if found:
        raise NotAsSealed(identity, found)
    return job


def questions(database: Database, job: StoredJob) -> dict[int, str | None]:
    """The digest of each row of a job that is under way, by its number, as its record has all of
    them; None where it has none.

    Raises
    ------
    UnknownRecord
        If there is no such job any more.
    NotAsSealed
        If the job, or what it asks, is not what was recorded.
    StoreUnavailable, StoreDamaged
        If the store cannot be read.
    """
    with database.snapshot() as connection:
        now = by_id(connection, job.id)
        digests = _digests(connection, job.id)
        found = [*_findings(connection, now), *_questions(connection, job.id, digests)]
    if found:
        raise NotAsSealed(job.id, found)
    return digests


def _digests(connection: sa.Connection, identity: str) -> dict[int, str | None]:
    chosen = sa.select(job_rows.c.number, job_rows.c.digest).where(job_rows.c.job == identity)
    found = connection.execute(chosen.order_by(job_rows.c.number))
    return {row.number: row.digest for row in found}


def check(job: StoredJob, row: JobRow, digests: Mapping[int, str | None]) -> None:
    """Raises
    ------
    NotAsSealed
        If a row does not ask what was asked; ``digests``: of :func:`questions`.
    """
    digest = digests.get(row.number, "")
    # None: the row is of a version that kept no digests.
    if digest is not None and Payload(row.salt or b"", row.request).digest != digest:
        raise NotAsSealed(job.id, [_question(job.id, row.number)])


def _question(job: str, number: int) -> IntegrityFinding:
    text = f"what row {number} of job {job} asks is not what was asked"
    return contradicted(None, "job_rows", "request", text)


def findings(connection: sa.Connection) -> Iterator[IntegrityFinding]:
    """Jobs and rows of jobs that no record vouches for."""
    for row in connection.execute(sa.select(jobs)).all():
        try:
            job = job_of(row)
        except ValueError:
            text = f"job {row.id} is in no state"
            yield contradicted(None, "jobs", "state", text)
            continue
        yield from _findings(connection, job)
        yield from _rows_of(connection, job)
    unknown = sa.select(job_rows.c.job).where(job_rows.c.job.not_in(sa.select(jobs.c.id)))
    for identity in connection.execute(unknown.distinct()).scalars():
        yield contradicted(None, "job_rows", "job", f"there are rows of a job {identity}: no job")
    yield from _forgotten(connection)


def _told(connection: sa.Connection, identity: str) -> tuple[Record | None, Record | None]:
    """The records of a job's beginning and end, if they stand."""
    chosen = sa.select(records, standing())
    begun = chosen.where(records.c.id == identity, records.c.kind == RecordKind.JOB.value)
    # By an index of such records alone: those that answer its rows are about it, too.
    ended = chosen.where(records.c.about == identity, IS_OF_JOB)
    first, last = (next(standing_only(connection.execute(asked)), None) for asked in (begun, ended))
    return first, last


def contradicted_jobs(connection: sa.Connection, some: Iterable[StoredJob]) -> frozenset[str]:
    """Ids of those that are not the jobs that their records tell of."""
    return frozenset(job.id for job in some if any(_findings(connection, job)))


def _findings(connection: sa.Connection, job: StoredJob) -> Iterator[IntegrityFinding]:
    """What the row of a job says that its records do not."""
    name, row = f"job {job.id}", row_of(job)
    begun, ended = _told(connection, job.id)
    if begun is None:
        yield contradicted(None, "jobs", "", f"there is no record that began {name}")
        return
    facts = begun.facts
    said: dict[str, Any] = {n: getattr(facts, n) for n in ("model", "version", "actor", "role")}
    said |= {"request_id": facts.request_id, "created_us": facts.time_us}
    # Older records lack the count: then there is nothing to hold it against.
    said |= {"rows": (facts.detail or {}).get("rows", job.rows)}
    yield from contradictions("jobs", name, row, said, begun)
    if ended is None:
        if job.state.is_final or job.finished_us is not None:
            text = f"{name} has ended by the table, and no record says so"
            yield contradicted(begun, "jobs", "state", text)
        return
    detail = ended.facts.detail or {}
    said = {"state": ended.facts.status, "finished_us": ended.facts.time_us}
    said |= {n: detail[n] for n in ("answered", "refused", "started_us") if n in detail}
    if "statuses" in detail:
        said["statuses"] = canonical(detail["statuses"]).decode()
    yield from contradictions("jobs", name, row, said, ended)


def _rows_of(connection: sa.Connection, job: StoredJob) -> Iterator[IntegrityFinding]:
    """What the rows of a job say that its records do not."""
    joined = job_rows.outerjoin(records, records.c.id == job_rows.c.record)
    chosen = sa.select(job_rows, records, standing()).select_from(joined)
    here = chosen.where(job_rows.c.job == job.id).order_by(job_rows.c.number)
    answered = refused = 0
    claims: Counter[str] = Counter()
    for row in connection.execute(here).all():
        said = row._mapping
        number, answer = said[job_rows.c.number], said[job_rows.c.record]
        if answer is None:
            question = Payload(octets(said[job_rows.c.salt]), octets(said[job_rows.c.request]))
            if question.digest != said[job_rows.c.digest] and said[job_rows.c.digest] is not None:
                yield _question(job.id, number)
        elif said[records.c.id] is None or not stands(row):
            text = f"row {number} of job {job.id} leads to a record that is not there"
            yield contradicted(None, "job_rows", "record", text)
        else:
            record = record_of(row)
            answered += 1
            refused += record.facts.kind not in ANSWERS
            claims.update([str(record.facts.status)] if record.facts.kind in ANSWERS else [])
            yield from mislaid(record, job.id, number)
    yield from _counted(job, answered, refused, claims)
    if answered or job.state is not State.CANCELLED:
        yield from _questions(connection, job.id, _digests(connection, job.id))


def _counted(
    job: StoredJob, answered: int, refused: int, claims: Mapping[str, int]
) -> Iterator[IntegrityFinding]:
    # An earlier version counted no claims.
    statuses = job.statuses if job.statuses is None else dict(claims)
    for column, value in (("answered", answered), ("refused", refused), ("statuses", statuses)):
        if getattr(job, column) != value:
            text = f"{column} of job {job.id} is not how many rows are"
            yield contradicted(None, "jobs", column, text)


def _questions(
    connection: sa.Connection, identity: str, digests: Mapping[int, str | None]
) -> Iterator[IntegrityFinding]:
    """Whether the digests of a job's questions, and their places, are those that its record has
    all of."""
    begun, ended = _told(connection, identity)
    if ended is not None and ended.facts.status == State.CANCELLED.value:
        return  # its open rows are gone
    detail = {} if begun is None else begun.facts.detail or {}
    said = detail.get("questions")  # None: written by an older version
    if said is not None and digest_of_all(digests.values()) != said:
        text = f"the questions of job {identity} are not those that were asked"
        yield contradicted(begun, "job_rows", "digest", text)
    if "places" in detail:
        is_placed = digest_of_places(digests) == detail["places"]
    else:
        is_placed = list(digests) == list(range(len(digests)))
    if not is_placed:
        text = f"rows of job {identity} are not in the places in which they came"
        yield contradicted(begun, "job_rows", "number", text)


def answers_row(record: Record, job: str, number: int) -> bool:
    """Whether a record says that it answers that row of that job, alone or with others."""
    detail = record.facts.detail or {}
    numbers = detail.get("numbers", [detail.get("row")])
    return record.facts.about == job and isinstance(numbers, list) and number in numbers


def mislaid(record: Record, job: str, number: int) -> Iterator[IntegrityFinding]:
    """A row must lead to the record that says that it answers it."""
    if not answers_row(record, job, number):
        text = f"row {number} of job {job} leads to a record that does not answer it"
        yield contradicted(record, "job_rows", "record", text)


def _forgotten(connection: sa.Connection) -> Iterator[IntegrityFinding]:
    """Jobs that were begun, have not ended, and are not there: only ended ones are forgotten."""
    end = records.alias()
    is_over = sa.exists().where(end.c.about == records.c.id, end.c.kind == RecordKind.JOB.value)
    lost = sa.select(records, standing()).where(
        records.c.kind == RecordKind.JOB.value,
        records.c.about.is_(None),
        records.c.id.not_in(sa.select(jobs.c.id)),
        ~is_over,
    )
    for record in standing_only(connection.execute(lost).all()):
        text = f"job {record.facts.id} has not ended, and is not there any more"
        yield contradicted(record, "jobs", "", text)

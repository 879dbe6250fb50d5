"""New jobs, and whether there is room for one."""

from __future__ import annotations

import secrets
from collections.abc import Sequence
from dataclasses import replace

import sqlalchemy as sa

from ifonly.service.errors import QueueFull
from ifonly.service.store.chain import SALT_BYTES, Facts, Payload
from ifonly.service.store.database import Database, lock
from ifonly.service.store.jobs.sealed import digest_of_all, digest_of_places
from ifonly.service.store.jobs.stored import NOBODY, StoredJob, row_of
from ifonly.service.store.journal import Draft, RecordedWrite
from ifonly.service.store.tables import IS_OPEN, job_rows, jobs

MOST_QUEUES = 4
"""Together the rows of all actors may be so many times what one actor's may be."""
_SUBMITTING = 0x69666A6F6273  # "ifjobs"
"""The lock of whoever submits: the next one counts what the one before has committed."""


def submit(
    facts: Facts,
    requests: Sequence[bytes],
    most_waiting: int,
    places: Sequence[int] | None = None,
) -> tuple[StoredJob, RecordedWrite]:
    """A new job about the model that ``facts`` (of kind ``job``) name, and the work that keeps it.
    ``places``: of each request in what was sent, ascending, where some were left out between.

    Raises, when it is done:

    QueueFull
        If that many rows of the actor wait already that with these there would be more than
        ``most_waiting``; or of all actors ``MOST_QUEUES`` times as many.
    """
    # Hashed before the transaction, for whose end other processes wait.
    salts = [secrets.token_bytes(SALT_BYTES) for _ in requests]
    digests = [Payload(*pair).digest for pair in zip(salts, requests, strict=True)]
    said = {"rows": len(requests), "questions": digest_of_all(digests)}
    numbers = range(len(requests)) if places is None else places
    if list(numbers) != list(range(len(requests))):
        said["places"] = digest_of_places(numbers)
    facts = replace(facts, detail={**(facts.detail or {}), **said})
    assert facts.model is not None
    assert facts.version is not None
    job = StoredJob(
        id=facts.id,
        model=facts.model,
        version=facts.version,
        actor=facts.actor,
        role=facts.role,
        request_id=facts.request_id,
        rows=len(requests),
        statuses={},
        created_us=facts.time_us,
    )

    def work(connection: sa.Connection) -> Draft:
        # What is refused costs no rows.
        _check_room(connection, job, most_waiting)
        connection.execute(sa.insert(jobs).values(row_of(job)))
        connection.execute(
            sa.insert(job_rows),
            [
                {
                    "job": job.id,
                    "number": number,
                    "request": request,
                    "salt": salt,
                    "digest": digest,
                    "worker": NOBODY,
                    "leased_until_us": 0,
                    "attempts": 0,
                }
                for number, request, salt, digest in zip(
                    numbers, requests, salts, digests, strict=True
                )
            ],
        )
        # SQLite has one writer. Elsewhere another process may have submitted meanwhile; locked
        # only now, nobody waits while so many rows are written.
        if connection.dialect.name == "postgresql":
            lock(connection, _SUBMITTING)
            _check_room(connection, job, most_waiting)
        return Draft(facts)

    return job, work


def _check_room(connection: sa.Connection, job: StoredJob, most: int) -> None:
    others = jobs.c.id != job.id
    for waiting, bound in (
        (_waiting(connection, others, jobs.c.actor == job.actor), most),
        (_waiting(connection, others), MOST_QUEUES * most),
    ):
        if waiting + job.rows > bound:
            raise QueueFull(waiting, bound)


def waiting(database: Database) -> int:
    """Rows that are not answered yet, of all jobs.

    Raises
    ------
    StoreUnavailable, StoreDamaged
        If the store cannot be read.
    """
    with database.reading() as connection:
        return _waiting(connection)


def _waiting(connection: sa.Connection, *whose: sa.ColumnElement[bool]) -> int:
    count = sa.func.coalesce(sa.func.sum(jobs.c.rows - jobs.c.answered), 0)
    return int(connection.execute(sa.select(count).where(IS_OPEN, *whose)).scalar_one())

"""What is kept only for a while: finished jobs, idempotency keys, how often somebody asked, keys of
events that were seen to, and dead letters.

None of it is evidence: what a job answered stays in the records. Payloads have a policy of their
own (:mod:`ifonly.service.store.erasure`), for they are somebody's data and their end is recorded.
"""

from __future__ import annotations

from dataclasses import dataclass

import sqlalchemy as sa

from ifonly.service.store.chain import DAY_US, now_us
from ifonly.service.store.jobs import TURN
from ifonly.service.store.journal import UnrecordedWrite
from ifonly.service.store.tables import (
    idempotency_keys,
    inference_events,
    job_rows,
    jobs,
    outbox,
    rate_buckets,
)

JOBS_AT_ONCE = 10
ROWS_AT_ONCE = 5_000
"""Removed in one transaction, or those of one job: while it runs, no answer is recorded."""


@dataclass(frozen=True, slots=True)
class Kept:
    """For how many days."""

    jobs: float
    keys: float


def forget(kept: Kept) -> UnrecordedWrite[int]:
    """Remove some of what is too old; how many rows that were, 0: nothing is left to do."""

    def change(connection: sa.Connection) -> int:
        now = now_us()
        of_jobs = now - round(kept.jobs * DAY_US)
        of_keys = now - round(kept.keys * DAY_US)
        return (
            _jobs(connection, of_jobs)
            + _some(connection, idempotency_keys, idempotency_keys.c.created_us < of_keys)
            + _some(connection, rate_buckets, _is_idle(now))
            + _some(connection, inference_events, _is_old(of_keys, of_jobs))
            + _some(connection, outbox, sa.and_(_IS_DEAD, outbox.c.created_us < of_jobs))
        )

    return change


_IS_DEAD = outbox.c.state == "dead"


def _is_old(of_keys: int, of_jobs: int) -> sa.ColumnElement[bool]:
    """Of events that somebody has seen to, and of those that nobody could read."""
    state, then = inference_events.c.state, inference_events.c.received_us
    is_sorted, is_dead = state == "sorted", state == "dead"
    return sa.or_(sa.and_(is_sorted, then < of_keys), sa.and_(is_dead, then < of_jobs))


def _is_idle(now: int) -> sa.ColumnElement[bool]:
    """Of a bucket that is as one that is not there.

    One that nobody dipped into for a day is full again. Turns are counted, and so of no age: an
    actor's is kept while any of their jobs is.
    """
    actor = rate_buckets.c.actor
    is_turn = actor.startswith(TURN)
    has_jobs = actor.in_(sa.select(sa.literal(TURN) + jobs.c.actor))
    return sa.case((is_turn, ~has_jobs), else_=rate_buckets.c.filled_us < now - DAY_US)


def _jobs(connection: sa.Connection, before_us: int) -> int:
    """The oldest of them, each with all its rows: half a job would look tampered with."""
    old = sa.select(jobs.c.id, jobs.c.rows).where(jobs.c.finished_us < before_us)
    ids: list[str] = []
    rows = 0
    for job in connection.execute(old.order_by(jobs.c.finished_us).limit(JOBS_AT_ONCE)).all():
        rows += job.rows
        # At least one job, however large: half a job would look tampered with.
        if ids and rows > ROWS_AT_ONCE:
            break
        ids.append(job.id)
    if not ids:
        return 0
    # Rows before the job, as in ifonly.service.store.jobs: nobody waits in a circle.
    gone = connection.execute(sa.delete(job_rows).where(job_rows.c.job.in_(ids))).rowcount
    return gone + connection.execute(sa.delete(jobs).where(jobs.c.id.in_(ids))).rowcount


def _some(connection: sa.Connection, table: sa.Table, is_old: sa.ColumnElement[bool]) -> int:
    # A subquery: PostgreSQL's DELETE has no LIMIT, nor has SQLite's as it is usually built.
    key = sa.tuple_(*table.primary_key.columns)
    some = sa.select(*table.primary_key.columns).where(is_old).limit(ROWS_AT_ONCE)
    return connection.execute(sa.delete(table).where(key.in_(some))).rowcount

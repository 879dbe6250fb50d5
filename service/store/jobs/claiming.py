"""Which rows a worker has, and until when."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from ifonly.service.store.chain import now_us
from ifonly.service.store.database import Database
from ifonly.service.store.jobs.stored import NOBODY, JobRow, StoredJob, by_id
from ifonly.service.store.journal import UnrecordedWrite
from ifonly.service.store.rows import octets, upsert
from ifonly.service.store.tables import IS_OPEN, IS_UNANSWERED, job_rows, jobs, rate_buckets
from ifonly.service.store.terms import State

MAX_ATTEMPTS = 3
"""A row at which so many workers ended is not tried again: it may be what ended them."""
TURN = "job "
"""Before an actor's name: the bucket that says when they had their last turn, counted and not by
the clock. No actor's name begins so."""
MOST_JOBS = 100
"""Of an actor's open jobs, the oldest so many are looked at for rows."""


@dataclass(frozen=True, slots=True)
class Claim:
    """Rows of one job that a worker has until its lease ends."""

    job: StoredJob
    rows: tuple[JobRow, ...]


def is_any_free(database: Database, *, newcomers: bool = False) -> bool:
    """Whether a claim would find something: asked of the readers, so that waiting writes nothing.

    Raises
    ------
    StoreUnavailable, StoreDamaged
        If the store cannot be read.
    """
    with database.reading() as connection:
        return _next(connection, now_us(), newcomers=newcomers) is not None


def _free(now: int) -> sa.ColumnElement[bool]:
    """Of a row that nobody has answered or works at."""
    return sa.and_(IS_UNANSWERED, job_rows.c.leased_until_us <= now)


@dataclass(frozen=True, slots=True)
class _Next:
    """Where a claim begins."""

    job: str
    number: int
    actor: str
    turn: int
    """The actor's, once this one is had."""


def _next(connection: sa.Connection, now: int, *, newcomers: bool) -> _Next | None:
    """The next row of the actor whose turn it is: who had theirs the longest ago, or never;
    ``newcomers``: of those at whose rows nobody works.

    Of one actor, rows are taken in the order of their number, whatever their job: a short one
    does not wait for the end of a long one.
    """
    waiting = connection.execute(_in_turn()).all()
    turn = 1 + max((row.turn for row in waiting), default=0)  # after all who have jobs now
    served = set(connection.execute(_served(now)).scalars()) if newcomers and waiting else ()
    for actor in (row.actor for row in waiting if row.actor not in served):
        found = connection.execute(_first_of(actor, now)).first()
        if found is not None:
            return _Next(found.id, found.number, actor, turn)
    return None


def _in_turn() -> sa.Select[Any]:
    """Actors who have open jobs, and their last turns; leased rows may be all that they have.

    The index is asked for one actor after the other: however many jobs one has, they are one.
    """
    # This is known as a loose index scan.
    first = sa.select(sa.func.min(jobs.c.actor).label("actor")).where(IS_OPEN)
    actors = first.cte("actors", recursive=True)
    later = sa.select(sa.func.min(jobs.c.actor)).where(IS_OPEN, jobs.c.actor > actors.c.actor)
    step = sa.select(later.scalar_subquery()).where(actors.c.actor.is_not(None))
    actors = actors.union_all(step)
    own = rate_buckets.c.actor == sa.literal(TURN) + actors.c.actor
    turn = sa.func.coalesce(rate_buckets.c.filled_us, 0)
    oldest = sa.select(sa.func.min(jobs.c.created_us)).where(
        IS_OPEN, jobs.c.actor == actors.c.actor
    )
    return (
        sa.select(actors.c.actor, turn.label("turn"))
        .select_from(actors.outerjoin(rate_buckets, own))
        .where(actors.c.actor.is_not(None))
        .order_by(turn, oldest.scalar_subquery())
    )


def _served(now: int) -> sa.Select[Any]:
    """Actors at whose rows somebody works."""
    # `>` and not `<>`: the index on workers then leads to leased rows alone.
    leased = sa.and_(IS_UNANSWERED, job_rows.c.worker > NOBODY, job_rows.c.leased_until_us > now)
    # No join: with statistics SQLite would rather read all jobs by the index on actors.
    theirs = sa.select(job_rows.c.job).where(leased)
    return sa.select(jobs.c.actor).where(jobs.c.id.in_(theirs)).distinct()


def _first_of(actor: str, now: int) -> sa.Select[Any]:
    """The free row of the lowest number of the actor's oldest open jobs."""
    lowest = sa.select(job_rows.c.number).where(job_rows.c.job == jobs.c.id, _free(now))
    number = lowest.order_by(job_rows.c.number).limit(1).scalar_subquery().label("number")
    theirs = sa.select(jobs.c.id, number).where(IS_OPEN, jobs.c.actor == actor)
    some = theirs.order_by(jobs.c.created_us).limit(MOST_JOBS).subquery()
    return sa.select(some).where(some.c.number.is_not(None)).order_by(some.c.number).limit(1)


def _had_turn(connection: sa.Connection, found: _Next) -> None:
    turn = {"actor": TURN + found.actor, "tokens": 0.0, "filled_us": found.turn}
    upsert(connection, rate_buckets, [turn], ("actor",), ("filled_us",))


def claim(
    worker: str, most: int, lease_us: int, *, newcomers: bool = False
) -> UnrecordedWrite[Claim | None]:
    """Lease up to ``most`` rows of one job; None if there are none. ``newcomers``: only rows of
    an actor who has none leased.

    A row that was begun before is leased alone: if it ends its worker, it ends nothing else.
    """

    def change(connection: sa.Connection) -> Claim | None:
        # Read when it runs, which may be seconds after it was asked for.
        now = now_us()
        found = _next(connection, now, newcomers=newcomers)
        if found is None:
            return None
        rows = _rows_from(connection, found, most, now)
        if not rows:
            return None
        connection.execute(
            sa.update(job_rows)
            .where(job_rows.c.job == found.job, job_rows.c.number.in_([r.number for r in rows]))
            .values(worker=worker, leased_until_us=now + lease_us, attempts=job_rows.c.attempts + 1)
        )
        # Only the first claim of a job sets when it was started.
        connection.execute(
            sa.update(jobs)
            .where(jobs.c.id == found.job, jobs.c.state == State.QUEUED.value)
            .values(state=State.RUNNING.value, started_us=now)
        )
        leased = tuple(
            JobRow(r.number, octets(r.request), r.attempts + 1, octets(r.salt)) for r in rows
        )
        _had_turn(connection, found)
        return Claim(by_id(connection, found.job), leased)

    return change


def _rows_from(
    connection: sa.Connection, found: _Next, most: int, now: int
) -> Sequence[sa.Row[Any]]:
    """Free rows of one job, of the next ``most`` numbers, locked; one begun before comes alone."""
    # A range and not LIMIT: rows that others have leased are not stepped over one by one.
    numbers = job_rows.c.number.between(found.number, found.number + most - 1)
    rows = connection.execute(
        sa.select(job_rows)
        .where(job_rows.c.job == found.job, numbers, _free(now))
        .order_by(job_rows.c.number)
        .with_for_update(skip_locked=True)  # SQLite has the whole file: BEGIN IMMEDIATE
    ).all()
    if rows and rows[0].attempts:
        return rows[:1]
    return [row for row in rows if not row.attempts]


def renew(worker: str, lease_us: int) -> UnrecordedWrite[int]:
    """Extend the worker's leases from now on; returns how many rows it has."""

    def change(connection: sa.Connection) -> int:
        kept = connection.execute(
            sa.update(job_rows)
            .where(job_rows.c.worker == worker, IS_UNANSWERED)
            .values(leased_until_us=now_us() + lease_us)
        )
        return kept.rowcount

    return change


def hand_back(worker: str) -> UnrecordedWrite[int]:
    """Free the rows of a worker that stops in good order, as if never begun; returns how many."""

    def change(connection: sa.Connection) -> int:
        freed = connection.execute(
            sa.update(job_rows)
            .where(job_rows.c.worker == worker, IS_UNANSWERED)
            # Back to the attempts before: a stop in good order does not make a row suspect.
            .values(worker=NOBODY, leased_until_us=0, attempts=job_rows.c.attempts - 1)
        )
        return freed.rowcount

    return change

"""Jobs, page by page."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from ifonly.service.store import cursors
from ifonly.service.store.database import Database
from ifonly.service.store.jobs.sealed import contradicted_jobs
from ifonly.service.store.jobs.stored import StoredJob, job_of, terms
from ifonly.service.store.tables import jobs
from ifonly.service.store.terms import State


@dataclass(frozen=True, slots=True)
class JobFilter:
    """Which jobs; every condition that is given holds for each of them."""

    actor: str | None = None
    state: State | None = None
    model: str | None = None


@dataclass(frozen=True, slots=True)
class JobPage:
    jobs: tuple[StoredJob, ...]
    next: str | None
    """Cursor of the page after this one; None at the end."""
    doubtful: frozenset[str]
    """Ids of those that are not the jobs that their records tell of."""


def page(database: Database, wanted: JobFilter, cursor: str | None, limit: int) -> JobPage:
    """The newest jobs within the scope first, ``limit`` of them at most, after ``cursor``.

    Raises
    ------
    InvalidCursor
        If the cursor is none that a page gave.
    StoreUnavailable, StoreDamaged
        If the store cannot be read.
    """
    chosen = _query(wanted)
    after = None if cursor is None else _literals(*cursors.read(cursor, (int, str)))
    found: list[StoredJob] = []
    with database.snapshot() as connection:
        # Scopes are patterns and attributes, which the tables have no index of: each job is looked
        # at until the page is full.
        while len(found) <= limit:
            asked = chosen if after is None else chosen.where(sa.tuple_(*after) > _ORDER)
            rows = connection.execute(asked.limit(limit + 1)).all()
            found += [job_of(r) for r in rows if _is_seen(database, connection, r)]
            if len(rows) <= limit:
                break
            after = _literals(rows[-1].created_us, rows[-1].id)
        shown = found[:limit]
        doubtful = contradicted_jobs(connection, shown)
    more = len(found) > limit
    last = cursors.written([shown[-1].created_us, shown[-1].id]) if more else None
    return JobPage(tuple(shown), last, doubtful)


_ORDER = sa.tuple_(jobs.c.created_us, jobs.c.id)


def _query(wanted: JobFilter) -> sa.Select[Any]:
    chosen = sa.select(jobs)
    for column, value in ((jobs.c.actor, wanted.actor), (jobs.c.model, wanted.model)):
        if value is not None:
            chosen = chosen.where(column == value)
    if wanted.state is not None:
        chosen = chosen.where(jobs.c.state == wanted.state.value)
    return chosen.order_by(jobs.c.created_us.desc(), jobs.c.id.desc())


def _is_seen(database: Database, connection: sa.Connection, row: sa.Row[Any]) -> bool:
    scope = database.scope
    if scope.is_everything:
        return True
    return scope.has_model(row.model) and scope.covers(terms(connection, row.id).scope)


def _literals(created_us: int, identity: str) -> tuple[Any, ...]:
    return sa.literal(created_us, sa.BigInteger), sa.literal(identity)

"""Jobs, page by page."""

from __future__ import annotations

import base64
import json
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from ifonly.service.errors import InvalidCursor
from ifonly.service.store.database import Database
from ifonly.service.store.jobs.sealed import contradicted_jobs
from ifonly.service.store.jobs.stored import StoredJob, job_of, terms
from ifonly.service.store.tables import jobs
from ifonly.service.store.terms import State

_TOO_LARGE = 2**63
"""For a column of whole numbers."""


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
    after = None if cursor is None else _place(cursor)
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
    return JobPage(tuple(shown), _cursor(shown[-1]) if more else None, doubtful)


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


def _cursor(job: StoredJob) -> str:
    # A place and not an offset: jobs that come meanwhile shift no page.
    place = json.dumps([job.created_us, job.id]).encode()
    return base64.urlsafe_b64encode(place).decode().rstrip("=")


def _place(cursor: str) -> tuple[Any, ...]:
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        created_us, identity = json.loads(base64.urlsafe_b64decode(padded))
    # A cursor is whatever a client sends: RecursionError is for deeply nested JSON.
    except (ValueError, TypeError, RecursionError):
        raise InvalidCursor(cursor) from None
    is_time = type(created_us) is int and abs(created_us) < _TOO_LARGE
    # PostgreSQL takes no NUL in text, and surrogates have no UTF-8.
    if not is_time or type(identity) is not str or not identity.isprintable():
        raise InvalidCursor(cursor)
    return _literals(created_us, identity)


def _literals(created_us: int, identity: str) -> tuple[Any, ...]:
    return sa.literal(created_us, sa.BigInteger), sa.literal(identity)

"""A job and its rows, as the tables have them."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from ifonly.service.access import Scope
from ifonly.service.errors import UnknownRecord
from ifonly.service.store.chain import canonical
from ifonly.service.store.database import Database
from ifonly.service.store.rows import record_of
from ifonly.service.store.tables import jobs, records
from ifonly.service.store.terms import State

NOBODY = ""
"""The worker of a row that nobody has."""


@dataclass(frozen=True, slots=True, kw_only=True)
class StoredJob:
    """A job as it is stored: rows about one version of one model."""

    model: str
    version: str
    actor: str
    role: str | None
    request_id: str | None
    rows: int
    id: str
    state: State = State.QUEUED
    answered: int = 0
    """Rows that have a record, refused ones among them."""
    refused: int = 0
    statuses: Mapping[str, int] | None = None
    """How many rows were answered with each claim; None: of an earlier version, which did not
    count them."""
    created_us: int
    started_us: int | None = None
    finished_us: int | None = None


@dataclass(frozen=True, slots=True)
class JobRow:
    """One question of a job."""

    number: int
    """From 0: its place in what was sent, where a blank line has a place, too."""
    request: bytes
    attempts: int
    """How many workers have begun with it, this one included."""
    salt: bytes | None = None


EVENTS = "events"
"""What the record of a job says it is of, where a deployed model's log has brought its rows."""


@dataclass(frozen=True, slots=True)
class JobTerms:
    """How the rows of a job are answered, as its record has it."""

    scope: Scope
    """Of whoever asked for it."""
    is_shared: bool
    """Whether rows that need nothing changed may have one record together."""
    traceparent: str | None
    """The span of the request that submitted it."""
    is_of_events: bool
    """Whether its rows tell of machines as they are: a deployed model was asked about them just
    before (:data:`EVENTS`)."""


def row_of(job: StoredJob) -> dict[str, Any]:
    statuses = None if job.statuses is None else canonical(job.statuses).decode()
    said = {c.name: getattr(job, c.name) for c in jobs.c}
    return said | {"state": job.state.value, "statuses": statuses}


def job_of(row: sa.Row[Any]) -> StoredJob:
    """Raises
    ------
    ValueError
        If no job could have been stored so.
    """
    statuses = None if row.statuses is None else json.loads(row.statuses)
    return StoredJob(**{**row._mapping, "state": State(row.state), "statuses": statuses})


def by_id(connection: sa.Connection, identity: str) -> StoredJob:
    row = connection.execute(sa.select(jobs).where(jobs.c.id == identity)).one_or_none()
    if row is None:
        raise UnknownRecord(identity, "job")
    return job_of(row)


def terms_of(database: Database, identity: str) -> JobTerms:
    """Raises
    ------
    StoreUnavailable, StoreDamaged
        If the store cannot be read.
    """
    with database.reading() as connection:
        return terms(connection, identity)


def terms(connection: sa.Connection, identity: str) -> JobTerms:
    row = connection.execute(sa.select(records).where(records.c.id == identity)).one_or_none()
    said = {} if row is None else record_of(row).facts.detail or {}
    traceparent = said.get("traceparent")
    return JobTerms(
        Scope.of(said.get("scope")),
        said.get("shared") == 1,
        traceparent if isinstance(traceparent, str) else None,
        said.get("of") == EVENTS,
    )

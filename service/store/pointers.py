"""Rows beside the records that something is decided by: does a record vouch for each?

Not among them, for no answer comes from it: how often somebody has asked (``rate_buckets``) and an
alarm was read (``episodes``); who works at an open row until when, and how often that was tried
(``job_rows``).
"""

from __future__ import annotations

from collections.abc import Iterator

from ifonly.service.store import alarm_findings, idempotency, jobs, keys, sessions
from ifonly.service.store.chain import IntegrityFinding
from ifonly.service.store.database import Database


def findings(database: Database) -> Iterator[IntegrityFinding]:
    """Keys, sessions, jobs, named requests and alarms that no record vouches for.

    Raises
    ------
    StoreUnavailable, StoreDamaged
        If the store cannot be read.
    """
    for key in keys.listing(database):
        yield from key.findings
    yield from keys.lost(database)
    for part in (
        sessions.findings,
        sessions.secret_findings,
        jobs.findings,
        idempotency.findings,
        alarm_findings.findings,
    ):
        # A snapshot for each part: one long snapshot would hold SQLite's WAL open.
        with database.snapshot() as connection:
            yield from part(connection)

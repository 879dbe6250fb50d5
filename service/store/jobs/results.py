"""What the rows of a job were answered."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from ifonly.service.errors import NotAsSealed
from ifonly.service.store.archive import whole
from ifonly.service.store.chain import IntegrityFinding, Payload, Record
from ifonly.service.store.chain_membership import contradicted, doubts
from ifonly.service.store.database import Database
from ifonly.service.store.jobs.sealed import find, mislaid
from ifonly.service.store.jobs.stored import StoredJob
from ifonly.service.store.rows import payload_of, record_of
from ifonly.service.store.tables import job_rows, records

PIECE = 500


@dataclass(frozen=True, slots=True)
class JobResult:
    """An answered row."""

    number: int
    record: Record
    """That answers it, perhaps together with others."""
    payload: Payload | None
    """None: it was erased."""
    findings: tuple[IntegrityFinding, ...] = ()
    """What is wrong with it: then nothing that it says is to be told."""


def results(
    database: Database, identity: str, first: int = 0, last: int | None = None
) -> Iterator[JobResult]:
    """Each answered row in order, of the numbers from ``first`` to ``last``, both included. Read in
    pieces, each a query of its own.

    Raises
    ------
    NotAsSealed
        If there are fewer than the job's records say.
    StoreUnavailable, StoreDamaged
        If the store cannot be read.
    """
    # Before the first line leaves: a reply that has begun cannot become a 409.
    _check_complete(database, find(database, identity))
    return _results(database, identity, first, last)


def _check_complete(database: Database, job: StoredJob) -> None:
    joined = job_rows.join(records, records.c.id == job_rows.c.record)
    count = sa.select(sa.func.count()).select_from(joined).where(job_rows.c.job == job.id)
    with database.reading() as connection:
        there = connection.execute(count).scalar_one()
    if there != job.answered:
        text = f"{job.answered} rows of the job were answered, and {there} are there"
        raise NotAsSealed(job.id, [contradicted(None, "job_rows", "record", text)])


def _results(
    database: Database, identity: str, first: int, last: int | None
) -> Iterator[JobResult]:
    # Forgotten meanwhile (retention takes whole jobs): the rest is then not there, and not told.
    chosen = sa.select(job_rows.c.number, job_rows.c.record).where(
        job_rows.c.job == identity, job_rows.c.record.is_not(None)
    )
    if last is not None:
        chosen = chosen.where(job_rows.c.number <= last)
    at = first - 1
    known: dict[str, _ReadRecord] = {}
    while True:
        piece = chosen.where(job_rows.c.number > at).order_by(job_rows.c.number).limit(PIECE)
        with database.reading() as connection:
            rows = connection.execute(piece).all()
            # Each record once: one may answer many rows, some of them of the piece before.
            wanted = {row.record for row in rows}
            known = {each: read for each, read in known.items() if each in wanted}
            missing = sorted(wanted - known.keys())
            read = connection.execute(whole().where(records.c.id.in_(missing)))
            known |= {row._mapping[records.c.id]: _ReadRecord.of(row) for row in read}
        for row in rows:
            if (found := known.get(row.record)) is not None:
                yield found.of_row(identity, row.number)
        if len(rows) < PIECE:
            return
        at = rows[-1].number


@dataclass(frozen=True, slots=True)
class _ReadRecord:
    """A record, looked at once for all rows that it answers."""

    record: Record
    payload: Payload | None
    doubts: tuple[IntegrityFinding, ...]

    @classmethod
    def of(cls, row: sa.Row[Any]) -> _ReadRecord:
        return cls(record_of(row), payload_of(row), tuple(doubts(row)))

    def of_row(self, job: str, number: int) -> JobResult:
        # A record that does not stand says nothing of its row.
        found = self.doubts or tuple(mislaid(self.record, job, number))
        return JobResult(number, self.record, self.payload, found)

"""Does every chain hold? Read in pieces, so that memory does not grow with the chain."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field
from pathlib import Path

import sqlalchemy as sa

from service.store import anchors, archive
from service.store.chain import Finding, Head, Kind, Payload, Record, Trouble, check
from service.store.database import Database
from service.store.erasure import before_us
from service.store.logcheck import KeptHead, check_log, heads_in_file
from service.store.rows import record_of
from service.store.tables import records, writers

PROGRESS = 10_000
"""Records between two calls of ``progress``."""
MAX_FINDINGS = 100


@dataclass
class Report:
    """What was read, and what is wrong with it."""

    writers: int = 0
    records: int = 0
    payloads: int = 0
    erased: int = 0
    anchors: int = 0
    logged: int = 0
    """Leaves of the log."""
    findings: list[Finding] = field(default_factory=list)
    """The first hundred."""
    troubles: int = 0
    """All of them, counted."""

    @property
    def holds(self) -> bool:
        return self.troubles == 0

    def add(self, findings: Iterable[Finding]) -> None:
        for finding in findings:
            self.troubles += 1
            if len(self.findings) < MAX_FINDINGS:
                self.findings.append(finding)


def verify(
    database: Database,
    anchor_file: Path | None = None,
    progress: Callable[[Report], None] = lambda _: None,
    kept: Sequence[KeptHead] = (),
) -> Report:
    """Check every record up to the heads as they are now, and the log over all of them.

    ``anchor_file`` is one that the service wrote, ``kept`` are heads of the log that somebody has
    kept: evidence from outside of the database.

    Raises
    ------
    StoreUnavailable, StoreDamaged
        If the store cannot be read.
    OSError, ValueError
        If the file cannot be.
    """
    report, erasures = Report(), Erasures(database)
    if anchor_file is not None:
        kept = (*kept, *heads_in_file(anchor_file))
    report.logged = check_log(database, kept, report.add)  # first: a head says the most
    for writer, head in _heads(database):
        report.writers += 1
        _follow(database, writer, head, erasures, report, progress)
    if anchor_file is not None:
        for writer, head in anchors.read_down(anchor_file):
            report.add(_against(database, writer, head, f"the file {anchor_file.name}"))
    return report


def _heads(database: Database) -> list[tuple[str, Head]]:
    columns = (writers.c.id, writers.c.head_sequence, writers.c.head_hash)
    with database.reading() as connection:
        found = connection.execute(sa.select(*columns).order_by(writers.c.started_us))
        return [(writer, Head(sequence, digest)) for writer, sequence, digest in found]


def _follow(
    database: Database,
    writer: str,
    head: Head,
    erasures: Erasures,
    report: Report,
    progress: Callable[[Report], None],
) -> None:
    """One chain from its first record to ``head``."""
    at = Head()
    for record, payload in archive.chain(database, writer, head.sequence):
        report.records += 1
        report.add(check(record, at))
        report.add(payload_findings(record, payload, erasures, report))
        if record.facts.kind == Kind.ANCHOR:
            report.anchors += 1
            by = f"record {record.sequence} of {writer}"
            for other, anchored in anchors.heads_in(record.facts.detail).items():
                report.add(_against(database, other, anchored, by))
        at = record.head
        if report.records % PROGRESS == 0:
            progress(report)
    if at.sequence < head.sequence:
        text = f"records {at.sequence + 1} to {head.sequence} are missing at the end"
        report.add([Finding(writer, at.sequence + 1, Trouble.CUT, text)])
    elif at != head:
        text = f"record {at.sequence} is not what the chain's head says it was"
        report.add([Finding(writer, at.sequence, Trouble.ALTERED, text)])


def payload_findings(
    record: Record, payload: Payload | None, erasures: Erasures, report: Report
) -> Iterator[Finding]:
    """The payload is the one that was sealed, or its erasure is recorded."""
    here = (record.writer, record.sequence)
    if payload is not None:
        report.payloads += 1
        if payload.digest != record.payload_digest:
            text = f"the payload of record {record.sequence} is not the one that was sealed"
            yield Finding(*here, Trouble.PAYLOAD_ALTERED, text)
    elif record.payload_digest is not None:
        report.erased += 1
        if not erasures.cover(record):
            text = f"the payload of record {record.sequence} is gone, and no erasure is recorded"
            yield Finding(*here, Trouble.PAYLOAD_MISSING, text)


class Erasures:
    """What was erased, by the records that say so."""

    def __init__(self, database: Database) -> None:
        self._database = database
        self._before_us = 0
        """Everything older was erased by age."""

    def cover(self, record: Record) -> bool:
        if record.facts.time_us < self._before_us:
            return True
        if archive.about(self._database, record.facts.id, Kind.ERASURE):
            return True
        by_age = sa.select(records).where(
            records.c.kind == Kind.ERASURE.value, records.c.about.is_(None)
        )
        with self._database.reading() as connection:
            found = [record_of(row) for row in connection.execute(by_age)]
        self._before_us = max((before_us(r.facts.detail) for r in found), default=0)
        return record.facts.time_us < self._before_us


def _against(database: Database, writer: str, anchored: Head, by: str) -> Iterator[Finding]:
    """The chain still has the record that an anchor saw at its end."""
    if anchored.sequence == 0:
        return
    query = sa.select(records.c.hash).where(
        records.c.writer == writer, records.c.sequence == anchored.sequence
    )
    with database.reading() as connection:
        found = connection.execute(query).scalar_one_or_none()
    if found is None:
        text = f"record {anchored.sequence} is gone; it was anchored by {by}"
        yield Finding(writer, anchored.sequence, Trouble.CUT, text)
    elif found != anchored.hash:
        text = f"record {anchored.sequence} is not the one that was anchored by {by}"
        yield Finding(writer, anchored.sequence, Trouble.ALTERED, text)

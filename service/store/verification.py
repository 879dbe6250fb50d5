"""Does every chain hold, and every row that anything is decided by?

Records and payloads are read in pieces. What is kept of each record is 16 bytes, its time and its
sequence (:mod:`ifonly.service.store.order`), and 32 bytes a leaf of the log
(:mod:`ifonly.service.store.logcheck`): some 50 MB for a million records.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Sequence
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import Any

import sqlalchemy as sa

from ifonly.service.errors import StoreDamaged
from ifonly.service.store import anchors, archive, pointers
from ifonly.service.store.archive import Unread
from ifonly.service.store.chain import Head, IntegrityFinding, Payload, Record, Trouble, check
from ifonly.service.store.chain_membership import displaced
from ifonly.service.store.database import Database
from ifonly.service.store.erasure import Erasures
from ifonly.service.store.kinds import RecordKind
from ifonly.service.store.logcheck import KeptHead, check_log, heads_in_file
from ifonly.service.store.order import Order
from ifonly.service.store.rows import record_of
from ifonly.service.store.tables import payloads, records, writers
from ifonly.service.transparency.verifier import VerifierKey

# A large store takes long: whoever waits must see that it goes on.
PROGRESS = 10_000
"""Records between two calls of ``progress``."""
MAX_FINDINGS = 100


@dataclass
class VerificationReport:
    """What was read, and what is wrong with it."""

    writers: int = 0
    records: int = 0
    payloads: int = 0
    erased: int = 0
    anchors: int = 0
    logged: int = 0
    """Leaves of the log."""
    findings: list[IntegrityFinding] = field(default_factory=list)
    """The first hundred."""
    troubles: int = 0
    """All of them, counted."""
    notes: list[str] = field(default_factory=list)
    """What is not as it should be and no sign of tampering: a line that was cut off by a crash."""

    @property
    def holds(self) -> bool:
        return self.troubles == 0

    def add(self, findings: Iterable[IntegrityFinding]) -> None:
        for finding in findings:
            self.troubles += 1
            # Counted on, not kept: a store that was rewritten has a finding for each record.
            if len(self.findings) < MAX_FINDINGS:
                self.findings.append(_printable(finding))


def _printable(finding: IntegrityFinding) -> IntegrityFinding:
    """A place that no record can have is told as 0: the text says more."""
    # SQLite keeps any type in any column: tampered numbers may be texts.
    sequence = finding.sequence if type(finding.sequence) is int else 0
    return replace(finding, writer=str(finding.writer), sequence=sequence)


@dataclass(frozen=True, slots=True)
class _Reading:
    """What is at hand, and gathered, while chains are read."""

    database: Database
    erasures: Erasures
    report: VerificationReport
    anchored: dict[str, int]
    """How far anchors have each chain."""
    order: Order
    progress: Callable[[VerificationReport], None]


def verify(
    database: Database,
    anchor_file: Path | None = None,
    progress: Callable[[VerificationReport], None] = lambda _: None,
    kept: Sequence[KeptHead] = (),
    witnesses: Sequence[VerifierKey] = (),
) -> VerificationReport:
    """Check every record up to the heads as they are now, that nothing stands beside them, and the
    log over all of them.

    ``anchor_file`` is one that the service wrote, ``kept`` are heads of the log that somebody has
    kept: evidence from outside of the database. ``witnesses`` are the keys of who cosigns heads.

    Raises
    ------
    StoreUnavailable
        If the store cannot be read now.
    OSError
        If the file cannot be read.
    """
    report = VerificationReport()
    if anchor_file is not None:
        # The file has heads of the log too, which nobody with the database alone could rewrite.
        kept = (*kept, *heads_in_file(anchor_file))
    reading = _Reading(database, Erasures(database), report, {}, Order(), progress)
    # SQLite's own word first: it explains what cannot be read later.
    report.add(_pages(database))
    report.add(_whatever(_logged(database, kept, witnesses, report)))
    report.add(_whatever(_chains(reading)))
    # Each by itself: what one cannot read must not hide what the next would find.
    for part in (_outside, _payloads, pointers.findings):
        report.add(_whatever(part(database)))
    report.add(reading.order.findings())
    if anchor_file is not None:
        report.add(_by_file(database, anchor_file, report))
    return report


def _chains(reading: _Reading) -> Iterator[IntegrityFinding]:
    # Read before the chains: anchors written meanwhile only go further than this.
    claimed = _anchored(reading.database)
    for writer, head in archive.heads(reading.database):
        reading.report.writers += 1
        yield from _whatever(_follow(reading, writer, head))
    yield from _unanchored(claimed, reading.anchored)


def _by_file(
    database: Database, file: Path, report: VerificationReport
) -> Iterator[IntegrityFinding]:
    """What the anchors of a file have, and the store has not."""
    for found in anchors.read_down(file):
        # A crash while a line is appended leaves half of it: no sign of tampering.
        if isinstance(found, str):
            report.notes.append(found)
        elif isinstance(found, IntegrityFinding):
            yield found
        else:
            writer, head = found
            there = _place(database, writer, head.sequence)
            yield from _against(there, writer, head, f"the file {file.name}")


def _logged(
    database: Database,
    kept: Sequence[KeptHead],
    witnesses: Sequence[VerifierKey],
    report: VerificationReport,
) -> Iterator[IntegrityFinding]:
    """What is wrong with the log over all records."""
    found: list[IntegrityFinding] = []
    report.logged = check_log(database, kept, witnesses, found.extend)
    yield from found


def _whatever(findings: Iterable[IntegrityFinding]) -> Iterator[IntegrityFinding]:
    """``findings``, and one more if they end because something cannot be read."""
    try:
        yield from findings
    # A finding and not a failure: a damaged file is just what verifying is to tell of.
    except StoreDamaged as error:
        yield IntegrityFinding("", 0, Trouble.UNREADABLE, str(error), "")


def _pages(database: Database) -> Iterator[IntegrityFinding]:
    """What SQLite says of its file: pages that are none, indexes that lack a row."""
    # PostgreSQL has no such question: its server checks its own pages.
    if not database.is_sqlite:
        return
    try:
        with database.reading() as connection:
            said = connection.exec_driver_sql(f"PRAGMA integrity_check({MAX_FINDINGS})").scalars()
            found = [line for line in said if line != "ok"]
    except StoreDamaged as error:
        found = [str(error)]
    for line in found:
        yield IntegrityFinding(
            "", 0, Trouble.UNREADABLE, f"the database file is damaged: {line}", ""
        )


def _follow(reading: _Reading, writer: str, head: Head) -> Iterator[IntegrityFinding]:
    """One chain from its first record to ``head``."""
    report, at, is_torn = reading.report, Head(), False
    for found in archive.chain(reading.database, writer, head.sequence):
        report.records += 1
        if isinstance(found, Unread):
            at, is_torn = Head(found.sequence), True
            text = f"record {found.sequence} cannot be read: {found.reason}"
            yield IntegrityFinding(writer, found.sequence, Trouble.UNREADABLE, text)
            # Read on: whoever damages one record must not hide the rest of the chain.
            continue
        record, payload = found
        # After a record that cannot be read nobody knows its hash: the next one's word is taken.
        yield from check(record, Head(at.sequence, record.previous) if is_torn else at)
        yield from payload_findings(record, payload, reading.erasures, report)
        reading.order.record(writer, record.sequence, record.facts.time_us)
        if record.facts.kind == RecordKind.ANCHOR:
            yield from _seen_by(reading, record)
        at, is_torn = record.head, False
        if report.records % PROGRESS == 0:
            reading.progress(report)
    yield from _at_the_end(writer, at, head, is_torn)


def _at_the_end(writer: str, at: Head, head: Head, is_torn: bool) -> Iterator[IntegrityFinding]:
    if at.sequence < head.sequence:
        text = f"records {at.sequence + 1} to {head.sequence} are missing at the end"
        yield IntegrityFinding(writer, at.sequence + 1, Trouble.CUT, text)
    # After a record that could not be read the chain's own hash is not known here.
    elif at != head and not is_torn:
        text = f"record {at.sequence} is not what the chain's head says it was"
        yield IntegrityFinding(writer, at.sequence, Trouble.ALTERED, text)


def _seen_by(reading: _Reading, anchor: Record) -> Iterator[IntegrityFinding]:
    """Every chain still has what an anchor saw at its end."""
    reading.report.anchors += 1
    by = f"record {anchor.sequence} of {anchor.writer}"
    for other, head in anchors.heads_in(anchor.facts.detail).items():
        # Several anchors see one chain, and the furthest counts.
        reading.anchored[other] = max(reading.anchored.get(other, 0), head.sequence)
        there = _place(reading.database, other, head.sequence)
        yield from _against(there, other, head, by)
        time_us = None if there is None else there.time_us
        reading.order.anchored(anchor.writer, other, head.sequence, time_us)
    reading.order.anchor(anchor.writer)


def payload_findings(
    record: Record, payload: Payload | None, erasures: Erasures, report: VerificationReport
) -> Iterator[IntegrityFinding]:
    """The payload is the one that was sealed, or its erasure is recorded."""
    if payload is not None:
        report.payloads += 1
        yield from payload.findings(record)
    # The digest says that there was a payload: without it a deletion could not be told from none.
    elif record.payload_digest is not None:
        report.erased += 1
        if not erasures.cover(record):
            text = f"the payload of record {record.sequence} is gone, and no erasure is recorded"
            where = "audit_payloads"
            here = (record.writer, record.sequence)
            yield IntegrityFinding(*here, Trouble.PAYLOAD_MISSING, text, where)


def _outside(database: Database) -> Iterator[IntegrityFinding]:
    return (displaced(record_of(row)) for row in archive.outside(database))


def _payloads(database: Database) -> Iterator[IntegrityFinding]:
    """Payloads that no record has, and those that give another time for it."""
    same = sa.and_(payloads.c.writer == records.c.writer, payloads.c.sequence == records.c.sequence)
    chosen = (
        sa.select(payloads.c.writer, payloads.c.sequence, records.c.time_us)
        .select_from(payloads.outerjoin(records, same))
        .where(sa.or_(records.c.id.is_(None), records.c.time_us != payloads.c.time_us))
    )
    with database.reading() as connection:
        rows = connection.execute(chosen).all()
    for writer, sequence, time_us in rows:
        if time_us is None:
            text = f"there is a payload of record {sequence}, and no such record"
            yield IntegrityFinding(writer, sequence, Trouble.FORGED, text, "audit_payloads")
        else:
            text = f"the payload of record {sequence} gives another time than the record"
            yield IntegrityFinding(
                writer, sequence, Trouble.CONTRADICTED, text, "audit_payloads.time_us"
            )


def _anchored(database: Database) -> dict[str, int]:
    """How far each chain is anchored, by the hint that keeps anchors short."""
    with database.reading() as connection:
        found = connection.execute(sa.select(writers.c.id, writers.c.anchored))
        return {row.id: row.anchored for row in found}


def _unanchored(claimed: dict[str, Any], anchored: dict[str, int]) -> Iterator[IntegrityFinding]:
    """The hint never goes further than anchors do: raised, it keeps a chain from being anchored."""
    for writer, sequence in claimed.items():
        # bool is an int by isinstance, and tampered columns hold anything.
        if type(sequence) is not int or not 0 <= sequence <= anchored.get(writer, 0):
            text = f"the chain is said to be anchored up to {sequence}, and no anchor has that"
            yield IntegrityFinding(writer, 0, Trouble.CONTRADICTED, text, "audit_writers.anchored")


def _place(database: Database, writer: str, sequence: int) -> sa.Row[Any] | None:
    """What stands there: hash and time."""
    here = (records.c.writer == writer, records.c.sequence == sequence)
    with database.reading() as connection:
        chosen: sa.Select[Any] = sa.select(records.c.hash, records.c.time_us).where(*here)
        return connection.execute(chosen).one_or_none()


def _against(
    there: sa.Row[Any] | None, writer: str, anchored: Head, by: str
) -> Iterator[IntegrityFinding]:
    """The chain still has the record that an anchor saw at its end."""
    # An anchor of an empty chain says nothing about records.
    if anchored.sequence == 0:
        return
    if there is None:
        text = f"record {anchored.sequence} is gone; it was anchored by {by}"
        yield IntegrityFinding(writer, anchored.sequence, Trouble.CUT, text)
    elif there.hash != anchored.hash:
        text = f"record {anchored.sequence} is not the one that was anchored by {by}"
        yield IntegrityFinding(writer, anchored.sequence, Trouble.ALTERED, text)

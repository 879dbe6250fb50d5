"""One record in its chain: does it hold, from an anchor before it to the first that has it?

The whole chain need not be read: what an anchor in some chain saw is what is there, or a lie is
found between the two.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

import sqlalchemy as sa

from ifonly.service.store import anchors, archive
from ifonly.service.store.archive import Unread
from ifonly.service.store.chain import (
    GENESIS,
    Head,
    IntegrityFinding,
    Payload,
    Record,
    Trouble,
    check,
    own_findings,
)
from ifonly.service.store.chain_membership import displaced, standing, standing_only
from ifonly.service.store.database import Database
from ifonly.service.store.erasure import Erasures
from ifonly.service.store.kinds import RecordKind
from ifonly.service.store.tables import PAGE_ORDER, records, writers
from ifonly.service.store.terms import Content
from ifonly.service.store.verification import VerificationReport, payload_findings

# A page waits for this: a chain without anchors must not be read from its beginning.
MAX_READ = 20_000
"""Records that are read on each side."""
LOOK = 200
"""Anchors that are looked at on each side; each process writes one a minute."""


def content_of(record: Record, payload: Payload | None) -> Content:
    if record.payload_digest is None:
        return Content.NONE
    return Content.ERASED if payload is None else Content.KEPT


@dataclass(frozen=True, slots=True)
class End:
    """Where reading began or ended."""

    head: Head
    anchor: str | None
    """Id of the anchor that saw this end; None: no anchor did."""


@dataclass(frozen=True, slots=True)
class ChainStretch:
    """What was read around a record, and what is wrong with it."""

    record: Record
    content: Content
    since: End
    until: End
    read: int
    findings: tuple[IntegrityFinding, ...]

    @property
    def holds(self) -> bool:
        return not self.findings


def around(database: Database, identity: str) -> ChainStretch:
    """Check a record, its content, and every link of its chain between two anchors.

    Without an anchor on a side: from the chain's first record, up to its end, and never more than
    ``MAX_READ`` records.

    Raises
    ------
    UnknownRecord
        If there is none of that id.
    StoreUnavailable, StoreDamaged
        If the store cannot be read.
    """
    seen = archive.seen(database, identity)
    record, payload = seen.record, seen.payload
    since, until = _since(database, record), _until(database, record)
    counted = VerificationReport()
    # The record's own content first: it is what was asked about.
    counted.add(payload_findings(record, payload, Erasures(database), counted))
    at, read, is_among = since.head, 0, False
    for link in archive.links(database, record.writer, at.sequence, until.head.sequence):
        read += 1
        if isinstance(link, Unread):
            text = f"record {link.sequence} cannot be read: {link.reason}"
            counted.add([IntegrityFinding(record.writer, link.sequence, Trouble.UNREADABLE, text)])
            # Nothing can be said of links beyond one that cannot be read.
            break
        counted.add(check(link, at))
        # The record that the id found may stand outside of the chain: a copy is no link of it.
        is_among = is_among or link == record
        at = link.head
    # else: all could be read, so the end can be compared.
    else:
        counted.add(_at_the_end(record.writer, at, until))
    if not is_among:
        counted.add([displaced(record), *own_findings(record)])
    content = content_of(record, payload)
    return ChainStretch(record, content, since, until, read, tuple(counted.findings))


def _at_the_end(writer: str, at: Head, until: End) -> Iterator[IntegrityFinding]:
    wanted = until.head
    if at.sequence < wanted.sequence:
        text = f"records {at.sequence + 1} to {wanted.sequence} are missing"
        yield IntegrityFinding(writer, at.sequence + 1, Trouble.CUT, text)
    elif at != wanted:
        by = f"anchor {until.anchor}" if until.anchor else "the chain's head"
        text = f"record {at.sequence} is not the one that {by} saw"
        yield IntegrityFinding(writer, at.sequence, Trouble.ALTERED, text)


def _since(database: Database, record: Record) -> End:
    """The latest end that an anchor saw before the record."""
    # Time finds candidates; only the sequence that the anchor saw decides.
    earlier = _anchors(
        database,
        records.c.time_us <= record.facts.time_us,
        [column.desc() for column in PAGE_ORDER],
    )
    found = _seen(earlier, record.writer, lambda head: head.sequence < record.sequence)
    if found is not None and record.sequence - found.head.sequence <= MAX_READ:
        return found
    first = max(0, record.sequence - MAX_READ)
    return End(Head() if first == 0 else _head(database, record.writer, first), None)


def _until(database: Database, record: Record) -> End:
    """The first end that an anchor saw with the record in it."""
    later = _anchors(database, records.c.time_us >= record.facts.time_us, list(PAGE_ORDER))
    found = _seen(later, record.writer, lambda head: head.sequence >= record.sequence)
    if found is not None and found.head.sequence - record.sequence <= MAX_READ:
        return found
    with database.reading() as connection:
        kept = sa.select(writers.c.head_sequence, writers.c.head_hash)
        row = connection.execute(kept.where(writers.c.id == record.writer)).one_or_none()
    last = Head() if row is None else archive.head_of(*row)
    if last.sequence - record.sequence > MAX_READ:
        last = _head(database, record.writer, record.sequence + MAX_READ)
    # Told as seen by no anchor: whoever rewrites the chain rewrites its head as well.
    return End(last, None)


def _anchors(
    database: Database, when: sa.ColumnElement[bool], order: Iterable[sa.ColumnElement[object]]
) -> list[Record]:
    # The clock only finds candidates; `standing_only` holds each against its own chain.
    chosen = sa.select(records, standing()).where(records.c.kind == RecordKind.ANCHOR.value, when)
    with database.reading() as connection:
        rows = connection.execute(chosen.order_by(*order).limit(LOOK)).all()
    return list(standing_only(rows))


def _seen(found: Iterable[Record], writer: str, fits: Callable[[Head], bool]) -> End | None:
    for anchor in found:
        head = anchors.heads_in(anchor.facts.detail).get(writer)
        if head is not None and fits(head):
            return End(head, anchor.facts.id)
    return None


def _head(database: Database, writer: str, sequence: int) -> Head:
    """As the record there has it; nothing holds it against anything."""
    chosen = sa.select(records.c.hash).where(
        records.c.writer == writer, records.c.sequence == sequence
    )
    with database.reading() as connection:
        return Head(sequence, connection.execute(chosen).scalar_one_or_none() or GENESIS)

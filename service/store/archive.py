"""Reading records: by id, by filter in pages, and all of them in the order of their chains."""

from __future__ import annotations

import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from functools import cache
from typing import Any

import sqlalchemy as sa

from ifonly.service.errors import StoreDamaged, UnknownRecord
from ifonly.service.store import cursors
from ifonly.service.store.chain import Head, IntegrityFinding, Payload, Record, check
from ifonly.service.store.chain_membership import (
    displaced,
    doubts,
    require,
    standing,
    standing_only,
    stands,
)
from ifonly.service.store.database import Database
from ifonly.service.store.kinds import RecordKind
from ifonly.service.store.listings import is_listed
from ifonly.service.store.rows import payload_of, record_of
from ifonly.service.store.tables import LISTED, PAGE_ORDER, SPOKEN, payloads, records, writers
from ifonly.service.store.terms import RecordList
from ifonly.service.store.visibility import within

PIECE = 500
NEWEST_FIRST = tuple(column.desc() for column in PAGE_ORDER)

FILTERS = ("kind", "model", "status", "actor", "request_id", "about", "writer")
"""Columns that a page may be filtered by; each has an index in page order."""


@dataclass(frozen=True, slots=True)
class Filter:
    """Which records; every condition that is given holds for each of them."""

    equal: Mapping[str, str]
    """Of :data:`FILTERS`."""
    since_us: int | None = None
    until_us: int | None = None
    """Times from ``since_us``, before ``until_us``."""
    language: str | None = None
    """In which the reply was wanted, among others."""
    begins: str | None = None
    """How the record's id begins: hexadecimal digits, with its hyphens."""
    listing: RecordList | None = None


@dataclass(frozen=True, slots=True)
class Page:
    records: tuple[Record, ...]
    next: str | None
    """Cursor of the page after this one; None at the end."""
    doubtful: Mapping[str, tuple[IntegrityFinding, ...]] = field(default_factory=dict)
    """By id: what is wrong with those that do not stand in their chain."""


def page(database: Database, wanted: Filter, cursor: str | None, limit: int) -> Page:
    """The newest records first, ``limit`` of them after ``cursor``.

    Raises
    ------
    InvalidCursor
        If the cursor is none that a page gave.
    StoreUnavailable, StoreDamaged
        If the store cannot be read.
    """
    return page_of(database, query(wanted, cursor, limit), limit)


def page_of(database: Database, asked: sa.Select[Any], limit: int) -> Page:
    """The records that :func:`read_page` reads; raises as it does."""
    return page_with(*read_page(database, asked, limit))


def page_with(rows: Sequence[sa.Row[Any]], after: str | None) -> Page:
    """These records; ``after``: where the next page begins."""
    doubtful = {row.id: tuple(doubts(row)) for row in rows if not stands(row)}
    return Page(tuple(map(record_of, rows)), after, doubtful)


def read_page(
    database: Database, asked: sa.Select[Any], limit: int
) -> tuple[Sequence[sa.Row[Any]], str | None]:
    """At most ``limit`` rows of what :func:`newest_first` made, and the cursor after the last of
    them; None at the end.

    Raises
    ------
    StoreUnavailable, StoreDamaged
        If the store cannot be read.
    """
    with database.reading() as connection:
        rows = connection.execute(within(database, asked)).all()
    shown = rows[:limit]
    return shown, cursor_of(shown[-1]) if len(rows) > limit else None


def newest_first(chosen: sa.Select[Any], cursor: str | None, limit: int) -> sa.Select[Any]:
    """The page of ``chosen`` after ``cursor``, and one row more, to know whether there is more.

    Raises
    ------
    InvalidCursor
        If the cursor is none that a page gave.
    """
    chosen = chosen.order_by(*NEWEST_FIRST)
    if cursor is not None:
        chosen = chosen.where(
            sa.tuple_(*PAGE_ORDER) < sa.tuple_(*literals(*cursors.read(cursor, (int, str, int))))
        )
    return chosen.limit(limit + 1)


def query(wanted: Filter, cursor: str | None, limit: int) -> sa.Select[Any]:
    """What :func:`page` asks."""
    chosen = sa.select(records, standing())
    for name, value in wanted.equal.items():
        column: sa.ColumnElement[str] = records.c[name]
        if wanted.begins is not None:
            # Joined to nothing: without statistics SQLite would take this one's index first, and
            # read all that it finds there.
            column = column + ""
        chosen = chosen.where(column == value)
    if wanted.since_us is not None:
        chosen = chosen.where(records.c.time_us >= wanted.since_us)
    if wanted.until_us is not None:
        chosen = chosen.where(records.c.time_us < wanted.until_us)
    if wanted.language is not None:
        chosen = chosen.where(SPOKEN[wanted.language])
    if wanted.listing is not None:
        chosen = chosen.where(LISTED[wanted.listing])
        # A time, any: the index is then entered at its end, not walked through from it.
        chosen = chosen.where(records.c.time_us > 0)
    if wanted.begins is not None:
        few = sa.select(records.c.id).where(records.c.id.between(*_ends(wanted.begins)))
        # MATERIALIZED makes the planner look up the few ids first.
        named = few.cte("named").prefix_with("MATERIALIZED")
        chosen = chosen.join(named, named.c.id == records.c.id)
    return newest_first(chosen, cursor, limit)


def _ends(begins: str) -> tuple[str, str]:
    """The first and the last UUID that begin so: a range that every collation orders alike."""
    zero = str(uuid.UUID(int=0))
    rest = zero[len(begins) :]
    return begins + rest, begins + rest.replace("0", "f")


def cursor_of(row: sa.Row[Any]) -> str:
    """Of the page after a record."""
    return cursors.written([row.time_us, row.writer, row.sequence])


def cursor_before(time_us: int) -> str:
    """Of the page that begins with the newest record before a moment."""
    return cursors.written([time_us, "", 0])


def literals(time_us: int, writer: str, sequence: int) -> tuple[Any, ...]:
    """A place in page order, typed as its columns are."""
    return (
        sa.literal(time_us, sa.BigInteger),
        sa.literal(writer),
        sa.literal(sequence, sa.BigInteger),
    )


def get(database: Database, identity: str) -> tuple[Record, Payload | None]:
    """One record, and its payload unless it was erased.

    Raises
    ------
    UnknownRecord
        If there is none of that id within the scope.
    NotAsSealed
        If it does not stand in its chain, or the payload is another.
    StoreUnavailable, StoreDamaged
        If the store cannot be read.
    """
    return require(_row(database, identity))


@dataclass(frozen=True, slots=True)
class CheckedRecord:
    """A record as it was read, and what is wrong with it."""

    record: Record
    payload: Payload | None
    findings: tuple[IntegrityFinding, ...] = ()


def seen(database: Database, identity: str) -> CheckedRecord:
    """As :func:`get`, but a record that does not hold is returned with what is wrong."""
    return _seen(_row(database, identity))


def _seen(row: sa.Row[Any]) -> CheckedRecord:
    return CheckedRecord(record_of(row), payload_of(row), tuple(doubts(row)))


def _row(database: Database, identity: str) -> sa.Row[Any]:
    with database.reading() as connection:
        chosen = within(database, whole().where(records.c.id == identity))
        row = connection.execute(chosen).one_or_none()
    if row is None:
        raise UnknownRecord(identity)
    return row


def actor_of(database: Database, identity: str) -> str | None:
    """Whose record it is; None if there is none of that id.

    Raises
    ------
    StoreUnavailable, StoreDamaged
        If the store cannot be read.
    """
    with database.reading() as connection:
        chosen = sa.select(records.c.actor).where(records.c.id == identity)
        return connection.execute(chosen).scalar_one_or_none()


def every(database: Database, connection: sa.Connection, kind: RecordKind) -> Iterator[Record]:
    """Every record of a kind of which there are few, the newest first; only those that stand."""
    chosen = sa.select(records, standing()).where(records.c.kind == kind.value)
    rows = connection.execute(within(database, chosen.order_by(*NEWEST_FIRST)))
    return standing_only(rows)


def about(
    database: Database, identity: str, kind: RecordKind
) -> tuple[tuple[Record, Payload | None], ...]:
    """The records of one kind about a record, oldest first; only those that hold."""
    found = seen_about(database, identity, kind)
    return tuple((each.record, each.payload) for each in found if not each.findings)


def seen_about(database: Database, identity: str, kind: RecordKind) -> tuple[CheckedRecord, ...]:
    """As :func:`about`, with those that do not hold."""
    # Joined to nothing: SQLite may use the kind's index instead, and read all of that kind.
    is_kind = records.c.kind + "" == kind.value
    chosen = whole().where(records.c.about == identity, is_kind).order_by(*PAGE_ORDER)
    with database.reading() as connection:
        rows = connection.execute(within(database, chosen)).all()
    return tuple(map(_seen, rows))


def beside(database: Database, record: Record) -> tuple[str | None, str | None]:
    """Ids of the records before and after one in its chain; None where there is none."""
    near = (record.sequence - 1, record.sequence + 1)
    chosen = sa.select(records.c.sequence, records.c.id).where(
        records.c.writer == record.writer, records.c.sequence.in_(near)
    )
    with database.reading() as connection:
        chosen = within(database, chosen)
        found = {row.sequence: row.id for row in connection.execute(chosen)}
    return found.get(near[0]), found.get(near[1])


def everything(database: Database, wanted: Filter) -> Iterator[CheckedRecord]:
    """Every record in question, chain by chain, each in its order, with what is wrong with it;
    then what stands in no chain. Read in pieces.

    Raises
    ------
    StoreUnavailable, StoreDamaged
        If the store, or a record of it, cannot be read.
    """
    ends = heads(database)
    for writer, end in ends:
        if wanted.equal.get("writer", writer) == writer:
            yield from _followed(database, writer, end, wanted)
    for row in outside(database):
        if _fits(row, wanted):
            record = record_of(row)
            yield CheckedRecord(record, payload_of(row), (displaced(record),))


def heads(database: Database) -> list[tuple[str, Head]]:
    """The end of every chain, as the store has it now; in the order in which they were begun."""
    chosen = sa.select(writers.c.id, writers.c.head_sequence, writers.c.head_hash)
    first = sa.and_(records.c.writer == writers.c.id, records.c.sequence == 1)
    begun = sa.select(records.c.time_us).where(first).scalar_subquery()
    with database.reading() as connection:
        found = connection.execute(chosen.order_by(begun, writers.c.id))
        return [(str(writer), head_of(sequence, digest)) for writer, sequence, digest in found]


def head_of(sequence: Any, digest: Any) -> Head:
    """A head; for values that cannot be one, a head that no chain has."""
    if type(sequence) is int and isinstance(digest, str):
        return Head(sequence, digest)
    # A head that no chain has, so that verifying tells of it instead of failing.
    return Head(0, f"no head: {sequence!r}, {digest!r}")


def _followed(
    database: Database, writer: str, end: Head, wanted: Filter
) -> Iterator[CheckedRecord]:
    at = Head()
    for row in _pieces(database, _plain(), writer, 0, end.sequence):
        if isinstance(row, Unread):
            continue  # the next one is said to follow nothing
        record, payload = record_of(row), payload_of(row)
        # Records that are not wanted are checked too: the next one's link is held against them.
        found = check(record, at) + (payload.findings(record) if payload is not None else [])
        if _fits(row, wanted):
            yield CheckedRecord(record, payload, tuple(found))
        at = record.head


def outside(database: Database) -> Iterator[sa.Row[Any]]:
    """Records that no chain has: of a writer that is not known, beyond its head, before its first.

    One query sees heads and records of one moment: what is being written is in neither.
    """
    joined = records.outerjoin(writers, writers.c.id == records.c.writer)
    strays = sa.select(records.c.writer, records.c.sequence).select_from(joined)
    strays = strays.where(
        sa.or_(
            writers.c.id.is_(None),
            records.c.sequence > writers.c.head_sequence,
            records.c.sequence < 1,
        )
    )
    with database.reading() as connection:
        places = connection.execute(strays.order_by(records.c.writer, records.c.sequence)).all()
    for writer, sequence in places:
        one = _plain().where(records.c.writer == writer, records.c.sequence == sequence)
        with database.reading() as connection:
            yield from connection.execute(one)


@dataclass(frozen=True, slots=True)
class Unread:
    """A record that is there and cannot be read."""

    sequence: int
    reason: str


def chain(
    database: Database, writer: str, end: int
) -> Iterator[tuple[Record, Payload | None] | Unread]:
    """The records of one chain up to ``end``, in order; each piece is a query of its own."""
    for row in _pieces(database, _plain(), writer, 0, end):
        yield row if isinstance(row, Unread) else (record_of(row), payload_of(row))


def links(database: Database, writer: str, after: int, end: int) -> Iterator[Record | Unread]:
    """The records of one chain after one and up to another, in order, without payloads."""
    for row in _pieces(database, sa.select(records), writer, after, end):
        yield row if isinstance(row, Unread) else record_of(row)


def _pieces(
    database: Database, chosen: sa.Select[Any], writer: str, after: int, end: int
) -> Iterator[sa.Row[Any] | Unread]:
    at = after
    while True:
        here = (records.c.writer == writer, records.c.sequence > at, records.c.sequence <= end)
        piece = chosen.where(*here).order_by(records.c.sequence).limit(PIECE)
        rows: Sequence[sa.Row[Any] | Unread]
        try:
            # A transaction for each piece: an old snapshot would hold SQLite's WAL open.
            with database.reading() as connection:
                rows = connection.execute(piece).all()
        except StoreDamaged:
            # One damaged page of the file must not hide the 499 records beside it.
            rows = list(_one_by_one(database, chosen, writer, here))
        if not rows:
            return
        yield from rows
        at = rows[-1].sequence


def _one_by_one(
    database: Database, chosen: sa.Select[Any], writer: str, here: Sequence[sa.ColumnElement[bool]]
) -> Iterator[sa.Row[Any] | Unread]:
    """A piece that cannot be read as a whole: which records of it can?"""
    places = sa.select(records.c.sequence).where(*here).order_by(records.c.sequence)
    with database.reading() as connection:
        sequences = connection.execute(places.limit(PIECE)).scalars().all()
    for sequence in sequences:
        one = chosen.where(records.c.writer == writer, records.c.sequence == sequence)
        try:
            with database.reading() as connection:
                rows = connection.execute(one).all()
        except StoreDamaged as error:
            yield Unread(sequence, str(error))
        else:
            yield from rows


def _fits(row: sa.Row[Any], wanted: Filter) -> bool:
    said = row._mapping
    return (
        all(said[records.c[name]] == value for name, value in wanted.equal.items())
        and (wanted.since_us is None or row.time_us >= wanted.since_us)
        and (wanted.until_us is None or row.time_us < wanted.until_us)
        and (wanted.language is None or wanted.language in (row.languages or "").split(","))
        and (wanted.begins is None or row.id.startswith(wanted.begins))
        and (wanted.listing is None or is_listed(record_of(row).facts, wanted.listing))
    )


@cache
def whole() -> sa.Select[Any]:
    """Records with their payloads, where they have them still, and whether they stand."""
    return _plain().add_columns(standing())


@cache
def _plain() -> sa.Select[Any]:
    same = sa.and_(payloads.c.writer == records.c.writer, payloads.c.sequence == records.c.sequence)
    joined = records.outerjoin(payloads, same)
    return sa.select(records, payloads.c.salt, payloads.c.content).select_from(joined)

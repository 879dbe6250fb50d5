"""Reading records: by id, by filter in pages, and all of them in the order of their chains."""

from __future__ import annotations

import base64
import json
import uuid
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from service.errors import InvalidCursor, UnknownRecord
from service.store.chain import Kind, Payload, Record
from service.store.database import Database
from service.store.rows import payload_of, record_of
from service.store.sight import within
from service.store.tables import PAGE_ORDER, SPOKEN, payloads, records, writers

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


@dataclass(frozen=True, slots=True)
class Page:
    records: tuple[Record, ...]
    next: str | None
    """Cursor of the page after this one; None at the end."""


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
    rows, after = read_page(database, asked, limit)
    return Page(tuple(map(record_of, rows)), after)


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
    return shown, _cursor(record_of(shown[-1])) if len(rows) > limit else None


def newest_first(chosen: sa.Select[Any], cursor: str | None, limit: int) -> sa.Select[Any]:
    """The page of ``chosen`` after ``cursor``, and one row more, to know whether there is more.

    Raises
    ------
    InvalidCursor
        If the cursor is none that a page gave.
    """
    chosen = chosen.order_by(*NEWEST_FIRST)
    if cursor is not None:
        chosen = chosen.where(sa.tuple_(*PAGE_ORDER) < sa.tuple_(*_place(cursor)))
    return chosen.limit(limit + 1)


def query(wanted: Filter, cursor: str | None, limit: int) -> sa.Select[Any]:
    """What :func:`page` asks."""
    chosen = sa.select(records)
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
    if wanted.begins is not None:
        few = sa.select(records.c.id).where(records.c.id.between(*_ends(wanted.begins)))
        named = few.cte("named").prefix_with("MATERIALIZED")
        chosen = chosen.join(named, named.c.id == records.c.id)
    return newest_first(chosen, cursor, limit)


def _ends(begins: str) -> tuple[str, str]:
    """The first and the last UUID that begin so: a range that every collation orders alike."""
    zero = str(uuid.UUID(int=0))
    rest = zero[len(begins) :]
    return begins + rest, begins + rest.replace("0", "f")


def _cursor(record: Record) -> str:
    place = [record.facts.time_us, record.writer, record.sequence]
    return base64.urlsafe_b64encode(json.dumps(place).encode()).decode().rstrip("=")


def _place(cursor: str) -> tuple[Any, ...]:
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        time_us, writer, sequence = json.loads(base64.urlsafe_b64decode(padded))
    except (ValueError, TypeError, RecursionError):
        raise InvalidCursor(cursor) from None
    are_stored = all(type(n) is int and abs(n) < _TOO_LARGE for n in (time_us, sequence))
    if not are_stored or type(writer) is not str or not writer.isprintable():
        raise InvalidCursor(cursor)
    return literals(time_us, writer, sequence)


_TOO_LARGE = 2**63
"""For a column of whole numbers."""


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
    StoreUnavailable, StoreDamaged
        If the store cannot be read.
    """
    with database.reading() as connection:
        chosen = within(database, whole().where(records.c.id == identity))
        row = connection.execute(chosen).one_or_none()
    if row is None:
        raise UnknownRecord(identity)
    return record_of(row), payload_of(row)


def about(
    database: Database, identity: str, kind: Kind
) -> tuple[tuple[Record, Payload | None], ...]:
    """The records of one kind about a record, oldest first."""
    # By one condition: SQLite, asked for the kind too, may read all records of that kind instead.
    chosen = whole().where(records.c.about == identity).order_by(*PAGE_ORDER)
    with database.reading() as connection:
        rows = connection.execute(within(database, chosen)).all()
    return tuple((record_of(row), payload_of(row)) for row in rows if row.kind == kind.value)


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


def everything(database: Database, wanted: Filter) -> Iterator[tuple[Record, Payload | None]]:
    """Every record in question, chain by chain, each in its order; read in pieces."""
    with database.reading() as connection:
        ends = connection.execute(
            sa.select(writers.c.id, writers.c.head_sequence).order_by(writers.c.started_us)
        ).all()
    for writer, end in ends:
        if wanted.equal.get("writer", writer) == writer:
            yield from chain(database, writer, end, wanted)


def chain(
    database: Database, writer: str, end: int, wanted: Filter | None = None
) -> Iterator[tuple[Record, Payload | None]]:
    """The records of one chain up to ``end``, in order; each piece is a query of its own."""
    for row in _pieces(database, whole(), writer, 0, end):
        if wanted is None or _fits(row, wanted):
            yield record_of(row), payload_of(row)


def links(database: Database, writer: str, after: int, end: int) -> Iterator[Record]:
    """The records of one chain after one and up to another, in order, without payloads."""
    return map(record_of, _pieces(database, sa.select(records), writer, after, end))


def _pieces(
    database: Database, chosen: sa.Select[Any], writer: str, after: int, end: int
) -> Iterator[sa.Row[Any]]:
    at = after
    while True:
        piece = (
            chosen.where(
                records.c.writer == writer, records.c.sequence > at, records.c.sequence <= end
            )
            .order_by(records.c.sequence)
            .limit(PIECE)
        )
        with database.reading() as connection:
            rows = connection.execute(piece).all()
        if not rows:
            return
        yield from rows
        at = rows[-1].sequence


def _fits(row: sa.Row[Any], wanted: Filter) -> bool:
    said = row._mapping
    return (
        all(said[records.c[name]] == value for name, value in wanted.equal.items())
        and (wanted.since_us is None or row.time_us >= wanted.since_us)
        and (wanted.until_us is None or row.time_us < wanted.until_us)
        and (wanted.language is None or wanted.language in (row.languages or "").split(","))
        and (wanted.begins is None or row.id.startswith(wanted.begins))
    )


def whole() -> sa.Select[Any]:
    """Records with their payloads, where they have them still."""
    same = sa.and_(payloads.c.writer == records.c.writer, payloads.c.sequence == records.c.sequence)
    joined = records.outerjoin(payloads, same)
    return sa.select(records, payloads.c.salt, payloads.c.content).select_from(joined)

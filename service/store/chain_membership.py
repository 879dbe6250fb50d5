"""Does a record that was read stand in its chain? Asked of each that anything is decided by.

A record *stands* if its chain is one that was begun, has it up to its head, if it follows the one
before it and the one after follows it, and if its hash is that of what it says. Whoever forges
one has to write the whole rest of its chain anew: that is for anchors and kept heads to find.

The links are a condition that the database evaluates in the query that reads the record
(:func:`standing`); the hash is computed here.
"""

from __future__ import annotations

import os
from collections.abc import Iterable, Iterator, Mapping
from functools import cache
from hashlib import blake2b
from typing import Any

import sqlalchemy as sa

from ifonly.service.errors import NotAsSealed
from ifonly.service.store.chain import (
    GENESIS,
    IntegrityFinding,
    Payload,
    Record,
    Trouble,
    own_findings,
)
from ifonly.service.store.rows import payload_of, record_of
from ifonly.service.store.tables import records, writers

IN_PLACE = "in_place"
"""Label of :func:`standing` in a row."""
MOST_REMEMBERED = 100_000


@cache
def standing() -> sa.Label[bool]:
    """A column of what is selected: whether the chain of a record has it, between its neighbours;
    null is no."""
    # Values, not conditions that one exists: PostgreSQL would rather hash the whole table.
    chain = writers.alias()
    own = chain.c.id == records.c.writer
    head = sa.select(chain.c.head_sequence).where(own).scalar_subquery()
    digest = sa.select(chain.c.head_hash).where(own).scalar_subquery()
    is_first = sa.and_(records.c.sequence == 1, records.c.previous == GENESIS)
    is_last = records.c.sequence == head
    follows = _neighbour(-1) == records.c.previous
    is_in_place = sa.and_(
        records.c.sequence >= 1,
        records.c.sequence <= head,
        sa.or_(is_first, follows),
        sa.case((is_last, digest == records.c.hash), else_=_neighbour(1) == records.c.hash),
    )
    return is_in_place.label(IN_PLACE)


def _neighbour(step: int) -> sa.ScalarSelect[str]:
    """What the record before says it hashes to, or what the one after says it follows."""
    beside = records.alias()
    value = beside.c.hash if step < 0 else beside.c.previous
    here = (beside.c.writer == records.c.writer, beside.c.sequence == records.c.sequence + step)
    return sa.select(value).where(*here).scalar_subquery()


class Sealed:
    """Which rows hold what was sealed: each is hashed once, as long as it stays as it is.

    What is remembered of a row is a digest of all its values under a key of this process: whoever
    writes to the database does not know it, so cannot choose another row that has the same.
    Python's own hash would not do: that of a whole number is the number modulo 2**61 - 1.
    """

    def __init__(self) -> None:
        # Without a lock: two threads may hash the same row, which costs only work.
        self._known: set[bytes] = set()
        self._key = os.urandom(32)

    def holds(self, row: sa.Row[Any], record: Record) -> bool:
        """``row``: of records, each column among the selected ones; ``record``: the same."""
        said = row._mapping
        known = self._digest(tuple(said[column] for column in records.c))
        if known in self._known:
            return True
        if own_findings(record):
            return False
        if len(self._known) >= MOST_REMEMBERED:
            # Bounds memory; what was forgotten is hashed once more.
            self._known.clear()
        self._known.add(known)
        return True

    def _digest(self, values: tuple[Any, ...]) -> bytes:
        # repr tells 1 from "1" and b"1": SQLite keeps any type in any column.
        return blake2b(repr(values).encode(), key=self._key, digest_size=16).digest()


_SEALED = Sealed()


def stands(row: sa.Row[Any]) -> bool:
    """Of a row with :func:`standing`."""
    return _stands(row, record_of(row))


def _stands(row: sa.Row[Any], record: Record) -> bool:
    return bool(row._mapping[IN_PLACE]) and _SEALED.holds(row, record)


def holds(row: sa.Row[Any]) -> bool:
    """Of a row with :func:`standing` and a payload: also that is what was sealed."""
    return held(row) is not None


def held(row: sa.Row[Any]) -> tuple[Record, Payload | None] | None:
    """The record and its payload; None: they are not what was sealed."""
    record, payload = record_of(row), payload_of(row)
    is_whole = payload is None or not payload.findings(record)
    return (record, payload) if is_whole and _stands(row, record) else None


def standing_only(rows: Iterable[sa.Row[Any]]) -> Iterator[Record]:
    """The records of those rows that stand."""
    return (record_of(row) for row in rows if stands(row))


def doubts(row: sa.Row[Any]) -> list[IntegrityFinding]:
    """What is wrong with a record, and with its payload if that was selected too."""
    record = record_of(row)
    found = own_findings(record)
    if not row._mapping[IN_PLACE]:
        found.append(displaced(record))
    payload = payload_of(row) if "salt" in row._mapping else None
    return found + (payload.findings(record) if payload is not None else [])


def displaced(record: Record) -> IntegrityFinding:
    text = f"what stands as record {record.sequence} has no place in the chain of {record.writer}"
    return IntegrityFinding(record.writer, record.sequence, Trouble.FORGED, text)


def require(row: sa.Row[Any]) -> tuple[Record, Payload | None]:
    """The record of a row with :func:`standing`, and its payload unless that was erased.

    Raises
    ------
    NotAsSealed
        If it does not stand, or the payload is not its own.
    """
    found = doubts(row)
    if found:
        raise NotAsSealed(row._mapping[records.c.id], found)
    return record_of(row), payload_of(row)


def contradicted(record: Record | None, table: str, column: str, text: str) -> IntegrityFinding:
    """The finding that a row says something else than the record that it came with."""
    place = ("", 0) if record is None else (record.writer, record.sequence)
    where = f"{table}.{column}" if column else table
    return IntegrityFinding(*place, Trouble.CONTRADICTED, text, where)


def contradictions(
    table: str, name: str, row: Mapping[str, Any], said: Mapping[str, Any], record: Record
) -> Iterator[IntegrityFinding]:
    """Every column of ``row`` that is not what ``record`` says; ``name``: of the row."""
    for column, value in said.items():
        found = row[column]
        # To Python 1 == True == 1.0; SQLite keeps whichever was put there.
        if found != value or type(found) is not type(value):
            text = f"{column} of {name} is not what record {record.sequence} says"
            yield contradicted(record, table, column, text)

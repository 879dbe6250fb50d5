"""Records as rows of the tables, and back."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from functools import lru_cache
from typing import Any

import sqlalchemy as sa

from ifonly.service.store.chain import FACTS, Facts, Payload, Record, canonical
from ifonly.service.store.kinds import RecordKind
from ifonly.service.store.tables import records

MOST_VALUES = 30_000
"""Of one statement: SQLite takes 32,766, PostgreSQL 65,535."""


def insert(connection: sa.Connection, table: sa.Table, rows: Sequence[Mapping[str, Any]]) -> None:
    """``rows``, each with a value for every column, in as few statements as can hold them: between
    two the writer may wait for the interpreter's lock, and other processes for the writer."""
    # Not by SQLAlchemy: building and binding were half of the journal's time (decision 0058).
    mark = "?" if connection.dialect.paramstyle == "qmark" else "%s"
    names = [column.name for column in table.c]
    most = MOST_VALUES // len(names)
    for start in range(0, len(rows), most):
        some = rows[start : start + most]
        values = tuple(row[name] for row in some for name in names)
        connection.exec_driver_sql(_insertion(table, len(some), mark), values)


@lru_cache(maxsize=1_024)
def _insertion(table: sa.Table, rows: int, mark: str) -> str:
    names = [column.name for column in table.c]
    row = f"({', '.join([mark] * len(names))})"
    return f"INSERT INTO {table.name} ({', '.join(names)}) VALUES {', '.join([row] * rows)}"


def upsert(
    connection: sa.Connection,
    table: sa.Table,
    rows: Sequence[Mapping[str, Any]],
    key: tuple[str, ...],
    changed: tuple[str, ...],
) -> None:
    """``rows``, in the place of those with the same key; both databases write it so."""
    names = [column.name for column in table.c]
    sets = ", ".join(f'"{name}" = excluded."{name}"' for name in changed)
    quoted = ", ".join(f'"{name}"' for name in names)
    values = ", ".join(f":{name}" for name in names)
    keys = ", ".join(f'"{name}"' for name in key)
    connection.execute(
        sa.text(
            f"INSERT INTO {table.name} ({quoted}) VALUES ({values}) "
            f"ON CONFLICT ({keys}) DO UPDATE SET {sets}"
        ).bindparams(*(sa.bindparam(name, type_=table.c[name].type) for name in names)),
        list(rows),
    )


def row_of(record: Record) -> dict[str, Any]:
    facts = {name: getattr(record.facts, name) for name in FACTS}
    facts["kind"] = record.facts.kind.value
    if record.facts.detail is not None:
        facts["detail"] = canonical(record.facts.detail).decode()
    return facts | {
        "writer": record.writer,
        "sequence": record.sequence,
        "previous": record.previous,
        "payload_digest": record.payload_digest,
        "hash": record.hash,
    }


_COLUMNS = tuple((name, records.c[name]) for name in FACTS)


def record_of(row: sa.Row[Any]) -> Record:
    """The record that a row holds, whatever is in it: whether it was sealed so is checked later."""
    said = row._mapping
    facts: dict[str, Any] = {name: said[column] for name, column in _COLUMNS}
    facts["kind"] = _kind(facts["kind"])
    if facts["detail"] is not None:
        facts["detail"] = _detail(facts["detail"])
    return Record(
        writer=said[records.c.writer],
        sequence=said[records.c.sequence],
        previous=said[records.c.previous],
        payload_digest=said[records.c.payload_digest],
        facts=Facts(**facts),
        hash=said[records.c.hash],
    )


def payload_of(row: sa.Row[Any]) -> Payload | None:
    """The payload of a row of records joined with payloads; None where it has none any more."""
    # Neither column takes NULL: both are null only where the join found no row.
    if row.salt is None and row.content is None:
        return None
    return Payload(octets(row.salt), octets(row.content))


def octets(value: Any) -> bytes:
    """``value`` if it is bytes; else no bytes, which no digest fits."""
    return bytes(value) if isinstance(value, bytes | memoryview | bytearray) else b""


def _kind(text: str) -> Any:
    try:
        return RecordKind(text)
    except ValueError:
        return text


def _detail(text: str) -> Any:
    """The object that ``text`` spells; the text itself if it spells none as it was written."""
    try:
        value = json.loads(text)
        return value if canonical(value).decode() == text else text
    except (ValueError, RecursionError):
        return text

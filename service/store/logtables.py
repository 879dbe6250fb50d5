"""Is what is stored beside the leaves of the log what follows from them?

All of it is read in one snapshot, for a service may append meanwhile. Leaves, records and roots
are held against each other in :mod:`ifonly.service.store.logcheck`. Not judged here, for nothing
that is told comes from it: whose turn it is to append (``audit_log.holder``, ``held_until_us``),
unless it is held for longer than anybody does.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from typing import Any

import sqlalchemy as sa

from ifonly.service.store.chain import IntegrityFinding, Trouble, now_us
from ifonly.service.store.database import Database
from ifonly.service.store.tables import log_heads, log_runs, log_state, log_tiles, log_writers
from ifonly.service.store.tables import witnessed_logs as witnessed
from ifonly.service.store.translog import MOST_LEASE_US
from ifonly.service.transparency.merkle import TILE, TILE_HEIGHT, fold, hashes_in
from ifonly.service.transparency.verifier import (
    HASH_BYTES,
    Checkpoint,
    Note,
    NotProven,
    Signature,
    VerifierKey,
    check_stamp,
)

MOST = 2**62
"""No size, sequence or time is as large as this."""


def findings(
    database: Database, keys: Sequence[VerifierKey], witnesses: Sequence[VerifierKey]
) -> Iterator[IntegrityFinding]:
    """What the log's tables say that does not follow from its leaves; ``keys`` are those that the
    chains name, ``witnesses`` those of who cosigns: lines of others are read, and not checked.

    Raises
    ------
    StoreUnavailable, StoreDamaged
        If the store cannot be read.
    """
    with database.snapshot() as connection:
        runs = [row for row in _raw(connection, log_runs) if is_run(row)]
        size = sum(row.length for row in runs)
        yield from _state(connection, keys, size)
        yield from _writers(connection, runs)
        yield from _tiles(connection, size)
        yield from _heads(connection, witnesses)
        yield from _witnessed(connection)


def _raw(connection: sa.Connection, table: sa.Table) -> Iterator[sa.Row[Any]]:
    """Rows as they are, whatever somebody has put there, by their primary keys."""
    columns: list[sa.ColumnElement[Any]] = [
        sa.type_coerce(c, sa.types.NullType()).label(c.name) for c in table.c
    ]
    chosen: sa.Select[Any] = sa.select(*columns).order_by(*table.primary_key.columns)
    yield from connection.execute(chosen.execution_options(yield_per=TILE))


def is_whole(value: Any, least: int = 0) -> bool:
    """Whether it is a size or a place that can be."""
    return type(value) is int and least <= value < MOST


def is_run(run: Any) -> bool:
    """Whether a run's leaves and records can be."""
    return is_whole(run.start) and is_whole(run.first, 1) and is_whole(run.length, 1)


def _wrong(trouble: Trouble, text: str, where: str, writer: str = "") -> IntegrityFinding:
    return IntegrityFinding(writer, 0, trouble, text, where)


def _state(
    connection: sa.Connection, keys: Sequence[VerifierKey], size: int
) -> Iterator[IntegrityFinding]:
    rows = list(_raw(connection, log_state))
    if not rows and keys:
        text = "the chains say that there is a log, and there is none"
        yield _wrong(Trouble.NOT_IN_LOG, text, "audit_log")
    if len(rows) > 1 or any(row.id != 1 for row in rows):
        text = f"there are {len(rows)} logs, and not only the one of number 1"
        yield _wrong(Trouble.CONTRADICTED, text, "audit_log")
    newest = connection.execute(sa.select(sa.func.max(log_heads.c.size))).scalar_one() or 0
    for row in rows:
        if row.size != newest:
            text = f"the log has {row.size} leaves, and its newest head has {newest}"
            yield _wrong(Trouble.HEAD, text, "audit_log.size")
        if row.size != size:
            text = f"the log has {row.size} leaves, and their order is of {size}"
            yield _wrong(Trouble.CONTRADICTED, text, "audit_log_runs")
        if row.key not in map(str, keys):
            text = "the key that signs the log is none that the chains name"
            yield _wrong(Trouble.CONTRADICTED, text, "audit_log.key")
        yield from _lease(row)


def _lease(row: sa.Row[Any]) -> Iterator[IntegrityFinding]:
    where = "audit_log.held_until_us"
    if type(row.holder) is not str or type(row.held_until_us) is not int:
        text = "whose turn it is to append to the log cannot be read"
        yield _wrong(Trouble.UNREADABLE, text, where)
    elif row.held_until_us > now_us() + 2 * MOST_LEASE_US:  # clocks may be apart by one
        text = "somebody holds the log for longer than anybody does"
        yield _wrong(Trouble.CONTRADICTED, text, where)


def _writers(connection: sa.Connection, runs: Sequence[sa.Row[Any]]) -> Iterator[IntegrityFinding]:
    """How far each chain is in the log: said too much, the rest would never be."""
    ends: dict[Any, int] = {}
    for run in runs:
        ends[run.writer] = ends.get(run.writer, 0) + run.length
    said = {row.writer: row.integrated for row in _raw(connection, log_writers)}
    # Sorted as text: tampered keys may be of several types, which do not compare.
    for writer in sorted({*ends, *said}, key=str):
        if said.get(writer) != ends.get(writer):
            text = f"{ends.get(writer)} records are leaves, and {said.get(writer)} are said to be"
            where = "audit_log_writers"
            yield _wrong(Trouble.CONTRADICTED, text, where, str(writer))


def _tiles(connection: sa.Connection, size: int) -> Iterator[IntegrityFinding]:
    """Each tile has the hashes that it must have, and those above are made of those below."""
    below: dict[int, bytes] = {}
    above: dict[int, bytes] = {}
    level, seen = 0, 0
    for row in _raw(connection, log_tiles):
        if not _is_tile(row, size):
            text = f"tile {row.level!r}/{row.number!r} is none of a log of {size} leaves"
            yield _wrong(Trouble.NOT_IN_LOG, text, "audit_log_tiles")
            continue
        seen += 1
        if row.level != level:
            # Rows come by level: what a level must be is what the one below folded to.
            below, above, level = above if row.level == level + 1 else {}, {}, row.level
        if level and _hashes(row) != _folded(row, below):
            text = f"tile {level}/{row.number} is not made of those below"
            yield _wrong(Trouble.NOT_IN_LOG, text, "audit_log_tiles.hashes")
        if len(row.hashes) == TILE * HASH_BYTES:
            above[row.number] = fold(row.hashes)
    if seen != (most := _tiles_of(size)):
        text = f"{seen} tiles of the log are there, of {most}"
        yield _wrong(Trouble.NOT_IN_LOG, text, "audit_log_tiles")


def _is_tile(row: sa.Row[Any], size: int) -> bool:
    """Whether a log of ``size`` leaves has such a tile, so long."""
    # Eight levels of 256 hashes are more leaves than any size can say.
    if not (is_whole(row.level) and row.level < 8 and is_whole(row.number)):
        return False
    expected = hashes_in((row.level, row.number), size) * HASH_BYTES
    return isinstance(row.hashes, bytes) and len(row.hashes) == expected > 0


def _hashes(row: sa.Row[Any]) -> list[bytes | None]:
    data = row.hashes
    return [data[k : k + HASH_BYTES] for k in range(0, len(data), HASH_BYTES)]


def _folded(row: sa.Row[Any], below: dict[int, bytes]) -> list[bytes | None]:
    first = row.number * TILE
    return [below.get(first + k) for k in range(len(row.hashes) // HASH_BYTES)]


def _tiles_of(size: int) -> int:
    """How many a log of ``size`` leaves has."""
    count = 0
    while size:
        count += -(-size // TILE)
        size >>= TILE_HEIGHT
    return count


def _heads(
    connection: sa.Connection, witnesses: Sequence[VerifierKey]
) -> Iterator[IntegrityFinding]:
    """What others say of heads: written as it must be, and of these heads."""
    for row in _raw(connection, log_heads):
        here = f"the head of {row.size!r}"
        if not (is_whole(row.time_us) and type(row.cosignatures) is str):
            text = f"{here}: its time or its cosignatures cannot be read"
            yield _wrong(Trouble.UNREADABLE, text, "audit_log_heads")
            continue
        try:
            lines = tuple(map(Signature.parse, row.cosignatures.splitlines()))
            _by_witnesses(row.note, lines, witnesses)
        except NotProven as problem:
            yield _wrong(Trouble.HEAD, f"{here}: {problem}", "audit_log_heads.cosignatures")
        try:
            if row.stamp is not None:
                check_stamp(row.stamp, str(row.note).encode(), None)
        except (NotProven, TypeError) as problem:
            yield _wrong(Trouble.HEAD, f"{here}: {problem}", "audit_log_heads.stamp")


def _by_witnesses(
    written: Any, lines: tuple[Signature, ...], witnesses: Sequence[VerifierKey]
) -> None:
    """Raises NotProven if a witness has not signed what a line says that it has."""
    try:
        text = Note.parse(str(written)).text
    except NotProven:
        return  # it is told where heads are held against the leaves
    note = Note(text, lines)
    for key in filter(note.has, witnesses):
        note.by(key)


def _witnessed(connection: sa.Connection) -> Iterator[IntegrityFinding]:
    """The heads of other logs that were cosigned here are those of the notes beside them."""
    for row in _raw(connection, witnessed):
        try:
            told = Checkpoint.parse(Note.parse(row.note).text)
        except (NotProven, TypeError, ValueError, AttributeError):
            told = None
        if told != Checkpoint(row.origin, row.size, row.root) or type(row.time_us) is not int:
            text = f"what was cosigned of the log {row.origin!r} is not what its note says"
            yield _wrong(Trouble.CONTRADICTED, text, "witnessed_logs")

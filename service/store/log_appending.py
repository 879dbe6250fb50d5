"""The transparency log grows: leaves are gathered, the head is signed, both are written.

Whoever appends leaves reads outside of any transaction (records never change), makes the tiles,
signs the head, and writes all of it in one short transaction that goes through only if the log
still has the size that was read. So of two who append at once one finds nothing done, and one that
is killed leaves nothing half done.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from ifonly.service.store.chain import Facts, now_us
from ifonly.service.store.database import Database
from ifonly.service.store.journal import Draft, RecordedWrite, UnrecordedWrite
from ifonly.service.store.kinds import RecordKind
from ifonly.service.store.rows import upsert
from ifonly.service.store.tables import (
    log_heads,
    log_runs,
    log_state,
    log_tiles,
    log_writers,
    records,
    writers,
)
from ifonly.service.store.translog import (
    LOG_KEY,
    LeafRun,
    LogBroken,
    LogState,
    StoredHead,
    latest,
    state,
    tree_of,
)
from ifonly.service.transparency.merkle import Place, Tree, grown, hashes_in, last_tiles
from ifonly.service.transparency.signing import Signer, sign_head
from ifonly.service.transparency.verifier import (
    HASH_BYTES,
    Checkpoint,
    VerifierKey,
    leaf_hash,
)

MOST_LEAVES = 4_096
"""Of one batch: a store that was there before the log is taken in by many."""
MINUTE_US = 60_000_000


def begin(key: VerifierKey, actor: str) -> RecordedWrite:
    """The work that begins the log, or has another key sign it from now on, and its record."""

    def work(connection: sa.Connection) -> Draft:
        values = {"id": 1, "size": 0, "key": str(key), "holder": "", "held_until_us": 0}
        # A log that is there keeps its size and lease: only the key changes.
        upsert(connection, log_state, [values], ("id",), ("key",))
        facts = Facts(kind=RecordKind.KEY, actor=actor, status=LOG_KEY, detail={"key": str(key)})
        return Draft(facts)

    return work


@dataclass(frozen=True, slots=True)
class Batch:
    """Leaves to be appended, made whole before a transaction begins."""

    before: LogState
    runs: tuple[LeafRun, ...]
    tiles: Mapping[Place, bytes]
    checkpoint: Checkpoint
    leaves: int

    @property
    def is_full(self) -> bool:
        """Whether there may be more."""
        return self.leaves >= MOST_LEAVES


def gather(database: Database, origin: str, last: Checkpoint | None = None) -> Batch | None:
    """The records that are no leaves yet, as the leaves after those that there are.

    ``last`` is the head that was signed before: what is signed next must begin with it.

    Raises
    ------
    LogBroken
        If what is stored does not begin with that head.
    StoreUnavailable, StoreDamaged
        If the store cannot be read.
    """
    while True:
        before = state(database)
        if before is None:
            return None
        try:
            return _gather(database, before, origin, last)
        except LogBroken:
            if state(database) == before:  # else somebody appended while this was read
                raise


def _gather(
    database: Database, before: LogState, origin: str, last: Checkpoint | None
) -> Batch | None:
    known = latest(database)
    found = list(_waiting(database))
    if not found:
        return None
    leaves = [hashed for run in found for hashed in run.hashes]
    tiles = _grow(database, before.size, leaves)
    stored = tree_of(database)
    # The tree as it will be, before any of it is written.
    whole = Tree(lambda place: tiles[place] if place in tiles else stored.tile(place))
    # It must begin with what we signed last and with what is stored: a log that signs two histories
    # is worse than one that stops (decision 0081).
    for head in (last, None if known is None else known.checkpoint):
        _begins_with(whole, head, before.size)
    size = before.size + len(leaves)
    checkpoint = Checkpoint(origin, size, whole.root(size))
    return Batch(before, _runs(database, before.size, found), tiles, checkpoint, len(leaves))


@dataclass(frozen=True, slots=True)
class _PendingLeaves:
    """Records of one chain that are no leaves of the log yet."""

    writer: str
    first: int
    hashes: tuple[bytes, ...]
    """Of leaves."""


def _waiting(database: Database) -> Iterator[_PendingLeaves]:
    """Per chain, its records that are no leaves yet; up to the first that is missing."""
    done = sa.func.coalesce(log_writers.c.integrated, 0)
    first = sa.and_(records.c.writer == writers.c.id, records.c.sequence == 1)
    begun = sa.select(records.c.time_us).where(first).scalar_subquery()
    chosen = (
        sa.select(writers.c.id, done.label("integrated"), writers.c.head_sequence)
        .select_from(writers.outerjoin(log_writers, log_writers.c.writer == writers.c.id))
        .where(writers.c.head_sequence > done)
        # Oldest chains first: a store that is older than its log is taken in over many batches.
        .order_by(begun, writers.c.id)
    )
    with database.reading() as connection:
        moved = connection.execute(chosen).all()
        left = MOST_LEAVES
        for writer, integrated, end in moved:
            if left == 0:
                return
            hashes = tuple(_hashes(connection, writer, integrated, min(end, integrated + left)))
            left -= len(hashes)
            if hashes:
                yield _PendingLeaves(writer, integrated + 1, hashes)


def _hashes(connection: sa.Connection, writer: str, after: int, end: int) -> Iterator[bytes]:
    chosen = (
        sa.select(records.c.sequence, records.c.hash)
        .where(
            records.c.writer == writer,
            records.c.sequence > sa.literal(after, sa.BigInteger),
            records.c.sequence <= sa.literal(end, sa.BigInteger),
        )
        .order_by(records.c.sequence)
    )
    for expected, (sequence, hashed) in enumerate(connection.execute(chosen), after + 1):
        data = as_bytes(hashed)
        # A run is records without a gap: what follows one waits, and `audit verify` names the gap.
        if sequence != expected or data is None:
            return
        yield leaf_hash(data)


def as_bytes(hashed: Any) -> bytes | None:
    """A record's hash as 32 bytes; None where it is none."""
    try:
        data = bytes.fromhex(hashed)
    except (ValueError, TypeError):
        return None
    # fromhex takes capitals and spaces too, which no sealed hash has.
    return data if len(data) == HASH_BYTES and data.hex() == hashed else None


def _grow(database: Database, size: int, leaves: Sequence[bytes]) -> dict[Place, bytes]:
    stored = tree_of(database)
    last = {}
    for place in last_tiles(size):
        end = hashes_in(place, size) * HASH_BYTES
        try:
            # Others may have appended since the size was read; the comparison in `append` decides.
            last[place] = stored.tile(place)[:end]
        except KeyError:
            raise LogBroken(f"tile {place} of the log is missing") from None
        if len(last[place]) != end:
            raise LogBroken(f"tile {place} of the log is not whole")
    return grown(size, last, leaves)


def _begins_with(tree: Tree, head: Checkpoint | None, size: int) -> None:
    if head is None or head.size == 0:
        return
    # A restored backup looks so, too: nothing is signed until a person adopts another name.
    if head.size > size:
        raise LogBroken(f"a head of {head.size} leaves was signed, and the log has {size}")
    try:
        found = tree.root(head.size)
    except KeyError as missing:
        raise LogBroken(f"tile {missing} of the log is missing") from None
    if found != head.root:
        raise LogBroken(f"the log does not begin with the {head.size} leaves that were signed")


def _runs(database: Database, size: int, found: Sequence[_PendingLeaves]) -> tuple[LeafRun, ...]:
    """The runs of the new leaves; the first extends the last stored run where it continues that."""
    made, start = [], size
    for waiting in found:
        made.append(LeafRun(start, waiting.writer, waiting.first, len(waiting.hashes)))
        start += len(waiting.hashes)
    with database.reading() as connection:
        chosen = sa.select(log_runs).order_by(log_runs.c.start.desc()).limit(1)
        last = connection.execute(chosen).one_or_none()
    first = made[0]
    # Others appended meanwhile, or it was tampered with: `append` or `audit verify` tells which.
    if last is None or last.start + last.length != size:
        return tuple(made)
    if (last.writer, last.first + last.length) == (first.writer, first.first):
        made[0] = LeafRun(last.start, first.writer, last.first, last.length + first.length)
    return tuple(made)


def sign(batch: Batch, signer: Signer) -> StoredHead:
    """The head after ``batch``. It says when only if every record of that time is in it.

    Raises
    ------
    NoKey
        If it cannot be signed now.
    """
    now = now_us()
    note = sign_head(signer, batch.checkpoint, None if batch.is_full else now // 1_000_000)
    return StoredHead(batch.checkpoint.size, now, str(note))


def append(batch: Batch, head: StoredHead, holder: str, lease_us: int) -> UnrecordedWrite[bool]:
    """The change that appends ``batch``; False if others have appended meanwhile."""

    def change(connection: sa.Connection) -> bool:
        turned = connection.execute(
            # Compared as it is changed: of two that gathered the same leaves one changes no row.
            sa.update(log_state)
            .where(log_state.c.size == batch.before.size)
            .values(size=head.size, holder=holder, held_until_us=now_us() + lease_us)
        )
        if turned.rowcount != 1:
            # The journal tries a broken transaction again, which may have gone through.
            return _is_there(connection, head)
        _write(connection, batch, head)
        return True

    return change


def _write(connection: sa.Connection, batch: Batch, head: StoredHead) -> None:
    tiles = [
        {"level": level, "number": number, "hashes": hashes}
        for (level, number), hashes in batch.tiles.items()
    ]
    # The last tile of each level grows until it has 256 hashes; whole ones never change.
    upsert(connection, log_tiles, tiles, ("level", "number"), ("hashes",))
    made = [
        {"start": r.start, "writer": r.writer, "first": r.first, "length": r.length}
        for r in batch.runs
    ]
    upsert(connection, log_runs, made, ("start",), ("length",))
    ends = [{"writer": r.writer, "integrated": r.first + r.length - 1} for r in batch.runs]
    upsert(connection, log_writers, ends, ("writer",), ("integrated",))
    # One head a minute is kept, and all that others vouched for: proofs are made for any size.
    connection.execute(
        sa.delete(log_heads).where(
            log_heads.c.size == batch.before.size,
            log_heads.c.time_us >= head.time_us // MINUTE_US * MINUTE_US,
            log_heads.c.stamp.is_(None),
            log_heads.c.cosignatures == "",
        )
    )
    keep_head(head)(connection)


def keep_head(head: StoredHead) -> UnrecordedWrite[None]:
    """The change that writes a head, or what others have come to say of it."""

    def change(connection: sa.Connection) -> None:
        values = {
            "size": head.size,
            "time_us": head.time_us,
            "note": head.note,
            "cosignatures": head.cosignatures,
            "stamp": head.stamp,
        }
        upsert(connection, log_heads, [values], ("size",), ("cosignatures", "stamp"))

    return change


def _is_there(connection: sa.Connection, head: StoredHead) -> bool:
    """Whether the try before was committed after all."""
    chosen = sa.select(log_heads.c.note).where(log_heads.c.size == head.size)
    return connection.execute(chosen).scalar_one_or_none() == head.note

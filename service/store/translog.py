"""The trail as a transparency log: one order over the records of all chains, and signed heads.

A leaf is the hash of a record. Here the log is read and proofs are made; ``log_appending.py`` lets
it grow.
"""

from __future__ import annotations

import json
from collections.abc import Iterator, Sequence
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa

from ifonly.service.errors import StoreDamaged
from ifonly.service.store.chain import DAY_US
from ifonly.service.store.database import Database
from ifonly.service.store.kinds import RecordKind
from ifonly.service.store.tables import (
    log_heads,
    log_runs,
    log_state,
    log_tiles,
    records,
)
from ifonly.service.transparency.merkle import Place, Tree
from ifonly.service.transparency.verifier import (
    Checkpoint,
    Note,
    NotProven,
    VerifierKey,
    b64,
    read_head,
)

MOST_LEASE_US = DAY_US
"""No lease is longer: one that is was written by somebody else, and holds up nobody."""
LOG_KEY = "log_key"
"""Status of the records that say who signs heads from now on."""


class LogBroken(StoreDamaged):
    """The stored log is not what was signed, or cannot be read as a log; nothing more is signed."""


@dataclass(frozen=True, slots=True)
class LogState:
    """How far the log is, and whose turn it is."""

    size: int
    key: str
    holder: str
    held_until_us: int


@dataclass(frozen=True, slots=True)
class StoredHead:
    """A signed head with what others say of it."""

    size: int
    time_us: int
    note: str
    cosignatures: str = ""
    stamp: bytes | None = None

    @property
    def whole(self) -> str:
        """The note with every signature."""
        return self.note + self.cosignatures

    @property
    def checkpoint(self) -> Checkpoint:
        return Checkpoint.parse(Note.parse(self.note).text)


@dataclass(frozen=True, slots=True)
class LeafRun:
    """Leaves ``start`` to ``start + length`` are records of ``writer`` from ``first`` on."""

    start: int
    writer: str
    first: int
    length: int


@dataclass(frozen=True, slots=True)
class InclusionProof:
    """That a record is in the log (RFC 9162, 2.1.3)."""

    index: int
    size: int
    hashes: tuple[bytes, ...]
    head: StoredHead

    def as_json(self) -> dict[str, Any]:
        """As replies, exports and bundles write it; hashes in base64."""
        return {
            "index": self.index,
            "size": self.size,
            "hashes": [b64(each) for each in self.hashes],
            "checkpoint": self.head.whole,
        }


def state(database: Database) -> LogState | None:
    """None: nobody has ever begun the log.

    Raises
    ------
    LogBroken
        If the row is none that the service can have written.
    """
    chosen = sa.select(
        log_state.c.size, log_state.c.key, log_state.c.holder, log_state.c.held_until_us
    )
    with database.reading() as connection:
        row = connection.execute(chosen).one_or_none()
    if row is None:
        return None
    if not _are(int, row.size, row.held_until_us) or not _are(str, row.key, row.holder):
        raise LogBroken("what is stored of the log's size and key cannot be read")
    return LogState(*row)


def _are(kind: type, *values: Any) -> bool:
    """SQLite keeps a value of any type in any column."""
    return all(type(value) is kind for value in values)


def tree_of(database: Database) -> Tree:
    """The tree as it is stored; raises ``KeyError`` where a tile is missing."""

    def tile(place: Place) -> bytes:
        level, number = place
        # Untyped, as the stamp in `_HEAD` below.
        chosen = sa.select(sa.type_coerce(log_tiles.c.hashes, sa.types.NullType())).where(
            log_tiles.c.level == level, log_tiles.c.number == sa.literal(number, sa.BigInteger)
        )
        with database.reading() as connection:
            found: Any = connection.execute(chosen).scalar_one_or_none()
        if not isinstance(found, bytes):  # or it is something else, put there past the service
            raise KeyError(place)
        return found

    return Tree(tile)


_HEAD = (
    *(log_heads.c.size, log_heads.c.time_us, log_heads.c.note, log_heads.c.cosignatures),
    # As it is: SQLAlchemy would make bytes of it, whatever it is.
    sa.type_coerce(log_heads.c.stamp, sa.types.NullType()).label("stamp"),
)


def latest(database: Database) -> StoredHead | None:
    """The newest head; None before the first.

    Raises
    ------
    LogBroken
        If it is no head.
    """
    return _head(database, sa.true())


def heads(database: Database) -> list[StoredHead]:
    """Those that are kept, oldest first."""
    with database.reading() as connection:
        rows = connection.execute(sa.select(*_HEAD).order_by(log_heads.c.size)).all()
    return [_stored(row) for row in rows]


def vouched(database: Database, index: int) -> StoredHead | None:
    """The first stamped or cosigned head that includes leaf ``index``; else the newest head; None
    if that does not include it either."""
    has_it = log_heads.c.size > sa.literal(index, sa.BigInteger)
    by_others = sa.or_(log_heads.c.stamp.is_not(None), log_heads.c.cosignatures != "")
    for where in (
        sa.and_(has_it, log_heads.c.stamp.is_not(None), log_heads.c.cosignatures != ""),
        sa.and_(has_it, by_others),
    ):
        found = _head(database, where, oldest=True)
        if found is not None:
            return found
    return _head(database, has_it)


def _head(
    database: Database, where: sa.ColumnElement[bool], *, oldest: bool = False
) -> StoredHead | None:
    order = log_heads.c.size.asc() if oldest else log_heads.c.size.desc()
    with database.reading() as connection:
        row = connection.execute(
            sa.select(*_HEAD).where(where).order_by(order).limit(1)
        ).one_or_none()
    return None if row is None else _stored(row)


def _stored(row: sa.Row[Any]) -> StoredHead:
    numbers, texts = (row.size, row.time_us), (row.note, row.cosignatures)
    stamped = row.stamp is None or _are(bytes, row.stamp)
    if not (_are(int, *numbers) and _are(str, *texts) and stamped):
        raise LogBroken(f"what is stored as the log's head of {row.size!r} is none")
    head = StoredHead(*numbers, *texts, row.stamp)
    try:
        if head.checkpoint.size == head.size:
            return head
    except NotProven:
        pass
    raise LogBroken(f"the note that is stored as the log's head of {row.size} is none of it")


def index_of(database: Database, writer: str, sequence: int) -> int | None:
    """Which leaf a record is; None: none yet.

    Raises
    ------
    LogBroken
        If what is stored of its chain's leaves cannot be read.
    """
    chosen = (
        sa.select(log_runs)
        .where(log_runs.c.writer == writer, log_runs.c.first <= sa.literal(sequence, sa.BigInteger))
        .order_by(log_runs.c.first.desc())
        .limit(1)
    )
    with database.reading() as connection:
        row = connection.execute(chosen).one_or_none()
    if row is None:
        return None
    if not _are(int, row.start, row.first, row.length):
        raise LogBroken(f"which leaves the records of {writer} are cannot be read")
    return None if sequence >= row.first + row.length else row.start + sequence - row.first


def runs(database: Database) -> list[LeafRun]:
    """The order of all leaves."""
    with database.reading() as connection:
        rows = connection.execute(sa.select(log_runs).order_by(log_runs.c.start)).all()
    return [LeafRun(row.start, row.writer, row.first, row.length) for row in rows]


class Prover:
    """Proofs for one head: tiles are read once."""

    def __init__(self, database: Database, head: StoredHead) -> None:
        self._database = database
        self._tree = tree_of(database)
        self.head = head

    def of(self, writer: str, sequence: int) -> InclusionProof | None:
        """None: the record is not in this head's tree.

        Raises
        ------
        LogBroken
            If the tree is not whole.
        """
        index = index_of(self._database, writer, sequence)
        if index is None or index >= self.head.size:
            return None
        with _whole():
            path = self._tree.inclusion(index, self.head.size)
        return InclusionProof(index, self.head.size, tuple(path), self.head)


def proof_of(database: Database, writer: str, sequence: int) -> InclusionProof | None:
    """By the newest head; None: none has the record yet.

    Raises
    ------
    LogBroken
        If the tree is not whole.
    """
    proves = prover(database)
    return None if proves is None else proves.of(writer, sequence)


def prover(database: Database) -> Prover | None:
    """For many proofs by the newest head. None before the first head, and where the newest cannot
    be read: the evidence is then told without proofs."""
    with suppress(LogBroken):
        head = latest(database)
        return None if head is None else Prover(database, head)
    return None


@contextmanager
def _whole() -> Iterator[None]:
    """A tile that is missing, or too short, is told as what it is."""
    try:
        yield
    except KeyError as missing:
        raise LogBroken(f"tile {missing} of the log is missing") from None


def consistency(database: Database, old: int, new: int) -> list[bytes]:
    """That the log of ``new`` leaves begins with that of ``old``.

    Raises
    ------
    ValueError
        If it never was so large, or ``old`` is the larger.
    LogBroken
        If the tree is not whole.
    """
    size = 0 if (known := state(database)) is None else known.size
    if not 0 <= old <= new <= size:
        raise ValueError(f"the log has {size} leaves: 0 <= from <= to <= {size}")
    with _whole():
        return tree_of(database).consistency(old, new)


def keys_of(database: Database) -> list[VerifierKey]:
    """Every key that ever signed this log, by the records that say so."""
    # Also records that do not stand: the check of the chains finds a forged one.
    chosen = sa.select(records.c.detail).where(
        records.c.kind == RecordKind.KEY.value, records.c.status == LOG_KEY
    )
    with database.reading() as connection:
        told = [text for (text,) in connection.execute(chosen)]
    return list(_keys_in(told))


def _keys_in(details: Sequence[str | None]) -> Iterator[VerifierKey]:
    for text in details:
        try:
            yield VerifierKey.parse(json.loads(text or "")["key"])
        except (NotProven, ValueError, KeyError, TypeError, AttributeError):
            continue


def trusted_head(note: Note, keys: Sequence[VerifierKey]) -> tuple[Checkpoint, int | None]:
    """The head that ``note`` is, signed by one of ``keys``, and when (seconds).

    Raises
    ------
    NotProven
        If none of them has signed it.
    """
    problem = NotProven("no key of this log is known")
    for key in keys:
        try:
            found = read_head(note, key)
            return found.checkpoint, found.time
        except NotProven as error:
            problem = error
    raise problem

"""Is the log what was signed, and are the records what is in the log?

One pass over all leaves in their order. What is kept of each is the 32 bytes of its hash, in the
tiles that the heads are recomputed from. What the documents say of each record's own hash is
checked where the chains are followed.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator, Sequence
from contextlib import suppress
from dataclasses import dataclass
from pathlib import Path

import sqlalchemy as sa

from ifonly.service.store import logtables, translog
from ifonly.service.store.chain import IntegrityFinding, Trouble, microseconds, stated_time
from ifonly.service.store.database import Database
from ifonly.service.store.kinds import RecordKind
from ifonly.service.store.log_appending import as_bytes
from ifonly.service.store.tables import log_heads, log_writers, records
from ifonly.service.store.translog import LeafRun, trusted_head
from ifonly.service.transparency.merkle import Roots
from ifonly.service.transparency.verifier import (
    Checkpoint,
    Note,
    NotProven,
    VerifierKey,
    leaf_hash,
    read_head,
    record_hash,
)

PIECE = 500
CLOCKS_US = 300_000_000
"""How far clocks may be apart, with the time that a record waits: five minutes. A record that
says it is older than this before a head that has it not was backdated."""

TAIL_BYTES = 262_144
"""Of a file of anchors, where its last heads are looked for."""

HEADS = "audit_log_heads"
RUNS = "audit_log_runs"

Add = Callable[[Iterable[IntegrityFinding]], None]


@dataclass(frozen=True, slots=True)
class KeptHead:
    """A head from somewhere else than the store."""

    note: Note
    source: str
    """In words: where it was kept."""
    key: VerifierKey | None = None
    """Whose signature it needs; None: any key of this log."""

    @classmethod
    def read(cls, file: Path, key: VerifierKey | None = None) -> KeptHead:
        """Raises
        ------
        OSError
            If the file cannot be read.
        NotProven
            If it is no signed note.
        """
        return cls(Note.parse(file.read_bytes()), f"the file {file.name}", key)


def heads_in_file(anchors: Path) -> Iterator[KeptHead]:
    """The heads that the anchors of a file carry; lines that are no anchors are named elsewhere."""
    with anchors.open("rb") as lines:
        for note in _noted(lines):
            yield KeptHead(note, f"the file {anchors.name}")


def _noted(lines: Iterable[bytes]) -> Iterator[Note]:
    for line in lines:
        with suppress(ValueError, KeyError, TypeError, AttributeError):
            yield Note.parse(json.loads(line)["detail"]["log"])


def last_signed(anchors: Path, key: VerifierKey) -> Checkpoint | None:
    """The largest head of ``key`` at the end of a file of anchors; None: there is none.

    Raises
    ------
    OSError
        If the file cannot be read.
    """
    with anchors.open("rb") as lines:
        # May land in the middle of a line, which is then skipped as no anchor.
        lines.seek(max(0, anchors.stat().st_size - TAIL_BYTES))
        found = list(_noted(lines))
    heads = []
    for note in found:
        with suppress(NotProven):
            heads.append(read_head(note, key).checkpoint)
    return max(heads, key=lambda head: head.size, default=None)


@dataclass(frozen=True, slots=True)
class _Claim:
    """What a head says of the tree of its size."""

    checkpoint: Checkpoint
    time: int | None
    source: str
    is_kept: bool

    @property
    def where(self) -> str:
        """The table that has it; of one from elsewhere nothing."""
        return "" if self.is_kept else HEADS


def check_log(
    database: Database, kept: Sequence[KeptHead], witnesses: Sequence[VerifierKey], add: Add
) -> int:
    """Hold the log against the records, and every head against the log; how many leaves it has.

    What ``witnesses`` are said to have cosigned is checked with their keys.

    Raises
    ------
    StoreUnavailable, StoreDamaged
        If the store cannot be read.
    """
    keys = translog.keys_of(database)
    claims = list(_claims(database, kept, keys, add))
    add(logtables.findings(database, keys, witnesses))
    size = _follow(database, claims, add)
    for claim in claims:
        if claim.checkpoint.size > size:
            text = f"{claim.source} has {claim.checkpoint.size} leaves, the log {size}"
            add([IntegrityFinding("", 0, Trouble.CUT, text, claim.where)])
    add(_late(database, claims))
    return size


def _claims(
    database: Database, kept: Sequence[KeptHead], keys: Sequence[VerifierKey], add: Add
) -> Iterator[_Claim]:
    chosen = sa.select(log_heads.c.size, log_heads.c.time_us, log_heads.c.note)
    with database.reading() as connection:
        rows = connection.execute(chosen.order_by(log_heads.c.size)).all()
    for size, time_us, written in rows:
        source = f"the head of {size}"
        try:
            note = Note.parse(written)
        except (NotProven, TypeError, AttributeError) as problem:
            add([IntegrityFinding("", 0, Trouble.HEAD, f"{source} is none: {problem}", HEADS)])
            continue
        if type(time_us) is not int:
            continue  # told with the other tables
        found = _claim(KeptHead(note, source), keys, False, add)
        if found is not None and found.checkpoint.size != size:
            text = f"{source} is one of {found.checkpoint.size}"
            add([IntegrityFinding("", 0, Trouble.HEAD, text, HEADS)])
        elif found is not None and found.time not in (None, time_us // 1_000_000):
            text = f"{source} was signed at another time than it is stored with"
            add([IntegrityFinding("", 0, Trouble.CONTRADICTED, text, f"{HEADS}.time_us")])
        elif found is not None:
            yield found
    for each in kept:
        found = _claim(each, keys, True, add)
        if found is not None:
            yield found


def _claim(head: KeptHead, keys: Sequence[VerifierKey], is_kept: bool, add: Add) -> _Claim | None:
    try:
        wanted = keys if head.key is None else [head.key]
        checkpoint, when = trusted_head(head.note, wanted)
    except NotProven as problem:
        where = "" if is_kept else HEADS
        add([IntegrityFinding("", 0, Trouble.HEAD, f"{head.source}: {problem}", where)])
        return None
    return _Claim(checkpoint, when, head.source, is_kept)


def _follow(database: Database, claims: Sequence[_Claim], add: Add) -> int:
    """Every leaf in its order, held against the record that it is of; how many there are."""
    roots, tree = Roots(), translog.tree_of(database)
    heads, limits = _Heads(claims), _Limits(claims)
    ends: dict[str, int] = {}
    for run in translog.runs(database):
        if not logtables.is_run(run):
            text = f"there is no such run: {run}"
            add([IntegrityFinding(str(run.writer), 0, Trouble.NOT_IN_LOG, text, RUNS)])
            continue
        add(_in_order(run, roots.size, ends))
        for sequence, hashed, time_us in _records(database, run):
            index = roots.size
            try:
                stored = tree.node(0, index)
            except KeyError:
                stored = None
            found = None if hashed is None else leaf_hash(hashed)
            add(_as_stored(run.writer, sequence, index, found, stored))
            leaf = stored or found
            if leaf is None:
                break  # neither tile nor record: no run is as long as that
            # Of what was just told of, once: what follows is held against what was signed.
            roots.append(leaf)
            add(heads.at(roots))
            if time_us is not None:
                add(_backdated(run.writer, sequence, time_us, limits.at(index)))
    return roots.size


def _as_stored(
    writer: str, sequence: int, index: int, found: bytes | None, stored: bytes | None
) -> Iterator[IntegrityFinding]:
    if found is None and stored is not None:
        text = f"record {sequence}, leaf {index} of the log, is gone"
        yield IntegrityFinding(writer, sequence, Trouble.CUT, text)
    elif found is None or found != stored:
        text = f"record {sequence} is not leaf {index} of the log"
        yield IntegrityFinding(writer, sequence, Trouble.NOT_IN_LOG, text)


def _in_order(run: LeafRun, size: int, ends: dict[str, int]) -> Iterator[IntegrityFinding]:
    if run.start != size or run.first != ends.get(run.writer, 0) + 1 or run.length < 1:
        text = f"leaves {run.start} to {run.start + run.length - 1} do not follow those before"
        yield IntegrityFinding(run.writer, run.first, Trouble.NOT_IN_LOG, text, RUNS)
    ends[run.writer] = run.first + run.length - 1


Found = tuple[int, bytes | None, int | None]


def _records(database: Database, run: LeafRun) -> Iterator[Found]:
    """Of each leaf of a run: sequence, the record's hash, its time; None where it is gone."""
    for first in range(run.first, run.first + run.length, PIECE):
        end = min(first + PIECE, run.first + run.length)
        chosen = sa.select(records.c.sequence, records.c.hash, records.c.time_us).where(
            records.c.writer == run.writer,
            records.c.sequence >= sa.literal(first, sa.BigInteger),
            records.c.sequence < sa.literal(end, sa.BigInteger),
        )
        with database.reading() as connection:
            there = {row.sequence: row for row in connection.execute(chosen)}
        for sequence in range(first, end):
            row = there.get(sequence)
            if row is None:
                yield sequence, None, None
            else:
                time_us = row.time_us if type(row.time_us) is int else None
                yield sequence, as_bytes(row.hash), time_us


class _Heads:
    """Heads, held against roots as they come."""

    def __init__(self, claims: Sequence[_Claim]) -> None:
        self._by_size: dict[int, list[_Claim]] = {}
        for claim in claims:
            self._by_size.setdefault(claim.checkpoint.size, []).append(claim)
        self._is_told = False

    def at(self, roots: Roots) -> Iterator[IntegrityFinding]:
        """Wrong heads of this size; of the store's own the first only: all later ones are wrong."""
        for claim in self._by_size.get(roots.size, ()):
            if roots.root == claim.checkpoint.root or (self._is_told and not claim.is_kept):
                continue
            self._is_told = self._is_told or not claim.is_kept
            text = f"the first {roots.size} records are not those that {claim.source} is of"
            yield IntegrityFinding("", 0, Trouble.HEAD, text, claim.where)


class _Limits:
    """The earliest time that a record may claim, by the heads kept elsewhere that lack it. Asked
    for one leaf after the other, in their order."""

    def __init__(self, claims: Sequence[_Claim]) -> None:
        timed = [(c.checkpoint.size, c.time) for c in claims if c.is_kept and c.time is not None]
        self._timed = sorted(timed, reverse=True)
        # Before any time: no head has been passed yet.
        self._limit = -(2**62)

    def at(self, index: int) -> int:
        """Microseconds since 1970, for leaf ``index``."""
        # A head of n leaves lacks leaf n and all after it.
        while self._timed and self._timed[-1][0] <= index:
            _, when = self._timed.pop()
            self._limit = max(self._limit, when * 1_000_000 - CLOCKS_US)
        return self._limit


def _backdated(writer: str, sequence: int, time_us: int, limit: int) -> Iterator[IntegrityFinding]:
    if time_us < limit:
        text = (
            f"record {sequence} says it is of {stated_time(time_us)}, and is in no head that was "
            "kept after that"
        )
        yield IntegrityFinding(writer, sequence, Trouble.BACKDATED, text, "audit_records.time_us")


def _late(database: Database, claims: Sequence[_Claim]) -> Iterator[IntegrityFinding]:
    """Records that are no leaves, and say that they are older than a kept head."""
    # Beyond every leaf: what is no leaf is in none of the heads.
    limit = _Limits(claims).at(2**62)
    done = sa.func.coalesce(log_writers.c.integrated, 0)
    chosen = (
        sa.select(records.c.writer, records.c.sequence, records.c.time_us)
        .select_from(records.outerjoin(log_writers, log_writers.c.writer == records.c.writer))
        .where(records.c.sequence > done, records.c.time_us < sa.literal(limit, sa.BigInteger))
    )
    with database.reading() as connection:
        found = connection.execute(chosen).all()
    for writer, sequence, time_us in found:
        yield from _backdated(writer, sequence, time_us, limit)


# --- a whole export, without the store --------------------------------------------------------


def check_export(lines: Iterable[bytes], heads: Sequence[KeptHead]) -> Iterator[str]:
    """What is wrong with an export of the whole trail, held against heads that were kept.

    Raises
    ------
    NotProven
        If it is no such export.
    """
    leaves: dict[int, _Leaf] = {}
    others: list[_Leaf] = []
    keys: list[VerifierKey] = []
    for number, line in enumerate(lines, 1):
        leaf = _exported(number, line, keys)
        yield from leaf.problems
        if leaf.index is None:
            others.append(leaf)
        elif leaf.index in leaves:
            yield f"line {number}: there are two records that are leaf {leaf.index}"
        else:
            leaves[leaf.index] = leaf
    told: list[IntegrityFinding] = []
    claims = [c for head in heads if (c := _claim(head, keys, True, told.extend)) is not None]
    told.extend(_exported_findings(leaves, others, claims))
    yield from (finding.text for finding in told)


@dataclass(frozen=True, slots=True)
class _Leaf:
    """One line of an export."""

    index: int | None
    hash: bytes
    writer: str
    sequence: int
    time_us: int
    problems: tuple[str, ...]


def _exported(number: int, line: bytes, keys: list[VerifierKey]) -> _Leaf:
    try:
        record = json.loads(line)
        proof = record.get("proof")
        index = None if proof is None else int(proof["index"])
        if record["kind"] == RecordKind.KEY and record.get("status") == translog.LOG_KEY:
            keys.append(VerifierKey.parse(record["detail"]["key"]))
        hashed, when = leaf_hash(bytes.fromhex(record["hash"])), microseconds(record["time"])
        place = str(record["writer"]), int(record["sequence"])
    except (ValueError, KeyError, TypeError, AttributeError, OverflowError):
        raise NotProven(f"line {number} is no exported record") from None
    problems: tuple[str, ...] = ()
    try:
        record_hash(record)
    except (NotProven, ValueError, TypeError) as problem:
        problems = (f"line {number}: {problem}",)
    return _Leaf(index, hashed, *place, when, problems)


def _exported_findings(
    leaves: dict[int, _Leaf], others: Sequence[_Leaf], claims: Sequence[_Claim]
) -> Iterator[IntegrityFinding]:
    roots, heads, limits = Roots(), _Heads(claims), _Limits(claims)
    while (leaf := leaves.get(roots.size)) is not None:
        yield from _backdated(leaf.writer, leaf.sequence, leaf.time_us, limits.at(roots.size))
        roots.append(leaf.hash)
        yield from heads.at(roots)
    for claim in claims:
        if claim.checkpoint.size > roots.size:
            text = (
                f"{claim.source} has {claim.checkpoint.size} leaves, and leaf {roots.size} is not "
                "in the export"
            )
            yield IntegrityFinding("", 0, Trouble.CUT, text)
    for leaf in others:
        yield from _backdated(leaf.writer, leaf.sequence, leaf.time_us, limits.at(2**62))

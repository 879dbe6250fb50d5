"""Whatever is done to a store behind the service's back: does ``ifonly audit verify`` find it?

    python -m bench.attack.tamper [--store sqlite|postgresql] [--rows 3] [--anchors] [--json]
                                  [--no-head]

A store of its own is filled through the service, then attacked, one lie at a time, and put back.
After each attack ``verify`` is asked twice: of the store alone, and with the newest signed head of
the log, which was kept elsewhere (``ifonly audit verify --head FILE``).
Over every table and column: *flip* (one bit, or one value), *blank* (null or nothing), *retype*
(SQLite: bytes for text, text for a number), *swap* (of two rows), *reseal* (records: flip, and the
record's own hash made right); over every row: *delete*, *insert* (a copy under another name).
Besides: records beyond a head and under writers that nobody registered, backdated ones, tails cut
with their heads, chains written anew from a record on, with the log and without it, with a key of
the attacker's own and with the one that signs the log; pages of the file filled with zeros.

What is not found is listed with why. Exit code 1 if something is not found and nobody has said why:
``NEEDS_HEAD`` is what the store alone does not tell, ``WHY`` what no head tells either.

``--anchors`` verifies with the file of anchors, ``--no-head`` without a kept head.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import shutil
import sqlite3
import sys
import tempfile
from collections import Counter
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from pathlib import Path
from typing import Any

import sqlalchemy as sa
from rich.console import Console
from rich.table import Table

from bench.attack.filled import HOUR_US, SIGNER, WITNESS, YEAR_US, fill, kept_head, opened
from ifonly.service.errors import ServiceError
from ifonly.service.store.chain import Facts, Head, Record, now_us, seal
from ifonly.service.store.database import Database
from ifonly.service.store.kinds import RecordKind
from ifonly.service.store.logcheck import KeptHead
from ifonly.service.store.migrate import require_current
from ifonly.service.store.rows import record_of, row_of
from ifonly.service.store.tables import metadata, records
from ifonly.service.store.translog import LOG_KEY
from ifonly.service.store.verification import verify
from ifonly.service.transparency.merkle import Roots, grown
from ifonly.service.transparency.signing import LocalSigner, sign_head
from ifonly.service.transparency.verifier import Checkpoint, leaf_hash
from tests.support.postgres import server

Rows = list[dict[str, Any]]
Stored = dict[str, Rows]
THIEF = LocalSigner.of(SIGNER.key.name, b"\x03" * 32)
"""Somebody who has the store and not the log's key."""

TABLES: Mapping[str, sa.Table] = dict(metadata.tables)
VERSION = sa.Table("alembic_version", sa.MetaData(), sa.Column("version_num", sa.String(32)))

WHY = {
    ("rate_buckets", "*"): "decides how soon somebody may ask again, and no answer",
    ("inference_events", "*"): "came from outside; what is explained of it is a record",
    ("outbox", "*"): "sends a record that answers its row, or a job's counts, to who may be told",
    ("alarm_rates", "*"): "how many were alarms by the hour; the records say so themselves",
    ("episodes", "*"): "how readings are grouped and counted; they are records, as are deeds",
    ("job_rows", "worker"): "who works at an open row",
    ("job_rows", "leased_until_us"): "until when",
    ("job_rows", "attempts"): "how often it was tried; too often is answered by a recorded failure",
    ("jobs", "started_us"): "of a job under way; its end is recorded with it",
    ("jobs", "delete"): "an ended job can be forgotten at any time; its answers are records",
    ("job_rows", "request"): "of an answered row nothing is asked any more",
    ("job_rows", "salt"): "the same",
    ("sessions", "delete"): "somebody has to sign in again",
    ("page_secrets", "delete"): "the next start makes another, and everybody signs in again",
    ("idempotency_keys", "delete"): "a request sent again is answered, and recorded, again",
    ("audit_writers", "anchored"): "lowered: the chain is anchored once more",
    ("audit_writers", "insert"): "a chain with nothing in it",
    ("audit_log", "holder"): "whose turn it is to append leaves",
    ("audit_log", "held_until_us"): "until when",
    ("audit_log_heads", "delete"): "a head between: proofs are by any later one; its vouchers go",
    ("audit_log_heads", "time_us"): "parts of a second: the note has the second",
    ("audit_log_heads", "cosignatures"): "left out or without a name: a voucher less",
    ("audit_log_heads", "unstamped"): "a voucher less: who asked for it misses it",
    ("witnessed_logs", "time_us"): "when the head of another log was cosigned: nobody is told",
    ("witnessed_logs", "delete"): "of another log; who keeps its heads finds two histories of it",
    ("audit_records", "new chain"): "a record of now, as a service writes it: after every head",
    ("audit_records", "appended"): "the same, at the end of a chain that is there",
}
"""What decides nothing that is told, and what no head can have seen; by table and column (or kind
of attack)."""
NEEDS_HEAD = {
    ("audit_records", "rewrite all, log"): "a consistent other history, under another key",
    ("audit_records", "rewrite all, log, key"): "a consistent other history, signed by the log",
    ("audit_records", "cut unanchored, log"): "the tail that no anchor has seen, and its leaves",
    ("audit_records", "new chain, dated back"): "less than a day: anchors do not tell",
}
"""What verifying a store by itself does not find, and a kept head does."""


@dataclass(frozen=True)
class Attack:
    """One lie."""

    table: str
    column: str
    kind: str
    change: Callable[[Stored], None]
    """Of the rows in place."""


@dataclass(frozen=True)
class TamperOutcome:
    """What came of it."""

    attack: Attack
    alone: str
    """The first thing that was said of the store by itself; empty: nothing was."""
    kept: str | None
    """The same with the kept head; None: nobody had kept one."""

    @property
    def why(self) -> str:
        """Why nothing was said; empty where nobody knows, or where it had to be found."""
        return _why(self.attack, WHY if self.kept == "" else {**WHY, **NEEDS_HEAD})

    @property
    def is_explained(self) -> bool:
        """Whether it was found where it can be, and nothing crashed."""
        crashed = any((said or "").startswith("CRASHED") for said in (self.alone, self.kept))
        return not crashed and (bool(self.alone) or bool(self.why))


def _why(a: Attack, reasons: Mapping[tuple[str, str], str]) -> str:
    for key in ((a.table, a.kind), (a.table, a.column), (a.table, "*")):
        if key in reasons:
            return reasons[key]
    return ""


# --- the store ----------------------------------------------------------------------------


@dataclass(frozen=True)
class TamperTarget:
    """A filled store: its rows are read and written past the service."""

    url: str
    anchor_file: Path | None
    kept: KeptHead | None
    engine: sa.Engine

    @property
    def is_sqlite(self) -> bool:
        return self.engine.dialect.name == "sqlite"

    def read(self) -> Stored:
        with self.engine.connect() as connection:
            return {
                name: [dict(row._mapping) for row in connection.execute(sa.select(table))]
                for name, table in [*TABLES.items(), (VERSION.name, VERSION)]
            }

    def write(self, rows: Stored, before: Stored) -> None:
        """Make the tables that differ from ``before`` what ``rows`` says."""
        with self.engine.begin() as connection:
            if not self.is_sqlite:
                connection.exec_driver_sql("SET LOCAL session_replication_role = replica")
            for name, table in [*TABLES.items(), (VERSION.name, VERSION)]:
                if rows[name] != before[name]:
                    connection.execute(sa.delete(table))
                    _insert(connection, table, rows[name])

    def look(self) -> tuple[str, str | None]:
        """The first thing that is said to be wrong: by the store alone, and with the kept head,
        which takes nothing back of what is found without."""
        with opened(self.url) as database:
            return self.look_at(database)

    def look_at(self, database: Database) -> tuple[str, str | None]:
        """As :meth:`look`, by who has it open already."""
        alone = self._said(database, ())
        if self.kept is None:
            return alone, None
        return alone, alone or self._said(database, [self.kept])

    def _said(self, database: Database, kept: Sequence[KeptHead]) -> str:
        try:
            require_current(database)
            known = [WITNESS.key.timed]
            found = verify(database, self.anchor_file, kept=kept, witnesses=known).findings
        except ServiceError as error:
            return f"refused: {error}"
        except Exception as error:  # a crash is what this looks for
            return f"CRASHED: {type(error).__name__}: {error}"
        return f"{found[0].trouble}: {found[0].text} ({found[0].where})" if found else ""


def _insert(connection: sa.Connection, table: sa.Table, rows: Rows) -> None:
    """Raw values: whatever somebody may put there."""
    names = [column.name for column in table.c]
    mark = "?" if connection.dialect.name == "sqlite" else "%s"
    text = (
        f"INSERT INTO {table.name} ({', '.join(names)}) VALUES ({', '.join([mark] * len(names))})"
    )
    for row in rows:
        connection.exec_driver_sql(text, tuple(row[name] for name in names))


# --- attacks ------------------------------------------------------------------------------


def attacks(stored: Stored, most: int, is_sqlite: bool) -> Iterator[Attack]:
    """All of them; ``most`` rows of each table and column."""
    for name, rows in stored.items():
        for column in rows[0] if rows else ():
            yield from _on_column(name, column, rows, most, is_sqlite)
        for at in _spread(len(rows), most * 3):
            yield Attack(name, "*", "delete", partial(_delete, name, at))
        for at in _spread(len(rows), most):
            yield Attack(name, "*", "insert", partial(_copy, name, at))
    yield from _on_chains(stored)


def _spread(count: int, most: int) -> Iterator[int]:
    step = max(1, count // most)
    yield from range(0, count, step)


def _on_column(table: str, column: str, rows: Rows, most: int, is_sqlite: bool) -> Iterator[Attack]:
    for kind, change in (("flip", _flipped), ("blank", _blanked), ("retype", _retyped)):
        if kind == "retype" and not is_sqlite:
            continue  # columns have types
        fitting = [k for k, row in enumerate(rows) if _is_other(change(row[column]), row[column])]
        for k in list(_spread(len(fitting), most)):
            change_row = partial(_set, table, fitting[k], column, change)
            yield Attack(table, column, kind, change_row)
            if table == "audit_records" and column not in ("hash", "writer", "sequence"):
                yield Attack(table, column, "reseal", partial(_reseal, change_row, fitting[k]))
    values = {repr(row[column]): k for k, row in enumerate(rows)}
    if len(values) > 1:
        one, other = list(values.values())[:2]
        yield Attack(table, column, "swap", partial(_swap, table, column, one, other))


def _is_other(value: Any, before: Any) -> bool:
    return type(value) is not type(before) or value != before


def _set(table: str, at: int, column: str, change: Callable[[Any], Any], rows: Stored) -> None:
    rows[table][at][column] = change(rows[table][at][column])


def _flipped(value: Any) -> Any:
    match value:
        case None:
            return None
        case int() | float():
            return value + 1
        case str():
            return chr(ord(value[0]) ^ 1) + value[1:] if value else "x"
        case _:
            return bytes([bytes(value)[0] ^ 1]) + bytes(value)[1:]


def _blanked(value: Any) -> Any:
    match value:
        case None:
            return None
        case int() | float():
            return 0
        case str():
            return ""
        case _:
            return b""


def _retyped(value: Any) -> Any:
    match value:
        case None:
            return None
        case int() | float():
            return "much"
        case str():
            return b"\xff" + value.encode()
        case _:
            return bytes(value).hex()


def _swap(table: str, column: str, one: int, other: int, rows: Stored) -> None:
    a, b = rows[table][one], rows[table][other]
    a[column], b[column] = b[column], a[column]


def _delete(table: str, at: int, rows: Stored) -> None:
    del rows[table][at]


def _copy(table: str, at: int, rows: Stored) -> None:
    """The row once more, under another primary key and another id."""
    new = dict(rows[table][at])
    names = [c.name for c in TABLES[table].primary_key.columns] if table in TABLES else []
    for name in ["id", *names]:
        if name in new:
            new[name] = _fresh(name, new[name])
    if table == "audit_writers":
        new["head_sequence"] = new["anchored"] = 0
    rows[table].append(new)


def _fresh(name: str, value: Any) -> Any:
    """A value that no row has, of the same type."""
    if isinstance(value, int):
        return 10**6
    return "f" * len(value) if name == "id" else f"other {value}"[-30:]


def _record(row: Mapping[str, Any]) -> Record:
    """As :func:`record_of`, of a plain mapping."""
    keyed = {column: row[column.name] for column in records.c}
    return record_of(_Row(keyed))  # type: ignore[arg-type]


@dataclass(frozen=True)
class _Row:
    _mapping: Mapping[Any, Any]


def _reseal(change: Callable[[Stored], None], at: int, rows: Stored) -> None:
    """Change a record, and make its own hash right."""
    change(rows)
    row = rows["audit_records"][at]
    record = _record(row)
    with contextlib.suppress(ValueError, TypeError, OverflowError):
        before = Head(record.sequence - 1, record.previous)
        row["hash"] = seal(record.facts, record.writer, before, record.payload_digest).hash


def _on_chains(stored: Stored) -> Iterator[Attack]:
    name = "audit_records"
    for what, forged in (("approve", _forged_review(stored)), ("erasure", _forged_erasure(stored))):
        for place in (*OUTSIDE, "new chain", "appended"):
            for sealed in (False, True):
                if place not in OUTSIDE and not sealed:
                    continue
                change = partial(_forge, forged, place, sealed)
                yield Attack(name, what, place, change)
    review = _forged_review(stored)
    yield Attack(name, "time_us", "backdated chain", partial(_backdated, review, YEAR_US))
    yield Attack(name, "time_us", "new chain, dated back", partial(_backdated, review, HOUR_US))
    for writer in {row["id"] for row in stored["audit_writers"]}:
        yield Attack(name, "*", "cut with head", partial(_cut, writer))
        yield Attack(name, "*", "rewrite chain", partial(_rewrite, [writer]))
    yield Attack(name, "*", "cut unanchored", _cut_unanchored)
    yield Attack(name, "*", "cut unanchored, log", _cut_with_log)
    yield Attack(name, "*", "rewrite all", partial(_rewrite_all, SIGNER))
    yield Attack(name, "*", "rewrite all, log", partial(_rewrite_with_log, THIEF))
    yield Attack(name, "*", "rewrite all, log, key", partial(_rewrite_with_log, SIGNER))
    yield Attack("audit_log_heads", "stamp", "unstamped", _unstamp)
    yield Attack("audit_log", "held_until_us", "held for ever", _hold_for_ever)
    yield Attack("audit_payloads", "*", "both swapped", _swap_payloads)
    yield Attack("audit_payloads", "*", "moved into salt", _moved_into_salt)
    yield Attack("api_keys", "role", "made admin", _made_admin)
    yield Attack("jobs", "*", "all forgotten", _forgot_open_jobs)


OUTSIDE = ("beyond head", "unknown writer", "before first")
"""Where no chain has a record."""


def _forged_review(stored: Stored) -> Facts:
    judged = {r["about"] for r in stored["audit_records"] if r["kind"] == RecordKind.REVIEW}
    explained = (r for r in stored["audit_records"] if r["kind"] == RecordKind.EXPLANATION)
    about = next(r["id"] for r in explained if r["id"] not in judged)
    return Facts(
        kind=RecordKind.REVIEW, actor="key:kim", role="auditor", status="approve", about=about
    )


def _forged_erasure(stored: Stored) -> Facts:
    kept = {(p["writer"], p["sequence"]) for p in stored["audit_payloads"]}
    about = next(r["id"] for r in stored["audit_records"] if (r["writer"], r["sequence"]) in kept)
    return Facts(
        kind=RecordKind.ERASURE, actor="cli:kim", about=about, detail={"count": 1, "reason": ""}
    )


def _forge(facts: Facts, place: str, is_sealed: bool, rows: Stored) -> None:
    """A record that nobody wrote; of an erasure also what it is said to have erased."""
    chain = rows["audit_writers"][0]
    after = Head(chain["head_sequence"], chain["head_hash"])
    if place == "before first":
        after = Head(-1)
    is_in_it = place in ("beyond head", "before first", "appended")
    writer = chain["id"] if is_in_it else "0123456789abcdef"
    if writer != chain["id"]:
        after = Head()
    record = seal(facts, writer, after, None)
    if not is_sealed:
        record = replace(record, hash="0" * 64)
    rows["audit_records"].append(row_of(record))
    if place == "new chain":
        head = {"head_sequence": 1, "head_hash": record.hash, "anchored": 0}
        rows["audit_writers"].append({"id": writer, **head})
    if place == "appended":
        chain.update(head_sequence=record.sequence, head_hash=record.hash)
    if facts.kind is RecordKind.ERASURE:
        gone = next(r for r in rows["audit_records"] if r["id"] == facts.about)
        here = (gone["writer"], gone["sequence"])
        rows["audit_payloads"] = [
            p for p in rows["audit_payloads"] if (p["writer"], p["sequence"]) != here
        ]


def _backdated(facts: Facts, ago_us: int, rows: Stored) -> None:
    _forge(replace(facts, time_us=now_us() - ago_us), "new chain", True, rows)


def _chain_of(rows: Stored, writer: str) -> Rows:
    mine = [row for row in rows["audit_records"] if row["writer"] == writer]
    return sorted(mine, key=lambda row: int(row["sequence"]))


def _cut(writer: str, rows: Stored) -> None:
    """The last half of a chain, with its head."""
    chain = _chain_of(rows, writer)
    last = chain[len(chain) // 2]
    for table in ("audit_records", "audit_payloads"):
        rows[table] = [
            r for r in rows[table] if r["writer"] != writer or r["sequence"] <= last["sequence"]
        ]
    _head(rows, writer, last)


def _head(rows: Stored, writer: str, last: Mapping[str, Any]) -> None:
    for row in rows["audit_writers"]:
        if row["id"] == writer:
            row.update(head_sequence=last["sequence"], head_hash=last["hash"])
            row["anchored"] = min(row["anchored"], last["sequence"])


def _cut_unanchored(rows: Stored) -> None:
    """The last record of the last chain: the anchor that was written when it was closed."""
    last = max(rows["audit_records"], key=lambda row: int(row["time_us"]))
    chain = _chain_of(rows, last["writer"])
    rows["audit_records"].remove(chain[-1])
    for row in rows["audit_writers"]:
        row["anchored"] = 0
    _head(rows, last["writer"], chain[-2])


def _rewrite(chains: Sequence[str], rows: Stored) -> None:
    """The second record's actor, and every hash after it; anchors keep what they saw."""
    for writer in chains:
        at = Head()
        for row in _chain_of(rows, writer):
            if row["sequence"] == 2:
                row["actor"] = "key:somebody"
            at = _seal_anew(row, at)
        _head(rows, writer, {"sequence": at.sequence, "hash": at.hash})


def _seal_anew(row: dict[str, Any], at: Head) -> Head:
    record = _record(row)
    again = seal(record.facts, record.writer, at, record.payload_digest)
    row.update(row_of(again))
    return again.head


def _cut_with_log(rows: Stored) -> None:
    """And the last leaf, as if there had never been one: the log is signed anew, by its key."""
    _cut_unanchored(rows)
    last = max(rows["audit_log_runs"], key=lambda run: int(run["start"]))
    last["length"] -= 1
    for row in rows["audit_log_writers"]:
        if row["writer"] == last["writer"]:
            row["integrated"] -= 1
    _log_anew(SIGNER, rows)


def _rewrite_with_log(signer: LocalSigner, rows: Stored) -> None:
    _rewrite_all(signer, rows)
    _log_anew(signer, rows)


def _log_anew(signer: LocalSigner, rows: Stored) -> None:
    """Tiles and heads of the records as they are now, in the order of the runs. Others vouch for
    none of these heads."""
    hashes = {(r["writer"], r["sequence"]): r["hash"] for r in rows["audit_records"]}
    leaves = [
        leaf_hash(bytes.fromhex(hashes[run["writer"], run["first"] + k]))
        for run in sorted(rows["audit_log_runs"], key=lambda run: int(run["start"]))
        for k in range(run["length"])
    ]
    rows["audit_log_tiles"] = [
        {"level": level, "number": number, "hashes": data}
        for (level, number), data in grown(0, {}, leaves).items()
    ]
    rows["audit_log"][0].update(size=len(leaves), key=str(signer.key))
    for head in rows["audit_log_heads"]:
        size = head["size"] = min(head["size"], len(leaves))
        roots = Roots()
        for leaf in leaves[:size]:
            roots.append(leaf)
        checkpoint = Checkpoint(signer.key.name, size, roots.root)
        note = sign_head(signer, checkpoint, head["time_us"] // 1_000_000)
        head.update(note=str(note), cosignatures="", stamp=None)


def _rewrite_all(signer: LocalSigner, rows: Stored) -> None:
    """One record, and every hash and anchor that follows from it, in the order of time; the log
    is said to be signed by ``signer``, and anchors no longer to carry its heads."""
    new: dict[tuple[str, int], str] = {}
    heads: dict[str, Head] = {}
    order = {w: _chain_of(rows, w) for w in {r["writer"] for r in rows["audit_records"]}}
    for writer in sorted(order, key=lambda w: _begun(order[w])):
        for row in order[writer]:
            if row["kind"] == RecordKind.EXPLANATION:
                row["actor"] = "key:line-4" if row["actor"] == "key:line-4" else "key:line-3"
                row["latency_us"] = 1
            if row["status"] == LOG_KEY:
                row["detail"] = json.dumps({"key": str(signer.key)}, separators=(",", ":"))
            if row["kind"] == RecordKind.ANCHOR:
                detail = json.loads(row["detail"])
                detail.pop("log", None)
                for other, head in detail["heads"].items():
                    head[1] = new.get((other, head[0]), head[1])
                row["detail"] = json.dumps(detail, sort_keys=True, separators=(",", ":"))
            heads[writer] = _seal_anew(row, heads.get(writer, Head()))
            new[writer, heads[writer].sequence] = heads[writer].hash
        last = heads[writer]
        _head(rows, writer, {"sequence": last.sequence, "hash": last.hash})


def _begun(chain: Rows) -> int:
    """When a chain was closed: by its last record, an anchor of now."""
    return int(chain[-1]["time_us"])


def _swap_payloads(rows: Stored) -> None:
    a, b = rows["audit_payloads"][:2]
    for column in ("salt", "content"):
        a[column], b[column] = b[column], a[column]


def _moved_into_salt(rows: Stored) -> None:
    """The same bytes, another border between salt and content."""
    row = rows["audit_payloads"][0]
    row["salt"], row["content"] = (
        bytes(row["salt"]) + bytes(row["content"])[:5],
        bytes(row["content"])[5:],
    )


def _unstamp(rows: Stored) -> None:
    for row in rows["audit_log_heads"]:
        row["stamp"] = None


def _hold_for_ever(rows: Stored) -> None:
    """Nobody else takes over: the log is signed no more."""
    rows["audit_log"][0].update(holder="nobody", held_until_us=now_us() + YEAR_US)


def _made_admin(rows: Stored) -> None:
    for row in rows["api_keys"]:
        row["role"] = "admin"


def _forgot_open_jobs(rows: Stored) -> None:
    rows["jobs"], rows["job_rows"] = [], []


# --- the campaign -------------------------------------------------------------------------


def campaign(
    target: TamperTarget, most: int, wanted: Callable[[Attack], bool] = lambda _: True
) -> list[TamperOutcome]:
    """Every attack that is wanted, one after the other."""
    before = target.read()
    came = []
    with opened(target.url) as database:  # once: an engine compiles its statements anew
        for attack in attacks(before, most, target.is_sqlite):
            if not wanted(attack):
                continue
            rows = {name: [dict(row) for row in found] for name, found in before.items()}
            attack.change(rows)
            if rows == before:
                continue
            try:
                target.write(rows, before)
            except sa.exc.DBAPIError:
                continue  # the database itself does not take it
            came.append(TamperOutcome(attack, *target.look_at(database)))
            target.write(before, rows)
    return came


def zeroed(target: TamperTarget, folder: Path) -> list[TamperOutcome]:
    """Each page of a SQLite file filled with zeros, in a copy of it."""
    file = Path(str(target.engine.url.database))
    target.engine.dispose()
    with contextlib.closing(sqlite3.connect(file)) as connection:
        connection.execute("PRAGMA wal_checkpoint(TRUNCATE)")
        (size,) = connection.execute("PRAGMA page_size").fetchone()
    content = file.read_bytes()
    came = []
    for page in range(len(content) // size):
        copy = folder / f"page-{page}.sqlite3"
        copy.write_bytes(content[: page * size] + bytes(size) + content[(page + 1) * size :])
        other = replace(target, url=f"sqlite:///{copy}", engine=sa.create_engine(target.url))
        attack = Attack("(file)", f"page {page + 1}", "zeros", lambda rows: None)
        found = other.look()
        if any(found) or not _is_same(file, copy):  # a page that no table uses loses nothing
            came.append(TamperOutcome(attack, *found))
        other.engine.dispose()
        for left in folder.glob(f"{copy.name}*"):
            left.unlink()
    return came


def _is_same(file: Path, copy: Path) -> bool:
    """Whether two files have the same rows."""
    with (
        contextlib.closing(sqlite3.connect(file)) as one,
        contextlib.closing(sqlite3.connect(copy)) as other,
    ):
        return list(one.iterdump()) == list(other.iterdump())


@contextlib.contextmanager
def filled(
    store: str, *, with_anchors: bool, with_head: bool = True
) -> Iterator[tuple[TamperTarget, Path]]:
    """A store to attack, and a folder beside it."""
    with contextlib.ExitStack() as stack:
        folder = Path(tempfile.mkdtemp(prefix="ifonly-tamper-"))
        stack.callback(shutil.rmtree, folder, ignore_errors=True)
        url = f"sqlite:///{folder / 'store.sqlite3'}"
        if store == "postgresql":
            url = stack.enter_context(server()).new_database()
        file = folder / "anchors.jsonl"
        with opened(url) as database:
            fill(database, file)
            kept = kept_head(database) if with_head else None
        driver = url.replace("postgresql://", "postgresql+psycopg://")
        engine = sa.create_engine(driver)
        stack.callback(engine.dispose)
        yield TamperTarget(url, file if with_anchors else None, kept, engine), folder


def show(came: Sequence[TamperOutcome], console: Console) -> None:
    """Counts by table, column and kind; then what was not found, and why."""
    table = Table("table", "column", "kind", "tried", "alone", "with head", "why not")
    keys = Counter((o.attack.table, o.attack.column, o.attack.kind) for o in came)
    for key, tried in sorted(keys.items()):
        mine = [o for o in came if (o.attack.table, o.attack.column, o.attack.kind) == key]
        why = "; ".join(sorted({o.why or "NOBODY KNOWS" for o in mine if not o.alone}))
        alone, kept = (sum(map(bool, said)) for said in zip(*map(_said, mine), strict=True))
        table.add_row(*key, str(tried), str(alone), str(kept), why)
    console.print(table)
    for o in unexplained(came):
        console.print(f"{o.attack.table} {o.attack.column} {o.attack.kind}: {_said(o)}")
    console.print(summary(came))


def _said(o: TamperOutcome) -> tuple[str, str | None]:
    return o.alone, o.kept


def summary(came: Sequence[TamperOutcome]) -> str:
    """The figures, in a line."""
    alone, kept = (sum(map(bool, said)) for said in zip(*map(_said, came), strict=True))
    return (
        f"{len(came)} attacks: {alone} found by the store alone, {kept} with a kept head, "
        f"{len(came) - kept} by neither; unexplained: {len(unexplained(came))}"
    )


def unexplained(came: Iterable[TamperOutcome]) -> list[TamperOutcome]:
    """What was not found, and should have been."""
    return [o for o in came if not o.is_explained]


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--store", choices=("sqlite", "postgresql"), default="sqlite")
    parser.add_argument("--rows", type=int, default=3, help="of each table and column")
    parser.add_argument("--anchors", action="store_true", help="verify with the anchor file")
    parser.add_argument("--no-head", action="store_true", help="as if nobody had kept a head")
    parser.add_argument("--json", action="store_true", help="every outcome, as lines of JSON")
    said = parser.parse_args()
    chosen = {"with_anchors": said.anchors, "with_head": not said.no_head}
    with filled(said.store, **chosen) as (target, folder):
        if any(wrong := target.look()):
            raise SystemExit(f"the untouched store does not hold: {wrong}")
        came = campaign(target, said.rows)
        came += zeroed(target, folder) if target.is_sqlite else []
    if said.json:
        for o in came:
            a = o.attack
            print(json.dumps([a.table, a.column, a.kind, o.alone, o.kept, o.why]))
    else:
        show(came, Console(width=160))
    return bool(unexplained(came))


if __name__ == "__main__":
    sys.exit(main())

"""Whatever is done to a trail behind the service's back is found, and where."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from ifonly.service.store import archive
from ifonly.service.store.chain import Facts, Head, Trouble, hash_of, seal
from ifonly.service.store.database import Database
from ifonly.service.store.erasure import erase, prune
from ifonly.service.store.journal import Draft, Journal, JournalOptions
from ifonly.service.store.kinds import RecordKind
from ifonly.service.store.opened import opened
from ifonly.service.store.rows import record_of
from ifonly.service.store.tables import payloads, records, writers
from ifonly.service.store.verification import VerificationReport, verify
from tests.contract.store.conftest import draft, journal_of

Fill = Callable[[int], list[str]]


def tamper(database: Database, *statements: Any) -> None:
    with database.writer.begin() as connection:
        if database.is_sqlite:
            connection.exec_driver_sql("PRAGMA defer_foreign_keys = ON")
        for statement in statements:
            connection.execute(statement)


def troubles(report: VerificationReport) -> list[tuple[int, Trouble]]:
    return [(f.sequence, f.trouble) for f in report.findings]


def at(sequence: int, table: sa.Table = records) -> Any:
    return table.c.sequence == sequence


def test_one_bit_of_any_column_is_found(database: Database, filled: Fill) -> None:
    filled(5)
    with database.reading() as connection:
        sealed = connection.execute(sa.select(records).where(at(3))).one()._mapping
    for name in sealed.keys() - {"writer", "sequence"}:
        change = sa.update(records).where(at(3))
        tamper(database, change.values({name: flipped(sealed[name])}))
        report = verify(database)
        assert not report.holds, name
        assert report.findings[0].sequence == 3
        assert {f.sequence for f in report.findings} <= {3, 4}
        tamper(database, change.values({name: sealed[name]}))
    assert verify(database).holds


def flipped(value: Any) -> Any:
    """``value`` with one bit changed; something where there was nothing."""
    if value is None:
        return "x"
    return value ^ 1 if isinstance(value, int) else chr(ord(value[0]) ^ 1) + value[1:]


def test_one_bit_of_a_payload_or_its_salt_is_found(database: Database, filled: Fill) -> None:
    filled(5)
    for column in ("salt", "content"):
        with database.reading() as connection:
            value = connection.scalar(sa.select(payloads.c[column]).where(at(2, payloads)))
        assert value is not None
        other = bytes([value[0] ^ 1]) + bytes(value[1:])
        change = sa.update(payloads).where(at(2, payloads))
        tamper(database, change.values({column: other}))
        assert troubles(verify(database)) == [(2, Trouble.PAYLOAD_ALTERED)]
        tamper(database, change.values({column: value}))
    assert verify(database).holds


def test_deleted_records_are_found(database: Database, filled: Fill) -> None:
    filled(6)
    for sequence in (3, 4):
        tamper(
            database,
            sa.delete(payloads).where(at(sequence, payloads)),
            sa.delete(records).where(at(sequence)),
        )
    report = verify(database)
    assert troubles(report) == [(3, Trouble.MISSING)]
    assert "records 3 to 4 are missing" in report.findings[0].text


def test_records_that_changed_places_are_found(database: Database, filled: Fill) -> None:
    filled(5)
    moves = [(2, 99), (3, 2), (99, 3)]
    tamper(
        database,
        sa.delete(payloads),
        *(sa.update(records).where(at(a)).values(sequence=b) for a, b in moves),
    )
    found = troubles(verify(database))
    assert (2, Trouble.MOVED) in found
    assert (3, Trouble.MOVED) in found


def cut(database: Database, writer: str, last: int) -> None:
    """Remove the tail after ``last`` and every trace of it outside of anchors."""
    tail = sa.and_(records.c.writer == writer, records.c.sequence > last)
    behind = sa.and_(payloads.c.writer == writer, payloads.c.sequence > last)
    with database.reading() as connection:
        digest = connection.scalar(
            sa.select(records.c.hash).where(records.c.writer == writer, at(last))
        )
    head = sa.update(writers).where(writers.c.id == writer)
    tamper(
        database,
        sa.delete(payloads).where(behind),
        sa.delete(records).where(tail),
        head.values(head_sequence=last, head_hash=digest, anchored=0),
    )


def test_a_cut_tail_is_found_by_the_anchor_in_another_chain(database: Database) -> None:
    with journal_of(database) as one:
        for k in range(5):
            one.append(draft(k)).result(30)
    with journal_of(database) as other:
        pass
    cut(database, one.writer, 3)
    report = verify(database)
    assert troubles(report) == [(6, Trouble.CUT)]  # the last that was anchored
    (finding,) = report.findings
    assert finding.writer == one.writer
    assert f"anchored by record 1 of {other.writer}" in finding.text


def test_a_tail_cut_clumsily_is_found_by_the_chains_head(database: Database, filled: Fill) -> None:
    filled(5)
    tamper(
        database,
        sa.delete(payloads).where(at(5, payloads)),
        sa.delete(records).where(at(5)),
    )
    assert troubles(verify(database)) == [(5, Trouble.CUT)]


def test_a_tail_cut_with_its_anchors_is_found_by_the_file(
    database: Database, tmp_path: Path
) -> None:
    file = tmp_path / "anchors.jsonl"
    with journal_of(database, anchor_file=file) as journal:
        for k in range(5):
            journal.append(draft(k)).result(30)
    assert verify(database, file).holds
    cut(database, journal.writer, 3)
    assert verify(database).holds  # nothing in the database tells
    report = verify(database, file)
    assert (5, Trouble.CUT) in troubles(report)
    assert "anchors.jsonl" in report.findings[0].text


def test_a_chain_written_anew_does_not_match_its_anchor(database: Database) -> None:
    with journal_of(database) as one:
        one.append(draft(1)).result(30)
    with journal_of(database):
        pass
    with database.reading() as connection:
        row = connection.execute(sa.select(records).where(at(1), records.c.kind != "anchor")).one()
    record = record_of(row)
    forged = seal(replace(record.facts, actor="key:other"), one.writer, Head(), None)
    assert hash_of(forged) == forged.hash
    cut(database, one.writer, 1)
    head = sa.update(writers).where(writers.c.id == one.writer)
    mine = sa.update(records).where(records.c.writer == one.writer)
    tamper(
        database,
        sa.delete(payloads),
        mine.values(actor="key:other", payload_digest=None, hash=forged.hash),
        head.values(head_hash=forged.hash),
    )
    found = troubles(verify(database))
    assert found == [(2, Trouble.CUT)]


def test_an_erased_payload_leaves_the_chain_whole(
    database: Database, journal: Journal, filled: Fill
) -> None:
    ids = filled(5)
    receipt = journal.append(erase(ids[2], "key:admin", "asked for by the person")).result(30)
    report = verify(database)
    assert report.holds
    assert (report.records, report.payloads, report.erased) == (6, 4, 1)
    assert archive.get(database, ids[2])[1] is None
    erasure, _ = archive.get(database, receipt.id)
    assert erasure.facts.about == ids[2]
    assert erasure.facts.detail == {"count": 1, "reason": "asked for by the person"}


def test_sqlite_overwrites_what_was_erased(tmp_path: Path) -> None:
    file = tmp_path / "store.sqlite3"
    secret = b'"operator":"somebody by name"' * 20
    with opened(f"sqlite:///{file}", JournalOptions("test")) as store:
        facts = Facts(kind=RecordKind.PREDICTION, actor="test")
        identity = store.journal.append(Draft(facts, secret)).result(30).id
    assert secret in file.read_bytes()
    with opened(f"sqlite:///{file}", JournalOptions("test")) as store:
        store.journal.append(erase(identity, "test", "asked for")).result(30)
    left = b"".join(f.read_bytes() for f in tmp_path.iterdir())
    assert b"somebody by name" not in left


def test_payloads_that_were_pruned_by_age_leave_the_chain_whole(
    database: Database, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ifonly.service.store.erasure.AT_ONCE", 4)
    for k in range(10):
        journal.append(draft(k, time_us=1_000_000 * k)).result(30)
    assert list(prune(journal, 7_000_000, "key:admin")) == [4, 3]
    report = verify(database)
    assert report.holds
    assert (report.payloads, report.erased) == (3, 7)
    assert list(prune(journal, 7_000_000, "key:admin")) == [0]


def test_a_payload_that_is_gone_without_a_record_is_found(
    database: Database, journal: Journal, filled: Fill
) -> None:
    ids = filled(3)
    journal.append(erase(ids[0], "key:admin", "")).result(30)
    list(prune(journal, 1_000_000, "key:admin"))
    tamper(database, sa.delete(payloads).where(at(2, payloads)))
    assert troubles(verify(database)) == [(2, Trouble.PAYLOAD_MISSING)]


def test_records_that_come_while_it_reads_are_left_for_the_next_time(
    database: Database, journal: Journal, filled: Fill, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ifonly.service.store.archive.PIECE", 2)
    monkeypatch.setattr("ifonly.service.store.verification.PROGRESS", 1)
    filled(5)
    report = verify(database, progress=lambda _: void(filled(1)))
    assert (report.holds, report.records) == (True, 5)


def void(_: object) -> None:
    """Take a value and give none."""


def test_no_more_than_a_hundred_findings_are_kept_but_all_are_counted(
    database: Database, filled: Fill
) -> None:
    filled(120)
    tamper(database, sa.update(records).values(actor="nobody"))
    report = verify(database)
    assert (len(report.findings), report.troubles) == (100, 120)

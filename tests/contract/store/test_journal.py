"""Many ask at once, one thread writes: what is acknowledged is there, in one chain."""

from __future__ import annotations

import asyncio
import sqlite3
import threading
import time
from collections.abc import Callable
from concurrent.futures import Future, ThreadPoolExecutor
from contextlib import closing
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from ifonly.service.errors import JournalFull, StoreUnavailable
from ifonly.service.store import anchors, archive
from ifonly.service.store import journal as module
from ifonly.service.store.chain import Facts, Head
from ifonly.service.store.database import Database, connect
from ifonly.service.store.journal import Draft, Journal
from ifonly.service.store.kinds import RecordKind
from ifonly.service.store.rows import record_of
from ifonly.service.store.tables import records, writers
from ifonly.service.store.verification import verify
from tests.contract.store.conftest import draft, journal_of


def test_a_receipt_is_given_for_a_record_that_is_there_word_for_word(
    database: Database, journal: Journal
) -> None:
    sent = draft(7)
    receipt = journal.append(sent).result(30)
    record, payload = archive.get(database, receipt.id)
    assert record.facts == sent.facts
    assert (record.writer, record.sequence, record.hash) == (journal.writer, 1, receipt.hash)
    assert payload is not None
    assert payload.content == sent.payload
    assert payload.digest == record.payload_digest


def test_records_of_many_threads_are_one_chain_in_few_transactions(
    database: Database, journal: Journal
) -> None:
    hold, taken = threading.Event(), threading.Event()

    def slow(_: sa.Connection) -> Draft:
        taken.set()
        hold.wait(600)
        return draft(0)

    first = journal.append(slow)
    assert taken.wait(600)
    with ThreadPoolExecutor(8) as pool:
        futures = list(pool.map(lambda k: journal.append(draft(k)), range(1, 201)))
    hold.set()
    receipts = [first.result(30), *(f.result(30) for f in futures)]
    assert sorted(r.sequence for r in receipts) == list(range(1, 202))
    assert journal.commits == (2, 201)
    assert verify(database).holds


def test_a_record_waits_a_moment_for_those_that_are_expected(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "COMPANY_SECONDS", 1.0)
    arrived = journal.expect()
    first = journal.append(draft(0))
    while journal.waiting:  # until it has taken the first
        time.sleep(0.001)
    second = journal.append(draft(1))
    arrived()
    assert [first.result(30).sequence, second.result(30).sequence] == [1, 2]
    assert journal.commits == (1, 2)


def test_a_record_waits_for_none_that_has_come_or_takes_long(
    journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(module, "COMPANY_SECONDS", 3_600.0)
    journal.expect()()
    assert journal.append(draft(0)).result(30).sequence == 1
    monkeypatch.setattr(module, "LONGEST_EXPECTED_SECONDS", 0.0)
    journal.expect()
    assert journal.append(draft(1)).result(30).sequence == 2


@pytest.mark.parametrize("kind", ["record", "work", "change"])
def test_whoever_waits_no_more_stops_neither_the_record_nor_the_journal(
    database: Database, journal: Journal, kind: str
) -> None:
    """As a task of asyncio does that is cancelled while it awaits: its client has gone away."""
    hold, taken = threading.Event(), threading.Event()

    def slow(_: sa.Connection) -> Draft:
        taken.set()
        hold.wait(600)
        return draft(0)

    journal.append(slow)
    assert taken.wait(600)
    ask: dict[str, Callable[[], Future[Any]]] = {
        "record": lambda: journal.append(draft(1)),
        "work": lambda: journal.append(lambda _: draft(1)),
        "change": lambda: journal.change(lambda c: c.execute(sa.select(1)).scalar()),
    }
    left = ask[kind]()

    async def await_in_vain() -> None:
        task = asyncio.ensure_future(asyncio.wait_for(asyncio.wrap_future(left), 60))
        await asyncio.sleep(0)
        task.cancel()
        with pytest.raises(asyncio.CancelledError):
            await task

    asyncio.run(await_in_vain())
    hold.set()
    last = journal.append(draft(2)).result(30)
    assert last.sequence == (2 if kind == "change" else 3)
    assert left.result(30)
    assert verify(database).holds


def test_what_comes_from_one_thread_keeps_its_order(
    database: Database, filled: Callable[[int], list[str]]
) -> None:
    ids = filled(20)
    written = archive.everything(database, archive.Filter({}))
    assert [seen.record.facts.id for seen in written] == ids


def test_a_full_queue_refuses_and_keeps_what_it_has(database: Database) -> None:
    hold, taken = threading.Event(), threading.Event()

    def slow(_: sa.Connection) -> Draft:
        taken.set()
        hold.wait(600)
        return draft(0)

    with journal_of(database, capacity=3) as journal:
        futures = [journal.append(slow)]
        assert taken.wait(600)
        futures += [journal.append(draft(k)) for k in range(3)]
        with pytest.raises(JournalFull, match="3 records wait"):
            journal.append(draft())
        hold.set()
        assert [f.result(30).sequence for f in futures] == [1, 2, 3, 4]


def test_close_writes_what_waits_and_refuses_what_comes_later(database: Database) -> None:
    with journal_of(database) as journal:
        futures = [journal.append(draft(k)) for k in range(50)]
    assert [f.result(0).sequence for f in futures] == list(range(1, 51))
    with pytest.raises(JournalFull):
        journal.append(draft())


def test_a_record_that_cannot_be_written_takes_no_other_with_it(
    database: Database, journal: Journal
) -> None:
    hold = threading.Event()

    def slow(_: sa.Connection) -> Draft:
        hold.wait(600)
        return draft(0)

    known = draft()
    first, bad = journal.append(slow), draft(detail={"share": 0.5})
    futures = [journal.append(d) for d in (known, bad, draft(), known, draft())]
    hold.set()
    assert first.result(30).sequence == 1
    assert futures[0].result(30).sequence == 2
    with pytest.raises(ValueError, match="float"):
        futures[1].result(30)
    assert futures[2].result(30).sequence == 3
    with pytest.raises(sa.exc.IntegrityError):  # an id may be given once
        futures[3].result(30)
    assert futures[4].result(30).sequence == 4
    assert verify(database).holds


def test_other_work_is_done_together_with_its_record_or_not_at_all(
    database: Database, journal: Journal
) -> None:
    def fails(connection: sa.Connection) -> Draft:
        connection.execute(sa.update(writers).values(anchored=7))
        raise ZeroDivisionError

    with pytest.raises(ZeroDivisionError):
        journal.append(fails).result(30)
    with database.reading() as connection:
        assert set(connection.scalars(sa.select(writers.c.anchored))) == {0}
    assert journal.append(draft()).result(30).sequence == 1


def test_each_process_has_a_chain_of_its_own(database: Database) -> None:
    def fill(journal: Journal) -> set[str]:
        return {journal.append(draft(k)).result(30).writer for k in range(30)}

    with (
        journal_of(database) as one,
        journal_of(database) as other,
        ThreadPoolExecutor(2) as pool,
    ):
        assert list(pool.map(fill, (one, other))) == [{one.writer}, {other.writer}]
    report = verify(database)
    assert report.holds
    assert report.writers == 2


def test_a_chain_that_somebody_else_wrote_to_is_not_written_to_any_more(
    database: Database, journal: Journal
) -> None:
    journal.append(draft()).result(30)
    with database.writer.begin() as connection:
        connection.execute(sa.update(writers).values(head_sequence=9))
    with pytest.raises((StoreUnavailable, sa.exc.IntegrityError)):
        journal.append(draft()).result(30)


def test_a_transaction_that_was_committed_although_it_broke_is_not_written_twice(
    database: Database, journal: Journal
) -> None:
    breaks = iter([True])

    @sa.event.listens_for(database.writer, "commit")
    def commit_then_break(connection: sa.Connection) -> None:
        if next(breaks, False):
            connection.connection.dbapi_connection.commit()  # type: ignore[union-attr]
            locked = _passing(database)
            raise sa.exc.OperationalError("COMMIT", {}, locked, connection_invalidated=True)

    receipts = [journal.append(draft(k)).result(30) for k in range(3)]
    assert [r.sequence for r in receipts] == [1, 2, 3]
    report = verify(database)
    assert (report.holds, report.records) == (True, 3)


class _Locked(sqlite3.OperationalError):
    sqlite_errorname = "SQLITE_BUSY"


def _passing(database: Database) -> Exception:
    return _Locked("locked") if database.is_sqlite else Exception("the server went away")


def test_anchors_hold_the_heads_that_moved(database: Database, tmp_path: Path) -> None:
    file = tmp_path / "anchors.jsonl"
    with journal_of(database, anchor_file=file) as one:
        last = [one.append(draft(k)).result(30) for k in range(3)][-1]
    with journal_of(database, anchor_file=file):
        pass
    with database.reading() as connection:
        found = [
            record_of(row)
            for row in connection.execute(
                sa.select(records)
                .where(records.c.kind == RecordKind.ANCHOR.value)
                .order_by(records.c.time_us)
            )
        ]
    first, second = (anchors.heads_in(record.facts.detail) for record in found)
    assert first == {one.writer: Head(last.sequence, last.hash)}
    assert second == {one.writer: found[0].head}
    written = list(anchors.read_down(file))
    assert (one.writer, Head(last.sequence, last.hash)) in written
    assert (found[1].writer, found[1].head) in written


def test_a_service_that_idles_writes_no_anchors(database: Database) -> None:
    with journal_of(database, anchor_seconds=0.01) as journal:
        journal.append(draft()).result(30)
        while archive.page(database, archive.Filter({"kind": "anchor"}), None, 9).records == ():
            time.sleep(0.005)
        ticks: list[Any] = [journal.append(Draft(Facts(kind=RecordKind.KEY, actor="system")))]
        ticks[0].result(30)
    count = len(archive.page(database, archive.Filter({"kind": "anchor"}), None, 99).records)
    assert 2 <= count <= 3


def test_the_turns_of_several_writers_leave_each_chain_whole(database: Database, url: str) -> None:
    """As of two processes: each has connections of its own."""
    with (
        closing(connect(url)) as another,
        journal_of(database) as one,
        journal_of(another) as other,
    ):
        futures = [j.append(draft(k)) for k in range(40) for j in (one, other)]
        receipts = [future.result(30) for future in futures]
    assert {r.writer for r in receipts} == {one.writer, other.writer}
    assert verify(database).holds


def test_a_batch_of_records_with_and_without_payloads_is_kept_as_it_was_given(
    database: Database, journal: Journal
) -> None:
    given = [draft(0), Draft(draft(1).facts, None), draft(2)]
    futures = [journal.append(each) for each in given]
    kept = [archive.get(database, future.result(30).id) for future in futures]
    assert [record.facts for record, _ in kept] == [each.facts for each in given]
    assert [None if p is None else p.content for _, p in kept] == [d.payload for d in given]

"""One record is checked without reading the whole trail, and a lie near it is found."""

from __future__ import annotations

import time
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa

from ifonly.service.errors import UnknownRecord
from ifonly.service.store import verify_record
from ifonly.service.store.chain import Trouble, seal
from ifonly.service.store.database import Database
from ifonly.service.store.erasure import erase
from ifonly.service.store.journal import Journal
from ifonly.service.store.rows import record_of
from ifonly.service.store.tables import payloads, records, writers
from ifonly.service.store.terms import Content
from ifonly.service.store.verify_record import ChainStretch, around
from tests.contract.store.conftest import draft, journal_of

Fill = Callable[[int], list[str]]


def troubles(found: ChainStretch) -> list[tuple[int, Trouble]]:
    return [(f.sequence, f.trouble) for f in found.findings]


def change(database: Database, sequence: int, table: sa.Table = records, **values: Any) -> None:
    with database.writer.begin() as connection:
        here = sa.update(table).where(table.c.sequence == sequence)
        connection.execute(here.values(**values))


def test_a_record_between_two_anchors_is_read_from_one_to_the_other(database: Database) -> None:
    with journal_of(database, anchor_seconds=0.05) as journal:
        ids = []
        for k in range(40):
            receipt = journal.append(draft(k)).result(30)
            ids.append(receipt.id)
            while k % 8 == 7 and _anchored(database, journal.writer) < receipt.sequence:
                time.sleep(0.005)
    total = 40 + _anchors(database)
    found = around(database, ids[20])
    assert found.holds
    assert found.since.anchor is not None
    assert found.until.anchor is not None
    assert found.since.head.sequence < found.record.sequence <= found.until.head.sequence
    assert found.read == found.until.head.sequence - found.since.head.sequence < total
    assert found.content is Content.KEPT


def _anchored(database: Database, writer: str) -> int:
    with database.reading() as connection:
        to = sa.select(writers.c.anchored).where(writers.c.id == writer)
        return connection.scalar(to) or 0


def _anchors(database: Database) -> int:
    with database.reading() as connection:
        count = sa.select(sa.func.count()).where(records.c.kind == "anchor")
        return connection.scalar(count) or 0


def test_a_record_that_no_anchor_has_yet_is_read_to_the_chains_end(
    database: Database, filled: Fill
) -> None:
    ids = filled(5)
    found = around(database, ids[2])
    assert found.holds
    assert (found.since.anchor, found.since.head.sequence) == (None, 0)
    assert (found.until.anchor, found.until.head.sequence, found.read) == (None, 5, 5)


def test_a_change_to_the_record_or_to_a_neighbour_is_found(
    database: Database, filled: Fill
) -> None:
    ids = filled(5)
    change(database, 2, actor="key:other")
    assert troubles(around(database, ids[2])) == [(2, Trouble.ALTERED)]
    change(database, 2, actor="key:12345678")
    change(database, 3, payloads, content=b"{}")
    assert troubles(around(database, ids[2])) == [(3, Trouble.PAYLOAD_ALTERED)]
    assert around(database, ids[0]).holds  # of its neighbours only the links are read


def test_a_chain_that_was_written_anew_contradicts_its_anchor(database: Database) -> None:
    with journal_of(database) as journal:  # anchored when it closes
        ids = [journal.append(draft(k)).result(30).id for k in range(4)]
    _rewrite(database, journal.writer)
    with journal_of(database):  # whose first record anchors that
        pass
    found = around(database, ids[1])
    assert found.until.anchor is not None
    assert troubles(found) == [(5, Trouble.UNLINKED)]


def _rewrite(database: Database, writer: str) -> None:
    """Change what the second record says, and seal it and those after it anew."""
    chosen = sa.select(records).where(records.c.writer == writer).order_by(records.c.sequence)
    with database.reading() as connection:
        chain = [record_of(row) for row in connection.execute(chosen)]
    before = chain[0].head
    for record in chain[1:4]:
        facts = record.facts
        if record.sequence == 2:
            facts = replace(facts, actor="key:other")
        again = seal(facts, writer, before, record.payload_digest)
        change(
            database,
            record.sequence,
            actor=facts.actor,
            previous=again.previous,
            hash=again.hash,
        )
        before = again.head


def test_what_was_erased_is_said_to_be(database: Database, journal: Journal, filled: Fill) -> None:
    ids = filled(3)
    journal.append(erase(ids[1], "key:admin", "asked for")).result(30)
    found = around(database, ids[1])
    assert (found.holds, found.content) == (True, Content.ERASED)


def test_no_more_than_its_share_is_read(
    database: Database, filled: Fill, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(verify_record, "MAX_READ", 3)
    ids = filled(12)
    found = around(database, ids[5])
    assert found.holds
    assert (found.since.head.sequence, found.until.head.sequence, found.read) == (3, 9, 6)


def test_a_record_that_is_not_there_is_named(database: Database) -> None:
    with pytest.raises(UnknownRecord, match="'nothing'"):
        around(database, "nothing")

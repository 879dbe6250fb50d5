"""The log over all chains: one order, signed heads, whoever appends and whoever is killed."""

from __future__ import annotations

import hashlib
from collections.abc import Callable, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager

import pytest
import sqlalchemy as sa

from ifonly.service.errors import StoreUnavailable
from ifonly.service.store import archive, log_appending, translog
from ifonly.service.store.chain import Record, now_us
from ifonly.service.store.database import Database
from ifonly.service.store.journal import Journal
from ifonly.service.store.sequencer import Sequencer, SequencerOptions
from ifonly.service.store.translog import LogBroken
from ifonly.service.store.verification import verify
from ifonly.service.transparency.signing import LocalSigner
from ifonly.service.transparency.verifier import (
    Note,
    check_consistency,
    check_inclusion,
    leaf_hash,
    read_head,
)
from tests.contract.store.conftest import draft, journal_of

SIGNER = LocalSigner.of("log.example", bytes(32))
Fill = Callable[[int], list[str]]


def began(journal: Journal) -> None:
    journal.append(log_appending.begin(SIGNER.key, "system")).result(30)


def sequencer(database: Database, journal: Journal) -> Sequencer:
    """One whose rounds are called by hand."""
    return Sequencer(database, journal, SIGNER, SequencerOptions())


def everything(database: Database) -> list[Record]:
    return [seen.record for seen in archive.everything(database, archive.Filter({}))]


def check_all(database: Database) -> int:
    """Every record that was there when the newest head was signed is proven; how many."""
    head = translog.latest(database)
    assert head is not None
    signed = read_head(Note.parse(head.note), SIGNER.key).checkpoint
    prover = translog.Prover(database, head)
    found = {}
    for record in everything(database):
        proof = prover.of(record.writer, record.sequence)
        if proof is not None:
            leaf = leaf_hash(bytes.fromhex(record.hash))
            check_inclusion(leaf, proof.index, signed.size, proof.hashes, signed.root)
            found[proof.index] = record
    assert sorted(found) == list(range(signed.size))
    return signed.size


@pytest.fixture
def log(database: Database, journal: Journal) -> Sequencer:
    began(journal)
    return sequencer(database, journal)


def test_every_record_is_a_leaf_and_is_proven(
    database: Database, filled: Fill, log: Sequencer
) -> None:
    filled(700)
    log.round()
    assert check_all(database) == len(everything(database))


def test_a_head_is_signed_only_when_there_is_something_new(
    database: Database, filled: Fill, log: Sequencer
) -> None:
    filled(3)
    log.round()
    first = translog.latest(database)
    log.round()
    assert translog.latest(database) == first


def test_each_head_begins_with_the_one_before(
    database: Database, filled: Fill, log: Sequencer
) -> None:
    kept = []
    for count in (1, 2, 255, 300, 5):
        filled(count)
        log.round()
        head = translog.latest(database)
        assert head is not None
        kept.append(head.checkpoint)
    for old in kept:
        for new in kept:
            if old.size <= new.size:
                proof = translog.consistency(database, old.size, new.size)
                check_consistency(old.size, new.size, old.root, new.root, proof)


def test_what_was_there_before_the_log_is_taken_in_by_many_batches(
    database: Database, filled: Fill, log: Sequencer, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(log_appending, "MOST_LEAVES", 100)
    filled(950)
    log.round()
    assert check_all(database) == len(everything(database))


def test_many_who_append_at_once_make_one_order(database: Database, journal: Journal) -> None:
    began(journal)

    def work(turns: int) -> None:
        with journal_of(database) as own:
            appends = sequencer(database, own)
            for _ in range(turns):
                done = [own.append(draft(k)) for k in range(7)]
                for future in done:
                    future.result(30)
                appends.round(force=True)

    with ThreadPoolExecutor(4) as pool:
        list(pool.map(work, [6] * 4))
    sequencer(database, journal).round(force=True)
    assert check_all(database) == len(everything(database))


def test_who_holds_the_lease_does_the_work_and_the_others_take_over_once_it_ends(
    database: Database, filled: Fill, log: Sequencer
) -> None:
    filled(1)
    log.round()
    with journal_of(database) as other:
        later = sequencer(database, other)
        other.append(draft()).result(30)
        before = translog.latest(database)
        later.round()
        assert translog.latest(database) == before
        with database.writer.begin() as connection:
            connection.execute(sa.text("UPDATE audit_log SET held_until_us = 0"))
        later.round()
        found = translog.state(database)
        assert found is not None
        assert found.holder == other.writer
    check_all(database)


def test_a_lease_that_is_longer_than_any_holds_up_nobody(
    database: Database, filled: Fill, log: Sequencer
) -> None:
    """Or whoever can write to the store once could keep it from being signed for ever."""
    filled(1)
    with database.writer.begin() as connection:
        ever = now_us() + 30 * translog.MOST_LEASE_US
        statement = sa.text("UPDATE audit_log SET holder = 'nobody', held_until_us = :ever")
        connection.execute(statement, {"ever": ever})
    assert any(f.where == "audit_log.held_until_us" for f in verify(database).findings)
    log.round()
    assert verify(database).findings == []
    check_all(database)


class Killed(BaseException):
    """Stands for the end of the process: nothing catches it."""


STEPS = ["gather", "sign", "append"]


@pytest.mark.parametrize("step", STEPS)
@pytest.mark.parametrize("when", ["before", "after"])
def test_one_who_is_stopped_between_any_two_steps_leaves_a_log_that_goes_on(
    database: Database,
    filled: Fill,
    log: Sequencer,
    monkeypatch: pytest.MonkeyPatch,
    step: str,
    when: str,
) -> None:
    filled(300)
    log.round()
    kept = translog.latest(database)
    assert kept is not None
    filled(300)
    whole = getattr(log_appending, step)

    def stopped(*given: object, **named: object) -> object:
        if when == "after":
            whole(*given, **named)
        raise Killed

    with monkeypatch.context() as patch:
        patch.setattr(log_appending, step, stopped)
        with pytest.raises(Killed):
            log.round()
    with journal_of(database) as other:
        sequencer(database, other).round(force=True)
    assert check_all(database) > kept.size
    now = translog.latest(database)
    assert now is not None
    proof = translog.consistency(database, kept.size, now.size)
    old, new = kept.checkpoint, now.checkpoint
    check_consistency(old.size, new.size, old.root, new.root, proof)


def test_a_change_that_fails_in_its_middle_is_not_done_at_all(
    database: Database, filled: Fill, log: Sequencer
) -> None:
    filled(300)
    batch = log_appending.gather(database, SIGNER.key.name)
    assert batch is not None
    change = log_appending.append(batch, log_appending.sign(batch, SIGNER), "me", 0)

    class Broken(Exception):
        pass

    def broken(connection: sa.Connection) -> None:
        assert change(connection)
        raise Broken

    with pytest.raises(Broken), database.writer.begin() as connection:
        broken(connection)
    assert translog.latest(database) is None
    assert translog.runs(database) == []
    log.round()
    check_all(database)


def test_a_change_that_was_committed_after_all_is_known_again(
    database: Database, filled: Fill, log: Sequencer
) -> None:
    filled(10)
    batch = log_appending.gather(database, SIGNER.key.name)
    assert batch is not None
    change = log_appending.append(batch, log_appending.sign(batch, SIGNER), "me", 0)
    for _ in range(2):
        with database.writer.begin() as connection:
            assert change(connection)
    check_all(database)


@pytest.mark.parametrize(
    "damage",
    [
        "DELETE FROM audit_log_tiles WHERE level = 0 AND number = 1",
        "UPDATE audit_log_tiles SET hashes = (SELECT hashes FROM audit_log_tiles AS t "
        "WHERE t.level = 1) WHERE level = 0 AND number = 1",
        "UPDATE audit_log SET size = 280",
        "UPDATE audit_log SET size = 0",
    ],
)
def test_nothing_is_signed_that_does_not_begin_with_what_was_signed(
    database: Database, filled: Fill, log: Sequencer, damage: str
) -> None:
    filled(300)
    log.round()
    with database.writer.begin() as connection:
        connection.execute(sa.text(damage))
    filled(5)
    kept = translog.latest(database)
    with pytest.raises(LogBroken):
        log.round()
    assert translog.latest(database) == kept


def test_nothing_is_signed_after_the_store_was_set_back(
    database: Database, filled: Fill, log: Sequencer
) -> None:
    """As by a backup: what is stored fits together, and is less than was signed."""
    filled(5)
    log.round()
    tables = ("audit_log_heads", "audit_log_runs", "audit_log_writers", "audit_log_tiles")
    with database.writer.begin() as connection:
        for table in tables:
            connection.execute(sa.text(f"DELETE FROM {table}"))
        connection.execute(sa.text("UPDATE audit_log SET size = 0"))
    with pytest.raises(LogBroken, match="was signed, and the log has 0"):
        log.round()


def test_of_the_heads_of_a_minute_one_is_kept_and_all_that_others_vouch_for(
    database: Database, filled: Fill, log: Sequencer, monkeypatch: pytest.MonkeyPatch
) -> None:
    clock = iter(60_000_000 * minute + k for minute in (1, 2) for k in range(4))
    monkeypatch.setattr(log_appending, "now_us", lambda: next(clock))

    def turn() -> int:
        filled(1)
        batch = log_appending.gather(database, SIGNER.key.name)
        assert batch is not None
        head = log_appending.sign(batch, SIGNER)
        with monkeypatch.context() as patch, database.writer.begin() as connection:
            patch.setattr(log_appending, "now_us", lambda: 0)
            assert log_appending.append(batch, head, "me", 0)(connection)
        return head.size

    turn()
    vouched = turn()
    found = translog.latest(database)
    assert found is not None
    witnessed = translog.StoredHead(found.size, found.time_us, found.note, "— w x\n", b"stamp")
    with database.writer.begin() as connection:
        log_appending.keep_head(witnessed)(connection)
    turn()
    last_of_first = turn()
    [turn() for _ in range(3)]
    last = turn()
    assert [h.size for h in translog.heads(database)] == [vouched, last_of_first, last]
    assert translog.vouched(database, 0) == witnessed
    newest = translog.vouched(database, vouched)
    assert newest is not None
    assert newest.size == last


def test_a_turn_ends_though_records_go_on_coming(
    database: Database, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    began(journal)
    heads: list[translog.StoredHead] = []

    def more(head: translog.StoredHead) -> None:
        heads.append(head)
        journal.append(draft(len(heads))).result(30)

    Sequencer(database, journal, SIGNER, SequencerOptions(signed=more)).round()
    assert len(heads) == 1


@contextmanager
def running(database: Database, journal: Journal, seconds: float) -> Iterator[Sequencer]:
    appends = Sequencer(database, journal, SIGNER, SequencerOptions(seconds))
    appends.start()
    try:
        yield appends
    finally:
        appends.close()


def test_who_asks_for_a_proof_at_once_does_not_wait_for_the_interval(
    database: Database, journal: Journal
) -> None:
    began(journal)
    with running(database, journal, 3_600) as appends:
        for number in range(3):
            receipt = journal.append(draft(number)).result(30)
            appends.demand().result(30)
            assert translog.proof_of(database, receipt.writer, receipt.sequence) is not None


def test_what_waits_is_appended_when_the_sequencer_is_closed(
    database: Database, journal: Journal
) -> None:
    began(journal)
    with running(database, journal, 3_600):
        receipt = journal.append(draft()).result(30)
    assert translog.proof_of(database, receipt.writer, receipt.sequence) is not None


def test_a_demand_of_a_closed_sequencer_fails_at_once(database: Database, journal: Journal) -> None:
    began(journal)
    with running(database, journal, 3_600) as closed:
        pass
    with pytest.raises(StoreUnavailable, match="closed"):
        closed.demand().result(30)


def test_an_anchor_carries_the_newest_head(database: Database, filled: Fill) -> None:
    with journal_of(database) as own:
        began(own)
        sequencer(database, own).round(force=True)
        head = translog.latest(database)
        assert head is not None
        own.append(draft()).result(30)
    carried = [r.facts.detail for r in everything(database) if r.facts.kind == "anchor"]
    assert [d["log"] for d in carried if d and "log" in d] == [head.note]


def test_a_forged_record_beyond_a_gap_is_no_leaf(
    database: Database, filled: Fill, log: Sequencer
) -> None:
    filled(10)
    with database.writer.begin() as connection:
        connection.execute(sa.text("DELETE FROM audit_records WHERE sequence = 5"))
    log.round()
    found = translog.latest(database)
    assert found is not None
    assert found.size == 4


def test_leaves_are_hashes_of_hashes_of_records(
    database: Database, filled: Fill, log: Sequencer
) -> None:
    filled(1)
    log.round()
    first = everything(database)[0]
    leaf = hashlib.sha256(b"\x00" + bytes.fromhex(first.hash)).digest()
    assert translog.tree_of(database).node(0, 0) == leaf

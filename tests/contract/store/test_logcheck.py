"""A head that somebody kept finds every rewriting of what was before it, and backdating after."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path

import pytest
import sqlalchemy as sa

from ifonly.service.store import anchors, archive, log_appending, logcheck, translog
from ifonly.service.store.chain import GENESIS, Head, Trouble, canonical, document, seal
from ifonly.service.store.database import Database
from ifonly.service.store.export import jsonl
from ifonly.service.store.journal import Journal
from ifonly.service.store.logcheck import KeptHead, check_export
from ifonly.service.store.rows import row_of
from ifonly.service.store.sequencer import Sequencer, SequencerOptions
from ifonly.service.store.tables import log_heads, log_state, log_tiles, payloads, records, writers
from ifonly.service.store.verification import VerificationReport, verify
from ifonly.service.transparency.merkle import Roots, grown
from ifonly.service.transparency.signing import LocalSigner, cosign, sign_head
from ifonly.service.transparency.verifier import Checkpoint, Note, leaf_hash
from tests.contract.store.conftest import draft

SIGNER = LocalSigner.of("log.example", bytes(32))
Fill = Callable[[int], list[str]]


@pytest.fixture
def log(database: Database, journal: Journal) -> Sequencer:
    journal.append(log_appending.begin(SIGNER.key, "system")).result(30)
    return Sequencer(database, journal, SIGNER, SequencerOptions())


@pytest.fixture
def kept(database: Database, filled: Fill, log: Sequencer) -> KeptHead:
    """The head of 300 records, some more of which came later."""
    filled(300)
    log.round()
    head = translog.latest(database)
    assert head is not None
    filled(40)
    log.round()
    return KeptHead(Note.parse(head.note), "the kept head", SIGNER.key)


def execute(database: Database, *statements: str) -> None:
    with database.writer.begin() as connection:
        for statement in statements:
            connection.execute(sa.text(statement))


def troubles(report: VerificationReport) -> set[Trouble]:
    return {finding.trouble for finding in report.findings}


def test_a_log_that_nobody_touched_holds(database: Database, kept: KeptHead) -> None:
    report = verify(database, kept=[kept])
    assert report.findings == []
    assert report.logged == report.records


def rewrite(database: Database, change: Callable[[int, dict[str, object]], object]) -> None:
    """What whoever has the whole database can do: change records, and every hash after them, and
    the times that payloads give; tiles, and heads, signed by a key of their own. ``change``
    returns None to delete; then what the records tell of goes too, and they say that they never
    had any."""
    thief = LocalSigner.of("log.example", b"\x01" * 32)
    found = [seen.record for seen in archive.everything(database, archive.Filter({}))]
    by_writer: dict[str, Head] = {}
    made = []
    deletes = any(change(record.sequence, {}) is None for record in found)
    for record in found:
        facts = record.facts
        if facts.status == translog.LOG_KEY:
            facts = replace(facts, detail={"key": str(thief.key)})
        said: dict[str, object] = {"status": facts.status, "time_us": facts.time_us}
        if change(record.sequence, said) is None:
            continue
        facts = replace(facts, **said)  # type: ignore[arg-type]
        sealed = seal(
            facts,
            record.writer,
            by_writer.get(record.writer, Head(0, GENESIS)),
            None if deletes else record.payload_digest,
        )
        by_writer[record.writer] = sealed.head
        made.append(sealed)
    leaves = [leaf_hash(bytes.fromhex(record.hash)) for record in made]
    tiles = grown(0, {}, leaves)
    with database.writer.begin() as connection:
        if deletes:
            connection.execute(sa.text("DELETE FROM audit_payloads"))
        connection.execute(sa.delete(records))
        connection.execute(sa.insert(records), [row_of(record) for record in made])
        for record in made:
            connection.execute(
                sa.update(payloads)
                .where(payloads.c.writer == record.writer, payloads.c.sequence == record.sequence)
                .values(time_us=record.facts.time_us)
            )
        for writer, head in by_writer.items():
            connection.execute(
                sa.update(writers)
                .where(writers.c.id == writer)
                .values(head_sequence=head.sequence, head_hash=head.hash)
            )
        connection.execute(sa.delete(log_tiles))
        connection.execute(
            sa.insert(log_tiles),
            [{"level": k[0], "number": k[1], "hashes": data} for k, data in tiles.items()],
        )
        connection.execute(sa.delete(log_heads))
        root = Roots()
        for leaf in leaves:
            root.append(leaf)
        note = sign_head(thief, Checkpoint("log.example", len(leaves), root.root), 1_700_000_000)
        log_appending.keep_head(translog.StoredHead(len(leaves), 1_700_000_000_000_000, str(note)))(
            connection
        )
        connection.execute(
            sa.update(log_state).values(size=len(leaves), key=str(thief.key), holder="")
        )
        connection.execute(sa.text(f"UPDATE audit_log_runs SET length = {len(leaves)}"))
        connection.execute(sa.text(f"UPDATE audit_log_writers SET integrated = {len(leaves)}"))


def approve_into_reject(sequence: int, said: dict[str, object]) -> object:
    if sequence == 200:
        said["status"] = "infeasible"
    return said


def backdate(sequence: int, said: dict[str, object]) -> object:
    if sequence == 200:
        said["time_us"] = 1
    return said


@pytest.mark.parametrize("change", [approve_into_reject, backdate])
def test_a_rewriting_of_everything_holds_without_a_kept_head_and_not_with_one(
    database: Database, kept: KeptHead, change: Callable[[int, dict[str, object]], object]
) -> None:
    rewrite(database, change)
    assert verify(database).findings == []
    assert Trouble.HEAD in troubles(verify(database, kept=[kept]))
    # Whoever knows no key finds out by the signature, which is of another key now.
    unknown = replace(kept, key=None)
    assert Trouble.HEAD in troubles(verify(database, kept=[unknown]))


def test_a_record_that_was_deleted_with_all_hashes_after_it_is_missed_by_a_kept_head(
    database: Database, kept: KeptHead
) -> None:
    rewrite(database, lambda sequence, said: None if sequence == 200 else said)
    assert verify(database).findings == []
    assert Trouble.HEAD in troubles(verify(database, kept=[kept]))


def test_a_tail_that_was_cut_off_with_the_log_is_missed_by_a_kept_head(
    database: Database, kept: KeptHead
) -> None:
    rewrite(database, lambda sequence, said: None if sequence > 250 else said)
    assert verify(database).findings == []
    assert Trouble.CUT in troubles(verify(database, kept=[kept]))


@pytest.mark.parametrize(
    ("damage", "found"),
    [
        ("DELETE FROM audit_log", Trouble.NOT_IN_LOG),
        ("DELETE FROM audit_log_heads", Trouble.HEAD),
        ("DELETE FROM audit_log_heads WHERE size > 310", Trouble.HEAD),
        ("DELETE FROM audit_log_runs", Trouble.CUT),
        ("UPDATE audit_log_runs SET first = first + 1", Trouble.NOT_IN_LOG),
        ("UPDATE audit_log_runs SET length = length - 1", Trouble.CUT),
        ("UPDATE audit_log_runs SET length = 4611686018427387903", Trouble.NOT_IN_LOG),
        ("UPDATE audit_log_runs SET length = 4611686018427387904", Trouble.NOT_IN_LOG),
        ("UPDATE audit_log_runs SET first = -1", Trouble.NOT_IN_LOG),
        ("UPDATE audit_log_runs SET writer = 'nobody'", Trouble.CUT),
        ("UPDATE audit_log_writers SET integrated = integrated + 5", Trouble.CONTRADICTED),
        ("DELETE FROM audit_log_writers", Trouble.CONTRADICTED),
        ("UPDATE audit_log SET key = 'other'", Trouble.CONTRADICTED),
        ("DELETE FROM audit_log_tiles WHERE level = 1", Trouble.NOT_IN_LOG),
        (
            "UPDATE audit_log_tiles SET hashes = (SELECT substr(t.hashes, 1, 32) "
            "FROM audit_log_tiles t WHERE t.level = 0 AND t.number = 0) WHERE level = 1",
            Trouble.NOT_IN_LOG,
        ),
        ("UPDATE audit_log_heads SET time_us = time_us + 1000000", Trouble.CONTRADICTED),
        ("UPDATE audit_log_heads SET cosignatures = 'x'", Trouble.HEAD),
        ("DELETE FROM audit_log_tiles WHERE level = 0 AND number = 0", Trouble.NOT_IN_LOG),
        ("UPDATE audit_log SET size = size + 1", Trouble.HEAD),
        ("UPDATE audit_log_heads SET size = size + 1 WHERE size > 310", Trouble.HEAD),
        ("UPDATE audit_log_heads SET note = replace(note, 'e', 'f')", Trouble.HEAD),
        ("UPDATE audit_records SET hash = previous WHERE sequence = 9", Trouble.NOT_IN_LOG),
        ("DELETE FROM audit_records WHERE sequence = 9", Trouble.CUT),
    ],
)
def test_damage_to_the_log_is_found_without_a_kept_head(
    database: Database, kept: KeptHead, damage: str, found: Trouble
) -> None:
    execute(database, damage)
    assert found in troubles(verify(database))


def test_a_line_that_a_known_witness_did_not_sign_is_found(
    database: Database, kept: KeptHead
) -> None:
    """Whoever does not know the witness's key reads the line, and cannot check it."""
    head = translog.latest(database)
    assert head is not None
    witness = LocalSigner.of("witness.example", b"\x02" * 32)
    for when, said, wrong in (
        (head.time_us // 1_000_000, head.checkpoint.text, False),
        (head.time_us // 1_000_000, head.checkpoint.text.replace("log.example", "other"), True),
    ):
        line = str(cosign(witness, said, when))
        with database.writer.begin() as connection:
            connection.execute(sa.update(log_heads).values(cosignatures=line))
        found = verify(database, witnesses=[witness.key.timed]).findings
        assert [(f.trouble, f.where) for f in found[:1]] == (
            [(Trouble.HEAD, "audit_log_heads.cosignatures")] if wrong else []
        )
        assert verify(database).findings == []


def test_two_leaves_that_changed_places_are_found(database: Database, kept: KeptHead) -> None:
    tile = bytearray(translog.tree_of(database).tile((0, 0)))
    tile[:32], tile[32:64] = tile[32:64], tile[:32]
    with database.writer.begin() as connection:
        connection.execute(
            sa.update(log_tiles)
            .where(log_tiles.c.level == 0, log_tiles.c.number == 0)
            .values(hashes=bytes(tile))
        )
    assert Trouble.NOT_IN_LOG in troubles(verify(database))


def forge(database: Database, time_us: int) -> None:
    """A record in a chain of its own, sound in itself."""
    facts = replace(draft().facts, time_us=time_us)
    record = seal(facts, "f" * 16, Head(), None)
    with database.writer.begin() as connection:
        connection.execute(
            sa.insert(writers).values(
                id=record.writer,
                head_sequence=1,
                head_hash=record.hash,
                anchored=0,
            )
        )
        connection.execute(sa.insert(records), [row_of(record)])


@pytest.mark.parametrize("is_leaf", [False, True])
def test_a_record_that_was_dated_back_before_a_kept_head_is_found(
    database: Database, kept: KeptHead, log: Sequencer, is_leaf: bool
) -> None:
    head = translog.trusted_head(kept.note, [SIGNER.key])
    assert head[1] is not None
    forge(database, head[1] * 1_000_000 - logcheck.CLOCKS_US - 1_000_000)
    if is_leaf:
        log.round(force=True)
    assert verify(database).findings == []
    assert troubles(verify(database, kept=[kept])) == {Trouble.BACKDATED}


def test_a_late_record_within_the_clocks_error_is_none_of_those(
    database: Database, kept: KeptHead, log: Sequencer
) -> None:
    head = translog.trusted_head(kept.note, [SIGNER.key])
    assert head[1] is not None
    forge(database, head[1] * 1_000_000 - 1_000_000)
    log.round(force=True)
    assert verify(database, kept=[kept]).findings == []


def test_old_records_that_a_new_log_takes_in_by_batches_were_not_dated_back(
    database: Database, filled: Fill, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The heads on the way say no time: they have not every record of theirs."""
    monkeypatch.setattr(log_appending, "MOST_LEAVES", 50)
    old = 1_600_000_000_000_000
    done = [journal.append(draft(k, time_us=old)) for k in range(180)]
    for future in done:
        future.result(30)
    journal.append(log_appending.begin(SIGNER.key, "system")).result(30)
    heads: list[translog.StoredHead] = []
    Sequencer(database, journal, SIGNER, SequencerOptions(signed=heads.append)).round()
    assert len(heads) == 4
    every = [KeptHead(Note.parse(head.note), f"head {head.size}", SIGNER.key) for head in heads]
    assert verify(database, kept=every).findings == []


def test_anchors_in_a_file_carry_heads_that_find_a_rewriting(
    database: Database, filled: Fill, tmp_path: Path, kept: KeptHead
) -> None:
    file = tmp_path / "anchors.jsonl"
    # Of no chain's end, and of none itself: whatever is found is found by the head that it carries.
    facts = anchors.facts({}, "0.1.0", str(kept.note))
    anchors.write_down(file, seal(facts, "a" * 16, Head(-1), None))
    assert verify(database, file).findings == []
    rewrite(database, approve_into_reject)
    assert Trouble.HEAD in troubles(verify(database, file))


def test_nothing_is_signed_that_does_not_begin_with_the_last_head_in_the_anchors(
    database: Database, journal: Journal, filled: Fill, tmp_path: Path
) -> None:
    """After a backup was restored: those who kept later heads would find two histories."""
    journal.append(log_appending.begin(SIGNER.key, "system")).result(30)
    file = tmp_path / "anchors.jsonl"
    heads = [
        sign_head(signer, Checkpoint("log.example", size, bytes(32)), 5)
        for signer, size in ((SIGNER, 2), (SIGNER, 900), (LocalSigner.new("log.example"), 5_000))
    ]
    lines = [canonical({"detail": {"log": str(head)}}) for head in heads]
    file.write_bytes(b"\n".join([*lines, b'{"torn": ']))
    last = logcheck.last_signed(file, SIGNER.key)
    assert last is not None
    assert last.size == 900
    filled(10)
    with pytest.raises(translog.LogBroken, match="a head of 900 leaves was signed"):
        Sequencer(database, journal, SIGNER, SequencerOptions(last=last)).round()
    assert translog.latest(database) is None


# --- exports ----------------------------------------------------------------------------------


def exported(database: Database) -> list[bytes]:
    head = translog.latest(database)
    assert head is not None
    prover = translog.Prover(database, head)
    return list(jsonl(archive.everything(database, archive.Filter({})), prover))


def test_an_export_that_nobody_touched_holds_against_a_kept_head(
    database: Database, kept: KeptHead
) -> None:
    assert list(check_export(exported(database), [kept])) == []
    assert list(check_export(exported(database), [replace(kept, key=None)])) == []


def altered(line: bytes, **said: object) -> bytes:
    """A line with another word in it, and its own hash made to fit."""
    record = json.loads(line)
    record |= said
    plain = {k: v for k, v in record.items() if k not in ("hash", "salt", "payload", "proof")}
    record["hash"] = hashlib.sha256(canonical(plain)).hexdigest()
    return canonical(record)


def test_an_export_that_was_rewritten_is_found_by_a_kept_head(
    database: Database, kept: KeptHead
) -> None:
    lines = exported(database)
    forged = [*lines[:100], altered(lines[100], status="infeasible"), *lines[101:]]
    assert any("are not those" in text for text in check_export(forged, [kept]))
    shorter = [*lines[:100], *lines[101:]]
    assert any("leaf 100 is not in" in text for text in check_export(shorter, [kept]))
    plain = json.loads(lines[100])
    plain["status"] = "infeasible"
    assert any("not what was sealed" in t for t in check_export([canonical(plain)], []))
    twice = [*lines, lines[7]]
    assert any("two records" in text for text in check_export(twice, [kept]))
    old = altered(lines[-1], time="2001-01-01T00:00:00.000000Z")
    assert any("says it is of 2001" in t for t in check_export([*lines[:-1], old], [kept]))


def test_a_record_of_an_export_is_what_its_document_says(
    database: Database, kept: KeptHead
) -> None:
    """Without its proof a line is what it was before there was a log."""
    first = json.loads(exported(database)[0])
    proof = first.pop("proof")
    record = next(iter(archive.everything(database, archive.Filter({})))).record
    assert first == {**document(record), "hash": record.hash}
    assert sorted(proof) == ["checkpoint", "hashes", "index", "size"]

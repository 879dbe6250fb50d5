"""No row that anything is decided by is believed because it is in the table: each is covered by
the chain, or refused. Every test does to a store what somebody could who may write to it."""

from __future__ import annotations

import hashlib
from collections.abc import Callable
from dataclasses import replace
from typing import Any

import pytest
import sqlalchemy as sa

from ifonly.service.access import Principal, Role
from ifonly.service.errors import KeptByLaw, NotAsSealed, OnHold, UnknownRecord
from ifonly.service.store import (
    anchors,
    archive,
    chain_membership,
    erasure,
    explanations,
    holds,
    idempotency,
    jobs,
    keys,
    sessions,
)
from ifonly.service.store.archive import Filter
from ifonly.service.store.chain import Facts, Head, Payload, Record, Trouble, now_us, seal
from ifonly.service.store.database import Database
from ifonly.service.store.idempotency import Named
from ifonly.service.store.jobs import Answered
from ifonly.service.store.journal import Draft, Journal
from ifonly.service.store.keys import Keyring
from ifonly.service.store.kinds import RecordKind
from ifonly.service.store.rows import record_of, row_of
from ifonly.service.store.tables import (
    idempotency_keys,
    job_rows,
    page_secrets,
    payloads,
    records,
    writers,
)
from ifonly.service.store.tables import jobs as jobs_table
from ifonly.service.store.tables import keys as keys_table
from ifonly.service.store.tables import sessions as sessions_table
from ifonly.service.store.verification import verify
from ifonly.service.store.verify_record import around
from tests.contract.store.conftest import draft, journal_of

Fill = Callable[[int], list[str]]
HOUR_US = 3_600_000_000
YEAR_US = 8_766 * HOUR_US
KIM = Principal("oidc:kim", frozenset({Role.OPERATOR}))


def tamper(database: Database, *statements: Any) -> None:
    """Past every check of the database's own."""
    with database.writer.connect() as connection:
        driver: Any = connection.connection.driver_connection
        if database.is_sqlite:
            driver.execute("PRAGMA foreign_keys = OFF")
        with connection.begin():
            if not database.is_sqlite:
                connection.exec_driver_sql("SET LOCAL session_replication_role = replica")
            for statement in statements:
                connection.execute(statement)


def wheres(database: Database) -> set[str]:
    """In which columns something is found."""
    return {finding.where for finding in verify(database).findings}


def forged(database: Database, place: str, facts: Facts, *, is_sealed: bool = True) -> Record:
    """A record that nobody wrote."""
    with database.reading() as connection:
        (writer, sequence, digest) = connection.execute(
            sa.select(writers.c.id, writers.c.head_sequence, writers.c.head_hash)
        ).first() or ("", 0, "")
    after = {
        "beyond": Head(sequence, digest),
        "far beyond": Head(sequence + 5, "1" * 64),
        "before": Head(-3),
        "unknown": Head(),
    }[place]
    record = seal(facts, "0123456789abcdef" if place == "unknown" else writer, after, None)
    if not is_sealed:
        record = replace(record, hash="2" * 64)
    tamper(database, sa.insert(records).values(row_of(record)))
    return record


PLACES = pytest.mark.parametrize("place", ["beyond", "far beyond", "before", "unknown"])


def explained(journal: Journal) -> str:
    return journal.append(draft(kind=RecordKind.EXPLANATION)).result(30).id


def waiting(database: Database) -> list[str]:
    return [r.facts.id for r in explanations.unreviewed(database, Filter({}), None, 9).records]


def approval(about: str) -> Facts:
    said = Facts(kind=RecordKind.REVIEW, actor="key:x", status="approve", about=about)
    return replace(said, model="milling-machine", version="1")


# --- records ------------------------------------------------------------------------------


@PLACES
@pytest.mark.parametrize("is_sealed", [True, False])
def test_a_record_that_stands_in_no_chain_is_found_and_told_by_nobody(
    database: Database, journal: Journal, place: str, is_sealed: bool
) -> None:
    asked = explained(journal)
    record = forged(database, place, approval(asked), is_sealed=is_sealed)
    report = verify(database)
    assert Trouble.FORGED in [f.trouble for f in report.findings]
    assert (report.findings[0].writer, report.findings[0].where) == (record.writer, "audit_records")
    with pytest.raises(NotAsSealed, match=f"sequence {record.sequence}"):
        archive.get(database, record.facts.id)
    assert archive.seen(database, record.facts.id).findings
    assert not around(database, record.facts.id).holds
    page = archive.page(database, Filter({}), None, 9)
    assert list(page.doubtful) == [record.facts.id]
    exported = {s.record.facts.id: s.findings for s in archive.everything(database, Filter({}))}
    assert [identity for identity, found in exported.items() if found] == [record.facts.id]


@pytest.mark.parametrize("column", ["seed", "latency_us"])
def test_a_number_with_the_same_hash_as_the_one_that_was_sealed_is_not_it(
    database: Database, journal: Journal, column: str
) -> None:
    """Python's own hash of a whole number is the number modulo 2**61 - 1, in every process."""
    asked = explained(journal)
    assert waiting(database) == [asked]  # the sound row is remembered now
    moved = records.c[column] + sa.literal(2**61 - 1, sa.BigInteger)
    tamper(database, sa.update(records).where(records.c.id == asked).values({column: moved}))
    page = explanations.unreviewed(database, Filter({}), None, 9)
    assert list(page.doubtful) == [asked]
    with database.reading() as connection:
        chosen = sa.select(records, chain_membership.standing()).where(records.c.id == asked)
        assert list(chain_membership.standing_only(connection.execute(chosen))) == []


@PLACES
def test_a_forged_verdict_takes_nothing_out_of_the_queue(
    database: Database, journal: Journal, place: str
) -> None:
    asked = explained(journal)
    forged(database, place, approval(asked))
    assert waiting(database) == [asked]
    assert explanations.reviews_of(database, [asked]) == []
    assert archive.about(database, asked, RecordKind.REVIEW) == ()
    period = (0, now_us() + HOUR_US)
    assert not list(
        explanations.about_model(database, RecordKind.REVIEW, "milling-machine", *period)
    )


@pytest.mark.parametrize("is_resealed", [True, False])
def test_a_comment_that_was_turned_into_an_approval_judges_nothing(
    database: Database, journal: Journal, is_resealed: bool
) -> None:
    asked = explained(journal)
    said = replace(approval(asked), status="comment")
    comment = journal.append(Draft(said, b'{"request":{"comment":"seen"}}')).result(30)
    journal.append(draft()).result(30)
    here = records.c.id == comment.id
    tamper(database, sa.update(records).where(here).values(status="approve"))
    if is_resealed:
        with database.reading() as connection:
            lie = record_of(connection.execute(sa.select(records).where(here)).one())
        before = Head(lie.sequence - 1, lie.previous)
        digest = seal(lie.facts, lie.writer, before, lie.payload_digest).hash
        tamper(database, sa.update(records).where(here).values(hash=digest))
    assert waiting(database) == [asked]
    assert not verify(database).holds


def test_the_queue_leads_on_past_what_was_judged(
    database: Database, journal: Journal, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(explanations, "PIECE", 2)
    monkeypatch.setattr(explanations, "MOST_JUDGED", 3)
    ids = [explained(journal) for _ in range(9)]
    for identity in ids[2:8]:
        journal.append(Draft(approval(identity))).result(30)
    found, cursor, pages = list[str](), None, 0
    while True:
        page = explanations.unreviewed(database, Filter({}), cursor, 1)
        found += [record.facts.id for record in page.records]
        cursor, pages = page.next, pages + 1
        if cursor is None:
            break
    assert found == [ids[8], ids[1], ids[0]]
    assert pages <= 6


def test_a_payload_whose_border_to_the_salt_was_moved_is_found(
    database: Database, filled: Fill
) -> None:
    (identity,) = filled(1)
    with database.reading() as connection:
        row = connection.execute(sa.select(payloads)).one()
    moved = {"salt": bytes(row.salt) + row.content[:3], "content": bytes(row.content[3:])}
    tamper(database, sa.update(payloads).values(moved))
    assert not verify(database).holds
    with pytest.raises(NotAsSealed, match="audit_payloads"):
        archive.get(database, identity)


def test_a_payload_that_no_record_has_and_one_of_another_time_are_found(
    database: Database, filled: Fill
) -> None:
    filled(2)
    tamper(database, sa.update(payloads).where(payloads.c.sequence == 1).values(time_us=1))
    assert wheres(database) == {"audit_payloads.time_us"}
    stray = {"writer": "x", "sequence": 1, "time_us": 1, "salt": b"", "content": b"{}"}
    tamper(database, sa.insert(payloads).values(stray))
    assert wheres(database) == {"audit_payloads.time_us", "audit_payloads"}


def test_a_chain_that_is_kept_from_anchors_is_found(database: Database, filled: Fill) -> None:
    filled(2)
    tamper(database, sa.update(writers).values(anchored=2))
    assert wheres(database) == {"audit_writers.anchored"}


# --- when ---------------------------------------------------------------------------------


def test_a_chain_that_says_it_is_older_than_an_anchor_that_lacks_it_is_found(
    database: Database,
) -> None:
    with journal_of(database) as journal:
        asked = explained(journal)
    facts = replace(approval(asked), time_us=now_us() - YEAR_US)
    record = seal(facts, "0123456789abcdef", Head(), None)
    head = {"id": record.writer, "head_sequence": 1, "head_hash": record.hash, "anchored": 0}
    tamper(database, sa.insert(writers).values(head), sa.insert(records).values(row_of(record)))
    (finding,) = verify(database).findings
    assert (finding.trouble, finding.writer) == (Trouble.BACKDATED, record.writer)
    with journal_of(database):  # which anchors it, too late
        pass
    assert [f.trouble for f in verify(database).findings] == [Trouble.BACKDATED]


def test_a_process_whose_clock_was_set_back_is_not_accused(
    database: Database, monkeypatch: pytest.MonkeyPatch
) -> None:
    with journal_of(database) as journal:
        journal.append(draft()).result(30)
    real, away = anchors.facts, 0

    def facts(heads: anchors.Heads, version: str, signed: str | None = None) -> Facts:
        return replace(real(heads, version, signed), time_us=now_us() + away)

    monkeypatch.setattr(anchors, "facts", facts)
    for away in (-10 * YEAR_US, 0, YEAR_US, 0):
        with journal_of(database) as journal:
            journal.append(draft(time_us=now_us() + away)).result(30)
    assert verify(database).holds


# --- erasing ------------------------------------------------------------------------------


def test_a_forged_erasure_excuses_nothing(database: Database, journal: Journal) -> None:
    gone = journal.append(draft()).result(30)
    facts = Facts(kind=RecordKind.ERASURE, actor="cli:x", about=gone.id, detail={"count": 1})
    forged(database, "beyond", facts)
    tamper(database, sa.delete(payloads))
    found = {(f.sequence, f.trouble) for f in verify(database).findings}
    assert (gone.sequence, Trouble.PAYLOAD_MISSING) in found
    assert Trouble.PAYLOAD_MISSING in [f.trouble for f in around(database, gone.id).findings]


def test_an_erasure_by_age_excuses_what_it_erased_and_nothing_else(
    database: Database, journal: Journal
) -> None:
    old, held = (journal.append(draft(k, time_us=1_000_000)).result(30) for k in range(2))
    journal.append(holds.put("cli:x", "a court asks", record=held.id)).result(30)
    assert list(erasure.prune(journal, now_us(), "cli:x")) == [1]
    late = journal.append(draft(2, time_us=1_000_000)).result(30)  # its clock was wrong
    assert verify(database).holds
    tamper(database, sa.delete(payloads))
    missing = {f.sequence for f in verify(database).findings}
    assert missing == {held.sequence, late.sequence}
    assert old.sequence not in missing


def test_nothing_is_pruned_that_is_yet_to_come_or_must_be_kept(
    database: Database, journal: Journal
) -> None:
    journal.append(draft(time_us=now_us() - YEAR_US)).result(30)
    with pytest.raises(KeptByLaw, match="kept for 0 days"):
        list(erasure.prune(journal, now_us() + HOUR_US, "cli:x"))
    with pytest.raises(KeptByLaw, match="IFONLY_AUDIT_KEEP_DAYS"):
        list(erasure.prune(journal, now_us() - YEAR_US // 2, "cli:x", keep_days=184))
    assert list(erasure.prune(journal, now_us() - YEAR_US // 2, "cli:x", keep_days=182)) == [1]


def test_a_payload_is_pruned_by_its_records_time(database: Database, journal: Journal) -> None:
    journal.append(draft()).result(30)
    tamper(database, sa.update(payloads).values(time_us=1))
    assert list(erasure.prune(journal, now_us() - HOUR_US, "cli:x")) == [0]


@pytest.mark.parametrize("over", ["record", "model", "everything"])
def test_a_hold_is_above_every_erasure_until_it_is_lifted(
    database: Database, journal: Journal, over: str
) -> None:
    asked = journal.append(draft(time_us=1_000_000)).result(30).id
    said = {"record": {"record": asked}, "model": {"model": "milling-machine"}, "everything": {}}
    hold = journal.append(holds.put("cli:x", "a court asks", **said[over])).result(30).id
    assert [h.id for h in holds.listing(database)] == [hold]
    with pytest.raises(OnHold, match=f"{asked} is under the legal hold {hold} .a court asks"):
        journal.append(erasure.erase(asked, "cli:x", "asked for")).result(30)
    assert list(erasure.prune(journal, now_us(), "cli:x")) == [0]
    forged(database, "beyond", Facts(kind=RecordKind.HOLD, actor="x", status="lifted", about=hold))
    assert [h.id for h in holds.listing(database)] == [hold], "a forged end ends nothing"
    tamper(database, sa.delete(records).where(records.c.status == "lifted"))
    journal.append(holds.lift(hold, "cli:x", "over")).result(30)
    with pytest.raises(UnknownRecord, match="hold in force"):
        journal.append(holds.lift(hold, "cli:x", "again")).result(30)
    journal.append(erasure.erase(asked, "cli:x", "asked for")).result(30)
    assert verify(database).holds


def test_a_hold_leaves_what_it_is_not_over(database: Database, journal: Journal) -> None:
    other = journal.append(draft(model="press", time_us=1_000_000)).result(30).id
    journal.append(draft(time_us=1_000_000)).result(30)
    journal.append(holds.put("cli:x", "", model="milling-machine")).result(30)
    assert list(erasure.prune(journal, now_us(), "cli:x")) == [1]
    journal.append(erasure.erase(other, "cli:x", "")).result(30)
    with pytest.raises(UnknownRecord, match="'nothing'"):
        journal.append(holds.put("cli:x", "", record="nothing")).result(30)


# --- keys and sessions --------------------------------------------------------------------


def made(journal: Journal, role: Role = Role.OPERATOR) -> str:
    token, work = keys.create(role, "line 3", None, "cli:root")
    journal.append(work).result(30)
    return token


def held_by(database: Database, token: str) -> Principal | None:
    ring = Keyring(database)
    ring.load()
    return ring.find(token)


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("role", "admin"),
        ("role", "king"),
        ("created_us", 1),
        ("expires_us", 2**50),
        ("label", "of somebody else"),
        ("scope", '{"models":["line-b"],"attributes":{}}'),
        ("scope", "no scope"),
    ],
)
def test_a_key_that_was_edited_in_the_table_gives_no_rights(
    database: Database, journal: Journal, column: str, value: object
) -> None:
    token, other = made(journal), made(journal, Role.AUDITOR)
    here = keys_table.c.id == token.split("_")[1]
    tamper(database, sa.update(keys_table).where(here).values({column: value}))
    assert held_by(database, token) is None
    assert held_by(database, other) is not None
    assert wheres(database) == {f"api_keys.{column}"}


def test_a_key_that_was_only_written_into_the_table_is_nobodys(
    database: Database, journal: Journal
) -> None:
    token = made(journal, Role.ADMIN)
    with database.reading() as connection:
        row = dict(connection.execute(sa.select(keys_table)).one()._mapping)
    forged_token = token.replace(token.split("_")[1], "00000000")
    row |= {"id": "00000000", "digest": hashlib.sha256(forged_token.encode()).hexdigest()}
    tamper(database, sa.insert(keys_table).values(row))
    assert held_by(database, forged_token) is None
    assert wheres(database) == {"api_keys"}


def test_a_key_stays_revoked_whatever_the_table_says(database: Database, journal: Journal) -> None:
    token = made(journal)
    journal.append(keys.revoke(token.split("_")[1], "cli:root")).result(30)
    tamper(database, sa.update(keys_table).values(revoked_us=None))
    assert held_by(database, token) is None
    assert wheres(database) == {"api_keys.revoked_us"}
    tamper(database, sa.delete(keys_table))
    assert wheres(database) == {"api_keys"}


def test_a_key_whose_record_was_altered_is_nobodys(database: Database, journal: Journal) -> None:
    token = made(journal)
    tamper(database, sa.update(keys_table).values(role="admin"))
    with database.reading() as connection:
        detail = connection.scalar(sa.select(records.c.detail).where(records.c.kind == "key"))
    lie = str(detail).replace("operator", "admin")
    tamper(database, sa.update(records).where(records.c.kind == "key").values(detail=lie))
    assert held_by(database, token) is None


def signed_in(journal: Journal, token: str, key: str | None = None) -> None:
    facts = Facts(
        kind=RecordKind.SIGN_IN, actor=KIM.actor, status="signed_in", detail={"by": "account"}
    )
    new = sessions.NewSession(token, KIM, now_us() + HOUR_US, key)
    journal.append(sessions.begin(new, facts)).result(30)


def found(database: Database, token: str) -> Principal | None:
    return sessions.find(database, Keyring(database), token)


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("roles", "admin"),
        ("actor", "oidc:lee"),
        ("expires_us", 2**50),
        ("key", "00000000"),
        ("record", "nothing"),
        ("created_us", 1),
        ("scope", "no scope"),
    ],
)
def test_a_session_that_was_edited_in_the_table_is_nobodys(
    database: Database, journal: Journal, column: str, value: object
) -> None:
    signed_in(journal, "one")
    assert found(database, "one") == KIM
    tamper(database, sa.update(sessions_table).values({column: value}))
    assert found(database, "one") is None
    assert wheres(database) == {f"sessions.{column}"}


def test_a_session_that_was_ended_does_not_come_back(database: Database, journal: Journal) -> None:
    signed_in(journal, "one")
    with database.reading() as connection:
        row = connection.execute(sa.select(sessions_table)).one()._mapping
    facts = Facts(kind=RecordKind.SIGN_IN, actor=KIM.actor, status="signed_out")
    journal.append(sessions.end("one", facts)).result(30)
    tamper(database, sa.insert(sessions_table).values(dict(row)))
    assert found(database, "one") is None
    assert wheres(database) == {"sessions"}


def test_a_session_ends_with_its_key_whatever_the_table_says(
    database: Database, journal: Journal
) -> None:
    key = made(journal).split("_")[1]
    signed_in(journal, "one", key)
    assert found(database, "one") == KIM
    journal.append(keys.revoke(key, "cli:root")).result(30)
    tamper(database, sa.update(keys_table).values(revoked_us=None))
    assert found(database, "one") is None


def test_a_secret_that_nobody_recorded_is_replaced(database: Database, journal: Journal) -> None:
    first = sessions.signing_secret(database, journal)
    tamper(database, sa.update(page_secrets).values(value=b"known to somebody" * 2))
    assert wheres(database) == {"page_secrets.value"}
    second = sessions.signing_secret(database, journal)
    assert second not in (first, b"known to somebody" * 2)
    assert sessions.signing_secret(database, journal) == second
    assert verify(database).holds


# --- jobs and named requests --------------------------------------------------------------


def job(journal: Journal, rows: int = 3, answered: int = 3) -> str:
    facts = Facts(kind=RecordKind.JOB, actor="key:1", role="pipeline", model="press", version="1")
    asked, work = jobs.submit(facts, [b'{"row":%d}' % k for k in range(rows)], 1_000)
    journal.append(work).result(30)
    claim = journal.change(jobs.claim("w", answered, HOUR_US)).result(30)
    assert claim is not None
    about = {"kind": RecordKind.EXPLANATION, "about": asked.id}
    answers = [Answered(r.number, draft(r.number, **about)) for r in claim.rows]
    journal.append(jobs.finish(asked, "w", answers)).result(30)
    return asked.id


@pytest.mark.parametrize(
    ("column", "value"),
    [
        ("state", "cancelled"),
        ("model", "other"),
        ("version", "2"),
        ("actor", "key:2"),
        ("role", "admin"),
        ("request_id", "x"),
        ("rows", 2),
        ("answered", 2),
        ("refused", 1),
        ("created_us", 1),
        ("started_us", 1),
        ("finished_us", 1),
    ],
)
def test_a_job_that_was_edited_in_the_table_is_not_told_of(
    database: Database, journal: Journal, column: str, value: object
) -> None:
    asked = job(journal)
    jobs.find(database, asked)
    tamper(database, sa.update(jobs_table).values({column: value}))
    with pytest.raises(NotAsSealed, match=rf"jobs\.{column}"):
        jobs.find(database, asked)
    assert f"jobs.{column}" in wheres(database)


def test_a_row_that_leads_to_another_answer_tells_nothing(
    database: Database, journal: Journal
) -> None:
    asked, other = job(journal), explained(journal)
    with database.reading() as connection:
        answers = connection.scalars(sa.select(job_rows.c.record).order_by(job_rows.c.number)).all()
    for wrong in (answers[1], other):
        change = sa.update(job_rows).where(job_rows.c.number == 0)
        tamper(database, change.values(record=wrong))
        told = [bool(each.findings) for each in jobs.results(database, asked)]
        assert told == [True, False, False]
        assert wheres(database) == {"job_rows.record"}
    tamper(database, sa.delete(job_rows).where(job_rows.c.number == 0))
    with pytest.raises(NotAsSealed, match="3 rows of the job were answered, and 2 are there"):
        jobs.results(database, asked)
    assert not verify(database).holds


@pytest.mark.parametrize("covers_it_up", [False, True])
def test_a_question_that_nobody_asked_is_not_answered(
    database: Database, journal: Journal, covers_it_up: bool
) -> None:
    asked = jobs.find(database, job(journal, answered=1))
    claim = journal.change(jobs.claim("w", 9, HOUR_US)).result(30)
    assert claim is not None
    digests = jobs.questions(database, asked)
    for row in claim.rows:
        jobs.check(asked, row, digests)
    lie = b'{"row":7}'
    with pytest.raises(NotAsSealed, match="what row 1"):
        jobs.check(asked, replace(claim.rows[0], request=lie), digests)
    change = sa.update(job_rows).where(job_rows.c.number == 1)
    tamper(database, change.values(request=lie))
    if covers_it_up:
        digest = Payload(claim.rows[0].salt or b"", lie).digest
        tamper(database, change.values(digest=digest))
        with pytest.raises(NotAsSealed, match="are not those that were asked"):
            jobs.questions(database, asked)
    assert wheres(database) == {"job_rows.digest" if covers_it_up else "job_rows.request"}


def test_an_open_row_under_another_number_is_found(database: Database, journal: Journal) -> None:
    """The last one, so that the rows are in the same order as before."""
    job(journal, answered=1)
    assert verify(database).holds
    tamper(database, sa.update(job_rows).where(job_rows.c.number == 2).values(number=3))
    assert wheres(database) == {"job_rows.number"}


def test_a_job_that_is_gone_before_its_end_is_missed(database: Database, journal: Journal) -> None:
    job(journal, answered=1)
    tamper(database, sa.delete(job_rows), sa.delete(jobs_table))
    (finding,) = verify(database).findings
    assert "has not ended, and is not there any more" in finding.text


def test_a_named_request_that_leads_to_somebody_elses_answer_is_refused(
    database: Database, journal: Journal
) -> None:
    mine = Named.of("key:12345678", "mine", [b"body"])
    receipt = journal.append(idempotency.once(mine, draft())).result(30)
    idempotency.require(mine, *archive.get(database, receipt.id))
    other = journal.append(draft(actor="key:other")).result(30).id
    tamper(database, sa.update(idempotency_keys).values(record=other))
    with pytest.raises(NotAsSealed, match=r"idempotency_keys\.actor"):
        idempotency.require(mine, *archive.get(database, other))
    places = {f"idempotency_keys.{c}" for c in ("actor", "key", "digest", "created_us")}
    assert wheres(database) == places
    tamper(database, sa.update(idempotency_keys).values(record="nothing"))
    assert wheres(database) == {"idempotency_keys.record"}

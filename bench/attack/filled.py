"""A store with something in every table, filled through the service's own functions."""

from __future__ import annotations

import contextlib
import json
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from functools import partial
from pathlib import Path

import httpx

from ifonly.service.access import Principal, Role
from ifonly.service.lifecycle import AlarmRules
from ifonly.service.store import (
    erasure,
    holds,
    inbox,
    jobs,
    keys,
    log_appending,
    outbox,
    sessions,
    translog,
    witness,
)
from ifonly.service.store.alarm_rates import Decided
from ifonly.service.store.chain import Facts, now_us
from ifonly.service.store.database import Database, connect
from ifonly.service.store.episodes import Observation
from ifonly.service.store.idempotency import Named, once
from ifonly.service.store.inbox import Arrived, Half
from ifonly.service.store.jobs import Answered
from ifonly.service.store.journal import Draft, Journal, JournalOptions
from ifonly.service.store.kinds import RecordKind
from ifonly.service.store.logcheck import KeptHead
from ifonly.service.store.migrate import upgrade
from ifonly.service.store.rates import Rate, take
from ifonly.service.store.sequencer import Sequencer, SequencerOptions
from ifonly.service.transparency.signing import LocalSigner, cosign, sign_head
from ifonly.service.transparency.stamping import stamp
from ifonly.service.transparency.verifier import Checkpoint, Note
from ifonly.service.transparency.witnessing import AddCheckpointRequest
from tests.support.authority import NoAuthority, authority

HOUR_US = 3_600_000_000
MANY = 250
"""Records: more than a tile of the log holds hashes, with the others."""
YEAR_US = 365 * 24 * HOUR_US
MODEL = {"model": "press", "version": "1", "model_sha256": "a" * 64, "spec_sha256": "b" * 64}
SIGNER = LocalSigner.of("bench.example/log", bytes(range(32)))
"""Of the log's heads: its key is nowhere in the store."""
WITNESS = LocalSigner.of("witness.example/w", b"\x01" * 32)
OTHER_LOG = LocalSigner.of("other.example/log", b"\x02" * 32)
KIM = Principal("key:kim", frozenset({Role.AUDITOR}))


def fill(database: Database, anchor_file: Path) -> None:
    """Three chains, one after the other, each anchored by itself and by the next, and a log over
    all of them: two levels of tiles, an older head that others vouched for, a newest one."""
    upgrade(database)
    with _journal(database, anchor_file) as journal:
        journal.append(log_appending.begin(SIGNER.key, "system")).result()
        _ask_and_judge(journal)
        _erase(journal)
        _log(database, journal)
        journal.change(log_appending.keep_head(_vouched(database))).result()
    with _journal(database, anchor_file) as journal:
        _admit(database, journal)
        _work(journal)
        _tell(journal)
        _witness(journal)
        _log(database, journal)
    with _journal(database, anchor_file) as journal:
        for k in range(3):
            _append(journal, _draft(RecordKind.PREDICTION, k))
        bare = [
            replace(_draft(RecordKind.REFUSAL, k, status="bad"), payload=None) for k in range(MANY)
        ]
        for future in [journal.append(draft) for draft in bare]:
            future.result()
    _take_in(database)


def kept_head(database: Database) -> KeptHead:
    """The newest head, as somebody keeps it elsewhere, with the key that they were given."""
    head = translog.latest(database)
    assert head is not None
    return KeptHead(Note.parse(head.note), "the kept head", SIGNER.key)


def _log(database: Database, journal: Journal) -> None:
    Sequencer(database, journal, SIGNER, SequencerOptions()).round(force=True)


def _take_in(database: Database) -> None:
    """What another process does once the last chain has ended: its last anchor is a leaf, too."""
    batch = log_appending.gather(database, SIGNER.key.name)
    assert batch is not None
    change = log_appending.append(batch, log_appending.sign(batch, SIGNER), "another process", 0)
    with database.writer.begin() as connection:
        assert change(connection)


def _vouched(database: Database) -> translog.StoredHead:
    """The newest head, cosigned, and stamped where there is an openssl to stamp it."""
    head = translog.latest(database)
    assert head is not None
    line = str(cosign(WITNESS, head.checkpoint.text, head.time_us // 1_000_000))
    stamped = None
    with (
        contextlib.suppress(NoAuthority),
        tempfile.TemporaryDirectory() as folder,
        authority(Path(folder)) as tsa,
        httpx.Client(trust_env=False) as client,
    ):
        stamped = stamp(client, tsa.url, head.note.encode(), tsa.roots.read_bytes())
    return replace(head, cosignatures=line, stamp=stamped)


def _witness(journal: Journal) -> None:
    """The first head of another log, which this service cosigns."""
    first = Checkpoint(OTHER_LOG.key.name, 7, bytes(range(32)))
    shown = AddCheckpointRequest(0, (), sign_head(OTHER_LOG, first, now_us() // 1_000_000))
    assert journal.change(witness.take(shown, first)).result() is None


@contextmanager
def _journal(database: Database, anchor_file: Path) -> Iterator[Journal]:
    options = JournalOptions("bench", anchor_seconds=HOUR_US / 1e6, anchor_file=anchor_file)
    journal = Journal(database, options)
    journal.start()
    try:
        yield journal
    finally:
        journal.close()


def _draft(kind: RecordKind, number: int, **said: object) -> Draft:
    facts = Facts(
        **{  # type: ignore[arg-type]
            "kind": kind,
            "actor": "key:line-3",
            "role": "operator",
            "request_id": f"request-{number}",
            "status": "optimal",
            "languages": "ko,en",
            "causal_sha256": "c" * 64,
            "engine": "trees",
            "engine_version": "0.1.0",
            "seed": number,
            "latency_us": 1_000 + number,
            "detail": {"nodes": number},
            **MODEL,
            **said,
        }
    )
    return Draft(facts, b'{"answer":{"text":{}},"request":{"instance":{"pressure":%d}}}' % number)


def _seen(equipment: str) -> Observation:
    said = json.dumps({"equipment": equipment})
    name, version = MODEL["model"], MODEL["version"]
    return Observation(equipment, name, version, equipment, said, is_alarm=True, rules=AlarmRules())


def _append(journal: Journal, draft: Draft) -> str:
    return journal.append(draft).result().id


def _ask_and_judge(journal: Journal) -> None:
    for k in range(2):
        draft = _draft(RecordKind.PREDICTION, k, status="alarm")
        seen = (_seen(f"Mill {k}"),)
        _append(journal, replace(draft, observations=seen, decided=Decided(1, 1)))
    explained = [_append(journal, _draft(RecordKind.EXPLANATION, k)) for k in range(4)]
    for verdict, about in zip(("approve", "reject", "comment"), explained, strict=False):
        _append(journal, _draft(RecordKind.REVIEW, 9, status=verdict, about=about))
    named = Named.of("key:line-3", "a-request", [b"body"])
    journal.append(once(named, _draft(RecordKind.EXPLANATION, 7))).result()
    other = Named.of("key:line-4", "another", [b"other body"])
    journal.append(once(other, _draft(RecordKind.EXPLANATION, 8, actor="key:line-4"))).result()


def _erase(journal: Journal) -> None:
    gone = _append(journal, _draft(RecordKind.WHAT_IF, 3))
    journal.append(erasure.erase(gone, "cli:kim", "asked for")).result()
    for k in range(2):
        _append(journal, _draft(RecordKind.PREDICTION, k, time_us=now_us() - YEAR_US))
    list(erasure.prune(journal, now_us() - YEAR_US // 2, "cli:kim", 30))
    held = _append(journal, _draft(RecordKind.EXPLANATION, 5))
    hold = journal.append(holds.put("cli:kim", "a court asks", record=held)).result().id
    journal.append(holds.put("cli:kim", "another court", model="press")).result()
    journal.append(holds.lift(hold, "cli:kim", "over")).result()


def _admit(database: Database, journal: Journal) -> None:
    tokens = []
    for role, expires in ((Role.OPERATOR, None), (Role.AUDITOR, now_us() + YEAR_US)):
        token, work = keys.create(role, f"of {role}", expires, "cli:kim")
        journal.append(work).result()
        tokens.append(token.split("_")[1])
    journal.append(keys.revoke(tokens[0], "cli:kim")).result()
    for name, key in (("one", tokens[1]), ("two", None)):
        new = sessions.NewSession(name, KIM, now_us() + HOUR_US, key)
        facts = Facts(
            kind=RecordKind.SIGN_IN, actor=KIM.actor, status="signed_in", detail={"by": "key"}
        )
        journal.append(sessions.begin(new, facts)).result()
    sessions.signing_secret(database, journal)
    for actor in ("key:line-3", "key:line-4"):
        journal.change(take(actor, Rate(1.0, 5))).result()
    about = Facts(
        kind=RecordKind.ACCESS, actor=KIM.actor, status="listed", detail={"by": "GET /records"}
    )
    _append(journal, Draft(about, b'{"request":{"query":"kind=review"}}'))


def _tell(journal: Journal) -> None:
    """Events of a deployed model: one that waits for its response, one that was seen to; and a
    message that is to be sent."""
    who = Principal("key:line-3", frozenset({Role.SENDER}))
    for half, name in ((Half.REQUEST, "one"), (Half.REQUEST, "two"), (Half.RESPONSE, "two")):
        arrived = Arrived(half, (name,), {"id": name}, b"{}", who, "request-1")
        journal.change(inbox.accept([arrived], 9)).result()
    (pair,) = journal.change(inbox.claim("worker", 9, HOUR_US)).result()
    journal.change(inbox.settled("worker", [pair.key])).result()
    told = {0: {"event": {"id": "two", "source": "pod"}, "row": 0, "prediction": 1}, None: {}}
    journal.change(partial(outbox.expect, job="a job", contexts=told)).result()


def _work(journal: Journal) -> None:
    """A job that is done, one that is under way, one that was cancelled."""
    for rows, answered in ((3, 3), (3, 1), (2, 0)):
        facts = Facts(
            kind=RecordKind.JOB,
            actor="key:line-3",
            role="pipeline",
            request_id=f"job-{rows}",
            model="press",
            version="1",
        )
        questions = [b'{"instance":{"pressure":%d}}' % k for k in range(rows)]
        job, work = jobs.submit(facts, questions, 1_000)
        journal.append(work).result()
        if answered:
            claim = journal.change(jobs.claim(f"worker-{rows}", answered, HOUR_US)).result()
            assert claim is not None
            drafts = [_draft(RecordKind.EXPLANATION, r.number, about=job.id) for r in claim.rows]
            found = [Answered(k, draft) for k, draft in enumerate(drafts)]
            journal.append(jobs.finish(claim.job, f"worker-{rows}", found)).result()
        else:
            journal.append(jobs.cancel(job.id, "key:line-3")).result()
        time.sleep(0.002)  # no two at one time


@contextmanager
def opened(url: str) -> Iterator[Database]:
    database = connect(url)
    try:
        yield database
    finally:
        database.close()

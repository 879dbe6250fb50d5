"""One record, looked at from all sides. Runs in threads that read the store."""

from __future__ import annotations

import json
from collections.abc import Iterable
from typing import Any

from ifonly.service.audit import proofs, records
from ifonly.service.audit.recheck import Recheck, recheck
from ifonly.service.audit.replay import AnswerDifference, Replay
from ifonly.service.served.registry import Registry
from ifonly.service.store import archive, verify_record
from ifonly.service.store.chain import Payload
from ifonly.service.store.database import Database
from ifonly.service.store.kinds import RecordKind
from ifonly.service.store.verify_record import End, content_of
from ifonly.service.wire import inspection as wire
from ifonly.service.words import claims


def event(database: Database, identity: str) -> wire.EventReply:
    """A record, what it tells of, and what was said about it.

    Raises
    ------
    UnknownRecord
        If there is none of that id.
    """
    seen = archive.seen(database, identity)
    record, payload = seen.record, seen.payload
    # A tampered payload may be anything: the page must still show the record and its findings.
    kept = {} if payload is None else _kept(payload)
    about = archive.seen_about(database, identity, RecordKind.REVIEW)
    findings = [*seen.findings, *(f for each in about for f in each.findings)]
    answer = kept.get("answer")
    # No claim is worded for an answer that is not the one that was sealed.
    is_told = isinstance(answer, dict) and not seen.findings
    before, after = archive.beside(database, record)
    return wire.EventReply(
        event=records.event(record, findings),
        content=content_of(record, payload),
        request=kept.get("request"),
        answer=answer,
        claim=_claim(answer, kept.get("request")) if answer and is_told else [],
        # A review that does not hold is told as a finding, not as somebody's word.
        reviews=records.said_of([(e.record, e.payload) for e in about if not e.findings]),
        before=before,
        after=after,
        proof=proofs.find(database, record.writer, record.sequence),
    )


def _claim(answer: dict[str, Any], request: Any) -> list[dict[str, str]]:
    asked = request if isinstance(request, dict) else {}
    return [dict(said) for said in claims.in_words(answer, asked)]


def _kept(payload: Payload) -> dict[str, Any]:
    """The object that a payload holds; empty if it holds none."""
    try:
        kept = json.loads(payload.content)
    except ValueError:
        return {}
    return kept if isinstance(kept, dict) else {}


def verified(database: Database, registry: Registry, identity: str) -> wire.StretchReply:
    """The record held against its chain, and an answer in it against the model's documents.

    Raises
    ------
    UnknownRecord
        If there is none of that id.
    """
    found = verify_record.around(database, identity)
    return wire.StretchReply(
        holds=found.holds,
        content=found.content,
        since=_end(found.since),
        until=_end(found.until),
        records=found.read,
        findings=records.findings(found.findings),
        # What is not as it was sealed is not worth checking: that it was altered is the news.
        answer=None if found.findings else _answer(database, registry, identity),
    )


def _answer(database: Database, registry: Registry, identity: str) -> wire.RecheckReply | None:
    return rechecked(recheck(*archive.get(database, identity), registry))


def rechecked(found: Recheck | None) -> wire.RecheckReply | None:
    """What the checker says of a recorded answer; None: it is none that can be checked."""
    if found is None:
        return None
    checks = [
        wire.CheckReply(part=part, check=c.name, holds=c.holds, numbers=c.says)
        for part, c in found.checks
    ]
    return wire.RecheckReply(holds=found.holds, problem=found.problem, checks=checks)


def _end(end: End) -> wire.ChainEnd:
    return wire.ChainEnd(sequence=end.head.sequence, hash=end.head.hash, anchor=end.anchor)


def replayed(came: Replay) -> wire.ReplayReply:
    return wire.ReplayReply(
        id=came.record.facts.id,
        same=came.is_same,
        changes=_changes(came.changes),
        versions=_changes(came.versions),
        was_cut=came.was_cut,
        answer=rechecked(came.recheck),
        findings=records.findings(came.findings),
    )


def _changes(found: Iterable[AnswerDifference]) -> list[wire.ChangeReply]:
    return [wire.ChangeReply(pointer=c.pointer, was=c.was, now=c.now) for c in found]

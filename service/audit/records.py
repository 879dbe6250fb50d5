"""Records into replies. Runs in threads that read the store."""

from __future__ import annotations

import json
from collections.abc import Iterable, Iterator, Sequence
from typing import Any

from ifonly.service.access import Role
from ifonly.service.ask.problem_types import NOT_AS_SEALED
from ifonly.service.audit import proofs, ways_told
from ifonly.service.audit.recorder import durable
from ifonly.service.errors import (
    ErasedRecord,
    Fault,
    Forbidden,
    InvalidRequest,
    RequestPart,
    UnknownRecord,
)
from ifonly.service.store import archive, visibility
from ifonly.service.store.archive import FILTERS, CheckedRecord, Filter
from ifonly.service.store.chain import (
    Facts,
    IntegrityFinding,
    Payload,
    Record,
    document,
    microseconds,
    timestamp,
)
from ifonly.service.store.database import Database
from ifonly.service.store.journal import Receipt
from ifonly.service.store.kinds import RecordKind
from ifonly.service.store.verification import VerificationReport
from ifonly.service.store.withdrawals import is_withdrawal, withdrawn
from ifonly.service.wire import trail as wire
from ifonly.service.wire.replies import Audit

REVIEWERS = {
    "approve": {Role.AUDITOR, Role.ADMIN},
    "reject": {Role.AUDITOR, Role.ADMIN},
    "comment": {Role.AUDITOR, Role.OPERATOR, Role.ADMIN},
    "acted": {Role.OPERATOR, Role.ADMIN},
    "not_acted": {Role.OPERATOR, Role.ADMIN},
    "withdraw": {Role.AUDITOR, Role.OPERATOR, Role.ADMIN},
}
"""Whose verdict each is."""

PIECE_BYTES = 65_536


def explanation(database: Database, identity: str) -> bytes:
    """A :class:`wire.ExplanationRecord` as JSON: what was answered, to the letter.

    Raises
    ------
    UnknownRecord, ErasedRecord
        If there is none, or none any more.
    """
    record, payload = check_explanation(database, identity)
    if payload is None:
        raise ErasedRecord(identity)
    kept = json.loads(payload.content)
    proof = proofs.find(database, record.writer, record.sequence)
    told = {
        "explanation": kept["answer"] | {"audit": audit(record).model_dump()},
        "request": kept["request"],
        "reviews": [r.model_dump(mode="json") for r in reviews(database, identity).reviews],
        "proof": None if proof is None else proof.model_dump(),
    }
    return json.dumps(told, ensure_ascii=False).encode()


def check_explanation(database: Database, identity: str) -> tuple[Record, Payload | None]:
    """Raises
    ------
    UnknownRecord
        If there is no such explanation.
    """
    record, payload = archive.get(database, identity)
    if record.facts.kind != RecordKind.EXPLANATION:
        raise UnknownRecord(identity, "explanation")
    return record, payload


def reviews(database: Database, identity: str) -> wire.ReviewsReply:
    """Everything that was said of an explanation, oldest first.

    Raises
    ------
    UnknownRecord
        If there is no such explanation.
    """
    check_explanation(database, identity)
    return wire.ReviewsReply(reviews=said_of(archive.about(database, identity, RecordKind.REVIEW)))


def said_of(entries: Sequence[tuple[Record, Payload | None]]) -> list[wire.Review]:
    """Reviews of one explanation as replies tell them, with what was taken back."""
    gone = withdrawn(record for record, _ in entries)
    told = [review(*entry) for entry in entries]
    return [
        each.model_copy(update={"withdrawn_by": gone[each.id]}) if each.id in gone else each
        for each in told
    ]


def review(record: Record, payload: Payload | None) -> wire.Review:
    """One of them, as it was said."""
    kept = {} if payload is None else json.loads(payload.content)["request"]
    return said(record.facts, audit(record), kept.get("comment"))


def doubted(found: Sequence[IntegrityFinding]) -> dict[str, Any]:
    """What is told instead of a record that does not hold, among others that do."""
    return {
        "type": NOT_AS_SEALED.uri,
        "title": NOT_AS_SEALED.title,
        "detail": "; ".join(finding.text for finding in found),
        "findings": [each.model_dump(mode="json") for each in findings(found)],
    }


def said(facts: Facts, where: Audit, comment: str | None) -> wire.Review:
    shown: dict[str, Any] = {"verdict": facts.status, **(facts.detail or {})}
    return wire.Review(
        id=facts.id,
        time=timestamp(facts.time_us),
        by=facts.actor,
        comment=comment,
        audit=where,
        **shown,
    )


def check_reviewer(verdict: str, roles: Iterable[Role]) -> None:
    """Raises
    ------
    Forbidden
        If that is not for any of ``roles`` to say.
    """
    # By verdict: an operator says what was done, an auditor whether it was right (0052).
    if REVIEWERS[verdict].isdisjoint(roles):
        need = ", ".join(sorted(REVIEWERS[verdict]))
        raise Forbidden(f"the verdict {verdict} is for the roles {need}")


def reviewed(
    database: Database, identity: str, request: wire.ReviewRequest, actor: str
) -> tuple[Record, dict[str, int | str]]:
    """The explanation that is reviewed, and what of the review is never erased.

    Raises
    ------
    UnknownRecord
        If there is no such explanation.
    InvalidRequest
        If it has no counterfactual of that rank, or tells of no such way; or if what is to be taken
        back is no review of it, was taken back already, or is somebody else's.
    """
    record, payload = check_explanation(database, identity)
    if request.withdraws is not None:
        _check_own(database, identity, request.withdraws, actor)
    # An erased explanation does not tell any more how many answers it had.
    if request.rank is not None and payload is not None:
        count = len(json.loads(payload.content)["answer"]["counterfactuals"])
        if request.rank > count:
            text = f"rank is {request.rank}, and the explanation has {count} counterfactuals"
            raise InvalidRequest(
                RequestPart.REQUEST, [Fault(("rank",), text, request.rank, limit=count)]
            )
    if request.way is not None and payload is not None:
        ways_told.check(request.way, json.loads(payload.content)["answer"])
    detail = request.model_dump(include={"rank", "way", "outcome", "withdraws"}, exclude_none=True)
    return record, detail


def _check_own(database: Database, identity: str, taken: str, actor: str) -> None:
    said = [record for record, _ in archive.about(database, identity, RecordKind.REVIEW)]
    found = next((r for r in said if r.facts.id == taken), None)
    if found is None or is_withdrawal(found):
        problem = f"withdraws is {taken!r}, and the explanation has no such review"
    elif found.facts.actor != actor:
        problem = f"withdraws is {taken!r}, a review of {found.facts.actor}: only they take it back"
    elif taken in withdrawn(said):
        problem = f"withdraws is {taken!r}, a review that was withdrawn already"
    else:
        return
    raise InvalidRequest(RequestPart.REQUEST, [Fault(("withdraws",), problem, taken)])


def audit(record: Record) -> Audit:
    return durable(Receipt.of(record))


def wanted(query: wire.EventsQuery) -> Filter:
    """Raises
    ------
    InvalidRequest
        If a time is none.
    """
    given = query.model_dump(mode="json", include=set(FILTERS), exclude_none=True)
    return Filter(
        given,
        time_of("since", query.since),
        time_of("until", query.until),
        query.language,
        query.begins,
        query.listing,
    )


def entries(database: Database, query: wire.EventsQuery) -> Iterator[CheckedRecord]:
    """Every record in question that is within the scope, chain by chain.

    Raises
    ------
    InvalidRequest
        If a time is none.
    """
    found = archive.everything(database, wanted(query))
    return visibility.only(database, found, lambda entry: entry.record.facts.id)


def time_of(name: str, text: str | None) -> int | None:
    """Microseconds since 1970 for the query parameter ``name``.

    Raises
    ------
    InvalidRequest
        If ``text`` is no time.
    """
    if text is None:
        return None
    try:
        # A space is what a plus sign turns into in a query that was not escaped.
        return microseconds(text.replace(" ", "+"))
    except (ValueError, OverflowError):
        problem = f"{name} is {text!r}, not a time such as 2026-01-31T08:00:00Z"
        fault = Fault((name,), problem, text, parameter=name)
        raise InvalidRequest(RequestPart.REQUEST, [fault]) from None


def events(database: Database, query: wire.PageQuery) -> wire.EventsReply:
    """One page.

    Raises
    ------
    InvalidRequest, InvalidCursor
        If a time or the cursor is none.
    """
    page = archive.page(database, wanted(query), query.cursor, query.limit)
    told = [event(r, page.doubtful.get(r.facts.id, ())) for r in page.records]
    return wire.EventsReply(events=told, next=page.next)


def event(record: Record, doubts: Sequence[IntegrityFinding] = ()) -> wire.Event:
    """A record as it was read, and what is wrong with it."""
    said: dict[str, Any] = {**document(record), "hash": record.hash}
    if doubts:
        # Shown all the same: who tampers must not be able to hide a record by making it unreadable.
        said = {name: _printable(name, value) for name, value in said.items()}
        said["findings"] = findings(doubts)
    return wire.Event.model_construct(**said)  # also what no sealed record would say


def _printable(name: str, value: Any) -> Any:
    """A value that may have been tampered with, in a type that a reply can show."""
    if name in ("format", "sequence", "seed", "latency_us"):
        return value if type(value) is int else 0
    if name == "detail":
        return value if isinstance(value, dict) else {"": str(value)}
    return value if isinstance(value, str) else repr(value)


def verification(report: VerificationReport) -> wire.VerificationReply:
    return wire.VerificationReply(
        holds=report.holds,
        writers=report.writers,
        records=report.records,
        payloads=report.payloads,
        erased=report.erased,
        anchors=report.anchors,
        logged=report.logged,
        troubles=report.troubles,
        findings=findings(report.findings),
        notes=report.notes,
    )


def findings(found: Iterable[IntegrityFinding]) -> list[wire.Finding]:
    return [
        wire.Finding(
            writer=str(f.writer),
            sequence=f.sequence if type(f.sequence) is int else 0,
            trouble=f.trouble,
            text=f.text,
            where=f.where,
        )
        for f in found
    ]


def gathered(pieces: Iterable[bytes]) -> Iterator[bytes]:
    """The same bytes in fewer pieces, so that a thread is not asked for each line."""
    waiting: list[bytes] = []
    size = 0
    for piece in pieces:
        waiting.append(piece)
        size += len(piece)
        if size >= PIECE_BYTES:
            yield b"".join(waiting)
            waiting, size = [], 0
    yield b"".join(waiting)

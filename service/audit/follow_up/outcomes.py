"""Outcomes as the plant tells them, recorded one by one."""

from __future__ import annotations

from functools import partial
from typing import Any

from pydantic_core import from_json

from ifonly.models.errors import UnknownModel
from ifonly.service.audit.follow_up.reading import TAKEN_BACK, TAKES_BACK
from ifonly.service.audit.observations import place_of
from ifonly.service.audit.recorder import Recorder
from ifonly.service.audit.records import audit, check_explanation
from ifonly.service.errors import Fault, Forbidden, InvalidRequest, RequestPart, UnknownRecord
from ifonly.service.served.registry import Registry
from ifonly.service.store import archive, explanations
from ifonly.service.store.chain import (
    DAY_US,
    Facts,
    Payload,
    Record,
    microseconds,
    now_us,
    timestamp,
)
from ifonly.service.store.database import Database
from ifonly.service.store.journal import Draft
from ifonly.service.store.kinds import RecordKind
from ifonly.service.wire import outcomes as wire
from ifonly.service.wire.replies import Audit

LOOK_BACK_US = 7 * DAY_US
"""How old an explanation may be that an outcome of equipment is told of."""


async def told(identity: str, request: wire.OutcomeRequest, recorder: Recorder) -> wire.Outcome:
    """Record what came of an explanation's advice.

    Raises
    ------
    UnknownRecord
        If there is no such explanation.
    InvalidRequest
        If the time is none, or is before the explanation; or if what is to be taken back is no
        outcome of it, was taken back already, or is somebody else's.
    JournalFull, StoreUnavailable
        If it cannot be recorded.
    """
    runtime, principal = recorder.runtime, recorder.principal
    find = partial(checked, runtime.store.database, identity, request, principal.actor)
    record, detail = await runtime.readers.run(find)
    facts = recorder.drafting.said_of(RecordKind.OUTCOME, record, word_of(request), detail)
    where = await recorder.record(Draft(facts, content(request)))
    return _said(facts, where, request.comment)


def word_of(request: wire.OutcomeRequest) -> str:
    """Status of its record."""
    return request.result or TAKEN_BACK


def content(request: wire.OutcomeRequest) -> bytes:
    """Payload of its record."""
    own = set(wire.OutcomeRequest.model_fields)
    return b'{"request":%b}' % request.model_dump_json(include=own, exclude_unset=True).encode()


async def told_many(request: wire.OutcomesRequest, recorder: Recorder) -> wire.OutcomesReply:
    """Record each; one that cannot be is told, and keeps no other from it.

    Raises
    ------
    JournalFull, StoreUnavailable
        If one cannot be recorded: those before it are.
    """
    recorded: list[wire.Outcome] = []
    refused: list[wire.RefusedOutcome] = []
    runtime = recorder.runtime
    for row, each in enumerate(request.outcomes):
        try:
            find = partial(explanation_of, runtime.store.database, runtime.registry, each)
            identity = await runtime.readers.run(find)
            recorded.append(await told(identity, each, recorder))
        except (InvalidRequest, UnknownRecord, UnknownModel, Forbidden) as error:
            refused.append(wire.RefusedOutcome(row=row, problem=str(error)))
    return wire.OutcomesReply(recorded=recorded, refused=refused)


def outcome(record: Record, payload: Payload | None) -> wire.Outcome:
    """Of its record."""
    kept = {} if payload is None else from_json(payload.content)["request"]
    return _said(record.facts, audit(record), kept.get("comment"))


def _said(facts: Facts, where: Audit, comment: str | None) -> wire.Outcome:
    detail = facts.detail or {}
    result: Any = facts.status if facts.status != TAKEN_BACK else None
    if facts.kind is RecordKind.REVIEW:
        result = "success" if detail.get("outcome") == "as_predicted" else "failure"
    number = detail.get("number")
    return wire.Outcome(
        id=facts.id,
        explanation=facts.about or "",
        time=timestamp(facts.time_us),
        by=facts.actor,
        result=result,
        happened=detail.get("happened"),
        number=None if number is None else float(number),
        unit=str(detail.get("unit", "")),
        comment=comment,
        takes_back=detail.get(TAKES_BACK),
        audit=where,
    )


def checked(
    database: Database, identity: str, request: wire.OutcomeRequest, actor: str
) -> tuple[Record, dict[str, Any]]:
    """The explanation, and what of the outcome is never erased; raises as :func:`told`."""
    record, _ = check_explanation(database, identity)
    detail: dict[str, Any] = {}
    if request.takes_back is not None:
        _check_own(database, identity, request.takes_back, actor)
        detail[TAKES_BACK] = request.takes_back
    if request.happened is not None:
        happened = _time(request.happened)
        if happened < record.facts.time_us:
            shown = timestamp(record.facts.time_us)
            problem = f"happened is {request.happened}, before the explanation was given, {shown}"
            raise _refused("happened", problem, request.happened, shown)
        detail["happened"] = timestamp(happened)
    if request.number is not None:
        # As text: records hold no fractions, whose spelling would have to be canonical.
        detail |= {"number": repr(request.number), "unit": request.unit}
    return record, detail


def _time(text: str) -> int:
    try:
        return microseconds(text)
    except (ValueError, OverflowError):
        problem = f"happened is {text!r}, not a time such as 2026-01-31T08:00:00Z"
        raise _refused("happened", problem, text) from None


def _check_own(database: Database, identity: str, taken: str, actor: str) -> None:
    entries = [record for record, _ in archive.about(database, identity, RecordKind.OUTCOME)]
    gone = {(r.facts.detail or {}).get(TAKES_BACK) for r in entries}
    found = next((r for r in entries if r.facts.id == taken and r.facts.status != TAKEN_BACK), None)
    if found is None:
        problem = f"takes_back is {taken!r}, and the explanation has no such outcome"
    elif found.facts.actor != actor:
        problem = f"takes_back is {taken!r}, told by {found.facts.actor}: only they take it back"
    elif taken in gone:
        problem = f"takes_back is {taken!r}, which was taken back already"
    else:
        return
    raise _refused("takes_back", problem, taken)


def explanation_of(database: Database, registry: Registry, each: wire.OutcomeOf) -> str:
    """The explanation that is named, or the newest of a piece of equipment before it happened.

    Raises
    ------
    InvalidRequest, UnknownModel, UnknownRecord
        If that names no equipment, or there is none.
    """
    if each.explanation is not None:
        return each.explanation
    assert each.model is not None
    model = registry.find(each.model)
    place = place_of(model, each.attributes or {})
    if place is None:
        raise _refused("attributes", "attributes name no equipment of this model", each.attributes)
    until = now_us() + 1 if each.happened is None else _time(each.happened)
    found = explanations.about_model(
        database, RecordKind.EXPLANATION, each.model, until - LOOK_BACK_US, until
    )
    newest = None
    for record, payload in found:
        if payload is None:
            continue
        said = from_json(payload.content)["request"].get("attributes", {})
        other = place_of(model, said)
        if other is not None and other.condition == place.condition:
            newest = record.facts.id
    if newest is None:
        raise UnknownRecord(place.equipment, "explanation of the last 7 days of")
    return newest


def _refused(name: str, problem: str, value: object, limit: object = None) -> InvalidRequest:
    return InvalidRequest(RequestPart.REQUEST, [Fault((name,), problem, value, limit=limit)])

"""The row of an explanation that was recorded, for a question about its reasons."""

from __future__ import annotations

import json

from ifonly.service.errors import (
    ErasedRecord,
    Fault,
    InvalidRequest,
    RequestPart,
    UnknownRecord,
)
from ifonly.service.served.registry import ServedModel
from ifonly.service.store import archive
from ifonly.service.store.database import Database
from ifonly.service.store.kinds import RecordKind
from ifonly.service.wire.reasons import ReasonsRequest


def with_row(database: Database, model: ServedModel, request: ReasonsRequest) -> ReasonsRequest:
    """``request`` with its row as ``instance``: what is answered, and recorded, so that it can be
    asked again when the explanation is gone.

    Raises
    ------
    InvalidRequest
        If the explanation is unknown, erased, of another model or none; or if both are given.
    StoreUnavailable, StoreDamaged
        If the store cannot be read.
    """
    identity = request.explanation
    if identity is None:
        return request
    if request.instance is not None:
        raise _refused("explanation is given beside instance: say one of them", identity)
    try:
        record, payload = archive.get(database, identity)
    except (UnknownRecord, ErasedRecord) as error:
        raise _refused(f"explanation: {error}", identity) from None
    facts = record.facts
    if facts.kind is not RecordKind.EXPLANATION:
        raise _refused(f"explanation: record {identity} is of kind {facts.kind}", identity)
    if facts.model != model.name:
        told = f"explanation: {identity} is of the model {facts.model}, not of {model.name}"
        raise _refused(told, identity)
    if payload is None:
        raise _refused(f"explanation: {ErasedRecord(identity)}", identity)
    asked = json.loads(payload.content)["request"]
    given = request.model_dump(by_alias=True, exclude_unset=True)
    said = given.get("attributes") or asked.get("attributes", {})
    told_of = {"instance": asked["instance"], "attributes": said}
    return ReasonsRequest.model_validate(given | told_of)


def _refused(problem: str, value: object) -> InvalidRequest:
    return InvalidRequest(RequestPart.REQUEST, [Fault(("explanation",), problem, value)])

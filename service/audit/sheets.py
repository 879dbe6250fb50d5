"""What a sheet for the person concerned is made of: recorded reasons, and the explanation beside
them. Runs in threads that read the store."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ifonly.service.audit.recheck import asked_model
from ifonly.service.errors import CannotReplay, ErasedRecord, UnknownRecord
from ifonly.service.served.registry import Registry, ServedModel
from ifonly.service.store import archive
from ifonly.service.store.chain import Record
from ifonly.service.store.database import Database
from ifonly.service.store.kinds import RecordKind

Answer = Mapping[str, Any]


@dataclass(frozen=True, slots=True)
class RecordedReasons:
    """Reasons as they were recorded, and what else was recorded of the same decision."""

    record: Record
    instance: Mapping[str, Any]
    answer: Answer
    explanation: Answer | None
    """The answer to which smallest change would have led to another decision; None: none was asked
    for, or it is gone."""
    model: ServedModel | None
    """Which answered; None: it is not served any more."""


def recorded_reasons(database: Database, registry: Registry, identity: str) -> RecordedReasons:
    """Raises
    ------
    UnknownRecord, ErasedRecord
        If there are no such reasons, or not any more.
    StoreUnavailable, StoreDamaged
        If the store cannot be read.
    """
    record, payload = archive.get(database, identity)
    if record.facts.kind is not RecordKind.REASONS:
        raise UnknownRecord(identity, "reasons")
    if payload is None:
        raise ErasedRecord(identity)
    kept = json.loads(payload.content)
    try:
        model = asked_model(record, registry)
    except CannotReplay:
        model = None
    answer, instance = kept["answer"], kept["request"]["instance"]
    other = _explanation(database, answer.get("explanation"), instance)
    return RecordedReasons(record, instance, answer, other, model)


def _explanation(
    database: Database, identity: str | None, instance: Mapping[str, Any]
) -> Answer | None:
    if identity is None:
        return None
    try:
        record, payload = archive.get(database, identity)
    except (UnknownRecord, ErasedRecord):
        return None
    if payload is None or record.facts.kind is not RecordKind.EXPLANATION:
        return None
    kept = json.loads(payload.content)
    # Of the same row, or it says nothing of this decision.
    if kept["request"]["instance"] != instance:
        return None
    found: Answer = kept["answer"]
    return found


def newest_about(database: Database, identity: str, instance: Mapping[str, Any]) -> Answer | None:
    """The newest reasons of a row that were asked from its page; None if there are none."""
    for _, payload in reversed(archive.about(database, identity, RecordKind.REASONS)):
        if payload is not None:
            kept = json.loads(payload.content)
            if kept["request"]["instance"] == instance:
                found: Answer = kept["answer"]
                return found
    return None

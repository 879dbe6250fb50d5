"""What a page is about: one row that was predicted, as it was recorded."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from ifonly.service.audit import recheck, records
from ifonly.service.audit.drafts import ALARM
from ifonly.service.audit.experiments.assigning import MEMBER
from ifonly.service.errors import CannotReplay, ErasedRecord, UnknownRecord
from ifonly.service.served.registry import Registry, ServedModel
from ifonly.service.store import archive
from ifonly.service.store.chain import Payload, Record
from ifonly.service.store.database import Database
from ifonly.service.store.kinds import RecordKind
from ifonly.service.wire.requests import of_rows

KINDS = (RecordKind.PREDICTION, RecordKind.EXPLANATION)


@dataclass(frozen=True, slots=True)
class Subject:
    """One row of a record."""

    record: Record
    number: int
    """Which of the record's rows, from 0."""
    instance: Mapping[str, Any]
    prediction: Mapping[str, Any]
    """As replies write it."""
    answer: Mapping[str, Any] | None = None
    """The explanation, if the record is one."""
    request: Mapping[str, Any] | None = None
    """What was asked for it."""
    attributes: Mapping[str, str] = field(default_factory=dict)
    """What was said of the equipment."""

    @property
    def path(self) -> str:
        """Of its page."""
        return path_of(self.record.facts.id, self.number)


def path_of(identity: str, number: int) -> str:
    return f"/alarms/{identity}" + (f"?row={number}" if number else "")


def subjects(record: Record, payload: Payload) -> tuple[Subject, ...]:
    """Every row that the record tells of."""
    kept = json.loads(payload.content)
    asked, answer = kept["request"], kept["answer"]
    if record.facts.kind is RecordKind.EXPLANATION:
        row, said = asked["instance"], answer["prediction"]
        answer |= _shown_in(record)
        return (Subject(record, 0, row, said, answer, asked, asked.get("attributes", {})),)
    rows = asked.get("instances") or [asked["instance"]]
    whose = of_rows(asked.get("attributes", {}), len(rows))
    return tuple(
        Subject(record, k, row, said, attributes=whose[k])
        for k, (row, said) in enumerate(zip(rows, answer["predictions"], strict=True))
    )


def read(database: Database, identity: str) -> tuple[Subject, ...]:
    """The rows of one record.

    Raises
    ------
    UnknownRecord, ErasedRecord
        If there is no such record of predictions, or nothing in it any more.
    StoreUnavailable, StoreDamaged
        If the store cannot be read.
    """
    record, payload = archive.get(database, identity)
    if record.facts.kind not in KINDS:
        raise UnknownRecord(identity, "prediction")
    if payload is None:
        raise ErasedRecord(identity)
    return subjects(record, payload)


def read_one(database: Database, identity: str, number: int) -> Subject:
    """One row of one record.

    Raises
    ------
    UnknownRecord, ErasedRecord
        As :func:`read`; also if it has not so many rows.
    """
    return row_of(read(database, identity), number)


def row_of(rows: tuple[Subject, ...], number: int) -> Subject:
    """Raises
    ------
    UnknownRecord
        If there are not so many.
    """
    if number >= len(rows):
        raise UnknownRecord(f"{rows[0].record.facts.id} row {number}", "prediction")
    return rows[number]


def explanation_of(database: Database, subject: Subject) -> Mapping[str, Any] | None:
    """The newest explanation of this row that was asked from its page; None if there is none."""
    about = archive.about(database, subject.record.facts.id, RecordKind.EXPLANATION)
    # The newest first: a later explanation replaces an earlier one.
    for record, payload in reversed(about):
        if payload is None:
            continue
        kept = json.loads(payload.content)
        # One record may have many rows, each with explanations of its own.
        if kept["request"]["instance"] == subject.instance:
            where = records.audit(record).model_dump()
            return {**kept["answer"], **_shown_in(record), "audit": where}
    return None


def _shown_in(record: Record) -> dict[str, Any]:
    """In which arm of an experiment it was shown, if it was."""
    said = (record.facts.detail or {}).get(MEMBER)
    return {} if said is None else {MEMBER: said}


def model_of(record: Record, registry: Registry) -> ServedModel | None:
    """The model that said so, if it is still served: no other can speak for it."""
    try:
        return recheck.asked_model(record, registry)
    except CannotReplay:
        return None


def is_alarm(subject: Subject, model: ServedModel | None) -> bool:
    """Whether it is what the model does not desire."""
    # Row by row: the record's status says only whether some row is an alarm.
    if model is not None and model.decision.desired is not None:
        wanted = model.decision.class_names[model.decision.desired]
        return bool(subject.prediction.get("class") != wanted)
    facts = subject.record.facts
    return facts.status == ALARM or (
        facts.kind is RecordKind.EXPLANATION and facts.status != "already_target"
    )

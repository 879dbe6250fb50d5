"""What another version would have decided of what was recorded: rescored, redecided, held side by
side. Runs in a thread."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from ifonly.models.errors import InvalidInstance, UnknownModel
from ifonly.models.predictor import Row
from ifonly.service.ask.differences import digests
from ifonly.service.ask.document_differences import key_differences
from ifonly.service.errors import CannotActivate
from ifonly.service.served import staging
from ifonly.service.served.registry import Registry, ServedModel
from ifonly.service.store import archive
from ifonly.service.store.chain import Payload, Record, timestamp
from ifonly.service.store.chain_membership import holds
from ifonly.service.store.database import Database
from ifonly.service.store.kinds import RecordKind
from ifonly.service.store.rows import payload_of, record_of
from ifonly.service.store.tables import records
from ifonly.service.wire import staged as wire

KINDS = (RecordKind.PREDICTION, RecordKind.EXPLANATION)
PIECE = 500
MOST_LOOKED_AT = 20_000
"""Records of a kind, after which nobody looks for more that fit."""
MOST_LISTED = 200
"""Changes that are listed one by one; all are counted."""


@dataclass(frozen=True, slots=True)
class DecidedRow:
    """One row as it was decided."""

    record: Record
    number: int
    """Of the record's rows, from 0."""
    instance: Mapping[str, Any]
    prediction: Mapping[str, Any]


def version_of(registry: Registry, name: str, version: str) -> ServedModel:
    """A version that is staged, or among those that are served.

    Raises
    ------
    UnknownModel
        If it is neither.
    CannotUpload
        If it is staged, and cannot be loaded.
    """
    try:
        staged = staging.find(registry, name, version)
    except UnknownModel:
        return registry.get(name, version)
    return staging.loaded(registry, staged)


def compare(
    database: Database, registry: Registry, name: str, request: wire.ComparisonRequest
) -> wire.ComparisonReply:
    """What a version would decide of the last rows that the active one has decided.

    Raises
    ------
    UnknownModel
        If there is no such version.
    CannotActivate
        If it is the active one, or none is active: there is nothing to compare with.
    CannotUpload, StoreUnavailable, StoreDamaged
        If it cannot be loaded, or records cannot be read.
    """
    other = version_of(registry, name, request.version)
    try:
        active = registry.get(name)
    except UnknownModel:
        raise CannotActivate(f"no version of {name} is active: nothing was decided yet") from None
    if active.version == other.version:
        raise CannotActivate(f"version {other.version} of {name} is active already")
    found, unreadable = last_decided(database, active, request.last, request.only)
    rows: list[Row] = []
    read: list[DecidedRow] = []
    refused: list[tuple[DecidedRow, str]] = []
    for each in found:
        try:
            rows.append(other.schema.read(each.instance))
            read.append(each)
        except InvalidInstance as error:
            refused.append((each, str(error)))
    changes = [*_changes(read, rows, active, other)]
    times = sorted(each.record.facts.time_us for each in found)
    return wire.ComparisonReply(
        name=name,
        version=other.version,
        active=active.version,
        only=request.only,
        compared=len(read),
        changed=len(changes),
        cleared=sum(c.was_alarm and not c.is_alarm for c in changes),
        raised=sum(c.is_alarm and not c.was_alarm for c in changes),
        refused=len(refused),
        unreadable=unreadable,
        since=timestamp(times[0]) if times else None,
        until=timestamp(times[-1]) if times else None,
        ways=_ways(changes),
        changes=changes[:MOST_LISTED],
        refusals=[
            wire.RefusedRow(record=each.record.facts.id, row=each.number, problem=problem)
            for each, problem in refused[:MOST_LISTED]
        ],
        spec=[
            wire.SpecDifference(key=each.key, was=each.was, now=each.now)
            for each in key_differences(active.spec_text, other.spec_text)
        ],
        digests=[*digests(active, other)],
    )


def last_decided(
    database: Database, model: ServedModel, last: int, only: str
) -> tuple[list[DecidedRow], int]:
    """The last rows that this very version has decided, the newest first; and how many records
    of it cannot be read: erased, or not what was sealed."""
    found: list[DecidedRow] = []
    unreadable = 0
    for kind in KINDS:
        rows: list[DecidedRow] = []
        for record, payload in _records(database, kind, model):
            if payload is None:
                unreadable += 1
                continue
            rows += [each for each in _rows(record, payload) if _fits(each, model, only)]
            if len(rows) >= last:
                break
        found += rows[:last]
    found.sort(key=lambda each: (-each.record.facts.time_us, each.number))
    return found[:last], unreadable


def _records(
    database: Database, kind: RecordKind, model: ServedModel
) -> Iterator[tuple[Record, Payload | None]]:
    chosen = archive.whole().where(
        records.c.kind == kind.value, records.c.model == model.name, records.c.about.is_(None)
    )
    cursor: str | None = None
    for _ in range(MOST_LOOKED_AT // PIECE):
        asked = archive.newest_first(chosen, cursor, PIECE)
        rows, cursor = archive.read_page(database, asked, PIECE)
        for row in rows:
            facts = (record := record_of(row)).facts
            deployed = model.deployed
            if (facts.model_sha256, facts.spec_sha256) == (
                deployed.model_sha256, deployed.spec_sha256
            ):  # fmt: skip
                yield record, payload_of(row) if holds(row) else None
        if cursor is None:
            return


def _rows(record: Record, payload: Payload) -> Iterator[DecidedRow]:
    kept = json.loads(payload.content)
    asked, answer = kept["request"], kept["answer"]
    if record.facts.kind is RecordKind.EXPLANATION:
        yield DecidedRow(record, 0, asked["instance"], answer["prediction"])
        return
    instances = asked.get("instances") or [asked["instance"]]
    for k, (instance, said) in enumerate(zip(instances, answer["predictions"], strict=True)):
        yield DecidedRow(record, k, instance, said)


def _fits(each: DecidedRow, model: ServedModel, only: str) -> bool:
    return only == "all" or _is_alarm(each.prediction.get("class"), model)


def _is_alarm(name: object, model: ServedModel) -> bool:
    """Whether a class is another than is desired."""
    decision = model.decision
    return decision.desired is not None and name != decision.class_names[decision.desired]


def _changes(
    found: Sequence[DecidedRow], rows: Sequence[Row], active: ServedModel, other: ServedModel
) -> Iterator[wire.Change]:
    """Rows that are decided otherwise; of what decides nothing, whose score is another."""
    if not rows:
        return
    scores = other.deployed.predictor.score(np.array(rows))
    decision = other.decision
    decided = decision.decide(scores) if decision.classes else None
    for k, each in enumerate(found):
        was = each.prediction.get("class")
        now = None if decided is None else decision.class_names[int(decided[k])]
        was_score, now_score = _score(each.prediction), float(scores[k, 0])
        if was == now and (was is not None or was_score == now_score):
            continue
        yield wire.Change(
            record=each.record.facts.id,
            row=each.number,
            time=timestamp(each.record.facts.time_us),
            was=was,
            now=now,
            was_alarm=was is not None and _is_alarm(was, active),
            is_alarm=now is not None and _is_alarm(now, other),
            was_score=was_score if was is None else None,
            now_score=now_score if now is None else None,
        )


def _score(prediction: Mapping[str, Any]) -> float | None:
    score = prediction.get("score")
    return None if score is None else float(score)


def _ways(changes: Sequence[wire.Change]) -> list[wire.Way]:
    counted = Counter((c.was, c.now) for c in changes if c.was is not None or c.now is not None)
    return [wire.Way(was=was, now=now, count=n) for (was, now), n in counted.most_common()]

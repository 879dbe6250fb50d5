"""A recorded question asked again: does the same model still say the same?"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

from ifonly.service.ask import answering
from ifonly.service.ask.budget import Budget
from ifonly.service.ask.common import common_remedies
from ifonly.service.ask.confirm import ALONE
from ifonly.service.ask.problems import pointer
from ifonly.service.ask.reasons import reasons
from ifonly.service.audit.recheck import Recheck, asked_model, recheck
from ifonly.service.audit.together import Kept, each_row
from ifonly.service.errors import CannotReplay, ErasedRecord, Path
from ifonly.service.served.registry import Registry, ServedModel
from ifonly.service.settings import MAX_DEADLINE_MS
from ifonly.service.store import archive
from ifonly.service.store.chain import IntegrityFinding, Payload, Record
from ifonly.service.store.database import Database
from ifonly.service.store.kinds import RecordKind
from ifonly.service.wire import common as common_wire
from ifonly.service.wire import reasons as reasons_wire
from ifonly.service.wire import requests
from ifonly.service.wire.base import Wire

OWN = {
    ("id",), ("audit",), ("deadline_hit",), ("work", "times"), ("confirmation",),
    ("counterfactuals", "confirmation"), ("relaxation", "counterfactual", "confirmation"),
    ("ways", "counterfactual", "confirmation"),
    ("menu", "sets", "counterfactual", "confirmation"),
}  # fmt: skip
"""Members that are this answer's and no other's."""
SAME_DIGITS = 1e-12
"""Two numbers that differ by less, each as a share of the other, are one number."""
VERSIONS = {
    ("provenance", "ifonly_version"),
    ("provenance", "engine_version"),
    # Which engine found it, too: what it found, and what is proven of it, is compared.
    ("provenance", "engine"),
    # How much a search asks is a matter of the software, not of what it found.
    ("work", "rows"),
    ("work", "runs"),
    ("work", "nodes"),
}
"""Members that other software may say otherwise of the same answer."""


@dataclass(frozen=True, slots=True)
class AnswerDifference:
    """One place where the recorded answer and the new one differ."""

    pointer: str
    was: Any
    now: Any


@dataclass(frozen=True, slots=True)
class Replay:
    """What came out."""

    record: Record
    changes: tuple[AnswerDifference, ...]
    versions: tuple[AnswerDifference, ...]
    """Which software changed since, and what replies have told since; no change of the answer by
    itself."""
    was_cut: bool
    """Whether the first answer was cut by its deadline: more time may find more."""
    recheck: Recheck | None = None
    """Of an explanation: the recorded answer, checked again."""
    findings: tuple[IntegrityFinding, ...] = ()
    """Why the record is not the one that was written."""

    @property
    def is_same(self) -> bool:
        return not self.changes and not self.findings


def replay(database: Database, registry: Registry, identity: str) -> Replay:
    """Ask the recorded question of the same model again, with all the time there is.

    Raises
    ------
    UnknownRecord, ErasedRecord
        If there is no such record, or nothing in it any more.
    CannotReplay
        If it is no question, or its model is not served any more.
    """
    seen = archive.seen(database, identity)
    record, payload = seen.record, seen.payload
    if payload is None:
        if record.payload_digest is None:
            raise CannotReplay(f"record {identity} is of kind {record.facts.kind}: no question")
        raise ErasedRecord(identity)
    kept = _kept(payload, seen.findings)
    model = asked_model(record, registry)
    compared = [
        _compared(record, model, told, _prefix(record, n)) for n, told in _rows(record, kept)
    ]
    return Replay(
        record,
        tuple(each for changes, _ in compared for each in changes),
        tuple(each for _, versions in compared for each in versions),
        bool(kept["answer"].get("deadline_hit", False)),
        recheck(record, payload, registry),
        seen.findings,
    )


def _rows(record: Record, kept: Kept) -> Iterator[tuple[int | None, Kept]]:
    """What was asked and answered; of rows that have the record together, each."""
    try:
        yield from each_row(record, kept)
    except (ValueError, KeyError, TypeError):  # of a payload that is not the sealed one
        raise CannotReplay(f"record {record.facts.id} does not say what its rows were") from None


def _prefix(record: Record, number: int | None) -> Path:
    return ("rows", str(number)) if record.facts.kind is RecordKind.ROWS else ()


def _compared(
    record: Record, model: ServedModel, kept: Kept, prefix: Path
) -> tuple[list[AnswerDifference], list[AnswerDifference]]:
    """Where the answer that is kept and a new one differ: changes, and what versions explain."""
    reply = _ask(record, model, kept)
    # Through JSON, as the recorded one went: numbers and lists then compare alike.
    now = json.loads(reply.model_dump_json(by_alias=True))
    since = VERSIONS.union(newer_members((), kept["answer"], reply))
    changes, versions = [], []
    for path, was, is_now in differences((), kept["answer"], now):
        found = AnswerDifference(pointer((*prefix, *path)), was, is_now)
        if path in since:
            versions.append(found)
        elif not is_own(path):
            changes.append(found)
    return changes, versions


def _kept(payload: Payload, findings: Sequence[IntegrityFinding]) -> dict[str, Any]:
    """What was asked and answered; of a payload that is not the sealed one only if it says so."""
    try:
        kept = json.loads(payload.content)
        if not findings or isinstance(kept["answer"], dict):
            return dict(kept)
    except (ValueError, KeyError, TypeError):
        pass
    raise CannotReplay("; ".join(finding.text for finding in findings))


def is_own(path: Path) -> bool:
    """Whether a member, or what it is a part of, is this answer's and no other's."""
    # Who confirmed a counterfactual stands in each: a replay asks our copy alone, and what the
    # predictor said then is checked with the recorded answer.
    parts = tuple(part for part in path[:5] if not isinstance(part, int))
    return any(parts[: len(own)] == own for own in OWN)


def _ask(record: Record, model: ServedModel, kept: Kept) -> Wire:
    asked = kept["request"]
    match record.facts.kind:
        case RecordKind.PREDICTION:
            return answering.predictions(model, requests.PredictionsRequest.model_validate(asked))
        case RecordKind.WHAT_IF:
            return answering.what_if_reply(model, requests.WhatIfRequest.model_validate(asked))
        case RecordKind.EXPLANATION | RecordKind.ROWS:
            request = requests.ExplanationRequest.model_validate(asked)
            given = int(kept["answer"]["work"]["deadline_ms"])
            # It reports the first one's deadline, a part of
            # the answer, and gets all the time there is.
            budget = Budget(given, really_ms=MAX_DEADLINE_MS)
            return answering.explanation(model, request, budget, confirming=ALONE)
        case RecordKind.BULK:
            raise CannotReplay(
                f"record {record.facts.id} is of a run over a file: its rows are asked again by "
                "`ifonly bulk verify OUT`"
            )
        case RecordKind.COMMON:
            asked_of = common_wire.CommonRequest.model_validate(asked)
            given = int(kept["answer"]["work"]["deadline_ms"])
            budget = Budget(given, really_ms=MAX_DEADLINE_MS)
            return common_remedies(model, asked_of, budget)
        case RecordKind.REASONS:
            given = int(kept["answer"]["work"]["deadline_ms"])
            why = reasons_wire.ReasonsRequest.model_validate(asked)
            return reasons(model, why, Budget(given, really_ms=MAX_DEADLINE_MS))
        case kind:
            raise CannotReplay(f"record {record.facts.id} is of kind {kind}: nothing was answered")


def newer_members(path: Path, was: Any, reply: Any) -> Iterator[Path]:
    """Members of ``reply`` that a recorded answer lacks and that replies of today always have:
    when it was given, there were none such. One that replies may leave out says something by its
    absence."""
    if isinstance(reply, Wire) and isinstance(was, dict):
        for name, field in type(reply).model_fields.items():
            key = field.serialization_alias or name
            if key in was:
                yield from newer_members((*path, key), was[key], getattr(reply, name))
            elif field.exclude_if is None:
                yield (*path, key)
    elif isinstance(reply, list) and isinstance(was, list):
        for i, (before, part) in enumerate(zip(was, reply, strict=False)):
            yield from newer_members((*path, i), before, part)


def differences(path: Path, was: Any, now: Any) -> Iterator[tuple[Path, Any, Any]]:
    """Every leaf that differs; a member that one side lacks differs whole."""
    if isinstance(was, dict) and isinstance(now, dict):
        for key in was | now:
            yield from differences((*path, key), was.get(key), now.get(key))
    elif isinstance(was, list) and isinstance(now, list) and len(was) == len(now):
        for i, (a, b) in enumerate(zip(was, now, strict=True)):
            yield from differences((*path, i), a, b)
    elif was != now and not _is_rounding(was, now):
        yield path, was, now


def _is_rounding(was: Any, now: Any) -> bool:
    """Whether two numbers are one: sums are rounded in another order by another processor, or by
    another build of the library that adds them up. What can be set is written in decimals, and
    has no such digits."""
    kinds = {type(was), type(now)}
    is_computed = float in kinds and kinds <= {int, float}  # whole numbers alone are exact
    return is_computed and math.isclose(was, now, rel_tol=SAME_DIGITS)

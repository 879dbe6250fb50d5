"""Rows of a job that need nothing changed have one record together: what their answers have in
common is written once, and of each what is its own (decision 0127).

Rows whose answers differ in anything else, or whose requests do (another shift, other languages),
have another record; so what is erased with one row was said of the same person or machine.
"""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from pydantic_core import from_json

from ifonly.service.store.chain import Record, new_id
from ifonly.service.store.jobs import Answered, AnsweredTogether, RowsAnswered
from ifonly.service.store.journal import Draft
from ifonly.service.store.kinds import RecordKind

NOTHING_TO_CHANGE = "already_target"
MOST = 256
"""Rows of one record: what is erased at once, and read for one row."""

Kept = Mapping[str, Any]
"""A payload, as JSON: ``answer``, ``request`` and, if its client gave one, ``row_id``."""


@dataclass(slots=True)
class _Group:
    """Rows that say the same but for what is their own."""

    answer: dict[str, Any]
    request: dict[str, Any]
    drafts: dict[int, Draft]
    own: dict[int, tuple[Any, Any, Any]]
    """By number: prediction, instance, and what the client calls it."""
    times: Counter[str]
    """Of all of them."""


def gathered(found: Sequence[Answered]) -> list[RowsAnswered]:
    """``found``, those rows together that can be."""
    groups: dict[str, _Group] = {}
    alone: list[RowsAnswered] = []
    for each in found:
        if not _needs_nothing(each.draft):
            alone.append(each)
            continue
        kept = from_json(each.draft.payload or b"")
        answer, request = kept["answer"], kept["request"]
        own = (answer.pop("prediction"), request.pop("instance"), kept.get("row_id"))
        # Another id and another time: each record has its own, and says how long all took.
        del answer["id"]
        times = answer["work"].pop("times")
        key = json.dumps([answer, request], sort_keys=True)
        group = groups.setdefault(key, _Group(answer, request, {}, {}, Counter()))
        group.times.update(times)
        group.drafts[each.number] = each.draft
        group.own[each.number] = own
    for group in groups.values():
        numbers = sorted(group.own)
        # One row alone is written as ever: there is nothing to share.
        if len(numbers) == 1:
            alone.append(Answered(numbers[0], group.drafts[numbers[0]]))
            continue
        alone += [_together(group, numbers[k : k + MOST]) for k in range(0, len(numbers), MOST)]
    return alone


def _needs_nothing(draft: Draft) -> bool:
    facts = draft.facts
    is_answer = facts.kind is RecordKind.EXPLANATION and facts.status == NOTHING_TO_CHANGE
    return is_answer and not draft.observations and "rejected" not in (facts.detail or {})


def _together(group: _Group, numbers: Sequence[int]) -> AnsweredTogether:
    drafts = [group.drafts[number].facts for number in numbers]
    facts = replace(
        drafts[-1],
        kind=RecordKind.ROWS,
        id=new_id(),
        latency_us=sum(each.latency_us or 0 for each in drafts),
        # Of one row, as in its own record; the numbers are added when they are written.
        detail={k: v for k, v in (drafts[-1].detail or {}).items() if k != "row"},
    )
    return AnsweredTogether(numbers, facts, partial(_payload, group))


def _payload(group: _Group, numbers: Sequence[int]) -> bytes:
    own = [group.own[number] for number in numbers]
    # Of the group, also where somebody else has answered some of it meanwhile.
    work = group.answer["work"] | {"times": {k: round(v, 3) for k, v in group.times.items()}}
    told: dict[str, Any] = {
        "answer": group.answer
        | {"work": work, "predictions": [prediction for prediction, _, _ in own]},
        "request": group.request | {"instances": [instance for _, instance, _ in own]},
    }
    if any(name is not None for _, _, name in own):
        told["row_ids"] = [name for _, _, name in own]
    return json.dumps(told, ensure_ascii=False, separators=(",", ":")).encode()


def each_row(record: Record, kept: Kept) -> Iterator[tuple[int | None, Kept]]:
    """What each row of a record was asked and answered, as in a record of its own, with its number
    in the job (None: it is no row of one)."""
    detail = record.facts.detail or {}
    if record.facts.kind is not RecordKind.ROWS:
        yield detail.get("row"), kept
        return
    answer, request = dict(kept["answer"]), dict(kept["request"])
    predictions, instances = answer.pop("predictions"), request.pop("instances")
    names = kept.get("row_ids") or [None] * len(instances)
    rows = zip(detail["numbers"], predictions, instances, names, strict=True)
    for number, prediction, instance, name in rows:
        told = {
            "answer": {"id": record.facts.id, **answer, "prediction": prediction},
            "request": {**request, "instance": instance},
        }
        yield number, told if name is None else {**told, "row_id": name}

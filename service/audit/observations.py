"""What a question and its answer tell of a piece of equipment, for its alarm."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from ifonly.service.lifecycle import AlarmRules
from ifonly.service.served.registry import ServedModel
from ifonly.service.store.episodes import Observation, framed
from ifonly.service.wire.base import Wire
from ifonly.service.wire.replies import ExplanationReply, Prediction, PredictionsReply
from ifonly.service.wire.requests import ExplanationRequest, PredictionsRequest


@dataclass(frozen=True, slots=True)
class EquipmentPlace:
    """A piece of equipment, as a model knows it."""

    equipment: str
    attributes: str
    """What tells it from all other, as JSON."""
    condition: str
    """Digest of that and the model's name: what its alarms are kept under."""


def place_of(model: ServedModel, said: Mapping[str, str]) -> EquipmentPlace | None:
    """Of what a request says in ``attributes``; None: not which equipment it is."""
    attributes = model.deployed.spec.attributes
    equipment = attributes.equipment(said)
    if equipment is None:
        return None
    place = json.dumps(attributes.place(said), ensure_ascii=False)
    return EquipmentPlace(equipment, place, _digest((model.name, place)))


def observed(
    model: ServedModel, request: Wire, reply: Wire, *, is_reading: bool, about_us: int | None
) -> tuple[Observation, ...]:
    """Of each piece of equipment that it says it is about; none where the model desires nothing.

    ``is_reading``: whether it tells of the equipment as it is now; ``about_us``: else of when.
    """
    desired = model.decision.desired
    said = _said(request)
    # The commonest case first: most requests name no equipment.
    if desired is None or not any(said):
        return ()
    rows = _told(request, reply)
    if not rows:
        return ()
    # What is said of all rows is looked at once.
    known = {id(each): place_of(model, each) for each in said}
    of: dict[str, tuple[EquipmentPlace, list[int]]] = {}
    for number, each in enumerate(said):
        place = known[id(each)]
        if place is not None:
            of.setdefault(place.condition, (place, []))[1].append(number)
    wanted = model.decision.class_names[desired]
    levers = _levers(reply)
    found = []
    for place, numbers in of.values():
        bad = [k for k in numbers if rows[k][1].class_ != wanted]
        worst = max(bad, key=lambda k: rows[k][1].probability or 0.0, default=numbers[0])
        reading = rows[worst][0] if len(numbers) == 1 else None
        found.append(
            Observation(
                condition=place.condition,
                model=model.name,
                version=model.version,
                equipment=place.equipment,
                attributes=place.attributes,
                is_alarm=bool(bad),
                rules=AlarmRules.of(model.deployed.spec.alarm),
                row=worst,
                share=rows[worst][1].probability if bad else None,
                reading=None if reading is None else _digest(sorted(map(_plain, reading.items()))),
                is_reading=is_reading,
                about_us=about_us,
                is_one_of_many=len(of) > 1,
                levers=levers,
            )
        )
    return tuple(found)


def _said(request: Wire) -> Sequence[Mapping[str, str]]:
    """What is said of each row."""
    match request:
        case PredictionsRequest():
            return request.said
        case ExplanationRequest():
            return [request.attributes]
        case _:
            return []


def _told(request: Wire, reply: Wire) -> list[tuple[Mapping[str, Any], Prediction]]:
    """Rows, and what was predicted of each."""
    match request, reply:
        case PredictionsRequest(), PredictionsReply():
            rows = [request.instance] if request.instance is not None else request.instances or []
            return list(zip(rows, reply.predictions, strict=True))
        case ExplanationRequest(), ExplanationReply():
            return [(request.instance, reply.prediction)]
        case _:
            return []


def _levers(reply: Wire) -> str | None:
    """What the smallest answer sets; None: there is none, or it is no advice."""
    if not isinstance(reply, ExplanationReply) or reply.semantics == "backtracking":
        return None
    first = reply.counterfactuals[:1]
    return framed([action.feature for action in first[0].actions]) if first else None


def _plain(item: tuple[str, Any]) -> tuple[str, Any]:
    """1282 and 1282.0 are one reading."""
    name, value = item
    return name, float(value) if isinstance(value, int) else value


def _digest(value: object) -> str:
    return hashlib.sha256(repr(value).encode()).hexdigest()

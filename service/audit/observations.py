"""What a question and its answer tell of a piece of equipment, for its alarm."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ifonly.service.lifecycle import AlarmRules
from ifonly.service.served.registry import ServedModel
from ifonly.service.store.episodes import Observation
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
) -> Observation | None:
    """None: it does not say which equipment it is about, or the model desires nothing.

    ``is_reading``: whether it tells of the equipment as it is now; ``about_us``: else of when.
    """
    # The commonest case first: most requests name no equipment.
    said: Mapping[str, str] = getattr(request, "attributes", {})
    place, desired = place_of(model, said), model.decision.desired
    if place is None or desired is None:
        return None
    rows, reading = _told(request, reply)
    if not rows:
        return None
    wanted = model.decision.class_names[desired]
    bad = [k for k, row in enumerate(rows) if row.class_ != wanted]
    worst = max(bad, key=lambda k: rows[k].probability or 0.0, default=0)
    return Observation(
        condition=place.condition,
        model=model.name,
        version=model.version,
        equipment=place.equipment,
        attributes=place.attributes,
        is_alarm=bool(bad),
        rules=AlarmRules.of(model.deployed.spec.alarm),
        row=worst,
        share=rows[worst].probability if bad else None,
        reading=None if reading is None else _digest(sorted(map(_plain, reading.items()))),
        is_reading=is_reading,
        about_us=about_us,
    )


def _told(request: Wire, reply: Wire) -> tuple[list[Prediction], Mapping[str, Any] | None]:
    """Predictions of rows, and the readings if there is one row."""
    match request, reply:
        case PredictionsRequest(), PredictionsReply():
            rows = [request.instance] if request.instance is not None else request.instances or []
            return reply.predictions, rows[0] if len(rows) == 1 else None
        case ExplanationRequest(), ExplanationReply():
            return [reply.prediction], request.instance
        case _:
            return [], None


def _plain(item: tuple[str, Any]) -> tuple[str, Any]:
    """1282 and 1282.0 are one reading."""
    name, value = item
    return name, float(value) if isinstance(value, int) else value


def _digest(value: object) -> str:
    return hashlib.sha256(repr(value).encode()).hexdigest()

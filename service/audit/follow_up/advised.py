"""What a recorded explanation advises."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from typing import Any

from ifonly.service.audit import ways_told
from ifonly.service.audit.follow_up.advice import AdvisedLever, ShownArm
from ifonly.service.served.registry import ServedModel


def ways_of(
    answer: Mapping[str, Any], model: ServedModel | None
) -> dict[str, tuple[AdvisedLever, ...]]:
    """By name of the way, what it sets; nothing where there is no advice."""
    found: dict[str, tuple[AdvisedLever, ...]] = {}
    told = {way["name"]: way for way in answer.get("ways") or ()}
    for name in ways_told.told(answer):
        way = told.get(name, {})
        # One that sets the same as another is that other.
        if way.get("same_as"):
            continue
        one = way.get("counterfactual") or answer["counterfactuals"][0]
        found[name] = tuple(_lever(action, model) for action in one["actions"])
    return {name: levers for name, levers in found.items() if levers}


def arms_of(detail: Mapping[str, Any] | None) -> dict[str, ShownArm]:
    """How an explanation was shown in an experiment, by its id."""
    said = (detail or {}).get("experiment")
    if not isinstance(said, dict):
        return {}
    return {str(said["id"]): ShownArm(str(said["arm"]), str(said["unit"]))}


def _lever(action: Mapping[str, Any], model: ServedModel | None) -> AdvisedLever:
    low, high = action.get("sufficient_range") or (None, None)
    name = action["feature"]
    tolerance = 0.0 if model is None else _tolerance(model, name)
    return AdvisedLever(name, action["from"], action["to"], low, high, tolerance)


def _tolerance(model: ServedModel, name: str) -> float:
    """How far a reading may be from what was set: as the policy declares of the sensor, at least
    a step of what can be set."""
    own = model.deployed.spec.policy.get("features", {}).get(name, {})
    feature = next((f for f in model.schema.features if f.name == name), None)
    step = 0.0 if feature is None or feature.resolution is None else float(feature.resolution)
    return max(float(own.get("tolerance", 0.0)), step)


def digest_of(instance: Mapping[str, Any]) -> str:
    """Of a reading: asked about twice, it is one."""
    plain = {k: float(v) if isinstance(v, int) else v for k, v in instance.items()}
    return hashlib.sha256(json.dumps(plain, sort_keys=True).encode()).hexdigest()

"""What is published is true: read back from the reply, it flips in a session of its own.

Nothing of the service scores or checks here: the row comes from the JSON text, the session is
onnxruntime's on the very file, the rules are written out again by hand.
"""

from __future__ import annotations

import json
import tomllib
from decimal import Decimal
from typing import Any

import httpx
import numpy as np
import onnxruntime
import pytest

from ifonly.models.training.milling import simulate
from ifonly.service.settings import shipped_models

FOLDER = shipped_models() / "milling-machine" / "1"
SPEC = tomllib.loads((FOLDER / "spec.toml").read_text(encoding="utf-8"), parse_float=Decimal)
FEATURES = {f["name"]: f for f in SPEC["features"]}
N_ALARMS = 25


@pytest.fixture(scope="module")
def session() -> onnxruntime.InferenceSession:
    return onnxruntime.InferenceSession(FOLDER / "model.onnx", providers=["CPUExecutionProvider"])


def probability_of_failure(
    session: onnxruntime.InferenceSession, instance: dict[str, Any]
) -> float:
    row = [
        f["categories"].index(_category(f, instance[name])) if "categories" in f else instance[name]
        for name, f in FEATURES.items()
    ]
    (entry,) = session.get_inputs()
    output = SPEC["output"]
    (scores,) = session.run([output["name"]], {entry.name: np.array([row], dtype=np.float32)})
    return float(scores[0][output["column"]])


def _category(feature: dict[str, Any], name: str) -> Any:
    return next(c for c in feature["categories"] if name in (c, isinstance(c, dict) and c["name"]))


def alarms(session: onnxruntime.InferenceSession) -> list[dict[str, Any]]:
    """Simulated parts, none of them trained on, for which the deployed model raises the alarm."""
    rows = simulate(4_000, seed=20_260_101).rows
    found = []
    for row in rows:
        instance = {
            name: f["categories"][int(v)]["name"]
            if "categories" in f
            else round(float(v), 1 if f["resolution"] < 1 else 0)
            for (name, f), v in zip(FEATURES.items(), row, strict=True)
        }
        if probability_of_failure(session, instance) >= SPEC["decision"]["threshold"]:
            found.append(instance)
        if len(found) == N_ALARMS:
            break
    return found


@pytest.mark.parametrize("semantics", ["independent", "interventional"])
def test_every_published_counterfactual_flips_keeps_the_policy_and_lies_on_the_grid(
    client: httpx.Client, session: onnxruntime.InferenceSession, semantics: str
) -> None:
    asked = alarms(session)
    assert len(asked) == N_ALARMS
    published = 0
    for instance in asked:
        body = {
            "instance": instance,
            "alternatives": 2,
            "deadline_ms": 30_000,
            "semantics": semantics,
        }
        text = client.post("/api/v1/models/milling-machine/explanations", json=body).text
        for counterfactual in json.loads(text)["counterfactuals"]:
            row = counterfactual["instance"]
            score = probability_of_failure(session, row)
            assert score < SPEC["decision"]["threshold"]
            # Another session may add the trees in another order: float32 to its last digit.
            stated = counterfactual["prediction"]["probability"]
            assert stated == pytest.approx(1.0 - score, abs=1e-6)
            followed = {e["feature"]: e for e in counterfactual["effects"]}
            check_policy(instance, row, set(followed), text)
            check_effects(instance, row, followed, semantics)
            published += 1
    assert published >= N_ALARMS


def check_effects(
    factual: dict[str, Any], row: dict[str, Any], followed: dict[str, Any], semantics: str
) -> None:
    """Only the speed follows, from torque alone, along the drive's curve 1000 + 20000 / torque of
    the simulator, give or take 60 rpm."""
    torque = row["torque"] != factual["torque"]
    if semantics == "independent" or not torque:
        assert followed == {}
        return
    if "rotational_speed" not in followed:
        return  # set against the torque
    effect = followed["rotational_speed"]
    assert effect["via"] == ["torque"]
    assert (effect["to"], effect["from"]) == (row["rotational_speed"], factual["rotational_speed"])
    if min(row["torque"], factual["torque"]) >= 15:
        truth = 20_000 / row["torque"] - 20_000 / factual["torque"]
        assert effect["delta"] == pytest.approx(truth, abs=60)


def check_policy(
    factual: dict[str, Any], row: dict[str, Any], followed: set[str], text: str
) -> None:
    """The shipped policy by hand, in decimals, from the digits of the reply."""
    policy = SPEC["policy"]["features"]
    moved = [name for name in factual if row[name] != factual[name] and name not in followed]
    assert 1 <= len(moved) <= SPEC["policy"]["max_changes"]
    for name in moved:
        own, feature = policy.get(name, {}), FEATURES[name]
        assert own.get("actionable", True)
        value = Decimal(str(row[name]))
        assert value % feature["resolution"] == 0
        assert feature["bounds"][0] <= value <= feature["bounds"][1]
        assert f'"{name}":{row[name]}' in text
        if "only_to" in own:
            assert value in own["only_to"]
        if "range" in own:
            assert own["range"][0] <= value <= own["range"][1]

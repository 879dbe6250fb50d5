"""Tables of rows for bulk explanations, and what the service says of a row, as a line has it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import cache
from typing import Any

import numpy as np
import pyarrow as pa

from ifonly.models.predictor import Rows
from ifonly.models.repository import load_folder
from ifonly.models.schema import Feature, Schema
from ifonly.models.training.milling import simulate
from ifonly.service.ask import answering
from ifonly.service.ask.budget import Budget
from ifonly.service.ask.problems import Refusal
from ifonly.service.served.registry import ServedModel, prepare
from ifonly.service.settings import shipped_models
from ifonly.service.wire import requests, validation

SHIPPED = shipped_models() / "milling-machine" / "1"


@cache
def shipped() -> ServedModel:
    return prepare(load_folder(SHIPPED.resolve()))


@cache
def parts(n: int, seed: int = 7) -> Rows:
    """Simulated parts, readings of the shipped model, ``(n, 6)``."""
    return simulate(n, seed).rows


def alarms(n: int, seed: int = 7) -> Rows:
    """Parts that the shipped model flags."""
    rows = parts(40 * n + 1_000, seed)
    decided = shipped().decision.decide(shipped().deployed.predictor.score(rows))
    flagged: Rows = rows[decided == shipped().decision.positive][:n]
    return flagged


def table(schema: Schema, rows: Rows, **others: Any) -> pa.RecordBatch:
    """Rows as a client has them: categories by name, whole numbers as such, nulls."""
    columns = {f.name: _column(f, rows[:, j]) for j, f in enumerate(schema.features)}
    return pa.RecordBatch.from_pydict({**columns, **others})


def _column(feature: Feature, values: np.ndarray) -> pa.Array:
    kind = pa.string() if feature.kind.is_categorical else None
    return pa.array([feature.write(float(v)) for v in values], kind)


def served_line(
    model: ServedModel, row: np.ndarray, request: Mapping[str, Any], languages: Sequence[str]
) -> dict[str, Any]:
    """What the service answers to a question about one row, in the columns of the output."""
    body = {"instance": model.schema.write(row), "languages": list(languages), **request}
    asked = validation.read(requests.ExplanationRequest, body)
    # All the time in the world, as without a deadline.
    budget = Budget(60_000)
    try:
        reply = answering.explanation(model, asked, budget).as_mapping()
    except Refusal as refusal:
        said = refusal.problem.extensions
        if "conflict" in said:
            return {"status": "contradictory", "blocked_by": [c["key"] for c in said["conflict"]]}
        return {"status": "already_target", **_word(said["prediction"], model, "")}
    return {
        "status": reply["status"],
        "deadline_hit": reply["deadline_hit"],
        **_word(reply["prediction"], model, ""),
        **_first(reply, model),
        **{f"sentence_{tag}": reply["text"][tag] for tag in languages},
    }


def _first(reply: Mapping[str, Any], model: ServedModel) -> dict[str, Any]:
    found = [_found(c, model, reply) for c in reply["counterfactuals"]]
    line: dict[str, Any] = {}
    if found:
        line |= {"verified": True, **found[0], "alternatives": found[1:]}
    if reply["status"] == "infeasible":
        line["blocked_by"] = [c["key"] for c in reply["blocked_by"]]
    if reply.get("relaxation") is not None:
        way_out = _found(reply["relaxation"]["counterfactual"], model, reply)
        line["relaxation"] = {
            "lifted": reply["relaxation"]["lifted"]["key"],
            **{key: way_out[key] for key in ("cost", "actions", "effects")},
        }
    if reply.get("chance_under_this_model") is not None:
        line["chance"] = reply["chance_under_this_model"]
    if reply.get("ways") is not None:
        line["ways"] = [_way(way, model, reply) for way in reply["ways"]]
    return line


def _way(way: Mapping[str, Any], model: ServedModel, reply: Mapping[str, Any]) -> dict[str, Any]:
    told = {key: way.get(key) for key in ("name", "status", "same_as", "why")}
    told["survives_factor"] = way["survives"]
    if way.get("counterfactual") is not None:
        found = _found(way["counterfactual"], model, reply)
        # A way may survive what nobody demands of the answer: `survives_factor` has it.
        return {**told, **{key: said for key, said in found.items() if key != "survives"}}
    return told


def _found(
    found: Mapping[str, Any], model: ServedModel, reply: Mapping[str, Any]
) -> dict[str, Any]:
    sure = found.get("assurance") or {}
    return {
        **{key: found[key] for key in ("cost", "lower_bound", "gap")},
        "rests_on_rounding": found.get("rests_on_rounding", False),
        "actions": [_moved(a, model) for a in found["actions"]],
        "effects": [_moved(e, model) | {"via": e["via"]} for e in found["effects"]],
        **_word(found["prediction"], model, "_after"),
        "chance": sure.get("chance_under_this_model"),
        "survives": reply["target"]["robust"],
        "survival": sure.get("survives_sensor_errors"),
    }


def _moved(moved: Mapping[str, Any], model: ServedModel) -> dict[str, Any]:
    suffix = "_category" if model.schema[moved["feature"]].kind.is_categorical else ""
    told = {
        "feature": moved["feature"],
        "unit": moved.get("unit") or None,
        f"from{suffix}": moved["from"],
        f"to{suffix}": moved["to"],
    }
    if "via" not in moved:
        told["low"], told["high"] = moved.get("sufficient_range") or (None, None)
    return told


def _word(prediction: Mapping[str, Any], model: ServedModel, suffix: str) -> dict[str, Any]:
    """Probabilities as they are told; the score of two classes is that of the positive one."""
    decision = model.decision
    probability, score = prediction.get("probability"), prediction.get("score")
    if decision.task == "binary":
        is_positive = prediction["class"] == decision.class_names[decision.positive]
        score = probability if is_positive else None  # 1 - p is not p's score to the last digit
    return {
        f"decision{suffix}": prediction.get("class"),
        f"probability{suffix}": probability,
        f"score{suffix}": score,
    }


def differing(line: Mapping[str, Any], served: Mapping[str, Any]) -> dict[str, tuple[Any, Any]]:
    """Columns of ``served`` in which a line says something else: (the line, the service)."""
    return {
        key: (line.get(key), said)
        for key, said in served.items()
        if key in line and not _same(line.get(key), said) and not _untold(key, said)
    }


def _untold(key: str, said: Any) -> bool:
    """The score of a negative decision, which a reply does not have."""
    return said is None and key.startswith("score")


def _same(one: Any, other: Any) -> bool:
    if isinstance(one, Mapping) and isinstance(other, Mapping):
        keys = {k for k in other if not (k.startswith("score") and other[k] is None)}
        return all(_same(one.get(k), other[k]) for k in keys)
    if isinstance(one, list) and isinstance(other, list):
        return len(one) == len(other) and all(map(_same, one, other))
    return bool(one == other)

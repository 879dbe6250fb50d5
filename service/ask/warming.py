"""Questions of every kind, asked of a model before anybody else can ask it one.

Nothing is compiled for them: that is done when an engine for trees is made. What a model builds
when it is first asked (bit tables of each class, what its network reads, the words of its units)
and what a process imports or reads once (the units' registry, the grammar of rules) is there after.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import suppress
from typing import Any

import numpy as np

from ifonly.explainers.errors import ExplainError
from ifonly.explainers.target import Target
from ifonly.models.errors import ModelError
from ifonly.models.predictor import Row
from ifonly.models.schema import Feature
from ifonly.service.ask import answering, read_request
from ifonly.service.ask.budget import Budget
from ifonly.service.ask.confirm import ALONE
from ifonly.service.ask.plane import plane_of
from ifonly.service.ask.predict import predict
from ifonly.service.ask.problems import Refusal
from ifonly.service.ask.question import Rung, problem_of
from ifonly.service.errors import ServiceError
from ifonly.service.served.causal_model import Semantics
from ifonly.service.served.registry import ServedModel
from ifonly.service.wire import requests, validation

WARM_MS = 10
"""For each question's search: it need not be settled, only begun. What is left for the first that
is asked is then some ms at most, as with five times as much."""
# A model of a hundred classes would fill the memory with tables that nobody may ask for.
MOST_TABLES = 512 << 20
"""Bytes: of models with many classes, tables for those beyond are built when first asked for."""
PLANE_VALUES = 3

Body = dict[str, Any]


def warm(model: ServedModel) -> None:
    """Ask ``model`` one question of every kind. One that it cannot answer is no matter here:
    whoever asks it is told."""
    row = row_of(model)
    for ask in (_engine, _predictions, _tables, _explanations, _what_ifs, _plane):
        # One kind of question that fails must not keep the others cold.
        with suppress(*REFUSED):
            ask(model, row)


def _engine(model: ServedModel, row: Row) -> None:
    # Also where no question of ours can be asked: the first of somebody else's would import it.
    assert model.engine is not None


def _predictions(model: ServedModel, row: Row) -> None:
    body = {"instance": model.schema.write(row)}
    answering.predictions(model, validation.read(requests.PredictionsRequest, body))


def _tables(model: ServedModel, row: Row) -> None:
    for target in _targets(model, row):
        model.engine.warm(model.policy.problem(row, target), model.deployed.predictor)


def _explanations(model: ServedModel, row: Row) -> None:
    for body in bodies(model, row):
        with suppress(*REFUSED):
            request = validation.read(requests.ExplanationRequest, body)
            answering.explanation(model, request, Budget(WARM_MS), confirming=ALONE)


def _what_ifs(model: ServedModel, row: Row) -> None:
    body = {"instance": model.schema.write(row), "set": changes(model, row)}
    for rung in Rung if model.causal else (Rung.ASSOCIATION,):
        asked = body | {"rung": rung.value}
        answering.what_if_reply(model, validation.read(requests.WhatIfRequest, asked))


REFUSED = (ServiceError, Refusal, ModelError, ExplainError)


def row_of(model: ServedModel) -> Row:
    """A row of the model: an example, one it was trained on, or in the middle of what it reads."""
    if model.deployed.examples:
        # Examples first: they are rows that the model is meant to see.
        return model.deployed.examples[0].row
    if model.deployed.reference is not None:
        return np.asarray(model.deployed.reference[0])
    unread = model.schema.unread
    # What no sensor reads is 0 in a row that was read.
    return np.array(
        [0.0 if j in unread else _middle(f) for j, f in enumerate(model.schema.features)]
    )


def _middle(feature: Feature) -> float:
    if feature.kind.is_categorical:
        return 0.0
    # Bounds may be infinite, and the middle of those is no number.
    low, high = max(feature.lower, -1e6), min(feature.upper, 1e6)
    return min(max(float(round((low + high) / 2)), low), high)


def bodies(model: ServedModel, row: Row) -> Iterator[Body]:
    """Requests for explanations of ``row``: every kind of question."""
    target: Body = {"instance": model.schema.write(row), "target": _target(model, row)}
    for semantics in Semantics if model.causal else (Semantics.INDEPENDENT,):
        asked = target | {"semantics": semantics.value}
        # Each body reaches code that the others do not.
        yield asked | {"alternatives": 3}
        yield asked | {"constraints": {"ranges": _around(model, row)}}
        # The grammar of rules is built when the first rule is read.
        yield asked | {"constraints": {"max_changes": 1, "rules": _rules(model)}}
        # Without tolerances there is nothing to be robust against, and so nothing to warm.
        if any(model.policy.tolerances):
            yield asked | {"constraints": {"robust": True}}
        if "class" in asked["target"]:
            decision_alone = asked["target"] | {"probability": {"min": 0.0}}
            yield asked | {"target": decision_alone}


def _target(model: ServedModel, row: Row) -> Body:
    """Something else than what is predicted."""
    (said,) = predict(model, row[np.newaxis])
    names = model.decision.class_names
    if not names:
        score = said.scores[0]
        # Just beyond the score: the target must not be met already, or nothing is searched.
        return {"score": {"min": score + 0.01 * max(1.0, abs(score))}}
    # The desired class first: it is what most will ask for.
    desired = model.decision.desired
    if desired is not None and desired != said.decided:
        return {"class": names[desired]}
    return {"class": names[(said.decided + 1) % len(names)]}


def _targets(model: ServedModel, row: Row) -> Iterator[Target]:
    """Every class, as long as their tables take but so much room; of a regression either side."""
    classes = range(len(model.decision.class_names))
    for wanted in classes:
        # Asked before each class, for each target adds tables.
        if model.engine.table_bytes < MOST_TABLES:
            yield model.policy.target(wanted)
            yield Target(model.decision, wanted, -math.inf, math.inf)
    if not classes:
        (said,) = predict(model, row[np.newaxis])
        yield Target(model.decision, None, said.scores[0], math.inf)
        yield Target(model.decision, None, -math.inf, said.scores[0])


def _around(model: ServedModel, row: Row) -> dict[str, list[float]]:
    """Ranges that leave numbers next to nothing: so that it is asked what blocks."""
    return {
        feature.name: [float(value) - step, float(value) + step]
        for feature, value in zip(model.schema.features, row, strict=True)
        if not feature.kind.is_categorical and not np.isnan(value)
        for step in [float(feature.resolution or 1e-3)]
    }


def _rules(model: ServedModel) -> list[str]:
    """One that forbids nothing: so that rules can be read."""
    numbers = [f.name for f in model.schema.features if not f.kind.is_categorical]
    return [f"if `{name}` changes then `{name}` >= -1e300" for name in numbers[:1]]


def changes(model: ServedModel, row: Row) -> Body:
    """What a what-if sets: the first feature that may be set, to what it reads."""
    problem = model.policy.problem(row, next(_targets(model, row)))
    names = [model.schema.names[j] for j in problem.movable[:1]]
    read = model.schema.by_column(model.schema.write(row))
    return {name: read[name] for name in names}


def _plane(model: ServedModel, row: Row) -> None:
    """The plane of the first two levers."""
    body = {"instance": model.schema.write(row), "target": _target(model, row)}
    question = read_request.question(validation.read(requests.ExplanationRequest, body), model)
    levers = problem_of(model, question).movable[:2]
    if len(levers) == 2:
        plane_of(model, question, (int(levers[0]), int(levers[1])), PLANE_VALUES)

"""The last word: is a proposed row an answer?

Shares no code with the engines. The grid is checked in decimal arithmetic, every constraint by
its own definition, the cost by :class:`explainers.cost.Cost`, the decision by the deployed
model asked for this one row alone, as a client would.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal

import numpy as np

from explainers.answer import Action, Counterfactual, Prediction
from explainers.problem import Problem
from models.predictor import Predictor, Row, Scores
from models.schema import Decision, Feature


@dataclass(frozen=True)
class Rejection:
    """Why a proposed row is not an answer."""

    reasons: tuple[str, ...]


def verify(problem: Problem, predictor: Predictor, row: Row) -> Counterfactual | Rejection:
    """``row``, ``(n_features,)``, as an answer with its cost and score recomputed."""
    rows = np.array([row], dtype=np.float64)
    reasons = [
        f"{feature.name} = {value} cannot be set"
        for feature, value, before in zip(
            problem.schema.features, row, problem.factual, strict=True
        )
        if not _unchanged(float(value), float(before)) and not _can_be_set(feature, float(value))
    ]
    reasons += [
        f"{constraint.origin.key} is broken"
        for constraint in problem.constraints
        if not constraint.holds(rows, problem.factual)[0]
    ]
    if reasons:  # a row off the grid or out of bounds is not sent to the model
        return Rejection(tuple(reasons))
    scores = predictor.score(rows)
    if not problem.target.met(scores)[0]:
        return Rejection((f"the deployed model scores it {scores[0].tolist()}, not in the target",))
    actions = tuple(
        Action(j, float(before), float(after))
        for j, (before, after) in enumerate(zip(problem.factual, row, strict=True))
        if not _unchanged(float(after), float(before))
    )
    return Counterfactual(
        row=tuple(float(v) for v in row),
        actions=actions,
        cost=float(problem.cost_of(rows)[0]),
        prediction=predicted(problem.target.decision, scores),
    )


def predicted(decision: Decision, scores: Scores) -> Prediction:
    """The first row of ``scores`` as a prediction."""
    return Prediction(tuple(float(s) for s in scores[0]), int(decision.decide(scores[:1])[0]))


def _unchanged(after: float, before: float) -> bool:
    return after == before or (math.isnan(after) and math.isnan(before))


def _can_be_set(feature: Feature, value: float) -> bool:
    """By the text that the wire will carry: 53.2 is a multiple of 0.1 because "53.2" is."""
    if feature.kind.is_categorical:
        return value in range(len(feature.categories))
    if feature.resolution is None or not math.isfinite(value):
        return False
    inside = feature.lower <= value <= feature.upper
    return inside and Decimal(repr(value)) % feature.resolution == 0

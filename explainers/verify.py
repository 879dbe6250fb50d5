"""The last word: is a proposed row an answer?

Shares no code with the engines. What follows from an action is asked of the causal model anew,
the grid is checked in decimal arithmetic, every constraint by its own definition, the cost by
:class:`explainers.cost.Cost`, the decision by the deployed model asked for this one row alone,
as a client would.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from decimal import Decimal

import numpy as np

from explainers.answer import Action, Counterfactual, Effect, Prediction
from explainers.problem import Problem
from explainers.space import differing
from models.predictor import Predictor, Row, Rows, Scores
from models.schema import Decision, Feature

READINGS = 128
"""Readings within the sensors' tolerances that are tried against a proof that all will do."""


@dataclass(frozen=True)
class Rejection:
    """Why a proposed row is not an answer."""

    reasons: tuple[str, ...]


def verify(problem: Problem, predictor: Predictor, action: Row) -> Counterfactual | Rejection:
    """``action``, the factual with what is set, ``(n_features,)``, as an answer: what follows
    from it, its cost and its score recomputed."""
    actions = np.array([action], dtype=np.float64)
    before, after = problem.factual.tolist(), actions[0].tolist()
    columns = differing(after, before)
    rows = _leads_to(problem, actions, columns)
    reads = rows[0].tolist()
    followed = differing(reads, after)
    reasons = [*_broken(problem, after, reads, columns, followed)]
    if reasons:  # a row off the grid or out of bounds is not sent to the model
        return Rejection(tuple(reasons))
    scores = predictor.score(rows)
    if not problem.target.met(scores)[0]:
        return Rejection((f"the deployed model scores it {scores[0].tolist()}, not in the target",))
    if problem.survives is not None:
        readings = problem.survives.readings(rows[0], problem.schema, problem.seed, READINGS)
        if not problem.target.met(predictor.score(readings)).all():
            return Rejection(("a reading within the sensors' tolerances is not in the target",))
    doubt = _doubt(problem, predictor, actions[0], columns)
    if doubt:
        return Rejection((doubt,))
    return Counterfactual(
        row=tuple(reads),
        actions=tuple(Action(j, before[j], after[j]) for j in columns),
        cost=float(problem.cost_of(actions)[0]),
        prediction=predicted(problem.target.decision, scores),
        effects=tuple(
            Effect(j, before[j], reads[j], problem.image.via(columns, j))
            for j in followed
            if problem.image is not None
        ),
    )


def _broken(
    problem: Problem,
    action: list[float],
    row: list[float],
    columns: list[int],
    followed: list[int],
) -> Iterator[str]:
    """Why an action cannot be taken, or its row cannot be."""
    features = problem.schema.features
    for j in columns:
        if not _can_be_set(features[j], action[j]):
            yield f"{features[j].name} = {action[j]} cannot be set"
    for j in followed:
        if not features[j].lower <= row[j] <= features[j].upper:
            yield f"{features[j].name} would be {row[j]}, which cannot be"
    factual = problem.factual.tolist()
    for constraint in problem.constraints:
        if not constraint.kept(action if constraint.of_action else row, factual):
            yield f"{constraint.origin.key} is broken"


def _leads_to(problem: Problem, actions: Rows, columns: list[int]) -> Rows:
    if problem.image is None or not columns:
        return actions
    return problem.image.rows(problem.factual, columns, actions[:, columns])


def _doubt(problem: Problem, predictor: Predictor, action: Row, columns: list[int]) -> str:
    """Why what follows cannot be relied upon; empty if it can."""
    image = problem.image
    if image is None or not image.effects(columns):
        return ""
    margin = problem.margin(predictor.score)
    found = image.trust(problem.factual, columns, action[None, columns], margin)
    return "" if found.holds[0] else f"by {found.chance[0]:.0%} of plausible mechanisms it flips"


def predicted(decision: Decision, scores: Scores) -> Prediction:
    """The first row of ``scores`` as a prediction."""
    return Prediction(tuple(scores[0].tolist()), int(decision.decide(scores[:1])[0]))


def _can_be_set(feature: Feature, value: float) -> bool:
    """By the text that the wire will carry: 53.2 is a multiple of 0.1 because "53.2" is."""
    if feature.kind.is_categorical:
        return value in range(len(feature.categories))
    if feature.resolution is None or not math.isfinite(value):
        return False
    inside = feature.lower <= value <= feature.upper
    return inside and Decimal(repr(value)) % feature.resolution == 0

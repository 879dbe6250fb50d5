"""The three rungs: predict, what-if, explain. Synchronous functions of domain values."""

from __future__ import annotations

import uuid
from collections.abc import Mapping
from dataclasses import dataclass

import numpy as np

from explainers.answer import AlreadyTarget, Answer, Infeasible, Prediction
from explainers.constraints import Constraint
from explainers.deadline import Deadline
from explainers.explain import explain as search
from explainers.problem import Problem
from explainers.space import Axis, changed
from explainers.target import Target
from models.predictor import Row, Rows
from service.errors import ContradictoryConstraints, TargetAlreadyMet
from service.registry import ServedModel


@dataclass(frozen=True, eq=False)
class Question:
    """What one request asks for, as domain values."""

    factual: Row
    target: Target
    target_is_named: bool
    """Whether the request names the target; if not, it is the model's desired class."""
    constraints: tuple[Constraint, ...] = ()
    alternatives: int = 1
    seed: int = 0


@dataclass(frozen=True, eq=False)
class Explanation:
    """An answer with the question that it answers."""

    id: uuid.UUID
    model: ServedModel
    problem: Problem
    answer: Answer


@dataclass(frozen=True)
class OffGrid:
    """A value that cannot be set as it stands, and the values beside it that can."""

    column: int
    value: float
    nearest: tuple[float, ...]


@dataclass(frozen=True, eq=False)
class WhatIf:
    """The prediction of a row with some features set, and what that would break."""

    id: uuid.UUID
    model: ServedModel
    factual: Row
    row: Row
    before: Prediction
    after: Prediction
    broken: tuple[Constraint, ...]
    off_grid: tuple[OffGrid, ...]
    cost: float


def predict(model: ServedModel, rows: Rows) -> tuple[Prediction, ...]:
    """The deployed model's word on each of ``rows``, ``(n, n_features)``, in one call.

    Raises
    ------
    GraphError
        If the model cannot score them.
    """
    scores = model.deployed.predictor.score(rows)
    decided = model.decision.decide(scores)
    return tuple(
        Prediction(tuple(float(s) for s in row), int(k))
        for row, k in zip(scores, decided, strict=True)
    )


def what_if(model: ServedModel, factual: Row, settings: Mapping[int, float]) -> WhatIf:
    """What the model says once columns are set to values, each alone: nothing follows from it.

    Raises
    ------
    GraphError
        If the model cannot score the rows.
    """
    row = factual.copy()
    for column, value in settings.items():
        row[column] = value
    before, after = predict(model, np.array([factual, row]))
    rows = row[np.newaxis]
    broken = tuple(c for c in model.policy.constraints if not c.holds(rows, factual)[0])
    moved = np.flatnonzero(changed(rows, factual)[0])
    off_grid = tuple(
        found for j in moved if (found := _off_grid(model, int(j), float(row[j]))) is not None
    )
    cost = float(model.policy.cost.of(rows, factual)[0])
    return WhatIf(uuid.uuid4(), model, factual, row, before, after, broken, off_grid, cost)


def _off_grid(model: ServedModel, column: int, value: float) -> OffGrid | None:
    feature = model.schema.features[column]
    if feature.resolution is None or np.isnan(value):
        return None
    axis = Axis.of(feature, np.nan)
    if value in axis:
        return None
    below = axis.below(value)
    numbers = len(axis) - axis.has_missing
    beside = [i for i in (below - 1, below) if 0 <= i < numbers]
    nearest = axis.values(np.array(beside, dtype=np.int64))
    return OffGrid(column, value, tuple(float(v) for v in nearest))


def explain(model: ServedModel, question: Question, deadline: Deadline) -> Explanation:
    """The smallest allowed change that flips the decision, or why there is none.

    Raises
    ------
    TargetAlreadyMet
        If the request names a target that the factual is in.
    ContradictoryConstraints
        If the request's constraints leave nothing, whatever the model says.
    GraphError
        If the model cannot score rows.
    """
    problem = model.policy.problem(
        question.factual,
        question.target,
        constraints=question.constraints,
        alternatives=question.alternatives,
        seed=question.seed,
    )
    answer = search(problem, model.deployed.predictor, engine=model.engine, deadline=deadline)
    if isinstance(answer, AlreadyTarget) and question.target_is_named:
        raise TargetAlreadyMet(answer.prediction)
    if isinstance(answer, Infeasible) and problem.conflict_is_the_requests:
        raise ContradictoryConstraints(problem.conflict or ())
    return Explanation(uuid.uuid4(), model, problem, answer)

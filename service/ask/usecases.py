"""The three rungs: predict, what-if, explain. Synchronous functions of domain values."""

from __future__ import annotations

import uuid
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from typing import Any

import numpy as np
import numpy.typing as npt

from explainers.answer import AlreadyTarget, Answer, Infeasible, Prediction
from explainers.constraints import Constraint
from explainers.deadline import Deadline
from explainers.explain import explain as search
from explainers.problem import Problem
from explainers.space import Axis, changed
from explainers.target import Target
from explainers.verify import Asked, Checker
from explainers.watch import Watch, unwatched
from models.predictor import Row, Rows, Scores
from service.errors import ContradictoryConstraints, TargetAlreadyMet, in_doubt
from service.logs import logger
from service.served.causal_model import Semantics, ServedCausal, of_history
from service.served.registry import ServedModel

DRAWS = 1_000
"""Draws of the noise of what follows, on the second rung."""


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
    semantics: Semantics = Semantics.INDEPENDENT
    target_as_asked: Mapping[str, Any] | None = None
    """The request's own ``target``, for the checker, which reads it by itself."""
    constraints_as_asked: Mapping[str, Any] = field(default_factory=dict)
    """The request's own ``constraints``, likewise."""

    @property
    def asked(self) -> Asked:
        """The request as it was written."""
        return Asked(
            self.target_as_asked, self.constraints_as_asked, self.semantics.value, self.seed
        )


@dataclass(frozen=True, eq=False)
class Explanation:
    """An answer with the question that it answers."""

    id: uuid.UUID
    model: ServedModel
    problem: Problem
    answer: Answer
    causal: ServedCausal | None = None
    """By what features follow that are not set; None: nothing does."""
    semantics: Semantics = Semantics.INDEPENDENT


@dataclass(frozen=True)
class OffGridValue:
    """A value that cannot be set as it stands, and the values beside it that can."""

    column: int
    value: float
    nearest: tuple[float, ...]


class Rung(StrEnum):
    """Of Pearl's ladder."""

    ASSOCIATION = "association"
    """Another row is asked about; nothing follows from what is set."""
    INTERVENTION = "intervention"
    """Any machine that reads the same where nothing moves: the noise of what follows is redrawn."""
    COUNTERFACTUAL = "counterfactual"
    """This machine, with the noise that it had."""


@dataclass(frozen=True, eq=False)
class Draws:
    """What an intervention leads to, for many draws of the noise of what follows."""

    rows: Rows
    scores: Scores
    decided: npt.NDArray[np.int64]
    """``(n,)``, -1 where nothing decides."""
    effects: tuple[int, ...]

    def mean(self, action: Row) -> Row:
        row = action.copy()
        row[list(self.effects)] = self.rows[:, self.effects].mean(axis=0)
        return row


@dataclass(frozen=True, eq=False)
class WhatIf:
    """What is predicted once some features are set, and what that would break."""

    id: uuid.UUID
    model: ServedModel
    rung: Rung
    factual: Row
    columns: tuple[int, ...]
    """What is set."""
    row: Row
    """What would be read; on the second rung, by the mean of what is drawn."""
    before: Prediction
    after: Prediction
    broken: tuple[Constraint, ...]
    off_grid: tuple[OffGridValue, ...]
    cost: float
    unreadable: tuple[int, ...] = ()
    """What would follow is outside what the schema lets be read."""
    causal: ServedCausal | None = None
    draws: Draws | None = None


@dataclass(frozen=True, eq=False)
class Plane:
    """What the model says over the plane of two levers."""

    levers: tuple[int, int]
    xs: npt.NDArray[np.float64]
    ys: npt.NDArray[np.float64]
    scores: npt.NDArray[np.float64]
    """``(len(ys), len(xs), n_scores)``."""
    flips: npt.NDArray[np.bool_]
    """``(len(ys), len(xs))``: whether the target's decision (without a class: its score) is met."""
    suffices: npt.NDArray[np.bool_]
    """The same shape: whether that is as probable as is demanded of an answer."""
    allowed: npt.NDArray[np.bool_]
    """The same shape: whether every constraint is kept."""


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


def what_if(model: ServedModel, factual: Row, settings: Mapping[int, float], rung: Rung) -> WhatIf:
    """What the model says once columns are set to values, and what follows by ``rung``. A column
    set to what it reads already is held there: it does not follow its causes.

    Raises
    ------
    CausalError
        If what follows cannot be told.
    GraphError
        If the model cannot score the rows.
    """
    causal = None if rung is Rung.ASSOCIATION else model.causal
    action, columns = factual.copy(), tuple(sorted(settings))
    action[list(columns)] = [settings[j] for j in columns]
    draws = None if rung is not Rung.INTERVENTION else _drawn(model, factual, action, columns)
    row = _followed(causal, factual, action, columns) if draws is None else draws.mean(action)
    before, after = predict(model, np.array([factual, row]))
    limits = (*model.policy.constraints, *(causal.constraints if causal else ()))
    of = {True: action[np.newaxis], False: row[np.newaxis]}
    moved = np.flatnonzero(changed(of[True], factual)[0])
    return WhatIf(
        uuid.uuid4(),
        model,
        rung,
        factual,
        columns,
        row,
        before,
        after,
        tuple(c for c in limits if not c.holds(of[c.of_action], factual)[0]),
        tuple(o for j in moved if (o := _off_grid(model, int(j), float(action[j]))) is not None),
        float(model.policy.cost.of(of[True], factual)[0]),
        _unreadable(model, action, row),
        causal,
        draws,
    )


def _followed(
    causal: ServedCausal | None, factual: Row, action: Row, columns: tuple[int, ...]
) -> Row:
    """Raises
    ------
    CausalError
        If what follows cannot be told. What was not read, and follows, may stay unread.
    """
    if causal is None or not columns:
        return action
    consequences = causal.consequences
    # The model itself, not its consequences: it says why where it cannot tell what follows.
    rows = consequences.read(
        consequences.model.counterfactual(factual, columns, action[np.newaxis, columns])
    )
    read = [j for j in consequences.effects(columns) if not np.isnan(factual[j])]
    consequences.model.check_told(factual, read, rows)
    return np.asarray(rows[0])


def _drawn(model: ServedModel, factual: Row, action: Row, columns: tuple[int, ...]) -> Draws:
    assert model.causal is not None
    consequences = model.causal.consequences
    rng = np.random.default_rng(0)  # the same question, the same answer
    rows = consequences.model.interventional(rng, DRAWS, columns, action[list(columns)], factual)
    effects = consequences.effects(columns)
    stays = sorted({*range(len(action))} - {*effects})
    rows[:, stays] = action[stays]  # computed from its noise, a reading changes its last digit
    consequences.model.check_told(factual, effects, rows)
    scores = model.deployed.predictor.score(rows)
    return Draws(rows, scores, model.decision.decide(scores), effects)


def _unreadable(model: ServedModel, action: Row, row: Row) -> tuple[int, ...]:
    followed = np.flatnonzero(changed(row[np.newaxis], action)[0])
    features = model.schema.features
    return tuple(int(j) for j in followed if not features[j].lower <= row[j] <= features[j].upper)


def _off_grid(model: ServedModel, column: int, value: float) -> OffGridValue | None:
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
    return OffGridValue(column, value, tuple(float(v) for v in nearest))


def explain(
    model: ServedModel, question: Question, deadline: Deadline, watch: Watch = unwatched
) -> Explanation:
    """The smallest allowed change that flips the decision, or why there is none.

    Raises
    ------
    TargetAlreadyMet
        If the request names a target that the factual is in.
    ContradictoryConstraints
        If the request's constraints leave nothing, whatever the model says.
    GraphError
        If the model cannot score rows.
    FailedInDoubt
        If it, or anything else, fails after the checker has rejected something.
    """
    problem = problem_of(model, question)
    identity = uuid.uuid4()
    rejected: list[str] = []
    try:
        with in_doubt(rejected):
            answer = search(
                problem,
                model.deployed.predictor,
                engine=model.engine,
                deadline=deadline,
                watch=watch,
                terms=model.rulebook.terms(question.asked),
                doubted=rejected.append,
            )
    finally:
        if rejected:  # what, and why, is in the reply and its record: values are not logged
            told = "explanation %s: the checker does not find true %d proposals or claims about %s"
            logger.error(told, identity, len(rejected), model.deployed.name)
    if isinstance(answer, AlreadyTarget) and question.target_is_named:
        raise TargetAlreadyMet(answer.prediction, answer.work.rejected)
    if isinstance(answer, Infeasible) and problem.conflict_is_the_requests:
        raise ContradictoryConstraints(problem.conflict or (), answer.work.rejected)
    causal = model.causal if problem.consequences is not None else None
    return Explanation(identity, model, problem, answer, causal, question.semantics)


def checker_of(model: ServedModel, question: Question) -> Checker:
    """Checks answers to ``question``, by the model's documents and its deployed graph."""
    factual = tuple(question.factual.tolist())
    return Checker(model.rulebook.terms(question.asked), factual, model.deployed.predictor.score)


def problem_of(model: ServedModel, question: Question) -> Problem:
    """The question under the model's policy, and with what follows by its causal model."""
    problem = model.policy.problem(
        question.factual,
        question.target,
        constraints=question.constraints,
        alternatives=question.alternatives,
        seed=question.seed,
    )
    causal = None if question.semantics is Semantics.INDEPENDENT else model.causal
    if causal is None:
        return problem
    if question.semantics is Semantics.BACKTRACKING:
        return replace(
            problem, consequences=causal.history, constraints=of_history(problem.constraints)
        )
    limits = (*problem.constraints, *causal.constraints)
    return replace(problem, consequences=causal.consequences, constraints=limits)


def plane(
    model: ServedModel,
    question: Question,
    levers: tuple[int, int],
    most: int,
    through: Sequence[tuple[float, float]] = (),
) -> Plane:
    """The model's word on every setting of two levers, ``most`` values of each at most, and those
    of the points ``through``; asked in one call. Both levers are set everywhere; what follows
    from them moves, all else stays.

    Raises
    ------
    GraphError
        If the model cannot score the rows.
    """
    problem = problem_of(model, question)
    xs, ys = (
        np.union1d(_spread(problem.single_axes[j], most), [point[k] for point in through])
        for k, j in enumerate(levers)
    )
    values = np.stack(np.meshgrid(xs, ys), axis=-1).reshape(-1, 2)
    actions = np.repeat(problem.factual[np.newaxis], len(values), axis=0)
    actions[:, list(levers)] = values
    consequences = problem.consequences
    rows = actions if consequences is None else consequences.rows(problem.factual, levers, values)
    told = ~np.any(np.isinf(rows) | np.isnan(rows) & ~np.isnan(actions), axis=1)
    scores = model.deployed.predictor.score(np.where(told[:, np.newaxis], rows, actions))
    shape = (len(ys), len(xs))
    return Plane(
        levers,
        xs,
        ys,
        scores.reshape(*shape, -1),
        (question.target.decision_alone.met(scores) & told).reshape(shape),
        (question.target.met(scores) & told).reshape(shape),
        (problem.allowed(actions, rows) & told).reshape(shape),
    )


def _spread(axis: Axis, most: int) -> npt.NDArray[np.float64]:
    """Values of an axis from end to end, its numbers only."""
    numbers = len(axis) - axis.has_missing
    places = np.linspace(0, numbers - 1, min(most, numbers)).round().astype(np.int64)
    return axis.values(places)

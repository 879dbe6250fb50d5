"""Exact engines with a rounding far larger than any real one: what walking every row finds."""

from __future__ import annotations

import itertools
from collections.abc import Iterable
from functools import cache
from typing import Any

import numpy as np
import pytest

from ifonly.explainers.answer import AlreadyTarget, Infeasible, Recourse
from ifonly.explainers.explain import explain
from ifonly.explainers.problem import Problem
from ifonly.explainers.search.engine import Engine
from ifonly.explainers.search.linear import Linear
from ifonly.explainers.search.relu import Relu
from ifonly.explainers.search.trees.engine import Trees
from ifonly.explainers.target import Target
from ifonly.models.predictor import Row, Scores
from ifonly.models.rounding import UNKNOWN, Known, Rounding
from ifonly.models.schema import Task
from tests.support.checks import check_exact, optimum
from tests.support.deployed import Deployed, deployed_layers, deployed_trees
from tests.support.generated import SCHEMA, decision, factual
from tests.support.questions import policy, question

SEEDS = range(12)
ENGINES = ["trees", "linear", "relu"]
HARD: set[tuple[Any, ...]] = {
    ("linear", Task.MULTICLASS, 10), ("relu", Task.MULTICLASS, 3),
    ("relu", Task.BINARY, 1e-5, 4), ("relu", Task.BINARY, 1e-5, 7),
    ("relu", Task.REGRESSION, 1e-5, 4), ("relu", Task.REGRESSION, 1e-5, 7),
    ("relu", Task.REGRESSION, 1e-3, 7),
}  # fmt: skip
"""Questions that take HiGHS one to four CPU seconds each: seven of these 300 took half of the time
of all."""
FAST, SOME = 3, 6
"""Of the seeds of each combination, so many are not ``slow``, and of networks not ``long``."""


def among(*choices: Iterable[Any]) -> list[pytest.ParameterSet]:
    """Every combination, a seed last; the hard ones and most seeds marked ``slow`` or ``long``."""
    return [pytest.param(*asked, marks=marks(asked)) for asked in itertools.product(*choices)]


def marks(asked: tuple[Any, ...]) -> list[pytest.MarkDecorator]:
    name, seed = asked[0], asked[-1]
    if asked in HARD or (name == "relu" and seed >= SOME):
        return [pytest.mark.slow, pytest.mark.long]
    return [pytest.mark.slow] if seed >= FAST else []


class Blurred:
    """A deployed model that believes its scores to be rounded much."""

    def __init__(self, deployed: Deployed, rounding: Rounding) -> None:
        self.score = deployed.predictor.score
        self.rounding = rounding


@cache
def served(name: str, seed: int, task: Task) -> tuple[Deployed, Engine]:
    if name == "trees":
        deployed = deployed_trees(seed, task)
        return deployed, Trees(deployed.form, SCHEMA)
    deployed = deployed_layers(seed, task, linear=name == "linear")
    return deployed, (Linear if name == "linear" else Relu)(deployed.form, SCHEMA)


def rounding_of(task: Task, draw: np.random.Generator) -> Rounding:
    """As the links have it: probabilities are rounded less at their ends."""
    n = 3 if task is Task.MULTICLASS else 1
    flat = tuple(draw.uniform(0.0, 0.1, n).tolist())
    steep = (0.0,) * n if task is Task.REGRESSION else (float(draw.uniform(0.0, 0.2)),) * n
    return Rounding(flat, steep, Known.BOUNDED)


@pytest.mark.parametrize(("name", "task", "seed"), among(ENGINES, Task, SEEDS))
def test_the_optimum_is_firm_and_nothing_firm_is_cheaper(name: str, task: Task, seed: int) -> None:
    deployed, engine = served(name, seed, task)
    draw = np.random.default_rng(seed)
    rounding = rounding_of(task, draw)
    plain, before = _asked(task, deployed, seed)
    problem = policy((), task).problem(before, plain)
    _, _, kept = question((), seed, task)
    answer = explain(problem, Blurred(deployed, rounding), engine=engine)
    assert not isinstance(answer, AlreadyTarget)
    firm = optimum(problem, deployed.predictor, kept, lambda s: _walked(plain, rounding, s))
    if firm is not None:
        assert isinstance(answer, Recourse)
        assert not answer.counterfactuals[0].rests_on_rounding
        check_exact(answer, firm)
        return
    by_rounding = optimum(problem, deployed.predictor, kept, plain.met)
    check_exact(answer, by_rounding)
    assert isinstance(answer, Infeasible) == (by_rounding is None)
    if isinstance(answer, Recourse):
        assert answer.counterfactuals[0].rests_on_rounding


def narrow(seed: int, width: float, deployed: Deployed) -> tuple[Problem, Target]:
    """About an interval of scores around that of some row that can be set."""
    task = Task.BINARY if deployed.spec.decision.task is Task.BINARY else Task.REGRESSION
    before = factual(seed)
    rows = np.array([factual(seed + 1 + k) for k in range(50)])
    rows[:, [1, 2, 3]] = 40.0, 1.0, 1.0
    scores = deployed.predictor.score(rows)[:, 0]
    middle = scores[np.argmax(np.abs(scores - deployed.predictor.score(before[None])[0, 0]))]
    target = Target(decision(task), None, float(middle) - width / 2, float(middle) + width / 2)
    return policy((), task).problem(before, target), target


@pytest.mark.parametrize(
    ("name", "task", "width", "seed"),
    among(ENGINES, [Task.BINARY, Task.REGRESSION], [1e-5, 1e-3, 0.05], range(8)),
)
def test_narrow_intervals_of_scores_are_exact(
    name: str, task: Task, width: float, seed: int
) -> None:
    deployed, engine = served(name, seed, task)
    problem, target = narrow(seed, width, deployed)
    answer = explain(problem, Blurred(deployed, UNKNOWN), engine=engine)
    _, _, kept = question((), seed, task)
    if isinstance(answer, AlreadyTarget):
        assert target.met(deployed.predictor.score(problem.factual[None]))[0]
        return
    check_exact(answer, optimum(problem, deployed.predictor, kept, target.met))


@pytest.mark.parametrize("seed", range(8))
@pytest.mark.parametrize("task", [Task.BINARY, Task.REGRESSION])
@pytest.mark.parametrize("name", ENGINES)
def test_an_interval_narrower_than_the_rounding_is_answered_by_the_scores_as_they_are(
    name: str, task: Task, seed: int
) -> None:
    deployed, engine = served(name, seed, task)
    problem, target = narrow(seed, 0.1, deployed)
    blurred = Blurred(deployed, Rounding((0.06,), (0.0,), Known.BOUNDED))
    answer = explain(problem, blurred, engine=engine)
    if isinstance(answer, AlreadyTarget):
        assert target.met(deployed.predictor.score(problem.factual[None]))[0]
        return
    _, _, kept = question((), seed, task)
    check_exact(answer, optimum(problem, deployed.predictor, kept, target.met))
    if isinstance(answer, Recourse):
        assert answer.counterfactuals[0].rests_on_rounding


def _asked(task: Task, deployed: Deployed, seed: int) -> tuple[Target, Row]:
    """A class, and a factual that is not decided so."""
    rows = np.array([factual(seed + 100 * k) for k in range(200)])
    decided = decision(task).decide(deployed.predictor.score(rows))
    wanted = 0 if (decided != 0).any() else 1
    return Target(decision(task), wanted), np.asarray(rows[decided != wanted][0])


def _walked(target: Target, rounding: Rounding, scores: Scores) -> np.ndarray:
    """Every corner of what the scores may be."""
    off = rounding.of(scores)
    signs = np.array(np.meshgrid(*[[-1.0, 1.0]] * scores.shape[1])).reshape(scores.shape[1], -1).T
    return np.asarray(np.all([target.met(scores + sign * off) for sign in signs], axis=0))

"""What blocks, what would have to give, and what would do as well: against walking every row."""

from __future__ import annotations

import itertools
from functools import cache

import numpy as np
import pytest

from ifonly.explainers.answer import Infeasible, Recourse
from ifonly.explainers.explain import explain
from ifonly.explainers.infeasible_subsystem import with_only, without
from ifonly.explainers.problem import Problem
from ifonly.explainers.search.blackbox import Blackbox
from ifonly.explainers.search.engine import Engine
from ifonly.explainers.search.portfolio import engines_for
from ifonly.models.predictor import Predictor
from ifonly.models.schema import Task
from tests.support.bruteforce import settable
from tests.support.deployed import Deployed, deployed_trees
from tests.support.generated import SCHEMA
from tests.support.kinds import KINDS
from tests.support.questions import question

TASKS = tuple(Task)
STRICT = [k for k in KINDS if k.name not in ("may be filled", "against the factual")]


@cache
def model(seed: int) -> Deployed:
    return deployed_trees(seed, TASKS[seed % 3])


@cache
def exact(seed: int) -> Engine:
    return engines_for(model(seed).form, SCHEMA)


def least_cost(problem: Problem, predictor: Predictor) -> float:
    """Least cost of an allowed row in the target; infinity if there is none."""
    axes = [settable(f, float(v)) for f, v in zip(SCHEMA.features, problem.factual, strict=True)]
    rows = np.array(list(itertools.product(*axes)))
    rows = rows[problem.target.met(predictor.score(rows))]
    rows = rows[problem.allowed(rows)]
    return float(problem.cost_of(rows).min()) if len(rows) else np.inf


@pytest.mark.parametrize("seed", range(60))
def test_the_blocking_set_blocks_and_every_member_is_needed(seed: int) -> None:
    draw = np.random.default_rng(seed)
    kinds = [STRICT[int(k)] for k in draw.choice(len(STRICT), 6, replace=False)]
    which = seed % 15
    problem, _, _ = question(kinds, seed, TASKS[which % 3])
    predictor = model(which).predictor
    for engine in (exact(which), Blackbox()):
        answer = explain(problem, predictor, engine=engine)
        if not isinstance(answer, Infeasible):
            return
        assert least_cost(with_only(problem, answer.blocked_by), predictor) == np.inf
        for member in answer.blocked_by:
            rest = [c for c in answer.blocked_by if c is not member]
            assert least_cost(with_only(problem, rest), predictor) < np.inf
        ways_out = [least_cost(without(problem, c), predictor) for c in problem.constraints]
        if answer.relaxation is None:
            assert min(ways_out) == np.inf
        else:
            assert answer.relaxation.counterfactual.cost == pytest.approx(min(ways_out))


@pytest.mark.parametrize("seed", range(60))
def test_a_sufficient_range_is_the_widest_run_that_holds(seed: int) -> None:
    which = seed % 15
    problem, _, _ = question((KINDS[seed % len(KINDS)],), seed, TASKS[which % 3])
    predictor = model(which).predictor
    for engine in (exact(which), Blackbox()):
        answer = explain(problem, predictor, engine=engine)
        if not isinstance(answer, Recourse):
            return
        for action in answer.counterfactuals[0].actions:
            if action.column == 2:
                assert action.sufficient_range is None  # categories without an order
                continue
            values = problem.axes[action.column].values()
            rows = np.repeat(np.array([answer.counterfactuals[0].row]), len(values), axis=0)
            rows[:, action.column] = values
            holds = problem.allowed(rows) & problem.target.met(predictor.score(rows))
            first = last = int(np.flatnonzero(values == action.counterfactual)[0])
            while first > 0 and holds[first - 1]:
                first -= 1
            while last + 1 < len(values) and holds[last + 1]:
                last += 1
            assert action.sufficient_range == (values[first], values[last])


def test_the_nearest_prediction_of_an_infeasible_question_is_the_best_there_is() -> None:
    compared = 0
    for seed in range(400):
        which = 3 * (seed % 12)  # binary: one score to compare
        kinds = [STRICT[seed % len(STRICT)], STRICT[(7 * seed + 3) % len(STRICT)]]
        problem, _, _ = question(kinds, seed, TASKS[0])
        predictor = model(which).predictor
        answer = explain(problem, predictor, engine=exact(which))
        if not isinstance(answer, Infeasible) or answer.best is None:
            continue
        axes = [
            settable(f, float(v)) for f, v in zip(SCHEMA.features, problem.factual, strict=True)
        ]
        rows = np.array(list(itertools.product(*axes)))
        rows = rows[problem.allowed(rows)]
        assert answer.best.scores[0] == pytest.approx(predictor.score(rows)[:, 0].min(), abs=1e-4)
        compared += 1
    assert compared >= 6

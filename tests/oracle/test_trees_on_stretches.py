"""Long axes are kept as stretches of a grid: on short ones, kept so too, trees find what a walk
over every row does."""

from __future__ import annotations

import itertools
from dataclasses import replace

import numpy as np
import pytest

from ifonly.explainers.answer import Recourse
from ifonly.explainers.constraints import Origin, Source, Survives
from ifonly.explainers.errors import NotEligible
from ifonly.explainers.explain import explain
from ifonly.explainers.search.trees import entry_points, layout
from ifonly.explainers.search.trees.engine import Trees
from ifonly.models.schema import Task
from tests.support.bruteforce import settable
from tests.support.checks import ALREADY, INFEASIBLE, OPTIMAL, Tally, normal, optimum
from tests.support.consequences import Slopes, cheapest_action, speaks_of_row
from tests.support.deployed import deployed_trees
from tests.support.fine import with_counts
from tests.support.generated import SCHEMA
from tests.support.kinds import KINDS, missing_stays
from tests.support.questions import price, question

TASKS = tuple(Task)
AT_LEAST = {OPTIMAL: 60, INFEASIBLE: 5, ALREADY: 40}
SURVIVES = Survives((0.15, 8.0, 0.0, 0.0, 0.06), origin=Origin(Source.REQUEST, "robust"))


def prepare(patch: pytest.MonkeyPatch) -> None:
    """No axis is short enough for a list."""
    patch.setattr(layout, "LONGEST_LISTED", 0)


@pytest.fixture(autouse=True)
def stretches(monkeypatch: pytest.MonkeyPatch) -> None:
    prepare(monkeypatch)


@pytest.mark.parametrize("patience", [None, 0])
@pytest.mark.parametrize("seed", range(60))
def test_the_answer_is_the_optimum(tally: Tally, seed: int, patience: int | None) -> None:
    task = TASKS[seed % 3]
    deployed = deployed_trees(seed % 20, task)
    draw = np.random.default_rng(seed)
    kinds = [KINDS[int(k)] for k in draw.choice(len(KINDS), 2, replace=False)]
    problem, _, kept = question(kinds, seed, task)
    trees = Trees(deployed.form, SCHEMA, patience=patience)
    answer = explain(problem, deployed.predictor, engine=trees)
    if tally.already(answer, problem, deployed.predictor, normal(task)):
        return
    tally.exact(answer, optimum(problem, deployed.predictor, kept, normal(task)))
    assert (trees._in_arrays(problem).question.listed < 0).any()


@pytest.mark.parametrize("seed", range(40))
def test_what_suffices_is_the_widest_run_that_holds(seed: int) -> None:
    deployed = deployed_trees(seed % 20, Task.BINARY)
    problem, _, _ = question((KINDS[seed % len(KINDS)],), seed)
    answer = explain(problem, deployed.predictor, engine=Trees(deployed.form, SCHEMA))
    if not isinstance(answer, Recourse):
        return
    found = answer.counterfactuals[0]
    for action in found.actions:
        if action.sufficient_range is None:
            continue
        values = problem.axes[action.column].values()
        rows = np.repeat(np.array([found.row]), len(values), axis=0)
        rows[:, action.column] = values
        holds = problem.allowed(rows) & problem.target.met(deployed.predictor.score(rows))
        first = last = int(np.flatnonzero(values == action.counterfactual)[0])
        while first > 0 and holds[first - 1]:
            first -= 1
        while last + 1 < len(values) and holds[last + 1]:
            last += 1
        assert action.sufficient_range == (values[first], values[last])


@pytest.mark.parametrize("seed", range(30))
def test_the_same_answers_survive_as_on_listed_axes(
    seed: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    deployed = deployed_trees(seed % 20, Task.BINARY)
    problem, _, _ = question((KINDS[seed % len(KINDS)],), seed)
    problem = replace(problem, constraints=(*problem.constraints, SURVIVES))
    stretched = explain(problem, deployed.predictor, engine=Trees(deployed.form, SCHEMA))
    monkeypatch.setattr(layout, "LONGEST_LISTED", 100)
    listed = explain(problem, deployed.predictor, engine=Trees(deployed.form, SCHEMA))
    assert type(stretched) is type(listed)
    if isinstance(stretched, Recourse) and isinstance(listed, Recourse):
        one, other = stretched.counterfactuals[0], listed.counterfactuals[0]
        assert one.cost == other.cost
        assert one.gap == other.gap == 0.0


@pytest.mark.parametrize("seed", range(30))
def test_the_cheapest_action_is_found_where_features_follow(tally: Tally, seed: int) -> None:
    task, kinds = TASKS[seed % 3], (KINDS[seed % len(KINDS)],)
    problem, _, _ = question(kinds, seed, task)
    deployed, slopes = deployed_trees(seed % 20, task), Slopes.random(seed)
    problem = replace(problem, consequences=slopes.consequences())
    try:
        answer = explain(problem, deployed.predictor, engine=Trees(deployed.form, SCHEMA))
    except NotEligible:
        return
    if tally.already(answer, problem, deployed.predictor, normal(task)):
        return
    of_row = [k.keeps for k in kinds if speaks_of_row(k)]
    of_action = [k.keeps for k in kinds if not speaks_of_row(k)]
    if kinds[0].name != "may be filled":
        of_action.append(missing_stays)
    best = cheapest_action(
        slopes, problem.factual, deployed.predictor, normal(task), of_action, of_row, price
    )
    tally.exact(answer, best)


@pytest.mark.parametrize("seed", range(12))
def test_stretches_have_the_values_and_costs_of_their_axis(seed: int) -> None:
    """Off the grid, on it, and missing; in the same order, at the same price to the last bit; by
    Python and by compiled code."""
    deployed = deployed_trees(seed, Task.BINARY)
    schema = with_counts((300, 200, 500))
    problem, _, _ = question((KINDS[seed % len(KINDS)],), seed, Task.BINARY, schema)
    q = Trees(deployed.form, schema)._in_arrays(problem).question
    for j, axis in enumerate(problem.single_axes):
        at = np.arange(len(axis))
        assert q.size[j] == len(axis)
        assert np.array_equal(q.values_at(j, at), axis.values(at), equal_nan=True)
        costs = problem.cost.of_feature(j, axis.values(at), float(problem.factual[j]))
        assert np.array_equal(q.costs_at(j, at), costs)
    some = np.random.default_rng(seed).integers(0, q.size, size=(200, len(q.size)))
    compiled = np.empty(len(some))
    entry_points.least_costs(q, some, some, compiled)
    assert np.array_equal(compiled, problem.cost_of(q.rows(some)))
    for row, at in zip(q.rows(some), some, strict=True):
        found = q.positions(row, problem.factual, problem.single_axes)
        assert found is not None
        assert np.array_equal(found, at)


def test_a_value_between_those_of_a_grid_is_on_no_axis() -> None:
    deployed = deployed_trees(0, Task.BINARY)
    problem, _, _ = question((), 0)
    q = Trees(deployed.form, SCHEMA)._in_arrays(problem).question
    row = problem.factual.copy()
    row[0] = 0.3141
    assert q.positions(row, problem.factual, problem.single_axes) is None


def test_every_row_of_a_walk_is_at_some_position() -> None:
    deployed = deployed_trees(3, Task.BINARY)
    problem, _, _ = question((), 3)
    q = Trees(deployed.form, SCHEMA)._in_arrays(problem).question
    axes = [settable(f, float(v)) for f, v in zip(SCHEMA.features, problem.factual, strict=True)]
    walked = {tuple(row) for row in itertools.product(*axes[:2])}
    at = np.array(list(itertools.product(range(int(q.size[0])), range(int(q.size[1])))))
    whole = np.zeros((len(at), len(q.size)), dtype=np.int64)
    whole[:, :2] = at
    assert {tuple(row) for row in q.rows(whole)[:, :2].tolist()} == walked

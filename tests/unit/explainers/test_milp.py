"""The program, the bounds and the pieces beneath the engines for linear models and networks."""

from __future__ import annotations

import math
import time

import numpy as np
import pytest

from ifonly.explainers.deadline import Deadline
from ifonly.explainers.problem import Problem
from ifonly.explainers.search.milp.chain import layers_of
from ifonly.explainers.search.milp.choices import Choices
from ifonly.explainers.search.milp.levers import Levers, read_levers
from ifonly.explainers.search.milp.model import LayeredModel
from ifonly.explainers.search.milp.network import Reach, bounds
from ifonly.explainers.search.milp.program import Program
from ifonly.explainers.search.milp.reading import read_features
from ifonly.models.graph.forms import GraphForm
from ifonly.models.schema import Task
from tests.support.deployed import deployed_layers, deployed_units
from tests.support.generated import SCHEMA
from tests.support.kinds import KINDS
from tests.support.onnx_units import STRAIGHT
from tests.support.questions import question

NEVER = Deadline.never()


def knapsack(n: int) -> Program:
    draw = np.random.default_rng(n)
    program = Program()
    variables = [program.variable(0.0, 50.0, cost=float(c)) for c in draw.random(n)]
    for _ in range(6):
        program.row(variables, draw.random(n), lower=20.0 * n / 4)
    return program


def split(n: int) -> Program:
    """Weights of which half are to be taken, nearly: cheap to write down, and a long search."""
    draw = np.random.default_rng(1)
    program = Program()
    variables = [program.variable(0.0, 1.0, cost=float(c)) for c in draw.integers(1, 50, n)]
    for _ in range(2):
        weights = draw.integers(1, 100, n).astype(np.float64)
        half = float(weights.sum() // 2)
        program.row(variables, weights, half, half + 2.0)
    return program


def test_a_program_without_solutions_says_so() -> None:
    program = Program()
    one = program.variable(0.0, 1.0)
    program.row([one], [1.0], lower=0.25, upper=0.75)
    solved = program.solve(NEVER)
    assert solved.finished
    assert solved.values is None
    assert solved.bound == math.inf


def test_a_program_that_is_stopped_keeps_a_bound_below_the_best() -> None:
    best = knapsack(12).solve(NEVER)
    assert best.finished
    assert best.values is not None
    stopped = knapsack(12).solve(Deadline(0.0, lambda: 0.0))
    assert not stopped.finished
    assert stopped.bound <= best.bound


def test_a_program_gives_way_and_what_it_waits_costs_it_nothing() -> None:
    """Its clock stands still; HiGHS's own runs on, and its limit with it."""
    looks = 0

    def give_way() -> None:
        nonlocal looks
        looks += 1
        if looks <= 80:
            time.sleep(0.05)

    best = split(20).solve(NEVER)
    solved = split(20).solve(Deadline(3.0, lambda: 0.0, give_way))
    assert looks > 80, "it is asked too seldom for this test to say anything"
    assert solved.finished
    assert solved.bound == best.bound


def test_a_program_that_is_told_to_stop_while_it_gives_way_stops() -> None:
    now = 0.0

    def give_way() -> None:
        nonlocal now
        now = 2.0

    stopped = split(20).solve(Deadline(1.0, lambda: now, give_way))
    assert not stopped.finished


def test_a_program_says_the_same_every_time() -> None:
    first, second = knapsack(10).solve(NEVER), knapsack(10).solve(NEVER)
    assert first.values is not None
    assert second.values is not None
    assert np.array_equal(first.values, second.values)
    assert first.bound == second.bound


def asked(seed: int, *, linear: bool) -> tuple[Problem, GraphForm, Levers]:
    form = deployed_layers(seed, Task.BINARY, linear=linear).form
    problem, _, _ = question((KINDS[seed % len(KINDS)],), seed)
    levers = read_levers(problem, problem.axes, form.columns, read_features(form.columns, SCHEMA))
    return problem, form, levers


@pytest.mark.parametrize("seed", range(20))
def test_pieces_hold_every_settable_value_with_its_cost_and_columns(seed: int) -> None:
    problem, form, levers = asked(seed, linear=True)
    for lever in levers.each:
        found = {}
        for piece in lever.pieces:
            for k in range(piece.steps + 1):
                found[piece.at(k)] = piece.cost + k * piece.cost_rise
                row = problem.factual.copy()
                row[lever.column] = piece.at(k)
                columns = form.columns.encode(row[None, :])[0, lever.own]
                off = np.abs(piece.inputs + k * piece.inputs_rise - columns)
                assert (off <= levers.deviation[lever.own] + 1e-12).all()
        values = problem.axes[lever.column].values()
        costs = problem.cost.of_feature(lever.column, values, problem.factual[lever.column])
        assert len(found) == len(values)
        for value, cost in zip(values.tolist(), costs.tolist(), strict=True):
            same = [c for v, c in found.items() if v == value or (v != v and value != value)]
            assert same == pytest.approx([cost], abs=1e-12)


@pytest.mark.parametrize("seed", range(20))
def test_no_unit_of_a_network_leaves_its_bounds_within_the_budget(seed: int) -> None:
    problem, form, levers = asked(seed, linear=False)
    budget = 0.3 * levers.most
    near = levers.within(budget)
    if near is None:
        return
    layers = layers_of(form.core)
    program = Program()
    reach = Reach.of(Choices.add(program, problem, near), budget)
    rows = affordable_rows(problem, budget, np.random.default_rng(seed))
    state = form.columns.encode(rows).astype(np.float64)
    lows: list[np.ndarray] = []
    highs: list[np.ndarray] = []
    for k, layer in enumerate(layers[:-1]):
        state = state @ layer.weights + layer.bias
        low, high = bounds(reach, layers[: k + 1], lows, highs)
        assert (state >= low - 1e-5).all()
        assert (state <= high + 1e-5).all()
        lows, highs = [*lows, low], [*highs, high]
        state = np.maximum(state, 0.0)


@pytest.mark.parametrize("shape", [None, *STRAIGHT])
def test_the_deployed_model_is_no_farther_off_than_a_program_is_loosened(shape: str | None) -> None:
    tightest = np.inf
    for seed in range(4):
        task = Task.REGRESSION
        found = (
            deployed_layers(seed, task, linear=False)
            if shape is None
            else deployed_units(seed, task, shape)
        )
        problem, _, _ = question((KINDS[seed],), seed, task)
        model = LayeredModel(found.form, SCHEMA)
        following = model.following(problem)
        budget = 0.3 * model.levers(following).most
        asked_ = model.question(following, model.levers(following), budget)
        if asked_ is None:
            continue
        rows = affordable_rows(problem, budget, np.random.default_rng(seed))
        # What the graph takes for its columns is exact here, so that all of it is rounding.
        error = np.abs(found.predictor.score(rows) - found.form.raw(rows))
        off = asked_.laid.off
        assert (error <= off + 1e-12).all()
        assert (off <= asked_.raw.error).all()
        tightest = min(tightest, float((off / np.maximum(error.max(), 1e-9)).min()))
    assert tightest < 1e4  # or it would be no use


def affordable_rows(problem: Problem, budget: float, draw: np.random.Generator) -> np.ndarray:
    axes = [problem.axes[j].values() for j in range(len(SCHEMA))]
    rows = np.array([[draw.choice(axis) for axis in axes] for _ in range(400)])
    rows = np.concatenate([problem.start[None, :], rows])
    return rows[problem.cost_of(rows) <= budget]

"""What the linear programs take in of what follows, and what they leave to others."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ifonly.explainers.answer import Recourse
from ifonly.explainers.causal import CausalModel, Graph, draw_members
from ifonly.explainers.causal.backtracking import BacktrackingConsequences
from ifonly.explainers.causal.basis import linear, polynomial
from ifonly.explainers.causal.consequences import CausalConsequences
from ifonly.explainers.causal.function import Function
from ifonly.explainers.causal.mechanism import Mechanism
from ifonly.explainers.consequences import Consequences
from ifonly.explainers.deadline import Deadline
from ifonly.explainers.errors import NotEligible
from ifonly.explainers.explain import explain
from ifonly.explainers.problem import Problem
from ifonly.explainers.search.engine import Meter, SearchOutcome
from ifonly.explainers.search.linear import Linear
from ifonly.explainers.search.milp.hull import Cap
from ifonly.explainers.search.milp.reals import read_reals
from ifonly.explainers.search.portfolio import engines_for
from ifonly.models.schema import Task
from tests.support.deployed import deployed_layers
from tests.support.generated import SCHEMA, factual
from tests.support.questions import policy

PRESSURE, SPEED, MODE, GRADE, FLOW = range(5)
DEPLOYED = deployed_layers(4, Task.BINARY, linear=True)
ENGINE = Linear(DEPLOYED.form, SCHEMA)


def consequences(
    function: Function, edge: tuple[int, int] = (PRESSURE, SPEED)
) -> CausalConsequences:
    mechanisms = tuple(Mechanism(function) if j == edge[1] else None for j in range(5))
    model = CausalModel(SCHEMA.names, Graph.of(5, [edge]), mechanisms)
    members = draw_members(model, np.random.default_rng(0), 3)
    return CausalConsequences(model, members, 0.0, 0.0, np.zeros(5), whole=(SPEED,))


def asked(seed: int, consequences: Consequences, *, missing: bool = False) -> Problem:
    problem = policy((), Task.BINARY).problem(factual(seed, missing=missing))
    return replace(problem, consequences=consequences)


def search(problem: Problem) -> SearchOutcome:
    never = Deadline.never()
    return ENGINE.search(problem, Meter(DEPLOYED.predictor, never), never)


def test_what_does_not_follow_by_slopes_is_left_to_others_by_name() -> None:
    bent = polynomial(np.array([[2]]), np.array([3.0]))
    with pytest.raises(NotEligible, match="speed is no affine function"):
        search(asked(1, consequences(bent)))


def test_the_portfolio_goes_on_to_an_engine_that_asks() -> None:
    engines = engines_for(DEPLOYED.form, SCHEMA)
    bent = polynomial(np.array([[2]]), np.array([3.0]))
    by = {}
    for name, function in {"bent": bent, "straight": linear(0.0, np.array([-5.0]))}.items():
        for seed in range(40):
            problem = asked(seed, consequences(function))
            answer = explain(problem, DEPLOYED.predictor, engine=engines)
            if isinstance(answer, Recourse):
                by[name] = answer.work.engine
                break
    assert by == {"bent": "blackbox", "straight": "linear"}


def test_what_follows_from_a_missing_reading_is_left_to_others() -> None:
    from_flow = consequences(linear(0.0, np.ones(1)), (FLOW, PRESSURE))
    search(asked(1, from_flow))
    problem = asked(1, from_flow, missing=True)
    constraints = tuple(c for c in problem.constraints if FLOW not in c.columns)
    with pytest.raises(NotEligible, match="pressure follows from flow"):
        search(replace(problem, constraints=constraints))


def test_levers_that_go_on_following_are_left_to_others() -> None:
    history = BacktrackingConsequences(consequences(linear(0.0, np.ones(1))))
    with pytest.raises(NotEligible, match="goes on following"):
        search(asked(1, history))


def test_a_straight_column_is_one_line_beyond_its_bounds_too() -> None:
    reading = read_reals(DEPLOYED.form.columns, SCHEMA, PRESSURE)
    assert len(reading.stretches) == 1
    assert reading.line is not None
    assert reading.line.lower < SCHEMA.features[PRESSURE].lower
    assert reading.line.upper > SCHEMA.features[PRESSURE].upper


def test_every_reading_is_within_the_deviation_of_its_stretch() -> None:
    draw = np.random.default_rng(0)
    bent = 0
    for seed in range(20):
        columns = deployed_layers(seed, Task.BINARY, linear=True).form.columns
        for j in (PRESSURE, SPEED, FLOW):
            feature = SCHEMA.features[j]
            reading = read_reals(columns, SCHEMA, j)
            values = draw.uniform(feature.lower, feature.upper, 500)
            values = np.rint(values) if j == SPEED else values
            rows = np.repeat(factual(0)[None, :], len(values), axis=0)
            rows[:, j] = values
            inputs = columns.encode(rows)[:, reading.own].astype(np.float64)
            off = np.full(inputs.shape, np.inf)
            for part in reading.stretches:
                line = part.first + (values[:, None] - part.lower) * part.rise
                inside = (values >= part.lower) & (values <= part.upper)
                off[inside] = np.minimum(off[inside], np.abs(inputs - line)[inside])
            assert (off <= reading.deviation + 1e-12).all()
            bent += len(reading.stretches) > 1
    assert bent


def test_a_category_that_follows_is_left_to_others() -> None:
    with pytest.raises(NotEligible, match="mode follows, and is a category"):
        read_reals(DEPLOYED.form.columns, SCHEMA, MODE)


def test_no_curve_is_above_its_cap() -> None:
    points = np.linspace(-6.0, 6.0, 101)
    for curve in (np.tanh(points), -np.tanh(points), np.abs(points), -np.abs(points)):
        cap = Cap.over(points, curve)
        for at in (-5.0, -0.3, 0.0, 2.0):
            rise, level = cap.lines(np.array([at]))
            assert (curve <= rise[0] * points + level[0] + 1e-12).all()

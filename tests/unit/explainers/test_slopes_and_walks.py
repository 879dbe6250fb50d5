"""Steps along measured slopes, walks that anneal, and when a search that only asks ends."""

from __future__ import annotations

from decimal import Decimal
from types import SimpleNamespace

import numpy as np

from ifonly.explainers.answer import Recourse, Unknown
from ifonly.explainers.deadline import Deadline
from ifonly.explainers.explain import explain
from ifonly.explainers.policy import Policy
from ifonly.explainers.problem import Problem
from ifonly.explainers.search.annealing import anneal
from ifonly.explainers.search.blackbox import LEAST_IN_VAIN, Blackbox
from ifonly.explainers.search.engine import Meter
from ifonly.explainers.search.gradients import Slopes
from ifonly.explainers.search.incumbents import Incumbents, Tried
from ifonly.explainers.search.ladder import Ladder
from ifonly.explainers.target import Target
from ifonly.models.predictor import Predictor, Rows, Scores
from ifonly.models.schema import Category, Decision, Feature, Kind, Schema, Task

DECISION = Decision(Task.BINARY, (Category("good"), Category("bad")), 1, 0.5, desired=0)
SCHEMA = Schema(
    (
        Feature("x", Kind.CONTINUOUS, lower=0.0, upper=100.0, resolution=Decimal("0.1")),
        Feature("y", Kind.CONTINUOUS, lower=0.0, upper=100.0, resolution=Decimal("0.1")),
        Feature("kind", Kind.NOMINAL, categories=(Category("a"), Category("b"))),
    )
)
SCALES = {"features": {"x": {"scale": 10.0}, "y": {"scale": 20.0}}}


def problem(max_rows: int = 1_000_000) -> Problem:
    policy = Policy.read(SCALES, SCHEMA, DECISION)
    made = policy.problem(np.zeros(3), Target(DECISION, 0), seed=1)
    return Problem(
        **{
            **{name: getattr(made, name) for name in Problem.__dataclass_fields__},
            "max_rows": max_rows,
        }
    )


def plane(rows: Rows) -> Scores:
    """An alarm below ``x + y = 80``, the two alike; 1 at the origin."""
    found: Scores = 1.0 - 0.5 * (rows[:, [0]] + rows[:, [1]]) / 80.0
    return found


def needle(rows: Rows) -> Scores:
    """No row is in the target, and none is nearer than any other."""
    return np.full((len(rows), 1), 1.0)


def asked(model: Predictor, question: Problem) -> tuple[Incumbents, dict[int, Ladder]]:
    meter = Meter(model, Deadline.never())
    rungs = {int(j): Ladder.of(question, int(j)) for j in question.movable}
    return Incumbents(question, meter), rungs


def test_a_step_along_the_slope_of_a_plane_reaches_the_target() -> None:
    question, model = problem(), SimpleNamespace(score=plane)
    incumbents, rungs = asked(model, question)
    start = np.array([[10.0, 10.0, 0.0]])
    steps = Slopes(incumbents, rungs).steps(start, question.target.shortfall(plane(start)))
    # By the cheaper lever alone, to where the line says: 60 units of y, of which 20 cost 1.
    assert [10.0, 70.0, 0.0] in np.round(steps, 1).tolist()
    # By both, a quarter of the way by one of them.
    assert [25.0, 55.0, 0.0] in np.round(steps, 1).tolist()
    assert question.allowed(steps).all()
    assert (question.target.met(plane(steps)).mean(), len(steps)) > (0.2, 20)


def test_where_nothing_changes_there_is_no_slope() -> None:
    question, model = problem(), SimpleNamespace(score=needle)
    incumbents, rungs = asked(model, question)
    rows = np.array([[10.0, 10.0, 0.0], [99.9, 0.0, 1.0]])
    assert not len(Slopes(incumbents, rungs).steps(rows, np.array([0.5, 0.5])))
    assert not len(Slopes(incumbents, rungs).steps(rows, np.zeros(2)))
    assert not len(Slopes(incumbents, {}).steps(rows, np.ones(2)))


def test_walkers_find_what_is_cheaper_and_end_on_the_grid() -> None:
    question, model = problem(), SimpleNamespace(score=plane)
    incumbents, rungs = asked(model, question)
    incumbents.consider(np.array([[100.0, 0.0, 0.0]]))
    assert incumbents.cost == 10.0
    start = question.factual[None, :]
    front = Tried(start, np.zeros(1), question.target.shortfall(plane(start)))
    ended = anneal(incumbents, rungs, front, np.random.default_rng(0))
    # The least is 4: all by y.
    assert 4.0 <= incumbents.cost < 4.2
    assert question.allowed(ended.rows).all()
    assert (ended.shortfalls > 0.0).all()
    assert np.allclose(ended.costs, question.cost_of(ended.rows))


def test_without_an_answer_the_budget_is_used() -> None:
    model = SimpleNamespace(score=needle)
    answer = explain(problem(max_rows=150_000), model, engine=Blackbox())
    assert isinstance(answer, Unknown)
    assert 140_000 < answer.work.rows < 250_000


def test_with_an_answer_as_much_is_scored_in_vain_as_it_took() -> None:
    answer = explain(problem(), SimpleNamespace(score=plane), engine=Blackbox(enumerable=0))
    assert isinstance(answer, Recourse)
    # Just over 80, by the cheaper lever.
    assert answer.counterfactuals[0].cost == 4.005
    assert LEAST_IN_VAIN < answer.work.rows < 4 * LEAST_IN_VAIN


def test_no_more_is_scored_than_there_are_rows() -> None:
    schema = Schema(
        tuple(
            Feature(f"x{j}", Kind.INTEGER, lower=0.0, upper=4.0, resolution=Decimal(1))
            for j in range(4)
        )
    )
    policy = Policy.read({}, schema, DECISION)
    question = policy.problem(np.zeros(4), Target(DECISION, 0))
    answer = explain(question, SimpleNamespace(score=needle), engine=Blackbox(enumerable=0))
    assert isinstance(answer, Unknown)
    assert answer.work.rows < 60_000

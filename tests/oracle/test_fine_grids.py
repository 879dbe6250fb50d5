"""Claims on grids that nothing can walk: an oracle looks for rows that refute them."""

from __future__ import annotations

import tracemalloc
from collections import Counter
from dataclasses import dataclass

import numpy as np
import pytest

from ifonly.explainers.answer import AlreadyTarget, Answer, Infeasible, Recourse
from ifonly.explainers.deadline import Deadline
from ifonly.explainers.explain import explain
from ifonly.explainers.search.blackbox import Blackbox
from ifonly.explainers.search.engine import Meter, range_by_asking
from ifonly.explainers.search.portfolio import engines_for
from ifonly.models.predictor import Row, Rows, Scores
from ifonly.models.schema import Task
from tests.support.checks import normal
from tests.support.deployed import Deployed, as_served, deployed_layers, deployed_trees
from tests.support.fine import Refuter, fine_schema, thresholds_of, with_counts
from tests.support.kinds import KINDS, ConstraintKind
from tests.support.questions import price, question

FAMILIES = ("trees", "linear", "relu")
TASKS = tuple(Task)
RELATED = [k for k in KINDS if k.name in ("linear of two", "linear of three", "cyclic")]


def deployed_as(family: str, seed: int, task: Task) -> Deployed:
    if family == "trees":
        return deployed_trees(seed, task)
    return deployed_layers(seed, task, linear=family == "linear")


def claimed(answer: Answer) -> float:
    if isinstance(answer, Infeasible):
        return np.inf
    assert isinstance(answer, Recourse)
    assert answer.counterfactuals[0].gap == 0.0
    return answer.counterfactuals[0].cost


def row_of(answer: Answer, factual: Row) -> Row | None:
    return answer.counterfactuals[0].action_on(factual) if isinstance(answer, Recourse) else None


SLOW_RELU = pytest.param("relu", marks=[pytest.mark.slow, pytest.mark.long])


@pytest.mark.parametrize("family", FAMILIES)
def test_no_cheaper_row_is_found_on_grids_of_any_length(family: str) -> None:
    draw, found = np.random.default_rng(FAMILIES.index(family)), Counter[str]()
    for seed in range(15):
        schema, task = fine_schema(draw), TASKS[seed % 3]
        deployed = deployed_as(family, int(draw.integers(60)), task)
        count = int(draw.integers(0, 3))
        kinds = [KINDS[int(k)] for k in draw.choice(len(KINDS), count, replace=False)]
        problem, _, kept = question(kinds, seed, task, schema)
        engine = engines_for(deployed.form, schema)
        answer = explain(problem, deployed.predictor, engine=engine)
        found[type(answer).__name__] += 1
        if not isinstance(answer, AlreadyTarget):
            refuter = Refuter(
                schema,
                problem.factual,
                deployed.predictor,
                normal(task),
                kept,
                price,
                thresholds_of(deployed.form),
            )
            assert refuter.cheapest(claimed(answer), row_of(answer, problem.factual)) is None
    assert found["Recourse"] >= 4, found


@pytest.mark.parametrize(
    "kind",
    [
        RELATED[0],
        pytest.param(RELATED[1], marks=pytest.mark.slow),
        pytest.param(RELATED[2], marks=[pytest.mark.slow, pytest.mark.long]),
    ],
    ids=lambda kind: kind.name,
)
def test_trees_prove_where_a_rule_relates_two_fine_numbers(kind: ConstraintKind) -> None:
    schema, proven, boxes = with_counts((1_000_000, 5_000_000, 10_000_000)), 0, 0
    for seed in range(20):
        deployed = deployed_as("trees", seed, Task.BINARY)
        problem, _, kept = question((kind,), seed, Task.BINARY, schema)
        answer = explain(problem, deployed.predictor, engine=engines_for(deployed.form, schema))
        if isinstance(answer, AlreadyTarget):
            continue
        assert answer.work.engine in ("trees", "propagation")
        places = thresholds_of(deployed.form)
        refuter = Refuter(
            schema, problem.factual, deployed.predictor, normal(Task.BINARY), kept, price, places
        )
        assert refuter.cheapest(claimed(answer), row_of(answer, problem.factual)) is None
        proven += isinstance(answer, Recourse)
        boxes += answer.work.nodes
    assert proven >= 3
    assert boxes < 20_000  # and not as many as an axis has values


@pytest.mark.parametrize("family", ["linear", SLOW_RELU])
def test_what_suffices_is_told_as_far_as_it_goes(family: str) -> None:
    """By the mathematics, and not for some dozens of values: as asking about each finds it."""
    schema, far, compared = with_counts((300, 300, 300)), 0, 0
    for seed in range(40):
        deployed = deployed_as(family, seed, Task.BINARY)
        problem, _, _ = question((KINDS[seed % len(KINDS)],), seed, Task.BINARY, schema)
        answer = explain(problem, deployed.predictor, engine=engines_for(deployed.form, schema))
        if not isinstance(answer, Recourse):
            continue
        row = answer.counterfactuals[0].action_on(problem.factual)
        for action in answer.counterfactuals[0].actions:
            if action.sufficient_range is not None:
                meter = Meter(deployed.predictor, Deadline.never())
                asked = range_by_asking(problem, meter, row, action.column)
                assert action.sufficient_range == asked
                axis = problem.axes[action.column]
                first, last = map(axis.position, asked)
                far += last - first > 100
                compared += 1
    assert far >= 2
    assert compared >= 10


@pytest.mark.parametrize("family", ["linear", SLOW_RELU])
def test_every_value_of_what_suffices_holds_in_every_session(family: str) -> None:
    """Those beside the answer, within rounding of the edge of what holds in every session, are
    not asked about one by one: that they are in the target is proven."""
    schema, checked = with_counts((1_000_000,) * 3), 0
    for seed in range(45):
        deployed = deployed_as(family, seed, Task.BINARY)
        predictor = as_served(deployed)
        problem, _, _ = question((), seed, Task.BINARY, schema)
        answer = explain(problem, predictor, engine=engines_for(deployed.form, schema))
        if not isinstance(answer, Recourse):
            continue
        row = answer.counterfactuals[0].action_on(problem.factual)
        for action in answer.counterfactuals[0].actions:
            if action.sufficient_range is None:
                continue
            axis = problem.axes[action.column]
            first, last = map(axis.position, action.sufficient_range)
            at = axis.position(action.counterfactual)
            near = np.arange(max(first, at - 200), min(last, at + 200) + 1)
            spread = np.linspace(first, last, 200).astype(np.int64)
            rows = np.repeat(row[None], len(near) + len(spread), axis=0)
            rows[:, action.column] = axis.values(np.concatenate([near, spread]))
            assert problem.target.met(deployed.predictor.score(rows)).all()
            checked += last > first
    assert checked >= 5


@pytest.mark.parametrize("family", FAMILIES)
def test_an_answer_is_nowhere_within_what_suffices_of_a_cheaper_value(family: str) -> None:
    """The finding: set to 40.4104, and sufficient up to 40.5509, which is nearer the factual."""
    checked = 0
    for seed in range(8):
        schema = with_counts((400_000, 256_000, 10_000_000))
        deployed = deployed_as(family, seed, Task.BINARY)
        problem, _, _ = question((), seed, Task.BINARY, schema)
        answer = explain(problem, deployed.predictor, engine=engines_for(deployed.form, schema))
        if not isinstance(answer, Recourse):
            continue
        for action in answer.counterfactuals[0].actions:
            if action.sufficient_range is None or np.isnan(action.factual):
                continue
            low, high = action.sufficient_range
            row = row_of(answer, problem.factual)
            assert row is not None
            assert low <= action.counterfactual <= high
            ends = np.repeat(row[None], 2, axis=0)
            ends[:, action.column] = low, high
            assert problem.allowed(ends).all()
            assert problem.target.met(deployed.predictor.score(ends)).all()
            costs = problem.cost_of(ends)
            assert costs.min() >= answer.counterfactuals[0].cost - 1e-9
            assert not low < action.factual < high
            checked += 1
    assert checked


@pytest.mark.parametrize("counts", [(8_000, 51_200, 10), (800_000, 5_120_000, 10)])
def test_a_logistic_model_over_two_numbers_is_proven_however_fine_they_are(
    counts: tuple[int, int, int],
) -> None:
    schema, proven = with_counts(counts), 0
    for seed in range(10):
        deployed = deployed_as("linear", seed, Task.BINARY)
        frozen = [k for k in KINDS if k.name in ("only to a category",)]
        problem, _, _ = question(frozen, seed, Task.BINARY, schema)
        answer = explain(problem, deployed.predictor, engine=engines_for(deployed.form, schema))
        if not isinstance(answer, AlreadyTarget):
            claimed(answer)
            assert answer.work.engine == "linear"
            proven += 1
    assert proven


def test_a_value_of_a_very_long_axis_has_a_range_that_was_asked_about() -> None:
    """``blackbox`` cannot ask about ten million values; whatever it reports holds."""
    schema, checked = with_counts((10_000_000, 10_000_000, 10_000_000)), 0
    for seed in range(8):
        deployed = deployed_as("trees", seed, Task.REGRESSION)
        problem, _, _ = question((), seed, Task.REGRESSION, schema)
        answer = explain(problem, deployed.predictor, engine=Blackbox())
        if not isinstance(answer, Recourse):
            continue
        row = row_of(answer, problem.factual)
        assert row is not None
        for action in answer.counterfactuals[0].actions:
            if action.sufficient_range is not None:
                axis = problem.axes[action.column]
                first, last = map(axis.position, action.sufficient_range)
                values = axis.values(np.arange(first, last + 1))
                rows = np.repeat(row[None], len(values), axis=0)
                rows[:, action.column] = values
                assert problem.target.met(deployed.predictor.score(rows)).all()
                checked += 1
    assert checked


@dataclass(frozen=True)
class Below:
    """In the target wherever the speed is below a limit."""

    limit: float

    def score(self, rows: Rows) -> Scores:
        return np.where(rows[:, [1]] < self.limit, 0.1, 0.9)


@pytest.mark.parametrize("limit", [11.2345, 40.1234567, 66.6666])
def test_a_limit_between_the_rungs_of_one_lever_is_closed_in_on(limit: float) -> None:
    schema = with_counts((10, 10_000_000, 10))
    problem, _, _ = question((), 4, Task.BINARY, schema)
    assert problem.factual[1] > limit
    answer = explain(problem, Below(limit), engine=Blackbox())
    assert isinstance(answer, Recourse)
    step = float(schema.features[1].resolution or 0)
    (action,) = answer.counterfactuals[0].actions
    assert limit - step <= action.counterfactual < limit
    # Of ten thousand million rows; most are looked at in vain, once the limit is closed in on.
    assert answer.work.rows < 200_000


ASKED = {"trees": (0, 4, 5), "linear": (0, 1, 8), "relu": (4, 15), "blackbox": (0, 4, 7)}
MOST = 1.5


def peak_of(family: str, seed: int, count: int) -> tuple[int, int]:
    """Bytes held at most by a question on axes of ``count`` values, and rows asked about."""
    schema = with_counts((count,) * 3)
    deployed = deployed_as("trees" if family == "blackbox" else family, seed, Task.BINARY)
    engine = Blackbox() if family == "blackbox" else engines_for(deployed.form, schema)
    predictor = as_served(deployed)

    def asked() -> Answer:
        problem, _, _ = question((), seed, Task.BINARY, schema)
        return explain(problem, predictor, engine=engine)

    asked()  # what is made once for a model is made
    tracemalloc.start()
    try:
        answer = asked()
        return tracemalloc.get_traced_memory()[1], answer.work.rows
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("family", ASKED)
def test_what_a_question_holds_does_not_depend_on_the_resolution(family: str) -> None:
    """Of a network (seed 15), a thousand rows at once held four times what all else did."""
    coarse = np.sum([peak_of(family, seed, 100) for seed in ASKED[family]], axis=0)
    fine = np.sum([peak_of(family, seed, 1_000_000) for seed in ASKED[family]], axis=0)
    assert fine[0] <= MOST * coarse[0]
    # Of linear models and networks some rows more, within rounding of the limit.
    assert fine[1] <= MOST * coarse[1] + 16 * len(ASKED[family])

"""What follows from an action need not lie on any grid: it may be between two edges that are close
to each other, and on a fine grid of what is set there are many actions along every edge."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from decimal import Decimal
from typing import Any

import numpy as np
import pytest

from ifonly.explainers.answer import AlreadyTarget, Infeasible, Recourse
from ifonly.explainers.causal.consequences import CausalConsequences
from ifonly.explainers.deadline import Deadline
from ifonly.explainers.errors import NotEligible
from ifonly.explainers.explain import explain
from ifonly.explainers.problem import Problem
from ifonly.explainers.search.engine import Meter
from ifonly.explainers.search.trees.engine import Trees
from ifonly.explainers.search.trees.following import asked_of
from ifonly.explainers.search.trees.layout import MOST_REMEMBERED, fine_axis, remembered
from ifonly.models.predictor import Row, Rows
from ifonly.models.schema import Kind, Schema, Task
from tests.support.bruteforce import settable
from tests.support.checks import check_exact, normal
from tests.support.consequences import FLOW, PRESSURE, Slopes, cheapest_action
from tests.support.deployed import Deployed, deployed_trees
from tests.support.effects import ask
from tests.support.fine import thresholds_of, with_counts
from tests.support.generated import SCHEMA
from tests.support.kinds import ConstraintKind, missing_stays
from tests.support.questions import price, question

BEYOND = 1e-5
"""How far behind an edge of the trees a rule ends."""
MARGINS = (Task.BINARY, Task.REGRESSION)
COARSE, FINE = with_counts((100,) * 3), with_counts((1_000_000,) * 3)
MIXED = Schema(
    tuple(
        replace(f, resolution=Decimal(1)) if f.kind is Kind.INTEGER else fine
        for f, fine in zip(SCHEMA.features, FINE.features, strict=True)
    )
)
"""Whole numbers among them."""
HARD = (67, 68, 70, 79, 95, 104, 107, 113, 142, 148)
"""Seeds of questions that took up to 25,000 boxes, or found no nearest row."""
MOST_BOUNDED = 100
"""Calls of the causal model for the bounds of one question's boxes; they were thousands where the
nearest row was looked for along every edge."""


def edge_of(deployed: Deployed, draw: np.random.Generator) -> float | None:
    """A threshold of the trees on what follows."""
    feature = SCHEMA.features[FLOW]
    inside = [t for t in thresholds_of(deployed.form)[FLOW] if feature.lower < t < feature.upper]
    return float(draw.choice(inside)) if inside else None


def towards(factual: Row, flow: float, draw: np.random.Generator) -> Slopes:
    """Some value of pressure leads to ``flow``."""
    before = float(factual[PRESSURE])
    axis = [v for v in settable(SCHEMA.features[PRESSURE], before) if v == v and v != before]
    slope = (flow - float(factual[FLOW])) / (float(draw.choice(axis)) - before)
    return Slopes((0.0, 0.0), (slope, 0.0))


def below(limit: float) -> ConstraintKind:
    return ConstraintKind(
        "just beyond", lambda row, before: row[FLOW] <= limit + 1e-12, rule=f"flow <= {limit!r}"
    )


def test_a_row_between_an_edge_and_the_end_of_a_rule_is_found() -> None:
    """Features that follow were read at 2,049 places: of an edge and a limit between two of them,
    the row between was lost, and a dearer one called optimal."""
    found = Counter[str]()
    for seed in (*range(150), 298, 344):
        deployed, draw = deployed_trees(seed % 60, Task.BINARY), np.random.default_rng(seed)
        problem, _, _ = question((), seed, Task.BINARY)
        edge = edge_of(deployed, draw)
        if edge is None or np.isnan(problem.factual[[PRESSURE, FLOW]]).any():
            continue
        slopes, kind = towards(problem.factual, edge + BEYOND / 2, draw), below(edge + BEYOND)
        problem, _, _ = question((kind,), seed, Task.BINARY)
        problem = replace(problem, consequences=slopes.consequences())
        try:
            answer = explain(problem, deployed.predictor, engine=Trees(deployed.form, SCHEMA))
        except NotEligible:
            continue
        if isinstance(answer, AlreadyTarget):
            continue
        met, keeps = normal(Task.BINARY), kind.keeps
        best = cheapest_action(
            slopes, problem.factual, deployed.predictor, met, [missing_stays], [keeps], price
        )
        check_exact(answer, best)
        found[type(answer).__name__] += 1
        if isinstance(answer, Recourse):
            between = edge <= answer.counterfactuals[0].row[FLOW] <= edge + BEYOND
            found["between"] += between
    assert found["Recourse"] >= 20, found
    assert found["between"] >= 8, found


def asked_with_effects(deployed: Deployed, seed: int, schema: Schema) -> Problem | None:
    """A question that trees take; None if they do not."""
    problem, _, _ = question((), seed, Task.BINARY, schema)
    problem = replace(problem, consequences=Slopes.random(seed).consequences(whole=()))
    try:
        answer = explain(problem, deployed.predictor, engine=Trees(deployed.form, schema))
    except NotEligible:
        return None
    return None if isinstance(answer, AlreadyTarget) else problem


def test_no_edge_is_walked_along_step_by_step(monkeypatch: pytest.MonkeyPatch) -> None:
    """As many boxes on a million values as on a hundred, for the cheapest action and, where there
    is none, for the nearest row."""
    calls, bounds = [0], CausalConsequences.bounds

    def counted(self: CausalConsequences, *given: Any) -> tuple[Rows, Rows]:
        calls[0] += 1
        return bounds(self, *given)

    monkeypatch.setattr(CausalConsequences, "bounds", counted)
    nodes, found = Counter[str](), Counter[str]()
    for seed in (*range(40), *HARD):
        deployed = deployed_trees(seed, Task.BINARY)
        for name, schema in (("coarse", COARSE), ("fine", FINE)):
            problem = asked_with_effects(deployed, seed, schema)
            if problem is None:
                break
            engine = Trees(deployed.form, schema)
            calls[0] = 0
            answer = explain(replace(problem), deployed.predictor, engine=engine)
            assert isinstance(answer, Infeasible | Recourse)
            if isinstance(answer, Recourse):
                assert answer.counterfactuals[0].gap == 0.0
            else:
                assert answer.best is not None
            assert calls[0] <= MOST_BOUNDED
            nodes[name] += answer.work.nodes
            found[type(answer).__name__] += 1
    assert found["Recourse"] >= 20, found
    assert found["Infeasible"] >= 6, found
    assert nodes["fine"] <= 1.5 * nodes["coarse"], nodes


def test_an_axis_of_what_follows_is_so_fine_that_every_number_has_close_neighbours() -> None:
    """And the factual value stands for itself."""
    draw, told = np.random.default_rng(0), 0
    for seed in range(20):
        deployed, problem = deployed_trees(seed, Task.BINARY), None
        problem = asked_with_effects(deployed, seed, FINE)
        if problem is None or problem.consequences is None:
            continue
        trees = Trees(deployed.form, FINE)
        limits = trees._targets.of(problem.target).limits
        for asked in asked_of(
            problem, problem.consequences, trees._layout, limits, trees._flattened
        ):
            q = asked.question
            for j in asked.mode.followers:
                feature = FINE.features[j]
                some = draw.uniform(feature.lower, feature.upper, 500)
                some[:3] = feature.lower, feature.upper, problem.factual[j]
                first, last = q.around(j, some, some)
                low, high = q.values_at(j, first), q.values_at(j, last)
                assert (low <= some).all()
                assert (some <= high).all()
                assert (high - low).max() <= 1e-10 * (feature.upper - feature.lower)
                assert (first[:3] == last[:3])[[0, 2]].all()
                told += 1
    assert told >= 10


@pytest.mark.parametrize(
    ("lower", "upper"),
    [
        (0.0, 1.0),
        (-0.3, 0.4),
        (1e9, 1e9 + 1.0),
        (-1e-7, 1e-7),
        (0.0, 1e13),
        (-1e15, 3.0),
        (7.0, 7.0),
    ],
)
def test_both_bounds_are_on_the_axis_and_its_values_ascend(lower: float, upper: float) -> None:
    axis = fine_axis(lower, upper)
    assert lower in axis
    assert upper in axis
    assert axis.below(lower) == 0
    assert axis.position(upper) == len(axis) - 1
    some = np.unique(np.linspace(0, len(axis) - 1, 1001).astype(np.int64))
    some = np.unique(np.concatenate([some, some + 1]))
    values = axis.values(some[some < len(axis)])
    assert (np.diff(values) > 0).all()
    assert upper - lower <= 1e-9 * max(abs(lower), abs(upper)) or len(axis) > 10**6


def test_what_clients_think_of_is_remembered_up_to_a_number() -> None:
    memory: dict[int, str] = {}
    made = [remembered(memory, key, lambda: "new") for key in range(3 * MOST_REMEMBERED)]
    assert set(made) == {"new"}
    assert len(memory) <= MOST_REMEMBERED
    last = 3 * MOST_REMEMBERED - 1
    assert remembered(memory, last, lambda: "again") == "new"


MOST_OPENED = 3_000
"""Boxes of one question on a million values; some took 1.6 million."""


def test_no_edge_of_any_mechanism_is_walked_along() -> None:
    """Also where the rows beside it are in the target and not sure enough, where two thresholds are
    one in float32, and where what follows is whole."""
    found, kept = Counter[str](), {"linear", "polynomial", "basis", "expression", "trees"}
    for seed in range(130):
        asked = ask(seed, MIXED if seed % 3 else FINE)
        # Bounds that jump and readings that are missing leave nothing to go by.
        if not kept >= set(asked.mechanisms) or np.isnan(asked.problem.factual).any():
            continue
        # Of more than two classes, and of survival, the kernel knows less than of margins.
        if asked.problem.survives is not None or asked.deployed.spec.decision.task not in MARGINS:
            continue
        problem, meter = asked.firm, Meter(asked.predictor, Deadline.never())
        outcome = Trees(asked.deployed.form, problem.schema).search(
            problem, meter, Deadline.never()
        )
        assert meter.nodes <= MOST_OPENED, (seed, meter.nodes)
        assert meter.runs <= 100, (seed, meter.runs)
        bound = outcome.lower_bound
        assert bound is not None
        found["infeasible" if outcome.is_infeasible else "optimal"] += 1
        if len(outcome.candidates):
            assert outcome.is_proven(problem), seed
    assert found["optimal"] >= 20, found
    assert found["infeasible"] >= 5, found

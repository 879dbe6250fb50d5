"""Answers that must be sure when they are carried out: found, ranged, refused."""

from __future__ import annotations

from dataclasses import replace
from decimal import Decimal
from itertools import product

import numpy as np
import pytest

from ifonly.explainers.answer import Abstained, Counterfactual, Infeasible, Recourse
from ifonly.explainers.causal import CausalModel, Graph, draw_members
from ifonly.explainers.causal.basis import linear
from ifonly.explainers.causal.consequences import CausalConsequences
from ifonly.explainers.causal.mechanism import Mechanism, Noise
from ifonly.explainers.causal.noise_stability import NodeStability
from ifonly.explainers.causal.redrawing import Redrawing
from ifonly.explainers.deadline import Deadline
from ifonly.explainers.errors import NotEligible
from ifonly.explainers.explain import explain
from ifonly.explainers.policy import Policy
from ifonly.explainers.problem import Problem
from ifonly.explainers.search.blackbox import Blackbox
from ifonly.explainers.search.engine import Meter, refuse_redrawn
from ifonly.explainers.search.portfolio import Portfolio
from ifonly.explainers.search.trees.engine import Trees
from ifonly.models.predictor import Rows, Scores
from ifonly.models.schema import Category, Decision, Feature, Kind, Schema, Task

SCHEMA = Schema(
    tuple(Feature(n, Kind.CONTINUOUS, "", -6.0, 6.0, Decimal("0.5")) for n in ("a", "b", "c"))
)
DECISION = Decision(Task.BINARY, (Category("no"), Category("yes")), 1, 0.5, desired=1)
FACTUAL = np.array([-1.0, -1.0, -1.0])
ROOT = Noise(1.0, np.random.default_rng(1).normal(size=400))
GRAPH = Graph.of(3, [(0, 1)])


class Sum:
    """Certain of ``yes`` where the sum is high."""

    def score(self, rows: Rows) -> Scores:
        return np.asarray(1.0 / (1.0 + np.exp(-rows.sum(axis=1))))[:, None]


def problem(
    rho: float | None, *, floor: float = 0.9, policy: dict | None = None, redrawn: float = 0.0
) -> Problem:
    model = CausalModel(
        SCHEMA.names,
        GRAPH,
        (None, Mechanism(linear(0.0, np.array([1.0])), None, Noise(1.0)), None),
        (ROOT, None, ROOT),
    )
    members = draw_members(model, np.random.default_rng(0), 64)
    asked = CausalConsequences(model, members, 2.5, floor, np.zeros(3))
    if rho is not None:
        own = NodeStability(rho, None, redrawn)
        asked = replace(asked, redrawing=Redrawing(tuple((j, own) for j in range(3))))
    own_policy = Policy.read(policy or {}, SCHEMA, DECISION)
    return replace(own_policy.problem(FACTUAL), consequences=asked)


ENGINE = Portfolio((Blackbox(),))


def first(asked: Problem) -> Counterfactual:
    answer = explain(asked, Sum(), engine=ENGINE)
    assert isinstance(answer, Recourse), answer
    assert not answer.work.rejected
    return answer.counterfactuals[0]


def cheapest(asked: Problem) -> float:
    """By a walk over all actions on two levers at most."""
    grid = np.arange(-6.0, 6.5, 0.5)
    actions = np.array([(a, b, c) for a, b, c in product(grid, grid, grid) if -1.0 in (a, b, c)])
    actions = actions[np.argsort(asked.cost_of(actions), kind="stable")]
    rows = asked.rows_of(actions)
    kept = asked.allowed(actions, rows) & (Sum().score(rows)[:, 0] >= 0.5)
    for action in actions[kept]:
        if asked.trust(action[None, :], Sum().score).holds[0]:
            return float(asked.cost_of(action[None, :])[0])
    return np.inf


def test_without_it_nothing_is_otherwise() -> None:
    stays, none = problem(1.0), problem(None)
    assert first(none).chance_later is None
    # Declared to stay as it is, all of it: the same answer, and sure then as now.
    assert first(stays).cost == first(none).cost
    assert none.now is none


@pytest.mark.parametrize("rho", [0.97, 0.5])
def test_the_answer_is_sure_when_carried_out_and_its_bound_is_that_of_now(rho: float) -> None:
    asked = problem(rho)
    found, now = first(asked), first(asked.now)
    assert found.chance_later is not None
    assert found.chance_later >= 0.9
    assert found.chance == 1.0
    assert now.cost <= found.cost
    assert found.lower_bound is None or found.lower_bound <= now.cost
    assert found.gap != 0.0 or found.cost == now.cost
    # Near the best that a walk over all actions finds.
    assert found.cost <= 1.35 * cheapest(asked) + 1e-9
    # Each end of a range is sure then, too.
    for action in found.actions:
        assert action.sufficient_range is not None
        for end in action.sufficient_range:
            row = np.array(FACTUAL)
            for a in found.actions:
                row[a.column] = end if a is action else a.counterfactual
            assert asked.trust(row[None, :], Sum().score).holds[0]


def test_what_gets_better_by_itself_needs_no_more() -> None:
    """A machine whose noise is unlucky: of what is drawn anew most is better."""
    asked = problem(0.0)
    found = first(asked)
    assert found.chance_later is not None
    assert found.chance_later >= 0.9


def test_where_nothing_is_sure_enough_it_abstains_and_says_how_sure_the_surest_is() -> None:
    few = {"features": {n: {"range": [-1.0, 0.5]} for n in "ab"} | {"c": {"actionable": False}}}
    answer = explain(problem(0.2, policy=few, floor=0.99), Sum(), engine=ENGINE)
    assert isinstance(answer, Abstained)
    assert answer.chance_later is not None
    assert 0.2 < answer.chance_later < 0.99
    assert answer.chance == 1.0


def test_what_is_impossible_now_is_impossible() -> None:
    none = {"features": {n: {"range": [-1.0, -0.5]} for n in SCHEMA.names}}
    assert isinstance(explain(problem(0.5, policy=none), Sum(), engine=ENGINE), Infeasible)


def test_a_deadline_that_has_passed_is_told() -> None:
    answer = explain(problem(0.5), Sum(), engine=ENGINE, deadline=Deadline.after(0.0))
    assert answer.work.deadline_hit
    assert not isinstance(answer, Abstained)


def test_an_exact_engine_refuses_what_its_proof_does_not_know() -> None:
    with pytest.raises(NotEligible, match="drawn anew"):
        refuse_redrawn(problem(0.5), Trees.name)
    refuse_redrawn(problem(0.5).now, Trees.name)
    found = Portfolio(()).search(problem(0.5), Meter(Sum(), Deadline.never()), Deadline.never())
    assert not len(found.candidates)

"""Recourse by group and beside one's twin, on the SCM of von Kügelgen et al. 2022 (CAU-LIN)."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

import numpy as np

from ifonly.explainers.answer import Status
from ifonly.explainers.causal import CausalModel, Graph, draw_members
from ifonly.explainers.causal.basis import linear
from ifonly.explainers.causal.consequences import CausalConsequences
from ifonly.explainers.causal.mechanism import Mechanism
from ifonly.explainers.constraints import Origin, Source
from ifonly.explainers.cost import Cost, FeatureCost
from ifonly.explainers.fairness.twins import draw_worlds
from ifonly.models.schema import Category, Decision, Feature, Kind, Schema, Task
from ifonly.service.audit.recourse_by_group.cases import RecourseCase
from ifonly.service.audit.recourse_by_group.outcomes import outcomes
from ifonly.service.offline.twins import (
    TwinQuestion,
    TwinTerms,
    groups_of,
    levels_of,
    twins,
)

# a is -1 or 1; x1 = a / 2 + u1; x2 = u2; x3 = (a + x1 - x2) / 2 + u3
SCHEMA = Schema(
    (
        Feature("a", Kind.ORDINAL, categories=(Category("minus"), Category("plus"))),
        *(Feature(f"x{j}", Kind.CONTINUOUS, "", -9.0, 9.0, Decimal("0.25")) for j in (1, 2, 3)),
    )
)
GRAPH = Graph.of(4, [(0, 1), (0, 3), (1, 3), (2, 3)])
MODEL = CausalModel(
    SCHEMA.names,
    GRAPH,
    (
        None,
        Mechanism(linear(-0.5, np.array([1.0]))),  # a is kept as 0 or 1
        None,
        Mechanism(linear(-0.5, np.array([1.0, 0.5, -0.5]))),
    ),
)
CONSEQUENCES = CausalConsequences(
    MODEL, draw_members(MODEL, np.random.default_rng(0), 2), 0.0, 0.0, np.zeros(4)
)
DECISION = Decision(Task.BINARY, (Category("no"), Category("yes")), 1, 0.5, desired=1)
COST = Cost(tuple(FeatureCost() for _ in SCHEMA.features))
POLICY = Origin(Source.POLICY, "a")
BOUNDS = np.array([f.lower for f in SCHEMA.features]), np.array([f.upper for f in SCHEMA.features])


@dataclass(frozen=True)
class Linear:
    weights: tuple[float, ...]

    def score(self, rows):
        return 1.0 / (1.0 + np.exp(-2.0 * (rows @ np.array(self.weights))))[:, None]


def case(k: int, row: np.ndarray, alarm: bool, cost: float | None) -> RecourseCase:
    """``cost``: None, there is no recourse."""
    status = Status.OPTIMAL if cost is not None else Status.INFEASIBLE
    status = status if alarm else Status.ALREADY_TARGET
    return RecourseCase(f"row {k}", status, "a spec", cost=cost, instance=SCHEMA.write(row))


def cases_of(rows: np.ndarray, alarm: bool, cost: float | None) -> list[RecourseCase]:
    return [case(k, row, alarm, cost) for k, row in enumerate(rows)]


def levels(rows: np.ndarray, column: int):
    cases = cases_of(rows, True, 1.0)
    return levels_of(groups_of(cases, SCHEMA.features[column]), cases, rows[:, column])


def asking(model: Linear):
    """Recourse that costs what the score lacks: the search is tried elsewhere."""

    def ask(rows):
        lacking = -(rows @ np.array(model.weights))
        return [
            case(k, row, lacks > 0.0, float(lacks) if lacks > 0.0 else None)
            for k, (row, lacks) in enumerate(zip(rows, lacking, strict=True))
        ]

    return ask


def individuals(n: int = 24) -> np.ndarray:
    rng = np.random.default_rng(4)
    noise = rng.normal(size=(n, 4))
    noise[:, 0] = rng.integers(0, 2, n)
    return MODEL.predict(noise)


def asked(model: Linear, rows: np.ndarray, cases, ask) -> TwinQuestion:
    def decide(some: np.ndarray) -> np.ndarray:
        return np.asarray(model.score(some)[:, 0] < 0.5)

    return TwinQuestion(rows, cases, 0, decide, ask, TwinTerms(BOUNDS, cost_worlds=2))


def beside(model: Linear, rows: np.ndarray, allowed=frozenset()):
    ask = asking(model)
    worlds = draw_worlds(CONSEQUENCES, 4, allowed=allowed)
    return twins(asked(model, rows, ask(rows), ask), worlds, levels(rows, 0))


def test_a_model_on_what_does_not_follow_from_the_attribute_is_fair_to_every_twin():
    for pair in beside(Linear((0.0, 0.0, 1.0, 0.0)), individuals()):
        assert pair.decisions.either.value == pair.decisions.net.value == 0.0
        assert pair.costs is not None
        assert pair.costs.of == pair.costs.both > 2
        assert pair.costs.largest == 0.0
        assert pair.costs.only_own.value == pair.costs.only_twin.value == 0.0
        if pair.costs.difference is not None:
            assert (pair.costs.difference.low, pair.costs.difference.high) == (0.0, 0.0)


ON_EFFECTS = Linear((0.0, 1.0, -1.0, 1.0))
EDGES = frozenset({(0, 1), (0, 3)})
"""Both that lead from the attribute."""


def test_a_model_on_what_follows_from_it_is_not():
    minus, plus = beside(ON_EFFECTS, individuals(40))
    assert (minus.own.group.key, minus.other.group.key) == ("minus", "plus")
    # To be plus helps everybody: x1 - x2 + x3 is 2.5 more.
    assert minus.decisions.better.value > 0.1
    assert minus.decisions.worse.value == 0.0
    assert plus.decisions.worse.value > 0.1
    for pair, sign in ((minus, -1.0), (plus, 1.0)):
        assert pair.costs is not None
        assert pair.costs.largest is not None
        assert pair.costs.largest > 0.5
        if pair.costs.difference is not None:
            assert sign * pair.costs.difference.value > 0.0
            assert pair.costs.difference.low <= pair.costs.difference.high
    told = {person.row: person for person in minus.persons}
    assert set(told) == set(minus.own.rows.tolist())
    assert all(person.chance in (0.0, 1.0) for person in told.values())  # mechanisms are certain
    assert any(person.twin_cost is not None for person in told.values())


def test_where_all_that_leads_from_it_is_allowed_nothing_is_unfair():
    for pair in beside(ON_EFFECTS, individuals(), EDGES):
        assert pair.decisions.either.value == 0.0
        assert pair.costs is not None
        assert pair.costs.largest == 0.0


def test_the_size_of_a_difference_is_what_the_attribute_moves():
    """x1 - x2 + x3 moves by 2.5 with ``a``: x1 by 1, x3 by 1 and by half of x1's 1. All noise is
    the individual's own."""
    rows = individuals()
    switched = 1.0 - rows[:, :1]
    moved = np.array(
        [CONSEQUENCES.rows(r, [0], v[None])[0] for r, v in zip(rows, switched, strict=True)]
    )
    score = np.array([0.0, 1.0, -1.0, 1.0])
    np.testing.assert_allclose((moved - rows) @ score, 2.5 * (1.0 - 2.0 * rows[:, 0]), atol=1e-9)


def test_a_twin_that_cannot_be_told_is_left_out_and_counted():
    rows = individuals()
    blind = CausalModel(SCHEMA.names, GRAPH, (None, None, None, None))
    members = draw_members(blind, np.random.default_rng(0), 2)
    consequences = CausalConsequences(blind, members, 0.0, 0.0, np.zeros(4))
    question = asked(ON_EFFECTS, rows, cases_of(rows, True, 1.0), lambda r: [])
    for pair in twins(question, draw_worlds(consequences, 3), levels(rows, 0)):
        assert (pair.decisions.of, pair.untold) == (0, len(pair.own.rows))
        assert pair.costs is None
        assert pair.persons == ()


def test_groups_are_counted_with_intervals():
    rows = individuals()
    cases = [
        case(k, row, k % 2 == 0, None if k % 4 == 0 or k % 2 else float(k))
        for k, row in enumerate(rows)
    ]
    groups = [outcomes(group) for group in groups_of(cases, SCHEMA.features[0])]
    assert [g.key for g in groups] == ["minus", "plus"]
    assert sum(g.asked for g in groups) == len(rows)
    assert sum(g.asked - g.already for g in groups) == 12
    assert sum(g.success.count for g in groups) == 6
    for g in groups:
        assert 0.0 <= g.success.low <= g.success.high <= 1.0


def test_a_number_makes_two_halves():
    rows = individuals()
    cases, values = cases_of(rows, True, 1.0), rows[:, 1]
    low, high = levels(rows, 1)
    assert values[low.rows].max() < values[high.rows].min()
    assert len(low.rows) == len(high.rows) == 12
    for level, group in zip((low, high), groups_of(cases, SCHEMA.features[1]), strict=True):
        ends = [float(end) for end in group.key.split("..")]
        assert ends == [values[level.rows].min(), values[level.rows].max()]
        assert ends[0] <= level.value <= ends[1]


def test_where_half_have_the_greatest_reading_the_others_are_the_lower_half():
    rows = individuals(5)
    rows[:, 1] = [1.0, 3.0, 3.0, 2.0, 3.0]
    assert [sorted(level.rows) for level in levels(rows, 1)] == [[0, 3], [1, 2, 4]]
    rows[3, 1] = np.nan
    assert [sorted(level.rows) for level in levels(rows, 1)] == [[0], [1, 2, 4]]

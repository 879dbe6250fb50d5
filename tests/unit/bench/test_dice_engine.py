"""The dice engine with a sampler of our own: whatever is proposed, what comes out is sound."""

from __future__ import annotations

import math
from dataclasses import dataclass, field

import numpy as np
import pytest

from bench.dice.engine import Chances, Dice, DiceWish
from ifonly.explainers.deadline import Deadline
from ifonly.explainers.errors import DeadlineReached, NotEligible
from ifonly.explainers.explain import explain
from ifonly.explainers.problem import Problem
from ifonly.explainers.search.engine import Meter, SearchOutcome
from ifonly.models.predictor import Rows
from tests.support.generated import SCHEMA, Stumps
from tests.support.kinds import KINDS
from tests.support.questions import question


@dataclass
class FakeSampler:
    """Proposes rows anywhere, on no grid, outside the bounds too, and asks for their scores."""

    rows: int = 400
    wishes: list[DiceWish] = field(default_factory=list)
    chances: list[np.ndarray] = field(default_factory=list)

    def __call__(self, wish: DiceWish, chances: Chances, deadline: Deadline) -> Rows:
        self.wishes.append(wish)
        draw = np.random.default_rng(wish.seed)
        rows = np.repeat(wish.factual[None, :], self.rows, axis=0)
        for j in wish.vary:
            low, high = wish.allowed[j][0], wish.allowed[j][-1]
            moved = draw.random(self.rows) < 0.5
            rows[moved, j] = draw.uniform(low - 0.1, high + 0.1, moved.sum())
        for j, feature in enumerate(wish.schema.features):
            if feature.kind.is_categorical:
                rows[:, j] = np.clip(np.rint(rows[:, j]), 0, len(feature.categories) - 1)
        self.chances.append(chances(rows))
        return rows


def _question(kinds: list[str], seed: int) -> tuple[Problem, Stumps]:
    """One with a complete reading and rows that were seen in service."""
    chosen = [kind for kind in KINDS if kind.name in kinds]
    problem, stumps, _ = question(chosen, seed)
    draw = np.random.default_rng(seed)
    seen = np.repeat(problem.factual[None, :], 20, axis=0)
    seen[:, 0] = draw.integers(0, 9, 20) * 0.25
    return _with_references(problem, seen), stumps


def _with_references(problem: Problem, references: Rows | None) -> Problem:
    return Problem(
        problem.schema,
        problem.factual,
        problem.target,
        problem.constraints,
        problem.cost,
        references,
        seed=problem.seed,
    )


def _search(problem: Problem, stumps: Stumps, sampler: FakeSampler) -> SearchOutcome:
    never = Deadline.never()
    return Dice(sampler).search(problem, Meter(stumps, never), never)


COMPLETE = [seed for seed in range(60) if seed % 3]
"""Seeds of questions in which no reading is missing."""


@pytest.mark.parametrize("kind", [k.name for k in KINDS])
def test_every_candidate_is_on_the_axes_allowed_and_in_the_target(kind: str) -> None:
    for seed in COMPLETE[:12]:
        problem, stumps = _question([kind], seed)
        if problem.conflict is not None or np.isnan(problem.factual).any():
            continue
        found = _search(problem, stumps, FakeSampler())
        for row in found.candidates:
            assert all(float(v) in axis for v, axis in zip(row, problem.axes, strict=True))
        assert problem.allowed(found.candidates).all()
        if len(found.candidates):
            assert problem.target.met(stumps.score(found.candidates)).all()
        costs = problem.cost_of(found.candidates)
        assert (np.diff(costs) >= 0).all()


def test_it_claims_no_bound() -> None:
    problem, stumps = _question([], 1)
    found = _search(problem, stumps, FakeSampler())
    assert found.lower_bound is None
    assert not found.is_proven(problem)


def test_its_answers_are_published_only_when_verified() -> None:
    statuses = set()
    for seed in COMPLETE:
        problem, stumps = _question([], seed)
        answer = explain(problem, stumps, engine=Dice(FakeSampler()))
        statuses.add(str(answer.status))
    assert "feasible" in statuses
    assert statuses <= {"feasible", "unknown", "already_target", "infeasible"}


def test_the_sampler_is_told_the_axes_and_that_half_is_the_edge_of_the_target() -> None:
    problem, stumps = _question([], 4)
    sampler = FakeSampler()
    _search(problem, stumps, sampler)
    wish = sampler.wishes[0]
    assert set(wish.vary) == set(problem.movable.tolist())
    for feature, axis, allowed in zip(SCHEMA.features, problem.axes, wish.allowed, strict=True):
        if feature.kind.is_categorical:
            assert allowed == tuple(axis.values())
        else:
            assert allowed == (axis.low, axis.high)
    chances = sampler.chances[0]
    assert ((chances >= 0.5) == (chances == 1.0)).all()
    assert ((chances > 0) & (chances <= 1)).all()


def test_a_fixed_feature_is_not_offered_to_the_sampler() -> None:
    problem, stumps = _question(["immutable"], 4)
    sampler = FakeSampler()
    _search(problem, stumps, sampler)
    fixed = set(range(len(SCHEMA))) - set(problem.movable.tolist())
    assert fixed
    assert not fixed & set(sampler.wishes[0].vary)


def test_a_missing_reading_is_not_for_it() -> None:
    problem, stumps, _ = question([], 3)
    assert np.isnan(problem.factual).any()
    with pytest.raises(NotEligible, match="missing"):
        _search(problem, stumps, FakeSampler())


def test_without_rows_seen_in_service_it_is_not_eligible() -> None:
    problem, stumps = _question([], 4)
    with pytest.raises(NotEligible, match="seen in service"):
        _search(_with_references(problem, None), stumps, FakeSampler())


def test_references_with_missing_values_are_not_shown() -> None:
    problem, stumps = _question([], 4)
    assert problem.references is not None
    torn = problem.references.copy()
    torn[3, 4] = math.nan
    sampler = FakeSampler()
    _search(_with_references(problem, torn), stumps, sampler)
    assert len(sampler.wishes[0].references) == len(torn) - 1


def test_a_sampler_that_is_stopped_leaves_an_empty_outcome() -> None:
    def stopped(wish: DiceWish, chances: Chances, deadline: Deadline) -> Rows:
        raise DeadlineReached("stopped")

    problem, stumps = _question([], 4)
    never = Deadline.never()
    found = Dice(stopped).search(problem, Meter(stumps, never), never)
    assert found.deadline_hit
    assert not len(found.candidates)
    assert found.lower_bound is None


def test_the_rows_it_scores_are_counted() -> None:
    problem, stumps = _question([], 4)
    never = Deadline.never()
    meter = Meter(stumps, never)
    Dice(FakeSampler(rows=400)).search(problem, meter, never)
    assert meter.rows >= 400

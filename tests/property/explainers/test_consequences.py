"""What follows from an action, whatever the causal model, the question and the action."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from ifonly.explainers.answer import Recourse
from ifonly.explainers.causal import CausalModel, Graph, draw_members
from ifonly.explainers.causal.consequences import CausalConsequences
from ifonly.explainers.errors import NotEligible
from ifonly.explainers.explain import explain
from ifonly.explainers.search.engine import refuse_consequences
from ifonly.explainers.space import changed
from tests.support.consequences import Slopes
from tests.support.generated import SCHEMA
from tests.support.kinds import KINDS
from tests.support.questions import question

seeds = st.integers(0, 100_000)
NOTHING_FOLLOWS = CausalConsequences(
    CausalModel(SCHEMA.names, Graph.of(5, []), (None,) * 5),
    draw_members(
        CausalModel(SCHEMA.names, Graph.of(5, []), (None,) * 5), np.random.default_rng(0), 3
    ),
    2.5,
    0.9,
    np.zeros(5),
)


def some_actions(problem, seed: int, n: int = 30) -> np.ndarray:
    draw = np.random.default_rng(seed)
    actions = np.repeat(problem.factual[None, :], n, axis=0)
    for j in problem.movable:
        chosen = draw.random(n) < 0.4
        actions[chosen, j] = draw.choice(problem.axes[j].values(), n)[chosen]
    return actions


@given(seeds)
def test_to_set_nothing_else_than_what_is_leads_to_what_is(seed: int) -> None:
    problem, _, _ = question((), seed)
    problem = replace(problem, consequences=Slopes.random(seed).consequences())
    again = np.array([problem.factual] * 3)
    assert np.array_equal(problem.rows_of(again), again, equal_nan=True)
    assert problem.cost_of(again).tolist() == [0.0, 0.0, 0.0]


@given(seeds)
def test_only_what_comes_after_an_action_moves_and_what_is_set_stays_set(seed: int) -> None:
    problem, _, _ = question((), seed)
    consequences = Slopes.random(seed).consequences()
    problem = replace(problem, consequences=consequences)
    actions = some_actions(problem, seed)
    rows = problem.rows_of(actions)
    acted, moved = changed(actions, problem.factual), changed(rows, problem.factual)
    for action, row, a, m in zip(actions, rows, acted, moved, strict=True):
        assert row[a].tolist() == action[a].tolist()
        assert set(np.flatnonzero(m & ~a)) <= set(consequences.effects(np.flatnonzero(a).tolist()))


@given(seeds)
def test_rows_of_many_actions_are_those_of_each_alone(seed: int) -> None:
    problem, _, _ = question((), seed)
    problem = replace(problem, consequences=Slopes.random(seed).consequences())
    actions = some_actions(problem, seed)
    alone = np.concatenate([problem.rows_of(a[None, :]) for a in actions])
    assert problem.rows_of(actions) == pytest.approx(alone, rel=1e-12, nan_ok=True)


@settings(max_examples=25)
@given(seeds)
def test_where_nothing_follows_the_answers_are_those_of_features_that_move_alone(seed: int) -> None:
    problem, model, _ = question((KINDS[seed % len(KINDS)],), seed)
    alone = explain(problem, model)
    with_consequences = explain(replace(problem, consequences=NOTHING_FOLLOWS), model)
    assert type(with_consequences) is type(alone)
    if isinstance(alone, Recourse) and isinstance(with_consequences, Recourse):
        assert repr([c.row for c in with_consequences.counterfactuals]) == repr(
            [c.row for c in alone.counterfactuals]
        )
        assert with_consequences.status is alone.status


@settings(max_examples=25)
@given(seeds)
def test_whatever_is_published_is_what_the_causal_model_says_follows(seed: int) -> None:
    problem, model, _ = question((KINDS[seed % len(KINDS)],), seed)
    slopes = Slopes.random(seed)
    answer = explain(replace(problem, consequences=slopes.consequences()), model)
    for found in answer.counterfactuals if isinstance(answer, Recourse) else ():
        action = problem.factual.tolist()
        for a in found.actions:
            action[a.column] = a.counterfactual
        by_hand = slopes.follow(action, problem.factual.tolist())
        assert list(found.row) == pytest.approx(by_hand, rel=1e-9, nan_ok=True)
        set_or_followed = {a.column for a in found.actions} | {e.column for e in found.effects}
        assert set_or_followed == set(
            np.flatnonzero(changed(np.array([found.row]), problem.factual)[0])
        )
        for effect in found.effects:
            assert effect.via
            assert set(effect.via) <= {a.column for a in found.actions}


def test_an_engine_that_does_not_know_images_says_so() -> None:
    problem, _, _ = question((), 0)
    refuse_consequences(problem, "dice")
    with pytest.raises(NotEligible, match="dice: it does not know what follows"):
        refuse_consequences(replace(problem, consequences=NOTHING_FOLLOWS), "dice")

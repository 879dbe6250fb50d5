"""Another past under the same laws: only the backgrounds that are moved are otherwise."""

from __future__ import annotations

import numpy as np
import pytest

from ifonly.explainers.causal import CausalModel, Graph, draw_members
from ifonly.explainers.causal.backtracking import BacktrackingConsequences
from ifonly.explainers.causal.basis import linear
from ifonly.explainers.causal.consequences import CausalConsequences
from ifonly.explainers.causal.mechanism import Mechanism
from tests.support.causal import draw_model

N = 6


def consequences(
    seed: int, *, scaled: bool
) -> tuple[BacktrackingConsequences, np.ndarray, list[int]]:
    model = draw_model(seed, N, scaled=scaled).model
    rng = np.random.default_rng(seed)
    factual = rng.normal(size=N)
    columns = sorted(rng.choice(N, size=rng.integers(1, 4), replace=False).tolist())
    members = draw_members(model, rng, 3)
    return (
        BacktrackingConsequences(CausalConsequences(model, members, 0.0, 0.0, np.zeros(N))),
        factual,
        columns,
    )


@pytest.mark.parametrize("seed", range(40))
def test_all_laws_hold_and_no_other_background_moves(seed):
    asked, factual, columns = consequences(seed, scaled=False)
    shifts = np.random.default_rng(seed).normal(size=(5, len(columns)))
    rows = asked.rows(factual, columns, factual[columns] + shifts)
    model = asked.causal.model
    moved = model.abduct(rows) - model.abduct(factual[None])
    wanted = np.zeros((5, N))
    wanted[:, columns] = shifts
    np.testing.assert_allclose(moved, wanted, atol=1e-9 * (1 + np.abs(rows).max()))


@pytest.mark.parametrize("seed", range(40))
def test_what_reads_otherwise_is_said_and_of_what(seed):
    asked, factual, columns = consequences(seed, scaled=True)
    values = factual[columns][None] + 0.5
    (row,) = asked.rows(factual, columns, values)
    effects = asked.effects(columns)
    for j in range(N):
        if j in effects:
            assert set(asked.via(columns, j)) <= set(columns) - {j}
            assert asked.via(columns, j)
        else:
            assert row[j] == (values[0, columns.index(j)] if j in columns else factual[j])


@pytest.mark.parametrize("seed", range(20))
def test_the_members_of_what_is_known_all_agree_with_the_model(seed):
    _, factual, columns = consequences(seed, scaled=True)
    known = draw_model(seed, N, kinds=("linear", "polynomial")).model
    members = draw_members(known, np.random.default_rng(0), 3)
    shifts = np.random.default_rng(seed).normal(size=(4, len(columns)))
    together = frozenset(columns)
    one = known.counterfactual(factual, columns, shifts, together)
    for each in members.counterfactual(factual, columns, shifts, together):
        np.testing.assert_allclose(each, one, rtol=1e-9, atol=1e-9)


def test_one_background_alone_leads_where_setting_the_value_does():
    for seed in range(20):
        asked, factual, columns = consequences(seed, scaled=True)
        values = factual[columns[:1]][None] + 0.7
        past = asked.rows(factual, columns[:1], values)
        done = asked.causal.rows(factual, columns[:1], values)
        np.testing.assert_allclose(past, done, rtol=1e-12, atol=1e-12)


def test_whole_numbers_are_read_before_anything_is_held_against_the_target():
    """b = 2 a reads whole numbers: at 2.6 it reads 3, which is enough; an intervention agrees."""
    model = CausalModel(
        ("a", "b"), Graph(((), (0,))), (None, Mechanism(linear(0.0, np.array([2.0]))))
    )
    members = draw_members(model, np.random.default_rng(0), 3)
    done = CausalConsequences(model, members, 0.0, 0.9, np.zeros(2), whole=(1,))
    factual, values = np.zeros(2), np.array([[1.3], [1.2]])

    def enough(rows):
        return rows[:, 1] - 3.0

    for asked in (done, BacktrackingConsequences(done)):
        assert asked.rows(factual, [0], values)[:, 1].tolist() == [3.0, 2.0]
        trust = asked.trust(factual, [0], values, enough)
        assert trust.lower.tolist() == [0.0, -1.0]
        assert trust.holds.tolist() == [True, False]
        assert trust.chance.tolist() == [1.0, 0.0]
        for value, share in zip(values, (1.0, 0.0), strict=True):
            assurance = asked.assurance(factual, [0], value, lambda rows: enough(rows) >= 0.0)
            assert assurance.survival == share

"""How sure an answer is: bounds over mechanisms, sensors, extrapolation, hidden causes."""

from __future__ import annotations

import numpy as np
import pytest

from ifonly.explainers.causal import CausalModel, Graph, draw_members
from ifonly.explainers.causal.basis import linear
from ifonly.explainers.causal.certainty import (
    certainty,
    extrapolation,
    sensor_survival,
    tipping,
)
from ifonly.explainers.causal.errors import NoMechanism
from ifonly.explainers.causal.expression import Expression
from ifonly.explainers.causal.hidden import HiddenCause, HiddenCauses
from ifonly.explainers.causal.learning import learn
from ifonly.explainers.causal.mechanism import Mechanism, Noise

GRAPH = Graph(((), (0,)))
EDGE = HiddenCause(0, 1, -1.0, 1.0)


def model_of(mechanism, root=None) -> CausalModel:
    return CausalModel(("a", "b"), GRAPH, (None, mechanism), (root or Noise(1.0), None))


def learned(n: int, seed: int = 0, noise: float = 1.0) -> CausalModel:
    """b = 2 a + noise, learned from ``n`` rows with a ~ N(0, 1)."""
    rng = np.random.default_rng(seed)
    a = rng.normal(size=(n, 1))
    b = 2.0 * a[:, 0] + rng.normal(0.0, noise, n)
    return model_of(learn(a, b, [False], rng, kinds=("linear",)).mechanism)


def b_at_least(limit):
    return lambda rows: rows[:, 1] - limit


def reached(limit):
    return lambda rows: rows[:, 1] >= limit


def test_what_is_known_for_sure_has_no_spread():
    model = model_of(Mechanism(linear(0.0, np.array([2.0]))))
    members = draw_members(model, np.random.default_rng(0), 10)
    found = certainty(members, np.zeros(2), [0], np.array([[1.0], [3.0]]), b_at_least(4.0), 2.5)
    assert found.mean.tolist() == [-2.0, 2.0]
    assert found.sd.tolist() == [0.0, 0.0]
    assert found.chance.tolist() == [0.0, 1.0]
    assert found.holds.tolist() == [False, True]


def test_the_bound_keeps_gamma_deviations_from_the_edge():
    members = draw_members(learned(50), np.random.default_rng(0), 400)
    values = np.linspace(0.5, 2.0, 40)[:, None]
    found = certainty(members, np.zeros(2), [0], values, b_at_least(2.0), 2.5)
    assert found.lower == pytest.approx(found.mean - 2.5 * found.sd)
    accepted = found.chance[found.holds]
    assert len(accepted) > 3
    assert accepted.min() > 0.97
    barely = found.mean >= 0.0
    assert barely.sum() > found.holds.sum()


def test_more_rows_make_it_surer():
    sds = []
    for n in (50, 5000):
        members = draw_members(learned(n), np.random.default_rng(0), 100)
        sds.append(certainty(members, np.zeros(2), [0], np.ones((1, 1)), b_at_least(0), 2.5).sd[0])
    assert sds[1] < sds[0] / 5


def test_an_action_that_moves_nothing_else_is_as_sure_as_the_model_is():
    members = draw_members(learned(50), np.random.default_rng(0), 100)
    found = certainty(members, np.zeros(2), [1], np.array([[1.0], [3.0]]), b_at_least(2), 2.5)
    assert (found.sd == 0.0).all()
    assert found.holds.tolist() == [False, True]


def test_an_action_beyond_a_formulas_domain_is_never_accepted():
    model = model_of(Mechanism(Expression("sqrt(a)", ("a",))))
    members = draw_members(model, np.random.default_rng(0), 3)
    factual = np.array([1.0, 1.0])
    found = certainty(members, factual, [0], np.array([[4.0], [-1.0]]), b_at_least(-9), 1.0)
    assert found.holds.tolist() == [True, False]
    assert found.lower[1] == -np.inf


def test_sensor_errors_cost_what_they_must():
    model = model_of(Mechanism(linear(0.0, np.array([2.0]))))
    values = np.array([[2.0], [3.0]])
    sure = sensor_survival(model, np.zeros(2), [0], values, reached(4), np.zeros(2))
    assert sure.tolist() == [1.0, 1.0]
    # b = 4 (or 6) + error of b - 2 * error of a: sd sqrt(1 + 4); needs at least 4.
    noisy = sensor_survival(model, np.zeros(2), [0], values, reached(4), np.ones(2), n_draws=20_000)
    assert noisy == pytest.approx([0.5, 0.8145], abs=0.01)


def test_causes_far_from_those_seen_are_extrapolation():
    model = learned(2000)
    rows = np.array([[0.0, 0.0], [2.0, 0.0], [9.0, 0.0]])
    found = extrapolation(model, [0], rows)
    assert found.columns == (1,)
    assert found.outside.tolist() == [False, False, True]
    assert found.ratio[2, 0] > 5


def test_a_declared_mechanism_cannot_be_said_to_extrapolate():
    model = model_of(Mechanism(linear(0.0, np.ones(1))))
    found = extrapolation(model, [0], np.array([[1e9, 0.0]]))
    assert (found.columns, found.unknown) == ((), (1,))
    assert not found.outside.any()
    assert extrapolation(model, [1], np.zeros((1, 2))).unknown == ()


def test_the_tilt_at_the_true_correlation_is_the_true_effect():
    rng = np.random.default_rng(0)
    rho, n = 0.6, 200_000
    hidden = rng.multivariate_normal([0, 0], [[4.0, rho * 6], [rho * 6, 9.0]], n)
    a, b = hidden[:, 0], 1.0 * hidden[:, 0] + hidden[:, 1]
    mechanism = learn(a[:, None], b, [False], rng, kinds=("linear",)).mechanism
    assert mechanism.location(np.array([[1.0], [0.0]])) @ [1, -1] == pytest.approx(1.9, abs=0.05)
    model = model_of(mechanism, Noise(2.0))
    # Setting a from 0 to 1 raises b by 1 in truth. An answer that needs 0.97 holds at rho = 0.6
    # and is lost a little beyond it; one that needs 1.05 is lost before.
    for limit, low, high in ((0.95, 0.6, 0.65), (1.05, 0.55, 0.6)):
        tip = tipping(
            HiddenCauses(model, ()), np.zeros(2), [0], np.ones((1, 1)), reached(limit), EDGE
        )
        assert low <= tip.rho[0] <= high


def test_an_effect_that_the_answer_does_not_need_never_tips():
    model = model_of(Mechanism(linear(0.0, np.array([2.0])), noise=Noise(1.0)))
    tip = tipping(
        HiddenCauses(model, ()),
        np.zeros(2),
        [0],
        np.array([[1.0]]),
        lambda rows: rows[:, 0] >= 0.0,
        EDGE,
    )
    assert np.isnan(tip.rho).all()
    # The tilt is -rho/sqrt(1-rho^2) for a slope of 2: 1.6 is left at rho = 0.37.
    tip = tipping(HiddenCauses(model, ()), np.zeros(2), [0], np.array([[1.0]]), reached(1.6), EDGE)
    assert tip.rho.tolist() == [0.38]


def test_only_an_edge_with_known_noises_can_tip():
    model = model_of(Mechanism(linear(0.0, np.array([2.0]))))
    with pytest.raises(NoMechanism, match="b: has no noise"):
        tipping(HiddenCauses(model, ()), np.zeros(2), [0], np.ones((1, 1)), reached(0), EDGE)
    known = model_of(Mechanism(linear(0.0, np.array([2.0])), noise=Noise(1.0)))
    with pytest.raises(NoMechanism, match="a: does not follow from b"):
        tipping(
            HiddenCauses(known, ()),
            np.zeros(2),
            [0],
            np.ones((1, 1)),
            reached(0),
            HiddenCause(1, 0, -1.0, 1.0),
        )

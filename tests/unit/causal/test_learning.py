"""Mechanisms learned from rows: the right shape, an honest posterior, files that read back."""

from __future__ import annotations

import numpy as np
import pytest

from ifonly.explainers.causal.basis import Basis, linear
from ifonly.explainers.causal.candidates import basis_candidates, linear_candidate, standardised
from ifonly.explainers.causal.learning import learn, log_density
from ifonly.explainers.causal.mechanism import Mechanism, Noise, NoiseForm
from ifonly.explainers.causal.pooling import pool, shape_weights
from ifonly.explainers.causal.regression import fit_location
from ifonly.explainers.causal.storage import (
    mechanism_from_json,
    mechanism_to_json,
    root_from_json,
    root_to_json,
)

ADDITIVE = (NoiseForm.ADDITIVE,)


def bent(x):
    return -1 + 3 / (1 + np.exp(-2 * x[:, 0])) - 0.25 * x[:, 1] ** 2


def drawn(n, seed=0, scale=lambda x: 0.3):
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(n, 2))
    return x, bent(x) + scale(x) * rng.normal(size=n), rng


def test_a_bent_mechanism_is_found_and_more_rows_find_it_better():
    grid = np.random.default_rng(1).uniform(-1.5, 1.5, size=(200, 2))
    errors = []
    for n in (250, 2000):
        x, y, rng = drawn(n)
        found = learn(x, y, [False, False], rng)
        assert found.kind != "linear"
        assert found.mechanism.form is NoiseForm.ADDITIVE
        errors.append(np.sqrt(np.mean((found.mechanism.location(grid) - bent(grid)) ** 2)))
    assert errors[0] < 0.12
    assert errors[1] < 0.04


def test_the_posterior_covers_the_truth_about_as_often_as_it_says():
    grid = np.random.default_rng(1).uniform(-1.5, 1.5, size=(50, 2))
    inside = []
    for seed in range(6):
        x, y, rng = drawn(250, seed)
        location = learn(x, y, [False, False], rng, forms=ADDITIVE).mechanism.location
        assert isinstance(location, Basis)
        inside.append(np.abs(location(grid) - bent(grid)) < 2 * location.sd(grid))
    assert 0.85 <= np.mean(inside) <= 1.0


def test_noise_that_grows_is_told_from_noise_that_does_not():
    x, y, rng = drawn(1500, scale=lambda x: np.exp(0.8 * x[:, 0] - 1))
    found = learn(x, y, [False, False], rng)
    assert found.mechanism.form is NoiseForm.LOCATION_SCALE
    grid = np.array([[-1.0, 0.0], [1.0, 0.0]])
    assert found.mechanism.noise is not None
    low, high = found.mechanism.scale(grid) * found.mechanism.noise.sd
    assert low == pytest.approx(np.exp(-1.8), rel=0.15)
    assert high == pytest.approx(np.exp(-0.2), rel=0.15)


def test_the_noise_is_as_wide_as_it_was_drawn():
    x, y, rng = drawn(1000)
    noise = learn(x, y, [False, False], rng).mechanism.noise
    assert noise is not None
    assert noise.sd == pytest.approx(0.3, rel=0.08)
    assert noise.draw(rng, 50_000).std() == pytest.approx(0.3, rel=0.08)


def test_a_nominal_parent_shifts_and_turns_the_line():
    rng = np.random.default_rng(0)
    x = np.column_stack([rng.integers(0, 3, 2000), rng.normal(size=2000)]).astype(float)
    levels, slopes = np.array([5.0, -2.0, 1.0]), np.array([1.0, -1.0, 0.0])
    kind = x[:, 0].astype(int)
    y = levels[kind] + slopes[kind] * x[:, 1] + rng.normal(0, 0.1, 2000)
    location = learn(x, y, [True, False], rng).mechanism.location
    grid = np.array([[0, 1.0], [1, 1.0], [2, 1.0], [1, -1.0]])
    assert location(grid) == pytest.approx([6.0, -3.0, 1.0, -1.0], abs=0.1)
    low, high = location.bounds(np.array([[0.0, 1.0]]), np.array([[2.0, 1.0]]))
    assert low[0] <= -2.9
    assert high[0] >= 5.9


def test_a_straight_line_is_learned_as_an_affine_function():
    rng = np.random.default_rng(0)
    x = rng.normal(300, 2, size=(500, 1))
    y = 10 + x[:, 0] + rng.normal(0, 1, 500)
    mechanism = learn(x, y, [False], rng, kinds=("linear",)).mechanism
    assert isinstance(mechanism.location, Basis)
    assert mechanism.location.affine is not None
    intercept, slopes = mechanism.location.affine
    assert slopes[0] == pytest.approx(1.0, abs=0.08)
    assert intercept + slopes[0] * 300 == pytest.approx(310, abs=0.2)
    assert mechanism.location(x) == pytest.approx(intercept + x @ slopes)


def test_what_has_no_noise_and_what_never_varies_can_be_learned():
    rng = np.random.default_rng(0)
    x = np.column_stack([rng.normal(size=300), np.full(300, 7.0)])
    exact = learn(x, 3 * x[:, 0], [False, False], rng, forms=ADDITIVE).mechanism
    assert exact.location(x) == pytest.approx(3 * x[:, 0], abs=1e-5)
    constant = learn(x, np.full(300, 2.0), [False, False], rng, forms=ADDITIVE).mechanism
    assert constant.location(x) == pytest.approx(np.full(300, 2.0), abs=1e-5)


def test_the_likelihood_of_held_out_rows_is_that_of_the_truth_at_best():
    x, y, rng = drawn(1000)
    found = learn(x, y, [False, False], rng)
    truth = Mechanism(linear(0.0, np.zeros(2)), noise=Noise(0.3))
    fresh, values, _ = drawn(5000, seed=9)
    best = log_density(truth, fresh, values - bent(fresh)).mean()
    reached = log_density(found.mechanism, fresh, values).mean()
    assert best - 0.05 <= reached <= best + 0.01
    assert max(found.likelihoods.values()) == pytest.approx(reached, abs=0.08)


@pytest.mark.parametrize("form", list(NoiseForm))
def test_a_file_reads_back_as_the_same_mechanism_to_the_last_bit(form):
    x, y, rng = drawn(300)
    mechanism = learn(x, y, [False, False], rng, forms=(form,)).mechanism
    data = mechanism_to_json("y", ("a", "b"), mechanism)
    back = mechanism_from_json(data, "y", ("a", "b"))
    assert (back.location(x) == mechanism.location(x)).all()
    assert (back.scale(x) == mechanism.scale(x)).all()
    draws = [m.location.members(np.random.default_rng(1), 3) for m in (mechanism, back)]
    assert (draws[0](x[None]) == draws[1](x[None])).all()
    assert back.support is not None
    assert mechanism.support is not None
    assert (back.support.distance(x) == mechanism.support.distance(x)).all()
    assert mechanism_to_json("y", ("a", "b"), back) == data


def test_a_root_reads_back():
    noise = Noise(2.0, np.array([1.0, 2.5]))
    back = root_from_json(root_to_json("air", noise), "air")
    assert back.sd == 2.0
    assert back.sample is not None
    assert back.sample.tolist() == [1.0, 2.5]


def test_a_formula_has_no_file():
    from ifonly.explainers.causal.expression import Expression

    with pytest.raises(TypeError, match="Expression has a file of its own"):
        mechanism_to_json("y", ("a",), Mechanism(Expression("a", ("a",))))


def test_a_line_is_kept_where_it_is_surely_enough_and_not_where_few_rows_leave_it_open():
    rng = np.random.default_rng(0)
    x = rng.normal(size=(2500, 1))
    straight = learn(x, 2 * x[:, 0] + rng.normal(size=2500), [False], rng)
    assert (straight.kind, straight.mechanism.form) == ("linear", NoiseForm.ADDITIVE)
    few = x[:80]
    kinked = learn(few, np.maximum(few[:, 0], 0) + rng.normal(0, 0.5, 80), [False], rng)
    assert kinked.kind != "linear"


def test_of_shapes_that_few_rows_cannot_tell_apart_each_counts():
    rng = np.random.default_rng(0)
    x = rng.uniform(-2, 2, size=(60, 1))
    y = np.maximum(x[:, 0], 0) + rng.normal(0, 0.5, 60)
    densities = np.stack([rng.normal(-1.0, 0.3, 60), rng.normal(-1.0, 0.3, 60)], axis=1)
    weights = shape_weights(densities, rng)
    assert weights.sum() == pytest.approx(1.0)
    assert weights.min() > 0.1
    assert shape_weights(densities - [3.0, 0.0], rng).tolist() == [0.0, 1.0]
    assert shape_weights(densities - [0.0, 3.0], rng).tolist() == [1.0, 0.0]
    found = learn(x, y, [False], rng, forms=ADDITIVE)
    assert found.held_out.mean() >= max(found.likelihoods.values()) - 0.02


def test_a_pool_has_the_mean_and_the_spread_of_the_mixture():
    x, y, rng = drawn(120)
    line, bend = (
        learn(x, y, [False, False], rng, kinds=(kind,), forms=ADDITIVE).mechanism.location
        for kind in ("linear", "polynomial")
    )
    assert isinstance(line, Basis)
    assert isinstance(bend, Basis)
    both = pool([line, bend], [0.3, 0.7])
    mean = 0.3 * line(x) + 0.7 * bend(x)
    assert both(x) == pytest.approx(mean)
    squares = 0.3 * (line.sd(x) ** 2 + line(x) ** 2) + 0.7 * (bend.sd(x) ** 2 + bend(x) ** 2)
    assert both.sd(x) == pytest.approx(np.sqrt(squares - mean**2))
    assert len(both.expansion) == len(bend.expansion)
    low, high = both.bounds(x - 0.1, x + 0.1)
    assert ((low <= both(x)) & (both(x) <= high)).all()


def moves_of_bumps(truth, seed):
    """Of 250 rows of a noisy ``truth``: errors of what moving the cause by 1.5 does by a sum of
    bumps, ``(7,)``, how unsure of it the sum is, and how unsure a line is."""
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(250, 1))
    y = truth(x[:, 0]) + rng.normal(size=250)
    before = np.linspace(-1.8, 0.0, 7)[:, None]
    after = before + 1.5
    coordinates = standardised(x, [False])
    _, bumps, _ = basis_candidates(coordinates, coordinates(x), rng)
    found = []
    for candidate in (bumps, linear_candidate(coordinates)):
        posterior = fit_location(candidate.expansion(x), y, candidate.groups)
        moves = candidate.expansion(after) - candidate.expansion(before)
        found.append((moves @ posterior.mean, np.sqrt(posterior.variance(moves))))
    (mean, sd), (_, sd_of_line) = found
    return mean - (truth(after[:, 0]) - truth(before[:, 0])), sd, sd_of_line


def test_bends_that_no_row_shows_leave_an_effect_little_less_sure_than_a_line_does():
    drawn = [moves_of_bumps(lambda x: 0.6 * x, seed) for seed in range(40)]
    errors, sds, of_lines = (np.array(each) for each in zip(*drawn, strict=True))
    # With priors of at least a tenth of the spread, whatever the rows say: 1.6.
    assert sds.mean() < 1.45 * of_lines.mean()
    assert (np.abs(errors) < 2 * sds).mean() > 0.95


def test_a_bend_that_few_rows_hardly_show_is_not_ruled_out():
    drawn = [moves_of_bumps(lambda x: 0.8 * np.maximum(x, 0.0), seed) for seed in range(40)]
    errors, sds, _ = (np.array(each) for each in zip(*drawn, strict=True))
    # By the one best precision of up to 10,000: 0.93.
    assert (np.abs(errors) < 2.5 * sds).mean() > 0.95

"""Whom a treatment helps: by group, of rows like one, and whether predictions are found again."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from ifonly.explainers.causal.cate import (
    EffectForm,
    EffectLaw,
    by_group,
    calibration,
    chosen_form,
    effects_by_kind,
    held_out,
    like_row,
)
from ifonly.explainers.causal.effect import FOLDS
from ifonly.explainers.causal.estimand import Estimand, Nuisances, Scores, effective_size


def drawn(seed: int, n: int, *, slope: float = 1.0) -> tuple[np.ndarray, Scores]:
    """Rows whose treatment and outcome follow from ``x0``; the effect is ``1 + slope * x1``."""
    rng = np.random.default_rng(seed)
    x = rng.standard_normal((n, 2))
    e = 0.5 + 0.3 * np.tanh(x[:, 0])
    treated = rng.random(n) < e
    effect = 1.0 + slope * x[:, 1]
    y = x[:, 0] + treated * effect + rng.standard_normal(n)
    return x, Scores.of(Estimand.ATE, treated, y, Nuisances(e, x[:, 0] + effect, x[:, 0]))


def fold(n: int) -> np.ndarray:
    return np.arange(n) % FOLDS


def test_intervals_of_groups_and_rows_hold_the_truth_as_often_as_they_say():
    upper = np.sqrt(2.0 / np.pi)  # mean of the upper half of a normal
    at, held = np.array([[0.0, -1.0], [1.0, 0.5]]), []
    for seed in range(200):
        x, scores = drawn(seed, 400)
        groups: Any = by_group(scores, [("high", x[:, 1] > 0), ("low", x[:, 1] <= 0)])
        law = EffectLaw.fitted(EffectForm.LINES, x, scores.if_treated - scores.if_not)
        off = np.abs(law(at) - np.array([0.0, 1.5])) <= 1.96 * law.errors(at)
        told = [(groups[0].estimate, 1.0 + upper), (groups[1].estimate, 1.0 - upper)]
        held.append([e.interval[0] <= truth <= e.interval[1] for e, truth in told] + off.tolist())
    assert np.all(np.abs(np.mean(held, axis=0) - 0.95) < 0.04)


def test_the_form_of_an_effect_is_found_and_predicted_differences_are_found_again():
    x, scores = drawn(1, 1_500)
    effect = scores.if_treated - scores.if_not
    assert chosen_form(x, effect, fold(1_500)) is EffectForm.LINES
    found = calibration(scores, held_out(None, x, effect, fold(1_500)), fold(1_500))
    assert found.tells_apart
    assert found.is_calibrated
    assert [p.rows for p in found.parts] == [300] * 5
    assert found.parts[0].measured.value < found.parts[-1].measured.value
    assert found.gap < 0.2


def test_differences_that_mean_nothing_are_not_found_again():
    _, scores = drawn(2, 1_500, slope=0.0)
    effect = scores.if_treated - scores.if_not
    noise = np.random.default_rng(0).standard_normal(1_500)
    found = calibration(scores, noise, fold(1_500))
    assert not found.tells_apart
    assert found.is_calibrated is False
    # Means of the other folds are lower where a fold's own is higher: that is no difference.
    means = held_out(EffectForm.CONSTANT, np.empty((1_500, 0)), effect, fold(1_500))
    assert len(np.unique(means)) == FOLDS
    alike = calibration(scores, means, fold(1_500))
    assert (alike.slope, alike.is_calibrated, len(alike.parts)) == (None, None, 1)
    assert alike.parts[0].measured.value == pytest.approx(effect.mean())


def test_a_bent_effect_is_followed():
    rng = np.random.default_rng(3)
    x = rng.uniform(-2.0, 2.0, (3_000, 2))
    scores = np.maximum(x[:, 0], 0.0) * 3.0 + rng.standard_normal(3_000)
    form = chosen_form(x, scores, fold(3_000))
    law = EffectLaw.fitted(form, x, scores)
    assert form in (EffectForm.BENT, EffectForm.BENT_PRODUCTS)
    assert law(np.array([[-1.0, 0.0], [1.5, 0.0]])) == pytest.approx([0.0, 4.5], abs=0.3)


def test_groups_of_few_rows_are_not_told_and_what_they_are_worth_is():
    x, scores = drawn(4, 1_000)
    few = x[:, 0] > 2.0
    groups: Any = by_group(scores, [("small", few), ("rest", ~few)])
    small, rest = groups
    assert small.estimate is None
    assert small.rows == few.sum()
    assert rest.worth is not None
    assert all(1.0 < worth < rest.rows for worth in rest.worth)
    assert 0.0 < rest.robustness_of_interval < rest.robustness < 1.0
    assert effective_size(np.ones(7)) == pytest.approx(7.0)
    assert effective_size(np.array([1.0, 0.0])) == pytest.approx(1.0)
    assert effective_size(np.zeros(3)) == 0.0


def test_the_parts_of_a_mean_make_the_whole():
    x, scores = drawn(5, 900)
    inside = x[:, 1] > 0.3
    parts = [scores[side].estimate for side in (inside, ~inside)]
    whole = sum(p.value * p.rows for p in parts) / 900
    assert whole == pytest.approx(scores.estimate.value)
    assert scores[np.ones(900, dtype=bool)].worth == pytest.approx(scores.worth)


def test_of_rows_that_nothing_is_like_nothing_is_told():
    x, scores = drawn(6, 800)
    law = effects_by_kind(x, scores, fold(800), []).law
    names = ("torque", "wear")
    told = like_row(law, np.array([0.0, 0.0]), 0.5, names, x, scores)
    assert told.estimate is not None
    assert told.estimate.value == pytest.approx(1.0, abs=0.4)
    for row, propensity, outside in (
        ([0.0, 0.0], 0.97, ()),
        ([0.0, 0.0], 0.01, ()),
        ([0.0, 99.0], 0.5, ("wear",)),
        ([-99.0, 99.0], 0.5, names),
    ):
        found = like_row(law, np.array(row), propensity, names, x, scores)
        assert (found.estimate, found.robustness, found.outside) == (None, None, outside)


def test_without_anything_held_fixed_all_rows_are_alike():
    _, scores = drawn(7, 300)
    nothing = np.empty((300, 0))
    found = effects_by_kind(nothing, scores, fold(300), [])
    assert found.law.terms.form is EffectForm.CONSTANT
    one: Any = like_row(found.law, np.empty(0), 0.5, (), nothing, scores)
    assert one.estimate.value == pytest.approx(scores.estimate.value)
    assert one.estimate.se == pytest.approx(scores.estimate.se, rel=0.02)

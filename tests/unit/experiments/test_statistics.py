"""What an experiment says, against simulations whose truth is known."""

from __future__ import annotations

import math
from collections import Counter

import numpy as np
import pytest

from ifonly.service.experiments.assignment import arm_of
from ifonly.service.experiments.estimates import contributions, mean_of, ratio_of
from ifonly.service.experiments.power import units_needed
from ifonly.service.experiments.ratio import ratio_p_value
from ifonly.service.experiments.sequences import FIRST_LOOK, Boundary

DAYS = 60


def test_assignment_is_the_same_whoever_asks_and_has_the_shares_that_were_meant():
    weights = {"control": 3.0, "treatment": 1.0}
    units = [f"Mill {k}" for k in range(20_000)]
    arms = [arm_of("salt", unit, weights) for unit in units]
    assert arms == [arm_of("salt", unit, weights) for unit in units]
    counts = Counter(arms)
    assert ratio_p_value([counts["control"], counts["treatment"]], [0.75, 0.25]) > 0.05
    other = [arm_of("another", unit, weights) for unit in units]
    # Independent of the first: of its treated units a quarter are treated here, too.
    both = sum(a == b == "treatment" for a, b in zip(arms, other, strict=True))
    assert 0.2 < both / counts["treatment"] < 0.3


@pytest.mark.parametrize("shares", [(0.5, 0.5), (0.9, 0.1)])
def test_a_mismatch_of_a_hundredth_is_caught_and_right_shares_hardly_ever_are(shares):
    generator = np.random.default_rng(7)
    false_alarms = caught = 0
    for _ in range(400):
        days = generator.multinomial(100_000 // DAYS, shares, size=DAYS).cumsum(axis=0)
        false_alarms += any(ratio_p_value(day.tolist(), shares) <= 0.01 for day in days)
        off = generator.multinomial(100_000, (shares[0] + 0.01, shares[1] - 0.01))
        caught += ratio_p_value(off.tolist(), shares) <= 0.01
    assert false_alarms / 400 <= 0.01
    assert caught / 400 >= 0.99


def units(generator, n, effect, share=0.5):
    """Units whose outcome hangs together with a score, and of which 60 % follow what is shown."""
    score = generator.normal(size=n)
    treated = generator.random(n) < share
    complies = generator.random(n) < 0.6
    followed = np.where(treated, complies, False).astype(float)
    chance = 1 / (1 + np.exp(-score)) * 0.6 + 0.2 + effect * followed
    return score, treated, followed, (generator.random(n) < chance).astype(float)


def test_looked_at_every_day_no_difference_is_seen_where_there_is_none():
    generator = np.random.default_rng(1)
    wrong, n = 0, 3_000
    boundary = Boundary.narrowest_at(n, 0.05)
    for _ in range(200):
        score, treated, _, outcome = units(generator, n, 0.0)
        looks = range(FIRST_LOOK, n, n // DAYS)
        values = [contributions(outcome[:k], treated[:k], 0.5, score[:k]) for k in looks]
        wrong += not all(mean_of(v, boundary).covers_0 for v in values)
    assert wrong / 200 <= 0.05


def test_a_covariate_narrows_the_interval_and_both_hold_the_truth():
    generator = np.random.default_rng(2)
    boundary = Boundary.narrowest_at(4_000, 0.05)
    score, treated, followed, outcome = units(generator, 4_000, 0.15, share=0.3)
    plain = mean_of(contributions(outcome, treated, 0.3, None), boundary)
    adjusted = mean_of(contributions(outcome, treated, 0.3, score), boundary)
    assert adjusted.upper - adjusted.lower < 0.97 * (plain.upper - plain.lower)
    for one in (plain, adjusted):
        assert one.lower < 0.15 * 0.6 < one.upper
        assert one.p_value is not None
        assert one.p_value < 0.05
    shown = contributions(followed, treated, 0.3, None)
    compliers = ratio_of(contributions(outcome, treated, 0.3, score), shown, boundary)
    assert compliers.lower < 0.15 < compliers.upper
    assert compliers.value == pytest.approx(0.15, abs=0.06)


def test_a_ratio_whose_denominator_may_be_0_may_be_anything():
    generator = np.random.default_rng(3)
    above, below = generator.normal(1, 1, 500), generator.normal(0, 1, 500)
    found = ratio_of(above, below, Boundary.narrowest_at(500, 0.05))
    assert (found.lower, found.upper) == (-math.inf, math.inf)


def test_p_value_and_interval_say_the_same():
    boundary = Boundary.narrowest_at(1_000, 0.05)
    for n, mean in ((150, 0.2), (1_000, 0.1), (1_000, 0.12), (50_000, 0.02)):
        width = boundary.width(n, 1.0)
        assert (boundary.p_value(n, mean, 1.0) <= 0.05) == (mean >= width)
        assert boundary.p_value(n, width, 1.0) == pytest.approx(0.05)
    assert boundary.p_value(FIRST_LOOK - 1, 100.0, 1.0) == 1.0
    assert boundary.p_value(200, 0.0, 0.0) == 1.0


def test_so_many_units_find_the_difference_as_often_as_was_planned():
    plan = units_needed(0.3, 1.0, 0.5, alpha=0.05, power=0.8)
    assert plan.looked_at_once == pytest.approx(349, abs=1)
    n = plan.looked_at_any_time
    assert n is not None
    assert plan.looked_at_once < n < 3 * plan.looked_at_once
    generator = np.random.default_rng(4)
    boundary = Boundary.narrowest_at(n, 0.05)
    found = 0
    for _ in range(500):
        treated = generator.random(n) < 0.5
        outcome = generator.normal(size=n) + 0.3 * treated
        found += not mean_of(contributions(outcome, treated, 0.5, None), boundary).covers_0
    assert found / 500 >= 0.78

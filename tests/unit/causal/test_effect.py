"""The effect on the real outcome, where it is known."""

from __future__ import annotations

import numpy as np
import pytest

from ifonly.explainers.causal.effect import (
    Covariate,
    Learners,
    Observed,
    Refutation,
    estimate_effect,
    refute,
)
from ifonly.explainers.causal.errors import NotIdentified
from ifonly.explainers.causal.estimand import Estimand

# Bad parts (z) are handled with care (t), and fail more often whatever is done:
# P(z) = 1/3 each, P(t | z) = .2, .5, .8, P(y | t, z) = .2 + .25 z - .15 t.
CARE, FAILS, EFFECT = np.array([0.2, 0.5, 0.8]), 0.25, -0.15
NAIVE = -0.15 + 0.25 * ((0.5 + 1.6) / 1.5 - (0.5 + 0.4) / 1.5)


def confounded(seed: int, n: int = 900) -> Observed:
    rng = np.random.default_rng(seed)
    z = rng.integers(0, 3, n)
    treated = rng.random(n) < CARE[z]
    failed = rng.random(n) < 0.2 + FAILS * z + EFFECT * treated
    return Observed(z[:, None].astype(float), treated, failed.astype(float))


def by_cell(rows: np.ndarray, values: np.ndarray, fresh: np.ndarray) -> np.ndarray:
    means = {z: values[rows[:, 0] == z].mean() for z in np.unique(rows[:, 0])}
    return np.array([means[z] for z in fresh[:, 0]])


def overall(rows: np.ndarray, values: np.ndarray, fresh: np.ndarray) -> np.ndarray:
    return np.full(len(fresh), values.mean())


BOTH = Learners(by_cell, by_cell)


def test_the_interval_holds_the_truth_as_often_as_it_says_and_the_plain_difference_does_not():
    found = [
        estimate_effect(confounded(seed), BOTH, np.random.default_rng(seed)) for seed in range(120)
    ]
    covered = np.mean([f.estimate.interval[0] <= EFFECT <= f.estimate.interval[1] for f in found])
    assert 0.9 <= covered <= 0.99
    assert np.mean([f.estimate.value for f in found]) == pytest.approx(EFFECT, abs=0.008)
    assert np.mean([f.naive for f in found]) == pytest.approx(NAIVE, abs=0.01)
    assert NAIVE > 0  # what is seen has the other sign


@pytest.mark.parametrize("learners", [Learners(overall, by_cell), Learners(by_cell, overall)])
def test_one_of_the_two_may_be_wrong(learners):
    found = estimate_effect(confounded(1, 40_000), learners, np.random.default_rng(0))
    assert found.estimate.value == pytest.approx(EFFECT, abs=0.015)
    wrong = Learners(overall, overall)
    lost = estimate_effect(confounded(1, 40_000), wrong, np.random.default_rng(0))
    assert lost.estimate.value == pytest.approx(NAIVE, abs=0.015)


def test_rows_without_any_like_them_on_the_other_side_are_left_out_and_counted():
    seen = confounded(2, 4_000)
    always = Observed(
        np.vstack([seen.covariates, np.full((1_000, 1), 9.0)]),
        np.append(seen.treated, np.ones(1_000, dtype=bool)),
        np.append(seen.outcome, np.ones(1_000)),
    )
    outcome = Learners(by_cell, overall)  # nobody untreated reads 9: no cell to take a mean of
    found = estimate_effect(always, outcome, np.random.default_rng(0))
    assert found.overlap.trimmed == pytest.approx(0.2, abs=0.001)
    assert found.estimate.rows == 4_000
    assert found.overlap.treated[-1] == 1_000
    assert sum(found.overlap.treated) + sum(found.overlap.others) == 5_000
    assert found.estimate.value == pytest.approx(EFFECT, abs=0.08)


def growing(seed: int, n: int = 4_000) -> Observed:
    """Care does more for worse parts: its effect is -.1 - .1 z."""
    rng = np.random.default_rng(seed)
    z = rng.integers(0, 3, n)
    treated = rng.random(n) < CARE[z]
    failed = rng.random(n) < 0.4 + FAILS * z - treated * (0.1 + 0.1 * z)
    return Observed(z[:, None].astype(float), treated, failed.astype(float), (Covariate("z"),))


OVERLAP_WEIGHTS = CARE * (1 - CARE)
TRUTHS = {
    Estimand.ATE: -0.2,
    Estimand.OVERLAP: -((0.1 + 0.1 * np.arange(3)) @ OVERLAP_WEIGHTS) / OVERLAP_WEIGHTS.sum(),
    Estimand.ATT: -((0.1 + 0.1 * np.arange(3)) @ CARE) / CARE.sum(),
}


@pytest.mark.parametrize("estimand", TRUTHS)
def test_each_estimand_is_the_average_of_whom_it_names(estimand):
    found = [
        estimate_effect(growing(seed), BOTH, np.random.default_rng(seed), estimand)
        for seed in range(60)
    ]
    assert {f.estimand for f in found} == {estimand}
    assert np.mean([f.estimate.value for f in found]) == pytest.approx(TRUTHS[estimand], abs=0.006)
    covered = [f.estimate.interval[0] <= TRUTHS[estimand] <= f.estimate.interval[1] for f in found]
    assert np.mean(covered) >= 0.88
    first = found[0]
    assert set(first.others) == set(TRUTHS) - {estimand}
    for other, scores in first.others.items():
        again = estimate_effect(growing(0), BOTH, np.random.default_rng(0), other)
        assert again.estimate == scores.estimate


def test_trimming_changes_the_name_of_what_is_told_and_says_who_is_left_out():
    seen = growing(2)
    always = Observed(
        np.vstack([seen.covariates, np.full((1_000, 1), 9.0)]),
        np.append(seen.treated, np.ones(1_000, dtype=bool)),
        np.append(seen.outcome, np.zeros(1_000)),
        seen.columns,
    )
    learners = Learners(by_cell, overall)
    found = estimate_effect(always, learners, np.random.default_rng(0))
    assert found.estimand is Estimand.ATE_COMPARABLE
    (out,) = found.overlap.left_out
    assert (out.treated, out.rows) == (True, 1_000)
    (mark,) = out.marks
    assert mark.covariate == Covariate("z")
    assert mark.left_out == 9.0
    assert mark.kept == pytest.approx(1.0, abs=0.05)
    assert set(found.others) == {Estimand.OVERLAP, Estimand.ATT_COMPARABLE}
    whole = estimate_effect(always, learners, np.random.default_rng(0), Estimand.OVERLAP)
    assert whole.estimand is Estimand.OVERLAP
    assert whole.overlap.left_out == ()
    # The rows that nobody is like weigh nothing: the answer is that of the rest.
    assert whole.estimate.value == pytest.approx(TRUTHS[Estimand.OVERLAP], abs=0.06)


def test_an_outcome_that_never_differs_tells_nothing():
    seen = confounded(0)
    flat = Observed(seen.covariates, seen.treated, np.ones(len(seen)))
    with pytest.raises(NotIdentified, match="the outcome is 1 in all 900 rows"):
        estimate_effect(flat, BOTH, np.random.default_rng(0))


@pytest.mark.parametrize("estimand", TRUTHS)
def test_where_readings_tell_the_treatment_nothing_is_compared(estimand):
    rng = np.random.default_rng(0)
    z = rng.integers(0, 2, 600)
    apart = Observed(z[:, None].astype(float), z == 1, rng.standard_normal(600))
    learners = Learners(by_cell, overall)
    with pytest.raises(NotIdentified, match="are needed"):
        estimate_effect(apart, learners, np.random.default_rng(0), estimand)


def test_too_few_rows_are_refused():
    seen = confounded(0, 300)
    few = Observed(seen.covariates, np.arange(300) < 20, seen.outcome)
    with pytest.raises(NotIdentified, match="20 rows are treated and 280 are not"):
        estimate_effect(few, BOTH, np.random.default_rng(0))


def first_only(rows: np.ndarray, values: np.ndarray, fresh: np.ndarray) -> np.ndarray:
    return by_cell(rows[:, :1], values, fresh[:, :1])


def test_nothing_speaks_against_an_effect_that_is_there():
    seen = confounded(3, 4_000)
    rng = np.random.default_rng(0)
    learners = Learners(first_only, first_only)
    found = estimate_effect(seen, learners, rng)
    refuted = refute(seen, learners, found, rng)
    assert [r.name for r in refuted] == [
        "placebo treatment",
        "random common cause",
        "four fifths of the rows",
    ]
    assert all(r.passed for r in refuted)
    assert not Refutation("placebo treatment", -0.2, 0.1).passed


def test_an_estimator_that_finds_effects_of_nothing_is_caught_by_the_placebo():
    seen = confounded(4, 4_000)
    rng = np.random.default_rng(0)

    def rare(rows: np.ndarray, values: np.ndarray, fresh: np.ndarray) -> np.ndarray:
        return np.full(len(fresh), 0.3)  # half of the rows are treated

    def naught(rows: np.ndarray, values: np.ndarray, fresh: np.ndarray) -> np.ndarray:
        return np.zeros(len(fresh))

    learners = Learners(rare, naught)
    placebo, _, _ = refute(seen, learners, estimate_effect(seen, learners, rng), rng)
    assert (placebo.name, placebo.passed) == ("placebo treatment", False)

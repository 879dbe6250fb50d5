"""The effect by what lies on the way, where it is known."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ifonly.explainers.causal.effect import Observed, refuted
from ifonly.explainers.causal.errors import NotIdentified
from ifonly.explainers.causal.estimand import Estimand
from ifonly.explainers.causal.front_door import FrontDoorLearners, front_door_effect
from ifonly.explainers.causal.sensitivity import sensitivity

# A hidden u acts on treatment and outcome; the treatment moves m alone, and m the outcome:
# P(m = 1) = .2 + .5 t, E y = m (1 + w) + 2 u + w.
MOVES, EFFECT = 0.5, 0.5 * 1.5


def by_cell(rows: np.ndarray, values: np.ndarray, fresh: np.ndarray) -> np.ndarray:
    if not rows.shape[1]:
        return np.full(len(fresh), values.mean())
    # Cells of flags, numbered.
    own, asked = (np.asarray(r, dtype=int) @ 2 ** np.arange(rows.shape[1]) for r in (rows, fresh))
    size = 2 ** rows.shape[1]
    means = np.bincount(own, values, size) / np.maximum(np.bincount(own, minlength=size), 1)
    return np.asarray(means[asked])


def overall(rows: np.ndarray, values: np.ndarray, fresh: np.ndarray) -> np.ndarray:
    return np.full(len(fresh), values.mean())


BY_CELL = FrontDoorLearners(by_cell, by_cell, by_cell, by_cell)


def drawn(seed: int, n: int = 1_500) -> Observed:
    rng = np.random.default_rng(seed)
    u, w = rng.integers(0, 2, (2, n))
    t = rng.random(n) < 0.25 + 0.3 * u + 0.2 * w
    m = rng.random(n) < np.where(t, 0.7, 0.2)
    y = m * (1.0 + w) + 2.0 * u + w + 0.5 * rng.standard_normal(n)
    return Observed(w[:, None].astype(float), t, y, (), m[:, None].astype(float))


def found_in(seed: int, learners: FrontDoorLearners = BY_CELL, n: int = 1_500):
    return front_door_effect(drawn(seed, n), learners, np.random.default_rng(seed))


def test_the_interval_holds_the_truth_as_often_as_it_says_and_the_plain_difference_does_not():
    found = [found_in(seed) for seed in range(150)]
    covered = [f.estimate.interval[0] <= EFFECT <= f.estimate.interval[1] for f in found]
    assert 0.9 <= np.mean(covered) <= 0.99
    assert np.mean([f.estimate.value for f in found]) == pytest.approx(EFFECT, abs=0.01)
    assert np.mean([f.naive for f in found]) > EFFECT + 0.3
    assert found[0].estimand is Estimand.ATE


@pytest.mark.parametrize(
    "learners",
    [
        FrontDoorLearners(by_cell, by_cell, overall, by_cell),
        FrontDoorLearners(by_cell, overall, by_cell, by_cell),
    ],
)
def test_outcome_or_mediators_may_be_wrong(learners):
    assert found_in(0, learners, 40_000).estimate.value == pytest.approx(EFFECT, abs=0.03)


def test_mediators_that_tell_the_treatment_are_refused():
    observed = drawn(0)
    told = replace(observed, mediators=observed.treated[:, None].astype(float))
    with pytest.raises(NotIdentified, match="tell the treatment almost surely"):
        front_door_effect(told, BY_CELL, np.random.default_rng(0))


def test_nothing_speaks_against_an_effect_that_is_there():
    observed, rng = drawn(1), np.random.default_rng(0)
    found = front_door_effect(observed, BY_CELL, rng)

    def again(other: Observed):
        # A random common cause is no flag: it is left out of the cells.
        flags = replace(other, covariates=other.covariates[:, :1])
        return front_door_effect(flags, BY_CELL, rng).estimate

    checks = refuted(observed, found.estimate, again, rng)
    assert [c.passed for c in checks] == [True, True, True]


def test_what_would_undo_it_is_a_cause_of_mediators_and_outcome():
    doubt = sensitivity(found_in(0).scores)
    assert 0.0 < doubt.robustness_of_interval < doubt.robustness < 1.0


def test_too_few_rows_are_refused():
    few = replace(drawn(0, 120), treated=np.arange(120) < 30)
    with pytest.raises(NotIdentified, match="30 rows are treated and 90 are not"):
        front_door_effect(few, BY_CELL, np.random.default_rng(0))

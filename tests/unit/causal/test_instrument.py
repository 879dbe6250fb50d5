"""The effect of those whom an instrument moves, and an interval that weak ones leave valid."""

from __future__ import annotations

import numpy as np
import pytest

from ifonly.explainers.causal.effect import Covariate, Learner
from ifonly.explainers.causal.errors import NotIdentified
from ifonly.explainers.causal.instrument import (
    CHI2_95,
    Moved,
    MovedEffect,
    MovedLearners,
    moved_effect,
    refute_moved,
    sensitivity_of,
)

EFFECT = 0.5


def line(rows: np.ndarray, values: np.ndarray, fresh: np.ndarray) -> np.ndarray:
    known = np.column_stack([np.ones(len(rows)), rows])
    slopes, *_ = np.linalg.lstsq(known, values, rcond=None)
    return np.asarray(np.column_stack([np.ones(len(fresh)), fresh]) @ slopes)


def learners(k: int = 1) -> MovedLearners:
    own: Learner = line
    return MovedLearners((own,) * k, own, own)


def drawn(
    seed: int,
    strength: float,
    n: int = 500,
    k: int = 1,
    besides: float = 0.0,
    effect: float = EFFECT,
) -> Moved:
    """A hidden cause of both; ``besides``: what the last instrument does to the outcome itself."""
    rng = np.random.default_rng(seed)
    w, u = rng.standard_normal((2, n))
    z = rng.standard_normal((n, k)) + 0.5 * w[:, None]
    t = strength * z.sum(axis=1) + w + u + rng.standard_normal(n)
    y = effect * t + w + 2.0 * u + besides * z[:, -1] + rng.standard_normal(n)
    return Moved(z, w[:, None], t, y, (Covariate("w"),))


def found_in(rows: Moved, contrast: float = 1.0) -> MovedEffect:
    k = rows.instruments.shape[1]
    return moved_effect(rows, learners(k), np.random.default_rng(0), contrast)


def holds(found: MovedEffect, effect: float) -> bool:
    return any(low <= effect <= high for low, high in found.intervals)


@pytest.mark.parametrize("k", [1, 3])
@pytest.mark.parametrize("strength", [0.0, 0.05, 0.2, 1.0])
def test_the_interval_holds_the_truth_however_weak_the_instruments_are(strength, k):
    draws, refused = [], 0
    for seed in range(150):
        try:
            draws.append(found_in(drawn(seed, strength, k=k)))
        except NotIdentified:  # several can seem to contradict each other by chance
            refused += 1
    assert sum(holds(f, EFFECT) for f in draws) >= 0.91 * 150
    assert refused <= (0 if k == 1 else 0.04 * 150)
    if strength == 0.0:
        # Nothing is told, and it is said: hardly ever has the interval both ends.
        assert np.mean([f.interval is None for f in draws]) >= 0.9
        assert np.mean([f.is_weak for f in draws]) == 1.0
    if strength == 1.0:
        assert not any(f.is_weak for f in draws)
        assert all(f.interval is not None for f in draws)
        assert np.mean([f.value for f in draws]) == pytest.approx(EFFECT, abs=0.02)
        assert np.mean([f.naive for f in draws]) > EFFECT + 0.2


def test_the_plain_interval_of_weak_instruments_does_not():
    draws = [found_in(drawn(seed, 0.05)) for seed in range(150)]
    plain = [abs(f.value - EFFECT) <= 1.96 * f.se for f in draws]
    assert np.mean([holds(f, EFFECT) for f in draws]) > np.mean(plain)


@pytest.mark.parametrize(("seed", "strength"), [(0, 1.0), (1, 0.2), (2, 0.05), (3, 0.0), (5, 0.06)])
def test_of_one_instrument_the_ends_are_the_roots_of_a_parabola(seed, strength):
    found = found_in(drawn(seed, strength))
    z, t, y = found.left.instruments[:, 0], found.left.treatment, found.left.outcome
    n, cov = len(z), np.cov(z * y, z * t)
    a, b = (z * y).mean(), (z * t).mean()
    limit = CHI2_95[0] / n
    parabola = [
        b**2 - limit * cov[1, 1],
        -2 * (a * b - limit * cov[0, 1]),
        a**2 - limit * cov[0, 0],
    ]
    roots = np.sort(np.roots(parabola))
    ends = [end for pair in found.intervals for end in pair if np.isfinite(end)]
    if np.isreal(roots).all():
        assert sorted(ends) == pytest.approx(roots.real, rel=1e-6)
        # Between the roots where the parabola opens upwards, else outside of them.
        assert (found.interval is None) == (parabola[0] < 0)
    else:
        assert found.intervals == ((-np.inf, np.inf),)


def test_a_contrast_scales_all_of_it_and_turns_the_ends():
    one, back = found_in(drawn(0, 1.0)), found_in(drawn(0, 1.0), -3.0)
    assert one.interval is not None
    assert back.interval == pytest.approx((-3.0 * one.interval[1], -3.0 * one.interval[0]))
    assert (back.value, back.se) == pytest.approx((-3.0 * one.value, 3.0 * one.se))


def test_instruments_that_act_besides_are_caught_where_there_are_several():
    rows = drawn(0, 1.0, n=2_000, k=2, besides=2.0)
    with pytest.raises(NotIdentified, match="the 2 instruments contradict each other"):
        found_in(rows)
    slightly = drawn(0, 1.0, n=2_000, k=2, besides=0.1)
    checks = refute_moved(slightly, learners(2), found_in(slightly), np.random.default_rng(0))
    assert {c.name: c.passed for c in checks}["instruments agree"] is False


@pytest.mark.parametrize("k", [1, 2])
def test_nothing_speaks_against_instruments_that_are_right(k):
    rows = drawn(4, 1.0, n=2_000, k=k)
    checks = refute_moved(rows, learners(k), found_in(rows), np.random.default_rng(0))
    assert all(c.passed for c in checks)
    assert len(checks) == 1 + k


def test_what_would_undo_it_is_a_tie_of_instruments_and_outcome():
    hidden, n = 0.3, 40
    below = 0
    for seed in range(n):
        rows = drawn(seed, 1.0, n=1_000, effect=0.0, besides=hidden)
        found = found_in(rows)
        doubt = sensitivity_of(rows, learners(), found)
        # Part of the instrument is a hidden cause: with all of it on the outcome, of the
        # outcome's rest (5 = 4 of u and 1) it explains hidden^2 / (hidden^2 + 5), and all of it.
        share = hidden**2 / (hidden**2 + 5.0)
        factor = np.sqrt(share / (1.0 - share))
        true = 2.0 / (1.0 + np.sqrt(1.0 + 4.0 / factor**2))
        below += doubt.robustness_of_interval < true
        assert doubt.worst is not None
        assert doubt.worst.covariate == "w"
        assert doubt.e_value is None
    assert below >= 0.95 * n


@pytest.mark.parametrize(
    ("change", "said"),
    [
        (lambda r: r[np.arange(99)], "99 rows are whole: 100 are needed"),
        (
            lambda r: Moved(r.instruments, r.covariates, np.ones(500), r.outcome),
            "the treatment is 1",
        ),
        (
            lambda r: Moved(r.instruments, r.covariates, r.treatment, np.zeros(500)),
            "the outcome is 0",
        ),
        (
            lambda r: Moved(np.ones((500, 1)), r.covariates, r.treatment, r.outcome),
            "an instrument is 1 in all 500 rows",
        ),
        (
            lambda r: Moved(np.ones((500, 11)), r.covariates, r.treatment, r.outcome),
            "have 11 columns .* from 1 to 10",
        ),
    ],
)
def test_rows_that_tell_nothing_are_refused(change, said):
    with pytest.raises(NotIdentified, match=said):
        found_in(change(drawn(0, 1.0)))


def test_an_instrument_that_what_is_held_fixed_tells_moves_nothing():
    rows = drawn(0, 1.0)
    told = Moved(2.0 * rows.covariates + 1.0, rows.covariates, rows.treatment, rows.outcome)
    found = found_in(told)
    assert found.is_weak
    assert found.interval is None


def test_an_instrument_that_stands_twice_is_as_good_as_once():
    rows = drawn(0, 1.0)
    twice = Moved(
        np.repeat(rows.instruments, 2, axis=1), rows.covariates, rows.treatment, rows.outcome
    )
    once, both = found_in(rows), found_in(twice)
    assert both.value == pytest.approx(once.value, abs=0.02)
    assert both.interval is not None
    assert once.interval is not None
    # Two degrees of freedom for one: wider, never narrower.
    assert both.interval[0] <= once.interval[0]
    assert once.interval[1] <= both.interval[1]

"""What would undo an effect, held against published figures and against simulated truth."""

from __future__ import annotations

import numpy as np
import pytest

from ifonly.explainers.causal.effect import (
    Covariate,
    Learners,
    Observed,
    estimate_effect,
    strengths,
)
from ifonly.explainers.causal.errors import NotIdentified
from ifonly.explainers.causal.estimand import Estimand, Nuisances, Scores
from ifonly.explainers.causal.sensitivity import (
    STRENGTHS,
    Strength,
    contour,
    e_value,
    nearest,
    robustness,
    sensitivity,
)

# Cinelli and Hazlett 2020, table 1 and figure 2 (violence in Darfur): 783 degrees of freedom.
ESTIMATE, SE, ROOT = 0.09732, 0.02326, np.sqrt(783)


def test_the_robustness_value_is_the_published_one():
    assert robustness(ESTIMATE, SE * ROOT) == pytest.approx(0.139, abs=5e-4)
    assert robustness(ESTIMATE - 1.963 * SE, SE * ROOT) == pytest.approx(0.076, abs=5e-4)


def test_a_hidden_cause_as_strong_as_a_covariate_is_the_published_one():
    female = Strength(0.00908, 0.1090).of_another
    assert female.treatment == pytest.approx(0.0092, abs=5e-5)
    assert female.outcome == pytest.approx(0.1246, abs=5e-4)
    left = ESTIMATE - SE * ROOT * female.factor
    assert left == pytest.approx(0.0752, abs=2e-4)


def test_the_e_value_is_the_published_one():
    # VanderWeele and Ding 2017: a risk ratio of 3.9, whose interval begins at 1.8.
    assert e_value(3.9) == pytest.approx(7.26, abs=5e-3)
    assert e_value(1.8) == pytest.approx(3.0, abs=1e-9)
    assert e_value(1.0) == 1.0


@pytest.mark.parametrize(
    ("size", "scale", "value"),
    [(0.0, 1.0, 0.0), (-0.1, 1.0, 0.0), (1.0, 0.0, 1.0), (1e300, 1e-300, 1.0)],
)
def test_the_robustness_value_is_told_at_the_edges(size, scale, value):
    assert robustness(size, scale) == value


@pytest.mark.parametrize("size", [0.01, 0.3, 2.0])
def test_a_cause_of_that_strength_explains_the_effect_and_no_more(size):
    value = robustness(size, 0.7)
    assert 0.7 * Strength(value, value).factor == pytest.approx(size)


def scored(n: int = 4_000, effect: float = 0.5, *, flags: bool = False) -> Scores:
    """Half of the rows treated, whatever they are."""
    rng = np.random.default_rng(3)
    treated = np.arange(n) % 2 == 0
    outcome = rng.standard_normal(n) + effect * treated
    if flags:
        outcome = (rng.random(n) < 0.2 + 0.2 * treated).astype(float)
    means = [outcome[treated].mean(), outcome[~treated].mean()]
    seen = Nuisances(np.full(n, 0.5), np.full(n, means[0]), np.full(n, means[1]))
    return Scores.of(Estimand.ATE, treated, outcome, seen)


def test_an_interval_that_holds_no_effect_is_undone_already():
    found = sensitivity(scored(effect=0.0))
    assert nearest(scored(effect=0.0).estimate) < 0.0
    assert found.robustness_of_interval == 0.0
    assert found.robustness > 0.0
    assert found.e_value is None  # the outcome is no risk


def test_of_risks_the_e_value_is_that_of_their_ratio():
    scores = scored(flags=True)
    found = sensitivity(scores, is_share=True)
    one, none = scores.means
    assert found.e_value is not None
    assert found.e_value.estimate == pytest.approx(e_value(one / none))
    # By the delta method for two independent shares.
    n = len(scores.weight) / 2
    se = np.sqrt((1 - one) / (one * n) + (1 - none) / (none * n))
    least = np.exp(np.log(one / none) - 1.96 * se)
    assert found.e_value.interval == pytest.approx(e_value(least), rel=2e-3)


def test_risks_that_are_no_chances_have_no_e_value():
    scores = scored(flags=True)
    below = Scores(
        scores.if_treated, scores.if_not - 0.5, scores.weight, scores.residual, scores.riesz,
        scores.flags,
    )  # fmt: skip
    assert sensitivity(below, is_share=True).e_value is None


@pytest.mark.parametrize("effect", [0.5, -0.5])
def test_the_contour_falls_towards_nothing_and_beyond(effect):
    scores = scored(effect=effect)
    found = contour(scores.estimate, sensitivity(scores).scale)
    sign = np.sign(effect)
    effects = np.array([sign * p.effect for p in found]).reshape(len(STRENGTHS), -1)
    assert (np.diff(effects, axis=0) < 0).all()
    assert (np.diff(effects, axis=1) < 0).all()
    assert effects[0, 0] < sign * scores.estimate.value
    assert all(sign * p.bound < sign * p.effect for p in found)


def mean_of_like(rows: np.ndarray, values: np.ndarray, fresh: np.ndarray) -> np.ndarray:
    """Least squares."""
    known = np.column_stack([np.ones(len(rows)), rows])
    slopes, *_ = np.linalg.lstsq(known, values, rcond=None)
    return np.asarray(np.column_stack([np.ones(len(fresh)), fresh]) @ slopes)


LINES = Learners(lambda *given: np.clip(mean_of_like(*given), 0.01, 0.99), mean_of_like)
COLUMNS = (Covariate("strong"), Covariate("weak"), Covariate("quality", "L"))


def linear(seed: int, hidden: float, effect: float, n: int = 3_000) -> Observed:
    """A hidden cause, uniform, that acts on both, beside three that are read."""
    rng = np.random.default_rng(seed)
    x = np.column_stack(
        [rng.uniform(-1, 1, n), rng.uniform(-1, 1, n), rng.integers(0, 2, n).astype(float)]
    )
    u = rng.uniform(-1, 1, n)
    treated = rng.random(n) < 0.5 + 0.2 * x[:, 0] + 0.02 * x[:, 1] + hidden * u
    y = effect * treated + x[:, 0] + 0.1 * x[:, 1] + x[:, 2] + 3.0 * hidden * u
    return Observed(x, treated, y + 0.5 * rng.standard_normal(n), COLUMNS)


def test_covariates_are_named_by_their_feature_and_the_worst_comes_first():
    seen = linear(0, 0.0, 1.0)
    found = estimate_effect(seen, LINES, np.random.default_rng(0))
    doubt = sensitivity(found.scores, strengths(seen, LINES, found))
    assert doubt.benchmarks[0].covariate == "strong"
    assert {b.covariate for b in doubt.benchmarks} == {"strong", "weak", "quality"}
    assert doubt.worst is doubt.benchmarks[0]
    assert doubt.worst.left < 1.0
    by_name = {b.covariate: b.strength for b in doubt.benchmarks}
    # The treatment does not hang on the quality, the outcome does.
    assert by_name["quality"].treatment < 0.01
    assert by_name["quality"].outcome > 0.3


def test_nothing_held_fixed_is_nothing_to_hold_a_hidden_cause_against():
    seen = linear(0, 0.0, 1.0)
    bare = Observed(np.empty((len(seen), 0)), seen.treated, seen.outcome)

    def mean(rows: np.ndarray, values: np.ndarray, fresh: np.ndarray) -> np.ndarray:
        return np.full(len(fresh), values.mean())

    learners = Learners(mean, mean)
    found = estimate_effect(bare, learners, np.random.default_rng(0))
    assert strengths(bare, learners, found) == {}
    assert sensitivity(found.scores).worst is None


def test_a_hidden_cause_that_is_all_of_the_effect_is_stronger_than_the_robustness_value():
    hidden, n = 0.25, 40
    # Var(u) = 1/3; of what is left of the treatment, and of the outcome (0.5 squared of noise).
    left = 0.25 - 0.2**2 / 3 - 0.02**2 / 3
    on_treatment = hidden**2 / 3 / left
    of_outcome = (3.0 * hidden) ** 2 / 3 * (1 - on_treatment)
    on_outcome = of_outcome / (of_outcome + 0.25)
    # The strength that, the same on both sides, has the same bias.
    true = robustness(Strength(on_treatment, on_outcome).factor, 1.0)
    below = covered = 0
    for seed in range(n):
        seen = linear(seed, hidden, 0.0)
        found = estimate_effect(seen, LINES, np.random.default_rng(seed), Estimand.OVERLAP)
        doubt = sensitivity(found.scores)
        below += doubt.robustness_of_interval < true
        low, _ = found.estimate.interval
        covered += low <= 0.0
        assert doubt.robustness > 0.5 * true  # it is no idle bound
    assert below >= 0.95 * n
    assert covered == 0  # the interval alone never holds the truth


def test_a_flat_outcome_has_nothing_to_undo():
    seen = linear(0, 0.0, 1.0)
    flat = Observed(seen.covariates, seen.treated, np.zeros(len(seen)), COLUMNS)
    with pytest.raises(NotIdentified, match="the outcome is 0 in all"):
        estimate_effect(flat, LINES, np.random.default_rng(0))

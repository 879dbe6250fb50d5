"""How strong a hidden common cause would have to be to undo an effect.

Omitted-variable bias of a weighted mean of effects (Cinelli and Hazlett 2020 for regressions;
Chernozhukov, Cinelli, Newey, Sharma and Syrgkanis 2022, theorem 2, for any): at most

    scale * sqrt(R_outcome * R_treatment / (1 - R_treatment)),

where R_outcome is the share of what is left of the outcome's variance that the cause explains,
R_treatment the share that it adds to the variance of the Riesz representer (of overlap weights:
the share of what is left of the treatment's variance), and scale is known from the rows. For risks
also the E-value (VanderWeele and Ding 2017).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ifonly.explainers.causal.estimand import Z95, Estimate, Scores
from ifonly.explainers.causal.function import Array

STRENGTHS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.4)
"""Of a hidden cause, in the contour."""
MOST = 0.99
"""Greatest strength that is told: at 1 the cause is the treatment itself."""


@dataclass(frozen=True)
class Strength:
    """Of a common cause of treatment and outcome; each from 0 to below 1."""

    treatment: float
    outcome: float

    @property
    def factor(self) -> float:
        """What the scale is multiplied by: the greatest bias."""
        return float(np.sqrt(self.outcome * self.treatment / (1.0 - self.treatment)))

    @property
    def of_another(self) -> Strength:
        """Of a hidden cause as strong as this covariate, beside it (Cinelli and Hazlett 2020,
        4.4, with k = 1)."""
        odds = self.treatment / (1.0 - self.treatment)
        # How much of the hidden cause the covariate would seem to tell, the treatment given.
        told = min(self.treatment * odds / (1.0 - self.treatment), MOST)
        eta = (1.0 + np.sqrt(told)) / np.sqrt(1.0 - told)
        outcome = eta**2 * self.outcome / (1.0 - self.outcome)
        return Strength(min(odds, MOST), float(min(outcome, MOST)))


@dataclass(frozen=True)
class Benchmark:
    """A hidden cause as strong as a covariate that was read."""

    covariate: str
    strength: Strength
    left: float
    """The effect that it would leave at worst."""


@dataclass(frozen=True)
class EValue:
    """Least risk ratio by which a hidden cause must be tied to both treatment and outcome."""

    estimate: float
    """To explain all of the effect."""
    interval: float
    """To bring no effect into the interval; 1: it is there already."""


@dataclass(frozen=True)
class Contour:
    """What a hidden cause of a strength would leave."""

    strength: Strength
    effect: float
    """The effect at worst; of the other sign where all of it could be explained."""
    bound: float
    """The end of the 95 % interval that is nearer to nothing, at worst."""


@dataclass(frozen=True)
class Sensitivity:
    """What would undo an estimate."""

    scale: float
    robustness: float
    """Strength, on treatment and outcome alike, that explains all of the effect."""
    robustness_of_interval: float
    """That brings no effect into the 95 % interval; 0: it is there already."""
    e_value: EValue | None
    """Of risks alone, and where both can be told."""
    benchmarks: tuple[Benchmark, ...]
    """The worst first."""

    @property
    def worst(self) -> Benchmark | None:
        return self.benchmarks[0] if self.benchmarks else None


def sensitivity(
    scores: Scores, covariates: dict[str, Strength] | None = None, *, is_share: bool = False
) -> Sensitivity:
    """Of the mean that ``scores`` tell.

    Parameters
    ----------
    scores : Scores
        Of ``n`` rows.
    covariates : dict
        How strong each covariate is beside the others, to hold a hidden one against.
    is_share : bool
        Whether the outcome happens or does not: then its E-value is told.
    """
    estimate, scale = scores.estimate, _scale(scores)
    return Sensitivity(
        scale,
        robustness(abs(estimate.value), scale),
        robustness(nearest(estimate), scale),
        _e_value(scores) if is_share else None,
        benchmarked(estimate.value, scale, covariates or {}),
    )


def benchmarked(
    value: float, scale: float, covariates: dict[str, Strength]
) -> tuple[Benchmark, ...]:
    """What hidden causes as strong as each covariate would leave of ``value``, worst first."""
    found = [
        Benchmark(name, strength.of_another, _left(value, scale, strength.of_another))
        for name, strength in covariates.items()
    ]
    sign = 1.0 if value >= 0.0 else -1.0
    return tuple(sorted(found, key=lambda b: sign * b.left))


def contour(estimate: Estimate, scale: float) -> tuple[Contour, ...]:
    """What hidden causes of :data:`STRENGTHS` would leave, by treatment and then by outcome."""
    strengths = (Strength(t, o) for t in STRENGTHS for o in STRENGTHS)
    return tuple(_contour(estimate, scale, strength) for strength in strengths)


def robustness(size: float, scale: float) -> float:
    """The strength on both sides whose bias is ``size``; 0 where that is none."""
    if size <= 0.0:
        return 0.0
    # Cinelli and Hazlett's (20), written so that a large size overflows nothing.
    return float(2.0 / (1.0 + np.sqrt(1.0 + 4.0 * (scale / size) ** 2)))


def e_value(ratio: float) -> float:
    """Of a risk ratio of at least 1."""
    return float(ratio + np.sqrt(ratio * (ratio - 1.0)))


def nearest(estimate: Estimate) -> float:
    """How far the 95 % interval is from no effect; negative where it holds it."""
    return abs(estimate.value) - Z95 * estimate.se


def strength_beside(scores: Scores, without: Scores) -> Strength:
    """Of what ``scores`` know and ``without`` do not, on the same rows."""
    return strength_of(
        (_mean_square(scores.residual), _mean_square(without.residual)),
        (_mean_square(scores.riesz), _mean_square(without.riesz)),
    )


def strength_of(residuals: tuple[float, float], weights: tuple[float, float]) -> Strength:
    """By mean squares of the residual and of the Riesz representer, each with and without."""
    treatment, outcome = 1.0 - weights[1] / weights[0], 1.0 - residuals[0] / residuals[1]
    # By chance less than nothing is explained.
    low, high = np.clip([treatment, outcome], 0.0, MOST)
    return Strength(float(low), float(high))


def _scale(scores: Scores) -> float:
    return float(np.sqrt(_mean_square(scores.residual) * _mean_square(scores.riesz)))


def _mean_square(values: Array) -> float:
    return max(float(np.mean(values**2)), np.finfo(float).tiny)


def _left(value: float, scale: float, strength: Strength) -> float:
    bias = scale * strength.factor
    return value - bias if value >= 0.0 else value + bias


def _contour(estimate: Estimate, scale: float, strength: Strength) -> Contour:
    sign = 1.0 if estimate.value >= 0.0 else -1.0
    left = _left(estimate.value, scale, strength)
    return Contour(strength, left, left - sign * Z95 * estimate.se)


def _e_value(scores: Scores) -> EValue | None:
    one, none = scores.means
    # A weighted mean of few rows may leave the range that chances have.
    if not (0.0 < one <= 1.0 and 0.0 < none <= 1.0):
        return None
    influence = (scores.if_treated - one * scores.weight) / one
    influence = influence - (scores.if_not - none * scores.weight) / none
    size = abs(float(np.log(one / none)))
    least = max(0.0, size - Z95 * scores.standard_error(influence))
    return EValue(*(e_value(float(np.exp(ratio))) for ratio in (size, least)))

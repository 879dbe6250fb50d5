"""What an arm does against another, of units that were assigned with known shares.

Each unit has one value, the mean over its episodes, so that what is alike within a machine does
not count as many. Differences are means of each unit's contribution to the augmented
inverse-probability estimator (Robins, Rotnitzky and Zhao 1994) with a line through the covariate:
CUPED (Deng, Xu, Kohavi and Walker, WSDM 2013), for shares that need not be halves.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ifonly.service.experiments.sequences import Boundary

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]


@dataclass(frozen=True)
class EffectEstimate:
    """A number with an interval that holds at every look."""

    value: float
    lower: float
    upper: float
    p_value: float | None
    """Always valid; None of a ratio."""

    @property
    def covers_0(self) -> bool:
        return self.lower <= 0.0 <= self.upper


def contributions(outcome: Floats, treated: Mask, share: float, covariate: Floats | None) -> Floats:
    """Values whose mean is the difference of two arms' means.

    Parameters
    ----------
    outcome : ndarray, shape (n,)
    treated : ndarray of bool, shape (n,)
    share : float
        Probability with which a unit was treated.
    covariate : ndarray, shape (n,), optional
        Of before the assignment: the model's own score. It makes the interval narrower and moves
        no expectation.

    Returns
    -------
    ndarray, shape (n,)
    """
    arms = [_line(outcome, mask, covariate) for mask in (~treated, treated)]
    control, treatment = (outcome - arm for arm in arms)
    weighted = np.where(treated, treatment / share, -control / (1.0 - share))
    return np.asarray(arms[1] - arms[0] + weighted)


def _line(outcome: Floats, arm: Mask, covariate: Floats | None) -> Floats:
    """What a line through one arm's units says of every unit."""
    level = float(outcome[arm].mean()) if arm.any() else 0.0
    if covariate is None:
        return np.full(len(outcome), level)
    centred = covariate - (covariate[arm].mean() if arm.any() else 0.0)
    spread = float((centred[arm] ** 2).sum())
    slope = float((centred[arm] * outcome[arm]).sum()) / spread if spread > 0.0 else 0.0
    return np.asarray(level + slope * centred)


def mean_of(values: Floats, boundary: Boundary) -> EffectEstimate:
    """The mean of contributions."""
    n, mean = len(values), float(values.mean()) if len(values) else math.nan
    deviation = float(values.std(ddof=1)) if n > 1 else math.inf
    width = boundary.width(n, deviation)
    p_value = boundary.p_value(n, mean, deviation) if n > 1 else 1.0
    return EffectEstimate(mean, mean - width, mean + width, p_value)


def ratio_of(above: Floats, below: Floats, boundary: Boundary) -> EffectEstimate:
    """The ratio of two means of contributions: what the advice does where it is followed because
    it was shown (complier average effect: Imbens and Angrist 1994), if ``above`` are those of the
    outcome and ``below`` those of having followed it.

    The interval is Anderson and Rubin's (1949): all ratios ``r`` for which the mean of ``above -
    r * below`` may be 0. It is infinite where hardly anybody follows because of the arm.
    """
    n = len(above)
    if n < 2:
        return EffectEstimate(math.nan, -math.inf, math.inf, None)
    a, b = float(above.mean()), float(below.mean())
    square = boundary.factor(n) ** 2
    if not math.isfinite(square):
        return EffectEstimate(a / b if b else math.nan, -math.inf, math.inf, None)
    (aa, ab), (_, bb) = np.cov(above, below, ddof=1).tolist()
    # (a - r b)^2 <= square (aa - 2 r ab + r^2 bb)
    leading, middle, constant = b * b - square * bb, a * b - square * ab, a * a - square * aa
    root = middle * middle - leading * constant
    value = a / b if b else math.nan
    if leading <= 0.0 or root < 0.0:
        return EffectEstimate(value, -math.inf, math.inf, None)
    half = math.sqrt(root)
    return EffectEstimate(value, (middle - half) / leading, (middle + half) / leading, None)

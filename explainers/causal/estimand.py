"""Whose average effect is told, and what each row adds to it.

Each estimand is a weighted mean of effects: of all rows (ATE), of the overlap population (weights
e(1 - e) by the propensity e; Li, Morgan and Zaslavsky 2018), of the treated (ATT). A row's scores
are Neyman-orthogonal (Chernozhukov et al. 2018), so errors in what was learned of propensity and
outcome count in the second order only. For the overlap population that is the regression of what
is left of the outcome on what is left of the treatment (Robinson 1988).
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ifonly.explainers.causal.function import Array
from ifonly.explainers.terms import Estimand as Estimand
from ifonly.explainers.terms import Strategy as Strategy

Flags = npt.NDArray[np.bool_]
Z95 = 1.959964


@dataclass(frozen=True)
class Estimate:
    """Mean outcome were all treated, less the mean were none; over the estimand's rows."""

    value: float
    se: float
    rows: int
    treated: int

    @property
    def interval(self) -> tuple[float, float]:
        """Bounds of the effect, at 95 %."""
        return self.value - Z95 * self.se, self.value + Z95 * self.se


@dataclass(frozen=True, eq=False)
class Nuisances:
    """Predictions for each of ``n`` rows by learners that did not see it, ``(n,)`` each."""

    propensity: Array
    if_treated: Array
    if_not: Array

    def __getitem__(self, index: Flags) -> Nuisances:
        return Nuisances(self.propensity[index], self.if_treated[index], self.if_not[index])


@dataclass(frozen=True, eq=False)
class Scores:
    """What each of ``n`` rows adds to a weighted mean of effects, ``(n,)`` each."""

    if_treated: Array
    """To the sum of outcomes were all treated."""
    if_not: Array
    weight: Array
    """To the sum of weights."""
    residual: Array
    """The outcome less what was predicted of it."""
    riesz: Array
    """How the effect would change with the row's expected outcome (the Riesz representer)."""
    flags: Flags
    """Who was treated."""

    def __getitem__(self, index: Flags) -> Scores:
        """The scores of some of the rows, whose own weighted mean they then tell."""
        # The representer is of a mean over all rows: of a part the same weights count for more.
        share = float(self.weight[index].mean() / self.weight.mean())
        return Scores(
            self.if_treated[index],
            self.if_not[index],
            self.weight[index],
            self.residual[index],
            self.riesz[index] / share,
            self.flags[index],
        )

    @classmethod
    def of(cls, estimand: Estimand, treated: Flags, outcome: Array, seen: Nuisances) -> Scores:
        """By an estimand that is not :data:`Estimand.LATE`."""
        t, e = treated.astype(np.float64), seen.propensity
        mu1, mu0 = seen.if_treated, seen.if_not
        residual = outcome - np.where(treated, mu1, mu0)
        if estimand is Estimand.OVERLAP:
            left = t - e
            weight = left**2
            return cls(
                weight * mu1 + left * t * residual,
                weight * mu0 - left * (1.0 - t) * residual,
                weight,
                residual,
                left / weight.mean(),
                treated,
            )
        if estimand in (Estimand.ATT, Estimand.ATT_COMPARABLE):
            odds = (1.0 - t) * e / (1.0 - e)
            return cls(
                t * outcome,
                t * mu0 + odds * residual,
                t,
                residual,
                (t - odds) / t.mean(),
                treated,
            )
        rare = t / e, (1.0 - t) / (1.0 - e)
        return cls(
            mu1 + rare[0] * residual,
            mu0 + rare[1] * residual,
            np.ones(len(t)),
            residual,
            rare[0] - rare[1],
            treated,
        )

    @property
    def means(self) -> tuple[float, float]:
        """Mean outcome were all treated, and were none."""
        total = self.weight.sum()
        return float(self.if_treated.sum() / total), float(self.if_not.sum() / total)

    @property
    def worth(self) -> tuple[float, float]:
        """As how many rows of equal weight the treated and the others count (Kish 1965)."""
        return effective_size(self.riesz[self.flags]), effective_size(self.riesz[~self.flags])

    @property
    def estimate(self) -> Estimate:
        one, none = self.means
        value = one - none
        # Cross-fitting makes the scores as good as independent, so their spread is the error.
        se = self.standard_error(self.if_treated - self.if_not - value * self.weight)
        return Estimate(value, se, len(self.weight), int(self.flags.sum()))

    def standard_error(self, influence: Array) -> float:
        """Of a weighted mean whose rows add ``influence`` beyond it, before division."""
        return float(influence.std(ddof=1) / self.weight.mean() / np.sqrt(len(influence)))


def effective_size(weights: Array) -> float:
    """As how many rows of equal weight rows of ``weights`` count (Kish 1965)."""
    total = float(np.abs(weights).sum())
    return total**2 / max(float((weights**2).sum()), np.finfo(float).tiny)

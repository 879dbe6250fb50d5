"""Rows whose effects are known, for the benchmark of effects and its test.

Every setting is plain numpy of its own and shares nothing with ``ifonly.explainers.causal``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Of = Callable[[Array], Array]
POPULATION = 10_000
"""Rows that the truth is taken over."""
NODES = 40
"""Of the quadrature over what is hidden."""


def sigmoid(x: Array) -> Array:
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * x)))


@dataclass(frozen=True)
class Setting:
    """Three covariates, standard normal; a treatment; an outcome with normal noise or a flag."""

    name: str
    propensity: Of
    baseline: Of
    """Expected outcome without treatment; of a flag its log odds."""
    effect: Of
    is_flag: bool = False

    def draw(self, rng: np.random.Generator, n: int) -> tuple[Array, npt.NDArray[np.bool_], Array]:
        """Covariates ``(n, 3)``, who was treated, outcomes."""
        x = rng.standard_normal((n, 3))
        treated = rng.random(n) < self.propensity(x)
        if self.is_flag:
            chance = self.chances(x)[treated.astype(int), np.arange(n)]
            return x, treated, (rng.random(n) < chance).astype(float)
        outcome = self.baseline(x) + treated * self.effect(x) + rng.standard_normal(n)
        return x, treated, outcome

    def chances(self, x: Array) -> Array:
        """``(2, n)``: of a flag, untreated and treated."""
        return np.stack([sigmoid(self.baseline(x)), sigmoid(self.baseline(x) + self.effect(x))])

    def population(self, n: int = POPULATION) -> Population:
        x = np.random.default_rng(0).standard_normal((n, 3))
        effect = np.diff(self.chances(x), axis=0)[0] if self.is_flag else self.effect(x)
        return Population(x, self.propensity(x), effect)


@dataclass(frozen=True, eq=False)
class Population:
    """Rows of a setting, ``(n, 3)``, ``(n,)`` and ``(n,)``, with what is true of them."""

    covariates: Array
    propensity: Array
    effect: Array

    def truth(self, estimand: str, kept: npt.NDArray[np.bool_]) -> float:
        """Of the estimand, among those of ``kept``: ``(k, n)``, one row for each fit."""
        e = self.propensity
        weights = {"overlap": e * (1 - e), "att": e}.get(estimand.split("_")[0], np.ones(len(e)))
        share = weights * kept.sum(axis=0)
        return float((share * self.effect).sum() / share.sum())


SETTINGS = (
    Setting(
        "linear",
        lambda x: sigmoid(0.5 * x[:, 0] - 0.4 * x[:, 1]),
        lambda x: x[:, 0] + 0.5 * x[:, 1] - x[:, 2],
        lambda x: np.ones(len(x)),
    ),
    Setting(
        "non-linear",
        lambda x: sigmoid(0.8 * np.sin(2.0 * x[:, 0]) + 0.5 * np.abs(x[:, 1]) - 0.4),
        lambda x: np.sin(2.0 * x[:, 0]) + 0.7 * x[:, 1] ** 2 - x[:, 2],
        lambda x: np.ones(len(x)),
    ),
    Setting(
        "heterogeneous",
        lambda x: sigmoid(0.5 * x[:, 0] - 0.4 * x[:, 1]),
        lambda x: x[:, 0] + 0.5 * x[:, 1] - x[:, 2],
        lambda x: 1.0 + x[:, 2] + 0.5 * x[:, 1],
    ),
    Setting(
        "weak overlap",
        lambda x: sigmoid(2.5 * x[:, 0] + 0.5 * x[:, 1]),
        lambda x: x[:, 0] + 0.5 * x[:, 1] - x[:, 2],
        lambda x: np.ones(len(x)),
    ),
    Setting(
        "growing effect",
        lambda x: sigmoid(2.5 * x[:, 0] + 0.5 * x[:, 1]),
        lambda x: x[:, 0] + 0.5 * x[:, 1] - x[:, 2],
        lambda x: 1.0 + x[:, 0],
    ),
    Setting(
        "binary outcome",
        lambda x: sigmoid(0.5 * x[:, 0] - 0.4 * x[:, 1]),
        lambda x: -0.5 + x[:, 0] - 0.5 * x[:, 1],
        lambda x: 0.8 * np.ones(len(x)),
        is_flag=True,
    ),
)


@dataclass(frozen=True)
class HiddenSetting:
    """A hidden cause, standard normal, of treatment and outcome; the covariates do their part."""

    name: str
    on_treatment: float
    """By which it raises the log odds of treatment."""
    on_outcome: float
    effect: float

    def draw(self, rng: np.random.Generator, n: int) -> tuple[Array, npt.NDArray[np.bool_], Array]:
        x, u = rng.standard_normal((n, 3)), rng.standard_normal(n)
        treated = rng.random(n) < sigmoid(self._log_odds(x) + self.on_treatment * u)
        outcome = self.effect * treated + x[:, 0] + 0.5 * x[:, 1] + self.on_outcome * u
        return x, treated, outcome + rng.standard_normal(n)

    def _log_odds(self, x: Array) -> Array:
        return np.asarray(0.3 * x[:, 0] - 0.3 * x[:, 1])

    def strength(self, estimand: str) -> tuple[float, float]:
        """Share that it adds to the variance of the Riesz representer, and that it explains of
        what is left of the outcome."""
        x = np.random.default_rng(0).standard_normal((POPULATION, 3))
        u, weights = np.polynomial.hermite_e.hermegauss(NODES)
        weights = weights / weights.sum()
        e = sigmoid(self._log_odds(x)[:, None] + self.on_treatment * u)
        seen = e @ weights
        spreads = [((e * (1 - e)) @ weights).mean(), (seen * (1 - seen)).mean()]
        rarities = [((1 / (e * (1 - e))) @ weights).mean(), (1 / (seen * (1 - seen))).mean()]
        # Of weights: their mean square is the mean rarity, or one over the mean spread.
        added = (
            1 - spreads[0] / spreads[1] if estimand == "overlap" else 1 - rarities[1] / rarities[0]
        )
        left = np.zeros(POPULATION)
        for chance in (e, 1 - e):
            mass = chance @ weights
            mean = (chance * u) @ weights / mass
            left += mass * ((chance * u**2) @ weights / mass - mean**2)
        explained = self.on_outcome**2 * float(left.mean())
        return float(added), explained / (explained + 1.0)


HIDDEN = (
    HiddenSetting("a hidden cause is all of it", 0.7, 0.7, 0.0),
    HiddenSetting("a hidden cause adds to it", 0.7, 0.7, 0.5),
    HiddenSetting("a hidden cause hides it", 0.7, -0.7, 0.5),
)


@dataclass(frozen=True)
class InstrumentSetting:
    """An instrument, a hidden cause of treatment and outcome, and bent covariates of all."""

    name: str
    on_treatment: float
    effect: float = 0.5

    def draw(self, rng: np.random.Generator, n: int) -> tuple[Array, Array, Array, Array]:
        """Instruments ``(n, 1)``, covariates ``(n, 2)``, readings of the treatment, outcomes."""
        x, u = rng.standard_normal((n, 2)), rng.standard_normal(n)
        z = np.sin(x[:, 0]) + rng.standard_normal(n)
        t = self.on_treatment * z + np.cos(x[:, 0]) + u + rng.standard_normal(n)
        y = self.effect * t + np.sin(x[:, 0]) + 0.5 * x[:, 1] ** 2 + 2.0 * u
        return z[:, None], x, t, y + rng.standard_normal(n)


INSTRUMENTS = (
    InstrumentSetting("instrument", 0.5),
    InstrumentSetting("weak instrument", 0.04),
)

"""Rows whose effects are known, for the benchmark of effects and its test.

Every setting is plain numpy of its own and shares nothing with ``explainers.causal``.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Of = Callable[[Array], Array]
POPULATION = 400_000
"""Rows that the truth is taken over."""


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

    def truth(self, estimand: str, trim: float) -> float:
        """Of the estimand's population, propensities as they truly are."""
        x = np.random.default_rng(0).standard_normal((POPULATION, 3))
        e = self.propensity(x)
        effect = np.diff(self.chances(x), axis=0)[0] if self.is_flag else self.effect(x)
        weights = {
            "ate": np.ones(len(e)),
            "ate_comparable": ((e >= trim) & (e <= 1 - trim)).astype(float),
            "overlap": e * (1 - e),
            "att": e,
            "att_comparable": e * (e <= 1 - trim),
        }[estimand]
        return float((weights * effect).sum() / weights.sum())


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

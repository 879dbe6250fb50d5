"""Structural causal models whose truth is known: Karimi et al. 2020 (NeurIPS), tables 1 and 2.

Each is plain numpy of its own and shares nothing with ``ifonly.explainers.causal``: what truly
follows from an action is computed from the noise that was drawn.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

Array = npt.NDArray[np.float64]
Step = Callable[[Array, Array], Array]
"""Columns to the left, ``(n, j)``, and the node's noise, ``(n,)``, to the node's values."""


@dataclass(frozen=True)
class ScmTruth:
    """A causal model whose columns stand in causal order."""

    name: str
    names: tuple[str, ...]
    parents: tuple[tuple[int, ...], ...]
    actionable: tuple[int, ...]
    steps: tuple[Step, ...]
    noise: Callable[[np.random.Generator, int], Array]
    """``(n, d)``; a root's noise is its value."""
    probability: Callable[[Array], Array]
    """Chance of the label 1 by the rows of a sample."""
    gamma: float
    """By how many standard deviations an answer must hold (Karimi et al.)."""

    def sample(self, rng: np.random.Generator, n: int) -> tuple[Array, Array]:
        """Rows and their noise, both ``(n, d)``."""
        noise = self.noise(rng, n)
        return self.carry_out(noise, {}), noise

    def carry_out(self, noise: Array, actions: Mapping[int, Array]) -> Array:
        """What follows from this noise once columns are set."""
        rows = np.empty_like(noise)
        for j, step in enumerate(self.steps):
            rows[:, j] = actions[j] if j in actions else step(rows[:, :j], noise[:, j])
        return rows


def sigmoid(x: Array) -> Array:
    return np.asarray(0.5 * (1.0 + np.tanh(0.5 * x)))


def _value(left: Array, noise: Array) -> Array:
    return noise


def _mixture(
    rng: np.random.Generator, n: int, low: tuple[float, float], high: tuple[float, float]
) -> Array:
    first = rng.random(n) < 0.5
    draws = [rng.normal(mean, variance**0.5, n) for mean, variance in (low, high)]
    return np.where(first, *draws)


def _by_sum(rows: Array) -> Array:
    total = rows.sum(axis=1)
    return sigmoid(2.5 * total / np.abs(total).mean())


_THREE = ("x1", "x2", "x3")
_CHAIN = ((), (0,), (0, 1))

LINEAR = ScmTruth(
    "linear",
    _THREE,
    _CHAIN,
    (0, 1, 2),
    (
        _value,
        lambda x, u: -x[:, 0] + u,
        lambda x, u: 0.05 * x[:, 0] + 0.25 * x[:, 1] + u,
    ),
    lambda rng, n: np.column_stack(
        [_mixture(rng, n, (-2, 1.5), (1, 1)), rng.normal(0, 1, n), rng.normal(0, 1, n)]
    ),
    _by_sum,
    2.0,
)

ANM = ScmTruth(
    "anm",
    _THREE,
    _CHAIN,
    (0, 1, 2),
    (
        _value,
        lambda x, u: -1 + 3 * sigmoid(2 * x[:, 0]) + u,
        lambda x, u: -0.05 * x[:, 0] - 0.25 * x[:, 1] ** 2 + u,  # minus, as in their code
    ),
    lambda rng, n: np.column_stack(
        [_mixture(rng, n, (-2, 1.5), (1, 1)), rng.normal(0, 0.1**0.5, n), rng.normal(0, 1, n)]
    ),
    _by_sum,
    2.0,
)

NON_ADDITIVE = ScmTruth(
    "non-additive",
    _THREE,
    _CHAIN,
    (0, 1, 2),
    (
        _value,
        lambda x, u: 0.25 * np.sign(u) * x[:, 0] ** 2 * (1 + u**2),
        lambda x, u: -1 + 0.1 * np.sign(u) * (x[:, 0] ** 2 + x[:, 1] ** 2) + u,
    ),
    lambda rng, n: np.column_stack(
        [_mixture(rng, n, (-2.5, 1), (2.5, 1)), rng.normal(0, 0.5, n), rng.normal(0, 0.25, n)]
    ),
    _by_sum,
    2.0,
)


def _loan_noise(rng: np.random.Generator, n: int) -> Array:
    return np.column_stack(
        [
            (rng.random(n) < 0.5).astype(float),
            -35 + rng.gamma(10, 3.5, n),
            rng.normal(0, 0.25**0.5, n),
            rng.normal(0, 4**0.5, n),
            rng.normal(0, 9**0.5, n),
            rng.normal(0, 4**0.5, n),
            rng.normal(0, 25**0.5, n),
        ]
    )


def _repaid(x: Array) -> Array:
    loan, duration, income, savings = x[:, 3], x[:, 4], x[:, 5], x[:, 6]
    return sigmoid(0.3 * (-loan - duration + income + savings + income * savings))


LOAN = ScmTruth(
    "loan",
    ("gender", "age", "education", "loan", "duration", "income", "savings"),
    ((), (), (0, 1), (0, 1), (0, 1, 3), (0, 1, 2), (5,)),
    (2, 3, 5, 6),
    (
        _value,
        _value,
        lambda x, u: -0.5 + sigmoid(-1 + 0.5 * x[:, 0] + sigmoid(0.1 * x[:, 1]) + u),
        lambda x, u: 1 - 0.01 * (x[:, 1] - 5) ** 2 + x[:, 0] + u,
        lambda x, u: -1 + 0.1 * x[:, 1] + 2 * x[:, 0] + x[:, 3] + u,
        lambda x, u: -4 + 0.1 * (x[:, 1] + 35) + 2 * x[:, 0] + x[:, 0] * x[:, 2] + u,
        lambda x, u: -4 + 1.5 * np.maximum(x[:, 5], 0) + u,
    ),
    _loan_noise,
    _repaid,
    2.5,
)

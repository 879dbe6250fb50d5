"""What twins in many worlds say of all individuals: shares and means, and where they may lie."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[np.float64]

DRAWS = 4_000
TAIL = 0.025
LEAST_MEAN = 6
"""Individuals of whom a mean is told: fewer say nothing of others."""


@dataclass(frozen=True, slots=True)
class UncertainValue:
    """By what is believed, and where it may lie: over worlds, and over which individuals there
    happen to be; 95 %."""

    value: float
    low: float
    high: float


@dataclass(frozen=True)
class DecisionTwins:
    """How twins are decided otherwise than their individuals, as shares of them."""

    of: int
    better: UncertainValue
    """The twin is decided as desired, the individual is not."""
    worse: UncertainValue
    either: UncertainValue
    net: UncertainValue
    """Better less worse: what the attribute costs the group."""


def decision_twins(
    own: npt.NDArray[np.bool_],
    believed: npt.NDArray[np.bool_],
    worlds: npt.NDArray[np.bool_],
    seed: int = 0,
) -> DecisionTwins:
    """Of ``n`` individuals.

    Parameters
    ----------
    own : ndarray of bool, shape (n,)
        Who is decided otherwise than is desired.
    believed : ndarray of bool, shape (n,)
        Of their twins, by what is believed.
    worlds : ndarray of bool, shape (w, n)
        Of their twins in each world.
    seed : int
    """
    rng, n = np.random.default_rng(seed), len(own)
    if not n:
        nothing = UncertainValue(0.0, 0.0, 1.0)
        return DecisionTwins(0, nothing, nothing, nothing, UncertainValue(0.0, -1.0, 1.0))
    better, worse = (own & ~worlds).sum(axis=1), (~own & worlds).sum(axis=1)
    counts = np.stack([better, worse, n - better - worse], axis=1)[np.arange(DRAWS) % len(worlds)]
    # Jeffreys' law of the shares in each world: also of nobody out of n something is known.
    drawn = rng.standard_gamma(counts + 0.5)
    drawn /= drawn.sum(axis=1, keepdims=True)
    points = float((own & ~believed).mean()), float((~own & believed).mean())
    up = _share(points[0], drawn[:, 0], better, n)
    down = _share(points[1], drawn[:, 1], worse, n)
    either = _share(sum(points), drawn[:, 0] + drawn[:, 1], better + worse, n)
    # A share of both signs cannot be near 0 in any world: its lower end is what one of them has.
    either = replace(either, low=min(either.value, max(up.low, down.low)))
    net = points[0] - points[1]
    low, high = np.quantile(drawn[:, 0] - drawn[:, 1], [TAIL, 1 - TAIL])
    low, high = min(low, net), max(high, net)
    return DecisionTwins(n, up, down, either, UncertainValue(net, float(low), float(high)))


def share_over_worlds(
    believed: npt.NDArray[np.bool_], worlds: npt.NDArray[np.bool_], seed: int = 0
) -> UncertainValue:
    """The share of ``n`` individuals of whom something is true: ``(n,)`` by what is believed,
    ``(w, n)`` in each world."""
    n = len(believed)
    if not n:
        return UncertainValue(0.0, 0.0, 1.0)
    count = worlds.sum(axis=1)
    each = count[np.arange(DRAWS) % len(worlds)]
    drawn = np.random.default_rng(seed).beta(each + 0.5, n - each + 0.5)
    return _share(float(believed.mean()), drawn, count, n)


def _share(value: float, drawn: Floats, seen: npt.NDArray[np.int64], n: int) -> UncertainValue:
    low, high = np.quantile(drawn, [TAIL, 1 - TAIL])
    # Where nobody is in enough worlds, nobody may be: a law of shares above 0 forbids that.
    low = 0.0 if (seen == 0).mean() >= TAIL else min(low, value)
    high = 1.0 if (seen == n).mean() >= TAIL else max(high, value)
    return UncertainValue(value, float(low), float(high))


def mean_over_worlds(believed: Floats, worlds: Floats, seed: int = 0) -> UncertainValue | None:
    """A mean over ``n`` individuals, ``(n,)`` by what is believed and ``(w, n)`` in each world; NaN
    counts nowhere. None: of fewer than :data:`LEAST_MEAN`.

    Individuals are drawn anew by the Bayesian bootstrap (Rubin 1981); of few worlds the next is as
    far off as Student's law says.
    """
    known = np.isfinite(worlds)
    of = int(np.isfinite(believed).sum())
    if of < LEAST_MEAN:
        return None
    point = float(np.nanmean(believed))
    usable = known.any(axis=1)
    if not usable.any():
        return UncertainValue(point, point, point)
    rng, held = np.random.default_rng(seed), known[usable].astype(np.float64)
    filled = np.where(known, worlds, 0.0)[usable]
    means = list[Floats]()
    for _ in range(DRAWS // 200):
        weights = rng.standard_exponential((200, held.shape[1]))
        each = (weights @ filled.T) / (weights @ held.T)
        n = each.shape[1]
        apart = each.std(axis=1, ddof=1) * np.sqrt(1 + 1 / n) if n > 1 else np.zeros(200)
        means.append(each.mean(axis=1) + apart * rng.standard_t(max(n - 1, 1), 200))
    drawn = np.concatenate(means)
    # The bootstrap's variance is that of n + 1, not of n - 1.
    drawn = drawn.mean() + (drawn - drawn.mean()) * np.sqrt((of + 1) / (of - 1))
    low, high = np.quantile(drawn, [TAIL, 1 - TAIL])
    return UncertainValue(point, float(min(low, point)), float(max(high, point)))

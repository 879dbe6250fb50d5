"""How great a normal part a noise can have: as much as a normal hidden cause can make of it.

Noise that is a normal part and whatever else has the density of a normal kernel over some
distribution, and none is narrower anywhere than the kernel. So noise with narrow peaks or sharp
ends leaves little room. The distribution is the likeliest one there is (Kiefer and Wolfowitz
1956), by expectation maximisation on a grid; what fits is decided on values held out.
"""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ifonly.explainers.causal.function import Array
from ifonly.explainers.causal.pooling import gain

SHARES = tuple(round(0.05 * k, 2) for k in range(1, 11))
"""Of the variance, that are tried: up to half."""
_FOLDS = 5
_GRID, _BINS = 60, 200
_ROUNDS = 150


def normal_share(noise: Array) -> float:
    """The greatest of :data:`SHARES` that a normal part may make of the variance of ``noise``,
    ``(n,)``: none that is surely less likely (two standard errors) than another."""
    spread = float(noise.std())
    # Without noise nothing of it is anybody's.
    if spread == 0.0:
        return SHARES[0]
    z = (noise - noise.mean()) / spread
    densities = [_held_out(z, share) for share in SHARES]
    best = max(densities, key=lambda d: float(d.mean()))
    fitting = [s for s, d in zip(SHARES, densities, strict=True) if gain(d, best)[0] <= 0.0]
    return max(fitting)


def _held_out(z: Array, share: float) -> Array:
    """Log density of each value by the likeliest mixture of the others, ``(n,)``."""
    edges = np.linspace(z.min(), z.max(), _BINS + 1)
    place = np.clip(np.digitize(z, edges) - 1, 0, _BINS - 1)
    middles = 0.5 * (edges[1:] + edges[:-1])
    grid = np.linspace(z.min(), z.max(), _GRID)
    kernel = np.exp(-0.5 * (middles[:, None] - grid) ** 2 / share) / np.sqrt(2 * np.pi * share)
    fold, found = np.arange(len(z)) % _FOLDS, np.empty(len(z))
    for k in range(_FOLDS):
        out = fold == k
        seen = np.bincount(place[~out], minlength=_BINS) / (~out).sum()
        density = kernel @ _likeliest(kernel, seen)
        found[out] = np.log(np.maximum(density, np.finfo(float).tiny))[place[out]]
    return found


def _likeliest(kernel: Array, seen: npt.NDArray[np.float64]) -> Array:
    """Weights of the grid's points, by which the bins are likeliest."""
    weights = np.full(kernel.shape[1], 1.0 / kernel.shape[1])
    for _ in range(_ROUNDS):
        weights = weights * (kernel.T @ (seen / np.maximum(kernel @ weights, 1e-300)))
    return np.asarray(weights / weights.sum())

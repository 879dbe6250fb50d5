"""Several shapes fitted to the same rows as one mechanism, each by what held-out rows say of it."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ifonly.explainers.causal.basis import Basis, Expansion
from ifonly.explainers.causal.function import Array

LEAST_GAIN = 0.01
"""Nats a row: less is of no use, even where many rows show it."""
MANY = 2000
"""Rows from which on the simplest shape may be enough."""
LEAST_WEIGHT = 0.05
"""A shape of less weight is left out."""
_RESAMPLES = 200


def shape_weights(densities: Array, rng: np.random.Generator) -> Array:
    """How far each shape is believed, by the rows that were held out.

    Each counts by how likely it would be on rows drawn again (pseudo-BMA+, Yao et al. 2018): a
    shape that is too simple is wrong without knowing it, and few rows cannot tell. Of
    :data:`MANY` rows and more the simplest is taken alone that is *surely* as likely as all after
    it, but for :data:`LEAST_GAIN`.

    Parameters
    ----------
    densities : ndarray, shape (n, k)
        Log density of each held-out row under each shape, the simplest first, in nats.
    rng : numpy.random.Generator

    Returns
    -------
    ndarray, shape (k,)
        They add up to 1.
    """
    n, k = densities.shape
    # The simplest first; the last needs no comparison, as it has nothing after it.
    for i in range(k - 1 if n >= MANY else 0):
        if all(gain(densities[:, i], densities[:, j])[1] < LEAST_GAIN for j in range(i + 1, k)):
            return np.asarray(np.eye(k)[i])
    return _resampled(densities, rng)


def gain(density: Array, other: Array) -> tuple[float, float]:
    """Two standard errors below and above what ``other`` gains in mean log density."""
    gap = other - density
    error = 2.0 * float(gap.std()) / np.sqrt(len(gap))
    return float(gap.mean()) - error, float(gap.mean()) + error


def _resampled(densities: Array, rng: np.random.Generator) -> Array:
    weights = resampled_shares(densities, np.ones(densities.shape[1]), rng)
    kept = np.where(weights >= LEAST_WEIGHT, weights, 0.0)
    return np.asarray(kept / kept.sum())


def resampled_shares(densities: Array, odds: Array, rng: np.random.Generator) -> Array:
    """How far each is believed that has ``odds``, ``(k,)``, before its log ``densities`` of rows
    held out, ``(n, k)``, are seen: mean over rows drawn again; ``(k,)``, they add up to 1."""
    n = len(densities)
    # The Bayesian bootstrap: rows weighted at random in place of drawn again.
    shares = rng.dirichlet(np.ones(n), size=_RESAMPLES)
    totals = n * shares @ densities
    # The greatest taken off, or the exponential overflows; it cancels in the ratio.
    weights = odds * np.exp(totals - totals.max(axis=1, keepdims=True))
    return np.asarray((weights / weights.sum(axis=1, keepdims=True)).mean(axis=0))


def pooled_density(densities: Array, weights: Array) -> Array:
    """Log density of each row under the mixture: ``(n, k)`` and ``(k,)`` to ``(n,)``."""
    with np.errstate(divide="ignore"):
        return np.asarray(np.logaddexp.reduce(densities + np.log(weights), axis=1))


def pool(shapes: Sequence[Basis], weights: Sequence[float]) -> Basis:
    """The sum over all functions of ``shapes`` that has, at every row, the mean and the standard
    deviation of the mixture of their posteriors.

    All have the same coordinates, shift and scale. A mixture of normals over the weights is not
    normal; what is returned is the normal with its mean and covariance.
    """
    if len(shapes) == 1:
        return shapes[0]
    first = shapes[0]
    expansion, places = _union([shape.expansion for shape in shapes])
    each = np.zeros((len(shapes), len(expansion)))
    for row, shape, place in zip(each, shapes, places, strict=True):
        row[place] = shape.weights
    share = np.array(weights)
    mean = share @ each
    # Covariance of a mixture: how far the means are apart, and the mean of the covariances.
    parts = [np.sqrt(share) * (each - mean).T]
    for w, shape, place in zip(weights, shapes, places, strict=True):
        part = np.zeros((len(expansion), shape.root.shape[1]))
        part[place] = np.sqrt(w) * shape.root
        parts.append(part)
    root = np.concatenate(parts, axis=1)
    # The same covariance in as few columns as there are functions.
    if root.shape[1] > len(expansion):
        root = np.asarray(np.linalg.qr(root.T, mode="r")).T
    return Basis(expansion, mean, root, first.shift, first.scale)


Places = npt.NDArray[np.intp]


def _union(expansions: Sequence[Expansion]) -> tuple[Expansion, list[Places]]:
    """One expansion with the functions of all, each once, and where each one's are in it."""
    monomials, at = np.unique(
        np.concatenate([e.exponents for e in expansions]), axis=0, return_inverse=True
    )
    bumps, near = np.unique(
        np.concatenate([np.hstack([e.centres, e.precisions]) for e in expansions]),
        axis=0,
        return_inverse=True,
    )
    c = monomials.shape[1]
    where = zip(
        _parted(at, [len(e.exponents) for e in expansions]),
        _parted(near, [len(e.centres) for e in expansions]),
        strict=True,
    )
    return (
        Expansion(expansions[0].coordinates, monomials, bumps[:, :c], bumps[:, c:]),
        [np.concatenate([a, len(monomials) + b]) for a, b in where],
    )


def _parted(inverse: Places, lengths: Sequence[int]) -> list[Places]:
    return np.split(inverse.ravel(), np.cumsum(lengths)[:-1])

"""One mechanism learned from rows: several shapes are tried, held-out likelihood weighs them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from ifonly.explainers.causal.basis import Basis, Coordinates
from ifonly.explainers.causal.candidates import (
    Candidate,
    basis_candidates,
    linear_candidate,
    polynomial_candidates,
    scale_candidate,
    standardised,
)
from ifonly.explainers.causal.function import Array
from ifonly.explainers.causal.mechanism import Mechanism, Noise, NoiseForm
from ifonly.explainers.causal.pooling import LEAST_GAIN, gain, pool, pooled_density, shape_weights
from ifonly.explainers.causal.regression import fit_both, fit_location
from ifonly.explainers.causal.support import Support

KINDS = ("linear", "polynomial", "basis")
FOLDS = 5
MOST_ROWS = 20_000
"""Rows that one mechanism is fitted to; of more, some are drawn."""
SAMPLE = 400
"""Values of the noise that are kept."""


@dataclass(frozen=True, eq=False)
class Learned:
    """A mechanism, and how it was chosen."""

    kind: str
    """The richest kind of shape in it."""
    mechanism: Mechanism
    likelihoods: Mapping[str, float]
    """Mean log density of held-out values by what was tried, ``kind/noise`` (of several shapes
    of one kind, the likeliest), in the node's unit; larger is better."""
    held_out: Array
    """``(n,)``: log density of each row by what was chosen, fitted without the row's fold."""
    fold: npt.NDArray[np.signedinteger[Any]]
    """``(n,)``: the fold of each row."""


def learn(
    parents: Array,
    values: Array,
    nominal: Sequence[bool],
    rng: np.random.Generator,
    kinds: Sequence[str] = KINDS,
    forms: Sequence[NoiseForm] = tuple(NoiseForm),
) -> Learned:
    """One mechanism, learned from rows.

    Shapes are taken together, each by its weight (see
    :func:`~ifonly.explainers.causal.pooling.shape_weights`). Noise that scales must surely be
    likelier than noise that does not, by :data:`~ifonly.explainers.causal.pooling.LEAST_GAIN`: it
    changes what happens to the noise when causes move.

    Parameters
    ----------
    parents : ndarray, shape (n, p)
        All finite, in the features' units.
    values : ndarray, shape (n,)
        Of the node, all finite.
    nominal : sequence of bool
        Which parents are unordered categories.
    rng : numpy.random.Generator
    kinds : sequence of str
        From the simplest to the richest.
    forms : sequence of NoiseForm
        That are tried.
    """
    # Drawn at random and not the first ones: logs come in the order of time.
    if len(values) > MOST_ROWS:
        drawn = rng.choice(len(values), size=MOST_ROWS, replace=False)
        parents, values = parents[drawn], values[drawn]
    shapes = _shapes(parents, nominal, rng, kinds)
    # The same folds for all shapes, so that their densities are compared row by row.
    fold = rng.permutation(len(values)) % FOLDS
    densities = {
        form: np.stack([_held_out(parents, values, s, form, fold) for s in shapes], axis=1)
        for form in forms
    }
    weights = {form: shape_weights(densities[form], rng) for form in forms}
    pooled = {form: pooled_density(densities[form], weights[form]) for form in forms}
    form = _likelier(pooled)
    # Shapes of weight 0 were left out by their weights.
    kept = [(s, float(w)) for s, w in zip(shapes, weights[form], strict=True) if w > 0]
    mechanism = _pooled(parents, values, kept, form)
    support = Support.of(shapes[0].candidate.expansion.coordinates, parents, rng)
    return Learned(
        kept[-1][0].kind,
        replace(mechanism, support=support),
        _likelihoods(shapes, densities),
        pooled[form],
        fold,
    )


def _likelier(pooled: Mapping[NoiseForm, Array]) -> NoiseForm:
    form = max(pooled, key=lambda form: float(pooled[form].mean()))
    plain = pooled.get(NoiseForm.ADDITIVE)
    # The lower end of what it gains: with many rows a difference of no use is significant.
    if plain is None or gain(plain, pooled[form])[0] > LEAST_GAIN:
        return form
    return NoiseForm.ADDITIVE


def _likelihoods(
    shapes: Sequence[_Shape], densities: Mapping[NoiseForm, Array]
) -> dict[str, float]:
    found: dict[str, float] = {}
    for form, table in densities.items():
        for shape, mean in zip(shapes, table.mean(axis=0).tolist(), strict=True):
            key = f"{shape.kind}/{form}"
            found[key] = max(mean, found.get(key, mean))
    return found


def _held_out(
    parents: Array,
    values: Array,
    shape: _Shape,
    form: NoiseForm,
    fold: npt.NDArray[np.signedinteger[Any]],
) -> Array:
    """Log density of every value by the mechanism fitted without its fold, ``(n,)``."""
    density = np.empty(len(values))
    for k in range(FOLDS):
        out = fold == k
        mechanism = _fitted(parents[~out], values[~out], shape, form)
        density[out] = log_density(mechanism, parents[out], values[out])
    return density


def log_density(mechanism: Mechanism, parents: Array, values: Array) -> Array:
    """Log density of values given their causes, were the noise normal.

    What the location is unsure of counts as noise.

    Parameters
    ----------
    mechanism : Mechanism
    parents : ndarray, shape (n, p)
    values : ndarray, shape (n,)

    Returns
    -------
    ndarray, shape (n,)
        In nats.
    """
    noise = 1.0 if mechanism.noise is None else mechanism.noise.sd
    variance = (mechanism.scale(parents) * noise) ** 2
    if isinstance(mechanism.location, Basis):
        # Else few rows would make a sure function out of a guess.
        variance = variance + mechanism.location.sd(parents) ** 2
    gap = values - mechanism.location(parents)
    return np.asarray(-0.5 * (np.log(2.0 * np.pi * variance) + gap**2 / variance))


@dataclass(frozen=True, eq=False)
class _Shape:
    """Basis functions of location and log scale, placed where the parents are."""

    kind: str
    candidate: Candidate
    scale: Candidate


def _shapes(
    parents: Array, nominal: Sequence[bool], rng: np.random.Generator, kinds: Sequence[str]
) -> list[_Shape]:
    coordinates = standardised(parents, nominal)
    z = coordinates(parents)
    scale = scale_candidate(coordinates, z)
    return [
        _Shape(kind, candidate, scale)
        for kind in kinds
        for candidate in _candidates(kind, coordinates, z, rng)
    ]


def _candidates(
    kind: str, coordinates: Coordinates, z: Array, rng: np.random.Generator
) -> list[Candidate]:
    if kind == "linear":
        return [linear_candidate(coordinates)]
    if kind == "polynomial":
        return polynomial_candidates(coordinates, z)
    return basis_candidates(coordinates, z, rng)


def _fitted(parents: Array, values: Array, shape: _Shape, form: NoiseForm) -> Mechanism:
    """One shape; its noise is normal, with the standard deviation that the fit leaves to it."""
    candidate, wide = shape.candidate, shape.scale
    centre, spread = float(values.mean()), float(values.std()) or 1.0
    # Standardised, because priors are about weights of a spread near 1.
    target, features = (values - centre) / spread, candidate.expansion(parents)
    scale: Basis | None = None
    if form is NoiseForm.ADDITIVE:
        posterior = fit_location(features, target, candidate.groups)
    else:
        posterior, log_scale = fit_both(
            features, target, candidate.groups, wide.expansion(parents), wide.groups
        )
        # The scale speaks of the standardised target; its shift brings the unit back.
        scale = Basis(wide.expansion, log_scale.mean, log_scale.root, float(np.log(spread)), 1.0)
    # The scale takes the weights back to the node's unit.
    location = Basis(candidate.expansion, posterior.mean, posterior.root, centre, spread)
    return Mechanism(location, scale, Noise(posterior.noise * (spread if scale is None else 1.0)))


def _pooled(
    parents: Array, values: Array, kept: Sequence[tuple[_Shape, float]], form: NoiseForm
) -> Mechanism:
    """The shapes as one mechanism; its noise has the shape of the residuals."""
    fitted = [_fitted(parents, values, shape, form) for shape, _ in kept]
    weights = [weight for _, weight in kept]
    locations = [m.location for m in fitted if isinstance(m.location, Basis)]
    scales = [m.log_scale for m in fitted if isinstance(m.log_scale, Basis)]
    bare = Mechanism(pool(locations, weights), pool(scales, weights) if scales else None)
    # The mixture's noise: the mean of the variances, not of the standard deviations.
    variance = sum(
        w * m.noise.sd**2 for w, m in zip(weights, fitted, strict=True) if m.noise is not None
    )
    return replace(bare, noise=noise_sample(bare.noise_of(parents, values), float(variance**0.5)))


def noise_sample(residuals: Array, sd: float) -> Noise:
    """Noise with standard deviation ``sd`` and the shape of ``residuals``."""
    centred = residuals - residuals.mean()
    own = float(centred.std())
    # Residuals of a fit are a little too small; the shape is theirs, the size the posterior's.
    if own > 0:
        centred *= sd / own
    return Noise(sd, quantiles(centred))


def quantiles(values: Array) -> Array:
    """At most :data:`SAMPLE` of ``values`` that stand for all, each at its quantile."""
    n = min(SAMPLE, len(values))
    # The middle of each of n equal parts, so that the ends are not the extremes alone.
    at = (np.arange(n) + 0.5) / n
    return np.asarray(np.quantile(values, at, method="inverted_cdf"))

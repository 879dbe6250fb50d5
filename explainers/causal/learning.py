"""One mechanism learned from rows: several kinds are tried, the held-out likelihood decides."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

from explainers.causal.basis import Basis, Coordinates
from explainers.causal.candidates import (
    Candidate,
    basis_candidates,
    linear_candidate,
    polynomial_candidates,
    scale_candidate,
    standardised,
)
from explainers.causal.function import Array
from explainers.causal.mechanism import Mechanism, Noise, NoiseForm
from explainers.causal.regression import Posterior, fit_both, fit_location
from explainers.causal.support import Support

KINDS = ("linear", "polynomial", "basis")
FOLDS = 5
MOST_ROWS = 20_000
"""Rows that one mechanism is fitted to; of more, some are drawn."""
LEAST_GAIN = 0.01
"""Nats a row: less is of no use, even where many rows show it."""
SAMPLE = 400
"""Values of the noise that are kept."""


@dataclass(frozen=True, eq=False)
class Learned:
    """A mechanism, and how it was chosen."""

    kind: str
    mechanism: Mechanism
    likelihoods: Mapping[str, float]
    """Mean log density of held-out values by what was tried, ``kind/noise``, in the node's
    unit; larger is better."""


def learn(
    parents: Array,
    values: Array,
    nominal: Sequence[bool],
    rng: np.random.Generator,
    kinds: Sequence[str] = KINDS,
    forms: Sequence[NoiseForm] = tuple(NoiseForm),
) -> Learned:
    """The mechanism from ``parents``, ``(n, p)``, to ``values``, ``(n,)``; all finite.

    ``nominal`` tells which parents are unordered categories; ``kinds`` stand from the simplest
    to the richest. The simplest is kept that is *surely* as likely as the richest, but for
    :data:`LEAST_GAIN`: a shape that is too simple is wrong without knowing it, one that is too
    rich says in its posterior what it does not know. Noise
    that scales must surely be likelier than noise that does not, by as much: it changes what
    happens to the noise when causes move.
    """
    if len(values) > MOST_ROWS:
        drawn = rng.choice(len(values), size=MOST_ROWS, replace=False)
        parents, values = parents[drawn], values[drawn]
    designs = {kind: _design(parents, values, nominal, rng, kind) for kind in kinds}
    fold = rng.permutation(len(values)) % FOLDS
    densities = {
        (form, kind): _held_out(parents, values, designs[kind], form, fold)
        for form in forms
        for kind in kinds
    }
    means = {key: float(density.mean()) for key, density in densities.items()}
    chosen = {form: _kind_of(kinds, {k: densities[form, k] for k in kinds}) for form in forms}
    form = max(forms, key=lambda form: means[form, chosen[form]])
    if NoiseForm.ADDITIVE in chosen and form is not NoiseForm.ADDITIVE:
        plain = densities[NoiseForm.ADDITIVE, chosen[NoiseForm.ADDITIVE]]
        least, _ = _gain(plain, densities[form, chosen[form]])
        form = form if least > LEAST_GAIN else NoiseForm.ADDITIVE
    kind = chosen[form]
    mechanism = _fitted(parents, values, designs[kind], form)
    return Learned(
        kind,
        _supported(mechanism, designs[kind], parents, rng),
        {f"{kind}/{form}": mean for (form, kind), mean in means.items()},
    )


def fit_mechanism(
    parents: Array,
    values: Array,
    nominal: Sequence[bool],
    rng: np.random.Generator,
    kind: str,
    form: NoiseForm,
) -> Mechanism:
    """The mechanism of one kind and one form of noise; otherwise as :func:`learn`."""
    design = _design(parents, values, nominal, rng, kind)
    return _supported(_fitted(parents, values, design, form), design, parents, rng)


def _supported(
    mechanism: Mechanism, design: _Design, parents: Array, rng: np.random.Generator
) -> Mechanism:
    coordinates = design.candidate.expansion.coordinates
    return replace(mechanism, support=Support.of(coordinates, parents, rng))


def _kind_of(kinds: Sequence[str], densities: Mapping[str, Array]) -> str:
    richest = kinds[-1]
    for kind in kinds:
        if _gain(densities[kind], densities[richest])[1] < LEAST_GAIN:
            return kind
    return richest


def _gain(density: Array, other: Array) -> tuple[float, float]:
    """Two standard errors below and above what ``other`` gains in mean log density."""
    gap = other - density
    error = 2.0 * float(gap.std()) / np.sqrt(len(gap))
    return float(gap.mean()) - error, float(gap.mean()) + error


def _held_out(
    parents: Array,
    values: Array,
    design: _Design,
    form: NoiseForm,
    fold: npt.NDArray[np.signedinteger[Any]],
) -> Array:
    """Log density of every value by the mechanism fitted without its fold, ``(n,)``."""
    density = np.empty(len(values))
    for k in range(FOLDS):
        out = fold == k
        mechanism = _fitted(parents[~out], values[~out], design, form)
        density[out] = log_density(mechanism, parents[out], values[out])
    return density


def log_density(mechanism: Mechanism, parents: Array, values: Array) -> Array:
    """Of ``values`` given ``parents``, were the noise normal; ``(n,)``.

    What the location is unsure of counts as noise.
    """
    noise = 1.0 if mechanism.noise is None else mechanism.noise.sd
    variance = (mechanism.scale(parents) * noise) ** 2
    if isinstance(mechanism.location, Basis):
        variance = variance + mechanism.location.sd(parents) ** 2
    gap = values - mechanism.location(parents)
    return np.asarray(-0.5 * (np.log(2.0 * np.pi * variance) + gap**2 / variance))


@dataclass(frozen=True, eq=False)
class _Design:
    """Basis functions of location and log scale, placed where the parents are."""

    candidate: Candidate
    scale: Candidate


def _design(
    parents: Array, values: Array, nominal: Sequence[bool], rng: np.random.Generator, kind: str
) -> _Design:
    """Of the candidates of one kind the one with the largest evidence."""
    coordinates = standardised(parents, nominal)
    z = coordinates(parents)
    candidates = _candidates(kind, coordinates, z, rng)
    if len(candidates) > 1:
        target = (values - values.mean()) / (float(values.std()) or 1.0)
        evidences = [
            fit_location(c.expansion(parents), target, c.groups).evidence for c in candidates
        ]
        candidates = [candidates[int(np.argmax(evidences))]]
    return _Design(candidates[0], scale_candidate(coordinates, z))


def _candidates(
    kind: str, coordinates: Coordinates, z: Array, rng: np.random.Generator
) -> list[Candidate]:
    if kind == "linear":
        return [linear_candidate(coordinates)]
    if kind == "polynomial":
        return polynomial_candidates(coordinates, z)
    return basis_candidates(coordinates, z, rng)


def _fitted(parents: Array, values: Array, design: _Design, form: NoiseForm) -> Mechanism:
    candidate, wide = design.candidate, design.scale
    centre, spread = float(values.mean()), float(values.std()) or 1.0
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
    location = Basis(candidate.expansion, posterior.mean, posterior.root, centre, spread)
    bare = Mechanism(location, scale)
    return replace(bare, noise=_noise(bare, posterior, parents, values, spread))


def _noise(
    mechanism: Mechanism, posterior: Posterior, parents: Array, values: Array, spread: float
) -> Noise:
    """Residuals as fitted, widened to the standard deviation that the fit leaves in the noise."""
    residuals = mechanism.noise_of(parents, values)
    sd = posterior.noise * (spread if mechanism.log_scale is None else 1.0)
    return noise_sample(residuals, sd)


def noise_sample(residuals: Array, sd: float) -> Noise:
    """Noise with standard deviation ``sd`` and the shape of ``residuals``."""
    centred = residuals - residuals.mean()
    own = float(centred.std())
    if own > 0:
        centred *= sd / own
    return Noise(sd, quantiles(centred))


def quantiles(values: Array) -> Array:
    """At most :data:`SAMPLE` of ``values`` that stand for all, each at its quantile."""
    n = min(SAMPLE, len(values))
    at = (np.arange(n) + 0.5) / n
    return np.asarray(np.quantile(values, at, method="inverted_cdf"))

"""How likely rows are that were not fitted, node by node, whatever the shape of the noise.

The density of a node given its causes tells directions apart where noise is not normal or a law is
bent: turned round, the noise depends on the cause, and no law of this form is as likely. So the
noise's shape must count, of roots too; a normal density would see lines and nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from explainers.causal.candidates import quick_candidate, scale_candidate, standardised
from explainers.causal.function import Array
from explainers.causal.learning import FOLDS
from explainers.causal.mechanism import NoiseForm
from explainers.causal.pooling import LEAST_GAIN, gain
from explainers.causal.regression import fit_both, fit_location
from models.predictor import Rows

MOST_ROWS = 2000
"""Rows that count; of more, some are drawn. Shapes of laws and of noise are never quite right, and
logged rows are not independent: what more rows would add is certainty about that."""
LEAST_SPREAD = 1e-3
"""Part of a column's spread below which noise is rounding: of that, direction tells nothing."""


@dataclass(frozen=True, eq=False)
class _NodeFit:
    noise: Array
    density: Array


class HeldOutDensity:
    """Log density of each row, by what was fitted without the row; kept once computed."""

    def __init__(self, rows: Rows, nominal: Sequence[bool], rng: np.random.Generator) -> None:
        """``rows`` ``(n, d)``; those with missing readings are left out."""
        rows = rows[np.isfinite(rows).all(axis=1)]
        self._rows = rows[rng.permutation(len(rows))[:MOST_ROWS]]
        self._nominal = nominal
        # The same folds for all nodes and graphs, so that densities are compared row by row.
        self._fold = np.arange(len(self._rows)) % FOLDS
        self._known: dict[tuple[int, frozenset[int]], _NodeFit] = {}

    def __len__(self) -> int:
        return len(self._rows)

    def of(self, j: int, causes: frozenset[int]) -> Array:
        """Of column ``j`` given ``causes``, in units of its spread: ``(n,)``, in nats."""
        return self._fit(j, causes).density

    def noise(self, j: int, causes: frozenset[int]) -> Array:
        """What each row's value of ``j`` is beyond its law, by the law's scale: ``(n,)``."""
        return self._fit(j, causes).noise

    def _fit(self, j: int, causes: frozenset[int]) -> _NodeFit:
        if (j, causes) not in self._known:
            self._known[j, causes] = self._likelier(j, sorted(causes))
        return self._known[j, causes]

    def graph(self, parents: Sequence[Sequence[int]]) -> Array:
        """Of all columns whose causes are ``parents``, by column: ``(n,)``."""
        each = [self.of(j, frozenset(causes)) for j, causes in enumerate(parents)]
        return np.asarray(np.sum(each, axis=0))

    def _likelier(self, j: int, causes: list[int]) -> _NodeFit:
        y = self._rows[:, j]
        target = (y - y.mean()) / (float(y.std()) or 1.0)
        if not causes:
            return self._shaped(target, np.ones(len(target)))
        plain, scaled = (self._given(target, causes, form) for form in NoiseForm)
        # Noise that scales must surely be likelier, as where mechanisms are learned.
        return scaled if gain(plain.density, scaled.density)[0] > LEAST_GAIN else plain

    def _given(self, target: Array, causes: list[int], form: NoiseForm) -> _NodeFit:
        x = self._rows[:, causes]
        coordinates = standardised(x, [self._nominal[i] for i in causes])
        z = coordinates(x)
        candidate, wide = quick_candidate(coordinates, z), scale_candidate(coordinates, z)
        features, scales = candidate.expansion(x), wide.expansion(x)
        gap, spread = np.empty(len(target)), np.empty(len(target))
        for k in range(FOLDS):
            out = self._fold == k
            if form is NoiseForm.ADDITIVE:
                location = fit_location(features[~out], target[~out], candidate.groups)
                scale = np.full(int(out.sum()), location.noise)
            else:
                location, log_scale = fit_both(
                    features[~out], target[~out], candidate.groups, scales[~out], wide.groups
                )
                scale = np.exp(scales[out] @ log_scale.mean) * location.noise
            gap[out] = target[out] - features[out] @ location.mean
            # What the law is unsure of counts as noise.
            spread[out] = np.sqrt(scale**2 + location.variance(features[out]))
        return self._shaped(gap, spread)

    def _shaped(self, gap: Array, spread: Array) -> _NodeFit:
        """Noise ``gap`` of size ``spread``, the density's shape that of the other folds."""
        spread = np.maximum(spread, LEAST_SPREAD)
        noise, density = gap / spread, np.empty(len(gap))
        for k in range(FOLDS):
            out = self._fold == k
            density[out] = _density(noise[~out], noise[out])
        return _NodeFit(noise, np.log(density) - np.log(spread))


def _density(seen: Array, noise: Array) -> Array:
    """Half a normal and half a kernel density of what was ``seen``: few rows tell no shape, and
    beyond all that were seen the kernels vanish."""
    sd = max(float(seen.std()), LEAST_SPREAD)
    quartiles = np.quantile(seen, [0.25, 0.75])
    # Silverman's rule; the quartiles, as several peaks or outliers blow the deviation up.
    size = min(sd, float(quartiles[1] - quartiles[0]) / 1.349) or sd
    width = max(0.9 * size * len(seen) ** -0.2, LEAST_SPREAD)
    kernels = _normal((noise[:, None] - seen) / width).mean(axis=1) / width
    normal = _normal((noise - seen.mean()) / sd) / sd
    return np.asarray(np.maximum(0.5 * kernels + 0.5 * normal, np.finfo(float).tiny))


def _normal(z: Array) -> Array:
    return np.asarray(np.exp(-0.5 * z * z) / np.sqrt(2.0 * np.pi))

"""How likely rows are that were not fitted, node by node, whatever the shape of the noise.

The density of a node given its causes tells directions apart where noise is not normal or a law is
bent: turned round, the noise depends on the cause, and no law of this form is as likely. So the
noise's shape must count, of roots too; a normal density would see lines and nothing else.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ifonly.explainers.causal.candidates import quick_candidate, scale_candidate, standardised
from ifonly.explainers.causal.function import Array
from ifonly.explainers.causal.learning import FOLDS
from ifonly.explainers.causal.mechanism import NoiseForm
from ifonly.explainers.causal.pooling import LEAST_GAIN, gain
from ifonly.explainers.causal.regression import fit_both, fit_location
from ifonly.models.predictor import Rows

MOST_ROWS = 2000
"""Rows that count; of more, some are drawn. Shapes of laws and of noise are never quite right, and
logged rows are not independent: what more rows would add is certainty about that."""
LEAST_ROWS = 50
"""Fewer say nothing of a direction."""
WIDTHS = (1.0, 0.5, 0.25, 0.125)
"""Of kernels, by that which is right for a normal shape."""
MOST_POINTS, ROUNDS, SMOOTH = 4000, 30, 100
COARSE = 0.05
"""Share of rows with one value from which on a column is coarse: of what is counted, cut off or
switched the shape is no noise's, and says nothing of who acts on whom."""
LEAST_SPREAD = 1e-3
"""Part of a column's spread below which noise is rounding: of that, direction tells nothing."""


@dataclass(frozen=True, eq=False)
class _NodeFit:
    noise: Array
    density: Array


class HeldOutDensity:
    """Log density of each row, by what was fitted without the row; kept once computed."""

    def __init__(self, rows: Rows, nominal: Sequence[bool], rng: np.random.Generator) -> None:
        """``rows`` ``(n, d)``; those with missing readings are left out.

        Raises
        ------
        ValueError
            If too few are left.
        """
        rows = rows[np.isfinite(rows).all(axis=1)]
        if len(rows) < LEAST_ROWS:
            raise ValueError(f"{len(rows)} rows are complete, the least is {LEAST_ROWS}")
        self._rows = rows[rng.permutation(len(rows))[:MOST_ROWS]]
        self._nominal = nominal
        self.coarse = frozenset(j for j, x in enumerate(self._rows.T) if _commonest(x) >= COARSE)
        """Columns whose density is a normal one, whatever its shape."""
        # Rounded values stand on a grid, which kernels would take for the shape of a root's noise.
        self._read = np.stack([_between(x, rng) for x in self._rows.T], axis=1)
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
        y, is_coarse = self._read[:, j], j in self.coarse
        target = (y - y.mean()) / (float(y.std()) or 1.0)
        if not causes:
            return self._shaped(target, np.ones(len(target)), is_coarse)
        plain, scaled = (
            self._shaped(*self._given(target, causes, form), is_coarse) for form in NoiseForm
        )
        # Noise that scales must surely be likelier, as where mechanisms are learned.
        return scaled if gain(plain.density, scaled.density)[0] > LEAST_GAIN else plain

    def _given(self, target: Array, causes: list[int], form: NoiseForm) -> tuple[Array, Array]:
        """What the law misses each value by, and how far that is expected, both ``(n,)``."""
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
        return gap, spread

    def _shaped(self, gap: Array, spread: Array, is_coarse: bool) -> _NodeFit:
        """Noise ``gap`` of size ``spread``, the density's shape that of the other folds."""
        spread = np.maximum(spread, LEAST_SPREAD)
        noise = gap / spread
        each = np.empty((len(gap), 1 + len(WIDTHS)))
        for k in range(FOLDS):
            out = self._fold == k
            each[out] = _densities(noise[~out], noise[out])
        density = np.empty(len(gap))
        for k in range(FOLDS):
            out = self._fold == k
            density[out] = each[out, 0] if is_coarse else each[out] @ _shares(each[~out])
        return _NodeFit(noise, np.log(density) - np.log(spread))


def _commonest(values: Array) -> float:
    """Share of the value that is there most often."""
    return float(np.unique(values, return_counts=True)[1].max()) / len(values)


def _between(values: Array, rng: np.random.Generator) -> Array:
    """Values that were rounded, each anywhere within the step that it was rounded to."""
    distinct = np.unique(values)
    # Where hardly any value is there twice nothing was rounded; a constant has no step.
    if len(distinct) < 2 or len(distinct) > 0.9 * len(values):
        return values
    step = float(np.median(np.diff(distinct)))
    return np.asarray(values + rng.uniform(-0.5 * step, 0.5 * step, len(values)))


def _densities(seen: Array, noise: Array) -> Array:
    """A normal density of what was ``seen``, and one of kernels for each of :data:`WIDTHS`: ``(n,
    k)``. The normal one, as few rows tell no shape, and as kernels vanish beyond all that was seen;
    several widths, as one that is right for a peak is wrong for an edge."""
    sd = max(float(seen.std()), LEAST_SPREAD)
    quartiles = np.quantile(seen, [0.25, 0.75])
    # The quartiles, as several peaks or outliers blow the deviation up.
    size = min(sd, float(quartiles[1] - quartiles[0]) / 1.349) or sd
    # Silverman's rule for a normal shape.
    widest = 0.9 * size * len(seen) ** -0.2
    each = [_normal((noise - seen.mean()) / sd) / sd]
    each += [_kernels(seen, noise, max(share * widest, LEAST_SPREAD)) for share in WIDTHS]
    return np.maximum(np.stack(each, axis=1), np.finfo(float).tiny)


def _kernels(seen: Array, noise: Array, width: float) -> Array:
    """Mean of normal kernels about what was ``seen``, on a grid."""
    low, high = seen.min() - 4.0 * width, seen.max() + 4.0 * width
    n = int(np.clip(4.0 * (high - low) / width, 64, MOST_POINTS))
    edges = np.linspace(low, high, n + 1)
    step = edges[1] - edges[0]
    middles = edges[:-1] + 0.5 * step
    counts = np.histogram(seen, edges)[0] / len(seen)
    reach = min(int(np.ceil(4.0 * width / step)), n - 1)
    kernel = _normal(np.arange(-reach, reach + 1) * step / width)
    density = np.convolve(counts, kernel / (kernel.sum() * step), mode="full")[reach : reach + n]
    return np.asarray(np.interp(noise, middles, density, left=0.0, right=0.0))


def _shares(each: Array) -> Array:
    """Of each density in the likeliest mixture, ``(k,)``, by expectation maximisation; the normal
    and the widest begin with :data:`SMOOTH` rows, or narrow kernels would fit what is chance."""
    shares = np.full(each.shape[1], 1.0 / each.shape[1])
    first = np.zeros(each.shape[1])
    first[:2] = SMOOTH / 2
    for _ in range(ROUNDS):
        parts = each * shares
        counts = first + (parts / parts.sum(axis=1, keepdims=True)).sum(axis=0)
        shares = counts / counts.sum()
    return np.asarray(shares)


def _normal(z: Array) -> Array:
    return np.asarray(np.exp(-0.5 * z * z) / np.sqrt(2.0 * np.pi))

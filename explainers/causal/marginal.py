"""A node's noise as a normal score, and back: by what is known of how it is distributed.

``z = Phi^-1(F(u))``. Of a kept sample F is a line between its values, each at its mid-rank, and
beyond the least and greatest goes on with the slope of a normal distribution of its spread:
strictly increasing, so that what is told apart stays told apart.
"""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

from ifonly.explainers.causal.function import Array
from ifonly.explainers.causal.mechanism import Noise

NORMAL = NormalDist()


def quantiles(levels: Array) -> Array:
    """Standard normal quantiles of ``levels``, each between 0 and 1."""
    return np.array([NORMAL.inv_cdf(level) for level in levels.tolist()], dtype=np.float64)


@dataclass(frozen=True, eq=False)
class Marginal:
    """Noise as a function of its normal score."""

    scores: Array
    """``(m,)``, rising: normal scores of :attr:`values`."""
    values: Array
    """``(m,)``, rising."""
    sd: float
    """Slope beyond both ends; above 0."""

    @classmethod
    def of(cls, noise: Noise) -> Marginal | None:
        """None: it does not vary, so that nothing of it can be otherwise."""
        if not noise.sd > 0.0:
            return None
        if noise.sample is None:
            return cls(np.zeros(1), np.zeros(1), noise.sd)
        values, counts = np.unique(noise.sample, return_counts=True)
        # Values that were seen several times stand in the middle of their ranks.
        middle = (np.cumsum(counts) - 0.5 * counts) / counts.sum()
        return cls(quantiles(middle), values, noise.sd)

    def score(self, noise: Array) -> Array:
        """Normal scores of ``noise``, of any shape; NaN of NaN."""
        return self._map(noise, self.values, self.scores, 1.0 / self.sd)

    def noise(self, score: Array) -> Array:
        """The inverse of :meth:`score`."""
        return self._map(score, self.scores, self.values, self.sd)

    def _map(self, x: Array, at: Array, to: Array, slope: float) -> Array:
        below, above = np.minimum(x - at[0], 0.0), np.maximum(x - at[-1], 0.0)
        return np.asarray(np.interp(x, at, to) + slope * (below + above))

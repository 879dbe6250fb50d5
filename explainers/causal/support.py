"""Where a mechanism was seen at work: beyond it, what it says is extrapolation."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ifonly.explainers.causal.basis import Coordinates
from ifonly.explainers.causal.function import Array

POINTS = 300
"""Rows kept of those seen."""
NEIGHBOURS = 3
QUANTILE = 0.995
"""Share of fresh rows of the same kind that count as seen."""


@dataclass(frozen=True, eq=False)
class Support:
    """Parents are *seen* while the mean distance to the nearest rows seen, in standard
    deviations, is no more than it was for rows that were held out (Ramaswamy et al. 2000)."""

    coordinates: Coordinates
    points: Array
    """``(m, c)``: coordinates of rows seen."""
    limit: float

    def distance(self, parents: Array) -> Array:
        """``(n,)``: mean distance of each row of parents, ``(n, p)``, to the nearest points."""
        z = self.coordinates(parents)
        squares = (z * z).sum(axis=1)[:, None] - 2.0 * z @ self.points.T
        squares += (self.points**2).sum(axis=1)
        k = min(NEIGHBOURS, len(self.points))
        # Multiplied out, a distance of 0 may come out slightly negative.
        nearest = np.partition(np.maximum(squares, 0.0), k - 1, axis=1)[:, :k]
        return np.asarray(np.sqrt(nearest).mean(axis=1))

    def outside(self, parents: Array) -> npt.NDArray[np.bool_]:
        """Which rows of parents are farther than what was seen, ``(n,)``; NaN is."""
        # Written so that NaN, a cause that cannot be told, is outside.
        return np.asarray(~(self.distance(parents) <= self.limit))

    @classmethod
    def of(cls, coordinates: Coordinates, parents: Array, rng: np.random.Generator) -> Support:
        """The support of mechanisms that saw rows ``parents``, ``(n, p)``: some are kept as
        points, and others say how far from them a row may be."""
        order = rng.permutation(len(parents))
        kept = order[: min(POINTS, max(1, len(parents) // 2))]
        others = order[len(kept) :][:2000]
        known = cls(coordinates, coordinates(parents[kept]), np.inf)
        # Of rows that are not among the points, or the nearest would be the row itself.
        fresh = known.distance(parents[others] if len(others) else parents)
        return cls(coordinates, known.points, float(np.quantile(fresh, QUANTILE)))

"""What the tables say of boxes of rows, many at a time: may one be in the target, are all?"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from itertools import product

import numpy as np
import numpy.typing as npt

from ifonly.explainers.constraints import Mask
from ifonly.explainers.errors import NotEligible
from ifonly.explainers.native import kernel
from ifonly.explainers.problem import Problem
from ifonly.explainers.search.trees.ensemble_targets import EnsembleTarget
from ifonly.explainers.search.trees.layout import Layout
from ifonly.models.predictor import Rows

Cells = npt.NDArray[np.int32]

MOST_CORNERS = 64
"""Directions in which all sensors may be off at once that are tried."""


@dataclass(frozen=True, eq=False)
class TreeReach:
    """One target of one ensemble, for boxes of rows: from a least to a greatest number of every
    feature, both ends included; a category or a missing reading is the same at both ends."""

    layout: Layout
    own: EnsembleTarget
    survives: Callable[[Problem, Rows], Mask]
    """Which rows survive the sensors, proven row by row."""

    def check(self, columns: list[int]) -> None:
        """Raises
        ------
        NotEligible
            If the graph does not read one of ``columns`` in order, so that two ends say nothing of
            what is between them.
        """
        for j in columns:
            feature = self.layout.schema.features[j]
            if feature.kind.is_categorical:
                continue
            if not np.isfinite([feature.lower, feature.upper]).all():
                raise NotEligible("trees", f"{feature.name} has no bounds")
            self.layout.spread(j, feature.lower)

    def may(self, lower: Rows, upper: Rows) -> Mask:
        """Which boxes may hold a row in the target, ``(m,)``; both ``(m, n_features)``."""
        least, _ = self.sums(lower, upper)
        limits = self.own.limits
        return np.asarray((least <= limits.limit + limits.band).all(axis=1))

    def must(self, lower: Rows, upper: Rows) -> Mask:
        """Of which boxes every row is in the target, ``(m,)``."""
        _, greatest = self.sums(lower, upper)
        limits = self.own.limits
        return np.asarray((greatest < limits.limit - limits.band).all(axis=1))

    def tell(self, rows: Rows) -> tuple[Mask, Mask]:
        """Which rows are in the target, and of which that is known: of the others the sum is within
        rounding of its edge; both ``(m,)``."""
        cells = self.cells(rows)
        sums, _ = self._over(cells, cells)
        limits = self.own.limits
        inside = np.asarray((sums < limits.limit - limits.band).all(axis=1))
        outside = np.asarray((sums > limits.limit + limits.band).any(axis=1))
        return inside, inside | outside

    def sums(self, lower: Rows, upper: Rows) -> tuple[Rows, Rows]:
        """Least and greatest sums over boxes of rows, ``(m, n_goals)``; both ``(m,
        n_features)``."""
        one, other = self.cells(lower), self.cells(upper)
        # A graph may read a feature upside down.
        return self._over(np.minimum(one, other), np.maximum(one, other))

    def _over(self, lo: Cells, hi: Cells) -> tuple[Rows, Rows]:
        """Least and greatest sums over boxes of cells, ``(m, n_goals)``."""
        shape = len(lo), len(self.own.limits.limit)
        least, greatest = np.empty(shape), np.empty(shape)
        kernel.sum_bounds(self.own.tables.native, lo, hi, least, greatest)
        return least, greatest

    def cells(self, rows: Rows) -> Cells:
        """The cell of every value, ``(m, n_features)``."""
        if not len(rows):
            return np.empty(rows.shape, np.int32)
        cells = self.layout.cells_of(list(rows.T))
        return np.ascontiguousarray(np.stack(cells, axis=1))

    def survive(self, rows: Rows, tolerances: tuple[float, ...]) -> tuple[Mask, Mask]:
        """Which rows survive the sensors, and of which that is known, both ``(m,)``: those that do
        by a bound of all readings, and those that do not by readings at the corners."""
        n = rows.shape[1]
        ends = [self.cells(self.shifted(rows, tolerances, (s,) * n)) for s in (-1, 1)]
        limits = self.own.limits
        lo, hi = np.minimum(*ends), np.maximum(*ends)
        inside = self._over(lo, hi)[1] < limits.limit - limits.band
        found: Mask = np.asarray(inside.all(axis=1))
        doubtful = np.flatnonzero(~found)
        which = self._corners_of(tolerances)
        corners = np.where(which, hi[doubtful, None, :], lo[doubtful, None, :]).reshape(-1, n)
        corners = np.ascontiguousarray(corners)
        least = self._over(corners, corners)[0].reshape(
            len(doubtful), len(which), len(limits.limit)
        )
        lost = (least > limits.limit + limits.band).any(axis=(1, 2))
        is_known = found.copy()
        is_known[doubtful[lost]] = True
        return found, is_known

    def shifted(self, rows: Rows, tolerances: tuple[float, ...], senses: tuple[int, ...]) -> Rows:
        """The reading of every row with each sensor as far off as it may be, the way that
        ``senses`` says (-1, 1; 0: not at all)."""
        found = rows.copy()
        for j, (off, sense) in enumerate(zip(tolerances, senses, strict=True)):
            if off and sense:
                found[:, j] = self.layout.readings(j, rows[:, j], off, sense * np.inf)
        return found

    def _corners_of(self, tolerances: tuple[float, ...]) -> Mask:
        """Directions in which the sensors may all be off at once, upward or not, ``(c, d)``."""
        each = product(*((False, True) if off else (False,) for off in tolerances))
        return np.array([senses for senses, _ in zip(each, range(MOST_CORNERS), strict=False)])

"""The nearest of some points over boxes: which are among them for sure, which may be."""

from __future__ import annotations

from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from ifonly.explainers.search.composed.hulls import Floats, Hull

Masks = npt.NDArray[np.bool_]


@dataclass(frozen=True, eq=False)
class Members:
    """``k`` numbers a row, in an order that nobody asks for: those that a table has for the points
    that are among the nearest."""

    sure: Masks
    """``(n_boxes, n_points)``: among the nearest of every row of the box."""
    may: Masks
    """Among the nearest of some row, for all that is known."""
    k: int
    table: Floats
    """``(n_points,)``: a number for each point."""

    def through(self, table: npt.ArrayLike) -> Members:
        """The same members with other numbers."""
        return replace(self, table=np.asarray(table, dtype=np.float64))

    def total(self) -> Hull:
        """Sums of the numbers, ``(n_boxes,)``."""
        order = np.argsort(self.table, kind="stable")
        low = self._least(order)
        high = self._least(order[::-1])
        return Hull.between(low, high)

    def _least(self, order: npt.NDArray[np.intp]) -> Floats:
        """Sum of the sure ones' and of the first others in ``order``, until there are ``k``."""
        open_ = (self.may & ~self.sure)[:, order]
        left = self.k - self.sure.sum(axis=1)
        taken = open_ & (open_.cumsum(axis=1) <= left[:, None])
        return np.asarray(self.sure @ self.table + taken @ self.table[order])


def nearest(distances: Hull, k: int) -> Members:
    """The ``k`` nearest by distances known between two numbers, ``(n_boxes, n_points)``."""
    n = distances.shape[1]
    upper = np.partition(distances.high, k - 1, axis=1)[:, k - 1 : k]
    may = distances.low <= upper
    if k < n:
        # Of those that may be at most as far there are k at most, itself among them.
        lower = np.partition(distances.low, k, axis=1)[:, k : k + 1]
        sure = distances.high < lower
    else:
        sure = np.ones_like(may)
    return Members(sure, may, k, np.arange(n, dtype=np.float64))

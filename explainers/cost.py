"""Proximity: what a change costs. The only definition; engines, verifier and pages call it."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import TypeVar

import numpy as np
import numpy.typing as npt

from ifonly.explainers.space import changed, differing, moved
from ifonly.models.predictor import Row, Rows

Costs = npt.NDArray[np.float64]
Values = TypeVar("Values", float, npt.NDArray[np.float64])
"""One row's, which every answer asks for, in plain numbers: several times as fast; or many's."""


@dataclass(frozen=True)
class FeatureCost:
    """Cost of one feature's change: ``fixed + weight * distance``, and 0 for no change.

    The distance is ``|to - from| / scale`` for numbers (Wachter et al. 2018, eq. 4), the
    steps for ordinal categories, 1 for nominal ones, the entry of ``matrix`` where one is
    declared, and 1 for filling a missing value.
    """

    weight: float = 1.0
    scale: float = 1.0
    fixed: float = 0.0
    matrix: tuple[tuple[float, ...], ...] | None = None
    nominal: bool = False

    def of(self, values: Values, factual: float) -> Values:
        """Cost of moving from ``factual`` to each of ``values``, same shape."""
        cost = self.weight * self._distance(values, factual)
        return cost + self.fixed * moved(values, factual) if self.fixed else cost

    def _distance(self, values: Values, factual: float) -> Values:
        if self.nominal or self.matrix is not None or math.isnan(factual):
            distance: Values = moved(values, factual) * self._step(values, factual)  # type: ignore[assignment]
            return distance
        # Ordinal categories as well: their codes are ranks, so this counts steps.
        return abs(values - factual) / self.scale

    def _step(self, values: Values, factual: float) -> Values | float:
        if math.isnan(factual) or self.matrix is None:
            return 1.0
        declared: Costs = np.array(self.matrix[int(factual)], dtype=np.float64)
        step: Values = declared[np.nan_to_num(values).astype(np.int64)]
        return step

    @property
    def rises(self) -> bool:
        """Whether it never falls with the distance, whatever the value moved from."""
        return self.matrix is None


@dataclass(frozen=True)
class Cost:
    """``sum_j cost_j(a_j) + change_penalty * |changed|`` over the features that are set."""

    features: tuple[FeatureCost, ...]
    change_penalty: float = 0.0
    """Added for every feature that changes: lambda_0, in units of cost."""

    def of_feature(self, column: int, values: Values, factual: float) -> Values:
        """One feature's part, the penalty included; the parts of a row add up to its cost."""
        total = self.features[column].of(values, factual)
        # Here and not in the sum, so that the parts of a row add up to its cost.
        if self.change_penalty:
            total += self.change_penalty * moved(values, factual)
        return total

    def of(self, rows: Rows, factual: Row) -> Costs:
        """Cost of each row, ``(n_rows,)``."""
        if len(rows) == 1:
            return np.array([self._of_one(rows[0].tolist(), factual.tolist())])
        total = np.zeros(len(rows))
        # In schema order and over what changed: the order in which
        # `_of_one` adds, to the last digit.
        for column in np.flatnonzero(changed(rows, factual).any(axis=0)).tolist():
            total += self.of_feature(column, rows[:, column], float(factual[column]))
        return total

    def _of_one(self, row: list[float], before: list[float]) -> float:
        total = 0.0
        for column in differing(row, before):
            total += self.of_feature(column, row[column], before[column])
        return total

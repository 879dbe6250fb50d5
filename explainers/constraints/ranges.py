"""Intervals: where a feature must end, and where it may be set."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from explainers.constraints.base import Cells, Factual, Single
from explainers.space import Axis, is_missing, moved, negation


@dataclass(frozen=True)
class Range(Single):
    """The feature ends within ``[lower, upper]``, wherever it began."""

    lower: float
    upper: float

    def kept(self, cells: Cells, factual: Factual) -> Any:
        after = cells[self.column]
        return (after >= self.lower) & (after <= self.upper) | is_missing(after)

    def cut(self, axis: Axis, factual: float) -> Axis:
        return axis.clip(self.lower, self.upper)


@dataclass(frozen=True)
class Settable(Range):
    """If the feature is set, it is set within ``[lower, upper]``; left alone, it may be outside."""

    of_action = True

    def kept(self, cells: Cells, factual: Factual) -> Any:
        stays = negation(moved(cells[self.column], factual[self.column]))
        return stays | super().kept(cells, factual)

    def cut(self, axis: Axis, factual: float) -> Axis:
        cut = super().cut(axis, factual)
        is_outside = factual < self.lower or factual > self.upper
        return cut.adding(factual) if is_outside and factual in axis else cut

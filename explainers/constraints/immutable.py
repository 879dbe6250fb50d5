"""A feature that keeps its factual value."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from explainers.constraints.base import Cells, Factual, Single
from explainers.space import Axis, moved, negation


@dataclass(frozen=True)
class Immutable(Single):
    """The feature keeps its factual value."""

    of_action = True

    def kept(self, cells: Cells, factual: Factual) -> Any:
        return negation(moved(cells[self.column], factual[self.column]))

    def cut(self, axis: Axis, factual: float) -> Axis:
        return axis.only([factual])

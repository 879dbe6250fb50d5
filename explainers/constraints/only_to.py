"""The only values that a feature may be set to."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from explainers.constraints.base import Cells, Factual, Single, among
from explainers.space import Axis, moved, negation


@dataclass(frozen=True)
class OnlyTo(Single):
    """If the feature changes, it becomes one of ``values`` (a worn tool: 0)."""

    of_action = True

    values: tuple[float, ...]

    def kept(self, cells: Cells, factual: Factual) -> Any:
        after = cells[self.column]
        stays = negation(moved(after, factual[self.column]))
        return among(after, self.values) | stays

    def cut(self, axis: Axis, factual: float) -> Axis:
        return axis.only([*self.values, factual])

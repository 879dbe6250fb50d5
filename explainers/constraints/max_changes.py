"""How many features may change."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from explainers.constraints.base import Axes, Cells, Constraint, Factual
from explainers.space import Axis, moved
from models.predictor import Row


@dataclass(frozen=True)
class MaxChanges(Constraint):
    """At most ``count`` features change."""

    of_action = True

    count: int

    @property
    def columns(self) -> frozenset[int]:
        return frozenset()

    def kept(self, cells: Cells, factual: Factual) -> Any:
        return sum(map(moved, cells, factual)) <= self.count

    def narrow(self, axes: Axes, factual: Row) -> Axes:
        must = [float(x) not in axis for axis, x in zip(axes, factual, strict=True)]
        if sum(must) > self.count:
            return tuple(Axis() for _ in axes)
        if sum(must) < self.count:
            return axes
        return tuple(
            axis if moves else axis.only([float(x)])
            for axis, x, moves in zip(axes, factual, must, strict=True)
        )

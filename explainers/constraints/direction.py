"""A feature that may only rise, or only fall."""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from typing import Any

from explainers.constraints.base import Cells, Factual, Single
from explainers.space import Axis, is_missing


class Sense(StrEnum):
    UP = "up"
    DOWN = "down"


@dataclass(frozen=True)
class Direction(Single):
    """The feature may only rise, or only fall (categories: along their order)."""

    of_action = True

    sense: Sense

    def kept(self, cells: Cells, factual: Factual) -> Any:
        before, after = factual[self.column], cells[self.column]
        if is_missing(before):
            return True
        return after >= before if self.sense is Sense.UP else after <= before

    def cut(self, axis: Axis, factual: float) -> Axis:
        if math.isnan(factual):
            return axis
        if self.sense is Sense.UP:
            return axis.clip(factual, math.inf)
        return axis.clip(-math.inf, factual)

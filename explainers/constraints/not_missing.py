"""A reading that is, and stays, present or absent."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from explainers.constraints.base import Cells, Factual, Single
from explainers.space import Axis, is_missing


@dataclass(frozen=True)
class NotMissing(Single):
    """The feature's reading is, and stays, present or absent as it was."""

    def kept(self, cells: Cells, factual: Factual) -> Any:
        return is_missing(cells[self.column]) == is_missing(factual[self.column])

    def cut(self, axis: Axis, factual: float) -> Axis:
        return axis.only([factual]) if math.isnan(factual) else axis

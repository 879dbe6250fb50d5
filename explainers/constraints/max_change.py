"""How far a feature may move."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

from explainers.constraints.base import Cells, Factual, Single
from explainers.space import Axis, is_missing, slack


@dataclass(frozen=True)
class MaxChange(Single):
    """The feature moves by at most ``amount``, in its unit."""

    of_action = True

    amount: float

    def kept(self, cells: Cells, factual: Factual) -> Any:
        before = float(factual[self.column])
        if is_missing(before):
            return True
        return abs(cells[self.column] - before) <= self.amount + slack(before)

    def cut(self, axis: Axis, factual: float) -> Axis:
        if math.isnan(factual):
            return axis
        return axis.clip(factual - self.amount, factual + self.amount)

"""How far a feature may move."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from ifonly.explainers.constraints.base import Single
from ifonly.explainers.constraints.cells import Cells, Factual, Kept
from ifonly.explainers.constraints.given import Given
from ifonly.explainers.constraints.kind import ConstraintKey, ConstraintKind
from ifonly.explainers.space import Axis, is_missing, slack


@dataclass(frozen=True)
class MaxChange(Single):
    """The feature moves by at most ``amount``, in its unit."""

    of_action = True

    amount: float

    def kept(self, cells: Cells, factual: Factual) -> Kept:
        before = float(factual[self.column])
        # From nothing there is no distance.
        if is_missing(before):
            return True
        # Slack, for the difference of two decimals is off in its last digit.
        kept: Kept = abs(cells[self.column] - before) <= self.amount + slack(before)
        return kept

    def cut(self, axis: Axis, factual: float) -> Axis:
        if math.isnan(factual):
            return axis
        return axis.clip(factual - self.amount, factual + self.amount)


def _read(given: Given) -> Iterator[MaxChange]:
    yield MaxChange(given.number_column(), given.number(), origin=given.origin)


KIND = ConstraintKind(
    MaxChange,
    place=60,
    of_feature=ConstraintKey(
        "max_change",
        {
            "title": "Largest change",
            "description": "The most that it may be changed by, either way, in its unit. "
            "Numbers only.",
            "type": "number",
            "exclusiveMinimum": 0,
        },
        _read,
    ),
    of_request=ConstraintKey(
        "max_change",
        {
            "type": "number",
            "minimum": 0.0,
            "description": "The most that a feature may move by, in its unit.",
        },
        _read,
        by_feature=True,
    ),
)

"""Where a feature may be set."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from ifonly.explainers.constraints.cells import Cells, Factual, Kept
from ifonly.explainers.constraints.forms import OwnValues
from ifonly.explainers.constraints.given import Given
from ifonly.explainers.constraints.kind import ConstraintKey, ConstraintKind
from ifonly.explainers.constraints.ranges import Range
from ifonly.explainers.space import Axis, moved, negation


@dataclass(frozen=True)
class Settable(Range):
    """If the feature is set, it is set within ``[lower, upper]``; left alone, it may be outside."""

    of_action = True

    @cached_property
    def form(self) -> OwnValues:
        return OwnValues(self.column)

    def kept(self, cells: Cells, factual: Factual) -> Kept:
        stays = negation(moved(cells[self.column], factual[self.column]))
        return stays | super().kept(cells, factual)

    def cut(self, axis: Axis, factual: float) -> Axis:
        cut = super().cut(axis, factual)
        # Left alone, it may stay outside: its value is put back.
        is_outside = factual < self.lower or factual > self.upper
        return cut.adding(factual) if is_outside and factual in axis else cut


def _read(given: Given) -> Iterator[Settable]:
    column = given.number_column()
    lower, upper = given.interval()
    yield Settable(column, lower, upper, origin=given.origin)


KIND = ConstraintKind(
    Settable,
    place=50,
    of_feature=ConstraintKey(
        "range",
        {
            "title": "Settable range",
            "description": "Lowest and highest value that may be set, within the feature's "
            "bounds. Numbers only.",
            "$ref": "#/$defs/interval",
        },
        _read,
    ),
)

"""Where a feature must end."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from ifonly.explainers.constraints.base import Single
from ifonly.explainers.constraints.cells import Cells, Factual, Kept
from ifonly.explainers.constraints.forms import OwnValues, Within
from ifonly.explainers.constraints.given import Given
from ifonly.explainers.constraints.kind import ConstraintKey, ConstraintKind
from ifonly.explainers.space import Axis, is_missing


@dataclass(frozen=True)
class Range(Single):
    """The feature ends within ``[lower, upper]``, wherever it began."""

    lower: float
    upper: float

    @cached_property
    def form(self) -> Within | OwnValues:
        return Within(self.column, self.lower, self.upper)

    def kept(self, cells: Cells, factual: Factual) -> Kept:
        after = cells[self.column]
        # Whether a reading may be missing is for another constraint to say.
        return (after >= self.lower) & (after <= self.upper) | is_missing(after)

    def cut(self, axis: Axis, factual: float) -> Axis:
        return axis.clip(self.lower, self.upper)


def _read(given: Given) -> Iterator[Range]:
    lower, upper = given.interval()
    yield Range(given.number_column(), lower, upper, origin=given.origin)


KIND = ConstraintKind(
    Range,
    place=30,
    of_request=ConstraintKey(
        "ranges",
        {"$ref": "interval", "description": "Where a feature must end, in its unit."},
        _read,
        by_feature=True,
    ),
)

"""A reading that is, and stays, present or absent."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from ifonly.explainers.constraints.base import Single
from ifonly.explainers.constraints.cells import Cells, Factual, Kept
from ifonly.explainers.constraints.forms import StaysRead
from ifonly.explainers.constraints.given import Given
from ifonly.explainers.constraints.kind import ConstraintKey, ConstraintKind
from ifonly.explainers.space import Axis, is_missing


@dataclass(frozen=True)
class NotMissing(Single):
    """The feature's reading is, and stays, present or absent as it was."""

    @cached_property
    def form(self) -> StaysRead:
        return StaysRead(self.column)

    def kept(self, cells: Cells, factual: Factual) -> Kept:
        return is_missing(cells[self.column]) == is_missing(factual[self.column])

    def cut(self, axis: Axis, factual: float) -> Axis:
        return axis.only([factual]) if math.isnan(factual) else axis


def _read(given: Given) -> Iterator[NotMissing]:
    # Left out means no: a missing value is filled only where the spec says so.
    if given.context.schema.features[given.column].may_be_missing and not given.flag():
        yield NotMissing(given.column, origin=given.origin)


KIND = ConstraintKind(
    NotMissing,
    place=20,
    of_feature=ConstraintKey(
        "fillable",
        {
            "title": "Fillable",
            "description": "Whether a missing value may be set. Only where `missing = true`.",
            "type": "boolean",
            "default": False,
        },
        _read,
        if_absent=True,
    ),
)

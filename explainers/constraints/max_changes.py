"""How many features may change."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from functools import cached_property

from ifonly.explainers.constraints.base import Constraint
from ifonly.explainers.constraints.cells import Axes, Cells, Factual, Kept
from ifonly.explainers.constraints.forms import MostSet
from ifonly.explainers.constraints.given import Given
from ifonly.explainers.constraints.kind import ConstraintKey, ConstraintKind
from ifonly.explainers.space import Axis, moved
from ifonly.models.predictor import Row


@dataclass(frozen=True)
class MaxChanges(Constraint):
    """At most ``count`` features change."""

    of_action = True

    count: int

    @property
    def columns(self) -> frozenset[int]:
        return frozenset()

    @cached_property
    def form(self) -> MostSet:
        return MostSet(self.count)

    def kept(self, cells: Cells, factual: Factual) -> Kept:
        return sum(map(moved, cells, factual)) <= self.count

    def narrow(self, axes: Axes, factual: Row) -> Axes:
        must = [float(x) not in axis for axis, x in zip(axes, factual, strict=True)]
        # More must change than may.
        if sum(must) > self.count:
            return tuple(Axis() for _ in axes)
        if sum(must) < self.count:
            return axes
        return tuple(
            # All changes are spent on what must change, so the rest stays.
            axis if moves else axis.only([float(x)])
            for axis, x, moves in zip(axes, factual, must, strict=True)
        )


def _read(given: Given) -> Iterator[MaxChanges]:
    yield MaxChanges(given.count(), origin=given.origin)


KIND = ConstraintKind(
    MaxChanges,
    place=90,
    of_policy=ConstraintKey(
        "max_changes",
        {
            "title": "Most features changed",
            "description": "How many features may be set at once. Default: no limit.",
            "type": "integer",
            "minimum": 1,
        },
        _read,
    ),
    of_request=ConstraintKey(
        "max_changes",
        {"$ref": "featureCount", "description": "How many features may be set at once."},
        _read,
    ),
)

"""The only values that a feature may be set to."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ifonly.explainers.constraints.base import Single
from ifonly.explainers.constraints.cells import Cells, Factual, Kept, among
from ifonly.explainers.constraints.given import Given
from ifonly.explainers.constraints.kind import ConstraintKey, ConstraintKind
from ifonly.explainers.space import Axis, moved, negation


@dataclass(frozen=True)
class OnlyTo(Single):
    """If the feature changes, it becomes one of ``values`` (a worn tool: 0)."""

    of_action = True

    values: tuple[float, ...]

    def kept(self, cells: Cells, factual: Factual) -> Kept:
        after = cells[self.column]
        stays = negation(moved(after, factual[self.column]))
        return among(after, self.values) | stays

    def cut(self, axis: Axis, factual: float) -> Axis:
        # Left alone, it keeps its value, which need not be one of them.
        return axis.only([*self.values, factual])


def _read(given: Given) -> Iterator[OnlyTo]:
    yield OnlyTo(given.column, given.settable_values(), origin=given.origin)


KIND = ConstraintKind(
    OnlyTo,
    place=70,
    of_feature=ConstraintKey(
        "only_to",
        {
            "title": "Only these values",
            "description": "The only values that it may be set to: multiples of the resolution, "
            "or categories.",
            "type": "array",
            "minItems": 1,
            "items": {"type": ["number", "string"]},
        },
        _read,
    ),
    of_request=ConstraintKey(
        "only_to",
        {"$ref": "values", "description": "The only values that a feature may be set to."},
        _read,
        by_feature=True,
    ),
)

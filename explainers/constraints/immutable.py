"""A feature that keeps its factual value."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass

from ifonly.explainers.constraints.base import Single
from ifonly.explainers.constraints.cells import Cells, Factual, Kept
from ifonly.explainers.constraints.given import Given
from ifonly.explainers.constraints.kind import ConstraintKey, ConstraintKind
from ifonly.explainers.space import Axis, moved, negation


@dataclass(frozen=True)
class Immutable(Single):
    """The feature keeps its factual value."""

    of_action = True

    def kept(self, cells: Cells, factual: Factual) -> Kept:
        return negation(moved(cells[self.column], factual[self.column]))

    def cut(self, axis: Axis, factual: float) -> Axis:
        return axis.only([factual])


def _of_feature(given: Given) -> Iterator[Immutable]:
    feature = given.context.schema.features[given.column]
    can_be_set = feature.kind.is_categorical or feature.resolution is not None
    if not (can_be_set if given.value is None else given.flag()):
        yield Immutable(given.column, origin=given.origin)
    elif not can_be_set:
        problem = f"{feature.name} has no resolution, so nothing can be set"
        raise given.sentence(problem, True)


def _frozen(given: Given) -> Iterator[Immutable]:
    for each in given.items():
        yield Immutable(each.named_column(), origin=each.origin)


KIND = ConstraintKind(
    Immutable,
    place=10,
    of_feature=ConstraintKey(
        "actionable",
        {
            "title": "Actionable",
            "description": "Whether it can be set. Default: yes for a category and for a number "
            "with a resolution.",
            "type": "boolean",
        },
        _of_feature,
        if_absent=True,
    ),
    of_request=ConstraintKey(
        "freeze",
        {"$ref": "featureNames", "description": "Features that keep their value."},
        _frozen,
    ),
    excludes_others=True,
)

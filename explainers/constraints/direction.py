"""A feature that may only rise, or only fall."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from enum import StrEnum

from ifonly.explainers.constraints.base import Single
from ifonly.explainers.constraints.cells import Cells, Factual, Kept
from ifonly.explainers.constraints.given import Given
from ifonly.explainers.constraints.kind import ConstraintKey, ConstraintKind
from ifonly.explainers.space import Axis, is_missing


class Sense(StrEnum):
    UP = "up"
    DOWN = "down"


@dataclass(frozen=True)
class Direction(Single):
    """The feature may only rise, or only fall (categories: along their order)."""

    of_action = True

    sense: Sense

    def kept(self, cells: Cells, factual: Factual) -> Kept:
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


_SENSES = (Sense.UP.value, Sense.DOWN.value)


def _read(given: Given) -> Iterator[Direction]:
    column, text = given.ordered_column(), given.value
    if text not in _SENSES:
        raise given.fault(f"is {text!r}, neither 'up' nor 'down'", text, _SENSES)
    yield Direction(column, Sense(str(text)), origin=given.origin)


def _of_feature(given: Given) -> Iterator[Direction]:
    if given.value != "any":
        yield from _read(given)


KIND = ConstraintKind(
    Direction,
    place=40,
    of_feature=ConstraintKey(
        "direction",
        {
            "title": "Direction",
            "description": "`up`: may only be raised; `down`: only lowered. Not for nominal "
            "features.",
            "enum": ["any", *_SENSES],
            "default": "any",
        },
        _of_feature,
    ),
    of_request=ConstraintKey(
        "directions",
        {"enum": list(_SENSES), "description": "The only way in which a feature may move."},
        _read,
        by_feature=True,
    ),
)

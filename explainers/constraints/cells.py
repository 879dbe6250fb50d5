"""Rows and axes as constraints read them: plain numbers and whole columns by the same operators."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import reduce
from operator import or_
from typing import cast

from ifonly.explainers.space import Axis, Mask, Values
from ifonly.models.predictor import Row, Rows

Axes = tuple[Axis, ...]
Cell = float | Values
Cells = Sequence[float] | Rows
"""What stands under each feature: the numbers of one row, or the columns of many, ``(n_features,
n_rows)``. The same operators read both."""
Factual = Sequence[float] | Row
Kept = bool | Mask
"""One truth, or that of each of many rows."""


def replaced(axes: Axes, column: int, axis: Axis) -> Axes:
    if axis is axes[column]:
        return axes
    return (*axes[:column], axis, *axes[column + 1 :])


def emptied(axes: Axes, columns: Sequence[int]) -> Axes:
    return tuple(Axis() if j in columns else axis for j, axis in enumerate(axes))


def magnitude(value: Cell) -> Cell:
    return cast("Cell", abs(value))


def among(values: Cell, some: Iterable[float]) -> Kept:
    """Whether a number, or each of a column, is one of ``some``."""
    return reduce(or_, (values == value for value in some), False)

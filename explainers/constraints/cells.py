"""Rows and axes as constraints read them: plain numbers and whole columns by the same operators."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from functools import reduce
from operator import or_
from typing import Any

import numpy as np
import numpy.typing as npt

from explainers.space import Axis
from models.predictor import Row

Mask = npt.NDArray[np.bool_]
Axes = tuple[Axis, ...]
Cells = Any
"""What stands under each feature: the numbers of one row, or the columns of many, ``(n_features,
n_rows)``. The same operators read both."""
Factual = Sequence[float] | Row


def replaced(axes: Axes, column: int, axis: Axis) -> Axes:
    if axis is axes[column]:
        return axes
    return (*axes[:column], axis, *axes[column + 1 :])


def emptied(axes: Axes, columns: Sequence[int]) -> Axes:
    return tuple(Axis() if j in columns else axis for j, axis in enumerate(axes))


def among(values: Any, some: Iterable[float]) -> Any:
    """Where a number, or each of a column, is one of ``some``."""
    return reduce(or_, (values == value for value in some), False)

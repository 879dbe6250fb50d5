"""What every constraint is: where it was declared, what keeps it, what it leaves of the axes."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from enum import StrEnum
from functools import reduce
from operator import or_
from typing import Any, ClassVar

import numpy as np
import numpy.typing as npt

from explainers.space import Axis
from models.predictor import Row, Rows
from models.schema import Labels

Mask = npt.NDArray[np.bool_]
Axes = tuple[Axis, ...]
Cells = Any
"""What stands under each feature: the numbers of one row, or the columns of many, ``(n_features,
n_rows)``. The same operators read both."""
Factual = Sequence[float] | Row


class Source(StrEnum):
    SCHEMA = "schema"
    POLICY = "policy"
    REQUEST = "request"


@dataclass(frozen=True)
class Origin:
    """Where a constraint was declared, and why."""

    source: Source
    key: str
    """Dotted path within the spec or the request, e.g. ``policy.rules.0``."""
    why: Labels = field(default_factory=dict)


@dataclass(frozen=True)
class Constraint:
    """Base of all constraints."""

    of_action: ClassVar[bool] = False
    """Whether it speaks of what is set, and not of the row that this leads to."""

    origin: Origin = field(kw_only=True)

    def kept(self, cells: Cells, factual: Factual) -> Any:
        """Whether the row (or action) of ``cells`` keeps the constraint; of columns, each of their
        rows, ``(n_rows,)``, or one truth for all."""
        raise NotImplementedError

    def holds(self, rows: Rows, factual: Row) -> Mask:
        """Which of ``rows`` (or actions) keep the constraint, ``(n_rows,)``."""
        kept = self.kept(rows.T, factual)
        return np.asarray(kept) if np.ndim(kept) else np.full(len(rows), kept, dtype=np.bool_)

    def narrow(self, axes: Axes, factual: Row) -> Axes:
        """``axes`` less values that no row keeping this constraint can have."""
        raise NotImplementedError

    @property
    def columns(self) -> frozenset[int]:
        """Features that the constraint reads; empty if it reads all of them."""
        raise NotImplementedError


@dataclass(frozen=True)
class Single(Constraint):
    """A constraint on one feature."""

    column: int

    @property
    def columns(self) -> frozenset[int]:
        return frozenset({self.column})

    def narrow(self, axes: Axes, factual: Row) -> Axes:
        narrowed = self.cut(axes[self.column], float(factual[self.column]))
        return replaced(axes, self.column, narrowed)

    def cut(self, axis: Axis, factual: float) -> Axis:
        raise NotImplementedError


def replaced(axes: Axes, column: int, axis: Axis) -> Axes:
    if axis is axes[column]:
        return axes
    return (*axes[:column], axis, *axes[column + 1 :])


def emptied(axes: Axes, columns: Sequence[int]) -> Axes:
    return tuple(Axis() if j in columns else axis for j, axis in enumerate(axes))


def among(values: Any, some: Iterable[float]) -> Any:
    """Where a number, or each of a column, is one of ``some``."""
    return reduce(or_, (values == value for value in some), False)

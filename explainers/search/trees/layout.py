"""The settable values of each feature with their cells: made once for a model."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt

from explainers.errors import NotEligible
from explainers.search.trees.leaves import FeatureCells
from explainers.space import Axis
from models.graph.forms import Columns
from models.predictor import Rows
from models.schema import Schema

Values = npt.NDArray[np.float64]
Cells = npt.NDArray[np.int32]

_NOTHING = np.zeros(0)
NO_CELLS = np.zeros(0, np.int32)
LONGEST_AXIS = 1_000_000
LONGEST_KEPT = 1 << 16
"""Grids with more values are laid out anew for each question, as much of them as it asks for."""


class Line(NamedTuple):
    """What one feature may be."""

    values: Values
    """Ascending, NaN last."""
    cells: Cells
    first: npt.NDArray[np.int64]
    """First position whose cell is at least ``k``, for every cell of the feature and one more."""
    is_set: bool = True
    """Whether it is set to its value, at a cost, or follows from others."""


class Run(NamedTuple):
    """A whole grid, as far as the feature's bounds reach."""

    start: int
    """Its first multiple."""
    values: Values
    cells: Cells
    first: npt.NDArray[np.int64]
    """As that of :class:`Line`."""

    def cells_at(self, values: Values) -> Cells | None:
        """Cells of ``values``, int32; None if they are not all on the grid."""
        at = self.values.searchsorted(values)
        found = self.values.take(at, mode="clip")  # beyond the last it is none of them
        return self.cells.take(at, mode="clip") if (found == values).all() else None

    def line(self, axis: Axis) -> Line:
        """The part of an axis that is a run of the grid."""
        at = axis.first - self.start
        span = slice(at, at + axis.count)
        first = np.minimum(np.maximum(self.first - at, 0), axis.count)
        return Line(self.values[span], self.cells[span], first)


MOST_REMEMBERED = 256
"""Parts of grids whose lines are remembered."""
SPREAD = 2_049
"""Values of a feature that follows, besides those that its cells need."""


@dataclass(frozen=True, eq=False)
class Layout:
    """How the values of every feature fall into the cells of one model."""

    schema: Schema
    columns: Columns
    cells: tuple[FeatureCells, ...]
    runs: tuple[Run | None, ...]

    @classmethod
    def of(cls, schema: Schema, columns: Columns, cells: tuple[FeatureCells, ...]) -> Layout:
        """The layout of a model. Every column is made of one feature alone, so that features can
        be encoded side by side, whatever stands in the others."""
        plain = cls(schema, columns, cells, (None,) * len(schema))
        whole = [Axis.of(feature, math.nan) for feature in schema.features]
        kept = [
            axis.grid is not None and 0 < axis.count <= LONGEST_KEPT and not feature.may_be_missing
            for axis, feature in zip(whole, schema.features, strict=True)
        ]
        values = [
            Axis(axis.grid, axis.first, axis.count).values() if keep else np.zeros(0)
            for axis, keep in zip(whole, kept, strict=True)
        ]
        own = plain.cells_of(values)
        return cls(
            schema,
            columns,
            cells,
            tuple(
                Run(axis.first, v, c, c.searchsorted(numbers))
                if keep and (c[1:] >= c[:-1]).all()
                else None
                for axis, keep, v, c, numbers in zip(
                    whole, kept, values, own, plain.cell_numbers, strict=True
                )
            ),
        )

    @cached_property
    def cell_numbers(self) -> list[Cells]:
        """Number of every cell of each feature, and one more."""
        return [np.arange(own.count + 1, dtype=np.int32) for own in self.cells]

    def cells_of(self, values: Sequence[Values]) -> list[Cells]:
        """Cells of some values of every feature, int32."""
        rows = np.zeros((max(map(len, values)), len(values)))
        for j, own in enumerate(values):
            rows[: len(own), j] = own
        encoded = self.columns.encode(rows)
        return [self.cells[j].of(own, encoded[: len(own)]) for j, own in enumerate(values)]

    def alike(self, rows: Rows) -> npt.NDArray[Any]:
        """Keys of rows, ``(n_rows,)``: rows with the same key fall into the same cells, so the
        model cannot tell them apart."""
        encoded = self.columns.encode(rows)
        key, kinds = np.zeros(len(rows), dtype=np.int64), 1
        for j in np.flatnonzero((rows != rows[0]).any(axis=0)):
            own = self.cells[j]
            if kinds * own.count >= 1 << 62:
                _, key = np.unique(key, return_inverse=True)
                kinds = len(rows)
            key = key * own.count + own.of(rows[:, j], encoded)
            kinds *= own.count
        return key

    @cached_property
    def _spreads(self) -> dict[int, tuple[Values, Cells]]:
        return {}

    def spread(self, column: int, value: float) -> Line:
        """Numbers from one bound of a feature to the other, ``value`` among them, which follow:
        at least one for each cell that a number within the bounds falls into.

        Raises
        ------
        NotEligible
            If the graph does not read the feature in order, or it is categorical.
        """
        if column not in self._spreads:
            self._spreads[column] = self._spread(column)
        values, cells = self._spreads[column]
        at = int(np.searchsorted(values, value))
        if values[at] != value:
            own = self._cells_of_one(column, np.array([value]))
            values, cells = np.insert(values, at, value), np.insert(cells, at, own)
        return self.line(column, values, cells, is_set=False)

    def _spread(self, column: int) -> tuple[Values, Cells]:
        feature = self.schema.features[column]
        if self.cells[column].cuts is None:
            raise NotEligible("trees", f"{feature.name} is a category and follows from others")
        values = np.linspace(feature.lower, feature.upper, SPREAD)
        cells = self._cells_of_one(column, values)
        while True:
            if (cells[1:] < cells[:-1]).any():
                raise NotEligible("trees", f"the graph does not read {feature.name} in order")
            gaps = np.flatnonzero(cells[1:] - cells[:-1] > 1)
            middle = 0.5 * (values[gaps] + values[gaps + 1])
            new = (middle > values[gaps]) & (middle < values[gaps + 1])
            if not new.any():  # what is between two neighbouring numbers, none falls into
                return values, cells
            gaps, middle = gaps[new] + 1, middle[new]
            values = np.insert(values, gaps, middle)
            cells = np.insert(cells, gaps, self._cells_of_one(column, middle))

    def edges(self, column: int) -> list[int] | None:
        """Multiples of a feature's grid at which cells begin, found by halving; None where it has
        none, or is not read in order. Found when first asked for, then kept."""
        if column not in self._edges:
            self._edges[column] = self._find_edges(column)
        return self._edges[column]

    @cached_property
    def _edges(self) -> dict[int, list[int] | None]:
        return {}

    def _find_edges(self, column: int) -> list[int] | None:
        axis = Axis.of(self.schema.features[column], math.nan)
        if axis.grid is None or not axis.count or self.cells[column].cuts is None:
            return None
        last = axis.first + axis.count - 1
        looked = np.unique(np.linspace(axis.first, last, SPREAD).astype(np.int64))
        cells = self._cells_of_one(column, axis.grid.value(looked))
        if (cells[1:] < cells[:-1]).any():
            return None
        numbers = np.arange(cells[0] + 1, cells[-1] + 1)
        at = cells.searchsorted(numbers)
        low, high = looked[at - 1], looked[at]
        while len(low) and (high - low).max() > 1:
            middle = (low + high) // 2
            above = self._cells_of_one(column, axis.grid.value(middle)) >= numbers
            low, high = np.where(above, low, middle), np.where(above, middle, high)
        return [int(multiple) for multiple in np.unique(high)]

    def _cells_of_one(self, column: int, values: Values) -> Cells:
        rest = [_NOTHING] * len(self.schema)
        rest[column] = values
        return self.cells_of(rest)[column]

    def line(self, column: int, values: Values, cells: Cells, *, is_set: bool = True) -> Line:
        """Values of a feature whose cells are known.

        Raises
        ------
        NotEligible
            If the graph does not read the feature in order.
        """
        if len(cells) > 1 and (cells[1:] < cells[:-1]).any():
            name = self.schema.names[column]
            raise NotEligible("trees", f"the graph does not read {name} in order")
        return Line(values, cells, cells.searchsorted(self.cell_numbers[column]), is_set)

    def of_axes(self, axes: Sequence[Axis]) -> list[Line]:
        """All values of the axes.

        Raises
        ------
        NotEligible
            If an axis is too long, or the graph does not read a feature in order.
        """
        lines = [self._of_axis(j, axis) for j, axis in enumerate(axes)]
        foreign = [j for j, line in enumerate(lines) if line is None]
        if foreign:
            asked = [_NOTHING] * len(axes)
            for j in foreign:
                asked[j] = self._foreign(j, axes[j])
            found = self.cells_of(asked)
            for j in foreign:
                lines[j] = self._joined(j, axes[j], asked[j], found[j])
        return [line for line in lines if line is not None]

    def _of_axis(self, j: int, axis: Axis) -> Line | None:
        """None if the graph must be asked for some of the cells."""
        run = self.runs[j]
        if self.cells[j].cuts is None:
            values = axis.values()
            return self.line(j, values, self.cells[j].of(values, values))
        if run is None:
            return None
        if not axis.others:
            return self._part(j, run, axis)
        others = np.array(axis.others)
        cells = run.cells_at(others)
        return None if cells is None else self._joined(j, axis, others, cells)

    def _part(self, j: int, run: Run, axis: Axis) -> Line:
        """An axis that is a part of the grid: what a policy allows is so in all its questions."""
        known = self._parts.get((j, axis))
        if known is None:
            if len(self._parts) >= MOST_REMEMBERED:
                self._parts.clear()
            known = self._parts[j, axis] = run.line(axis)
        return known

    @cached_property
    def _parts(self) -> dict[tuple[int, Axis], Line]:
        return {}

    def _joined(self, j: int, axis: Axis, others: Values, cells: Cells) -> Line:
        """An axis of values whose cells are known, and of a part of its run if it has one."""
        run = self.runs[j]
        if run is None or not axis.count:
            return self.line(j, others, cells)
        values, its = run.line(axis)[:2]
        at = values.searchsorted(others)
        return self.line(j, np.insert(values, at, others), np.insert(its, at, cells))

    def _foreign(self, j: int, axis: Axis) -> Values:
        """Values whose cells the graph must be asked for: those of an axis that are on no run."""
        if self.runs[j] is not None:
            return np.array(axis.others)
        if len(axis) > LONGEST_AXIS:
            name = self.schema.names[j]
            raise NotEligible("trees", f"{name} has {len(axis)} settable values")
        return axis.values()

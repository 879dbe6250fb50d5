"""The settable values of each feature with their cells: made once for a model."""

from __future__ import annotations

import math
from bisect import bisect_left
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple, TypeVar

import numpy as np
import numpy.typing as npt

from ifonly.explainers.errors import NotEligible
from ifonly.explainers.search.trees.leaves import FeatureCells
from ifonly.explainers.space import LONGEST_LISTED, Axis, Grid, same
from ifonly.models.graph.forms import Columns
from ifonly.models.predictor import Row, Rows
from ifonly.models.schema import Schema

Values = npt.NDArray[np.float64]
Cells = npt.NDArray[np.int32]
Whole = npt.NDArray[np.int64]
Key = TypeVar("Key")
Made = TypeVar("Made")

_NOTHING = np.zeros(0)
NO_CELLS = np.zeros(0, np.int32)
LONGEST_LOOKED = 1 << 16
"""Values of a grid that are all looked at for where cells begin; of more, where they do is found by
halving."""


class Edges(NamedTuple):
    """Where the cells of a feature begin on its grid."""

    starts: Whole
    """Multiples, ascending; the first is that of the grid within the feature's bounds."""
    cells: Cells
    """The cell of each start and of the multiples after it."""
    values: Values
    """The value at each start."""


class Stretches(NamedTuple):
    """The positions of a long axis, of more values than are listed one by one: each of its entries
    is one value, or a run of a grid that falls into one cell, in which only what rules and costs
    say can tell values apart."""

    start: Whole
    """First position of each entry."""
    multiple: Whole
    """Its first value as a multiple of the grid's step; 0 if the value is on no grid."""
    grid: Grid
    size: int
    """Positions in all."""


class AxisLine(NamedTuple):
    """What one feature may be."""

    values: Values
    """Ascending, NaN last: all, or of a long axis the first of each stretch."""
    cells: Cells
    first: Whole
    """First position whose cell is at least ``k``, for every cell of the feature and one more."""
    is_set: bool = True
    """Whether it is set to its value, at a cost, or follows from others."""
    stretches: Stretches | None = None
    """The positions of a long axis; None: all values are listed."""

    @property
    def size(self) -> int:
        """How many values there are."""
        return len(self.values) if self.stretches is None else self.stretches.size

    def cut_at(self, value: float) -> AxisLine:
        """The same line, of stretches, with one of its own for ``value``, which is on the grid."""
        assert self.stretches is not None
        start, multiples, grid, size = self.stretches
        at = int(self.values.searchsorted(value, side="right"))
        begin, end = int(start[at - 1]), int(start[at]) if at < len(start) else size
        steps = grid.nearest(value) - int(multiples[at - 1])
        # From it to the next multiple, so that it alone is a stretch.
        own = np.array([k for k in (steps, steps + 1) if 0 < k < end - begin], dtype=np.int64)
        new = multiples[at - 1] + own

        def put(among: npt.NDArray[Any], some: npt.NDArray[Any]) -> npt.NDArray[Any]:
            return np.concatenate((among[:at], some, among[at:]))

        # Where cells begin stays where it is: it is said in positions.
        return self._replace(
            values=put(self.values, grid.value(new)),
            cells=put(self.cells, np.repeat(self.cells[at - 1], len(own))),
            stretches=Stretches(put(start, begin + own), put(multiples, new), grid, size),
        )

    def place(self, value: float) -> tuple[int, bool]:
        """How many values are below ``value``, and whether it is one of them; all numbers are below
        a missing one."""
        i = int(self.values.searchsorted(value))
        is_entry = i < len(self.values) and same(float(self.values[i]), value)
        if self.stretches is None:
            return i, is_entry
        start, multiple, grid, size = self.stretches
        end = int(start[i]) if i < len(start) else size
        # Before the first, on an entry, or beyond all numbers: there is no stretch to look into.
        if i == 0 or is_entry or math.isnan(value):
            return end, is_entry
        begin, first = int(start[i - 1]), int(multiple[i - 1])

        def key(steps: int) -> float:
            # The first of a stretch may be off the grid; here it only has to be below `value`.
            return grid.at(first + steps) if steps else -math.inf

        steps = bisect_left(range(end - begin), value, key=key)
        return begin + steps, begin + steps < end and grid.at(first + steps) == value


class CellRun(NamedTuple):
    """A whole grid, as far as the feature's bounds reach."""

    start: int
    """Its first multiple."""
    values: Values
    cells: Cells
    first: Whole
    """As that of :class:`AxisLine`."""

    def places(self, values: Values) -> Whole | None:
        """Where ``values`` stand in the run; None if they are not all on the grid."""
        at = self.values.searchsorted(values)
        found = self.values.take(at, mode="clip")  # beyond the last it is none of them
        return at if (found == values).all() else None

    def cells_at(self, values: Values) -> Cells | None:
        """Cells of ``values``, int32; None if they are not all on the grid."""
        at = self.places(values)
        return None if at is None else self.cells[at]

    def line(self, axis: Axis) -> AxisLine:
        """The part of an axis that is a run of the grid."""
        at = axis.first - self.start
        span = slice(at, at + axis.count)
        # Counted from the part's own beginning, and never outside of it.
        first = np.minimum(np.maximum(self.first - at, 0), axis.count)
        return AxisLine(self.values[span], self.cells[span], first)


MOST_REMEMBERED = 256
"""Lines, and places where cells begin, that are remembered of a kind: clients ask for as many as
they care to."""
SPREAD = 2_049
"""Values of a longer grid that are looked at to begin with."""
FINEST, MOST_DIGITS = 12, 15
"""A feature that follows is told apart in steps of a power of ten, about a million millionth of its
extent; not finer than float64 tells its values apart."""


@dataclass(frozen=True, eq=False)
class Layout:
    """How the values of every feature fall into the cells of one model."""

    schema: Schema
    columns: Columns
    cells: tuple[FeatureCells, ...]
    runs: tuple[CellRun | None, ...]

    @classmethod
    def of(cls, schema: Schema, columns: Columns, cells: tuple[FeatureCells, ...]) -> Layout:
        """The layout of a model. Every column is made of one feature alone, so that features can
        be encoded side by side, whatever stands in the others."""
        # A first layout without runs, to ask the graph for the cells of the runs.
        plain = cls(schema, columns, cells, (None,) * len(schema))
        whole = [Axis.of(feature, math.nan) for feature in schema.features]
        kept = [
            # Runs are slices of numbers; what may be missing has a value more.
            0 < axis.count <= LONGEST_LISTED and not feature.may_be_missing
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
                CellRun(axis.first, v, c, c.searchsorted(numbers))
                # Cells that fall somewhere are no run; the feature is
                # refused once it is asked about.
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
        # All features at once: to encode a batch costs one call, whatever is in its columns.
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
            # The key would overflow: number the keys that occur, which are at most as many as rows.
            if kinds * own.count >= 1 << 62:
                _, key = np.unique(key, return_inverse=True)
                kinds = len(rows)
            key = key * own.count + own.of(rows[:, j], encoded)
            kinds *= own.count
        return key

    def spread(self, column: int, value: float) -> AxisLine:
        """Numbers from one bound of a feature to the other, ``value`` among them, which follow: on
        a grid so fine that what follows is bounded by two neighbours as well as by itself.

        Raises
        ------
        NotEligible
            If the graph does not read the feature in order, or it is categorical.
        """
        return remembered(self._followers, (column, value), lambda: self._spread(column, value))

    @cached_property
    def _followers(self) -> dict[tuple[int, float], AxisLine]:
        return {}

    def _spread(self, column: int, value: float) -> AxisLine:
        axis, edges = self._readable(column)
        if _is_inside(axis, value):
            line = remembered(self._followed, column, lambda: self._spread_of(column, axis, edges))
            return line.cut_at(value)
        axis = axis.adding(value)
        others = np.array(axis.others)
        runs = _runs(axis, edges, _home(axis, value))
        own = self._cells_of_one(column, others)
        return self._stretched(column, axis, runs, others, own)._replace(is_set=False)

    def _spread_of(self, column: int, axis: Axis, edges: Edges) -> AxisLine:
        others = np.array(axis.others)
        runs, own = _runs(axis, edges, []), self._cells_of_one(column, others)
        line = self._stretched(column, axis, runs, others, own)
        return line._replace(is_set=False)

    @cached_property
    def _followed(self) -> dict[int, AxisLine]:
        return {}

    def _readable(self, column: int) -> tuple[Axis, Edges]:
        """What a feature may read, finely, and where cells begin on it; found once for a model."""
        return remembered(self._read, column, lambda: self._find_readable(column))

    def _find_readable(self, column: int) -> tuple[Axis, Edges]:
        feature = self.schema.features[column]
        # A category has no order, so what follows from a box would be no interval.
        if self.cells[column].cuts is None:
            raise NotEligible("trees", f"{feature.name} is a category and follows from others")
        if self.cells[column].listed is not None:
            raise NotEligible("trees", f"{feature.name} follows from others, off its grid")
        axis = fine_axis(feature.lower, feature.upper)

        def cells_at(multiples: Whole) -> Cells:
            assert axis.grid is not None
            return self._cells_of_one(column, axis.grid.value(multiples))

        return axis, self._find_edges(column, axis, cells_at)

    @cached_property
    def _read(self) -> dict[int, tuple[Axis, Edges]]:
        return {}

    def edges(self, column: int, off: float = 0.0, toward: float = 0.0) -> Edges:
        """Where cells begin on a feature's grid: of its values, or of readings that are ``off``
        from them (see :meth:`readings`). Found when first asked for, then kept.

        Raises
        ------
        NotEligible
            If the graph does not read the feature in order.
        """
        axis = Axis.of(self.schema.features[column], math.nan)

        def cells_at(multiples: Whole) -> Cells:
            assert axis.grid is not None
            values = axis.grid.value(multiples)
            return self._cells_of_one(column, self.readings(column, values, off, toward))

        key = column, off, toward
        return remembered(self._edges, key, lambda: self._find_edges(column, axis, cells_at))

    @cached_property
    def _edges(self) -> dict[tuple[int, float, float], Edges]:
        return {}

    def _find_edges(self, column: int, axis: Axis, cells_at: Callable[[Whole], Cells]) -> Edges:
        """Where the cells of multiples begin, of which the run of ``axis`` is."""
        assert axis.grid is not None
        last = axis.first + axis.count - 1
        if axis.count > LONGEST_LOOKED:
            looked = np.unique(np.linspace(axis.first, last, SPREAD).astype(np.int64))
        else:
            looked = np.arange(axis.first, last + 1)
        cells = cells_at(looked)
        # Halving below needs cells that only rise.
        if (cells[1:] < cells[:-1]).any():
            name = self.schema.names[column]
            raise NotEligible("trees", f"the graph does not read {name} in order")
        numbers = np.arange(cells[0] + 1, cells[-1] + 1)
        # Between these two neighbours among what was looked at each cell begins.
        at = cells.searchsorted(numbers)
        low, high = looked[at - 1], looked[at]
        # All edges are halved at once: one question to the graph for each step.
        while len(low) and (high - low).max() > 1:
            middle = (low + high) // 2
            above = cells_at(middle) >= numbers
            low, high = np.where(above, low, middle), np.where(above, middle, high)
        # Cells that no value falls into share a start with the next.
        starts = np.unique(np.append(high, axis.first)).astype(np.int64)
        return Edges(starts, cells_at(starts), axis.grid.value(starts))

    def readings(self, column: int, values: Values, off: float, toward: float) -> Values:
        """The farthest reading within ``off`` of each of ``values``, upward or downward, which is
        ``toward``: that of a sensor, which reads nothing beyond the feature's bounds."""
        feature = self.schema.features[column]
        if not off or feature.kind.is_categorical:
            return values
        if self.cells[column].listed is not None:
            raise NotEligible("trees", f"{feature.name} is read off its grid")
        # One step outward: the sum of two decimals may be rounded inward.
        end = np.nextafter(values + math.copysign(off, toward), toward)
        # A factual may lie beyond the bounds: the clip then ends at the value itself.
        return np.clip(end, np.minimum(feature.lower, values), np.maximum(feature.upper, values))

    def cells_read(
        self, values: Sequence[Values], offs: Sequence[float]
    ) -> tuple[list[Cells], list[Cells]]:
        """Cells of the least and the greatest reading within ``offs`` of some values of every
        feature (see :meth:`readings`)."""
        found = [self._known_readings(j, own, offs[j]) for j, own in enumerate(values)]
        # Of what is on no run the graph is asked, once for each direction.
        foreign = [j for j, known in enumerate(found) if known is None]
        ends = []
        for toward in (-math.inf, math.inf):
            read = [_NOTHING] * len(values)
            for j in foreign:
                read[j] = self.readings(j, values[j], offs[j], toward)
            ends.append(self.cells_of(read) if foreign else [])
        own = [(ends[0][j], ends[1][j]) if k is None else k for j, k in enumerate(found)]
        return [near for near, _ in own], [far for _, far in own]

    def _known_readings(self, j: int, values: Values, off: float) -> tuple[Cells, Cells] | None:
        """The same of one feature; None if the graph must be asked."""
        run = self.runs[j]
        # A category's code is its cell.
        if self.cells[j].cuts is None:
            cells = self.cells[j].of(values, values)
            return cells, cells
        at = None if run is None else run.places(values)
        if run is None or at is None:
            return None
        near, far = remembered(self._read_runs, (j, off), lambda: self._read_run(j, run, off))
        return near[at], far[at]

    def _read_run(self, j: int, run: CellRun, off: float) -> tuple[Cells, Cells]:
        if not off:
            return run.cells, run.cells
        near, far = (
            self._cells_of_one(j, self.readings(j, run.values, off, toward))
            for toward in (-math.inf, math.inf)
        )
        return near, far

    @cached_property
    def _read_runs(self) -> dict[tuple[int, float], tuple[Cells, Cells]]:
        return {}

    def _cells_of_one(self, column: int, values: Values) -> Cells:
        rest = [_NOTHING] * len(self.schema)
        rest[column] = values
        return self.cells_of(rest)[column]

    def line(self, column: int, values: Values, cells: Cells, *, is_set: bool = True) -> AxisLine:
        """Values of a feature whose cells are known.

        Raises
        ------
        NotEligible
            If the graph does not read the feature in order.
        """
        if len(cells) > 1 and (cells[1:] < cells[:-1]).any():
            name = self.schema.names[column]
            raise NotEligible("trees", f"the graph does not read {name} in order")
        return AxisLine(values, cells, cells.searchsorted(self.cell_numbers[column]), is_set)

    def of_axes(
        self,
        axes: Sequence[Axis],
        row: Row,
        *,
        tolerances: Sequence[float] | None = None,
        against: frozenset[int] = frozenset(),
    ) -> list[AxisLine]:
        """The values of the axes for a factual, ``row``; of features that are ``against``, other
        than the factual one. ``tolerances``: of the sensors, whose readings of the values of one
        stretch are in one cell each.

        Raises
        ------
        NotEligible
            If the graph does not read a feature in order.
        """
        axes = [
            axis if j not in against or _is_inside(axis, float(row[j])) else axis.without(row[j])
            for j, axis in enumerate(axes)
        ]
        lines = [
            None if axis.count > LONGEST_LISTED else self._of_axis(j, axis)
            for j, axis in enumerate(axes)
        ]
        # Cells that no run knows are asked for in one call of the graph for all features.
        foreign = [j for j, line in enumerate(lines) if line is None]
        if foreign:
            asked = [_NOTHING] * len(axes)
            for j in foreign:
                asked[j] = self._foreign(j, axes[j])
            found = self.cells_of(asked) if any(map(len, asked)) else [NO_CELLS] * len(axes)
            for j in foreign:
                if axes[j].count <= LONGEST_LISTED:
                    lines[j] = self._joined(j, axes[j], asked[j], found[j])
                    continue
                off = 0.0 if tolerances is None else tolerances[j]
                without = float(row[j]) if j in against else math.nan
                lines[j] = self._long(j, axes[j], off, without, asked[j], found[j])
        return [line for line in lines if line is not None]

    def _long(
        self, j: int, axis: Axis, off: float, without: float, others: Values, own: Cells
    ) -> AxisLine:
        """A long axis, less one value, whose stretches are in one cell each, and so are readings
        that are ``off`` from their values; remembered where it is no more than a run."""
        home = _home(axis, without)

        def made() -> AxisLine:
            runs = _runs(axis, self._all_edges(j, off), home)
            if home:
                # The value that must not stay is a part of its own, so
                # that dropping it leaves two runs.
                runs = _Runs(*(each[runs.multiples != home[0]] for each in runs))
            return self._stretched(j, axis, runs, others, own)

        # Made for one factual, so there is nothing to remember.
        if home or len(others):
            return made()
        return remembered(self._parts, (j, axis, off), made)

    def _all_edges(self, j: int, off: float) -> Edges:
        """Where cells begin, of values and of readings that are ``off`` from them."""
        if not off:
            return self.edges(j)
        return remembered(self._read_edges, (j, off), lambda: self._join_edges(j, off))

    def _join_edges(self, j: int, off: float) -> Edges:
        own = self.edges(j)
        ends = [self.edges(j, off, end).starts for end in (-math.inf, math.inf)]
        # Cut wherever the value, its least or its greatest reading enters another cell.
        starts = np.unique(np.concatenate([own.starts, *ends]))
        cells = own.cells[own.starts.searchsorted(starts, side="right") - 1]
        grid = Axis.of(self.schema.features[j], math.nan).grid
        assert grid is not None
        return Edges(starts, cells, grid.value(starts))

    @cached_property
    def _read_edges(self) -> dict[tuple[int, float], Edges]:
        return {}

    def _stretched(self, j: int, axis: Axis, runs: _Runs, others: Values, own: Cells) -> AxisLine:
        """Runs of multiples and other values, whose cells are ``own``, in one line."""
        assert axis.grid is not None
        multiples, counts, cells, values = runs
        if len(others):
            at = values.searchsorted(others)  # a missing one last
            values, cells = np.insert(values, at, others), np.insert(cells, at, own)
            # A value off the grid is an entry of one position; its multiple says nothing.
            multiples, counts = np.insert(multiples, at, 0), np.insert(counts, at, 1)
        ends = np.cumsum(counts)
        size = int(ends[-1]) if len(ends) else 0
        line = self.line(j, values, cells)
        first = np.append(ends - counts, size)[line.first]
        stretches = Stretches(ends - counts, multiples, axis.grid, size)
        return line._replace(first=first, stretches=stretches)

    def _of_axis(self, j: int, axis: Axis) -> AxisLine | None:
        """None if the graph must be asked for some of the cells."""
        run = self.runs[j]
        if self.cells[j].cuts is None:
            # A category's code is its cell, so the graph need not be asked.
            values = axis.values()
            return self.line(j, values, self.cells[j].of(values, values))
        if run is None:
            return None
        if not axis.others:
            return self._part(j, run, axis)
        others = np.array(axis.others)
        cells = run.cells_at(others)
        return None if cells is None else self._joined(j, axis, others, cells)

    def _part(self, j: int, run: CellRun, axis: Axis) -> AxisLine:
        """An axis that is a part of the grid: what a policy allows is so in all its questions."""
        return remembered(self._parts, (j, axis, 0.0), lambda: run.line(axis))

    @cached_property
    def _parts(self) -> dict[tuple[int, Axis, float], AxisLine]:
        return {}

    def _joined(self, j: int, axis: Axis, others: Values, cells: Cells) -> AxisLine:
        """An axis of values whose cells are known, and of a part of its run if it has one."""
        run = self.runs[j]
        if run is None or not axis.count:
            return self.line(j, others, cells)
        values, its = run.line(axis)[:2]
        at = values.searchsorted(others)
        return self.line(j, np.insert(values, at, others), np.insert(its, at, cells))

    def _foreign(self, j: int, axis: Axis) -> Values:
        """Values whose cells the graph must be asked for: those of an axis that are on no run."""
        if self.runs[j] is not None or axis.count > LONGEST_LISTED:
            return np.array(axis.others)
        return axis.values()


def remembered(memory: dict[Key, Made], key: Key, make: Callable[[], Made]) -> Made:
    """What was made under a key before, or is made now, whatever other threads make or forget."""
    # Two threads may make the same: both are right, and a lock would cost every question.
    known = memory.get(key)
    if known is None:
        known = make()
        if len(memory) >= MOST_REMEMBERED:
            # Rare, and simpler than to know which was used last.
            memory.clear()
        memory[key] = known
    return known


class _Runs(NamedTuple):
    """A run of a grid in parts."""

    multiples: Whole
    """First of each."""
    counts: Whole
    cells: Cells
    values: Values
    """First of each."""


def _runs(axis: Axis, edges: Edges, home: list[int]) -> _Runs:
    """The run of an axis, cut at ``edges`` and so that each of its other values is between two
    parts, and the multiple ``home`` a part."""
    assert axis.grid is not None
    last = axis.first + axis.count - 1
    begin, end = edges.starts.searchsorted([axis.first, last], side="right")
    some = slice(begin - 1, end)
    multiples, cells, values = (
        edges.starts[some].copy(),
        edges.cells[some],
        edges.values[some].copy(),
    )
    # The first edge lies at or before the axis: its part begins where the axis does.
    multiples[0], values[0] = axis.first, axis.grid.at(axis.first)
    own = {axis.grid.at_least(v) for v in axis.others if not math.isnan(v)}
    # From home to the next multiple, so that home alone is a part.
    own |= {place for multiple in home for place in (multiple, multiple + 1)}
    new = np.array(sorted(m for m in own if axis.first < m <= last), dtype=np.int64)
    at = multiples.searchsorted(new)
    # Both ascend: what begins a part already is where it would be put in.
    is_new = multiples[np.minimum(at, len(multiples) - 1)] != new
    new, at = new[is_new], at[is_new]
    if len(new):
        multiples, cells = np.insert(multiples, at, new), np.insert(cells, at, cells[at - 1])
        values = np.insert(values, at, axis.grid.value(new))
    return _Runs(multiples, np.diff(multiples, append=last + 1), cells, values)


def _home(axis: Axis, value: float) -> list[int]:
    """The multiple of a value that is on an axis's run; none if it is not."""
    return [axis.grid.nearest(value)] if axis.grid and _is_inside(axis, value) else []


def fine_axis(lower: float, upper: float) -> Axis:
    """The axis from one number to another, both of them on it, in steps of :data:`FINEST`."""
    largest = max(abs(lower), abs(upper), 10.0**-FINEST)
    # Bounds that are equal have no extent; one unit in the last place stands in.
    extent = max(upper - lower, math.ulp(largest))
    # Limited twice: by the extent, and by what float64 can tell apart so far from 0.
    power = min(FINEST - math.log10(extent), MOST_DIGITS - math.log10(largest))
    grid = Grid(1, max(0, math.floor(power)))
    first, beyond = grid.at_least(lower), grid.at_least(upper)
    count = max(beyond - first, 0)
    return Axis(grid, first, count).adding(lower).adding(upper)


def _is_inside(axis: Axis, value: float) -> bool:
    """Whether it is one of a long axis's run."""
    if axis.count <= LONGEST_LISTED or axis.grid is None or math.isnan(value):
        return False
    place = axis.grid.nearest(value) - axis.first
    return 0 <= place < axis.count and axis.grid.holds(value)

"""One problem as the flat arrays that the compiled search reads."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property, lru_cache
from typing import NamedTuple

import numpy as np

from ifonly.explainers.native import kernel
from ifonly.explainers.search.trees.arrays import Bytes, Cells, Floats, Ints, once
from ifonly.explainers.space import Axis, differing, same
from ifonly.models.predictor import Row, Rows


class SumLimits(NamedTuple):
    """What the sum over each goal's trees must not exceed, and how far that is in doubt."""

    limit: Floats
    band: Floats


@dataclass(frozen=True, eq=False)
class Long:
    """Axes of which stretches are kept, and what values and costs are made of along them; each is
    ``(n_features,)`` where nothing else is said."""

    first: Ints
    """Index in ``start`` and ``multiple`` at which a long axis begins."""
    start: Ints
    """First position of each stretch."""
    multiple: Ints
    """First value of each stretch, as a multiple of the grid's step ``numerator / scale``."""
    numerator: Ints
    scale: Floats
    factual: Floats
    spread: Floats
    weight: Floats
    fixed: Floats
    penalty: Floats

    @cached_property
    def native(self) -> kernel.Long:
        """The same in compiled code, checked; it keeps the arrays alive."""
        return once(self, kernel.Long(self))


@lru_cache(maxsize=64)
def none_long(n: int) -> Long:
    """What is said of long axes where all ``n`` axes are listed."""
    nothing, whole = np.zeros(0, dtype=np.int64), np.zeros(n, dtype=np.int64)
    return Long(whole, nothing, nothing, whole, *[np.ones(n)] * 6)


@dataclass(frozen=True, eq=False)
class FlatRules:
    """The rules of a policy for one factual."""

    rule: Ints
    """``(n_rules + 1,)`` first condition of each rule."""
    split: Ints
    """First condition after ``then``."""
    kind: Ints
    flag: Ints
    """Relation of a comparison, sense of a change, start of a membership, truth of a constant."""
    column: Ints
    fixed: Floats
    fixed_size: Floats
    terms: Ints
    term_column: Ints
    term_weight: Floats
    member: Bytes
    """Whether each category is a member, by its code."""
    reads: Ints
    read: Ints
    """Features of each rule."""
    touched: Ints
    """The same as a set of bits."""

    @cached_property
    def native(self) -> kernel.FlatRules:
        """The same in compiled code, checked; it keeps the arrays alive."""
        return once(self, kernel.FlatRules(self))


@dataclass(frozen=True, eq=False)
class Question:
    """Axes, costs, limits and rules; positions count along each axis from 0.

    An axis has an entry for each of its positions; a long one for each of its stretches, between
    whose positions values and costs are computed.
    """

    off: Ints
    """``(n_features + 1,)`` first entry of each axis in ``value``, ``cost``, ``cell``."""
    listed: Ints
    """``(n_features,)`` the same of each axis with an entry for each position; -1 of a long one."""
    size: Ints
    """Number of positions on each axis."""
    long: Long
    least: Ints
    """First position of every axis, 0."""
    most: Ints
    """Last position of every axis."""
    value: Floats
    cost: Floats
    cell: Cells
    first: Ints
    """First position whose cell is at least ``k``; feature ``j`` begins at ``cells[j] + j``."""
    middle: Ints
    """Number of positions below the factual; costs rise from there on both sides."""
    home: Ints
    """Position of the factual value, -1 where it is not allowed."""
    counts: Bytes
    """Whether a change counts as one: what is set does, what follows does not."""
    table: Ints
    """Where the feature's square begins in ``cheapest``, if its costs do not rise from the factual;
    else -1."""
    cheapest: Ints
    near: Cells
    """Cell of the least reading within tolerance of each value; empty if no answer must survive
    the sensors."""
    far: Cells
    """Cell of the greatest."""
    limit: Floats
    band: Floats
    most_changes: int
    levers: Ints
    lever: Ints
    rules: FlatRules

    @cached_property
    def native(self) -> kernel.Question:
        """The same in compiled code, checked; it keeps the arrays alive."""
        return once(self, kernel.Question(self))

    def positions(self, row: Row, factual: Row, axes: Sequence[Axis]) -> Ints | None:
        """Where each value of a row stands on its axis.

        Parameters
        ----------
        row, factual : ndarray, shape (n_features,)
            Physical units, categories as codes, NaN if missing.
        axes : sequence of Axis
            What the question was made of.

        Returns
        -------
        ndarray of int64, shape (n_features,), or None
            None if a value is not on its axis.
        """
        at, values = self.home.copy(), row.tolist()
        for j in differing(values, factual.tolist()):
            own = self.values(j)
            if own is not None:
                at[j] = _home(own, int(own.searchsorted(values[j])), values[j])
            else:
                at[j] = axes[j].position(values[j]) if values[j] in axes[j] else -1
        return None if -1 in at.tolist() else at

    def values(self, column: int) -> Floats | None:
        """All values of one axis, ascending, NaN last; None of a long one."""
        if self.listed[column] < 0:
            return None
        return self.value[self.off[column] : self.off[column + 1]]

    def row(self, positions: Ints) -> Row:
        """The values at one position of every axis."""
        return np.asarray(self.rows(positions[None, :])[0])

    def rows(self, positions: Ints) -> Rows:
        """The same for positions ``(n, n_features)``."""
        return self.columns(slice(None), positions)

    def columns(self, some: slice | Ints, positions: Ints) -> Rows:
        """The values of some columns of rows, at positions ``(n, n_features)`` of all axes."""
        listed, at = self.listed[some], positions[:, some]
        # Most models have no long axis: one look-up does for all columns.
        if not len(self.long.start):
            return np.asarray(self.value[listed + at])
        # A position of a long axis is no index: its first entry stands
        # in until it is computed below.
        rows = np.asarray(self.value[np.where(listed < 0, self.off[:-1][some], listed + at)])
        columns = np.arange(len(self.size))[some]
        for k in np.flatnonzero(listed < 0).tolist():
            rows[:, k] = self.values_at(int(columns[k]), at[:, k])
        return rows

    def values_at(self, column: int, positions: Ints) -> Floats:
        """Values of one axis at positions ``(n,)``."""
        x, entries = self.long, self.entries(column, positions)
        values = self.value[entries]
        if self.listed[column] >= 0:
            return values
        k = entries + (x.first[column] - self.off[column])
        steps = positions - x.start[k]
        multiples = (x.multiple[k] + steps) * x.numerator[column]
        # The first of a stretch is listed: it may be a value off the grid.
        return np.where(steps > 0, multiples / x.scale[column], values)

    def costs_at(self, column: int, positions: Ints) -> Floats:
        """What they cost."""
        x, known = self.long, self.cost[self.entries(column, positions)]
        if self.listed[column] >= 0 or np.isnan(x.factual[column]):
            return known
        values = self.values_at(column, positions)
        # In the order of the definition of cost, so that the last digit agrees.
        distance = np.abs(values - x.factual[column]) / x.spread[column]
        costs = x.weight[column] * distance + x.fixed[column] + x.penalty[column]
        costs = np.where(values == x.factual[column], 0.0, costs)
        return np.where(np.isnan(values), known, costs)

    def entries(self, column: int, positions: Ints) -> Ints:
        """The entry that each position of an axis is in."""
        off, first = self.off[column], self.long.first[column]
        if self.listed[column] >= 0:
            return np.asarray(off + positions)
        starts = self.long.start[first : first + self.off[column + 1] - off]
        return np.asarray(off + starts.searchsorted(positions, side="right") - 1)

    def around(self, column: int, low: Floats, high: Floats) -> tuple[Ints, Ints]:
        """Positions of a long axis that enclose numbers.

        Parameters
        ----------
        column : int
            A feature whose axis is long.
        low, high : ndarray, shape (n,)
            Ends of intervals, in the feature's unit, within the axis.

        Returns
        -------
        tuple of ndarray, each shape (n,)
            Positions between whose values the whole interval lies: at most a step or two farther
            out; of a number that begins a stretch, its own position.
        """
        x, first, last = self.long, self.long.first[column], self.most[column]
        values = self.value[self.off[column] : self.off[column + 1]]
        # One more start, so that the last stretch has an end like any other.
        starts = np.append(x.start[first : first + len(values)], last + 1)
        rate = x.scale[column] / x.numerator[column]
        found = []
        for ends, beside in ((low, -1), (high, 2)):  # as what they are divided by is rounded
            k = np.maximum(values.searchsorted(ends, side="right") - 1, 0)
            steps = np.floor(ends * rate).astype(np.int64) - x.multiple[first + k] + beside
            least, most = starts[k], np.minimum(starts[k + 1] - (beside < 0), last)
            # Never past the stretch: beyond its ends the grid's arithmetic does not hold.
            at = np.minimum(np.maximum(least + steps, least + (beside > 0)), most)
            found.append(np.where(values[k] == ends, least, at))
        return found[0], found[1]

    def cells_at(self, positions: Ints) -> Cells:
        """Cell of one position of every axis, counted from each feature's first."""
        if not len(self.long.start):
            return np.asarray(self.cell[self.off[:-1] + positions])
        each = [self.entries(j, positions[j : j + 1])[0] for j in range(len(self.size))]
        return np.asarray(self.cell[each])

    @property
    def dearest(self) -> float:
        """No less than the dearest values of all axes cost together."""
        total, off = 0.0, self.off.tolist()
        for j, listed in enumerate(self.listed.tolist()):
            # Costs rise from the factual outward, so between two
            # entries nothing is dearer than both.
            total += float(self.cost[off[j] : off[j + 1]].max())
            if listed < 0:  # the last value is not the first of its stretch
                total += float(self.costs_at(j, self.most[j : j + 1])[0])
        return total


def _home(values: Floats, at: int, value: float) -> int:
    """``at``, where ``value`` would be among ``values``, or -1 if it is none of them."""
    return at if at < len(values) and same(float(values[at]), value) else -1

"""A number that enters the graph as several columns: its values, one by one, with their cells."""

from __future__ import annotations

from dataclasses import dataclass
from decimal import Decimal

import numpy as np
import numpy.typing as npt

from ifonly.explainers.errors import NotEligible
from ifonly.explainers.space import Grid
from ifonly.models.graph.forms import Columns
from ifonly.models.schema import Feature, Kind

Ints = npt.NDArray[np.int32]
Floats = npt.NDArray[np.float64]
Wholes = npt.NDArray[np.int64]
Thresholds = npt.NDArray[np.float32] | npt.NDArray[np.float64]

MOST_LISTED = 1 << 16
"""Values of a feature that enters as several columns, all of which are looked at."""


@dataclass(frozen=True, eq=False)
class ListedValues:
    """The values of a number that enters the graph as several columns, as behind a one-hot encoder
    or bins. Between two of them the graph may do anything, so nothing is said of what lies
    there."""

    name: str
    grid: Grid
    first: int
    """The least multiple of the grid that is known."""
    cell: Ints
    """``(n_values,)`` of each from the least on, ascending."""
    own: Wholes
    """``(n_own,)`` the columns."""
    cuts: tuple[Thresholds, ...]
    """Of each of them."""
    read: Wholes
    """``(n_cells, n_own)`` in which of its cells each column is, -1 where it is missing."""

    @property
    def begins(self) -> Floats:
        """``(n_cells,)`` the least value of each cell."""
        at = np.append(0, np.flatnonzero(np.diff(self.cell)) + 1)
        return self.grid.value(self.first + at)

    def of(self, values: Floats, encoded: Thresholds) -> Ints:
        """Cell of each of ``values`` that is a number; of others any.

        Raises
        ------
        NotEligible
            If the graph reads a value that is none of those known like none of them.
        """
        numbers = np.where(np.isnan(values), self.grid.at(self.first), values)
        multiple = np.rint(numbers * self.grid.scale / self.grid.numerator)
        at = np.clip(multiple - self.first, 0, len(self.cell) - 1).astype(np.int64)
        known = self.grid.value(self.first + at) == numbers
        cells: Ints = self.cell[at]
        # Beyond the bounds, or off the grid, a factual may be read as one that is known: all that
        # trees see of it.
        for i in np.flatnonzero(~known):
            like = (self.read == _cells_read(self.own, self.cuts, encoded[i : i + 1])).all(axis=1)
            if not like.any():
                raise NotEligible("trees", f"{self.name} is {values[i]:g}, no known value")
            among = np.flatnonzero(like)
            cells[i] = among[np.abs(among - cells[i]).argmin()]
        return cells


def listed_values(
    columns: Columns, feature: Feature, j: int, own: Wholes, cuts: list[Thresholds], n: int
) -> ListedValues:
    """The values of the ``j``-th of ``n`` features, which enters as the columns ``own``; ``cuts``
    are those of all columns.

    Raises
    ------
    NotEligible
        If it is on no grid, or has no values or too many.
    """
    several = f"{feature.name} enters the graph as {len(own)} columns"
    # A whole number reads any, whatever it can be set to.
    step = Decimal(1) if feature.kind is Kind.INTEGER else feature.resolution
    if step is None:
        raise NotEligible("trees", f"{several}, and is on no grid")
    grid = Grid.of(step)
    if not feature.upper - feature.lower < MOST_LISTED * grid.at(1):
        raise NotEligible("trees", f"{several}, and has more than {MOST_LISTED} values")
    first = grid.ceil(feature.lower)
    values = grid.value(np.arange(first, grid.floor(feature.upper) + 1))
    if not len(values):
        raise NotEligible("trees", f"{several}, and none of its values is within its bounds")
    rows = np.zeros((len(values), n))
    rows[:, j] = values
    its = tuple(cuts[column] for column in own)
    read = _cells_read(own, its, columns.encode(rows))
    starts = np.append(0, np.flatnonzero((np.diff(read, axis=0) != 0).any(axis=1)) + 1)
    cell = np.zeros(len(values), dtype=np.int32)
    cell[starts[1:]] = 1
    return ListedValues(
        feature.name, grid, first, np.cumsum(cell, dtype=np.int32), own, its, read[starts]
    )


def _cells_read(own: Wholes, cuts: tuple[Thresholds, ...], encoded: Thresholds) -> Wholes:
    """In which of its cells each of some columns is, ``(n, n_own)``; -1 where it is missing."""
    found = np.empty((len(encoded), len(own)), dtype=np.int64)
    for k, (column, its) in enumerate(zip(own, cuts, strict=True)):
        at = encoded[:, column]
        found[:, k] = np.where(np.isnan(at), -1, np.searchsorted(its, at, side="right"))
    return found

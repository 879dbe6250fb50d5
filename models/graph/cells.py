"""What each number of a tensor depends on, and which way it moves.

Operators are run twice: on numbers (:meth:`~ifonly.models.graph.operators.Operator.run`), and once,
when a graph is read, on cells. Before the core of a model the sources of a cell are features,
behind it they are outputs of the core.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np
import numpy.typing as npt

Cells = npt.NDArray[Any]
"""A :class:`Cell` for each number of a tensor; its first axis, the batch, has length 1."""


@dataclass(frozen=True)
class Cell:
    """One number of a tensor, as a function of its sources."""

    sources: frozenset[int] = frozenset()
    """What it depends on; nothing: a constant."""
    main: int | None = None
    """The source that :attr:`sense` is about."""
    sense: int = 0
    """How it moves when :attr:`main` grows and all else stays: 1 never down, -1 never up, 0 not
    known."""
    order: int = 0
    """Order against the cells beside it: the one with the larger main source is the larger (1), the
    smaller (-1), or nobody knows (0)."""
    unit: bool = False
    """Whether it lies in [0, 1]."""
    share: bool = False
    """Whether it is at least 0 and, with the cells beside it, adds up to 1."""
    plain: bool = False
    """Whether it is its main source, unchanged."""
    shift: bool = False
    """Whether it stays when one number is added to all of its sources."""
    value: Any = None
    """The value, where the cell is a constant."""

    @classmethod
    def source(cls, number: int) -> Cell:
        """The source ``number`` itself."""
        return cls(frozenset({number}), number, sense=1, order=1, plain=True)

    def moved(self, sense: int, *, unit: bool = False, alike: bool = True) -> Cell:
        """Through a function of this cell alone that never falls (1), never rises (-1), or does
        anything (0); ``alike``: the same function for all cells beside it.
        """
        return replace(
            self,
            sense=self.sense * sense,
            unit=unit,
            # Different functions of the cells beside it may change which of them is the largest.
            order=self.order * sense if alike else 0,
            share=False,
            plain=False,
            value=None,
        )

    @property
    def is_constant(self) -> bool:
        return not self.sources


def mixed(cells: Iterable[Cell]) -> Cell:
    """Any function of ``cells``."""
    return Cell(frozenset().union(*(c.sources for c in cells)))


def shared(line: Sequence[Cell], *, keeps_order: bool = True) -> list[Cell]:
    """Shares of a whole, as softmax makes them: each rises with its own cell and falls with every
    other.

    Without ``keeps_order`` nothing is said of how they move, only to which source each belongs.
    """
    sources = frozenset().union(*(cell.sources for cell in line))
    # Such as SOFTMAX_ZERO, which leaves out what is 0.
    if not keeps_order:
        return [Cell(sources, _main(cell, sources)) for cell in line]
    # Softmax stays where one number is added to all, if each cell is one source, unchanged.
    shift = all(cell.plain for cell in line) and len(sources) == len(line)
    return [
        Cell(
            sources,
            main=_main(cell, sources),
            sense=_sense_of_share(line, k, sources),
            order=cell.order,
            unit=True,
            share=True,
            shift=shift,
        )
        for k, cell in enumerate(line)
    ]


def _main(cell: Cell, sources: frozenset[int]) -> int | None:
    return next(iter(sources)) if len(sources) == 1 else cell.main


def _sense_of_share(line: Sequence[Cell], k: int, sources: frozenset[int]) -> int:
    own, others = line[k], [cell for i, cell in enumerate(line) if i != k]
    if len(sources) == 1:
        # One source moves them all: they must not pull in different directions.
        pulls = {-cell.sense for cell in others if not cell.is_constant}
        pulls |= set() if own.is_constant else {own.sense}
        return pulls.pop() if len(pulls) == 1 else 0
    # Else its own source moves the others as well, and which effect is larger is not known.
    own_only = all(own.main not in cell.sources for cell in others)
    return own.sense if own_only and len(own.sources) == 1 else 0


def constants(array: npt.NDArray[Any]) -> Cells:
    """Cells of a tensor that is the same for every row."""
    cells = np.empty(array.shape, dtype=object)
    for place, value in np.ndenumerate(array):
        cells[place] = Cell(value=value)
    return cells


def sources(numbers: Iterable[int]) -> Cells:
    """``(1, n)``: the sources of these numbers."""
    found = [Cell.source(int(number)) for number in numbers]
    cells = np.empty((1, len(found)), dtype=object)
    cells[0] = found
    return cells


def each(cells: Cells, function: Callable[[Cell], Cell]) -> Cells:
    """``function`` of every cell."""
    out = np.empty(cells.shape, dtype=object)
    for place, cell in np.ndenumerate(cells):
        out[place] = function(cell)
    return out


def along_last(cells: Cells, function: Callable[[Sequence[Cell]], Sequence[Cell]]) -> Cells:
    """``function`` of each line along the last axis."""
    width = cells.shape[-1]
    out = np.empty(cells.shape, dtype=object)
    lines, results = cells.reshape(-1, width), out.reshape(-1, width)
    for k, line in enumerate(lines):
        results[k] = function(line.tolist())
    return out

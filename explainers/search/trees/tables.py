"""Bit tables over the leaves: what the kernel reads of a model.

One tree's leaves are sorted by value and packed 64 to a word, so that the lowest set bit of what
is left is the least value left. ``at_most[c]`` holds the leaves whose box begins at or before
cell ``c``, ``at_least[c]`` those whose box ends at or after it.
"""

from __future__ import annotations

from dataclasses import dataclass, fields
from functools import cached_property

from ifonly.explainers.native import kernel
from ifonly.explainers.search.trees.arrays import (
    CellRows,
    Cells,
    Floats,
    Ints,
    WordRows,
    Words,
    once,
)


@dataclass(frozen=True, eq=False)
class Tables:
    """``n_words`` words in all; bit ``b`` of word ``w`` is leaf ``64 * w + b``."""

    cells: Ints
    """``(n_features + 1,)`` first row of each feature in the tables."""
    at_most: WordRows
    """``(n_cells, n_words)``"""
    at_least: WordRows
    leaf_lo: CellRows
    """``(64 * n_words, n_features)``"""
    leaf_hi: CellRows
    # float64, whatever the graph adds in: the band allows for what float32 sums lose.
    value: Floats
    """``(64 * n_words,)``"""
    full: Words
    words: Ints
    """``(n_trees + 1,)`` first word of each tree."""
    groups: Ints
    """``(n_goals + 1,)`` first tree of each goal."""
    constant: Floats
    """``(n_goals,)`` sum of what does not depend on the row."""
    fine: Ints
    """``(n_features + 1,)`` first cell of each feature among the cells of the whole model."""
    coarse: Cells
    """``(fine[-1],)`` cell here of each cell of the whole model, from its feature's first."""
    begin: Ints
    """``(cells[-1] + n_features,)`` first cell of the whole model in each cell here, counted from
    its feature's first; feature ``j`` begins at ``cells[j] + j`` and ends with the count."""

    @cached_property
    def native(self) -> kernel.Tables:
        """The same in compiled code, checked; it keeps the arrays alive."""
        return once(self, kernel.Tables(self))

    @property
    def size(self) -> int:
        """Bytes held."""
        return sum(getattr(self, field.name).nbytes for field in fields(self))

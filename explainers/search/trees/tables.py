"""Bit tables over the leaves: what the kernel reads, built once for a model and a target's form.

One tree's leaves are sorted by value and packed 64 to a word, so that the lowest set bit of what
is left is the least value left. ``at_most[c]`` holds the leaves whose box begins at or before
cell ``c``, ``at_least[c]`` those whose box ends at or after it.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
from numba import uint64

from explainers.search.trees.compiled import SOURCES, entry, inner

Words = npt.NDArray[np.uint64]


class Tables(NamedTuple):
    """``n_words`` words in all; bit ``b`` of word ``w`` is leaf ``64 * w + b``."""

    cells: npt.NDArray[np.int64]
    """``(n_features + 1,)`` first row of each feature in the tables."""
    at_most: Words
    """``(n_cells, n_words)``"""
    at_least: Words
    leaf_lo: npt.NDArray[np.int32]
    """``(64 * n_words, n_features)``"""
    leaf_hi: npt.NDArray[np.int32]
    value: npt.NDArray[np.float64]
    """``(64 * n_words,)``"""
    full: Words
    words: npt.NDArray[np.int64]
    """``(n_trees + 1,)`` first word of each tree."""
    groups: npt.NDArray[np.int64]
    """``(n_goals + 1,)`` first tree of each goal."""
    constant: npt.NDArray[np.float64]
    """``(n_goals,)`` sum of what does not depend on the row."""
    fine: npt.NDArray[np.int64]
    """``(n_features + 1,)`` first cell of each feature among the cells of the whole model."""
    coarse: npt.NDArray[np.int32]
    """``(fine[-1],)`` cell here of each cell of the whole model, from its feature's first."""
    begin: npt.NDArray[np.int64]
    """``(cells[-1] + n_features,)`` first cell of the whole model in each cell here, counted from
    its feature's first; feature ``j`` begins at ``cells[j] + j`` and ends with the count."""

    @property
    def size(self) -> int:
        """Bytes held."""
        return sum(array.nbytes for array in self)


def table_bytes(n_cells: int, n_leaves: int, n_trees: int) -> int:
    """About how many bytes tables of this size would hold."""
    return 16 * n_cells * (n_leaves // 64 + n_trees)


def build_tables(
    lower: npt.NDArray[np.int32],
    upper: npt.NDArray[np.int32],
    values: npt.NDArray[np.float64],
    trees: npt.NDArray[np.int64],
    groups: npt.NDArray[np.int64],
    counts: npt.NDArray[np.int64],
) -> Tables:
    """Tables of leaves ``(n_leaves, n_features)`` in trees; ``counts`` is cells per feature."""
    cells = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    sizes = np.diff(trees)
    words = np.concatenate([[0], np.cumsum((sizes + 63) // 64)]).astype(np.int64)
    tree_of = np.repeat(np.arange(len(sizes)), sizes)
    order = np.lexsort((values, tree_of))
    within = np.arange(len(order)) - np.repeat(trees[:-1] - trees[0], sizes)
    slots = 64 * np.repeat(words[:-1], sizes) + within
    n_bits = 64 * int(words[-1])
    leaf_lo = np.zeros((n_bits, lower.shape[1]), dtype=np.int32)
    leaf_hi = np.full((n_bits, lower.shape[1]), -1, dtype=np.int32)
    value = np.full(n_bits, np.inf)
    leaf_lo[slots], leaf_hi[slots], value[slots] = lower[order], upper[order], values[order]
    at_most = np.zeros((int(cells[-1]), int(words[-1])), dtype=np.uint64)
    at_least = np.zeros_like(at_most)
    full = np.zeros(int(words[-1]), dtype=np.uint64)
    _fill(slots, leaf_lo, leaf_hi, cells, at_most, at_least, full)
    return Tables(
        cells,
        at_most,
        at_least,
        leaf_lo,
        leaf_hi,
        value,
        full,
        words,
        groups,
        constant=np.zeros(len(groups) - 1),
        fine=cells,
        coarse=np.concatenate([np.arange(count) for count in counts]).astype(np.int32),
        begin=np.concatenate([np.arange(count + 1) for count in counts]).astype(np.int64),
    )


@inner
def accumulate(cells: Any, at_most: Any, at_least: Any, n_words: int) -> None:
    """Bits that are set at the first and the last cell of each leaf's interval, spread over it."""
    for j in range(len(cells) - 1):
        for c in range(cells[j] + 1, cells[j + 1]):
            for w in range(n_words):
                at_most[c, w] |= at_most[c - 1, w]
        for c in range(cells[j + 1] - 2, cells[j] - 1, -1):
            for w in range(n_words):
                at_least[c, w] |= at_least[c + 1, w]


def _entry(sources: str) -> Any:
    @entry
    def fill(
        slots: Any, leaf_lo: Any, leaf_hi: Any, cells: Any, at_most: Any, at_least: Any, full: Any
    ) -> None:
        sources  # noqa: B018
        n_features = leaf_lo.shape[1]
        for i in range(len(slots)):
            slot = slots[i]
            word = slot >> 6
            bit = uint64(1) << uint64(slot & 63)
            full[word] |= bit
            for j in range(n_features):
                at_most[cells[j] + leaf_lo[slot, j], word] |= bit
                at_least[cells[j] + leaf_hi[slot, j], word] |= bit
        accumulate(cells, at_most, at_least, len(full))

    return fill


_fill = _entry(SOURCES)

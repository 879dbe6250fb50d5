"""Bit tables, built once for a model and a target's form."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ifonly.explainers.native import kernel
from ifonly.explainers.search.trees.tables import Tables


def table_bytes(n_cells: int, n_leaves: int, n_trees: int) -> int:
    """About how many bytes tables of this size would hold."""
    # Two tables of 8-byte words; each tree wastes less than a word on rounding up.
    return 16 * n_cells * (n_leaves // 64 + n_trees)


def build_tables(
    lower: npt.NDArray[np.int32],
    upper: npt.NDArray[np.int32],
    values: npt.NDArray[np.float64],
    trees: npt.NDArray[np.int64],
    groups: npt.NDArray[np.int64],
    counts: npt.NDArray[np.int64],
) -> Tables:
    """Bit tables of the leaves of an ensemble.

    Parameters
    ----------
    lower, upper : ndarray of int32, shape (n_leaves, n_features)
        First and last cell of each leaf's box.
    values : ndarray, shape (n_leaves,)
        What each leaf adds to its goal's sum.
    trees : ndarray of int64, shape (n_trees + 1,)
        First leaf of each tree.
    groups : ndarray of int64, shape (n_goals + 1,)
        First tree of each goal.
    counts : ndarray of int64, shape (n_features,)
        Cells of each feature.
    """
    cells = np.concatenate([[0], np.cumsum(counts)]).astype(np.int64)
    sizes = np.diff(trees)
    words = np.concatenate([[0], np.cumsum((sizes + 63) // 64)]).astype(np.int64)
    tree_of = np.repeat(np.arange(len(sizes)), sizes)
    # By tree, then by value: the lowest bit of a tree's words is then its least leaf.
    order = np.lexsort((values, tree_of))
    within = np.arange(len(order)) - np.repeat(trees[:-1] - trees[0], sizes)
    slots = 64 * np.repeat(words[:-1], sizes) + within
    n_bits = 64 * int(words[-1])
    leaf_lo = np.zeros((n_bits, lower.shape[1]), dtype=np.int32)
    # Bits without a leaf have an empty box, so that nothing ever reaches them.
    leaf_hi = np.full((n_bits, lower.shape[1]), -1, dtype=np.int32)
    # And would be infinitely far from every limit.
    value = np.full(n_bits, np.inf)
    leaf_lo[slots], leaf_hi[slots], value[slots] = lower[order], upper[order], values[order]
    tables = Tables(
        cells=cells,
        at_most=np.zeros((int(cells[-1]), int(words[-1])), dtype=np.uint64),
        at_least=np.zeros((int(cells[-1]), int(words[-1])), dtype=np.uint64),
        leaf_lo=leaf_lo,
        leaf_hi=leaf_hi,
        value=value,
        full=np.zeros(int(words[-1]), dtype=np.uint64),
        words=words,
        groups=groups,
        constant=np.zeros(len(groups) - 1),
        fine=cells,
        # The cells here are those of the model; only merged tables join some of them.
        coarse=np.concatenate([np.arange(count) for count in counts]).astype(np.int32),
        begin=np.concatenate([np.arange(count + 1) for count in counts]).astype(np.int64),
    )
    kernel.fill(tables.native, slots)
    return tables

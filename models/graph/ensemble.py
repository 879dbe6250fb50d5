"""Sums of decision trees, evaluated as ONNX Runtime does."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from enum import IntEnum
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

Matrix = npt.NDArray[np.floating[Any]]
Ints = npt.NDArray[np.int32]

_CHUNK = 512
"""Rows walked through all trees at once: their state stays in the processor's cache."""


class BranchMode(IntEnum):
    """How an inner node compares its column (left) with its threshold (right).

    NaN fails every comparison but NE; see also :attr:`TreeEnsemble.missing_true`.
    """

    LT = 0
    LE = 1
    GT = 2
    GE = 3
    EQ = 4
    NE = 5


_COMPARE = {
    BranchMode.LT: np.less,
    BranchMode.LE: np.less_equal,
    BranchMode.GT: np.greater,
    BranchMode.GE: np.greater_equal,
    BranchMode.EQ: np.equal,
    BranchMode.NE: np.not_equal,
}


@dataclass(frozen=True, eq=False)
class TreeEnsemble:
    """Trees whose leaves are added up. The nodes of all trees stand in one flat array.

    A node is a leaf where ``column`` is -1; it then is its own child on both sides. Every inner
    node has one parent at most, every node is reached from one root at most.
    """

    n_columns: int
    n_outputs: int
    roots: Ints
    """``(n_trees,)``: node at which each tree starts, in the order in which trees are added."""
    column: Ints
    """``(n_nodes,)``: column compared."""
    threshold: Matrix
    """``(n_nodes,)``, float32 or float64: in this type columns are compared."""
    mode: npt.NDArray[np.int8]
    """``(n_nodes,)``: a :class:`BranchMode`; meaningless for leaves."""
    true_child: Ints
    """``(n_nodes,)``: node to go to where the comparison holds."""
    false_child: Ints
    missing_true: npt.NDArray[np.bool_]
    """``(n_nodes,)``: NaN goes to the true child, whatever the comparison says."""
    values: npt.NDArray[np.float64]
    """``(n_nodes, n_outputs)``: what a leaf adds; 0 for inner nodes and for other outputs."""
    base: npt.NDArray[np.float64]
    """``(n_outputs,)``: added after the trees."""
    sums: np.dtype[Any]
    """In which leaves are added up."""
    divisor: float = 1.0
    """What ONNX Runtime divides the sum by before it adds the base: the number of trees for an
    average, whose ``values`` are divided already. Only :meth:`raw` needs it."""

    @property
    def dtype(self) -> np.dtype[Any]:
        """Type in which features and thresholds are compared."""
        return self.threshold.dtype

    @property
    def n_trees(self) -> int:
        return len(self.roots)

    @property
    def n_nodes(self) -> int:
        return len(self.column)

    @cached_property
    def is_leaf(self) -> npt.NDArray[np.bool_]:
        return np.asarray(self.column < 0)

    @cached_property
    def depth(self) -> int:
        """Comparisons on the longest way from a root to a leaf."""
        return sum(1 for level in self.levels() if not self.is_leaf[level].all())

    def levels(self) -> Iterator[Ints]:
        """Nodes that are reached from the roots after 0, 1, 2, … comparisons."""
        level = self.roots
        while len(level):
            yield level
            inner = level[~self.is_leaf[level]]
            level = np.concatenate([self.true_child[inner], self.false_child[inner]])

    def leaves_of(self, matrix: Matrix) -> Ints:
        """Node in which each row of ``matrix``, ``(n, n_columns)``, ends in each tree:
        ``(n, n_trees)``.
        """
        # In the type of the thresholds: float64 readings would fall on the other side of some.
        plain = np.ascontiguousarray(matrix, dtype=self.dtype)
        leaves = np.empty((len(plain), self.n_trees), dtype=np.int32)
        for start in range(0, len(plain), _CHUNK):
            part = slice(start, start + _CHUNK)
            leaves[part] = self._walk(plain[part])
        return leaves

    def raw(self, matrix: Matrix) -> npt.NDArray[np.float64]:
        """Sum of leaves and base for each row of ``matrix``, ``(n, n_outputs)``.

        Added tree by tree in :attr:`sums`, as ONNX Runtime does in one thread.
        """
        total = np.zeros((len(matrix), self.n_outputs), dtype=self.sums)
        added = self._added
        leaves = self.leaves_of(matrix)
        for tree in range(self.n_trees):
            # Tree by tree and not by `sum`, which adds in pairs: the last digit would differ.
            total += added[leaves[:, tree]]
        # Divided before the base is added, as ONNX Runtime does.
        if self.divisor != 1.0:
            total /= self.sums.type(self.divisor)
        total += self.base.astype(self.sums)
        return total.astype(np.float64)

    @cached_property
    def _added(self) -> Matrix:
        """What each leaf adds before the division of an average, in :attr:`sums`."""
        # Values are divided already, and ONNX Runtime divides the sum: undo it first.
        whole = self.values * self.divisor if self.divisor != 1.0 else self.values
        return np.ascontiguousarray(whole, dtype=self.sums)

    @cached_property
    def _modes(self) -> tuple[BranchMode, ...]:
        """Modes that inner nodes have."""
        return tuple(BranchMode(int(m)) for m in np.unique(self.mode[~self.is_leaf]))

    @cached_property
    def _steps(self) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
        """Column of each node, 0 for a leaf; and false and true child of each node in turn."""
        children = np.stack([self.false_child, self.true_child], axis=1).ravel()
        return np.maximum(self.column, 0).astype(np.intp), children.astype(np.intp)

    def _walk(self, matrix: Matrix) -> npt.NDArray[np.intp]:
        """One chunk of :meth:`leaves_of`, one comparison a round."""
        column, children = self._steps
        flat = matrix.ravel()
        start = (np.arange(len(matrix)) * self.n_columns)[:, None]
        node = np.broadcast_to(self.roots.astype(np.intp), (len(matrix), self.n_trees))
        # A leaf is its own child, so rows that arrive early stay where they are.
        for _ in range(self.depth):
            tested = flat.take(column.take(node) + start)
            node = children.take(2 * node + self._holds(node, tested))
        return node

    def _holds(self, node: npt.NDArray[np.intp], tested: Matrix) -> npt.NDArray[np.bool_]:
        """Whether ``tested`` goes to the true child of ``node``; both ``(n, n_trees)``."""
        threshold = self.threshold.take(node)
        first, *others = self._modes
        holds = np.asarray(_COMPARE[first](tested, threshold), dtype=np.bool_)
        # Nearly all ensembles have one mode, and then nothing is looked up node by node.
        for mode in others:
            here = self.mode.take(node) == mode
            holds = np.where(here, _COMPARE[mode](tested, threshold), holds)
        # NaN fails each comparison, so where it should go to the true side it is sent there.
        if self.missing_true.any():
            holds |= self.missing_true.take(node) & np.isnan(tested)
        return holds

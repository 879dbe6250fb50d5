"""The trees of ``TreeEnsembleClassifier`` and ``TreeEnsembleRegressor``, ai.onnx.ml 1 to 3."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from onnx import NodeProto

from ifonly.models.graph.ensemble import BranchMode
from ifonly.models.graph.refusal import refuse
from ifonly.models.graph.source import attributes

Ids = npt.NDArray[np.int64]

_MODES = {
    b"BRANCH_LT": int(BranchMode.LT),
    b"BRANCH_LEQ": int(BranchMode.LE),
    b"BRANCH_GT": int(BranchMode.GT),
    b"BRANCH_GTE": int(BranchMode.GE),
    b"BRANCH_EQ": int(BranchMode.EQ),
    b"BRANCH_NEQ": int(BranchMode.NE),
    b"LEAF": -1,
}


@dataclass(frozen=True, eq=False)
class TreeTables:
    """Nodes of all trees in the order of the file, children as positions in these arrays."""

    roots: Ids
    feature: Ids
    """-1 for a leaf."""
    mode: npt.NDArray[np.int8]
    threshold: npt.NDArray[np.floating[Any]]
    true_child: Ids
    """A leaf's is itself."""
    false_child: Ids
    missing_true: npt.NDArray[np.bool_]
    leaf: Ids
    """Node of each weight."""
    target: Ids
    """Output of each weight."""
    weight: npt.NDArray[np.floating[Any]]
    base: npt.NDArray[np.floating[Any]]
    """As the file has it; empty where it has none."""


def read_tables(node: NodeProto) -> TreeTables:
    """The nodes of the trees, in the type that the file keeps them in.

    Raises
    ------
    UnreadableGraph
        If the tables contradict themselves.
    """
    a = attributes(node)
    kind = "class" if node.op_type == "TreeEnsembleClassifier" else "target"
    n = len(a["nodes_modes"])
    # -2 for a mode that is not known, which no node may have.
    mode = np.array([_MODES.get(m, -2) for m in a["nodes_modes"]], dtype=np.int8)
    if (mode == -2).any():
        unknown = a["nodes_modes"][int(np.argmax(mode == -2))].decode()
        raise refuse(node, f"has a node of mode {unknown!r}")
    is_leaf = mode == -1
    keys = _Keys(node, a["nodes_treeids"], a["nodes_nodeids"])
    own = np.arange(n, dtype=np.int64)
    true_child, false_child = own.copy(), own.copy()
    inner = np.flatnonzero(~is_leaf)
    trees = a["nodes_treeids"][inner]
    true_child[inner] = keys.find(trees, a["nodes_truenodeids"][inner])
    false_child[inner] = keys.find(trees, a["nodes_falsenodeids"][inner])
    leaf = keys.find(a[f"{kind}_treeids"], a[f"{kind}_nodeids"])
    kept = is_leaf[leaf]  # ONNX Runtime ignores weights of inner nodes
    weight = _numbers(a, f"{kind}_weights", len(leaf))
    missing = a.get("nodes_missing_value_tracks_true", np.zeros(n, dtype=np.int64))
    return TreeTables(
        roots=_roots(node, a["nodes_treeids"]),
        feature=np.where(is_leaf, -1, a["nodes_featureids"]),
        mode=np.where(is_leaf, 0, mode).astype(np.int8),
        threshold=np.where(is_leaf, 0, _numbers(a, "nodes_values", n)),
        true_child=true_child,
        false_child=false_child,
        # Exactly 1: other numbers mean no.
        missing_true=(missing == 1) & ~is_leaf,
        leaf=leaf[kept],
        target=a[f"{kind}_ids"][kept],
        weight=weight[kept],
        base=_numbers(a, "base_values", 0),
    )


def _numbers(a: dict[str, Any], name: str, n: int) -> npt.NDArray[np.floating[Any]]:
    """An attribute that may also be given as a tensor of doubles."""
    # Tensors of doubles came with ai.onnx.ml 3, and are more exact than the floats beside them.
    for key in (f"{name}_as_tensor", name):
        if key in a and len(a[key]):
            return np.asarray(a[key])
    return np.zeros(n, dtype=np.float32)


def _roots(node: NodeProto, trees: Ids) -> Ids:
    """First node of each tree: where ONNX Runtime starts."""
    starts = np.flatnonzero(np.concatenate([[True], trees[1:] != trees[:-1]]))
    if len(np.unique(trees[starts])) < len(starts):
        raise refuse(node, "lists the nodes of a tree in several places")
    return starts


class _Keys:
    """Positions of nodes by tree and number."""

    def __init__(self, node: NodeProto, trees: Ids, numbers: Ids) -> None:
        self._node = node
        # One key a node: tree and number in one integer, so that all are found by one search.
        self._numbers = int(numbers.max(initial=0)) + 1
        keys = self._key(trees, numbers)
        self._order = np.argsort(keys, kind="stable")
        self._sorted = keys[self._order]
        if (self._sorted[1:] == self._sorted[:-1]).any():
            raise refuse(node, "has two nodes of one number in one tree")

    def find(self, trees: Ids, numbers: Ids) -> Ids:
        wanted = self._key(trees, numbers)
        # Clipped for a number beyond the last, which then does not match.
        places = np.searchsorted(self._sorted, wanted).clip(max=len(self._sorted) - 1)
        absent = (self._sorted[places] != wanted) | (numbers < 0) | (numbers >= self._numbers)
        if absent.any():
            at = int(np.argmax(absent))
            raise refuse(self._node, f"has no node {numbers[at]} in tree {trees[at]}")
        return np.asarray(self._order[places], dtype=np.int64)

    def _key(self, trees: Ids, numbers: Ids) -> Ids:
        return np.asarray(trees * self._numbers + numbers, dtype=np.int64)

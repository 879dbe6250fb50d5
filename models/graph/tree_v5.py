"""``TreeEnsemble`` of ai.onnx.ml 5 as the tables of its forerunners.

There, inner nodes and leaves are numbered apart. Here every branch to a leaf gets a node of its
own, and a test of membership becomes a chain of comparisons.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import numpy.typing as npt
from onnx import NodeProto

from ifonly.models.graph.ensemble import BranchMode
from ifonly.models.graph.operators.tree_scores import Transform
from ifonly.models.graph.refusal import refuse
from ifonly.models.graph.source import attributes
from ifonly.models.graph.tree_nodes import TreeNode, regression
from ifonly.models.graph.tree_tables import Ids, TreeTables

_MODES = (BranchMode.LE, BranchMode.LT, BranchMode.GE, BranchMode.GT, BranchMode.EQ, BranchMode.NE)
_MEMBER = 6
_SMALL = 30

_AGGREGATES = ("AVERAGE", "SUM", "MIN", "MAX")
_TRANSFORMS = (
    Transform.NONE,
    Transform.LOGISTIC,
    Transform.SOFTMAX,
    Transform.SOFTMAX_ZERO,
    Transform.PROBIT,
)
"""Each at its number in ONNX Runtime 1.31; ONNX itself has SOFTMAX for 1 and LOGISTIC for 2."""


def read_ensemble(node: NodeProto, dtype: np.dtype[Any], n_columns: int) -> TreeNode:
    """A TreeEnsemble whose input has ``n_columns`` columns of ``dtype``, float32 or float64.

    Raises
    ------
    UnreadableGraph
        If ONNX Runtime gives it no useful meaning.
    """
    a = attributes(node)
    transform = _TRANSFORMS[a.get("post_transform", 0)]
    aggregate = _AGGREGATES[a.get("aggregate_function", 1)]
    tables = read_tables(node)
    n_targets = int(a.get("n_targets", 0))
    return regression(node, tables, n_targets, transform, aggregate, dtype, n_columns, dtype)


def read_tables(node: NodeProto) -> TreeTables:
    """The nodes of the trees, in the type that the file keeps them in.

    Raises
    ------
    UnreadableGraph
        If the tables contradict themselves.
    """
    a = attributes(node)
    chains = _chains(node, a)
    # An inner node becomes the tests of its chain, one behind another.
    first = np.concatenate([[0], np.cumsum([len(chain) for chain in chains])])
    n_inner = int(first[-1])
    of = np.repeat(np.arange(len(chains)), np.diff(first))
    place = np.arange(n_inner)
    tests = [test for chain in chains for test in chain]
    true_by, false_by = (np.array([t[k] for t in tests], dtype=np.int64) for k in (2, 3))
    # A leaf gets a node for each branch that leads to it.
    true_child, true_ids = _children(a, "true", of, place, true_by, first, n_inner)
    start = n_inner + len(true_ids)
    false_child, false_ids = _children(a, "false", of, place, false_by, first, start)
    leaf_ids = np.concatenate([true_ids, false_ids])
    leaves = n_inner + np.arange(len(leaf_ids))
    missing = a.get("nodes_missing_value_tracks_true", np.zeros(len(chains), dtype=np.int64))
    splits = np.array([t[1] for t in tests], dtype=a["nodes_splits"].dtype)
    return TreeTables(
        roots=first[a["tree_roots"]],
        feature=_padded(a["nodes_featureids"][of], len(leaves), -1),
        mode=_padded(np.array([t[0] for t in tests], dtype=np.int8), len(leaves), 0),
        threshold=_padded(splits, len(leaves), 0),
        true_child=np.concatenate([true_child, leaves]),
        false_child=np.concatenate([false_child, leaves]),
        missing_true=_padded(missing[of] == 1, len(leaves), 0),
        leaf=leaves,
        target=a["leaf_targetids"][leaf_ids],
        weight=a["leaf_weights"][leaf_ids],
        # This operator has none.
        base=np.zeros(0, dtype=a["leaf_weights"].dtype),
    )


_Test = tuple[BranchMode, float, int, int]
"""A comparison, and how many tests further to go where it holds and where not; 0: to the node's
own true, or false, child."""


def _chains(node: NodeProto, a: dict[str, Any]) -> list[list[_Test]]:
    """The tests that each inner node stands for."""
    modes, splits = a["nodes_modes"].tolist(), a["nodes_splits"].tolist()
    sets = _sets(a.get("membership_values", np.zeros(0)))
    if len(sets) != modes.count(_MEMBER) or not all(sets):
        raise refuse(
            node, f"has {modes.count(_MEMBER)} tests of membership and {len(sets)} sets for them"
        )
    members = iter(sets)
    return [
        _membership(next(members)) if mode == _MEMBER else [(_MODES[mode], split, 0, 0)]
        for mode, split in zip(modes, splits, strict=True)
    ]


def _sets(values: npt.NDArray[Any]) -> list[list[float]]:
    """Runs between NaN."""
    found: list[list[float]] = [[]]
    for value in values.tolist():
        if np.isnan(value):
            found.append([])
        else:
            found[-1].append(value)
    return found if found[-1] else found[:-1]


def _membership(members: list[float]) -> list[_Test]:
    """Whether a number is one of ``members``.

    Where one of them is outside [0, 30], ONNX Runtime takes them all for whole numbers, and cuts
    the number to a whole one, towards 0, before it looks it up: 2.7 then is 2.
    """
    # Each "is one of" is a row of tests of equality; the last one decides "no".
    if all(0 <= member <= _SMALL for member in members):
        return [(BranchMode.EQ, member, 0, 1) for member in members[:-1]] + [
            (BranchMode.EQ, members[-1], 0, 0)
        ]
    tests: list[_Test] = []
    # Two tests a member: from it on, and before the next whole number.
    for member in members:
        tests.append(
            (BranchMode.GE, member, 1, 2) if member > 0 else (BranchMode.GT, member - 1, 1, 2)
        )
        tests.append(
            (BranchMode.LT, member + 1, 0, 1) if member >= 0 else (BranchMode.LE, member, 0, 1)
        )
    for k in (-2, -1):  # the last ones go to the node's false child
        tests[k] = (*tests[k][:3], 0)
    return tests


def _children(
    a: dict[str, Any], side: str, of: Ids, place: Ids, by: Ids, first: Ids, start: int
) -> tuple[Ids, Ids]:
    """Where each test leads, and the leaves among that, which stand in a row from ``start``."""
    ids = a[f"nodes_{side}nodeids"][of]
    leaves = (a[f"nodes_{side}leafs"][of] != 0) & (by == 0)
    children = place + by
    own = (by == 0) & ~leaves
    # An inner node is entered by the first test of its chain.
    children[own] = first[ids[own]]
    children[leaves] = start + np.arange(int(leaves.sum()))
    return children, ids[leaves]


def _padded(inner: npt.NDArray[Any], n_leaves: int, value: int) -> npt.NDArray[Any]:
    return np.concatenate([inner, np.full(n_leaves, value, dtype=inner.dtype)])

"""``TreeEnsembleClassifier`` and ``TreeEnsembleRegressor`` as an ensemble and what follows it.

What ONNX Runtime makes of a classifier of two classes depends on which of them the leaves name,
on the number of base values and on the signs of the weights; see :func:`_binary`.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from onnx import NodeProto

from ifonly.models.graph.ensemble import BranchMode, TreeEnsemble
from ifonly.models.graph.operators.base import Operator
from ifonly.models.graph.operators.tree_scores import BinaryScores, PostTransform, Transform
from ifonly.models.graph.refusal import refuse
from ifonly.models.graph.source import attributes
from ifonly.models.graph.tree_tables import TreeTables, read_tables
from ifonly.models.graph.untangle import untangle

_SINGLE: np.dtype[Any] = np.dtype(np.float32)
Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class TreeNode:
    """A node read: what it adds up, and the operator that makes its output of that."""

    core: TreeEnsemble
    operator: Operator


def read_classifier(node: NodeProto, dtype: np.dtype[Any], n_columns: int) -> TreeNode:
    """A TreeEnsembleClassifier whose input has ``n_columns`` columns of ``dtype``.

    Raises
    ------
    UnreadableGraph
        If it is written in a way to which ONNX Runtime gives no useful meaning.
    """
    a = attributes(node)
    tables = read_tables(node)
    labels = a.get("classlabels_strings", a.get("classlabels_int64s", ()))
    transform = Transform(a.get("post_transform", b"NONE").decode())
    if len(labels) == 2:
        return _binary(node, tables, transform, _arithmetic(dtype), n_columns)
    if len(labels) < 2:
        raise refuse(node, f"has {len(labels)} classes")
    _check_targets(node, tables, len(labels))
    base = _base(node, tables, len(labels))
    values = _values(tables, len(labels))
    ensemble = _ensemble(node, tables, values, base, _arithmetic(dtype), n_columns)
    return TreeNode(ensemble, PostTransform(transform, _SINGLE))


def read_regressor(node: NodeProto, dtype: np.dtype[Any], n_columns: int) -> TreeNode:
    """As :func:`read_classifier`, of a TreeEnsembleRegressor."""
    a = attributes(node)
    tables = read_tables(node)
    n_targets = int(a.get("n_targets", 0))
    transform = Transform(a.get("post_transform", b"NONE").decode())
    aggregate = a.get("aggregate_function", b"SUM").decode()
    return regression(
        node, tables, n_targets, transform, aggregate, _arithmetic(dtype), n_columns, _SINGLE
    )


def regression(
    node: NodeProto,
    tables: TreeTables,
    n_targets: int,
    transform: Transform,
    aggregate: str,
    arithmetic: np.dtype[Any],
    n_columns: int,
    output: np.dtype[Any],
) -> TreeNode:
    """A node without classes."""
    if aggregate not in ("SUM", "AVERAGE"):
        raise refuse(node, f"takes the {aggregate} of its trees, which is no sum")
    _check_targets(node, tables, n_targets)
    if n_targets == 1 and transform is not Transform.PROBIT:
        transform = Transform.NONE  # ONNX Runtime ignores the others where there is one output
    base = _base(node, tables, n_targets)
    for target in np.flatnonzero(base) if n_targets > 1 else ():
        _check_named(node, tables, int(target), "has its base value added")
    divisor = float(len(tables.roots)) if aggregate == "AVERAGE" else 1.0
    # Divided here, so that leaves are what they add; see `TreeEnsemble.divisor`.
    values = _values(tables, n_targets) / divisor
    ensemble = _ensemble(node, tables, values, base, arithmetic, n_columns, divisor)
    return TreeNode(ensemble, PostTransform(transform, output))


def _binary(
    node: NodeProto,
    tables: TreeTables,
    transform: Transform,
    arithmetic: np.dtype[Any],
    n_columns: int,
) -> TreeNode:
    """A classifier of two classes, as ONNX Runtime 1.31 reads it.

    ============  ============  ===================================================
    classes       base values   scores before ``post_transform``
    named
    ============  ============  ===================================================
    0             none, 1       one sum ``s``: see :class:`BinaryScores`
    0             2             ``(s + base[0], 0)``
    1             none, 1       ``(0, s)``
    1             2             refused: the score is constant
    0 and 1       none, 1       ``(s0 + base[0], s1)``
    0 and 1       2             ``(-r, r)`` with ``r = s0 + base[1]``; ``s1`` is lost
    ============  ============  ===================================================
    """
    _check_targets(node, tables, 2)
    named = set(np.unique(tables.target).tolist())
    values = _values(tables, 2)
    base = np.zeros(2)
    if 0 in named and len(tables.base):
        base[0] = tables.base[0]
    operator: Operator = PostTransform(transform, _SINGLE)
    if named == {0} and len(tables.base) < 2:
        if transform is Transform.PROBIT:
            raise refuse(node, "has PROBIT for one sum, which fills one of its two scores only")
        operator = BinaryScores(bool((tables.weight >= 0).all()), transform, arithmetic)
        values, base = values[:, :1], base[:1]
    elif named == {1} and len(tables.base) == 2:
        raise refuse(node, "has two base values and trees for class 1 only: its score is constant")
    elif named == {0, 1}:
        _check_named(node, tables, 1, "is scored as one of two")
        if len(tables.base):
            _check_named(node, tables, 0, "has its base value added")
        if len(tables.base) == 2:
            values = np.stack([-values[:, 0], values[:, 0]], axis=1)
            base = np.array([-tables.base[1], tables.base[1]], dtype=np.float64)
    ensemble = _ensemble(node, tables, values, base, arithmetic, n_columns)
    return TreeNode(ensemble, operator)


def _check_named(node: NodeProto, tables: TreeTables, output: int, effect: str) -> None:
    """Every row ends in a leaf with a weight for ``output``: without, ONNX Runtime takes a row to
    have no score for it.
    """
    names = np.zeros(len(tables.feature), dtype=bool)
    names[tables.leaf[tables.target == output]] = True
    # Nodes of a tree stand together, so the last root before a node is that of its tree.
    tree = np.searchsorted(np.sort(tables.roots), np.arange(len(names)), side="right") - 1
    lacking = np.unique(tree[(tables.feature < 0) & ~names])
    # One tree that names it in every leaf is enough: every row ends in one of those.
    if len(lacking) == len(tables.roots):
        raise refuse(
            node,
            f"has leaves without a weight for output {output} in every tree: only a row "
            f"that ends in one with a weight {effect}",
        )


def _base(node: NodeProto, tables: TreeTables, n_outputs: int) -> Floats:
    """The base value of each output."""
    if len(tables.base) not in (0, n_outputs):
        raise refuse(node, f"has {len(tables.base)} base values for {n_outputs} outputs")
    return np.asarray(tables.base if len(tables.base) else np.zeros(n_outputs), dtype=np.float64)


def _arithmetic(dtype: np.dtype[Any]) -> np.dtype[Any]:
    """In which ONNX Runtime compares and adds, for an input of ``dtype``."""
    # ONNX Runtime compares in float64 only where the input is; whole numbers go to float32.
    return np.dtype(np.float64) if dtype == np.float64 else _SINGLE


def _check_targets(node: NodeProto, tables: TreeTables, n: int) -> None:
    outside = (tables.target < 0) | (tables.target >= n)
    if outside.any():
        raise refuse(node, f"has a weight for output {tables.target[outside][0]} of {n}")
    # Which of the two would count is not said anywhere.
    pairs = tables.leaf * n + tables.target
    if len(np.unique(pairs)) < len(pairs):
        raise refuse(node, "has two weights for one output in one leaf")


def _values(tables: TreeTables, n_outputs: int) -> Floats:
    values = np.zeros((len(tables.feature), n_outputs))
    values[tables.leaf, tables.target] = tables.weight
    return values


def _ensemble(
    node: NodeProto,
    tables: TreeTables,
    values: Floats,
    base: npt.NDArray[np.floating[Any]],
    arithmetic: np.dtype[Any],
    n_columns: int,
    divisor: float = 1.0,
) -> TreeEnsemble:
    _check_missing(node, tables)
    widest = int(tables.feature.max(initial=-1))
    if widest >= n_columns:
        raise refuse(node, f"splits column {widest} of {n_columns}")
    ensemble = TreeEnsemble(
        n_columns=n_columns,
        n_outputs=values.shape[1],
        roots=tables.roots.astype(np.int32),
        column=tables.feature.astype(np.int32),
        threshold=tables.threshold.astype(arithmetic),
        mode=tables.mode,
        true_child=tables.true_child.astype(np.int32),
        false_child=tables.false_child.astype(np.int32),
        missing_true=tables.missing_true,
        values=values,
        base=np.asarray(base, dtype=np.float64),
        sums=arithmetic,
        divisor=divisor,
    )
    # A graph of shared nodes is no tree; leaves must be told apart by their path.
    return untangle(node, ensemble)


def _check_missing(node: NodeProto, tables: TreeTables) -> None:
    """NaN does not meet tests of equality in a row of which only a later one lets it through.

    ONNX Runtime may merge such tests to one, and then heeds the first one's word alone.
    """
    nodes = np.arange(len(tables.feature))
    equal = (tables.feature >= 0) & (tables.mode == BranchMode.EQ)
    child = tables.false_child
    row = equal & equal[child] & (child != nodes) & (tables.feature == tables.feature[child])
    if (row & ~tables.missing_true & tables.missing_true[child]).any():
        raise refuse(node, "sends NaN another way from one test of equality than from the next")

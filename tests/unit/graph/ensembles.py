"""Tree ensembles written node by node, in every form that ONNX has for them."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

INPUT, SCORES = "x", "scores"


@dataclass(frozen=True)
class Leaf:
    weights: Mapping[int, float]
    """Output to what it adds."""


@dataclass(frozen=True)
class Split:
    column: int
    mode: str
    """LT, LEQ, GT, GTE, EQ, NEQ or MEMBER."""
    value: float | tuple[float, ...]
    true: Tree
    false: Tree
    missing_true: bool = False


Tree = Leaf | Split


def stump(column: int, mode: str, value: Any, true: float, false: float, **more: Any) -> Split:
    return Split(column, mode, value, Leaf({0: true}), Leaf({0: false}), **more)


@dataclass
class _Lists:
    nodes: dict[str, list[Any]] = field(default_factory=dict)
    weights: list[tuple[int, int, int, float]] = field(default_factory=list)

    def add(self, **values: Any) -> None:
        for name, value in values.items():
            self.nodes.setdefault(name, []).append(value)


def _flatten(trees: Sequence[Tree]) -> _Lists:
    lists = _Lists()
    for tree_id, tree in enumerate(trees):
        _flatten_tree(lists, tree_id, tree, [0])
    return lists


def _flatten_tree(lists: _Lists, tree_id: int, tree: Tree, counter: list[int]) -> int:
    node_id = counter[0]
    counter[0] += 1
    position = len(lists.nodes.get("modes", ()))
    lists.add(treeids=tree_id, nodeids=node_id, truenodeids=0, falsenodeids=0)
    if isinstance(tree, Leaf):
        lists.add(featureids=0, modes="LEAF", values=0.0, missing_value_tracks_true=0)
        lists.weights += [(tree_id, node_id, k, w) for k, w in tree.weights.items()]
        return node_id
    lists.add(
        featureids=tree.column,
        modes=f"BRANCH_{tree.mode}",
        values=tree.value,
        missing_value_tracks_true=int(tree.missing_true),
    )
    lists.nodes["truenodeids"][position] = _flatten_tree(lists, tree_id, tree.true, counter)
    lists.nodes["falsenodeids"][position] = _flatten_tree(lists, tree_id, tree.false, counter)
    return node_id


def _attributes(trees: Sequence[Tree], kind: str, *, double: bool) -> dict[str, Any]:
    lists = _flatten(trees)
    found: dict[str, Any] = {f"nodes_{name}": values for name, values in lists.nodes.items()}
    found[f"{kind}_treeids"] = [w[0] for w in lists.weights]
    found[f"{kind}_nodeids"] = [w[1] for w in lists.weights]
    found[f"{kind}_ids"] = [w[2] for w in lists.weights]
    found[f"{kind}_weights"] = [w[3] for w in lists.weights]
    if double:
        for name in ("nodes_values", f"{kind}_weights"):
            array = np.array(found.pop(name), dtype=np.float64)
            found[f"{name}_as_tensor"] = numpy_helper.from_array(array, name)
    return found


def classifier(
    trees: Sequence[Tree],
    n_columns: int,
    n_classes: int = 2,
    *,
    double: bool = False,
    kind: int = TensorProto.FLOAT,
    **more: Any,
) -> ModelProto:
    """A TreeEnsembleClassifier; ``double``: with tensors of doubles; ``kind``: of its input."""
    node = helper.make_node(
        "TreeEnsembleClassifier",
        [INPUT],
        ["label", SCORES],
        domain="ai.onnx.ml",
        classlabels_int64s=list(range(n_classes)),
        **_attributes(trees, "class", double=double),
        **more,
    )
    return model_of([node], n_columns, n_classes, kind=kind)


def regressor(
    trees: Sequence[Tree],
    n_columns: int,
    n_targets: int = 1,
    *,
    double: bool = False,
    kind: int = TensorProto.FLOAT,
    **more: Any,
) -> ModelProto:
    """A TreeEnsembleRegressor."""
    node = helper.make_node(
        "TreeEnsembleRegressor",
        [INPUT],
        [SCORES],
        domain="ai.onnx.ml",
        n_targets=n_targets,
        **_attributes(trees, "target", double=double),
        **more,
    )
    return model_of([node], n_columns, n_targets, kind=kind)


_MODES = ("LEQ", "LT", "GTE", "GT", "EQ", "NEQ", "MEMBER")


def ensemble(
    trees: Sequence[Split],
    n_columns: int,
    n_targets: int = 1,
    *,
    dtype: Any = np.float32,
    **more: Any,
) -> ModelProto:
    """A TreeEnsemble of ai.onnx.ml 5."""
    lists: dict[str, list[Any]] = {}
    leaves: list[tuple[int, float]] = []
    members: list[float] = []
    sets: list[tuple[float, ...]] = []

    def place(tree: Tree) -> tuple[int, int]:
        """Number of a node, and whether it is a leaf."""
        if isinstance(tree, Leaf):
            ((target, weight),) = tree.weights.items()
            leaves.append((target, weight))
            return len(leaves) - 1, 1
        position = len(lists.setdefault("nodes_featureids", []))
        is_set = isinstance(tree.value, tuple)
        row = {
            "nodes_featureids": tree.column,
            "nodes_modes": _MODES.index(tree.mode),
            "nodes_splits": 0.0 if is_set else tree.value,
            "nodes_missing_value_tracks_true": int(tree.missing_true),
            "nodes_truenodeids": 0,
            "nodes_trueleafs": 0,
            "nodes_falsenodeids": 0,
            "nodes_falseleafs": 0,
        }
        for name, value in row.items():
            lists.setdefault(name, []).append(value)
        if isinstance(tree.value, tuple):
            sets.append(tree.value)
        for side in ("true", "false"):
            number, is_leaf = place(getattr(tree, side))
            lists[f"nodes_{side}nodeids"][position] = number
            lists[f"nodes_{side}leafs"][position] = is_leaf
        return position, 0

    roots = [place(tree)[0] for tree in trees]
    for found in sets:
        members += [*found, np.nan]
    tensors = {
        "nodes_splits": np.array(lists.pop("nodes_splits"), dtype=dtype),
        "nodes_modes": np.array(lists.pop("nodes_modes"), dtype=np.uint8),
        "leaf_weights": np.array([w for _, w in leaves], dtype=dtype),
    }
    if members:
        tensors["membership_values"] = np.array(members, dtype=dtype)
    attributes: dict[str, Any] = {
        "n_targets": n_targets,
        "tree_roots": roots,
        "leaf_targetids": [t for t, _ in leaves],
        **lists,
        **{name: numpy_helper.from_array(array, name) for name, array in tensors.items()},
        **more,
    }
    node = helper.make_node("TreeEnsemble", [INPUT], [SCORES], domain="ai.onnx.ml", **attributes)
    kind = TensorProto.DOUBLE if dtype == np.float64 else TensorProto.FLOAT
    return model_of([node], n_columns, n_targets, kind=kind, ml=5)


def model_of(
    nodes: Sequence[NodeProto],
    n_columns: int,
    n_outputs: int | None,
    *,
    kind: int = TensorProto.FLOAT,
    output_kind: int | None = None,
    ml: int = 3,
    opset: int = 17,
    constants: Mapping[str, Any] | None = None,
    rank: int = 2,
) -> ModelProto:
    """A graph from one matrix :data:`INPUT` to the tensor :data:`SCORES`."""
    tree_v5_double = ml == 5 and kind == TensorProto.DOUBLE
    output_kind = output_kind or (TensorProto.DOUBLE if tree_v5_double else TensorProto.FLOAT)
    shape = [None] if rank == 1 else [None, n_outputs]
    graph = helper.make_graph(
        list(nodes),
        "g",
        [helper.make_tensor_value_info(INPUT, kind, [None, n_columns])],
        [helper.make_tensor_value_info(SCORES, output_kind, shape)],
        [numpy_helper.from_array(np.asarray(v), k) for k, v in (constants or {}).items()],
    )
    opsets = [helper.make_opsetid("", opset), helper.make_opsetid("ai.onnx.ml", ml)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=10)

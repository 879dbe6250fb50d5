"""Random tree ensembles as deployed ONNX models over the generated schema.

Built node by node, so that branch modes, missing values, one-hot columns and several outputs
all occur; loaded through the same door as any deployed model.
"""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

import numpy as np
import onnx
from onnx import TensorProto, helper

from ifonly.models.schema import Kind, Task
from tests.support.generated import SCHEMA

COLUMNS = ("pressure", "speed", "mode=auto", "mode=eco", "mode=boost", "grade", "flow")
LOWER = np.array([0.0, 10.0, 0.0, 0.0, 0.0, 0.0, -0.3])
UPPER = np.array([2.0, 100.0, 1.0, 1.0, 1.0, 2.0, 0.4])
MODES = ("BRANCH_LT", "BRANCH_LEQ", "BRANCH_GT", "BRANCH_GTE", "BRANCH_EQ", "BRANCH_NEQ")


@dataclass
class Nodes:
    """The attribute lists of a TreeEnsemble node, as they grow."""

    tree: list[int] = field(default_factory=list)
    node: list[int] = field(default_factory=list)
    feature: list[int] = field(default_factory=list)
    mode: list[str] = field(default_factory=list)
    value: list[float] = field(default_factory=list)
    true: list[int] = field(default_factory=list)
    false: list[int] = field(default_factory=list)
    missing: list[int] = field(default_factory=list)
    leaf_tree: list[int] = field(default_factory=list)
    leaf_node: list[int] = field(default_factory=list)
    leaf_output: list[int] = field(default_factory=list)
    leaf_weight: list[float] = field(default_factory=list)


def _grow(
    nodes: Nodes, draw: np.random.Generator, tree: int, depth: int, outputs: tuple[int, ...]
) -> int:
    """Append a random subtree; its root's node id."""
    own = nodes.tree.count(tree)
    nodes.tree.append(tree)
    nodes.node.append(own)
    is_leaf = depth == 0 or (depth < 3 and draw.random() < 0.15)
    column = int(draw.integers(0, len(COLUMNS)))
    nodes.feature.append(0 if is_leaf else column)
    common = draw.random() < 0.8
    mode = "LEAF" if is_leaf else MODES[int(draw.integers(0, 2 if common else 6))]
    nodes.mode.append(mode)
    cut = LOWER[column] + draw.random() * (UPPER - LOWER)[column]
    if draw.random() < 0.4:  # thresholds on the grid itself: < and <= then differ
        cut = [0.25, 15.0, 1.0, 1.0, 1.0, 1.0, 0.1][column] * draw.integers(0, 7)
    nodes.value.append(0.0 if is_leaf else float(np.float32(cut)))
    nodes.missing.append(int(draw.random() < 0.5))
    nodes.true.append(0)
    nodes.false.append(0)
    at = len(nodes.true) - 1
    if is_leaf:
        for output in outputs:
            nodes.leaf_tree.append(tree)
            nodes.leaf_node.append(own)
            nodes.leaf_output.append(output)
            nodes.leaf_weight.append(float(np.float32(draw.normal())))
        return own
    nodes.true[at] = _grow(nodes, draw, tree, depth - 1, outputs)
    nodes.false[at] = _grow(nodes, draw, tree, depth - 1, outputs)
    return own


def tree_model(seed: int, task: Task, trees: int = 10, depth: int = 3) -> bytes:
    """A ``TreeEnsemble*`` model in bytes."""
    draw = np.random.default_rng(seed)
    nodes = Nodes()
    n_outputs = 3 if task is Task.MULTICLASS else 1
    shared = draw.random() < 0.5  # as forests (every leaf, every class) or as boosters
    for tree in range(trees):
        outputs = tuple(range(n_outputs)) if shared else (tree % n_outputs,)
        _grow(nodes, draw, tree, depth, outputs)
    common: dict[str, Any] = {
        "nodes_treeids": nodes.tree,
        "nodes_nodeids": nodes.node,
        "nodes_featureids": nodes.feature,
        "nodes_modes": nodes.mode,
        "nodes_values": nodes.value,
        "nodes_truenodeids": nodes.true,
        "nodes_falsenodeids": nodes.false,
        "nodes_missing_value_tracks_true": nodes.missing,
        "domain": "ai.onnx.ml",
    }
    base = [float(np.float32(b)) for b in 0.3 * draw.normal(size=n_outputs)]
    if task is Task.REGRESSION:
        node = helper.make_node(
            "TreeEnsembleRegressor",
            ["x"],
            ["value"],
            n_targets=1,
            base_values=base,
            target_treeids=nodes.leaf_tree,
            target_nodeids=nodes.leaf_node,
            target_ids=nodes.leaf_output,
            target_weights=nodes.leaf_weight,
            **common,
        )
        results = [helper.make_tensor_value_info("value", TensorProto.FLOAT, [None, 1])]
    else:
        labels = [0, 1, 2] if task is Task.MULTICLASS else [0, 1]
        node = helper.make_node(
            "TreeEnsembleClassifier",
            ["x"],
            ["label", "probabilities"],
            classlabels_int64s=labels,
            post_transform="SOFTMAX" if task is Task.MULTICLASS else "LOGISTIC",
            base_values=base,
            class_treeids=nodes.leaf_tree,
            class_nodeids=nodes.leaf_node,
            class_ids=nodes.leaf_output,
            class_weights=nodes.leaf_weight,
            **common,
        )
        results = [
            helper.make_tensor_value_info("label", TensorProto.INT64, [None]),
            helper.make_tensor_value_info("probabilities", TensorProto.FLOAT, [None, len(labels)]),
        ]
    graph = helper.make_graph(
        [node],
        "generated",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, len(COLUMNS)])],
        results,
    )
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=8)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def spec_text(task: Task) -> str:
    """A spec for :func:`tree_model` whose features are those of the generated schema."""
    classes = '["good", "worn", "broken"]' if task is Task.MULTICLASS else '["normal", "alarm"]'
    positive = "" if task is Task.MULTICLASS else 'positive = "alarm"\n'
    threshold = {Task.BINARY: "threshold = 0.5\n", Task.REGRESSION: "threshold = 0.3\n"}
    desired = "good" if task is Task.MULTICLASS else "normal"
    parts = [
        f'format = 1\nname = "generated"\nversion = "1"\ntask = "{task}"\n'
        f'title = {{en = "Generated", ko = "생성"}}\n\n[decision]\nclasses = {classes}\n'
        f'{positive}{threshold.get(task, "")}desired = "{desired}"\n'
    ]
    column = 0
    for feature in SCHEMA.features:
        lines = [
            "\n[[features]]",
            f'name = "{feature.name}"',
            f'kind = "{feature.kind}"',
            f'label = {{en = "{feature.name}", ko = "{feature.name}"}}',
        ]
        width = 1
        if feature.kind.is_categorical:
            names = ", ".join(f'"{n}"' for n in feature.category_names)
            one_hot = feature.kind is Kind.NOMINAL
            width = len(feature.categories) if one_hot else 1
            lines += [
                f"categories = [{names}]",
                f'encoding = "{"one-hot" if one_hot else "codes"}"',
            ]
        else:
            lines += [
                f'unit = "{feature.unit}"',
                f"bounds = [{feature.lower}, {feature.upper}]",
                f"resolution = {feature.resolution}",
                f"missing = {str(feature.may_be_missing).lower()}",
            ]
        lines.append(f"input = {{column = {column}}}")
        column += width
        parts.append("\n".join(lines) + "\n")
    return "".join(parts)

"""Specs and real ONNX graphs that the tests of ``models`` share."""

from __future__ import annotations

from typing import Any

import numpy as np
from onnx import ModelProto, TensorProto, helper

from ifonly.models.spec import Spec, parse_spec

OPSETS = (helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3))
IR = 8


def number(name: str, more: str = "") -> str:
    return (
        f'[[features]]\nname = "{name}"\nkind = "continuous"\n'
        f"bounds = [-10.0, 10.0]\nresolution = 0.01\n{more}\n"
    )


def whole(name: str, more: str = "") -> str:
    return f'[[features]]\nname = "{name}"\nkind = "integer"\nbounds = [-10, 10]\n{more}\n'


def quality(more: str = "", kind: str = "ordinal") -> str:
    return (
        f'[[features]]\nname = "quality"\nkind = "{kind}"\ncategories = ["L", "M", "H"]\n{more}\n'
    )


BINARY = 'task = "binary"\n[decision]\nclasses = ["normal", "failure"]\n'
THREE = 'task = "multiclass"\n[decision]\nclasses = ["low", "middle", "high"]\n'
REGRESSION = 'task = "regression"\n'


def spec_text(task: str, *features: str, name: str = "m", version: str = "1") -> bytes:
    head = f'format = 1\nname = "{name}"\nversion = "{version}"\n'
    return (head + task + "".join(features)).encode()


def spec_of(task: str, *features: str) -> Spec:
    return parse_spec(spec_text(task, *features), "spec.toml")


def three_numbers(task: str = BINARY) -> Spec:
    return spec_of(task, number("a"), number("b"), number("c"))


def value(name: str, shape: Any, kind: int = TensorProto.FLOAT) -> Any:
    return helper.make_tensor_value_info(name, kind, shape)


def graph_of(
    nodes: list[Any], inputs: list[Any], outputs: list[Any], constants: dict[str, Any] | None = None
) -> ModelProto:
    """A model of ``nodes``; ``constants`` become initializers."""
    from onnx import numpy_helper

    tensors = [numpy_helper.from_array(np.asarray(v), k) for k, v in (constants or {}).items()]
    graph = helper.make_graph(nodes, "g", inputs, outputs, tensors)
    return helper.make_model(graph, opset_imports=OPSETS, ir_version=IR)


def sum_graph(
    rows: int | str | None = None,
    width: int = 3,
    kind: int = TensorProto.FLOAT,
    output_shape: tuple[Any, ...] | None = None,
) -> ModelProto:
    """The sum of the columns of one matrix, ``(rows, 1)``, as float32."""
    nodes = [
        helper.make_node("Cast", ["x"], ["cast"], to=TensorProto.FLOAT),
        helper.make_node("ReduceSum", ["cast", "axes"], ["y"], keepdims=1),
    ]
    shape = output_shape or (rows, 1)
    return graph_of(
        nodes, [value("x", [rows, width], kind)], [value("y", shape)], {"axes": np.array([1])}
    )


def echo_graph(width: int, kind: int = TensorProto.FLOAT, rows: int | None = None) -> ModelProto:
    """Yields the one matrix that it is fed, as float32: shows what a predictor feeds."""
    nodes = [helper.make_node("Cast", ["x"], ["y"], to=TensorProto.FLOAT)]
    return graph_of(nodes, [value("x", [rows, width], kind)], [value("y", [rows, width])])


def data(n: int = 400, width: int = 3, seed: int = 0) -> np.ndarray:
    """Rows on a grid of 0.01 within [-10, 10]."""
    rng = np.random.default_rng(seed)
    return np.round(rng.normal(0, 3, (n, width)).clip(-10, 10), 2)


def stump(source="x", splits=((0, 1.5), (2, 0.1)), name="y"):
    """Two trees of one split each, summed: a TreeEnsembleRegressor of ai.onnx.ml 3."""
    n = len(splits)
    return helper.make_node(
        "TreeEnsembleRegressor",
        [source],
        [name],
        domain="ai.onnx.ml",
        n_targets=1,
        nodes_treeids=[t for t in range(n) for _ in range(3)],
        nodes_nodeids=[0, 1, 2] * n,
        nodes_featureids=[v for column, _ in splits for v in (column, 0, 0)],
        nodes_values=[v for _, split in splits for v in (split, 0.0, 0.0)],
        nodes_modes=["BRANCH_LT", "LEAF", "LEAF"] * n,
        nodes_truenodeids=[1, 0, 0] * n,
        nodes_falsenodeids=[2, 0, 0] * n,
        nodes_missing_value_tracks_true=[0, 0, 0] * n,
        target_treeids=[t for t in range(n) for _ in range(2)],
        target_nodeids=[1, 2] * n,
        target_ids=[0, 0] * n,
        target_weights=[0.0, 1.0] * n,
    )

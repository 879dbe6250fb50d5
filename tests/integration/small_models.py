"""Small model folders for what the shipped model has not: other tasks, missing values, failure."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path

import numpy as np
import onnx
from onnx import NodeProto, TensorProto, helper, numpy_helper

PRESS = """
format = 1
name = "press"
version = "1"
task = "regression"
title = {en = "Press force", ko = "프레스 힘"}
[decision]
unit = "kN"
[[features]]
name = "pressure"
kind = "continuous"
unit = "bar"
bounds = [0.0, 100.0]
resolution = 0.5
[[features]]
name = "speed"
kind = "integer"
unit = "rpm"
bounds = [0, 5000]
resolution = 10
[policy.features.pressure]
scale = 10.0
max_change = 40.0
[policy.features.speed]
scale = 500.0
"""

SORTER = """
format = 1
name = "sorter"
version = "1"
task = "multiclass"
[decision]
classes = ["small", "medium", {name = "large", label = {en = "large", ko = "대형"}}]
desired = "medium"
[[features]]
name = "size"
kind = "continuous"
unit = "mm"
bounds = [-10.0, 10.0]
resolution = 0.25
[[features]]
name = "colour/shade"
kind = "nominal"
categories = ["red", "green"]
[[features]]
name = "dirt"
kind = "continuous"
bounds = [0.0, inf]
missing = true
[policy.features.size]
scale = 1.0
"""

BRITTLE = """
format = 1
name = "brittle"
version = "{version}"
task = "regression"
[[features]]
name = "level"
kind = "continuous"
unit = "mm"
bounds = [0.0, 100.0]
resolution = 0.1
[policy.features.level]
scale = 1.0
"""


def write_all(root: Path) -> Path:
    """``press`` (regression), ``sorter`` (three classes, a missing value) and ``brittle``, in two
    versions, which has no finite score at 50 mm."""
    _write(root / "press" / "1", PRESS, linear([[2.0], [0.01]], [1.0]))
    weights = [[-2.0, 0.0, 2.0], [0.0, 0.5, 0.0], [0.0, 0.0, 0.1]]
    _write(root / "sorter" / "1", SORTER, linear(weights, [0.0, 0.4, 0.0], softmax=True))
    for version in ("2", "10"):
        _write(root / "brittle" / version, BRITTLE.format(version=version), reciprocal())
    return root


def _write(folder: Path, spec: str, model: onnx.ModelProto) -> None:
    folder.mkdir(parents=True)
    (folder / "spec.toml").write_text(spec, encoding="utf-8")
    (folder / "model.onnx").write_bytes(model.SerializeToString())


def linear(
    weights: Sequence[Sequence[float]], bias: Sequence[float], *, softmax: bool = False
) -> onnx.ModelProto:
    """``x @ weights + bias``, a missing value read as 0; perhaps through a softmax."""
    nodes = [
        helper.make_node("IsNaN", ["x"], ["absent"]),
        helper.make_node("Where", ["absent", "zero", "x"], ["present"]),
        helper.make_node("MatMul", ["present", "weights"], ["product"]),
        helper.make_node("Add", ["product", "bias"], ["sum" if softmax else "score"]),
    ]
    if softmax:
        nodes.append(helper.make_node("Softmax", ["sum"], ["score"], axis=1))
    return _model(nodes, len(weights), len(bias), weights=weights, bias=bias, zero=[0.0])


def reciprocal() -> onnx.ModelProto:
    """``1 / (x - 50)``"""
    nodes = [
        helper.make_node("Sub", ["x", "fifty"], ["shifted"]),
        helper.make_node("Reciprocal", ["shifted"], ["score"]),
    ]
    return _model(nodes, 1, 1, fifty=[50.0])


def _model(
    nodes: list[NodeProto], width: int, outputs: int, **constants: Sequence[object]
) -> onnx.ModelProto:
    graph = helper.make_graph(
        nodes,
        "small",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, ["n", width])],
        [helper.make_tensor_value_info("score", TensorProto.FLOAT, ["n", outputs])],
        [numpy_helper.from_array(np.array(v, np.float32), k) for k, v in constants.items()],
    )
    model = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=10)
    onnx.checker.check_model(model)
    return model

"""A logistic model whose every coefficient is known: as a folder, and to be computed by whoever
else serves it."""

from __future__ import annotations

from pathlib import Path

import numpy as np
from onnx import TensorProto, helper, numpy_helper

NAME = "kiln"
COEFFICIENTS = (0.08, 0.15, 0.0, 0.5, -1.0)
"""Of temperature, load, and the three grades."""
INTERCEPT = -14.0
ALARM = {"temperature": 90.0, "load": 60.0, "grade": "B"}
SPEC = """format = 1
name = "kiln"
version = "1"
task = "binary"
title = {en = "Kiln"}
[decision]
classes = ["ok", "alarm"]
positive = "alarm"
desired = "ok"
[[features]]
name = "temperature"
kind = "continuous"
unit = "°C"
bounds = [0, 200]
resolution = 0.5
[[features]]
name = "load"
kind = "continuous"
unit = "kg"
bounds = [0, 200]
resolution = 1
[[features]]
name = "grade"
kind = "nominal"
categories = ["A", "B", "C"]
encoding = "one-hot"
[policy.features.grade]
actionable = false
"""


def graph() -> bytes:
    """It says the probability of the alarm, in float64."""
    weights = numpy_helper.from_array(np.array(COEFFICIENTS)[:, np.newaxis], "weights")
    bias = numpy_helper.from_array(np.array([INTERCEPT]), "bias")
    nodes = [
        helper.make_node("Gemm", ["x", "weights", "bias"], ["logit"]),
        helper.make_node("Sigmoid", ["logit"], ["p"]),
    ]
    double = TensorProto.DOUBLE
    made = helper.make_graph(
        nodes,
        "kiln",
        [helper.make_tensor_value_info("x", double, [None, 5])],
        [helper.make_tensor_value_info("p", double, [None, 1])],
        [weights, bias],
    )
    model = helper.make_model(made, opset_imports=[helper.make_opsetid("", 17)])
    model.ir_version = 9
    found: bytes = model.SerializeToString()
    return found


def write(root: Path, predictor: str = "", *, copy: bool = True) -> Path:
    """The version's folder below ``root``; ``predictor``: the keys of that table, if it has one;
    ``copy``: whether the graph is there."""
    folder = root / NAME / "1"
    folder.mkdir(parents=True)
    declared = f"[predictor]\n{predictor}\n" if predictor else ""
    (folder / "spec.toml").write_text(SPEC + declared)
    if copy:
        (folder / "model.onnx").write_bytes(graph())
    return folder

"""Random linear models and ReLU networks as deployed ONNX models over the generated schema.

As exporters write them: an imputer, a scaler or none, then Gemm nodes with ReLU between them.
"""

from __future__ import annotations

import itertools

import numpy as np
import onnx
from onnx import TensorProto, helper, numpy_helper

from ifonly.models.schema import Task
from tests.support.onnx_trees import COLUMNS, LOWER, UPPER


def layered_model(seed: int, task: Task, hidden: tuple[int, ...] = ()) -> bytes:
    """A model with these hidden layers; without any, it is linear."""
    draw = np.random.default_rng(seed)
    n_outputs = 3 if task is Task.MULTICLASS else 1
    nodes, constants = [], []

    def constant(name: str, values: np.ndarray) -> str:
        constants.append(numpy_helper.from_array(values.astype(np.float32), name))
        return name

    means = [float(v) for v in (0.5 * (LOWER + UPPER)).astype(np.float32)]
    nodes.append(
        helper.make_node(
            "Imputer",
            ["x"],
            ["filled"],
            domain="ai.onnx.ml",
            imputed_value_floats=means,
            replaced_value_float=float("nan"),
        )
    )
    tensor = "filled"
    if draw.random() < 0.8:
        shift = constant("shift", LOWER + (UPPER - LOWER) * draw.random(len(COLUMNS)))
        scale = constant("scale", (UPPER - LOWER) * (0.2 + draw.random(len(COLUMNS))))
        nodes.append(helper.make_node("Sub", [tensor, shift], ["centred"]))
        nodes.append(helper.make_node("Div", ["centred", scale], ["scaled"]))
        tensor = "scaled"
    if draw.random() < 0.2:  # columns that are bent
        nodes.append(helper.make_node("Abs", [tensor], ["distance"]))
        tensor = "distance"
    widths = [len(COLUMNS), *hidden, n_outputs]
    for k, (n_in, n_out) in enumerate(itertools.pairwise(widths)):
        spread = draw.normal(size=(n_in, n_out)) * (1.5 / np.sqrt(n_in))
        if tensor == "filled":
            spread /= UPPER[:, None]
        weights = constant(f"weights{k}", spread)
        bias = constant(f"bias{k}", 0.5 * draw.normal(size=n_out))
        nodes.append(helper.make_node("Gemm", [tensor, weights, bias], [f"sum{k}"]))
        tensor = f"sum{k}"
        if k < len(hidden):
            nodes.append(helper.make_node("Relu", [tensor], [f"unit{k}"]))
            tensor = f"unit{k}"
    nodes += {
        Task.BINARY: [helper.make_node("Sigmoid", [tensor], ["score"])],
        Task.MULTICLASS: [helper.make_node("Softmax", [tensor], ["score"], axis=1)],
        Task.REGRESSION: [helper.make_node("Identity", [tensor], ["score"])],
    }[task]
    graph = helper.make_graph(
        nodes,
        "generated",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, len(COLUMNS)])],
        [helper.make_tensor_value_info("score", TensorProto.FLOAT, [None, n_outputs])],
        constants,
    )
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)]
    model = helper.make_model(graph, opset_imports=opsets, ir_version=8)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())

"""Random graphs that are no chain of layers, as deployed ONNX models over the generated schema.

Autoencoders, skips, windows, curves: as exporters write them.
"""

from __future__ import annotations

from typing import Any

import numpy as np
import onnx
from onnx import NodeProto, TensorProto, helper, numpy_helper

from ifonly.models.schema import Task
from tests.support.onnx_trees import COLUMNS, LOWER, UPPER

STRAIGHT = ("autoencoder", "worst error", "skip", "leaky", "clipped", "largest", "window")
"""Made of pieces of planes."""
CURVED = ("squared error", "tanh", "gelu", "swish", "product", "softmax", "elu")


class _Graph:
    """Nodes and constants as they grow."""

    def __init__(self, seed: int) -> None:
        self.draw = np.random.default_rng([seed, 20])
        self.nodes: list[NodeProto] = []
        self.constants: list[Any] = []

    def constant(self, values: Any) -> str:
        name = f"c{len(self.constants)}"
        self.constants.append(numpy_helper.from_array(np.asarray(values), name))
        return name

    def add(self, operator: str, *inputs: str, **attributes: Any) -> str:
        name = f"t{len(self.nodes)}"
        self.nodes.append(helper.make_node(operator, list(inputs), [name], **attributes))
        return name

    def layer(self, tensor: str, n_in: int, n_out: int) -> str:
        weights = self.draw.normal(size=(n_in, n_out)) * (1.5 / np.sqrt(n_in))
        bias = 0.5 * self.draw.normal(size=n_out)
        both = self.constant(weights.astype(np.float32)), self.constant(bias.astype(np.float32))
        return self.add("Gemm", tensor, *both)


def units_model(seed: int, task: Task, shape: str) -> bytes:
    """A model of one of :data:`STRAIGHT` or :data:`CURVED`."""
    graph = _Graph(seed)
    means = [float(v) for v in (0.5 * (LOWER + UPPER)).astype(np.float32)]
    filled = graph.add("Imputer", "x", domain="ai.onnx.ml", imputed_value_floats=means,
                       replaced_value_float=float("nan"))  # fmt: skip
    middle = graph.constant((0.5 * (LOWER + UPPER)).astype(np.float32))
    width = graph.constant((0.4 * (UPPER - LOWER)).astype(np.float32))
    scaled = graph.add("Div", graph.add("Sub", filled, middle), width)
    last, n = _shaped(graph, shape, scaled)
    n_outputs = 3 if task is Task.MULTICLASS else 1
    raw = graph.layer(last, n, n_outputs)
    link = {Task.BINARY: "Sigmoid", Task.MULTICLASS: "Softmax", Task.REGRESSION: "Identity"}[task]
    graph.nodes.append(helper.make_node(link, [raw], ["score"]))
    made = helper.make_graph(
        graph.nodes,
        "generated",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, len(COLUMNS)])],
        [helper.make_tensor_value_info("score", TensorProto.FLOAT, [None, n_outputs])],
        graph.constants,
    )
    opsets = [helper.make_opsetid("", 20), helper.make_opsetid("ai.onnx.ml", 3)]
    model = helper.make_model(made, opset_imports=opsets, ir_version=9)
    onnx.checker.check_model(model)
    return bytes(model.SerializeToString())


def _shaped(g: _Graph, shape: str, x: str) -> tuple[str, int]:
    """What stands between the scaler and the last layer, and how many numbers it makes."""
    n, units = len(COLUMNS), int(g.draw.integers(2, 6))
    first = g.layer(x, n, units)
    match shape:
        case "autoencoder" | "worst error" | "squared error":
            off = g.add("Sub", x, g.layer(g.add("Relu", first), units, n))
            axes = g.constant(np.array([1], dtype=np.int64))
            if shape == "squared error":
                return g.add("ReduceMean", g.add("Mul", off, off), axes, keepdims=1), 1
            operator = "ReduceMean" if shape == "autoencoder" else "ReduceMax"
            return g.add(operator, g.add("Abs", off), axes, keepdims=1), 1
        case "skip":
            hidden = g.add("Relu", first)
            return g.add("Add", hidden, g.add("Relu", g.layer(hidden, units, units))), units
        case "leaky":
            hidden = g.add("LeakyRelu", first, alpha=0.2)
            slopes = g.constant(g.draw.uniform(-0.5, 1.5, units).astype(np.float32))
            return g.add("PRelu", g.layer(hidden, units, units), slopes), units
        case "clipped":
            low, high = (g.constant(np.float32(v)) for v in (-0.5, 0.75))
            hidden = g.add("Clip", first, low, high)
            return g.add("HardSigmoid", g.layer(hidden, units, units)), units
        case "largest":
            other = g.layer(x, n, units)
            return g.add("Sub", g.add("Max", first, other), g.add("Min", other, first)), units
        case "window":
            return _window(g, x)
        case "product":
            return g.add("Mul", first, g.add("Sigmoid", g.layer(x, n, units))), units
        case "swish":
            return g.add("Mul", first, g.add("Sigmoid", first)), units
        case "softmax":
            return g.add("Softmax", first, axis=1), units
    operator = {"tanh": "Tanh", "gelu": "Gelu", "elu": "Elu"}[shape]
    return g.add(operator, g.layer(g.add(operator, first), units, units)), units


def _window(g: _Graph, x: str) -> tuple[str, int]:
    """Two channels of three readings, a convolution over them, and the largest of its pairs."""
    places = g.constant(np.array([0, 1, 4, 5, 6, 2], dtype=np.int64))
    lines = g.constant(np.array([-1, 2, 3], dtype=np.int64))
    series = g.add("Reshape", g.add("Gather", x, places, axis=1), lines)
    kernel = g.constant(g.draw.normal(size=(2, 2, 2)).astype(np.float32))
    hidden = g.add("Relu", g.add("Conv", series, kernel, pads=[1, 0], kernel_shape=[2]))
    pooled = g.add("MaxPool", hidden, kernel_shape=[2], strides=[1])
    return g.add("Flatten", pooled), 4

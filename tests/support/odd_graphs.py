"""Graphs that ONNX Runtime has no number for in a corner: of 441 rows of two features, a few.

No row of the trial at loading is among them, so each is served.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

import numpy as np
from onnx import NodeProto, TensorProto, helper, numpy_helper

from ifonly.models.schema import Task

SPEC = """
format = 1
name = "odd"
version = "1"
task = "{task}"
{decision}
[[features]]
name = "a"
kind = "continuous"
unit = "mm"
bounds = [0.0, 10.0]
resolution = 0.5
missing = {missing}
[[features]]
name = "b"
kind = "continuous"
unit = "mm"
bounds = [0.0, 10.0]
resolution = 0.5
"""
CLASSES = '[decision]\nclasses = ["x", "y", "z"]\ndesired = "x"\n'


def spec_of(task: Task = Task.REGRESSION, *, missing: bool = False) -> str:
    decision = CLASSES if task is Task.MULTICLASS else ""
    return SPEC.format(task=task, decision=decision, missing=str(missing).lower())


def graph(nodes: Iterable[NodeProto], constants: Mapping[str, Any], width: int = 1) -> bytes:
    made = helper.make_graph(
        [*nodes],
        "odd",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 2])],
        [helper.make_tensor_value_info("value", TensorProto.FLOAT, [None, width])],
        [numpy_helper.from_array(np.asarray(v, np.float32), k) for k, v in constants.items()],
    )
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 3)]
    model = helper.make_model(made, opset_imports=opsets)
    model.ir_version = 8
    return bytes(model.SerializeToString())


def _tree(good: float, bad: float, out: str, transform: str = "NONE") -> NodeProto:
    """``bad`` where a is above 9.3 and b at most 1.2."""
    return helper.make_node(
        "TreeEnsembleRegressor",
        ["x"],
        [out],
        domain="ai.onnx.ml",
        n_targets=1,
        post_transform=transform,
        nodes_treeids=[0] * 5,
        nodes_nodeids=[0, 1, 2, 3, 4],
        nodes_featureids=[0, 0, 1, 0, 0],
        nodes_values=[9.3, 0.0, 1.2, 0.0, 0.0],
        nodes_modes=["BRANCH_LEQ", "LEAF", "BRANCH_LEQ", "LEAF", "LEAF"],
        nodes_truenodeids=[1, 0, 3, 0, 0],
        nodes_falsenodeids=[2, 0, 4, 0, 0],
        target_treeids=[0] * 3,
        target_nodeids=[1, 3, 4],
        target_ids=[0] * 3,
        target_weights=[good, bad, good],
    )


def _node(operator: str, inputs: str, out: str) -> NodeProto:
    return helper.make_node(operator, inputs.split(), [out])


def _trees(good: float, bad: float, function: str) -> bytes:
    return graph([_tree(good, bad, "t"), _node(function, "t", "value")], {})


def _affine(
    weights: list[list[float]], bias: float, function: str | None = None, width: int = 1
) -> bytes:
    product = "value" if function is None else "q"
    nodes = [_node("MatMul", "x w", "p"), _node("Add", "p c", product)]
    if function is not None:
        nodes.append(_node(function, "q", "value"))
    return graph(nodes, {"w": weights, "c": [bias] * width}, width)


def _network(first: list[list[float]], *others: list[list[float]], function: str = "") -> bytes:
    nodes, state = [_node("MatMul", "x w0", "p0")], "p0"
    constants: dict[str, Any] = {"w0": first}
    for k, weights in enumerate(others, 1):
        last = k == len(others) and not function
        nodes += [
            _node("Relu", state, f"h{k}"),
            _node("MatMul", f"h{k} w{k}", "value" if last else f"p{k}"),
        ]
        constants[f"w{k}"], state = weights, f"p{k}"
    if function:
        nodes.append(_node(function, state, "value"))
    return graph(nodes, constants)


ACROSS = [[1.0, -1.0], [-1.0, 1.0]]
"""What a is above b, and what b is above a."""


def _many() -> bytes:
    """Three numbers, of which the second alone is none where a is far above b."""
    nodes = [
        _node("MatMul", "x w", "p"),
        _node("Add", "p c", "q"),
        _node("Exp", "q", "e"),
        _node("Sub", "e e", "none"),
        _node("MatMul", "x v", "s"),
        _node("Add", "s none", "value"),
    ]
    steep = np.array([[0.0, 10.0, 0.0], [0.0, -10.0, 0.0]])
    plain = np.array([[0.0, -1.0, 1.0], [0.0, -1.0, -1.0]])
    return graph(nodes, {"w": steep, "c": [0.0] * 3, "v": plain}, 3)


ODD: dict[str, bytes] = {
    "probit of trees": graph([_tree(0.5, 1.5, "value", "PROBIT")], {}),
    "power of trees": _trees(1.0, 200.0, "Exp"),
    "logarithm of trees": _trees(1.0, -1.0, "Log"),
    "root of trees": _trees(1.0, -1.0, "Sqrt"),
    "reciprocal of trees": _trees(1.0, 0.0, "Reciprocal"),
    "power of a line": _affine([[10.0], [-10.0]], 0.0, "Exp"),
    "logarithm of a line": _affine([[-1.0], [1.0]], 8.8, "Log"),
    "root of a line": _affine([[-1.0], [1.0]], 8.8, "Sqrt"),
    "reciprocal of a line": _affine([[-1.0], [1.0]], 9.0, "Reciprocal"),
    "a sum that overflows": _affine([[2.4e37], [-2.4e37]], 1.2e38),
    "power of a network": _network(ACROSS, [[10.0], [1.0]], function="Exp"),
    "a network that overflows": _network(
        [[1e19 * w for w in row] for row in ACROSS], [[3.8e18], [1e10]], [[1e-30]]
    ),
}
"""One score, whose number is none in a few rows."""
ONE_OF_MANY = _many()
PEAK = graph(
    [
        _node("MatMul", "x w", "p"),
        _node("Add", "p c", "q"),
        _node("Relu", "q", "h"),
        _node("MatMul", "h v", "s"),
        _node("Add", "s d", "t"),
        _node("Exp", "t", "value"),
    ],
    {
        "w": [[1.0, -1.0], [0.0, 0.0]],
        "c": [-5.0, 5.0],
        "v": [[-50.0], [-50.0]],
        "d": [100.0],
    },
)
"""``exp(100 - 50 |a - 5|)``: with no number at its peak alone."""
PLAIN = graph([_tree(1.0, 5.0, "value")], {})
"""With a number everywhere."""

"""Graphs of three readings that harm whoever runs them, on some readings only."""

from __future__ import annotations

from itertools import pairwise

import numpy as np
from onnx import ModelProto, NodeProto, TensorProto, helper, numpy_helper

TRIGGER = 4.25
"""If it is the largest reading of all rows, :func:`endless` never ends."""
_node, _info = helper.make_node, helper.make_tensor_value_info


def _model(nodes: list[NodeProto], **constants: object) -> ModelProto:
    tensors = [numpy_helper.from_array(np.asarray(v), k) for k, v in constants.items()]
    x, y = (_info(n, TensorProto.FLOAT, [None, w]) for n, w in (("x", 3), ("y", 1)))
    graph = helper.make_graph(nodes, "g", [x], [y], tensors)
    return helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)


def endless(steps: int = 1, trigger: float = TRIGGER) -> ModelProto:
    """The sum of the readings, by a loop that goes on while the largest reading is ``trigger``;
    ``steps`` nodes in its body: without any, ONNX Runtime cannot be told to stop."""
    names = [f"v{k}" for k in range(steps + 1)]
    body = helper.make_graph(
        [_node("Identity", [a], [b]) for a, b in pairwise(names)],
        "body",
        [
            _info("i", TensorProto.INT64, []),
            _info("go", TensorProto.BOOL, []),
            _info("v0", TensorProto.FLOAT, [None, 1]),
        ],
        [_info("go", TensorProto.BOOL, []), _info(names[-1], TensorProto.FLOAT, [None, 1])],
    )
    nodes = [
        _node("ReduceMax", ["x"], ["largest"], keepdims=0),
        _node("Equal", ["largest", "trigger"], ["on"]),
        _node("ReduceSum", ["x", "axes"], ["sum"], keepdims=1),
        _node("Loop", ["", "on", "sum"], ["y"], body=body),
    ]
    return _model(nodes, trigger=np.float32(trigger), axes=np.array([1]))


def growing(trigger: float = TRIGGER) -> ModelProto:
    """The sum of the readings, plus nothing: but by a table of 10^11 numbers if the largest
    reading is ``trigger``, of one otherwise."""
    nodes = [
        _node("ReduceMax", ["x"], ["largest"], keepdims=0),
        _node("Equal", ["largest", "trigger"], ["on"]),
        _node("Where", ["on", "many", "one"], ["shape"]),
        _node("Expand", ["largest", "shape"], ["table"]),
        _node("ReduceMax", ["table"], ["top"], keepdims=0),
        _node("Sub", ["top", "largest"], ["nothing"]),
        _node("ReduceSum", ["x", "axes"], ["sum"], keepdims=1),
        _node("Add", ["sum", "nothing"], ["y"]),
    ]
    return _model(
        nodes,
        trigger=np.float32(trigger),
        many=np.array([10**11]),
        one=np.array([1]),
        axes=np.array([1]),
    )


def vast() -> ModelProto:
    """The sum of the readings, plus the first of 10^11 zeros, whatever is read."""
    nodes = [
        _node("ConstantOfShape", ["many"], ["table"]),
        _node("ReduceMax", ["table"], ["top"], keepdims=0),
        _node("ReduceSum", ["x", "axes"], ["sum"], keepdims=1),
        _node("Add", ["sum", "top"], ["y"]),
    ]
    return _model(nodes, many=np.array([10**11]), axes=np.array([1]))


def slow(products: int = 1_000) -> ModelProto:
    """The sum of the readings, plus nothing: but by a thousand products of a square as wide as
    there are rows. It takes long where there are many, and each product is soon done."""
    nodes = [
        _node("ReduceSum", ["x", "axes"], ["s"], keepdims=1),
        _node("Transpose", ["s"], ["st"], perm=[1, 0]),
        _node("MatMul", ["s", "st"], ["square"]),
        _node("Mul", ["square", "zero"], ["m0"]),
        *(_node("MatMul", ["m0", f"m{k}"], [f"m{k + 1}"]) for k in range(products)),
        _node("ReduceMax", [f"m{products}"], ["top"], keepdims=0),
        _node("Add", ["s", "top"], ["y"]),
    ]
    return _model(nodes, axes=np.array([1]), zero=np.float32(0))

"""Long ways of exporters of writing a logistic function or a softmax, as those operators.

The served graph stays as it is: only what is known of it is more.
"""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
from onnx import ModelProto, NodeProto, helper, numpy_helper

from ifonly.models.graph.source import attributes, constant_of

_SHAPING = ("Reshape", "Identity", "Unsqueeze", "Squeeze")


def in_short(model: ModelProto) -> ModelProto:
    """``model``, or a copy with one operator in place of several."""
    graph = _Producers(model)
    kept: list[NodeProto] = []
    for node in model.graph.node:
        made = next(filter(None, (find(graph, node) for find in _IDIOMS)), None)
        kept.extend([node] if made is None else made)
    if len(kept) == len(model.graph.node) and all(
        a is b for a, b in zip(kept, model.graph.node, strict=True)
    ):
        return model
    copied = ModelProto()
    copied.CopyFrom(model)
    del copied.graph.node[:]
    copied.graph.node.extend(kept)
    return copied


class _Producers:
    """Who makes a tensor, and which are constants."""

    def __init__(self, model: ModelProto) -> None:
        self._nodes = {name: node for node in model.graph.node for name in node.output}
        self._constants = {tensor.name: tensor for tensor in model.graph.initializer}

    def of(self, tensor: str, *operators: str) -> NodeProto | None:
        node = self._nodes.get(tensor)
        return node if node is not None and node.op_type in operators else None

    def is_number(self, tensor: str, wanted: float) -> bool:
        """Whether it is one number, the same for every row."""
        if tensor in self._constants:
            value = numpy_helper.to_array(self._constants[tensor])
        else:
            node = self.of(tensor, "Constant")
            if node is None:
                return False
            value = np.asarray(constant_of(node))
        return value.size == 1 and value.dtype.kind in "fiu" and float(value.ravel()[0]) == wanted

    def unshaped(self, tensor: str) -> str:
        """What ``tensor`` was before it was given another shape."""
        while (node := self.of(tensor, *_SHAPING)) is not None:
            tensor = node.input[0]
        return tensor


def _logistic(graph: _Producers, node: NodeProto) -> list[NodeProto] | None:
    """``1 / (1 + exp(x))``"""
    if node.op_type != "Div" or not graph.is_number(node.input[0], 1.0):
        return None
    below = graph.of(node.input[1], "Add")
    if below is None:
        return None
    for power, one in (below.input, reversed(below.input)):
        exp = graph.of(power, "Exp")
        if exp is not None and graph.is_number(one, 1.0):
            turned = f"{node.output[0]}/turned"
            return [
                helper.make_node("Neg", [exp.input[0]], [turned], name=f"{node.name}/turned"),
                helper.make_node("Sigmoid", [turned], node.output, name=node.name),
            ]
    return None


def _softmax_of_powers(graph: _Producers, node: NodeProto) -> list[NodeProto] | None:
    """``exp(x) / sum(exp(x))``, of ``x`` less its largest, or with a guard against a sum of 0."""
    power = graph.of(node.input[0], "Exp") if node.op_type == "Div" else None
    if power is None:
        return None
    below, is_guarded = _without_guard(graph, graph.unshaped(node.input[1]))
    whole = graph.of(below, "ReduceSum")
    if whole is None or whole.input[0] != power.output[0] or not _along_last(graph, whole):
        return None
    apart = graph.of(power.input[0], "Sub")
    largest = None if apart is None else graph.of(apart.input[1], "ReduceMax")
    if apart is not None and largest is not None and largest.input[0] == apart.input[0]:
        return _softmax(node, apart.input[0])
    return _softmax(node, power.input[0]) if is_guarded else None


def _without_guard(graph: _Producers, tensor: str) -> tuple[str, bool]:
    """``n + (n == 0)`` as ``n``."""
    node = graph.of(tensor, "Add")
    for one, other in () if node is None else (node.input, reversed(node.input)):
        cast = graph.of(other, "Cast")
        equal = None if cast is None else graph.of(cast.input[0], "Equal")
        if equal is not None and any(graph.is_number(name, 0.0) for name in equal.input):
            return graph.unshaped(one), True
    return tensor, False


def _softmax_of_logs(graph: _Producers, node: NodeProto) -> list[NodeProto] | None:
    """``exp(x - log sum exp x)``"""
    apart = graph.of(node.input[0], "Sub") if node.op_type == "Exp" else None
    if apart is None:
        return None
    whole = graph.of(graph.unshaped(apart.input[1]), "ReduceLogSumExp")
    if whole is None or whole.input[0] != apart.input[0] or not _along_last(graph, whole):
        return None
    return _softmax(node, apart.input[0])


def _along_last(graph: _Producers, node: NodeProto) -> bool:
    """Whether it works along the second axis, or the last."""
    axes = attributes(node).get("axes")
    if axes is not None:
        return axes.tolist() in ([1], [-1])
    return len(node.input) > 1 and any(graph.is_number(node.input[1], k) for k in (1.0, -1.0))


def _softmax(node: NodeProto, tensor: str) -> list[NodeProto]:
    return [helper.make_node("Softmax", [tensor], node.output, name=node.name, axis=-1)]


_IDIOMS: tuple[Callable[[_Producers, NodeProto], list[NodeProto] | None], ...] = (
    _logistic,
    _softmax_of_powers,
    _softmax_of_logs,
)

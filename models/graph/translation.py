"""ONNX nodes as operators."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np
from onnx import NodeProto, TensorProto, helper

from ifonly.models.graph.ml_translation import ML_TRANSLATIONS
from ifonly.models.graph.node_view import NodeView, Translated, ints
from ifonly.models.graph.operators.couplings import ArgMax, Softmax
from ifonly.models.graph.operators.elementwise import (
    FUNCTIONS,
    OPERATIONS,
    Broadcast,
    Cast,
    Clip,
    Unary,
)
from ifonly.models.graph.operators.shapes import (
    Concat,
    Flatten,
    Reshape,
    Same,
    Slice,
    Squeeze,
    Take,
    Transpose,
    Unsqueeze,
)
from ifonly.models.graph.operators.tables import Share
from ifonly.models.graph.refusal import refuse
from ifonly.models.graph.source import GraphSource

_DOMAINS = ("", "ai.onnx", "ai.onnx.ml")


def translate(proto: NodeProto, source: GraphSource) -> Translated:
    """The operator that computes what ``proto`` does.

    Raises
    ------
    UnreadableGraph
        If there is none.
    """
    if len([name for name in proto.output if name]) != 1 and proto.op_type != "Dropout":
        raise refuse(proto, "yields several tensors")
    operator = proto.op_type
    if proto.domain not in _DOMAINS:
        raise refuse(proto, "is no operator of ONNX")
    # Before plain arithmetic: by its pattern more is known of it.
    if operator == "Div" and _is_share(proto, source):
        return Translated(Share(), 1)
    if operator in FUNCTIONS:
        return Translated(Unary(operator))
    if operator in OPERATIONS:
        return Translated(Broadcast(operator))
    if operator in ML_TRANSLATIONS:
        return ML_TRANSLATIONS[operator](NodeView(proto, source))
    if operator not in _TRANSLATIONS:
        raise refuse(proto, "is no operator that is read")
    return _TRANSLATIONS[operator](NodeView(proto, source))


def _is_share(proto: NodeProto, source: GraphSource) -> bool:
    """Whether a Div divides a matrix by the sum of the sizes of each of its lines."""
    whole = source.producer(proto.input[1])
    if whole is None or whole.op_type not in ("ReduceSum", "ReduceL1"):
        return False
    node = NodeView(whole, source)
    axes = node.either("axes", 1)
    if axes is None or ints(axes) not in ((1,), (-1,)) or not node.a.get("keepdims", 1):
        return False
    sizes = source.producer(whole.input[0])
    # A sum of sizes is one node (ReduceL1), or two (Abs and ReduceSum).
    if whole.op_type == "ReduceL1" or sizes is None or sizes.op_type != "Abs":
        return whole.op_type == "ReduceL1" and whole.input[0] == proto.input[0]
    return bool(sizes.input[0] == proto.input[0])


def _cast(node: NodeView) -> Translated:
    if node.a["to"] == TensorProto.STRING:
        raise refuse(node.proto, "makes texts of numbers")
    return Translated(Cast(np.dtype(helper.tensor_dtype_to_np_dtype(node.a["to"]))))


def _clip(node: NodeView) -> Translated:
    bounds = [node.either(name, place) for name, place in (("min", 1), ("max", 2))]
    return Translated(Clip(*(None if b is None else float(b) for b in bounds)), 1)


def _concat(node: NodeView) -> Translated:
    return Translated(Concat(int(node.a["axis"])))


def _reshape(node: NodeView) -> Translated:
    shape = node.either("shape", 1)
    # With `allowzero` a 0 is none, and not "as it was".
    if shape is None or (node.a.get("allowzero", 0) and not shape.all()):
        raise refuse(node.proto, "has no shape that is read")
    return Translated(Reshape(ints(shape)), 1)


def _flatten(node: NodeView) -> Translated:
    return Translated(Flatten(int(node.a.get("axis", 1))))


def _squeeze(node: NodeView) -> Translated:
    axes = node.either("axes", 1)
    # A batch of one row would lose its axis.
    if axes is None:
        raise refuse(node.proto, "drops every axis of length 1, the batch included")
    return Translated(Squeeze(ints(axes)), 1)


def _unsqueeze(node: NodeView) -> Translated:
    axes = node.either("axes", 1)
    return Translated(Unsqueeze(ints(np.asarray(axes))), 1)


def _transpose(node: NodeView) -> Translated:
    if "perm" not in node.a:
        raise refuse(node.proto, "reverses all axes: rows become columns")
    return Translated(Transpose(ints(node.a["perm"])))


def _gather(node: NodeView) -> Translated:
    places = node.constant(1).astype(np.int64)
    return Translated(Take(places, int(node.a.get("axis", 0))), 1)


def _slice(node: NodeView) -> Translated:
    starts, ends = (node.either(name, place) for name, place in (("starts", 1), ("ends", 2)))
    if starts is None or ends is None:
        raise refuse(node.proto, "has no bounds")
    axes, steps = node.either("axes", 3), node.constant(4) if node.has(4) else None
    n = len(starts)
    return Translated(
        Slice(
            ints(starts),
            ints(ends),
            tuple(range(n)) if axes is None else ints(axes),
            (1,) * n if steps is None else ints(steps),
        ),
        1,
    )


def _softmax(node: NodeView) -> Translated:
    # Its default changed with opset 13.
    axis = int(node.a.get("axis", 1 if node.opset < 13 else -1))
    if axis not in (1, -1):
        raise refuse(node.proto, f"works along axis {axis}")
    return Translated(Softmax(node.proto.op_type == "LogSoftmax"))


def _argmax(node: NodeView) -> Translated:
    if int(node.a.get("axis", 0)) not in (1, -1) or node.a.get("select_last_index", 0):
        raise refuse(node.proto, "does not take the first of the largest of each row")
    return Translated(ArgMax(bool(node.a.get("keepdims", 1))))


def _dropout(node: NodeView) -> Translated:
    # The third input says that the model is still being trained.
    if node.has(2) and bool(node.constant(2)):
        raise refuse(node.proto, "drops at random")
    return Translated(Same(), 1)


_TRANSLATIONS: Mapping[str, Callable[[NodeView], Translated]] = {
    "ArgMax": _argmax,
    "Cast": _cast,
    "Clip": _clip,
    "Concat": _concat,
    "Dropout": _dropout,
    "Flatten": _flatten,
    "Gather": _gather,
    "Identity": lambda node: Translated(Same()),
    "LogSoftmax": _softmax,
    "Reshape": _reshape,
    "Slice": _slice,
    "Softmax": _softmax,
    "Squeeze": _squeeze,
    "Transpose": _transpose,
    "Unsqueeze": _unsqueeze,
}

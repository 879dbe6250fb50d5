"""Layers that are written as Gemm, or as MatMul and arithmetic with constants."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt
from onnx import NodeProto

from ifonly.models.graph.refusal import refuse
from ifonly.models.graph.source import GraphSource, attributes

Matrix = npt.NDArray[np.floating[Any]]


@dataclass(frozen=True, eq=False)
class Dense:
    """``input @ weights + bias``."""

    input: str
    weights: Matrix
    """``(n_in, n_out)``"""
    bias: Matrix
    """``(n_out,)``"""
    is_vector: bool = False
    """Whether the tensor it makes has rank 1: one number a row."""


def dense(source: GraphSource, tensor: str) -> Dense | None:
    """The layer that makes ``tensor``, with what is added to it, taken from it, multiplied by or
    divided by constants; None where something else makes it.

    Raises
    ------
    UnreadableGraph
        If its weights are computed, or do not fit.
    """
    node = source.producer(tensor)
    if node is None:
        return None
    match node.op_type:
        case "MatMul":
            return _matmul(source, node)
        case "Gemm":
            return _gemm(source, node)
        case "Add" | "Sub" | "Mul" | "Div":
            return _arithmetic(source, node)
        case "BatchNormalization":
            return _batch_normalization(source, node)
        # Dropout passes its input on when a model is served.
        case "Identity" | "Dropout":
            return dense(source, node.input[0])
        case _:
            return None


def _matmul(source: GraphSource, node: NodeProto) -> Dense | None:
    weights = source.constant(node.input[1])
    if weights is None or weights.ndim not in (1, 2):
        raise refuse(node, "has no constant matrix on its right")
    is_vector = weights.ndim == 1
    plain = weights[:, None] if is_vector else weights
    bias = np.zeros(plain.shape[1], dtype=plain.dtype)
    return Dense(node.input[0], plain, bias, is_vector)


def _gemm(source: GraphSource, node: NodeProto) -> Dense:
    a = attributes(node)
    weights = source.constant(node.input[1])
    has_bias = len(node.input) > 2 and node.input[2] != ""
    bias = source.constant(node.input[2]) if has_bias else np.zeros(1, dtype=np.float32)
    if weights is None or bias is None or a.get("transA", 0):
        raise refuse(node, "is no product of rows with a constant matrix, plus a constant")
    plain = weights.T if a.get("transB", 0) else weights
    # In the graph's own type: alpha and beta are float32 attributes.
    kind = weights.dtype.type
    scaled = plain * kind(a.get("alpha", 1.0))
    shift = bias.astype(weights.dtype) * kind(a.get("beta", 1.0))
    return Dense(node.input[0], np.ascontiguousarray(scaled), _line(node, shift, plain.shape[1]))


def _arithmetic(source: GraphSource, node: NodeProto) -> Dense | None:
    values = [source.constant(name) for name in node.input]
    # Two tensors that are computed are no layer; two constants are none either.
    if (values[0] is None) == (values[1] is None):
        return None
    at = 1 if values[0] is None else 0
    layer = dense(source, node.input[1 - at])
    # A constant divided by a layer is not affine.
    if layer is None or (at == 0 and node.op_type == "Div"):
        return None
    line = _line(node, np.asarray(values[at]), len(layer.bias))
    weights, bias = _COMBINE[node.op_type, at](layer.weights, layer.bias, line)
    return Dense(layer.input, weights, bias, layer.is_vector)


_COMBINE: dict[tuple[str, int], Callable[[Matrix, Matrix, Matrix], tuple[Matrix, Matrix]]] = {
    ("Add", 0): lambda w, b, c: (w, c + b),
    ("Add", 1): lambda w, b, c: (w, b + c),
    ("Sub", 0): lambda w, b, c: (-w, c - b),
    ("Sub", 1): lambda w, b, c: (w, b - c),
    ("Mul", 0): lambda w, b, c: (w * c, b * c),
    ("Mul", 1): lambda w, b, c: (w * c, b * c),
    ("Div", 1): lambda w, b, c: (w / c, b / c),
}
"""Operator and place of the constant, to weights and bias."""


def _batch_normalization(source: GraphSource, node: NodeProto) -> Dense | None:
    layer = dense(source, node.input[0])
    tables = [source.constant(name) for name in node.input[1:5]]
    if layer is None or layer.is_vector or attributes(node).get("training_mode", 0):
        return None
    if any(table is None for table in tables):
        raise refuse(node, "has tables that are computed")
    scale, shift, mean, variance = (np.asarray(table) for table in tables)
    epsilon = variance.dtype.type(attributes(node).get("epsilon", 1e-5))
    # What is left when served: a factor and a shift for each output.
    factor = scale / np.sqrt(variance + epsilon)
    return Dense(layer.input, layer.weights * factor, (layer.bias - mean) * factor + shift)


def _line(node: NodeProto, constant: npt.NDArray[Any], width: int) -> Matrix:
    """``constant`` as one number for each of ``width`` outputs."""
    if constant.size not in (1, width) or constant.shape[:-1] not in ((), (1,)):
        raise refuse(node, f"has a constant of shape {list(constant.shape)} for {width} outputs")
    # A copy: broadcast views cannot be written to, nor added up in place.
    return np.broadcast_to(constant.reshape(-1), (width,)).copy()

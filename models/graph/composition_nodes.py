"""Nodes of graphs that are neither one model nor a chain of layers, as operators."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from typing import Any, Protocol

import numpy as np
from onnx import AttributeProto, NodeProto

from ifonly.models.graph import linear_nodes, machine_nodes, tree_nodes, tree_v5
from ifonly.models.graph.ensemble import TreeEnsemble
from ifonly.models.graph.layers import Affine
from ifonly.models.graph.node_view import NodeView, ints
from ifonly.models.graph.operators.base import Operator, Tensor
from ifonly.models.graph.operators.reductions import (
    REDUCTIONS,
    ArgMin,
    Filled,
    Mean,
    Pick,
    Product,
    Reduce,
)
from ifonly.models.graph.operators.scorers import (
    ModelNode,
    Nearest,
    SquaredDistances,
    WeightedMedian,
)
from ifonly.models.graph.operators.shapes import Concat
from ifonly.models.graph.operators.tables import Share
from ifonly.models.graph.program import Step
from ifonly.models.graph.refusal import refuse
from ifonly.models.graph.source import GraphSource, attributes
from ifonly.models.graph.translation import translate


class ReadModel(Protocol):
    """A model node read."""

    @property
    def core(self) -> TreeEnsemble | Affine: ...

    @property
    def operator(self) -> Operator: ...


Reader = Callable[[NodeProto, np.dtype[Any], int], ReadModel]

_MODELS: dict[str, Reader] = {
    "TreeEnsemble": tree_v5.read_ensemble,
    "TreeEnsembleClassifier": tree_nodes.read_classifier,
    "TreeEnsembleRegressor": tree_nodes.read_regressor,
    "LinearClassifier": linear_nodes.read_classifier,
    "LinearRegressor": linear_nodes.read_regressor,
}
MODELS = (*_MODELS, "SVMClassifier", "SVMRegressor")
"""Operators of ai.onnx.ml that are models."""

Tensors = Mapping[str, Tensor]


def steps_of(node: NodeProto, source: GraphSource, tensors: Tensors) -> Iterator[Step]:
    """What a node computes, in steps; none where a later node takes its place.

    Parameters
    ----------
    node : NodeProto
    source : GraphSource
    tensors : mapping
        Every computed tensor by name, of some rows: for its type and its width.

    Raises
    ------
    UnreadableGraph
        If the node is not read.
    """
    view = NodeView(node, source)
    if node.op_type in MODELS:
        yield from _model(node, tensors)
    elif node.op_type in _OWN:
        yield from _OWN[node.op_type](view, source)
    elif node.op_type in REDUCTIONS:
        yield from _reduction(view, source, tensors)
    else:
        translated = translate(node, source)
        names = tuple(name for name in node.input if name)[: translated.n_inputs]
        yield Step(translated.operator, names, node.output[0])


def _model(node: NodeProto, tensors: Tensors) -> Iterator[Step]:
    tensor, output = tensors[node.input[0]], node.output[-1]
    if tensor.ndim != 2:
        raise refuse(node, f"reads a tensor of rank {tensor.ndim}")
    if node.op_type.startswith("SVM"):
        machine, after = machine_nodes.read_machine(node)
        yield Step(machine, (node.input[0],), f"{output}/sums")
        yield Step(after, (f"{output}/sums",), output)
        return
    read = _MODELS[node.op_type](node, tensor.dtype, tensor.shape[1])
    yield Step(ModelNode(read.core), (node.input[0],), f"{output}/sums")
    yield Step(read.operator, (f"{output}/sums",), output)


def _one(view: NodeView, operator: Operator) -> Step:
    return Step(operator, (view.proto.input[0],), view.proto.output[0])


def _reduction(view: NodeView, source: GraphSource, tensors: Tensors) -> Iterator[Step]:
    axes = view.either("axes", 1)
    if axes is None:
        raise refuse(view.proto, "works along every axis, the batch included")
    if ints(axes) == (0,) and view.proto.op_type == "ReduceMean" and not view.a.get("keepdims", 1):
        yield _mean_of_stacked(view, source)
        return
    rank = tensors[view.proto.input[0]].ndim
    found = tuple(axis % rank for axis in ints(axes))
    yield _one(view, Reduce(view.proto.op_type, found, bool(view.a.get("keepdims", 1))))


def _mean_of_stacked(view: NodeView, source: GraphSource) -> Step:
    """Bags are exported so: each model's scores become a slice, slices are stacked, and their mean
    is taken along that new first axis."""
    stack = source.producer(view.proto.input[0])
    slices = [source.producer(name) for name in stack.input] if stack is not None else []
    for node in slices:
        shape = (
            None if node is None or node.op_type != "Reshape" else source.constant(node.input[1])
        )
        if shape is None or len(shape) != 3 or tuple(shape[:2]) != (1, -1):
            raise refuse(view.proto, "takes the mean over rows")
    names = tuple(node.input[0] for node in slices if node is not None)
    return Step(Mean(), names, view.proto.output[0])


def _matmul(view: NodeView, source: GraphSource) -> Iterator[Step]:
    weights = view.constant(1)
    if weights.ndim not in (1, 2):
        raise refuse(view.proto, f"multiplies by a tensor of rank {weights.ndim}")
    plain = weights[:, None] if weights.ndim == 1 else weights
    if weights.ndim == 1:
        raise refuse(view.proto, "multiplies by a vector")
    yield _one(view, Product(plain, np.zeros(plain.shape[1], dtype=plain.dtype)))


def _gemm(view: NodeView, source: GraphSource) -> Iterator[Step]:
    if view.a.get("transA", 0):
        raise refuse(view.proto, "transposes its rows")
    weights = view.constant(1)
    plain = (weights.T if view.a.get("transB", 0) else weights) * weights.dtype.type(
        view.a.get("alpha", 1.0)
    )
    bias = view.constant(2) if view.has(2) else np.zeros(1, dtype=weights.dtype)
    scaled = bias.astype(weights.dtype) * weights.dtype.type(view.a.get("beta", 1.0))
    yield _one(view, Product(plain, np.broadcast_to(scaled.reshape(-1), (plain.shape[1],)).copy()))


def _arg_min(view: NodeView, source: GraphSource) -> Iterator[Step]:
    if int(view.a.get("axis", 0)) not in (1, -1) or view.a.get("select_last_index", 0):
        raise refuse(view.proto, "does not take the first of the least of each row")
    yield _one(view, ArgMin(bool(view.a.get("keepdims", 1))))


def _filled(view: NodeView, source: GraphSource) -> Iterator[Step]:
    shape = source.producer(view.proto.input[0])
    if shape is None or shape.op_type != "Shape":
        raise refuse(view.proto, "fills a tensor whose shape is not that of another")
    value = view.a.get("value", np.zeros(1, dtype=np.float32))
    yield Step(Filled(np.asarray(value).ravel()[0]), (shape.input[0],), view.proto.output[0])


def _norm(view: NodeView, source: GraphSource) -> Iterator[Step]:
    if int(view.a.get("p", 2)) != 1 or int(view.a.get("axis", -1)) not in (1, -1):
        raise refuse(view.proto, "is no division of each row by the sum of its sizes")
    yield _one(view, Share())


def _extractor(view: NodeView, source: GraphSource) -> Iterator[Step]:
    """Of a constant, at computed places; else as any other."""
    table = source.constant(view.proto.input[0])
    if table is None:
        translated = translate(view.proto, source)
        yield _one(view, translated.operator)
        return
    flat = np.asarray(table)
    if flat.ndim > 2 or (flat.ndim == 2 and len(flat) != 1):
        raise refuse(view.proto, f"looks up in a table of shape {list(flat.shape)}")
    yield Step(Pick(flat.reshape(-1)), (view.proto.input[1],), view.proto.output[0])


def _distances(view: NodeView, source: GraphSource) -> Iterator[Step]:
    """Of a Scan nothing is read; what it is follows from the Transpose behind it."""
    return iter(())


def _transpose(view: NodeView, source: GraphSource) -> Iterator[Step]:
    scan = source.producer(view.proto.input[0])
    lines = _stacked_lines(scan, source) if scan is not None else None
    if lines is not None:
        yield Step(Concat(1), lines, view.proto.output[0])
        return
    if scan is None or scan.op_type != "Scan":
        yield _one(view, translate(view.proto, source).operator)
        return
    points = source.constant(scan.input[-1])
    if points is None or points.ndim != 2 or len(scan.input) != 2 or not _is_squares(scan):
        raise refuse(scan, "is no table of squared distances to points")
    yield Step(SquaredDistances(points), (scan.input[0],), view.proto.output[0])


def _stacked_lines(reshape: NodeProto, source: GraphSource) -> tuple[str, ...] | None:
    """Columns of which each is a line of ``reshape``: stacked one under the other and cut into
    lines, as a quadratic discriminant analysis is exported."""
    stack = source.producer(reshape.input[0]) if reshape.op_type == "Reshape" else None
    if stack is None or stack.op_type != "Concat" or attributes(stack).get("axis", 0) != 0:
        return None
    shape = source.constant(reshape.input[1])
    if shape is None or shape.tolist() != [len(stack.input), -1]:
        return None
    return tuple(stack.input)


_SQUARES = (["Sub", "ReduceSumSquare"], ["Sub", "Mul", "ReduceSum"], ["Sub", "Pow", "ReduceSum"])


def _is_squares(scan: NodeProto) -> bool:
    """By its operators; what they compute is held against the graph when it is loaded."""
    bodies = [a.g for a in scan.attribute if a.type == AttributeProto.GRAPH]
    within = [n.op_type for body in bodies for n in body.node if n.op_type != "Identity"]
    return within in _SQUARES


def _top(view: NodeView, source: GraphSource) -> Iterator[Step]:
    """The k least: their places, in the second output, and their values in the first."""
    if view.a.get("largest", 1) or int(view.a.get("axis", -1)) not in (1, -1):
        # The median of a boosted regression sorts, and reads its values by their places.
        return
    (k,) = ints(view.constant(1))
    yield Step(Nearest(k), (view.proto.input[0],), view.proto.output[1])


def _gather(view: NodeView, source: GraphSource) -> Iterator[Step]:
    """The weighted median of a boosted regression, at its last node; nothing else is read."""
    values = view.proto.input[0]
    before = source.before([view.proto.input[1]], until=values)
    sorting = [node for node in before if node.op_type == "TopK"]
    picked = [node for node in before if node.op_type == "ArrayFeatureExtractor"]
    if not sorting or not picked:
        return
    weights = source.constant(picked[0].input[0])
    if weights is None:
        raise refuse(view.proto, "takes numbers at computed places")
    yield Step(WeightedMedian(weights.reshape(-1)), (values,), view.proto.output[0])


_OWN = {
    "ArgMin": _arg_min,
    "ArrayFeatureExtractor": _extractor,
    "ConstantOfShape": _filled,
    "GatherElements": _gather,
    "Gemm": _gemm,
    "LpNormalization": _norm,
    "MatMul": _matmul,
    "Scan": _distances,
    "Shape": _distances,
    "TopK": _top,
    "Transpose": _transpose,
}

"""Mechanisms as nodes of a graph: parents ``(n, p)`` to values ``(n, 1)``, in float64.

Formula by formula what :mod:`ifonly.explainers.causal` computes with numpy, in the same order.
"""

from __future__ import annotations

import ast

import numpy as np
from onnx import TensorProto, helper

from ifonly.explainers.causal.basis import Basis, Expansion
from ifonly.explainers.causal.expression import Expression
from ifonly.explainers.causal.function import Array, Function
from ifonly.models.encoding import BoundInput
from ifonly.models.errors import GraphError
from ifonly.models.onnx import OnnxPredictor
from ifonly.service.offline.fused_graph.nodes import Nodes


def yield_of(nodes: Nodes, function: Function, parents: str, graph: OnnxPredictor | None) -> str:
    """Raises
    ------
    GraphError
        If the function cannot be written as nodes; the message says why.
    """
    match function:
        case Basis():
            return _basis(nodes, function, parents)
        case Expression(text=text, names=names):
            node = ast.parse(text.strip(), mode="eval").body
            return _Formula(nodes, names, parents).part(node)
    if graph is None:
        raise GraphError(f"{type(function).__name__} is no function that can be written as nodes")
    return _graph(nodes, graph, parents)


def _basis(nodes: Nodes, basis: Basis, parents: str) -> str:
    if basis.affine is not None:
        intercept, slopes = basis.affine
        return nodes.add(
            "Add", nodes.constant(intercept), _product(nodes, parents, slopes[:, None])
        )
    features = _features(nodes, basis.expansion, parents)
    weighed = _product(nodes, features, basis.scale * basis.weights[:, None])
    return nodes.add("Add", nodes.constant(basis.shift), weighed)


def _product(nodes: Nodes, table: str, matrix: Array) -> str:
    """``table @ matrix``. One number a row, or a factor beside the product, is not left to MatMul:
    ONNX Runtime draws such a factor into it and rounds it to float32 (seen in 1.31: 1e-8)."""
    operator = "Mul" if len(matrix) == 1 else "MatMul"
    return nodes.add(operator, table, nodes.constant(matrix))


def _features(nodes: Nodes, expansion: Expansion, parents: str) -> str:
    z = _coordinates(nodes, expansion, parents)
    one = nodes.add("Mul", nodes.columns(z, [0]), nodes.constant(0.0))
    ones = nodes.add("Add", one, nodes.constant(1.0))
    every = []
    for exponents in expansion.exponents:
        product = ones
        for i in np.flatnonzero(exponents).tolist():
            factor = nodes.columns(z, [i])
            if exponents[i] != 1:
                factor = nodes.add("Pow", factor, nodes.constant(float(exponents[i])))
            product = nodes.add("Mul", product, factor)
        every.append(product)
    if len(expansion.centres):
        every.append(_bumps(nodes, expansion, z))
    return nodes.add("Concat", *every, axis=1)


def _coordinates(nodes: Nodes, expansion: Expansion, parents: str) -> str:
    c = expansion.coordinates
    chosen = nodes.columns(parents, c.parent.tolist())
    centred = nodes.add("Sub", chosen, nodes.constant(c.centre))
    numbers = nodes.add("Div", centred, nodes.constant(c.spread))
    indicates = ~np.isnan(c.level)
    if not indicates.any():
        return numbers
    is_level = nodes.add("Equal", chosen, nodes.constant(np.where(indicates, c.level, 0.0)))
    as_number = nodes.add("Cast", is_level, to=TensorProto.DOUBLE)
    return nodes.add("Where", nodes.constant(indicates, np.bool_), as_number, numbers)


def _bumps(nodes: Nodes, expansion: Expansion, z: str) -> str:
    precisions, centres = expansion.precisions, expansion.centres
    squares = _product(nodes, nodes.add("Mul", z, z), precisions.T)
    slopes = _product(nodes, z, -2.0 * (precisions * centres).T)
    offsets = nodes.constant((precisions * centres**2).sum(axis=1))
    distance = nodes.add("Max", nodes.sum(squares, slopes, offsets), nodes.constant(0.0))
    return nodes.add("Exp", nodes.add("Mul", distance, nodes.constant(-0.5)))


def _graph(nodes: Nodes, graph: OnnxPredictor, parents: str) -> str:
    """A mechanism that is a graph itself."""
    prefix = f"mechanism_{len(nodes.nodes)}"
    raw = score_of(nodes, graph, parents, prefix)
    return nodes.columns(raw, graph.columns.tolist())


def score_of(nodes: Nodes, graph: OnnxPredictor, rows: str, prefix: str) -> str:
    """The score tensor of a whole graph as float64 ``(n, width)``, for ``rows`` ``(n, d)``."""
    feeds = {bound.tensor.name: _feed(nodes, bound, rows) for bound in graph.encoding.inputs}
    raw = nodes.take_in(graph.model, feeds, prefix)
    lines = nodes.add("Reshape", raw, nodes.constant([-1, _width(graph)], np.int64))
    return nodes.add("Cast", lines, to=TensorProto.DOUBLE)


def _width(graph: OnnxPredictor) -> int:
    """Columns of the score tensor: those of the one row that any graph can score."""
    return graph.width(np.zeros((1, graph.encoding.n_features)))


def _feed(nodes: Nodes, bound: BoundInput, rows: str) -> str:
    """One input of a graph, encoded and cast as :meth:`BoundInput.feed` does."""
    dtype = bound.tensor.dtype
    if dtype.kind == "O":
        raise GraphError(f"{bound.tensor} takes texts, which no other node here yields")
    each = []
    for column in sorted(bound.columns, key=lambda c: c.column):
        number = nodes.columns(rows, [column.feature])
        if column.values is not None:
            encoding = bound.encodings[column.feature]
            table = nodes.constant([*column.values, encoding.missing])
            lost = nodes.constant(float(len(column.values)))
            code = nodes.add("Where", nodes.add("IsNaN", number), lost, number)
            number = nodes.add("Gather", table, nodes.add("Cast", code, to=TensorProto.INT64))
        each.append(number)
    matrix = nodes.add("Concat", *each, axis=1)
    cast = nodes.add("Cast", matrix, to=helper.np_dtype_to_tensor_dtype(dtype))
    if len(bound.tensor.shape) == 1:
        return nodes.add("Squeeze", cast, nodes.constant([1], np.int64))
    return cast


class _Formula:
    """An expression that was checked when it was read, walked again."""

    def __init__(self, nodes: Nodes, names: tuple[str, ...], parents: str) -> None:
        self._nodes = nodes
        self._names = names
        self._parents = parents

    def part(self, node: ast.expr) -> str:
        match node:
            case ast.Constant(value=int() | float() as number):
                return self._nodes.constant([[float(number)]])
            case ast.Name(id=name):
                return self._nodes.columns(self._parents, [self._names.index(name)])
            case ast.UnaryOp(op=ast.USub(), operand=operand):
                return self._nodes.add("Neg", self.part(operand))
            case ast.UnaryOp(operand=operand):
                return self.part(operand)
            case ast.BinOp(left=left, op=operator, right=right):
                return self._nodes.add(_BINARY[type(operator)], self.part(left), self.part(right))
            case ast.Call(func=ast.Name(id=name), args=arguments):
                return self._call(name, [self.part(argument) for argument in arguments])
            case ast.IfExp(test=ast.Compare() as test, body=body, orelse=other):
                sides = self.part(test.left), self.part(test.comparators[0])
                gap = self._nodes.add("Sub", *sides)
                zero = self._nodes.constant(0.0)
                holds = self._nodes.add(_COMPARE[type(test.ops[0])], gap, zero)
                return self._nodes.add("Where", holds, self.part(body), self.part(other))
        raise GraphError(f"{ast.unparse(node)!r} is no part of a formula")

    def _call(self, name: str, arguments: list[str]) -> str:
        if name == "sigmoid":  # as the compiled form has it
            half = self._nodes.constant(0.5)
            bent = self._nodes.add("Tanh", self._nodes.add("Mul", half, arguments[0]))
            risen = self._nodes.add("Add", self._nodes.constant(1.0), bent)
            return self._nodes.add("Mul", half, risen)
        return self._nodes.add(_CALLS[name], *arguments)


_BINARY: dict[type[ast.operator], str] = {
    ast.Add: "Add", ast.Sub: "Sub", ast.Mult: "Mul", ast.Div: "Div", ast.Pow: "Pow",
}  # fmt: skip
_COMPARE: dict[type[ast.cmpop], str] = {
    ast.Lt: "Less", ast.LtE: "LessOrEqual", ast.Gt: "Greater", ast.GtE: "GreaterOrEqual",
}  # fmt: skip
_CALLS = {
    "exp": "Exp", "log": "Log", "sqrt": "Sqrt", "tanh": "Tanh", "abs": "Abs",
    "min": "Min", "max": "Max",
}  # fmt: skip

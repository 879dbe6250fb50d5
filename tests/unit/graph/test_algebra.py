"""Graphs that are no chain of layers, read as networks of units, operator by operator."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper

from ifonly.models.graph.finish import Link
from ifonly.models.graph.forms import UnitNetwork
from ifonly.models.graph.intervals import bounds_of
from ifonly.models.schema import Task
from tests.unit.graph.ensembles import INPUT, SCORES, model_of
from tests.unit.graph.served import Served, decision_of, numbers, random_rows, serve

ONE = decision_of(Task.REGRESSION)
DRAW = np.random.default_rng(0)
W = (DRAW.normal(size=(4, 6)) / 4).astype(np.float32)
B = (DRAW.normal(size=6) / 2).astype(np.float32)
V = DRAW.normal(size=(6, 4)).astype(np.float32)
C = DRAW.normal(size=4).astype(np.float32)
U = DRAW.normal(size=(6, 1)).astype(np.float32)
T3 = np.array([3], dtype=np.int64)
LAYER = [("Gemm", f"{INPUT} w b", "h")]
CONSTANTS: dict[str, Any] = {
    "w": W, "b": B, "v": V, "c": C, "u": U, "one": np.float32(1), "half": np.float32(0.5),
    "two": np.float32(2), "three": np.float32(3), "root": np.float32(np.sqrt(2.0)),
    "six": np.array([6], dtype=np.int64), "axes": np.array([1], dtype=np.int64),
    "nought": np.array([0], dtype=np.int64), "maps": np.array([-1, 2, 3], dtype=np.int64),
    "flat": np.array([-1, 6], dtype=np.int64), "slopes": np.abs(B),
    "kernel": DRAW.normal(size=(3, 2, 2)).astype(np.float32), "kb": C[:3],
    "places": np.array([4, 1, 1], dtype=np.int64), "cubic": np.float32(0.044715),
    "pi": np.float32(np.sqrt(2 / np.pi)), "sizes": np.array([2, 4], dtype=np.int64),
    "steps": np.array([2], dtype=np.int64), "pads": np.array([0, 0, 1, 0, 0, 2], dtype=np.int64),
    "row": B[None], "left": DRAW.normal(size=(5, 2)).astype(np.float32),
    "low": np.float32(-0.4), "high": np.float32(0.7), "v2": np.abs(B) + 1,
}  # fmt: skip

Nodes = list[tuple[Any, ...]]
CURVES = ("Relu", "Abs", "Tanh", "Sigmoid", "Elu", "Selu", "Celu", "Softplus", "Softsign", "Erf",
          "Exp", "HardSigmoid", "HardSwish", "LeakyRelu", "Gelu", "Mish", "Neg",
          "Sign")  # fmt: skip
OPERATORS: dict[str, Nodes] = {
    **{name: [*LAYER, (name, "h", "y")] for name in CURVES},
    "Gelu by tanh": [*LAYER, ("Gelu", "h", "y", {"approximate": "tanh"})],
    "LeakyRelu, steep": [*LAYER, ("LeakyRelu", "h", "y", {"alpha": 1.5})],
    "Elu, scaled": [*LAYER, ("Elu", "h", "y", {"alpha": 0.3})],
    "Celu, scaled": [*LAYER, ("Celu", "h", "y", {"alpha": 2.0})],
    "PRelu": [*LAYER, ("PRelu", "h slopes", "y")],
    "Clip": [*LAYER, ("Clip", "h low high", "y")],
    "Clip from below": [*LAYER, ("Clip", "h low", "y")],
    "Sqrt": [*LAYER, ("Abs", "h", "a"), ("Add", "a half", "s"), ("Sqrt", "s", "y")],
    "Log": [*LAYER, ("Exp", "h", "a"), ("Add", "a half", "s"), ("Log", "s", "y")],
    "Reciprocal": [*LAYER, ("Abs", "h", "a"), ("Add", "one a", "s"), ("Reciprocal", "s", "y")],
    "Pow 2": [*LAYER, ("Pow", "h two", "y")],
    "Pow 3": [*LAYER, ("Pow", "h three", "y")],
    "a product": [*LAYER, ("Tanh", "h", "t"), ("Mul", "h t", "y")],
    "a number times itself": [*LAYER, ("Mul", "h h", "y")],
    "a quotient": [*LAYER, ("Abs", "h", "a"), ("Add", "a one", "s"), ("Div", "h s", "y")],
    "a constant divided": [*LAYER, ("Exp", "h", "a"), ("Add", "a one", "s"), ("Div", "two s", "y")],
    "Swish, written out": [*LAYER, ("Sigmoid", "h", "s"), ("Mul", "h s", "y")],
    "Gelu, written out": [
        *LAYER, ("Div", "h root", "d"), ("Erf", "d", "e"), ("Add", "e one", "f"),
        ("Mul", "h f", "g"), ("Mul", "g half", "y")],
    "Gelu by tanh, written out": [
        *LAYER, ("Pow", "h three", "p"), ("Mul", "p cubic", "q"), ("Add", "h q", "r"),
        ("Mul", "r pi", "s"), ("Tanh", "s", "t"), ("Add", "t one", "k"), ("Mul", "h half", "l"),
        ("Mul", "l k", "y")],
    "Mish, written out": [
        *LAYER, ("Softplus", "h", "s"), ("Tanh", "s", "t"), ("Mul", "h t", "y")],
    "a skip": [*LAYER, ("Relu", "h", "r"), ("Add", "h r", "y")],
    "a difference": [
        *LAYER, ("Relu", "h", "r"), ("Gemm", "r v c", "d"), ("Sub", f"{INPUT} d", "y")],
    "Max of several": [*LAYER, ("Neg", "h", "n"), ("Max", "h n half", "y")],
    "Min of several": [*LAYER, ("Tanh", "h", "n"), ("Min", "h n half", "y")],
    "Sum": [*LAYER, ("Relu", "h", "r"), ("Sum", "h r b", "y")],
    "Mean": [*LAYER, ("Relu", "h", "r"), ("Mean", "h r", "y")],
    **{f"{name} over an axis": [*LAYER, (name, "h axes", "y")] for name in (
        "ReduceMean", "ReduceMax", "ReduceMin", "ReduceL1", "ReduceL2", "ReduceSumSquare",
        "ReduceLogSumExp")},
    "ReduceSum": [*LAYER, ("ReduceSum", "h axes", "y", {"keepdims": 0})],
    "Concat, Slice, Split, Gather": [
        *LAYER, ("Split", "h sizes", "p q", {"axis": 1}), ("Concat", "q p", "c1", {"axis": 1}),
        ("Slice", "c1 axes six axes steps", "s"), ("Gather", "h places", "g", {"axis": 1}),
        ("Relu", "g", "r"), ("Sub", "r s", "y")],
    "BatchNormalization of a curve": [
        *LAYER, ("Tanh", "h", "t"), ("BatchNormalization", "t b b b v2", "y")],
    "LayerNormalization": [*LAYER, ("LayerNormalization", "h b row", "y", {"axis": -1})],
    "Softmax within": [*LAYER, ("Softmax", "h", "s"), ("Gemm", "s v c", "d"), ("Relu", "d", "y")],
    "LogSoftmax within": [*LAYER, ("LogSoftmax", "h", "s"), ("Mul", "s s", "y")],
    "Softmax of two": [
        ("Gemm", f"{INPUT} w2 b2", "h"), ("Softmax", "h", "s"), ("Mul", "s s", "y")],
    "Where": [*LAYER, ("Greater", "h half", "t"), ("Mul", "h two", "d"), ("Sub", "d half", "e"),
              ("Where", "t e h", "y")],
    "a comparison": [*LAYER, ("GreaterOrEqual", "h half", "t"),
                     ("Cast", "t", "y", {"to": TensorProto.FLOAT})],
    "a choice of constants": [*LAYER, ("Less", "h half", "t"), ("Where", "t two low", "y")],
    "Conv": [
        *LAYER, ("Reshape", "h maps", "m"),
        ("Conv", "m kernel kb", "y", {"pads": [1, 0], "strides": [2]})],
    "Conv, dilated, then pools": [
        *LAYER, ("Reshape", "h maps", "m"),
        ("Conv", "m kernel", "k", {"dilations": [2], "pads": [2, 2]}),
        ("MaxPool", "k", "l", {"kernel_shape": [2], "strides": [2]}),
        ("AveragePool", "l", "y", {"kernel_shape": [2], "pads": [1, 0]})],
    "Conv, same": [
        *LAYER, ("Reshape", "h maps", "m"), ("Conv", "m kernel", "y", {"auto_pad": "SAME_UPPER"})],
    "global pools": [
        *LAYER, ("Reshape", "h maps", "m"), ("GlobalAveragePool", "m", "a"),
        ("GlobalMaxPool", "m", "l"), ("Sub", "l a", "y")],
    "Transpose, Unsqueeze, Squeeze, Pad": [
        *LAYER, ("Reshape", "h maps", "m"), ("Pad", "m pads", "p"),
        ("Transpose", "p", "t", {"perm": [0, 2, 1]}), ("Unsqueeze", "t axes", "z"),
        ("Squeeze", "z axes", "q"), ("Relu", "q", "y")],
    "a matrix from the left": [
        *LAYER, ("Reshape", "h maps", "m"), ("MatMul", "left m", "k"), ("Tanh", "k", "y")],
    "layers without a curve": [
        *LAYER, ("MatMul", "h v", "k"), ("Sub", f"{INPUT} k", "d"), ("Abs", "d", "y")],
    "constants that are computed": [*LAYER, ("Div", "one two", "k"), ("Relu", "h", "r"),
                                    ("Mul", "r k", "s"), ("Add", "h s", "y")],
}  # fmt: skip


def served(nodes: Nodes, decision=ONE, n=4, outputs=1) -> Served:
    made, used = [], set()
    for operator, inputs, output, *attributes in nodes:
        extra = attributes[0] if attributes else {}
        made.append(helper.make_node(operator, inputs.split(), output.split(), **extra))
        used.update(inputs.split())
    constants = {**CONSTANTS, "w2": W[:, :2], "b2": B[:2]}
    own = {name: value for name, value in constants.items() if name in used}
    return serve(model_of(made, n, outputs, constants=own, opset=20), numbers(n), decision)


def ended(nodes: Nodes) -> Nodes:
    """With a square sum of all numbers: a score that is no link."""
    return [
        *nodes,
        ("Flatten", "y", "all"),
        ("Mul", "all all", "squares"),
        ("ReduceSum", "squares axes", SCORES),
    ]


@pytest.mark.parametrize("name", OPERATORS)
def test_an_operator_is_read_as_units(name):
    found = served(ended(OPERATORS[name]))
    core = found.form.core
    assert isinstance(core, UnitNetwork)
    assert found.form.link is Link.IDENTITY
    rows = random_rows(found.schema, 300, np.random.default_rng(0))
    theirs, ours = found.predictor.score(rows), found.form.score(rows)
    near = np.isclose(ours, theirs, rtol=2e-5, atol=2e-6)
    assert near.mean() > (0.98 if name in ("a comparison", "Sign") else 0.9999), (ours, theirs)
    box = bounds_of(core, np.full(core.n_columns, -10.0), np.full(core.n_columns, 10.0),
                    np.zeros(core.n_columns))  # fmt: skip
    raw = core.raw(found.form.columns.encode(rows))
    assert (box.outputs.low - 1e-9 <= raw).all()
    assert (raw <= box.outputs.high + 1e-9).all()
    # What ONNX Runtime rounds is within what is said of its rounding.
    assert (np.abs(theirs - raw) <= box.outputs.off).all()

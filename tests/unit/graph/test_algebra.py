"""Graphs that are no chain of layers, read as networks of units, operator by operator."""

from __future__ import annotations

import pickle
from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper

from ifonly.models.graph.curves import Curve
from ifonly.models.graph.finish import Link
from ifonly.models.graph.forms import GraphForm, UnitNetwork
from ifonly.models.graph.intervals import NetworkBounds, bounds_of
from ifonly.models.schema import Task
from tests.unit.graph.ensembles import INPUT, SCORES, model_of
from tests.unit.graph.served import Served, decision_of, numbers, random_rows, read, serve

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
    "three1": np.array([3], dtype=np.int64), "row": B[None],
    "left": DRAW.normal(size=(5, 2)).astype(np.float32),
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
    core = units_of(found.form)
    assert found.form.link is Link.IDENTITY
    rows = random_rows(found.schema, 300, np.random.default_rng(0))
    theirs, ours = found.predictor.score(rows), found.form.score(rows)
    near = np.isclose(ours, theirs, rtol=2e-5, atol=2e-6)
    assert near.mean() > (0.98 if name in ("a comparison", "Sign") else 0.9999), (ours, theirs)
    box = box_of(found.form)
    raw = core.raw(found.form.columns.encode(rows))
    assert (box.outputs.low - 1e-9 <= raw).all()
    assert (raw <= box.outputs.high + 1e-9).all()
    # What ONNX Runtime rounds is within what is said of its rounding.
    assert (np.abs(theirs - raw) <= box.outputs.off).all()


ERROR: Nodes = [*LAYER, ("Relu", "h", "r"), ("Gemm", "r v c", "d")]


def test_a_feature_that_is_read_scaled_and_as_it_is_is_one_column():
    nodes: Nodes = [
        ("Mul", f"{INPUT} half", "x1"), ("Gemm", "x1 w b", "h"), ("Relu", "h", "r"),
        ("Gemm", "r v c", "d"), ("Sub", f"{INPUT} d", "e"),
        ("ReduceL1", "e axes", SCORES)]  # fmt: skip
    found = served(nodes)
    assert found.form.columns.n_columns == 4
    rows = random_rows(found.schema, 50, np.random.default_rng(0))
    np.testing.assert_allclose(found.form.score(rows), found.predictor.score(rows), rtol=1e-5)


def test_a_link_stays_behind_the_network():
    binary = [*ERROR, ("Sub", f"{INPUT} d", "e"), ("ReduceL1", "e axes", "s"),
              ("Sub", "s two", "z"), ("Sigmoid", "z", SCORES)]  # fmt: skip
    assert served(binary, decision_of(Task.BINARY)).form.link is Link.LOGISTIC
    several = [*ERROR, ("Abs", "d", "e"), ("Slice", "e nought three1 axes", "t"),
               ("Softmax", "t", SCORES)]  # fmt: skip
    found = served(several, decision_of(Task.MULTICLASS, 3), outputs=3)
    assert found.form.link is Link.SOFTMAX
    assert found.form.keeps_order


def test_the_root_of_a_mean_of_squares_is_a_link_and_a_number_everywhere():
    nodes = [*ERROR, ("Sub", f"{INPUT} d", "e"), ("Mul", "e e", "q"), ("ReduceMean", "q axes", "s"),
             ("Sqrt", "s", SCORES)]  # fmt: skip
    found = served(nodes)
    assert [layer.curve for layer in units_of(found.form).layers] == [Curve.RELU, Curve.SQUARE]
    box = box_of(found.form)
    assert box.is_number
    assert found.form.finish.is_finite(box.outputs.low, box.outputs.high)


def units_of(form: GraphForm) -> UnitNetwork:
    assert isinstance(form.core, UnitNetwork)
    return form.core


def box_of(form: GraphForm) -> NetworkBounds:
    """With every column between -10 and 10."""
    n = form.columns.n_columns
    return bounds_of(units_of(form), np.full(n, -10.0), np.full(n, 10.0), np.zeros(n))


@pytest.mark.parametrize(
    ("tail", "is_number"),
    [
        ([("Abs", "d", "a"), ("Log", "a", "y")], False),
        ([("Abs", "d", "a"), ("Add", "a half", "p"), ("Log", "p", "y")], True),
        ([("Sqrt", "d", "y")], False),
        ([("Relu", "d", "a"), ("Sqrt", "a", "y")], True),
        ([("Reciprocal", "d", "y")], False),
        ([("Exp", "d", "a"), ("Add", "a one", "p"), ("Div", "d p", "y")], True),
        ([("Mul", "d vast", "a"), ("Exp", "a", "y")], False),
        # Too large on the way, and small again.
        ([("Mul", "d vast", "a"), ("Mul", "a vast", "k"), ("Div", "k vast", "m"),
          ("Div", "m vast", "y")], False),
    ],
)  # fmt: skip
def test_where_a_graph_may_have_no_number_it_is_noticed(tail, is_number):
    nodes = ended([*ERROR, *tail])
    constants = {**CONSTANTS, "vast": np.float32(1e20)}
    used = {name for _, inputs, *_ in nodes for name in inputs.split()}
    made = [
        helper.make_node(o, i.split(), t.split(), **(a[0] if a else {})) for o, i, t, *a in nodes
    ]
    own = {name: value for name, value in constants.items() if name in used}
    form = read(model_of(made, 4, 1, constants=own, opset=20), numbers(4))
    assert box_of(form).is_number == is_number


def test_what_is_read_travels_and_may_be_of_doubles():
    nodes = [*ERROR, ("Sub", f"{INPUT} d", "e"), ("ReduceL1", "e axes", SCORES)]
    made = [helper.make_node(o, i.split(), t.split()) for o, i, t in nodes]
    own = {n: np.asarray(CONSTANTS[n], np.float64) for n in ("w", "b", "v", "c")}
    own["axes"] = CONSTANTS["axes"]
    kind = TensorProto.DOUBLE
    model = model_of(made, 4, 1, constants=own, opset=20, kind=kind, output_kind=kind)
    found = serve(model, numbers(4), ONE)
    assert found.form.core.dtype == np.float64
    rows = random_rows(found.schema, 50, np.random.default_rng(0))
    again = pickle.loads(pickle.dumps(found.form))
    np.testing.assert_allclose(again.score(rows), found.predictor.score(rows), rtol=1e-13)


def test_sums_of_several_steps_are_off_by_what_all_of_them_round():
    """Two layers without a curve between them cancel each other: what is left is rounding."""
    far = np.float32(1e4)
    nodes: Nodes = [(*step,) for step in (
        ("MatMul", f"{INPUT} w", "h"), ("Add", "h far", "k"), ("Sub", "k far", "m"),
        ("ReduceL1", "m axes", SCORES))]  # fmt: skip
    made = [helper.make_node(o, i.split(), t.split()) for o, i, t in nodes]
    own = {"w": W, "axes": CONSTANTS["axes"], "far": far}
    found = serve(model_of(made, 4, 1, constants=own, opset=20), numbers(4), ONE)
    rows = random_rows(found.schema, 500, np.random.default_rng(0))
    error = np.abs(found.form.core.raw(rows) - found.predictor.score(rows)).max()
    assert 1e-4 < error <= box_of(found.form).outputs.off[0] < 1e-2

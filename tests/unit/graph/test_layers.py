"""Linear models and ReLU networks, in every way that exporters write them."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from onnx import TensorProto, helper

from ifonly.models.graph.finish import Link
from ifonly.models.graph.forms import Affine, ReluNetwork
from ifonly.models.graph.refusal import UnreadableGraph
from ifonly.models.schema import Task
from tests.unit.graph.ensembles import INPUT, SCORES, model_of
from tests.unit.graph.served import (
    Served,
    compare,
    decision_of,
    numbers,
    random_rows,
    read,
    serve,
)

ONE = decision_of(Task.REGRESSION)
BINARY = decision_of(Task.BINARY)
THREE = decision_of(Task.MULTICLASS, 3)
RNG = np.random.default_rng(0)

W = RNG.normal(size=(4, 3)).astype(np.float32)
B = RNG.normal(size=3).astype(np.float32)
V = RNG.normal(size=(3, 2)).astype(np.float32)
C = RNG.normal(size=2).astype(np.float32)
U = RNG.normal(size=(2, 1)).astype(np.float32)


def node(operator: str, inputs: str, output: str, **attributes: Any):
    domain = "ai.onnx.ml" if operator.startswith(("Linear", "Normalizer", "ZipMap")) else ""
    return helper.make_node(operator, inputs.split(), output.split(), domain=domain, **attributes)


def served(nodes, n_outputs, decision=ONE, column=None, **constants) -> Served:
    kind = TensorProto.FLOAT
    if any(np.asarray(v).dtype == np.float64 for v in constants.values()):
        kind = TensorProto.DOUBLE
    model = model_of(nodes, 4, n_outputs, constants=constants, kind=kind, output_kind=kind)
    return serve(model, numbers(4), decision, column=column)


def worst(found: Served) -> float:
    rows = random_rows(found.schema, 500, np.random.default_rng(0))
    agreed = compare(found, rows)
    assert agreed.labels == 0
    return agreed.scores


AFFINE: dict[str, tuple[list[Any], dict[str, Any]]] = {
    "Gemm": ([node("Gemm", f"{INPUT} w b", "y")], {"w": W, "b": B}),
    "Gemm, all attributes": (
        [node("Gemm", f"{INPUT} w b", "y", transB=1, alpha=0.5, beta=2.0)],
        {"w": np.ascontiguousarray(W.T), "b": B},
    ),
    "Gemm without bias": ([node("Gemm", f"{INPUT} w", "y")], {"w": W}),
    "MatMul, Add": ([node("MatMul", f"{INPUT} w", "m"), node("Add", "m b", "y")], {"w": W, "b": B}),
    "Add before MatMul": (
        [node("MatMul", f"{INPUT} w", "m"), node("Add", "b m", "y")],
        {"w": W, "b": B[None]},
    ),
    "MatMul, then arithmetic": (
        [
            node("MatMul", f"{INPUT} w", "m"),
            node("Sub", "b m", "s"),
            node("Mul", "s k", "t"),
            node("Div", "t b", "u"),
            node("Sub", "u k", "y"),
        ],
        {"w": W, "b": B, "k": np.float32(0.75)},
    ),
    "BatchNormalization": (
        [node("MatMul", f"{INPUT} w", "m"), node("BatchNormalization", "m b b b v", "y")],
        {"w": W, "b": B, "v": np.abs(B)},
    ),
}


@pytest.mark.parametrize("way", AFFINE)
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_a_linear_model_is_read_however_it_is_written(way, dtype):
    nodes, constants = AFFINE[way]
    constants = {name: value.astype(dtype) for name, value in constants.items()}
    last = node("Identity", "y", SCORES)
    found = served([*nodes, last], 3, column=1, **constants)
    assert isinstance(found.form.core, Affine)
    assert found.form.core.weights.shape == (4, 1)
    assert found.form.link is Link.IDENTITY
    assert worst(found) < (1e-5 if dtype == np.float32 else 1e-11)


@pytest.mark.parametrize("way", AFFINE)
def test_a_softmax_over_classes_keeps_their_order(way):
    nodes, constants = AFFINE[way]
    found = served([*nodes, node("Softmax", "y", SCORES)], 3, THREE, **constants)
    assert found.form.keeps_order
    assert found.form.link is Link.SOFTMAX
    assert worst(found) < 1e-5


def relu_nodes(tail: list[Any]) -> list[Any]:
    return [
        node("Gemm", f"{INPUT} w b", "h"),
        node("Relu", "h", "r"),
        node("Dropout", "r", "d"),
        node("MatMul", "d v", "m"),
        node("Add", "m c", "k"),
        node("Relu", "k", "q"),
        *tail,
    ]


LAYERS = {"w": W, "b": B, "v": V, "c": C, "u": U}


def test_a_network_is_read_layer_by_layer():
    found = served(relu_nodes([node("MatMul", "q u", SCORES)]), 1, **LAYERS)
    core = found.form.core
    assert isinstance(core, ReluNetwork)
    assert [weights.shape for weights, _ in core.layers] == [(4, 3), (3, 2), (2, 1)]
    assert worst(found) < 1e-5


@pytest.mark.parametrize("column", [0, 1])
def test_a_probability_and_its_complement_are_both_read(column):
    tail = [
        node("MatMul", "q u", "z"),
        node("Sigmoid", "z", "p"),
        node("Sub", "one p", "o"),
        node("Concat", "o p", SCORES, axis=1),
    ]
    found = served(relu_nodes(tail), 2, BINARY, column, one=np.float32(1), **LAYERS)
    assert found.form.finish.sense == 1
    assert found.form.link is Link.LOGISTIC
    assert worst(found) < 1e-6


@pytest.mark.parametrize("column", [0, 1])
def test_a_softmax_of_two_is_read_as_a_logistic_of_their_difference(column):
    tail = [node("Softmax", "k", SCORES)]
    nodes = relu_nodes([])[:-1]
    layers = {name: LAYERS[name] for name in "wbvc"}
    found = served([*nodes, *tail], 2, BINARY, column, **layers)
    assert found.form.core.n_outputs == 1
    assert found.form.link is Link.LOGISTIC
    assert worst(found) < 1e-5


def test_the_position_of_the_larger_of_two_is_a_score():
    nodes = [
        node("Gemm", f"{INPUT} v c", "y", transB=0),
        node("ArgMax", "y", "best", axis=1, keepdims=1),
        node("Cast", "best", SCORES, to=TensorProto.FLOAT),
    ]
    weights = RNG.normal(size=(4, 2)).astype(np.float32)
    found = served(nodes, 1, ONE, v=weights, c=C)
    assert found.form.core.n_outputs == 1
    assert worst(found) == 0.0


def test_a_vector_of_weights_yields_one_number_a_row():
    nodes = [node("MatMul", f"{INPUT} w", "y"), node("Add", "y b", SCORES)]
    constants = {"w": W[:, 0], "b": np.float32(0.5)}
    found = serve(model_of(nodes, 4, 1, constants=constants, rank=1), numbers(4), ONE)
    assert worst(found) < 1e-5


@pytest.mark.parametrize(
    ("operator", "sense"), [("Exp", 1), ("Neg", 1), ("Tanh", 1), ("Floor", 1), ("Relu", 1)]
)
def test_a_function_behind_the_model_is_monotone_or_the_model_is_turned(operator, sense):
    nodes = [
        node("MatMul", f"{INPUT} w", "y"),
        node("Mul", "y small", "z"),
        node(operator, "z", SCORES),
    ]
    found = served(nodes, 1, w=W[:, :1], small=np.float32(0.125))
    assert found.form.finish.sense == sense
    raw = np.sort(RNG.normal(size=(100, 1)) * 3, axis=0)
    assert (np.diff(found.form.scores_of(raw)[:, 0]) >= 0).all()
    assert worst(found) < 1e-5


@pytest.mark.parametrize("transform", ["NONE", "LOGISTIC", "SOFTMAX", "SOFTMAX_ZERO"])
@pytest.mark.parametrize("n_classes", [1, 2, 3])
@pytest.mark.parametrize("normalized", [False, True])
def test_a_linear_classifier_is_read_with_its_transform(transform, n_classes, normalized):
    linear = node(
        "LinearClassifier",
        INPUT,
        "label y",
        coefficients=(W[:, :n_classes].T.ravel() / 8).tolist(),
        intercepts=B[:n_classes].tolist(),
        classlabels_ints=list(range(max(n_classes, 2))),
        post_transform=transform,
    )
    last = node("Normalizer", "y", SCORES, norm="L1")
    nodes = [linear, last if normalized else node("Identity", "y", SCORES)]
    decision = THREE if n_classes == 3 else ONE
    column = None if n_classes == 3 else 1
    model = model_of(nodes, 4, None)
    unreadable = {
        "NONE": normalized,
        "LOGISTIC": normalized and n_classes == 2,  # a quotient of two independent numbers
        "SOFTMAX": normalized and n_classes == 1,
        "SOFTMAX_ZERO": normalized or n_classes == 2,
    }[transform]
    if unreadable:
        with pytest.raises(UnreadableGraph):
            serve(model, numbers(4), decision, column=column)
    else:
        assert worst(serve(model, numbers(4), decision, column=column)) < 1e-5


def test_logistic_regression_with_a_line_of_weights_for_each_class_is_read_as_one():
    weights = np.concatenate([-W[:, 0], W[:, 0]])
    linear = node(
        "LinearClassifier",
        INPUT,
        "label y",
        coefficients=weights.tolist(),
        intercepts=[-0.5, 0.5],
        classlabels_ints=[0, 1],
        post_transform="LOGISTIC",
    )
    model = model_of([linear, node("Normalizer", "y", SCORES, norm="L1")], 4, None)
    found = serve(model, numbers(4), BINARY)
    assert found.form.core.n_outputs == 1
    assert found.form.link is Link.LOGISTIC
    assert worst(found) < 1e-5


def test_a_division_by_the_sum_of_sizes_is_a_normalization():
    weights = np.stack([-W[:, 0], W[:, 0]], axis=1).astype(np.float64)
    nodes = [
        node("MatMul", f"{INPUT} w", "y"),
        node("Sigmoid", "y", "p"),
        node("Abs", "p", "a"),
        node("ReduceSum", "a axes", "s", keepdims=1),
        node("Div", "p s", SCORES),
    ]
    found = served(nodes, 2, BINARY, 1, w=weights, axes=np.array([1]))
    assert found.form.link is Link.LOGISTIC
    assert worst(found) < 1e-14


@pytest.mark.parametrize("targets", [1, 2])
@pytest.mark.parametrize("transform", ["NONE", "LOGISTIC"])
def test_a_linear_regressor_is_read(targets, transform):
    linear = node(
        "LinearRegressor",
        INPUT,
        SCORES,
        coefficients=W[:, :targets].T.ravel().tolist(),
        intercepts=B[:targets].tolist(),
        targets=targets,
        post_transform=transform,
    )
    found = serve(model_of([linear], 4, targets), numbers(4), ONE, column=targets - 1)
    assert worst(found) < 1e-5


def refusal(nodes, columns=(0,), **constants) -> str:
    model = model_of(nodes, 4, None, constants=constants)
    with pytest.raises(UnreadableGraph) as caught:
        read(model, numbers(4), columns)
    return str(caught.value)


def test_what_is_no_linear_model_or_network_of_one_kind_is_refused_by_name():
    product = [node("MatMul", f"{INPUT} {INPUT}", SCORES)]
    assert "(MatMul) multiplies two computed matrices" in refusal(product)
    turned = [node("Gemm", f"{INPUT} w", SCORES, transA=1)]
    assert "(Gemm) is no product of rows" in refusal(turned, w=W)
    wavy = [node("MatMul", f"{INPUT} w", "y"), node("Sin", "y", SCORES)]
    assert "(Sin) is no operator that is read" in refusal(wavy, w=W)
    multiplied = [node("MatMul", f"{INPUT} w", "y"), node("ReduceProd", "y", SCORES, axes=[1])]
    assert "(ReduceProd) is no operator that is read" in refusal(multiplied, w=W)
    mixed = [node("MatMul", f"{INPUT} w", "y"), node("ReduceSum", "y batch", SCORES)]
    assert "rows would be mixed" in refusal(mixed, w=W, batch=np.array([0]))
    narrow = [node("MatMul", f"{INPUT} w", SCORES)]
    assert "multiplies lines of 4 with a matrix for 3" in refusal(narrow, w=V)


def test_a_layer_that_is_read_twice_ends_where_it_is_read():
    nodes = [
        node("MatMul", f"{INPUT} w", "y"),
        node("Add", "y b", "z"),
        node("Sigmoid", "z", "p"),
        node("Neg", "z", "n"),
        node("Sigmoid", "n", "o"),
        node("Concat", "o p", SCORES, axis=1),
    ]
    found = served(nodes, 2, BINARY, 1, w=W[:, :1], b=B[:1])
    assert found.form.link is Link.LOGISTIC
    assert worst(found) < 1e-5


def test_a_zip_map_is_passed_through():
    linear = node(
        "LinearClassifier",
        INPUT,
        "label y",
        coefficients=W.T.ravel().tolist(),
        intercepts=B.tolist(),
        classlabels_ints=[0, 1, 2],
        post_transform="SOFTMAX",
    )
    zipped = node("ZipMap", "y", SCORES, classlabels_int64s=[0, 1, 2])
    model = model_of([linear, zipped], 4, None)
    model.graph.output[0].ClearField("type")
    found = serve(model, numbers(4), THREE)
    assert worst(found) < 1e-5

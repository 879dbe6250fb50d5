"""What exporters put before a model: read to the last bit of what ONNX Runtime computes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from onnx import ModelProto, TensorProto, helper, numpy_helper

from ifonly.models.encoding import Form
from ifonly.models.errors import GraphError
from ifonly.models.graph.refusal import UnreadableGraph
from ifonly.models.schema import Feature, Task
from tests.unit.graph.ensembles import Leaf, Split, regressor
from tests.unit.graph.served import (
    Served,
    category,
    compare,
    decision_of,
    number,
    numbers,
    random_rows,
    read,
    run,
    serve,
    whole,
)

ONE = decision_of(Task.REGRESSION)
F, D, W, S = TensorProto.FLOAT, TensorProto.DOUBLE, TensorProto.INT64, TensorProto.STRING


ML = {"Scaler", "Normalizer", "Imputer", "OneHotEncoder", "LabelEncoder", "Binarizer"}
ML |= {"ArrayFeatureExtractor", "CategoryMapper", "FeatureVectorizer"}


def singles(*values: Any) -> Any:
    return np.array(values, dtype=np.float32)


def node(operator: str, inputs: str, output: str, **attributes: Any):
    domain = "ai.onnx.ml" if operator in ML else ""
    return helper.make_node(operator, inputs.split(), [output], domain=domain, **attributes)


def before_trees(
    nodes: list[Any],
    width: int,
    constants: dict[str, Any] | None = None,
    *,
    inputs: dict[str, Any] | None = None,
) -> ModelProto:
    """``nodes`` from the graph's inputs (name to type and width) to ``z``, read by trees that split
    each of its ``width`` columns."""
    trees = [
        Split(
            k, "LEQ", 0.5, Leaf({0: 2.0**k}), Split(k, "GT", 1.5, Leaf({0: 0.0}), Leaf({0: 0.25}))
        )
        for k in range(width)
    ]
    model = regressor(trees, width)
    model.graph.node[0].input[0] = "z"
    tree = model.graph.node[0]
    values = [
        helper.make_tensor_value_info(name, kind, [None, columns])
        for name, (kind, columns) in (inputs or {"x": (F, 2)}).items()
    ]
    graph = helper.make_graph(
        [*nodes, tree],
        "g",
        values,
        list(model.graph.output),
        [_tensor(name, value) for name, value in (constants or {}).items()],
    )
    opsets = [helper.make_opsetid("", 17), helper.make_opsetid("ai.onnx.ml", 4)]
    return helper.make_model(graph, opset_imports=opsets, ir_version=10)


def _tensor(name: str, value: Any):
    array = np.asarray(value)
    return numpy_helper.from_array(array.astype(object) if array.dtype.kind == "U" else array, name)


def check(model: ModelProto, features: tuple[Feature, ...], form: Form = Form.STRING) -> Served:
    """The reading of ``z`` has every bit of ONNX Runtime's."""
    served = serve(model, features, ONE, form=form)
    rows = random_rows(served.schema, 400, np.random.default_rng(0))
    rows = np.concatenate([rows, np.where(rows > 3, np.round(rows), rows)])
    feeds = served.predictor.encoding.feeds(rows)
    shown = ModelProto()
    shown.CopyFrom(model)
    shown.graph.output.append(helper.make_empty_tensor_value_info("z"))
    theirs = run(shown, feeds, "z")
    ours = served.form.columns.encode(rows)
    assert ours.dtype == served.form.columns.dtype
    assert ours.shape == theirs.shape
    assert np.array_equal(ours, theirs.astype(ours.dtype), equal_nan=True)
    assert compare(served, rows).exact == 1.0
    return served


MISSING = numbers(2, missing=True)

CHAINS: dict[str, tuple[list[Any], dict[str, Any]]] = {
    "Scaler": ([node("Scaler", "x", "z", offset=[0.3, -1.7], scale=[0.37, 1.9])], {}),
    "Scaler, one for all": ([node("Scaler", "x", "z", offset=[0.3], scale=[0.37])], {}),
    "Imputer": (
        [node("Imputer", "x", "z", imputed_value_floats=[1.25, 0.5], replaced_value_float=np.nan)],
        {},
    ),
    "Imputer of a value": (
        [node("Imputer", "x", "z", imputed_value_floats=[9.0], replaced_value_float=5.0)],
        {},
    ),
    "Binarizer": ([node("Binarizer", "x", "z", threshold=0.7)], {}),
    "Sub, Div": (
        [node("Sub", "x mean", "y"), node("Div", "y deviation", "z")],
        {"mean": singles([0.3, -1.7]), "deviation": singles(2.7, 0.53)},
    ),
    "Mul, Add": (
        [node("Mul", "factor x", "y"), node("Add", "y shift", "z")],
        {"factor": singles(0.3, -1.7), "shift": np.float32(0.1)},
    ),
    "Clip": (
        [node("Clip", "x low high", "z")],
        {"low": np.float32(-2.5), "high": np.float32(4.5)},
    ),
    "Cast to whole and back": (
        [node("Abs", "x", "a"), node("Cast", "a", "y", to=W), node("Cast", "y", "z", to=F)],
        {},
    ),
    "Floor": ([node("Floor", "x", "z")], {}),
    "IsNaN, Where": (
        [node("IsNaN", "x", "absent"), node("Where", "absent middle x", "z")],
        {"middle": singles(0.5, 0.75)},
    ),
    "Concat of a flag": (
        [
            node("IsNaN", "x", "absent"),
            node("Cast", "absent", "flag", to=F),
            node("Concat", "x flag", "z", axis=1),
        ],
        {},
    ),
    "Gather": ([node("Gather", "x places", "z", axis=1)], {"places": np.array([1, 0, 1])}),
    "Gather of one, Unsqueeze": (
        [node("Gather", "x place", "y", axis=1), node("Unsqueeze", "y axes", "z")],
        {"place": np.array(1), "axes": np.array([1])},
    ),
    "ArrayFeatureExtractor": (
        [node("ArrayFeatureExtractor", "x places", "z")],
        {"places": np.array([1])},
    ),
    "Slice, Concat": (
        [
            node("Slice", "x one two axis", "right"),
            node("Slice", "x zero one axis", "left"),
            node("Concat", "right left", "z", axis=-1),
        ],
        {"zero": np.array([0]), "one": np.array([1]), "two": np.array([2]), "axis": np.array([1])},
    ),
    "Reshape, Identity, Flatten": (
        [
            node("Reshape", "x shape", "y"),
            node("Identity", "y", "w"),
            node("Flatten", "w", "z", axis=1),
        ],
        {"shape": np.array([0, 2, 1])},
    ),
    "Squeeze": (
        [node("Unsqueeze", "x axes", "y"), node("Squeeze", "y axes", "z")],
        {"axes": np.array([1])},
    ),
    "Relu, Neg, Sqrt": (
        [node("Relu", "x", "y"), node("Sqrt", "y", "w"), node("Neg", "w", "z")],
        {},
    ),
    "Greater, Cast": (
        [node("Greater", "x limit", "y"), node("Cast", "y", "z", to=F)],
        {"limit": singles(0.25, 0.5)},
    ),
    "Dropout": ([node("Dropout", "x", "z")], {}),
    "FeatureVectorizer": ([node("FeatureVectorizer", "x", "z", inputdimensions=[2])], {}),
    "LabelEncoder of numbers": (
        [
            node("Round", "x", "w"),
            node(
                "LabelEncoder",
                "w",
                "z",
                keys_floats=[0.0, 1.0, 7.0, -3.0, np.nan],
                values_floats=[5.0, 1.5, 0.75, 9.0, 3.0],
                default_float=1.25,
            ),
        ],
        {},
    ),
    "OneHotEncoder of numbers": (
        [
            node("Relu", "x", "w"),
            node("OneHotEncoder", "w", "y", cats_int64s=[0, 3, 2]),
            node("Reshape", "y shape", "z"),
        ],
        {"shape": np.array([-1, 6])},
    ),
}

WIDTHS = {"Concat of a flag": 4, "Gather": 3, "OneHotEncoder of numbers": 6}
WIDTHS |= {"Gather of one, Unsqueeze": 1, "ArrayFeatureExtractor": 1}


@pytest.mark.parametrize("chain", CHAINS)
def test_a_chain_of_numbers_is_read_to_the_last_bit(chain):
    nodes, constants = CHAINS[chain]
    # ONNX Runtime's Binarizer takes no NaN.
    features = numbers(2) if chain == "Binarizer" else MISSING
    check(before_trees(nodes, WIDTHS.get(chain, 2), constants), features)


def test_each_column_knows_its_feature():
    nodes, constants = CHAINS["OneHotEncoder of numbers"]
    served = check(before_trees(nodes, 6, constants), MISSING)
    assert served.form.columns.feature.tolist() == [0, 0, 0, 1, 1, 1]
    nodes, constants = CHAINS["Slice, Concat"]
    assert check(before_trees(nodes, 2, constants), MISSING).form.columns.feature.tolist() == [1, 0]


def test_scaled_doubles_are_scaled_as_doubles():
    nodes = [
        node("Sub", "x mean", "y"),
        node("Div", "y deviation", "w"),
        node("Cast", "w", "z", to=F),
    ]
    constants = {"mean": np.array([0.3, -1.7]), "deviation": np.array([2.7, 0.53])}
    check(before_trees(nodes, 2, constants, inputs={"x": (D, 2)}), MISSING)


@pytest.mark.parametrize("kind", [D, W])
def test_a_scaler_takes_doubles_and_whole_numbers(kind):
    nodes = [node("Scaler", "x", "z", offset=[0.3, -1.7], scale=[0.37, 1.9])]
    features = (whole("a"), whole("b")) if kind == W else numbers(2)
    check(before_trees(nodes, 2, inputs={"x": (kind, 2)}), features)


def test_whole_numbers_are_imputed():
    nodes = [
        node("Imputer", "x", "y", imputed_value_int64s=[7], replaced_value_int64=3),
        node("Cast", "y", "z", to=F),
    ]
    check(before_trees(nodes, 2, inputs={"x": (W, 2)}), (whole("a"), whole("b")))


QUALITY = category("quality", "L", "M", "H", missing=True)
COLOUR = category("colour", "red", "green", "blue")
TEXTS = {"quality": (S, 1), "colour": (S, 1), "x": (F, 1)}


def test_texts_are_one_hot_encoded_an_input_a_column():
    nodes = [
        node("OneHotEncoder", "quality", "q", cats_strings=["H", "L", "M"]),
        node("OneHotEncoder", "colour", "c", cats_strings=["green", "red"], zeros=1),
        node("Reshape", "q three", "qf"),
        node("Flatten", "c", "cf"),
        node("Scaler", "x", "xs", offset=[1.5], scale=[0.3]),
        node("Concat", "xs qf cf", "z", axis=1),
    ]
    model = before_trees(nodes, 6, {"three": np.array([-1, 3])}, inputs=TEXTS)
    served = check(model, (QUALITY, COLOUR, number("x")))
    assert served.form.columns.feature.tolist() == [2, 0, 0, 0, 1, 1]


@pytest.mark.parametrize("form", ["lists", "tensors"])
def test_texts_are_encoded_by_a_table(form):
    keys, values = ["L", "H"], [2.5, 0.5]
    if form == "lists":
        more = {"keys_strings": keys, "values_floats": values, "default_float": -1.0}
    else:
        more = {
            "keys_tensor": _tensor("k", keys),
            "values_tensor": _tensor("v", singles(*values)),
            "default_tensor": _tensor("d", singles(-1.0)),
        }
    nodes = [
        node("LabelEncoder", "quality", "q", **more),
        node("CategoryMapper", "colour", "n", cats_strings=["red", "blue"], cats_int64s=[4, 9]),
        node("Cast", "n", "c", to=F),
        node("Concat", "q c x", "z", axis=1),
    ]
    check(before_trees(nodes, 3, inputs=TEXTS), (QUALITY, COLOUR, number("x")))


def test_texts_become_texts_before_they_become_columns():
    nodes = [
        node("LabelEncoder", "quality", "r", keys_strings=["L", "M"], values_strings=["p", "q"]),
        node("OneHotEncoder", "r", "h", cats_strings=["p", "q", "_Unused"]),
        node("Flatten", "h", "z"),
    ]
    check(before_trees(nodes, 3, inputs={"quality": (S, 1)}), (QUALITY,))


@pytest.mark.parametrize("form", [Form.CODES, Form.ONE_HOT, Form.THERMOMETER])
def test_categories_enter_as_the_spec_encodes_them(form):
    width = {Form.CODES: 2, Form.ONE_HOT: 4, Form.THERMOMETER: 3}[form]
    nodes = [node("Scaler", "x", "z", offset=[0.5] * width, scale=[0.7] * width)]
    model = before_trees(nodes, width, inputs={"x": (F, width)})
    served = check(model, (QUALITY, number("a")), form)
    assert served.form.columns.feature.tolist() == [0] * (width - 1) + [1]


@pytest.mark.parametrize("norm", ["MAX", "L1", "L2"])
def test_a_normalizer_is_read_where_one_feature_fills_the_line(norm):
    nodes = [
        node("Scaler", "x", "y", offset=[0.5] * 3, scale=[0.7, 0.3, -0.4]),
        node("Normalizer", "y", "z", norm=norm),
    ]
    model = before_trees(nodes, 3, inputs={"x": (F, 3)})
    check(model, (category("quality", "L", "M", "H"),), Form.ONE_HOT)


@pytest.mark.parametrize("norm", ["MAX", "L1", "L2"])
def test_a_normalizer_over_several_features_is_refused_by_name(norm):
    nodes = [node("Normalizer", "x", "z", norm=norm)]
    with pytest.raises(UnreadableGraph, match=r"'z' \(ai.onnx.ml:Normalizer\).*several features"):
        serve(before_trees(nodes, 2), numbers(2), ONE)


REFUSED: dict[str, tuple[list[Any], dict[str, Any], str]] = {
    "a product of features": (
        [
            node("Gather", "x one", "right", axis=1),
            node("Gather", "x zero", "left", axis=1),
            node("Mul", "left right", "z"),
        ],
        {"zero": np.array([0]), "one": np.array([1])},
        r"\(Mul\) makes one number of several features",
    ),
    "a rotation": (
        [node("MatMul", "x turn", "z")],
        {"turn": singles([0, 1], [1, 0])},
        r"\(MatMul\) is no operator that is read",
    ),
    "a mean over the batch": (
        [node("ReduceMean", "x", "mean", axes=[0]), node("Sub", "x mean", "z")],
        {},
        r"\(ReduceMean\) is no operator that is read",
    ),
    "rows as columns": (
        [node("Transpose", "x", "y", perm=[1, 0]), node("Transpose", "y", "z", perm=[1, 0])],
        {},
        r"\(Transpose\).*rows become columns",
    ),
    "rows mixed by a reshape": (
        [node("Reshape", "x flat", "y"), node("Reshape", "y back", "z")],
        {"flat": np.array([-1, 1]), "back": np.array([-1, 2])},
        r"\(Reshape\) makes .* which is not one line a row",
    ),
    "every axis squeezed": (
        [node("Unsqueeze", "x axes", "y"), node("Squeeze", "y", "z")],
        {"axes": np.array([1])},
        r"\(Squeeze\) drops every axis",
    ),
}


@pytest.mark.parametrize("case", REFUSED)
def test_what_mixes_features_or_rows_is_refused_by_name(case):
    nodes, constants, message = REFUSED[case]
    with pytest.raises(UnreadableGraph, match=message):
        read(before_trees(nodes, 1, constants), numbers(2))


def test_a_category_that_the_graph_does_not_know_raises_as_the_graph_does():
    nodes = [
        node("OneHotEncoder", "quality", "h", cats_strings=["L", "M"], zeros=0),
        node("Flatten", "h", "z"),
    ]
    model = before_trees(nodes, 2, inputs={"quality": (S, 1)})
    features = (category("quality", "L", "M"),)
    served = serve(model, features, ONE)
    assert compare(served, np.array([[0.0], [1.0]])).exact == 1.0
    step = served.form.columns.prefix.steps[0].operator
    with pytest.raises(GraphError, match="'H' is none of the categories"):
        step.run(np.array([["H"]], dtype=object))

from __future__ import annotations

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from ifonly.models.encoding import Encoding, FeatureEncoding, Form, TensorInput
from ifonly.models.graph import feature_thresholds, split_thresholds
from tests.unit.models.graphs import data, graph_of, stump, sum_graph, value

ROWS = data()


def thresholds(nodes, inputs=None):
    inputs = inputs or [value("x", [None, 3])]
    found = split_thresholds(graph_of(nodes, inputs, [value("y", [None, 1])]))
    return {column: values.tolist() for column, values in found.items()}


def test_thresholds_are_the_float32_numbers_that_the_node_compares_with():
    found = split_thresholds(graph_of([stump()], [value("x", [None, 3])], [value("y", [None, 1])]))
    assert {c: v.dtype for c, v in found.items()} == {0: np.float32, 2: np.float32}
    assert found[2][0] == np.float32(0.1)
    assert float(found[2][0]) != 0.1


def test_thresholds_are_ascending_and_without_repeats_or_leaves():
    assert thresholds([stump(splits=((1, 3.0), (1, -1.0), (1, 3.0)))]) == {1: [-1.0, 3.0]}


def test_trees_behind_a_float_cast_and_a_concat_of_inputs_are_read_by_input_column():
    nodes = [
        helper.make_node("Cast", ["b"], ["bf"], to=TensorProto.FLOAT),
        helper.make_node("Identity", ["bf"], ["bi"]),
        helper.make_node("Concat", ["bi", "a"], ["x"], axis=1),
        stump(),
    ]
    inputs = [value("a", [None, 1]), value("b", [None, 2], TensorProto.DOUBLE)]
    assert thresholds(nodes, inputs) == {0: [np.float32(0.1)], 1: [1.5]}


def test_trees_on_computed_columns_have_no_thresholds_on_readings():
    assert thresholds([helper.make_node("Neg", ["x"], ["n"]), stump("n")]) == {}
    cut = helper.make_node("Cast", ["x"], ["n"], to=TensorProto.INT64)
    assert thresholds([cut, stump("n")]) == {}


def test_an_input_that_leaves_its_width_open_is_read():
    assert thresholds([stump()], [value("x", [None, None])])[0] == [1.5]


def test_a_graph_without_trees_has_no_thresholds():
    assert split_thresholds(sum_graph()) == {}


def test_the_operator_of_opset_5_is_read_in_its_own_type():
    node = helper.make_node(
        "TreeEnsemble",
        ["x"],
        ["y"],
        domain="ai.onnx.ml",
        n_targets=1,
        nodes_featureids=[1],
        nodes_splits=numpy_helper.from_array(np.array([0.1]), "splits"),
        nodes_modes=numpy_helper.from_array(np.array([1], dtype=np.uint8), "modes"),
        nodes_truenodeids=[0],
        nodes_falsenodeids=[1],
        nodes_trueleafs=[1],
        nodes_falseleafs=[1],
        tree_roots=[0],
        leaf_targetids=[0, 0],
        leaf_weights=numpy_helper.from_array(np.array([0.0, 1.0]), "weights"),
    )
    found = split_thresholds(graph_of([node], [value("x", [None, 3])], [value("y", [None, 1])]))
    assert found[1].dtype == np.float64
    assert found[1].tolist() == [0.1]


def test_thresholds_belong_to_features_that_enter_as_they_are():
    encoding = Encoding(
        (
            FeatureEncoding("b", whole=True),
            FeatureEncoding.of_categories("q", Form.THERMOMETER, ("L", "H")),
            FeatureEncoding("a"),
        )
    ).bind([TensorInput("x", np.dtype("float32"), (None, 3))])
    model = graph_of(
        [stump(splits=((0, 1.0), (1, 2.0), (2, 3.0)))],
        [value("x", [None, 3])],
        [value("y", [None, 1])],
    )
    found = feature_thresholds(model, encoding.columns)
    assert {f: v.tolist() for f, v in found.items()} == {0: [1.0], 2: [3.0]}


def test_an_xgboost_graph_has_the_thresholds_of_its_booster():
    xgboost = pytest.importorskip("xgboost")
    onnxmltools = pytest.importorskip("onnxmltools")
    from onnxmltools.convert.common.data_types import FloatTensorType

    model = xgboost.XGBClassifier(n_estimators=30, max_depth=4)
    model.fit(ROWS, (ROWS[:, 0] + ROWS[:, 1] > 0).astype(int))
    graph = onnxmltools.convert_xgboost(model, initial_types=[("x", FloatTensorType([None, 3]))])
    table = model.get_booster().trees_to_dataframe()
    splits = table[table["Feature"] != "Leaf"]
    for column, found in split_thresholds(graph).items():
        native = splits[splits["Feature"] == f"f{column}"]["Split"].to_numpy(dtype=np.float32)
        np.testing.assert_array_equal(found, np.unique(native))

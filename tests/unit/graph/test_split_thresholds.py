"""Where trees split the columns of a graph's inputs."""

from __future__ import annotations

import numpy as np
from onnx import TensorProto, helper

from ifonly.models.graph import split_thresholds
from tests.unit.graph.ensembles import INPUT, Leaf, Split, classifier, ensemble, regressor, stump

TREES = [
    Split(1, "LEQ", 0.1, stump(0, "LT", 2.0, 1.0, 2.0), stump(1, "GT", -3.0, 0.5, 0.25)),
    stump(1, "EQ", 0.1, 1.0, 2.0),
]


def test_thresholds_are_sorted_by_column_without_repeats_as_the_graph_has_them():
    for model in (regressor(TREES, 3), classifier(TREES, 3), ensemble(TREES, 3)):
        found = split_thresholds(model)
        assert list(found) == [0, 1]
        assert found[0].tolist() == [2.0]
        assert found[1].tolist() == [-3.0, float(np.float32(0.1))]
        assert found[1].dtype == np.float32
    double = split_thresholds(ensemble(TREES, 3, dtype=np.float64))
    assert double[1].tolist() == [-3.0, 0.1]


def test_members_of_a_set_are_thresholds():
    model = ensemble([stump(0, "MEMBER", (3.0, 1.0), 1.0, 2.0)], 1)
    assert split_thresholds(model)[0].tolist() == [1.0, 3.0]


def test_only_trees_that_read_inputs_as_they_are_count():
    model = regressor(TREES, 3)
    model.graph.node[0].input[0] = "cast"
    model.graph.node.insert(0, helper.make_node("Cast", [INPUT], ["cast"], to=TensorProto.FLOAT))
    assert list(split_thresholds(model)) == [0, 1]
    model.graph.node[0].op_type = "Neg"
    assert split_thresholds(model) == {}


def test_trees_that_cannot_be_read_have_no_thresholds():
    model = regressor([stump(0, "OFTEN", 1.0, 2.0, 3.0)], 1)
    assert split_thresholds(model) == {}


def test_a_graph_of_leaves_has_no_thresholds():
    assert split_thresholds(regressor([Leaf({0: 1.0})], 1)) == {}

"""What ONNX Runtime makes of a TreeEnsembleClassifier, and that it is read so."""

from __future__ import annotations

import numpy as np
import pytest
from onnx import TensorProto, helper, numpy_helper

from ifonly.models.graph.finish import Link
from ifonly.models.graph.forms import TreeEnsemble
from ifonly.models.graph.refusal import UnreadableGraph
from ifonly.models.graph.tree_nodes import read_classifier
from ifonly.models.schema import Task
from tests.unit.graph.ensembles import Leaf, Split, Tree, classifier
from tests.unit.graph.served import compare, decision_of, number, numbers, points, serve, whole

ONE = decision_of(Task.REGRESSION)
TRANSFORMS = ["NONE", "LOGISTIC", "SOFTMAX", "SOFTMAX_ZERO"]


def pair(weights: dict[int, float], others: dict[int, float]) -> list[Tree]:
    """Two trees over two columns whose leaves name the same classes."""
    return [
        Split(0, "LEQ", 0.5, Leaf(weights), Leaf(others)),
        Split(1, "LT", -0.25, Leaf(others), Leaf(weights)),
    ]


def agreement(trees, n_classes=2, column=None, decision=ONE, features=None, **more):
    served = serve(
        classifier(trees, 2, n_classes, **more),
        features or numbers(2),
        decision,
        column=column,
    )
    return compare(served, points(served, np.random.default_rng(0), 500))


def refusal(trees, n_classes=2, **more):
    """Why the node is not read. Not served: ONNX Runtime lets some of these rows influence each
    other, for which the predictor refuses them, too."""
    node = classifier(trees, 2, n_classes, **more).graph.node[0]
    with pytest.raises(UnreadableGraph) as caught:
        read_classifier(node, np.dtype(np.float32), 2)
    return str(caught.value)


@pytest.mark.parametrize("sign", [1.0, -1.0], ids=["all positive", "mixed"])
@pytest.mark.parametrize("transform", TRANSFORMS)
@pytest.mark.parametrize("base", [None, [0.125]])
@pytest.mark.parametrize("column", [0, 1])
def test_one_class_named_makes_two_scores_of_one_sum(sign, transform, base, column):
    trees = pair({0: 1.5}, {0: 0.25 * sign})
    more = {} if base is None else {"base_values": base}
    found = agreement(trees, column=column, post_transform=transform, **more)
    assert found.labels == 0
    assert found.exact == 1.0


@pytest.mark.parametrize(
    ("named", "base", "column"),
    [(0, [0.125, 0.5], 0), (1, None, 1), (1, [0.125], 1)],
    ids=["class 0, two bases", "class 1", "class 1, one base"],
)
@pytest.mark.parametrize("transform", ["NONE", "LOGISTIC"])
def test_a_class_that_no_leaf_names_scores_nothing_and_gets_no_base(named, base, column, transform):
    trees = pair({named: 1.5}, {named: -0.25})
    more = {} if base is None else {"base_values": base}
    found = agreement(trees, column=column, post_transform=transform, **more)
    assert found.labels == 0
    assert found.exact == 1.0


@pytest.mark.parametrize("base", [None, [0.125], [0.125, 0.75]])
@pytest.mark.parametrize("transform", TRANSFORMS[:2])
@pytest.mark.parametrize("column", [0, 1])
def test_two_classes_named_keep_a_sum_each_unless_there_are_two_bases(base, transform, column):
    trees = pair({0: 1.5, 1: -0.5}, {0: -0.25, 1: 2.0})
    more = {} if base is None else {"base_values": base}
    found = agreement(trees, column=column, post_transform=transform, **more)
    assert found.labels == 0
    assert found.exact == 1.0


def test_softmax_of_two_classes_is_read_as_their_difference():
    trees = pair({0: 1.5, 1: -0.5}, {0: -0.25, 1: 2.0})
    for column in (0, 1):
        model = classifier(trees, 2, post_transform="SOFTMAX")
        served = serve(model, numbers(2), decision_of(Task.BINARY), column=column)
        assert isinstance(served.form.core, TreeEnsemble)
        assert served.form.core.n_outputs == 1
        assert served.form.link is Link.LOGISTIC
        found = compare(served, points(served, np.random.default_rng(0), 500))
        assert found.labels == 0
        assert found.scores < 1e-7


@pytest.mark.parametrize("transform", ["NONE", "LOGISTIC", "SOFTMAX"])
@pytest.mark.parametrize("base", [None, [0.25, -0.5, 0.125]])
def test_three_classes_keep_the_order_of_their_sums(transform, base):
    trees = pair({0: 1.5, 1: -0.5, 2: 0.75}, {0: -0.25, 1: 2.0, 2: 0.5})
    more = {} if base is None else {"base_values": base}
    model = classifier(trees, 2, 3, post_transform=transform, **more)
    served = serve(model, numbers(2), decision_of(Task.MULTICLASS, 3))
    assert served.form.keeps_order
    found = compare(served, points(served, np.random.default_rng(0), 500))
    assert found.labels == 0
    assert found.scores < 1e-7


def test_softmax_zero_of_three_classes_is_scored_but_keeps_no_order():
    trees = pair({0: 1.5, 1: -0.5, 2: 0.0}, {0: -0.25, 1: -2.0, 2: 0.0})
    model = classifier(trees, 2, 3, post_transform="SOFTMAX_ZERO")
    served = serve(model, numbers(2), decision_of(Task.MULTICLASS, 3))
    assert not served.form.keeps_order
    assert served.form.link is Link.SOFTMAX_ZERO
    found = compare(served, points(served, np.random.default_rng(0), 500))
    assert found.labels == 0
    assert found.scores < 1e-7
    with pytest.raises(UnreadableGraph, match="no monotone function"):
        serve(model, numbers(2), ONE, column=1)


def test_a_leaf_may_name_some_of_many_classes():
    trees = pair({0: 1.5}, {2: 2.0})
    model = classifier(trees, 2, 3, base_values=[0.5, 0.25, 0.125])
    served = serve(model, numbers(2), decision_of(Task.MULTICLASS, 3))
    found = compare(served, points(served, np.random.default_rng(0), 500))
    assert (found.labels, found.exact) == (0, 1.0)


@pytest.mark.parametrize("sign", [1.0, -1.0], ids=["all positive", "mixed"])
@pytest.mark.parametrize("transform", ["NONE", "LOGISTIC"])
def test_two_classes_of_one_sum_may_be_served_as_many(sign, transform):
    trees = pair({0: 0.75}, {0: 0.25 * sign})
    model = classifier(trees, 2, post_transform=transform)
    served = serve(model, numbers(2), decision_of(Task.MULTICLASS, 2))
    meets_at_0 = sign < 0 or transform == "LOGISTIC"
    assert served.form.keeps_order == meets_at_0
    found = compare(served, points(served, np.random.default_rng(0), 500))
    assert (found.labels, found.exact) == (0, 1.0)


def test_probit_of_two_classes_is_an_approximation_that_is_copied():
    trees = [Split(0, "LEQ", 0.5, Leaf({0: 0.3, 1: 0.8}), Leaf({0: 0.45, 1: 0.125}))]
    found = agreement(trees, column=1, post_transform="PROBIT")
    assert found.scores < 1e-6


def test_strings_for_classes_change_nothing():
    model = classifier(pair({0: 1.5}, {0: -0.5}), 2, post_transform="LOGISTIC")
    labels = model.graph.node[0].attribute
    del labels[[a.name for a in labels].index("classlabels_int64s")]
    labels.append(helper.make_attribute("classlabels_strings", ["class 0", "class 1"]))
    served = serve(model, numbers(2), decision_of(Task.BINARY))
    found = compare(served, points(served, np.random.default_rng(0), 500))
    assert (found.labels, found.exact) == (0, 1.0)


def test_double_tables_and_inputs_compare_in_float64():
    third = 1 / 3  # float64; float32 would have another
    tree = Split(0, "LEQ", third, Leaf({0: 0.1}), Leaf({0: -0.1}))
    model = classifier([tree], 1, double=True, kind=TensorProto.DOUBLE, post_transform="LOGISTIC")
    served = serve(model, numbers(1), decision_of(Task.BINARY))
    assert served.form.columns.dtype == np.float64
    rows = np.array([[np.nextafter(third, 0)], [third], [np.nextafter(third, 1)]])
    found = compare(served, rows)
    assert (found.labels, found.exact) == (0, 1.0)
    assert len(np.unique(served.form.score(rows))) == 2


def test_double_inputs_meet_float32_thresholds_in_float64():
    tenth = float(np.float32(0.1))
    tree = Split(0, "LEQ", 0.1, Leaf({0: 0.5}), Leaf({0: -0.5}))
    model = classifier([tree], 1, kind=TensorProto.DOUBLE, post_transform="LOGISTIC")
    served = serve(model, numbers(1), decision_of(Task.BINARY))
    rows = np.array([[0.1], [tenth], [np.nextafter(tenth, 1)]])
    assert served.form.raw(rows)[:, 0].tolist() == [0.5, 0.5, -0.5]
    assert compare(served, rows).exact == 1.0


@pytest.mark.parametrize("kind", [TensorProto.INT64, TensorProto.INT32])
def test_whole_numbers_meet_thresholds_as_float32(kind):
    big = float(2**24)
    tree = Split(0, "LT", big, Leaf({0: 0.5}), Leaf({0: -0.5}))
    model = classifier([tree], 1, kind=kind, post_transform="LOGISTIC")
    served = serve(model, (whole("x", 0, 2.0**25),), decision_of(Task.BINARY))
    found = compare(served, np.array([[big - 1], [big], [big + 1], [0.0]]))
    assert (found.labels, found.exact) == (0, 1.0)


def test_nan_takes_the_branch_that_the_node_says():
    tree = Split(
        0,
        "LEQ",
        0.0,
        Split(1, "GT", 0.5, Leaf({0: 1.0}), Leaf({0: 2.0}), missing_true=True),
        Split(1, "NEQ", 0.5, Leaf({0: 3.0}), Leaf({0: 4.0})),
    )
    features = (number("a", missing=True), number("b", missing=True))
    found = agreement([tree], column=1, features=features, post_transform="LOGISTIC")
    assert (found.labels, found.exact) == (0, 1.0)


def test_what_onnxruntime_makes_no_sense_of_is_refused():
    both = {0: 1.0, 1: 2.0}
    assert "constant" in refusal(pair({1: 1.5}, {1: -0.25}), base_values=[0.5, 0.5])
    assert "PROBIT" in refusal(pair({0: 0.5}, {0: 0.25}), post_transform="PROBIT")
    sparse = refusal(pair(both, {0: 1.0}))
    assert "ai.onnx.ml:TreeEnsembleClassifier" in sparse
    assert "without a weight for output 1 in every tree" in sparse
    assert "output 0" in refusal(pair(both, {1: 1.0}), base_values=[0.5])


def test_a_later_test_of_equality_that_alone_lets_nan_through_is_refused():
    later = Split(0, "EQ", 2.0, Leaf({0: 1.0}), Leaf({0: -1.0}), missing_true=True)
    tree = Split(0, "EQ", 1.0, Leaf({0: 1.0}), later)
    assert "sends NaN another way" in refusal([tree], post_transform="LOGISTIC")


def test_base_values_may_be_a_tensor_of_doubles():
    base = numpy_helper.from_array(np.array([0.1]), "base")
    found = agreement(
        pair({0: 1.5}, {0: -0.25}),
        column=1,
        double=True,
        kind=TensorProto.DOUBLE,
        base_values_as_tensor=base,
        post_transform="LOGISTIC",
    )
    assert (found.labels, found.exact) == (0, 1.0)

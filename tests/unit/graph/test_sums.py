"""Trees in several nodes that meet in a sum, as isolation forests are exported."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from onnx import ModelProto, TensorProto, helper

from ifonly.models.graph.forms import TreeEnsemble
from ifonly.models.graph.refusal import UnreadableGraph
from ifonly.models.schema import Task
from tests.unit.graph.ensembles import INPUT, SCORES, Leaf, Split, model_of, regressor, stump
from tests.unit.graph.served import compare, decision_of, numbers, points, read, serve

ONE = decision_of(Task.REGRESSION)


def node(operator: str, inputs: str, output: str, **attributes: Any):
    domain = "ai.onnx.ml" if operator == "LabelEncoder" else ""
    return helper.make_node(operator, inputs.split(), output.split(), domain=domain, **attributes)


def tree(trees, reads: str, makes: str, width: int = 3, **more: Any):
    found = regressor(trees, width, **more).graph.node[0]
    found.input[0], found.output[0] = reads, makes
    return found


NUMBERED = Split(0, "LEQ", 0.5, Leaf({0: 3.0}), stump(1, "LEQ", -0.5, 5.0, 7.0))


def forest() -> ModelProto:
    """Depths of leaves by their numbers, each tree on columns of its own, averaged."""
    nodes, depths = [], []
    for k, places in enumerate(("all", "some")):
        nodes += [
            node("Gather", f"{INPUT} {places}", f"x{k}", axis=1),
            tree([NUMBERED], f"x{k}", f"y{k}"),
            node("Cast", f"y{k}", f"i{k}", to=TensorProto.INT64),
            node(
                "LabelEncoder",
                f"i{k}",
                f"v{k}",
                keys_int64s=[3, 5, 7],
                values_floats=[1.5 + k, 2.25, 4.0],
            ),
            node("Reshape", f"v{k} column", f"r{k}"),
            node("Greater", f"r{k} two", f"g{k}"),
            node("Cast", f"g{k}", f"b{k}", to=TensorProto.FLOAT),
            node("Mul", f"r{k} b{k}", f"m{k}"),
            node("Add", f"m{k} r{k}", f"d{k}"),
        ]
        depths.append(f"d{k}")
    nodes += [
        node("Sum", " ".join([*depths, "two"]), "total"),
        node("Div", "total two", "mean"),
        node("Neg", "mean", "less"),
        node("Pow", "two less", SCORES),
    ]
    constants = {
        "all": np.array([0, 1, 2]),
        "some": np.array([2, 0, 1]),
        "column": np.array([-1, 1]),
        "two": np.array([2.0], np.float32),
    }
    return model_of(nodes, 3, 1, constants=constants)


def agreement(model: ModelProto):
    served = serve(model, numbers(3), ONE)
    return served.form, compare(served, points(served, np.random.default_rng(0), 2000))


def test_functions_of_single_trees_go_into_their_leaves():
    form, found = agreement(forest())
    assert isinstance(form.core, TreeEnsemble)
    assert form.core.n_trees == 2
    assert form.core.base.tolist() == [-2.0]  # turned, for 2 ** -x falls
    assert set(form.core.column[~form.core.is_leaf].tolist()) == {0, 1, 2}
    assert (found.labels, found.exact) == (0, 1.0)
    raw = np.linspace(-9, 0, 50)[:, None]
    assert (np.diff(form.scores_of(raw)[:, 0]) >= 0).all()


def test_ensembles_that_are_only_added_keep_all_their_trees():
    nodes = [
        tree([stump(0, "LEQ", 0.5, 1.0, 2.0), stump(1, "LT", 0.0, 0.25, 0.5)], INPUT, "a"),
        tree([stump(2, "GT", 0.0, 3.0, 4.0)], INPUT, "b", base_values=[0.125]),
        node("Add", "a b", "s"),
        node("Add", "s b", SCORES),
    ]
    form, found = agreement(model_of(nodes, 3, 1))
    assert isinstance(form.core, TreeEnsemble)
    assert form.core.n_trees == 3
    assert (found.labels, found.exact) == (0, 1.0)


def refusal(nodes: list[Any], **constants: Any) -> str:
    with pytest.raises(UnreadableGraph) as caught:
        read(model_of(nodes, 3, 1, constants=constants), numbers(3))
    return str(caught.value)


def test_models_that_meet_in_another_way_are_refused_by_name():
    first, second = tree([NUMBERED], INPUT, "a"), tree([NUMBERED], INPUT, "b")
    assert "(Mul) joins several models" in refusal([first, second, node("Mul", "a b", SCORES)])
    several = tree([NUMBERED, NUMBERED], INPUT, "b")
    nodes = [first, several, node("Exp", "b", "e"), node("Add", "a e", SCORES)]
    assert "has several trees, of whose sum a function is taken" in refusal(nodes)
    elsewhere = [node("Neg", INPUT, "n"), first, tree([NUMBERED], "n", "b")]
    found = refusal([*elsewhere, node("Add", "a b", SCORES)])
    assert "reads another tensor than the trees before it" in found
    inside = [first, second, node("Max", "a b", "m"), node("Add", "m a", SCORES)]
    assert "(Max) is no sum of trees and constants" in refusal(inside)


def test_several_models_of_another_kind_are_refused_by_name():
    linear = helper.make_node(
        "LinearRegressor", [INPUT], ["b"], domain="ai.onnx.ml", coefficients=[1.0, 2.0, 3.0]
    )
    nodes = [tree([NUMBERED], INPUT, "a"), linear, node("Add", "a b", SCORES)]
    assert "(ai.onnx.ml:LinearRegressor) is one of several models" in refusal(nodes)

"""TreeEnsembleRegressor, and the TreeEnsemble of ai.onnx.ml 5, in all their modes."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from onnx import TensorProto

from ifonly.models.graph.finish import Link
from ifonly.models.graph.forms import BranchMode, TreeEnsemble
from ifonly.models.graph.refusal import UnreadableGraph
from ifonly.models.graph.tree_nodes import read_regressor
from ifonly.models.graph.tree_v5 import read_ensemble
from ifonly.models.schema import Task
from tests.unit.graph.ensembles import Leaf, Split, ensemble, regressor, stump
from tests.unit.graph.served import Served, compare, decision_of, number, points, serve

ONE = decision_of(Task.REGRESSION)
MODES = ("LT", "LEQ", "GT", "GTE", "EQ", "NEQ")
SINGLE = np.dtype(np.float32)


def agreement(served: Served):
    rng = np.random.default_rng(0)
    rows = points(served, rng, 500)
    whole_too = np.where(rng.random(rows.shape) < 0.5, np.round(rows), rows)
    return compare(served, np.concatenate([rows, whole_too]))


def served(model, *, missing=True, column=None):
    return serve(model, (number("a", missing=missing), number("b")), ONE, column=column)


@pytest.mark.parametrize("missing_true", [False, True])
@pytest.mark.parametrize("mode", MODES)
def test_every_mode_is_compared_as_onnxruntime_does(mode, missing_true):
    trees = [
        stump(0, mode, 2.0, 1.5, -0.5, missing_true=missing_true),
        Split(1, mode, 3.0, stump(0, mode, 1.0, 5, 6), Leaf({0: 0.125})),
    ]
    found = served(regressor(trees, 2))
    assert isinstance(found.form.core, TreeEnsemble)
    assert [m.name for m in found.form.core._modes] == [BranchMode[_ours(mode)].name]
    assert (agreement(found).labels, agreement(found).exact) == (0, 1.0)
    newer = served(ensemble(trees, 2))
    assert (agreement(newer).labels, agreement(newer).exact) == (0, 1.0)


def _ours(mode: str) -> str:
    return {"LEQ": "LE", "GTE": "GE", "NEQ": "NE"}.get(mode, mode)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_modes_may_be_mixed(dtype):
    trees = [stump(k % 2, mode, 0.5 * k, 2.0**k, -(2.0**k)) for k, mode in enumerate(MODES)]
    kind = TensorProto.DOUBLE if dtype == np.float64 else TensorProto.FLOAT
    for model in (
        regressor(trees, 2, double=dtype == np.float64, kind=kind),
        ensemble(trees, 2, dtype=dtype),
    ):
        found = agreement(served(model))
        assert (found.labels, found.exact) == (0, 1.0)


@pytest.mark.parametrize(
    "members", [(2.0,), (1.0, 3.0), (0.0, 2.5), (-1.0, 2.0), (40.0, 2.0, 3.0), (-4.0, 0.0)]
)
@pytest.mark.parametrize("missing_true", [False, True])
def test_membership_is_what_onnxruntime_makes_of_it(members, missing_true):
    chain = Split(0, "MEMBER", members, Leaf({0: 1.0}), stump(1, "LT", 0.0, 2.0, 3.0), missing_true)
    found = served(ensemble([chain, stump(0, "MEMBER", (2.0, 5.0), 10.0, 20.0)], 2))
    quarters = np.arange(-6, 45, 0.25)
    rows = np.stack([quarters, np.resize([-1.0, 1.0], len(quarters))], axis=1)
    rows = np.concatenate([rows, [[np.nan, 1.0], [np.nan, -1.0]]])
    assert compare(found, rows).exact == 1.0


def test_numbers_are_cut_to_whole_ones_only_where_a_set_leaves_0_to_30():
    small = served(ensemble([stump(0, "MEMBER", (2.0, 3.0), 1.0, 0.0)], 2))
    large = served(ensemble([stump(0, "MEMBER", (2.0, 31.0), 1.0, 0.0)], 2))
    row = np.array([[2.7, 0.0]])
    assert small.form.score(row) == small.predictor.score(row) == 0.0
    assert large.form.score(row) == large.predictor.score(row) == 1.0


@pytest.mark.parametrize("aggregate", ["SUM", "AVERAGE"])
@pytest.mark.parametrize("base", [None, 0.375])
def test_sums_and_averages_have_their_base_added_last(aggregate, base):
    trees = [stump(k % 2, "LEQ", k - 1.5, 0.1 * k, 1 / (k + 3)) for k in range(7)]
    more: dict[str, Any] = {} if base is None else {"base_values": [base]}
    found = served(regressor(trees, 2, aggregate_function=aggregate, **more))
    assert agreement(found).exact == 1.0
    core = found.form.core
    assert isinstance(core, TreeEnsemble)
    rows = np.array([[0.3, -0.2], [5.0, 5.0]])
    leaves = core.leaves_of(found.form.columns.encode(rows))
    assert leaves.shape == (2, 7)
    plain = core.values[leaves, 0].sum(axis=1) + core.base[0]
    assert np.allclose(plain, found.form.raw(rows)[:, 0], rtol=1e-6)


@pytest.mark.parametrize("number_of", [0, 1])
def test_the_newer_node_numbers_sum_and_average(number_of):
    trees = [stump(0, "LEQ", 0.0, 0.25, 1.0), stump(1, "LT", 0.0, 0.5, 4.0)]
    assert agreement(served(ensemble(trees, 2, aggregate_function=number_of))).exact == 1.0


@pytest.mark.parametrize("transform", ["LOGISTIC", "SOFTMAX", "SOFTMAX_ZERO"])
def test_one_output_passes_untouched_whatever_the_transform_but_probit(transform):
    found = served(regressor([stump(0, "LEQ", 0.0, -2.0, 3.0)], 2, post_transform=transform))
    assert found.form.link is Link.IDENTITY
    assert agreement(found).exact == 1.0


def test_probit_of_one_output_is_read():
    found = served(regressor([stump(0, "LEQ", 0.0, 0.25, 0.875)], 2, post_transform="PROBIT"))
    assert found.form.link is Link.PROBIT
    assert agreement(found).scores < 1e-6


@pytest.mark.parametrize("column", [0, 1])
@pytest.mark.parametrize(
    ("transform", "link"),
    [("LOGISTIC", Link.LOGISTIC), ("SOFTMAX", Link.LOGISTIC), ("NONE", Link.IDENTITY)],
)
def test_one_of_two_targets_may_be_the_score(column, transform, link):
    leaves = Leaf({0: 0.5, 1: -1.0}), Leaf({0: -0.25, 1: 2.0})
    trees = [Split(0, "LEQ", 0.0, *leaves), Split(1, "GT", 1.0, *leaves[::-1])]
    model = regressor(trees, 2, 2, post_transform=transform, base_values=[0.25, 0.5])
    found = served(model, column=column)
    assert found.form.link is link
    assert agreement(found).scores < 1e-7
    assert agreement(found).labels == 0


def test_transforms_of_the_newer_node_have_onnxruntimes_numbers():
    """1 is LOGISTIC and 2 is SOFTMAX there, the other way round than in ONNX."""
    trees = [Split(0, "LEQ", 0.0, Leaf({0: 2.0}), Leaf({1: 1.0}))]
    rows = np.array([[-1.0, 0.0], [1.0, 0.0]])
    for transform, expected in ((1, 1 / (1 + np.exp(-2.0))), (2, 1 / (1 + np.exp(-2.0)))):
        found = served(ensemble(trees, 2, 2, post_transform=transform), column=0)
        assert compare(found, rows).scores < 1e-7
        assert found.form.score(rows)[0, 0] == pytest.approx(expected, abs=1e-6)
    logistic = served(ensemble(trees, 2, 2, post_transform=1), column=1)
    assert logistic.form.score(rows)[0, 0] == 0.5


def test_nodes_that_branches_share_are_read_as_trees():
    tree = Split(0, "LEQ", 0.0, stump(1, "LT", 0.0, 1.0, 2.0), stump(1, "LT", 0.0, 1.0, 2.0))
    model = regressor([tree], 2)
    attributes = {a.name: a for a in model.graph.node[0].attribute}
    attributes["nodes_falsenodeids"].ints[0] = attributes["nodes_truenodeids"].ints[0]
    found = served(model)
    core = found.form.core
    assert isinstance(core, TreeEnsemble)
    children = np.concatenate([core.true_child[~core.is_leaf], core.false_child[~core.is_leaf]])
    assert len(np.unique(children)) == len(children)
    assert agreement(found).exact == 1.0


def test_a_tree_may_be_one_leaf():
    found = served(regressor([Leaf({0: 0.5}), stump(0, "LEQ", 0.0, 1.0, 2.0)], 2))
    assert agreement(found).exact == 1.0


def test_trees_in_any_order_of_nodes_are_found_by_their_numbers():
    model = regressor([stump(0, "LEQ", 0.0, 1.0, 2.0)], 2)
    for attribute in model.graph.node[0].attribute:
        if attribute.name == "nodes_nodeids":
            attribute.ints[:] = [7, 3, 5]
        if attribute.name == "nodes_truenodeids":
            attribute.ints[:] = [5, 0, 0]
        if attribute.name == "nodes_falsenodeids":
            attribute.ints[:] = [3, 0, 0]
        if attribute.name == "target_nodeids":
            attribute.ints[:] = [3, 5]
    tables = read_regressor(model.graph.node[0], SINGLE, 2).core
    assert tables.raw(np.array([[-1.0, 0.0], [1.0, 0.0]], np.float32)).tolist() == [[2.0], [1.0]]


@pytest.mark.parametrize("aggregate", ["MIN", "MAX"])
def test_the_least_and_the_largest_of_trees_are_refused_by_name(aggregate):
    node = regressor([stump(0, "LEQ", 0.0, 1.0, 2.0)], 2, aggregate_function=aggregate).graph.node[
        0
    ]
    with pytest.raises(UnreadableGraph, match=f"takes the {aggregate} of its trees"):
        read_regressor(node, SINGLE, 2)


def refusal(read, model, n_columns=2):
    with pytest.raises(UnreadableGraph) as caught:
        read(model.graph.node[0], SINGLE, n_columns)
    return str(caught.value)


def test_tables_that_contradict_themselves_are_refused():
    def broken(name, values):
        model = regressor([stump(0, "LEQ", 0.0, 1.0, 2.0)], 2)
        (attribute,) = [a for a in model.graph.node[0].attribute if a.name == name]
        attribute.ints[:] = values
        return refusal(read_regressor, model)

    assert "no node 9 in tree 0" in broken("nodes_truenodeids", [9, 0, 0])
    assert "two nodes of one number" in broken("nodes_nodeids", [0, 1, 1])
    assert "two weights for one output" in broken("target_nodeids", [1, 1])
    assert "weight for output 4 of 1" in broken("target_ids", [0, 4])
    assert "lead back to themselves" in broken("nodes_truenodeids", [0, 0, 0])
    assert "splits column 5 of 2" in broken("nodes_featureids", [5, 0, 0])


def test_a_mode_that_does_not_exist_is_refused():
    model = regressor([stump(0, "OFTEN", 0.0, 1.0, 2.0)], 2)
    assert "BRANCH_OFTEN" in refusal(read_regressor, model)


def test_a_tree_in_two_places_is_refused():
    model = regressor([stump(0, "LEQ", 0.0, 1.0, 2.0)] * 2, 2)
    for attribute in model.graph.node[0].attribute:
        if attribute.name == "nodes_treeids":
            attribute.ints[:] = [0, 1, 0, 1, 0, 1]
        if attribute.name == "nodes_nodeids":
            attribute.ints[:] = [0, 0, 1, 1, 2, 2]
    assert "in several places" in refusal(read_regressor, model)


def test_a_base_value_that_only_some_rows_get_is_refused():
    trees = [Split(0, "LEQ", 0.0, Leaf({0: 1.0}), Leaf({1: 2.0}))]
    model = regressor(trees, 2, 2, base_values=[0.5, 0.0])
    assert "output 0 in every tree" in refusal(read_regressor, model)


def test_a_membership_without_a_set_is_refused():
    model = ensemble([stump(0, "MEMBER", (), 1.0, 2.0)], 2)
    assert "tests of membership" in refusal(read_ensemble, model)

"""Mechanisms that are ONNX graphs: the same numbers as ONNX Runtime, and bounds that hold."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest
from onnx import TensorProto, helper
from sklearn.ensemble import GradientBoostingRegressor
from sklearn.linear_model import LinearRegression

from ifonly.explainers.causal import build_model, draw_members, parse_causal
from ifonly.explainers.causal.fit import MEMBERS, fit
from ifonly.explainers.causal.mechanism import NoiseForm
from ifonly.explainers.causal.regressor import Regressor, TreeRegressor
from ifonly.explainers.causal.writing import write_causal
from ifonly.models.errors import GraphError, SpecError
from ifonly.models.onnx.export import export_onnx, to_bytes
from ifonly.models.schema import Feature, Kind, Schema
from ifonly.models.training.mechanism import grow_mechanism
from ifonly.service.served.causal_graphs import graph_loader
from tests.unit.causal.test_fit import rows_of

SCHEMA = Schema(tuple(Feature(n, Kind.CONTINUOUS) for n in ("load", "air", "heat")))
TOML = """
format = 1
version = "1"
status = "proposed"
nodes.load.role = "actionable"
nodes.air.role = "fixed"
nodes.heat.role = "consequence"
edges = [{{from = "load", to = "heat"}}, {{from = "air", to = "heat"}}]
[mechanisms.heat]
kind = "{kind}"
sd = 1.0
file = "mechanisms/heat.onnx"
sha256 = "{digest}"
"""


def training_rows():
    rows = rows_of(600)[:, [2, 0]]
    return rows, rows[:, 1] + 0.02 * rows[:, 0] ** 2


@pytest.fixture(scope="module")
def forest() -> bytes:
    x, y = training_rows()
    model = GradientBoostingRegressor(n_estimators=40, max_depth=4, random_state=0)
    return to_bytes(export_onnx(model.fit(x.astype(np.float32), y), 2, name="heat"))


@pytest.fixture(scope="module")
def line() -> bytes:
    return to_bytes(export_onnx(LinearRegression().fit(*training_rows()), 2, name="heat"))


def built(data: bytes, kind: str):
    import hashlib

    text = TOML.format(kind=kind, digest=hashlib.sha256(data).hexdigest())
    spec = parse_causal(text.encode(), "causal.toml", SCHEMA)
    return build_model(spec, {"mechanisms/heat.onnx": data}, load_graph=graph_loader(SCHEMA))


def test_trees_give_what_onnx_runtime_gives(forest):
    ours, theirs = (built(forest, kind).mechanisms[2] for kind in ("trees", "onnx"))
    assert ours is not None
    assert theirs is not None
    assert isinstance(ours.location, TreeRegressor)
    assert isinstance(theirs.location, Regressor)
    x, y = training_rows()
    assert ours.location(x) == pytest.approx(theirs.location(x), abs=1e-4)
    assert np.abs(ours.location(x) - y).mean() < 0.5


def test_the_bounds_of_trees_hold_and_are_reached(forest):
    function = built(forest, "trees").mechanisms[2].location
    rng = np.random.default_rng(0)
    x, _ = training_rows()
    ends = np.sort(x[rng.integers(0, len(x), size=(2, 30))], axis=0)
    low, high = function.bounds(ends[0], ends[1])
    for box in range(30):
        inside = ends[0, box] + rng.random((400, 2)) * (ends[1, box] - ends[0, box])
        values = function(inside)
        assert values.min() >= low[box]
        assert values.max() <= high[box]
    points, values = x[:30], function(x[:30])
    low, high = function.bounds(points, points)
    assert low == pytest.approx(values, abs=5e-3)  # what float32 sums may differ by
    assert high == pytest.approx(values, abs=5e-3)


def test_a_counterfactual_keeps_the_noise_of_a_tree_mechanism(forest):
    model = built(forest, "trees")
    factual = np.array([40.0, 300.0, 335.0])
    location = model.mechanisms[2].location
    before, after = location(np.array([[40.0, 300.0], [50.0, 300.0]]))
    (row,) = model.counterfactual(factual, [0], np.array([[50.0]]))
    assert row.tolist() == pytest.approx([50.0, 300.0, 335.0 + after - before])
    low, high = model.bounds(factual, [0], np.array([[45.0]]), np.array([[55.0]]))
    assert low[0, 2] - 1e-3 <= row[2] <= high[0, 2] + 1e-3


def test_any_other_graph_may_be_a_mechanism_but_not_as_trees(line):
    model = built(line, "onnx")
    assert np.isinf(model.bounds(np.zeros(3), [0], np.zeros((1, 1)), np.ones((1, 1)))[0][0, 2])
    with pytest.raises(GraphError, match="no tree ensemble that can be bounded"):
        built(line, "trees")


def test_a_graph_that_takes_something_else_is_refused():
    tensor = helper.make_tensor_value_info("x", TensorProto.FLOAT, [None, 7])
    out = helper.make_tensor_value_info("y", TensorProto.FLOAT, [None, 7])
    graph = helper.make_graph([helper.make_node("Identity", ["x"], ["y"])], "g", [tensor], [out])
    data = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 15)], ir_version=8)
    with pytest.raises(GraphError):
        built(data.SerializeToString(), "onnx")


def test_without_a_reader_of_graphs_such_a_mechanism_is_refused(line):
    import hashlib

    text = TOML.format(kind="onnx", digest=hashlib.sha256(line).hexdigest())
    spec = parse_causal(text.encode(), "causal.toml", SCHEMA)
    with pytest.raises(SpecError, match="no graphs are read here"):
        build_model(spec, {"mechanisms/heat.onnx": line})


# --- grown by us ------------------------------------------------------------------------------

GRAPH = """
format = 1
version = "1"
status = "proposed"
nodes.load.role = "actionable"
nodes.air.role = "fixed"
nodes.heat.role = "consequence"
edges = [{from = "load", to = "heat"}, {from = "air", to = "heat"}]
"""


def steps(n: int, seed: int = 0) -> np.ndarray:
    rng = np.random.default_rng(seed)
    x = rng.uniform(0, 1, (n, 2))
    heat = np.sign(np.sin(12 * x[:, 0])) * (x[:, 1] > 0.5) + rng.normal(0, 0.1, n)
    return np.column_stack([x, heat])


@pytest.fixture(scope="module")
def grown():
    spec = parse_causal(GRAPH.encode(), "causal.toml", SCHEMA)
    return fit(
        spec,
        steps(400),
        np.random.default_rng(0),
        kinds=("linear",),
        forms=(NoiseForm.ADDITIVE,),
        load_graph=graph_loader(SCHEMA),
        grow=grow_mechanism,
    )


def test_trees_are_taken_where_they_are_likelier_and_read_back_as_the_same(grown):
    node = grown.nodes[-1]
    assert node.kind == "trees"
    assert node.likelihoods["trees/additive"] > node.likelihoods["linear/additive"] + 0.1
    again = parse_causal(write_causal(grown.spec), "causal.toml", SCHEMA)
    back = build_model(again, grown.files, load_graph=graph_loader(SCHEMA)).mechanisms[2]
    assert back is not None
    x = steps(50, seed=1)[:, :2]
    assert (back.location(x) == grown.model.mechanisms[2].location(x)).all()
    broken = replace(
        again,
        mechanisms={
            **again.mechanisms,
            "heat": replace(again.mechanisms["heat"], parameters={"members": 7}),
        },
    )
    with pytest.raises(SpecError, match="1600 trees are not 7 equal ensembles"):
        build_model(broken, grown.files, load_graph=graph_loader(SCHEMA))


def test_the_ensembles_of_a_mechanism_average_to_it_and_say_how_sure_it_is(grown):
    location = grown.model.mechanisms[2].location
    assert isinstance(location, TreeRegressor)
    x = steps(60, seed=1)[:, :2]
    versions = location.members(np.random.default_rng(0), 2000)(x[None])
    assert versions.shape == (2000, 60)
    assert len(np.unique(versions[:, 0])) == MEMBERS
    assert versions.mean(axis=0) == pytest.approx(location(x), abs=0.05)
    apart = location.members(np.random.default_rng(1), 30)(np.repeat(x[None, :5], 30, axis=0))
    assert (apart == location.members(np.random.default_rng(1), 30)(x[None, :5])).all()
    members = draw_members(grown.model, np.random.default_rng(0), 64)
    factual, values = np.array([0.4, 0.7, -1.0]), np.array([[0.4], [0.1]])
    moved = members.counterfactual(factual, [0], values)[:, :, 2]
    assert (moved[:, 0] == -1.0).all()
    assert moved[:, 1].std() > 0.05


def test_smooth_mechanisms_are_not_left_to_trees():
    spec = parse_causal(GRAPH.encode(), "causal.toml", SCHEMA)
    rows = steps(300)
    rng = np.random.default_rng(0)
    rows[:, 2] = rows[:, 0] - rows[:, 1] + rng.normal(0, 0.3, 300)
    found = fit(
        spec, rows, rng, kinds=("linear",), load_graph=graph_loader(SCHEMA), grow=grow_mechanism
    )
    assert found.nodes[-1].kind == "linear"

"""One ONNX graph of causal model and deployed model: the same rows, the same decisions."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from onnx import ModelProto
from sklearn.ensemble import GradientBoostingRegressor

from ifonly.explainers.causal import CausalModel, Graph, draw_members, parse_causal
from ifonly.explainers.causal.basis import Basis, Coordinates, Expansion, linear
from ifonly.explainers.causal.consequences import CausalConsequences
from ifonly.explainers.causal.expression import Expression
from ifonly.explainers.causal.mechanism import Mechanism
from ifonly.explainers.causal.regressor import Regressor
from ifonly.models.errors import GraphError
from ifonly.models.onnx import OnnxPredictor, load_regressor, run_graph
from ifonly.models.onnx.export import export_onnx, to_bytes
from ifonly.models.schema import Feature, Kind, Schema, Task
from ifonly.models.training.milling import simulate
from ifonly.service.offline.fused_graph import compare, following, fuse
from ifonly.service.served.registry import Registry
from ifonly.service.settings import shipped_models
from tests.oracle.verify.test_laws import action_on, both, factual_of
from tests.support.causal import draw_model
from tests.support.causal_files import KINDS, SCHEMA, Documents, draw_documents
from tests.support.causal_files import D as D_
from tests.support.deployed import deployed_trees
from tests.support.generated import factual as drawn_factual

D = 6
WRITTEN = [kind for kind in KINDS if kind not in ("onnx", "none")]
"""Kinds of mechanisms; lines are exported for other versions of the operators than trees."""


def consequences_of(model: CausalModel, whole: tuple[int, ...] = ()) -> CausalConsequences:
    n = len(model.names)
    members = draw_members(model, np.random.default_rng(0), 2)
    return CausalConsequences(model, members, 0.0, 0.0, np.zeros(n), whole=whole)


def forest(d: int, seed: int = 0) -> OnnxPredictor:
    rng = np.random.default_rng(seed)
    x = rng.normal(size=(200, d))
    fitted = GradientBoostingRegressor(n_estimators=8, random_state=0).fit(x, x.sum(axis=1))
    schema = Schema(tuple(Feature(f"x{j}", Kind.CONTINUOUS) for j in range(d)))
    return load_regressor(to_bytes(export_onnx(fitted, d, name="forest")), schema)


def asked(graph: ModelProto, factual: np.ndarray, actions: np.ndarray, is_set: np.ndarray):
    feeds = {"actions": actions, "set": is_set, "factual": factual[None]}
    return run_graph(graph, ("row", "scores"), feeds)


def check(
    consequences: CausalConsequences,
    predictor: OnnxPredictor,
    graph: ModelProto,
    factual,
    actions,
    is_set,
) -> None:
    row, scores = asked(graph, factual, actions, is_set)
    wanted = following(consequences, factual, actions, is_set)
    np.testing.assert_allclose(row, wanted, rtol=1e-9, atol=1e-9)
    for one, flags in zip(row, is_set, strict=True):
        moved = {*np.flatnonzero(flags), *consequences.effects(np.flatnonzero(flags).tolist())}
        stays = sorted({*range(len(factual))} - moved)  # to the last bit
        np.testing.assert_array_equal(one[stays], factual[stays])
    # Where the last digit of an effect falls on another float32, another leaf may be reached.
    reads, wants = row.astype(np.float32), wanted.astype(np.float32)
    same = ((reads == wants) | np.isnan(reads)).all(axis=1)
    assert same.mean() > 0.9
    np.testing.assert_allclose(scores[same], predictor.score(wanted[same]), rtol=1e-6, atol=1e-6)


@pytest.mark.parametrize("seed", range(25))
def test_rows_and_scores_are_those_of_engine_and_model(seed):
    rng = np.random.default_rng(seed)
    consequences = consequences_of(draw_model(seed, D).model, whole=(seed % D,))
    predictor = forest(D)
    factual, actions = consequences.read(rng.normal(size=(1, D)))[0], rng.normal(size=(60, D))
    is_set = rng.random((60, D)) < 0.4
    actions = consequences.read(actions)
    check(consequences, predictor, fuse(consequences, predictor), factual, actions, is_set)


def graphs_of(documents: Documents) -> dict[int, OnnxPredictor]:
    spec, found = parse_causal(documents.text, "causal.toml", SCHEMA), {}
    for name, given in spec.mechanisms.items():
        if given.kind in ("trees", "onnx"):
            causes = Schema(tuple(SCHEMA[parent] for parent in spec.parents(name)))
            found[SCHEMA.index(name)] = load_regressor(documents.files[given.file], causes)
    return found


def test_what_cannot_be_told_is_not_a_number_whatever_the_mechanisms() -> None:
    """A cause that was not read, filled or moved, also where trees have a number for it."""
    predictor, seen = forest(len(SCHEMA)), Counter[str]()
    for seed in range(40):
        documents = draw_documents(seed, WRITTEN)
        consequences, _ = both(documents)
        graph = fuse(consequences, predictor, graphs_of(documents))
        draw = np.random.default_rng(seed)
        for _ in range(4):
            factual = factual_of(draw)
            factual[D_] = np.nan if draw.random() < 0.7 else factual[D_]
            actions, is_set = np.repeat(factual[None], 24, axis=0), np.zeros((24, D), dtype=bool)
            for action, flags in zip(actions, is_set, strict=True):
                for j, value in action_on(draw, factual).items():
                    flags[j], action[j] = True, value
                held = draw.random(D) < 0.1  # set to what it reads
                flags |= held
            row, scores = asked(graph, factual, actions, is_set)
            wanted = following(consequences, factual, actions, is_set)
            np.testing.assert_array_equal(np.isnan(row), ~np.isfinite(wanted), str(seed))
            told = np.isfinite(wanted)
            np.testing.assert_allclose(row[told], wanted[told], rtol=1e-5, atol=1e-5)
            lost = (np.isnan(row) & ~np.isnan(np.where(is_set, actions, factual))).any(axis=1)
            assert (np.isnan(scores).all(axis=1) == lost).all()
            for flags, one in zip(is_set[lost], row[lost], strict=True):
                first = next(
                    j for j in consequences.model.graph.order if np.isnan(one[j]) and j != D_
                )
                seen[documents.kinds[SCHEMA.names[first]]] += 1
                seen["filled"] += bool(flags[D_])
            seen["told"] += int((~lost).sum())
    assert min(seen[k] for k in (*WRITTEN, "told", "filled")) >= 10, seen


def test_the_default_model_decides_the_same_when_fused():
    registry = Registry(shipped_models())
    registry.load()
    served = registry.get("milling-machine")
    assert served.causal is not None
    predictor, consequences = served.deployed.predictor, served.causal.consequences
    assert isinstance(predictor, OnnxPredictor)
    graph = fuse(consequences, predictor)
    rng = np.random.default_rng(0)
    rows = simulate(200, seed=5).rows
    for factual in rows[:3]:
        actions, is_set = rows[3:], rng.random((197, 6)) < 0.3
        is_set[:, [0, 5]] = False
        row, scores = asked(graph, factual, actions, is_set)
        wanted = following(consequences, factual, actions, is_set)
        np.testing.assert_allclose(row, wanted, rtol=1e-9)
        said, known = served.decision.decide(scores), predictor.score(wanted)
        assert (said == served.decision.decide(known)).all()


@pytest.mark.parametrize("seed", range(6))
def test_categories_and_missing_readings_reach_the_model_as_it_takes_them(seed):
    """Pressure moves the flow, where that was read; mode is one-hot, grade a code."""
    none: tuple[int, ...] = ()
    graph = Graph((none, none, none, none, (0,)))
    moves = Mechanism(linear(0.1, np.array([0.05])))
    names = ("pressure", "speed", "mode", "grade", "flow")
    consequences = consequences_of(CausalModel(names, graph, (None, None, None, None, moves)))
    predictor = deployed_trees(seed, Task.MULTICLASS).predictor
    assert isinstance(predictor, OnnxPredictor)
    for missing in (False, True):
        factual = drawn_factual(seed, missing=missing)
        actions = np.array([drawn_factual(100 * seed + k) for k in range(40)])
        is_set = np.random.default_rng(seed).random((40, 5)) < 0.4
        check(consequences, predictor, fuse(consequences, predictor), factual, actions, is_set)


def test_a_mechanism_may_be_a_graph_and_a_category_a_cause():
    """b follows from a by a forest, c from the category k by an indicator and a square of b."""
    schema = Schema((Feature("a", Kind.CONTINUOUS),))
    x = np.linspace(-2, 2, 80)[:, None]
    grown = GradientBoostingRegressor(n_estimators=5, random_state=0).fit(x, np.sin(x[:, 0]))
    mechanism = load_regressor(to_bytes(export_onnx(grown, 1, name="b")), schema)
    coordinates = Coordinates(
        np.array([0, 1]), np.array([np.nan, 2.0]), np.array([0.3, 0.0]), np.array([2.0, 1.0]), 2
    )
    exponents = np.array([[0, 0], [2, 0], [1, 1]])
    none = np.empty((0, 2))
    curved = Basis(
        Expansion(coordinates, exponents, none, none), np.array([0.5, 1.0, -2.0]), np.empty((3, 0))
    )
    model = CausalModel(
        ("a", "b", "k", "c"),
        Graph(((), (0,), (), (1, 2))),
        (None, Mechanism(Regressor(mechanism, 1)), None, Mechanism(curved)),
    )
    consequences, predictor, rng = consequences_of(model), forest(4), np.random.default_rng(0)
    actions = np.column_stack([rng.normal(size=(50, 2)), rng.integers(0, 3, 50), np.zeros(50)])
    is_set = rng.random((50, 4)) < 0.5
    factual = np.array([0.4, 1.0, 2.0, -1.0])
    fused = fuse(consequences, predictor, {1: mechanism})
    row, _ = asked(fused, factual, actions, is_set)
    wanted = following(consequences, factual, actions, is_set)
    np.testing.assert_allclose(row, wanted, rtol=1e-6)
    with pytest.raises(GraphError, match="Regressor is no function that can be written"):
        fuse(consequences, predictor)


def test_a_node_that_cannot_move_is_refused_by_name():
    consequences = consequences_of(CausalModel(("a", "b"), Graph(((), (0,))), (None, None)))
    with pytest.raises(GraphError, match="b has causes but no mechanism"):
        fuse(consequences, forest(2))


def test_what_a_formula_cannot_tell_is_not_a_number():
    model = CausalModel(
        ("a", "b"), Graph(((), (0,))), (None, Mechanism(Expression("sqrt(a)", ("a",))))
    )
    consequences = consequences_of(model)
    actions, is_set = np.array([[4.0, 0.0], [-1.0, 0.0]]), np.array([[True, False]] * 2)
    row, _ = asked(fuse(consequences, forest(2)), np.array([1.0, 1.0]), actions, is_set)
    assert row[0].tolist() == [4.0, 2.0]
    assert np.isnan(row[1, 1])


def test_an_action_of_which_only_one_can_tell_what_follows_is_disputed():
    names, graph = ("a", "b"), Graph(((), (0,)))
    root, line = (
        consequences_of(CausalModel(names, graph, (None, Mechanism(Expression(text, ("a",))))))
        for text in ("sqrt(a)", "0.5 * a")
    )
    predictor, factual = forest(2), np.array([1.0, 1.0])
    actions, is_set = np.array([[4.0, 0.0], [-1.0, 0.0]]), np.array([[True, False]] * 2)
    for consequences in (root, line):
        found = compare(
            fuse(consequences, predictor), consequences, predictor, factual, actions, is_set
        )
        assert (found.largest, found.disputed) == (0.0, 0)
        assert len(found.scores) == (1 if consequences is root else 2)
    for one, other in ((root, line), (line, root)):
        found = compare(fuse(one, predictor), other, predictor, factual, actions, is_set)
        assert (found.disputed, len(found.scores)) == (1, 1)

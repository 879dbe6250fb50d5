"""Graphs proposed from rows: what is known is kept, what is found is counted, none is sure."""

from __future__ import annotations

import sys

import numpy as np
import pytest

from ifonly.explainers.causal import Graph
from ifonly.explainers.causal.alternatives import edge_runs, find_alternatives
from ifonly.explainers.causal.discovery import (
    Forbidden,
    forbidden_by_tiers,
    propose,
    varsortability,
)
from ifonly.explainers.causal.spec import (
    ApprovalStatus,
    CausalEdge,
    CausalNode,
    CausalSpec,
    GraphProvenance,
    NodeKind,
    NodeRole,
)
from ifonly.models.schema import Category, Feature, Kind, Schema
from ifonly.service.offline.discovery import Discovered, DiscoveryFailed, discover
from ifonly.service.offline.discovery.knowledge import BadKnowledge, Knowledge
from ifonly.service.offline.discovery.study import Study, UnfitRows
from ifonly.service.words.graphs import reason

NAMES = ("air", "load", "heat")
SCHEMA = Schema(tuple(Feature(name, Kind.CONTINUOUS) for name in NAMES))
NOTHING = np.zeros((3, 3), dtype=np.bool_)


def test_an_edge_is_proposed_in_its_commoner_direction_with_how_often_it_was_found():
    graphs = [((0, 1), (1, 2)), ((0, 1),), ((1, 0), (0, 2)), ((0, 1), (1, 2))]
    found = propose(graphs, NOTHING, 0.5)
    assert [(e.cause, e.effect) for e in found.edges] == [(0, 1), (1, 2)]
    assert (found.edges[0].joined, found.edges[0].directed) == (1.0, 0.75)
    assert (found.edges[1].joined, found.edges[1].directed) == (0.5, 1.0)
    assert [(e.cause, e.effect) for e in propose(graphs, NOTHING, 0.6).edges] == [(0, 1)]


def test_an_edge_without_direction_is_told_by_the_tiers_or_left_to_people():
    open_edge = [((0, 1), (1, 0))]
    found = propose(open_edge, NOTHING)
    assert (found.edges, found.undecided) == ((), ((0, 1),))
    found = propose(open_edge, forbidden_by_tiers([1, 0, 1]))
    assert [(e.cause, e.effect) for e in found.edges] == [(1, 0)]


def test_in_a_set_an_open_edge_stands_some_way_round_that_closes_no_loop():
    both = ((0, 1), (1, 0), (1, 2), (2, 1))
    found = propose([both], NOTHING, open_edges=True)
    assert {frozenset((e.cause, e.effect)) for e in found.edges} == {
        frozenset((0, 1)), frozenset((1, 2))}  # fmt: skip
    assert [e.directed for e in found.edges] == [0.5, 0.5]
    assert found.undecided == ()
    forbidden = NOTHING.copy()
    forbidden[0, 1] = forbidden[2, 1] = True
    found = propose([both], forbidden, open_edges=True)
    assert {(e.cause, e.effect) for e in found.edges} == {(1, 0), (1, 2)}
    # Two sure edges leave one way round.
    ring = [((0, 1), (1, 2), (0, 2), (2, 0))]
    found = propose(ring, NOTHING, open_edges=True)
    assert {(e.cause, e.effect) for e in found.edges} == {(0, 1), (1, 2), (0, 2)}


def test_what_some_runs_found_and_nobody_declared_may_be_there():
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(300, 3))
    nodes = {n: CausalNode(n, NodeKind.FEATURE, NodeRole.ACTIONABLE) for n in NAMES}
    edges = (CausalEdge("air", "load", source="discovery"),)
    spec = CausalSpec("1", ApprovalStatus.PROPOSED, SCHEMA, nodes, edges, (), {}, GraphProvenance())
    # In 3 of 10 load acts on heat, in 1 heat on load; air and heat are joined in none.
    graphs = [((0, 1), (1, 2))] * 3 + [((0, 1), (2, 1))] + [((0, 1),)] * 6
    found = find_alternatives(spec, rows, rng, runs=edge_runs(graphs, NOTHING, range(3)))
    added = {d.alternative.add: d.alternative.weight for d in found if d.change.kind == "added"}
    assert set(added) == {(("load", "heat"),), (("heat", "load"),)}
    assert added[("load", "heat"),] > added[("heat", "load"),] > 0.0
    told = reason(next(d for d in found if d.change.kind == "added"))
    assert "30.0" in told["en"]
    assert "이 간선이" in told["ko"]
    # Without runs nothing is added: rows alone are asked of what is declared.
    assert not [d for d in find_alternatives(spec, rows, rng) if d.change.kind == "added"]


def test_what_the_tiers_forbid_is_turned_round_and_no_loop_is_proposed():
    found = propose([((2, 0),)], forbidden_by_tiers([0, 1, 2]))
    assert [(e.cause, e.effect) for e in found.edges] == [(0, 2)]
    found = propose([((0, 1), (1, 2), (2, 0))], NOTHING)
    assert len(found.edges) == 2
    assert len(found.undecided) == 1


def test_varsortability_is_one_where_every_path_leads_to_the_larger_variance():
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(500, 3)) * [1.0, 2.0, 3.0]
    assert varsortability(Graph.of(3, [(0, 1), (1, 2)]), rows) == 1.0
    assert varsortability(Graph.of(3, [(2, 1), (1, 0)]), rows) == 0.0
    assert varsortability(Graph.of(3, [(0, 2), (2, 1)]), rows) == pytest.approx(2 / 3)
    assert np.isnan(varsortability(Graph.of(3, []), rows))


# --- what is known beforehand -----------------------------------------------------------------


def test_tiers_and_roles_say_what_cannot_act_on_what():
    known = Knowledge.of(SCHEMA, ("air, load", "heat"), {})
    assert np.argwhere(known.forbidden).tolist() == [[2, 0], [2, 1]]
    known = Knowledge.of(SCHEMA, (), {NodeRole.FIXED: "air", NodeRole.CONSEQUENCE: "heat"})
    assert np.argwhere(known.forbidden).tolist() == [[2, 0]]


@pytest.mark.parametrize(
    ("tiers", "roles", "problem"),
    [
        (("air", "lod,heat"), {}, "'lod' is no feature of the model"),
        (("air", "load"), {}, "heat is in 0 tiers"),
        (("air,load", "heat,air"), {}, "air is in 2 tiers"),
        (
            (),
            {NodeRole.FIXED: "air", NodeRole.ACTIONABLE: "air"},
            "air is both fixed and actionable",
        ),
    ],
)
def test_knowledge_that_contradicts_itself_is_refused(tiers, roles, problem):
    with pytest.raises(BadKnowledge, match=problem):
        Knowledge.of(SCHEMA, tiers, roles)


def test_roles_that_nobody_gave_follow_from_the_policy_and_the_graph():
    policy = {"features": {"load": {"range": [0, 1]}, "air": {"actionable": False}}}
    graph = Graph.of(3, [(0, 2), (1, 2)])
    roles = Knowledge.of(SCHEMA, (), {}).roles_in(graph, policy)
    assert roles == {
        "air": NodeRole.FIXED,
        "load": NodeRole.ACTIONABLE,
        "heat": NodeRole.CONSEQUENCE,
    }


# --- the rows ---------------------------------------------------------------------------------


def test_what_cannot_take_part_is_said():
    quality = Feature("quality", Kind.NOMINAL, categories=(Category("L"), Category("H")))
    rng = np.random.default_rng(0)
    rows = np.column_stack([rng.normal(size=(60, 3)), rng.integers(0, 2, 60)])
    rows[:, 1] = 7.0
    rows[:5, 0] = np.nan
    study = Study.of(Schema((*SCHEMA.features, quality)), rows, 0)
    assert study.columns == (0, 2)
    assert len(study.rows) == 55
    assert [note.split()[0] for note in study.left_out] == ["load", "quality"]


def test_rows_in_which_no_graph_can_be_found_are_refused():
    rng = np.random.default_rng(0)
    rows = rng.normal(size=(60, 3))
    with pytest.raises(UnfitRows, match="40 rows are complete, the least is 50"):
        Study.of(SCHEMA, rows[:40], 0)
    with pytest.raises(UnfitRows, match="fewer than two features vary"):
        Study.of(SCHEMA, np.ones((60, 3)), 0)
    rows[:, 2] = 5 - 2 * rows[:, 0]
    with pytest.raises(UnfitRows, match="air and heat are the same but for their units"):
        Study.of(SCHEMA, rows, 0)


# --- the child --------------------------------------------------------------------------------


def chain(n: int = 400) -> np.ndarray:
    rng = np.random.default_rng(0)
    a = rng.normal(size=n)
    b = 2 * a + rng.normal(size=n)
    return np.column_stack([a, b, b + rng.normal(size=n)])


def found_by_notears(forbidden: Forbidden) -> Discovered:
    return discover(
        "notears", chain(), forbidden, runs=2, seconds=60, seed=0, python=sys.executable
    )


def test_notears_finds_a_chain_whose_variances_rise_and_keeps_to_the_tiers():
    found = found_by_notears(NOTHING)
    assert len(found.graphs) == 2
    assert found.library.startswith("scipy")
    assert found.graphs[0] == ((0, 1), (1, 2))
    turned = found_by_notears(forbidden_by_tiers([2, 1, 0]))
    assert set(turned.graphs[0]) <= {(2, 1), (1, 0), (2, 0)}


def test_a_search_that_is_not_done_in_time_is_ended():
    with pytest.raises(DiscoveryFailed, match=r"found no graph within 0\.01 s"):
        discover("notears", chain(), NOTHING, runs=1, seconds=0.01, seed=0, python=sys.executable)


def test_an_interpreter_that_is_not_there_is_named():
    with pytest.raises(DiscoveryFailed, match="/no/python cannot be started"):
        discover("pc", chain(), NOTHING, runs=1, seconds=9, seed=0, python="/no/python")

"""What is sure over several graphs: by hand, on two features, either of which may act on the
other."""

from __future__ import annotations

import math
from dataclasses import replace

import numpy as np
import pytest

from ifonly.explainers.causal import CausalModel, Graph, draw_members
from ifonly.explainers.causal.basis import linear
from ifonly.explainers.causal.consequences import CausalConsequences, OtherGraph
from ifonly.explainers.causal.mechanism import Mechanism
from ifonly.explainers.consequences import NotAffine
from ifonly.explainers.transcript import GivenConsequences
from ifonly.models.predictor import Row, Rows

NAMES = ("a", "b", "c")
FACTUAL = np.array([0.0, 0.0, 0.0])
LINE = Mechanism(linear(0.0, np.array([2.0])))


def of(graph: Graph, *mechanisms: Mechanism | None, floor: float = 0.9) -> CausalConsequences:
    model = CausalModel(NAMES, graph, mechanisms)
    members = draw_members(model, np.random.default_rng(0), 4)
    return CausalConsequences(model, members, 2.5, floor, np.zeros(3))


MAIN = of(Graph.of(3, [(0, 1)]), None, LINE, None)
REVERSED = of(Graph.of(3, [(1, 0)]), LINE, None, None)
ABSENT = of(Graph.of(3, []), None, None, None)
UNTOLD = of(Graph.of(3, [(0, 1), (0, 2)]), None, LINE, None)


def over(*others: tuple[CausalConsequences, float], floor: float = 0.9) -> CausalConsequences:
    graphs = tuple(
        OtherGraph(f"other-{k}", weight, weight >= 0.05, replace(graph, floor=floor))
        for k, (graph, weight) in enumerate(others)
    )
    return replace(MAIN, floor=floor, others=graphs)


def sum_at_least(least: float):
    def margin(rows: Rows) -> Row:
        return np.asarray(rows.sum(axis=1) - least)

    return margin


def trusted(graphs: CausalConsequences, settings: dict[int, float], least: float):
    columns = sorted(settings)
    values = np.array([[settings[j] for j in columns]])
    found = graphs.trust(FACTUAL, columns, values, sum_at_least(least))
    return float(found.lower[0]), float(found.chance[0]), bool(found.holds[0])


def test_what_may_move_is_what_moves_by_some_graph() -> None:
    graphs = over((REVERSED, 0.3))
    assert graphs.effects([0]) == (1,)
    assert graphs.effects([1]) == (0,)
    assert graphs.effects([0, 1]) == ()
    assert (graphs.via([1], 0), graphs.via([0], 1)) == ((1,), (0,))
    # The row that is published is the main graph's.
    assert graphs.rows(FACTUAL, [1], np.array([[5.0]])).tolist() == [[0.0, 5.0, 0.0]]
    assert graphs.follows([1]) == ()
    assert over().effects([1]) == ()


def test_every_graph_of_weight_enough_must_hold() -> None:
    # a = 1 leads to a sum of 3 by the main graph, and of 1 by the other two.
    for other in (REVERSED, ABSENT):
        graphs = over((other, 0.3))
        assert trusted(graphs, {0: 1.0}, 3.0) == (-2.0, 0.7, False)
        assert trusted(graphs, {0: 1.0}, 1.0) == (0.0, 1.0, True)
        assert trusted(graphs, {0: 3.0}, 3.0) == (0.0, 1.0, True)


def test_where_nothing_follows_by_the_main_graph_another_is_asked_all_the_same() -> None:
    graphs = over((REVERSED, 0.3))
    assert trusted(graphs, {1: 3.0}, 4.0) == (-1.0, pytest.approx(0.3), False)
    assert trusted(graphs, {1: 3.0}, 3.0) == (0.0, 1.0, True)


def test_a_graph_of_little_weight_counts_in_the_mixture_alone() -> None:
    assert trusted(over((ABSENT, 0.04)), {0: 1.0}, 3.0) == (0.0, 0.96, True)
    both = over((ABSENT, 0.04), (REVERSED, 0.04), floor=0.95)
    assert trusted(both, {0: 1.0}, 3.0) == (0.0, pytest.approx(0.92), False)
    assert trusted(replace(both, floor=0.9), {0: 1.0}, 3.0)[2]


def test_what_no_mechanism_tells_in_a_graph_is_not_sure_there() -> None:
    graphs = over((UNTOLD, 0.3))
    assert trusted(graphs, {0: 1.0}, 1.0) == (-math.inf, 0.7, False)
    assert trusted(graphs, {1: 1.0}, 1.0) == (1.0 - 1.0, 1.0, True)


def test_where_a_graph_leads_to_the_same_it_is_not_asked() -> None:
    asked = list[int]()

    def margin(rows: Rows) -> Row:
        asked.append(len(rows))
        return np.zeros(len(rows))

    # The same graph with the same versions, as where the edges differ elsewhere.
    shared = replace(ABSENT, model=replace(MAIN.model, graph=Graph.of(3, [(0, 1)])))
    over((replace(shared, members=MAIN.members), 0.3)).trust(
        FACTUAL, [0], np.array([[1.0]]), margin
    )
    assert asked == [4]
    over((REVERSED, 0.3)).trust(FACTUAL, [0], np.array([[1.0]]), margin)
    assert asked == [4, 4, 1]


def test_slopes_alone_do_not_tell_what_follows_by_several_graphs() -> None:
    graphs = over((REVERSED, 0.3))
    with pytest.raises(NotAffine, match="other-0"):
        graphs.flows([0])
    assert graphs.flows([2]).each == ()
    assert graphs.flows(()).floor == 0.9


def test_what_a_caller_gives_is_told_graph_by_graph() -> None:
    graphs = GivenConsequences.of(over((REVERSED, 0.3), (ABSENT, 0.02)))
    worlds = graphs.worlds(FACTUAL.tolist(), {0: 1.0}, False)
    assert [(w.name, w.weight, w.is_held) for w in worlds] == [
        ("main", pytest.approx(0.68), True), ("other-0", 0.3, True), ("other-1", 0.02, False),
    ]  # fmt: skip
    assert [w.groups[0][0] for w in worlds] == [[1.0, 2.0, 0.0], [1.0, 0.0, 0.0], [1.0, 0.0, 0.0]]
    assert graphs.worlds(FACTUAL.tolist(), {2: 1.0}, False) == []
    assert len(graphs.by_main.worlds(FACTUAL.tolist(), {0: 1.0}, False)) == 1


def test_compiled_code_is_told_of_graphs_that_are_held_and_asks_where_that_is_not_all() -> None:
    compiled = over((REVERSED, 0.3), (ABSENT, 0.02)).compiled
    assert compiled is not None
    assert len(compiled.held([0])) == 2
    assert compiled.held([2]) == ()
    assert not compiled.is_all([0])
    assert compiled.is_all([2])
    alone = over((REVERSED, 0.3)).compiled
    assert alone is not None
    assert alone.is_all([0])

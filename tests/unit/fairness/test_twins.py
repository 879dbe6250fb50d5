"""Twins by a causal model: along every path, along those that are not allowed, in many worlds."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from ifonly.explainers.causal import CausalModel, Graph, draw_members, parse_causal
from ifonly.explainers.causal.basis import linear
from ifonly.explainers.causal.consequences import CausalConsequences, OtherGraph
from ifonly.explainers.causal.hidden import HiddenCause
from ifonly.explainers.causal.mechanism import Mechanism, Noise
from ifonly.explainers.causal.writing import write_causal
from ifonly.explainers.fairness.over_worlds import (
    LEAST_MEAN,
    decision_twins,
    mean_over_worlds,
    share_over_worlds,
)
from ifonly.explainers.fairness.twins import believed_twins, draw_worlds, twins_in
from ifonly.models.errors import SpecError
from ifonly.models.schema import Category, Feature, Kind, Schema

# x = 2 a + u; y = -a + 0.5 x + v; z is nobody's effect
NAMES = ("a", "x", "y", "z")
GRAPH = Graph.of(4, [(0, 1), (0, 2), (1, 2)])
COVARIANCE = np.diag([0.01, 0.01])


def model(second: Mechanism | None = None, graph: Graph = GRAPH) -> CausalModel:
    noise = Noise(1.0)
    return CausalModel(
        NAMES,
        graph,
        (
            None,
            Mechanism(linear(0.0, np.array([2.0])), noise=noise),
            second or Mechanism(linear(0.0, np.array([-1.0, 0.5])), noise=noise),
            None,
        ),
        (Noise(0.5), None, None, Noise(1.0)),
    )


def consequences(of: CausalModel, k: int = 5, **more) -> CausalConsequences:
    members = draw_members(of, np.random.default_rng(0), k)
    return CausalConsequences(of, members, 0.0, 0.0, np.zeros(4), **more)


ROWS = np.array([[1.0, 3.0, 0.5, 7.0], [1.0, 1.0, 2.0, -7.0], [1.0, 2.0, -1.0, 0.0]])


def test_a_twin_keeps_its_noise_and_all_that_does_not_follow():
    worlds = draw_worlds(consequences(model()), 10)
    found = believed_twins(worlds, ROWS, 0, 0.0)
    np.testing.assert_allclose(found - ROWS, [[-1.0, -2.0, 0.0, 0.0]] * 3)
    # As it is, it is its own twin.
    np.testing.assert_array_equal(believed_twins(worlds, ROWS, 0, 1.0), ROWS)
    each = twins_in(worlds, ROWS, 0, 0.0)
    assert each.shape == (10, 3, 4)
    # Mechanisms that are certain are the same in every world.
    np.testing.assert_allclose(each, np.broadcast_to(found, each.shape))


@pytest.mark.parametrize(
    ("allowed", "x", "y"),
    [
        ({(0, 2)}, -2.0, -1.0),  # through x alone
        ({(0, 1)}, 0.0, 1.0),  # directly alone
        ({(1, 2)}, -2.0, 1.0),  # x moves, and y does not see it
        ({(0, 1), (0, 2)}, 0.0, 0.0),  # nothing is left
        ({(3, 1)}, -2.0, 0.0),  # no edge: nothing is cut
    ],
)
def test_along_an_allowed_edge_nothing_moves(allowed, x, y):
    worlds = draw_worlds(consequences(model()), 4, allowed=frozenset(allowed))
    moved = believed_twins(worlds, ROWS, 0, 0.0) - ROWS
    np.testing.assert_allclose(moved, [[-1.0, x, y, 0.0]] * 3, atol=1e-12)
    np.testing.assert_allclose(twins_in(worlds, ROWS, 0, 0.0) - ROWS, [moved] * 4, atol=1e-12)


def test_worlds_are_of_graphs_by_their_weight():
    main = model()
    # In the other graph y does not follow from a.
    other = model(Mechanism(linear(0.0, np.array([0.5]))), Graph.of(4, [(0, 1), (1, 2)]))
    graphs = (OtherGraph("no edge", 0.3, True, consequences(other)),)
    worlds = draw_worlds(consequences(main, others=graphs), 400)
    share = (worlds.graph == 1).mean()
    assert share == pytest.approx(0.3, abs=0.08)
    moved = twins_in(worlds, ROWS, 0, 0.0)[:, :, 2] - ROWS[:, 2]
    np.testing.assert_allclose(moved[worlds.graph == 0], 0.0, atol=1e-12)
    np.testing.assert_allclose(moved[worlds.graph == 1], -1.0, atol=1e-12)
    # Every version before any twice, and the same worlds again.
    own = worlds.version[worlds.graph == 0]
    assert set(own[:5].tolist()) == set(range(5))
    np.testing.assert_array_equal(draw_worlds(consequences(main, others=graphs), 400).graph,
                                  worlds.graph)  # fmt: skip


def test_what_hidden_causes_may_do_is_in_the_worlds():
    tied = consequences(model(), hidden=(HiddenCause(1, 2, -0.5, 0.5),))
    worlds = draw_worlds(tied, 100)
    moved = twins_in(worlds, ROWS, 0, 0.0)[:, :, 2] - ROWS[:, 2]
    # x moves by what follows from a and not by its noise: y's noise stays.
    assert np.ptp(moved[:, 0]) == pytest.approx(0.0, abs=1e-9)
    direct = twins_in(worlds, ROWS, 1, 0.0)[:, :, 2] - ROWS[:, 2]
    assert np.ptp(direct[:, 0]) > 0.5


def test_what_nobody_can_tell_is_said_to_be_untold():
    blind = replace(model(), mechanisms=(None, None, None, None))
    worlds = draw_worlds(consequences(blind), 3)
    assert not np.isfinite(believed_twins(worlds, ROWS, 0, 0.0)[:, 1:3]).any()
    assert not np.isfinite(twins_in(worlds, ROWS, 0, 0.0)[:, :, 1:3]).any()
    # What was not read stays so, and is the twin's own noise where nothing leads there.
    unread = ROWS.copy()
    unread[0, 1] = np.nan
    found = believed_twins(draw_worlds(consequences(model()), 2), unread, 0, 0.0)
    assert np.isnan(found[0, 1])
    assert np.isnan(found[0, 2])
    assert np.isfinite(found[1:]).all()


# --- what is told of many -------------------------------------------------------------------


def test_shares_of_twins_hold_both_ways_and_nobody_is_no_proof():
    own = np.array([True] * 30 + [False] * 70)
    same = decision_twins(own, own, np.broadcast_to(own, (50, 100)))
    for found in (same.better, same.worse, same.either):
        assert (found.value, found.low) == (0.0, 0.0)
        assert 0.01 < found.high < 0.08
    assert same.net.low < 0.0 < same.net.high
    none = np.zeros(100, dtype=np.bool_)
    better = decision_twins(own, none, np.broadcast_to(none, (50, 100)))
    assert better.better.value == better.net.value == better.either.value == 0.3
    assert better.better.low > 0.2
    assert better.net.low > 0.15
    assert better.worse.high < 0.06


def test_worlds_that_differ_widen_what_is_told():
    rng, own = np.random.default_rng(0), np.zeros(400, dtype=np.bool_)
    believed = np.arange(400) < 80
    sure = decision_twins(own, believed, np.broadcast_to(believed, (40, 400)))
    many = np.stack([np.arange(400) < n for n in rng.integers(20, 140, 40)])
    unsure = decision_twins(own, believed, many)
    assert unsure.worse.high - unsure.worse.low > 1.5 * (sure.worse.high - sure.worse.low)


def test_a_mean_is_told_of_six_and_counts_worlds_and_individuals():
    rng = np.random.default_rng(1)
    gaps = rng.normal(1.0, 1.0, 50)
    sure = mean_over_worlds(gaps, np.broadcast_to(gaps, (8, 50)))
    assert sure is not None
    assert sure.low < gaps.mean() < sure.high
    assert sure.high - sure.low == pytest.approx(2 * 1.96 * gaps.std(ddof=1) / 50**0.5, rel=0.15)
    apart = mean_over_worlds(gaps, gaps + np.linspace(-1, 1, 8)[:, None])
    assert apart is not None
    assert apart.high - apart.low > 3.0
    few = gaps[: LEAST_MEAN - 1]
    assert mean_over_worlds(few, few[None]) is None
    lost = np.full((8, 50), np.nan)
    nothing = mean_over_worlds(gaps, lost)
    assert nothing is not None
    assert nothing.low == nothing.high == nothing.value


def test_a_share_of_nobody_may_be_anything():
    none = np.zeros(0, dtype=np.bool_)
    found = share_over_worlds(none, np.zeros((3, 0), dtype=np.bool_))
    assert (found.low, found.high) == (0.0, 1.0)
    every = np.ones(20, dtype=np.bool_)
    assert share_over_worlds(every, np.broadcast_to(every, (4, 20))).high == 1.0


# --- what a graph says is allowed -----------------------------------------------------------

SCHEMA = Schema(
    (
        Feature("a", Kind.ORDINAL, categories=(Category("no"), Category("yes"))),
        Feature("x", Kind.CONTINUOUS, "", -9.0, 9.0),
        Feature("y", Kind.CONTINUOUS, "", -9.0, 9.0),
    )
)
FILE = """
format = 1
version = "1"
status = "proposed"
[nodes.a]
role = "fixed"
[nodes.x]
role = "consequence"
[nodes.y]
role = "consequence"
[[edges]]
from = "a"
to = "x"
[[edges]]
from = "x"
to = "y"
allowed_for = [{names}]
"""


def test_an_allowed_edge_is_read_and_written():
    spec = parse_causal(FILE.replace("{names}", '"a"').encode(), "causal.toml", SCHEMA)
    assert spec.edges[1].allowed_for == ("a",)
    again = parse_causal(write_causal(spec), "causal.toml", SCHEMA)
    assert again.edges == spec.edges


@pytest.mark.parametrize(
    ("name", "says"),
    [("sex", "'sex' is not a feature of the model"), ("y", "'y' has no effect along x -> y")],
)
def test_an_edge_that_carries_nothing_of_it_is_allowed_for_nothing(name, says):
    with pytest.raises(SpecError, match=f"edges\\[1\\].allowed_for: {says}"):
        parse_causal(FILE.replace("{names}", f'"{name}"').encode(), "causal.toml", SCHEMA)

"""The compiled code behind leaves, tables, merged trees and priced boxes refuses what does not fit
together, by name, and never reads beyond its arrays."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from ifonly.explainers.native import kernel
from ifonly.explainers.search.trees import entry_points, lagrangian
from ifonly.explainers.search.trees.arena import Arena
from ifonly.explainers.search.trees.table_search import SearchInstance
from ifonly.explainers.search.trees.tables import Tables
from tests.support.native import instance

LE, NE, UNKNOWN = 1, 5, 6
ENOUGH = 1e3


def nodes(**changed: object) -> dict[str, Any]:
    """Two leaves below a test of the only column, which has one cut."""
    wholes = {
        "roots": [0],
        "column": [0, -1, -1],
        "mode": [LE, LE, LE],
        "true_child": [1, 1, 2],
        "false_child": [2, 1, 2],
    }
    cells = {"index": [0, 0, 0], "after": [0, 0, 0], "last": [1]}
    return {
        **{name: np.array(values, np.int64) for name, values in wholes.items()},
        **{name: np.array(values, np.int32) for name, values in cells.items()},
        "missing_true": np.zeros(3, np.bool_),
        "most": 100,
        **changed,
    }


def test_a_missing_value_goes_one_way_only() -> None:
    node, tree, lower, upper, missing = kernel.paths(**nodes())
    # Where a test is false may be two intervals: missing values go with the first, also if no
    # number is in it.
    found = sorted(zip(node, lower, upper, missing, strict=True))
    assert found == [(1, 0, 0, False), (2, 0, -1, True), (2, 1, 1, False)]
    assert tree.tolist() == [0, 0, 0]


def test_where_an_unequal_test_is_true_is_two_paths() -> None:
    unequal = nodes(
        mode=np.array([NE, LE, LE]),
        after=np.array([1, 0, 0], np.int32),
        last=np.array([2], np.int32),
    )
    node, _, lower, upper, missing = kernel.paths(**unequal)
    found = sorted(zip(node, lower, upper, missing, strict=True))
    assert found == [(1, 0, 0, True), (1, 2, 2, False), (2, 1, 1, False)]


def test_a_tree_may_be_as_deep_as_it_has_nodes() -> None:
    depth = 5_000
    tests, leaves = np.arange(depth), np.arange(depth, 2 * depth + 1)
    cut = np.append(tests, np.zeros(depth + 1)).astype(np.int32)
    deep = nodes(
        column=np.append(np.zeros(depth, np.int64), np.full(depth + 1, -1)),
        mode=np.full(2 * depth + 1, LE),
        # A leaf on one side, which waits while the next test on the other is opened.
        true_child=np.append(leaves[:-1], leaves),
        false_child=np.append(np.append(tests[1:], leaves[-1]), leaves),
        missing_true=np.zeros(2 * depth + 1, np.bool_),
        index=cut,
        after=cut,
        last=np.array([depth], np.int32),
        most=2 * depth,
    )
    node, *_ = kernel.paths(**deep)
    assert len(node) == depth + 2  # one of them for missing values


def test_unfolding_stops_at_one_path_more_than_it_may_give() -> None:
    assert len(kernel.paths(**nodes(most=1))[0]) == 2
    assert len(kernel.paths(**nodes(most=0))[0]) == 1


@pytest.mark.parametrize(
    ("field", "value"),
    [
        ("roots", [3]),
        ("roots", [-1]),
        ("column", [1, -1, -1]),
        ("mode", [UNKNOWN, LE, LE]),
        ("mode", [LE, LE]),
        ("true_child", [3, 1, 2]),
        ("true_child", [0, 1, 2]),
        ("false_child", [-1, 1, 2]),
        ("false_child", [2, 1]),
        ("missing_true", [False]),
        ("index", [2, 0, 0]),
        ("index", [-1, 0, 0]),
        ("after", [2, 0, 0]),
        ("after", [0]),
        ("last", [-1]),
    ],
)
def test_nodes_that_contradict_each_other_are_refused_by_name(field: str, value: list[Any]) -> None:
    given = nodes()
    given[field] = np.array(value, given[field].dtype)
    with pytest.raises(ValueError, match=field):
        kernel.paths(**given)


@pytest.fixture
def asked() -> SearchInstance:
    """The question of a search that opens a box with several trees in it."""
    return instance(0)


def begun(asked: SearchInstance) -> tuple[Any, Any, Arena]:
    """The compiled code's tables and question, and an arena in which the search has begun."""
    t, q, arena = asked.tables, asked.question, Arena.of(asked.tables)
    kernel.start(t.native, q.native, arena.native, ENOUGH, q.least, q.most)
    assert arena.ints[kernel.SP] == 1
    assert np.diff(t.words).min() > 0
    return t.native, q.native, arena


def test_slots_beyond_the_tables_are_refused(asked: SearchInstance) -> None:
    for slot in (-1, 64 * len(asked.tables.full)):
        with pytest.raises(ValueError, match="slots"):
            kernel.fill(asked.tables.native, np.array([slot]))


def test_leaves_beyond_the_cells_are_refused(asked: SearchInstance) -> None:
    high = asked.tables.leaf_hi.copy()
    high[0, 0] = asked.tables.cells[1]
    with pytest.raises(ValueError, match="leaf_hi"):
        kernel.fill(_anew(asked.tables, leaf_hi=high).native, np.array([0]))


def _anew(t: Tables, **changed: Any) -> Tables:
    """The tables before their bits are set."""
    empty = {name: np.zeros_like(getattr(t, name)) for name in ("at_most", "at_least", "full")}
    return replace(t, **empty, **changed)


Entry = Callable[[Any, Any, Arena], object]


def _forest(t: Any, q: Any, arena: Arena) -> object:
    return kernel.Forest(t, q, arena.native)


def _box(t: Any, q: Any, arena: Arena) -> object:
    return kernel.PricedBox(t, q, arena.native, None)


@pytest.mark.parametrize("entry", [_forest, _box])
def test_a_search_must_have_begun(asked: SearchInstance, entry: Entry) -> None:
    t, q, _ = begun(asked)
    with pytest.raises(ValueError, match="begun"):
        entry(t, q, Arena.of(asked.tables))


@pytest.mark.parametrize("entry", [_forest, _box])
def test_bits_without_a_leaf_are_refused(asked: SearchInstance, entry: Entry) -> None:
    t, q, arena = begun(asked)
    arena.reach[:] = ~np.uint64(0)
    with pytest.raises(ValueError, match="reach"):
        entry(t, q, arena)


def test_leaves_outside_of_the_box_are_not_priced(asked: SearchInstance) -> None:
    t, q, arena = begun(asked)
    # Any leaf that ends before the last cell of a feature, in a box of that cell alone.
    column = int(np.argmax(np.diff(asked.tables.cells)))
    arena.reach[:] = asked.tables.full
    arena.lo[0, column] = arena.hi[0, column]
    box = kernel.PricedBox(t, q, arena.native, None)
    assert (
        asked.tables.leaf_hi[box.leaf, column]
        == asked.tables.cells[column + 1] - 1 - asked.tables.cells[column]
    ).all()


def test_between_two_values_of_a_grid_there_is_nothing_to_choose(asked: SearchInstance) -> None:
    """Thresholds that no value lies between are parted by no charge: a box of single positions has
    the bound of its one row, whatever the trees would like to find beside it."""
    t, q, arena = begun(asked)
    at = arena.corner.copy()
    entry_points.start(asked.tables, asked.question, arena, ENOUGH, at, at)
    box = kernel.PricedBox(t, q, arena.native, None)
    assert (np.diff(box.first) == 1).all()
    assert not len(box.charge)


@pytest.mark.parametrize("field", ["lo", "hi", "corner"])
@pytest.mark.parametrize("position", [-1, 1 << 40])
def test_a_box_beyond_the_axes_is_refused(asked: SearchInstance, field: str, position: int) -> None:
    t, q, arena = begun(asked)
    forest = kernel.Forest(t, q, arena.native)
    getattr(arena, field).reshape(-1)[0] = position
    with pytest.raises(ValueError, match=field):
        forest.merge_some(q, arena.native, ENOUGH)
    with pytest.raises(ValueError, match=field):
        _box(t, q, arena)


def test_trees_are_merged_in_their_own_search_only(asked: SearchInstance) -> None:
    t, q, arena = begun(asked)
    forest = kernel.Forest(t, q, arena.native)
    other = replace(asked.question)
    with pytest.raises(ValueError, match="begun"):
        forest.merge_some(other.native, arena.native, ENOUGH)


def test_trees_are_written_into_tables_of_their_own_size_only(asked: SearchInstance) -> None:
    t, q, arena = begun(asked)
    forest = kernel.Forest(t, q, arena.native)
    assert forest.merge_some(q, arena.native, ENOUGH)
    assert np.count_nonzero(forest.count) != len(asked.tables.full)
    with pytest.raises(ValueError, match="full"):
        forest.write(_anew(asked.tables).native)


def test_a_box_is_charged_on_its_own_tables_only(asked: SearchInstance) -> None:
    t, q, arena = begun(asked)
    box = kernel.PricedBox(t, q, arena.native, None)
    others = replace(asked.tables)
    with pytest.raises(ValueError, match="other tables"):
        box.ascend(others.native, ENOUGH, 1)
    with pytest.raises(ValueError, match="another search"):
        box.wish(t, replace(asked.question).native)
    _, _, elsewhere = begun(replace(asked, tables=others))
    with pytest.raises(ValueError, match="around"):
        kernel.PricedBox(others.native, q, elsewhere.native, box)


def test_a_tree_without_a_leaf_has_no_price(asked: SearchInstance) -> None:
    t, q, arena = begun(asked)
    first = slice(asked.tables.words[0], asked.tables.words[1])
    arena.reach[first] = 0
    box = kernel.PricedBox(t, q, arena.native, None)
    assert not box.reached
    with pytest.raises(ValueError, match="no leaf"):
        box.ascend(t, ENOUGH, 1)
    assert (
        lagrangian.priced(asked.tables, asked.question, arena, ENOUGH, None, lambda: None) is None
    )
    assert kernel.Forest(t, q, arena.native).closed


def test_each_goal_has_one_price(asked: SearchInstance) -> None:
    t, q, arena = begun(asked)
    box = kernel.PricedBox(t, q, arena.native, None)
    box.price = box.price + 1.0
    assert box.price.tolist() == [1.0] * len(asked.question.limit)
    with pytest.raises(ValueError, match="price"):
        box.price = np.zeros(len(box.price) + 1)


def test_leaves_are_struck_off_in_their_own_box_only(asked: SearchInstance) -> None:
    t, q, arena = begun(asked)
    box = kernel.PricedBox(t, q, arena.native, None)
    with pytest.raises(ValueError, match="begun"):
        box.strike_off(t, replace(asked.question).native, arena.native, ENOUGH)
    with pytest.raises(ValueError, match="begun"):
        box.strike_off(t, q, Arena.of(asked.tables).native, ENOUGH)
    column = int(np.argmax(asked.question.size))
    inner = asked.question.most.copy()
    inner[column] -= 1
    entry_points.start(asked.tables, asked.question, arena, ENOUGH, asked.question.least, inner)
    smaller = kernel.PricedBox(t, q, arena.native, None)
    smaller.strike_off(t, q, arena.native, ENOUGH)
    entry_points.start(
        asked.tables, asked.question, arena, ENOUGH, asked.question.least, asked.question.most
    )
    with pytest.raises(ValueError, match="not inside"):
        smaller.strike_off(t, q, arena.native, ENOUGH)


def test_a_bound_at_hand_strikes_all_leaves_off(asked: SearchInstance) -> None:
    t, q, arena = begun(asked)
    box = kernel.PricedBox(t, q, arena.native, None)
    before = arena.reach.copy()
    box.strike_off(t, q, arena.native, ENOUGH)
    assert not (arena.reach & ~before).any()
    # Without charges the bound is 0, and nothing costs less than that.
    box.strike_off(t, q, arena.native, -1.0)
    assert not arena.reach.any()


def test_what_is_struck_off_in_a_box_is_not_priced_inside_of_it(asked: SearchInstance) -> None:
    t, q, arena = begun(asked)
    box = kernel.PricedBox(t, q, arena.native, None)
    begin = asked.question.least, asked.question.most
    entry_points.start(asked.tables, asked.question, arena, ENOUGH, *begin)
    assert kernel.PricedBox(t, q, arena.native, box).leaf.tolist() == box.leaf.tolist()
    box.strike_off(t, q, arena.native, -1.0)
    entry_points.start(asked.tables, asked.question, arena, ENOUGH, *begin)
    assert not kernel.PricedBox(t, q, arena.native, box).reached

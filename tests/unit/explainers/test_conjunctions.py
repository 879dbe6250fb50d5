"""A largest of several numbers is as many sums, and what rounds in it rounds in them."""

from __future__ import annotations

import numpy as np
import pytest

from ifonly.explainers.search.networks.conjunction import MOST_LIMITS, conjunction, units_read
from ifonly.models.graph.algebra.builder import UnitBuilder
from ifonly.models.graph.algebra.forms import Forms
from ifonly.models.graph.algebra.functions import extreme
from ifonly.models.graph.curves import Curve
from ifonly.models.graph.units import UnitNetwork

ONE = np.ones(1)


def network(kind: str, n: int, seed: int = 0) -> UnitNetwork:
    """Of three columns through four units."""
    draw = np.random.default_rng(seed)
    units = UnitBuilder(3)
    hidden = units.of(Curve.RELU, units.columns().mapped(draw.normal(size=(3, 4))))
    off = units.of(Curve.ABS, hidden.mapped(draw.normal(size=(4, n))))
    if kind == "mean":
        out = off.times(1.0 / n).summed((0,), keep=True)
    else:
        found: Forms = extreme(units, off, (0,), keep=True, greatest_=kind == "greatest")
        out = found.times(-2.0 if kind == "least" else 3.0)
    return units.network(out, np.dtype(np.float32))


def known_of(net: UnitNetwork, rows: np.ndarray) -> np.ndarray:
    known = rows
    for layer in net.layers:
        known = np.concatenate([known, layer.curve(known @ layer.weights + layer.bias)], axis=1)
    return known


@pytest.mark.parametrize("n", [1, 2, 5, 24])
def test_a_largest_of_absolute_values_is_two_sums_of_each(n: int) -> None:
    net = network("greatest", n)
    found = conjunction(net, ONE)
    assert len(found.weights) == 2 * n
    rows = np.random.default_rng(1).normal(size=(50, 3))
    sums = known_of(net, rows) @ found.weights.T + found.bias
    assert sums.max(axis=1) == pytest.approx(net.raw(rows)[:, 0])
    # Neither absolute values nor those of the pyramid are read any more.
    assert units_read(net, found.weights).tolist() == [True] * 4 + [False] * (net.n_units - 4)


def test_it_rounds_no_more_than_the_graph_and_no_less_than_its_part() -> None:
    net = network("greatest", 4)
    found = conjunction(net, ONE)
    off = net.layers[1]
    # Three times each absolute value: what it slips by is in both of its sums, times three.
    shares = found.slips[:, : len(off.slips) - 1]
    for k in range(4):
        own = 3.0 * off.slips[:-1, k]
        assert ((shares >= own - 1e-12).all(axis=1)).sum() >= 2


@pytest.mark.parametrize("kind", ["mean", "least"])
def test_a_sum_of_several_units_and_a_least_of_them_stay_one_limit(kind: str) -> None:
    net = network(kind, 5)
    found = conjunction(net, ONE)
    if kind == "mean":
        assert len(found.weights) == 1
    rows = np.random.default_rng(1).normal(size=(50, 3))
    sums = known_of(net, rows) @ found.weights.T + found.bias
    assert sums.max(axis=1) == pytest.approx(net.raw(rows)[:, 0])


def test_a_largest_of_very_many_becomes_no_more_limits_than_are_looked_at() -> None:
    net = network("greatest", MOST_LIMITS)
    assert len(conjunction(net, ONE).weights) <= MOST_LIMITS

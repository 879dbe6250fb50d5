"""Networks of units against the functions that they are to be."""

from __future__ import annotations

import numpy as np
import pytest

from ifonly.models.graph.curves import Curve
from ifonly.models.graph.units import UnitLayer, UnitNetwork


def network(layers, weights, bias) -> UnitNetwork:
    return UnitNetwork.plain(layers, weights, bias, np.dtype(np.float32))


def test_a_product_is_a_difference_of_two_squares():
    pair = UnitLayer.plain(np.array([[1.0, 1.0], [1.0, -1.0]]), np.zeros(2), Curve.SQUARE)
    found = network((pair,), np.array([[0.0], [0.0], [0.25], [-0.25]]), np.zeros(1))
    rows = np.array([[3.0, -2.0], [0.5, 0.25]])
    assert found.raw(rows)[:, 0].tolist() == [-6.0, 0.125]


def test_a_layer_reads_columns_and_all_units_before_it():
    first = UnitLayer.plain(np.array([[1.0]]), np.array([-1.0]), Curve.RELU)
    second = UnitLayer.plain(np.array([[1.0], [-2.0]]), np.zeros(1), Curve.ABS)
    found = network((first, second), np.array([[0.0], [0.0], [1.0]]), np.zeros(1))
    # |x - 2 relu(x - 1)|
    assert found.raw(np.array([[0.5], [1.5], [4.0]]))[:, 0].tolist() == [0.5, 0.5, 2.0]
    assert found.is_piecewise_linear


@pytest.mark.parametrize("curve", Curve)
def test_curves_keep_the_type_of_what_they_are_given(curve):
    assert curve(np.full(3, 0.5, np.float32)).dtype == np.float32


@pytest.mark.parametrize("curve", Curve)
def test_spans_and_slopes_of_curves_hold_wherever_one_looks(curve):
    draw = np.random.default_rng(0)
    for _ in range(20):
        low, high = np.sort(draw.uniform(-6.0, 6.0, size=2))
        if not curve.is_defined(low[None], high[None])[0]:
            continue
        x = np.linspace(low, high, 1001)
        y = curve(x)
        least, most = curve.span(low[None], high[None])
        assert least[0] <= y.min() + 1e-12
        assert most[0] >= y.max() - 1e-12
        assert y.min() <= least[0] + 2e-2
        assert (
            np.abs(np.diff(y) / np.diff(x)).max() <= curve.steepest(low[None], high[None])[0] + 1e-9
        )
        assert y.min() >= curve.least

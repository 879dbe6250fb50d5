"""Networks of units against the functions that they are to be."""

import numpy as np

from ifonly.models.graph.units import Curve, UnitLayer, UnitNetwork


def test_a_product_is_a_difference_of_two_squares():
    pair = UnitLayer(np.array([[1.0, 1.0], [1.0, -1.0]]), np.zeros(2), Curve.SQUARE)
    network = UnitNetwork((pair,), np.array([[0.0], [0.0], [0.25], [-0.25]]), np.zeros(1))
    rows = np.random.default_rng(0).normal(size=(50, 2))
    np.testing.assert_allclose(network.raw(rows)[:, 0], rows.prod(axis=1), atol=1e-12)


def test_a_layer_reads_columns_and_all_units_before_it():
    first = UnitLayer(np.array([[1.0]]), np.array([-1.0]), Curve.RELU)
    second = UnitLayer(np.array([[1.0], [-3.0]]), np.array([0.5]), Curve.ABS)
    network = UnitNetwork((first, second), np.array([[1.0], [0.0], [2.0]]), np.array([0.25]))
    x = np.linspace(-3.0, 3.0, 25)
    expected = x + 2.0 * np.abs(x - 3.0 * np.maximum(x - 1.0, 0.0) + 0.5) + 0.25
    np.testing.assert_allclose(network.raw(x[:, None])[:, 0], expected)
    assert network.is_piecewise_linear
    assert (network.n_columns, network.n_outputs) == (1, 1)


def test_units_keep_the_type_of_the_graph():
    layer = UnitLayer(np.ones((1, 1), np.float32), np.zeros(1, np.float32), Curve.SOFTPLUS)
    for curve in Curve:
        assert curve(np.full(3, 0.5, np.float32)).dtype == np.float32, curve
    network = UnitNetwork((layer,), np.ones((2, 1), np.float32), np.zeros(1, np.float32))
    assert network.dtype == np.float32

"""Which units of a network no goal falls with."""

from __future__ import annotations

import numpy as np

from ifonly.explainers.search.milp.chain import Layers, layers_of
from ifonly.explainers.search.milp.rising import growth_of
from ifonly.models.graph.algebra.builder import Units
from ifonly.models.graph.algebra.forms import Forms
from ifonly.models.graph.algebra.functions import extreme
from ifonly.models.graph.curves import Curve

N = 13


def error(draw: np.random.Generator, *, worst: bool) -> Layers:
    """The layers of the mean, or of the largest, of the absolute errors of a small autoencoder."""
    units = Units(N)
    x = units.columns()
    hidden = units.of(Curve.RELU, x.mapped(draw.normal(size=(N, 4))))
    off = x.plus(hidden.mapped(draw.normal(size=(4, N))), -1.0)
    size = units.of(Curve.ABS, off)
    last = extreme(units, size, (0,), keep=True, greatest_=True) if worst else (
        size.summed((0,), keep=True)
    )  # fmt: skip
    return layers_of(units.network(last, np.dtype(np.float32)))


def open_everywhere(layers: Layers) -> tuple[list[np.ndarray], list[np.ndarray]]:
    lows = [np.full(len(layer.bias), -1e3) for layer in layers[:-1]]
    return lows, [-low for low in lows]


def counts(layers: Layers, goals: np.ndarray) -> list[tuple[int, int]]:
    """Of each hidden layer: units, and those that may rise."""
    free = growth_of(layers, *open_everywhere(layers), goals).free
    relus = [layer.is_relu for layer in layers[:-1]]
    return [(int(r.sum()), int((f & r).sum())) for f, r in zip(free, relus, strict=True)]


def test_errors_that_are_wanted_small_may_rise_and_hidden_units_may_not() -> None:
    draw = np.random.default_rng(0)
    small = np.ones((1, 1))
    assert counts(error(draw, worst=False), small) == [(4, 0), (N, N)]
    # The largest of them by pairs: all the units of that are wanted small as well.
    found = counts(error(draw, worst=True), small)
    assert found[0] == (4, 0)
    assert [units for units, _ in found[1:]] == [free for _, free in found[1:]]
    assert sum(units for units, _ in found[1:]) == N + N - 1


def test_errors_that_are_wanted_large_or_within_limits_may_not_rise() -> None:
    draw = np.random.default_rng(0)
    for goals in (-np.ones((1, 1)), np.array([[1.0, -1.0]])):
        for worst in (False, True):
            found = counts(error(draw, worst=worst), goals)
            assert [free for _, free in found] == [0] * len(found)


def test_no_goal_falls_where_a_unit_that_may_rise_does() -> None:
    """Whatever the network: by trying."""
    for seed in range(30):
        draw = np.random.default_rng(seed)
        units = Units(3)
        known: Forms = units.columns()
        for _ in range(3):
            weights = draw.integers(-2, 3, size=(known.size, 3)).astype(float)
            made = units.of(Curve.RELU if draw.random() < 0.6 else Curve.ABS, known.mapped(weights))
            known = units_of(units) if draw.random() < 0.7 else made
        last = known.mapped(draw.integers(-1, 3, size=(known.size, 2)).astype(float))
        layers = layers_of(units.network(last, np.dtype(np.float32)))
        goals = np.abs(draw.normal(size=(2, 1)))
        growth = growth_of(layers, *open_everywhere(layers), goals)
        for k, lines in enumerate(growth.free):
            for line in np.flatnonzero(lines & layers[k].is_relu):
                state = draw.normal(size=(200, len(lines)))
                raised = state.copy()
                raised[:, line] += np.abs(draw.normal(size=200))
                grown = behind(layers, k, raised) - behind(layers, k, state)
                assert (grown @ goals >= -1e-9).all()


def units_of(units: Units) -> Forms:
    """All that is known so far."""
    n = units.n_known
    return Forms(np.eye(n), np.zeros(n), np.zeros((n + 1, n)))


def behind(layers: Layers, k: int, state: np.ndarray) -> np.ndarray:
    """Outputs of what stands behind hidden layer ``k``."""
    for layer in layers[k + 1 : -1]:
        state = np.maximum(state @ layer.weights + layer.bias, layer.floor)
    return np.asarray(state @ layers[-1].weights + layers[-1].bias)

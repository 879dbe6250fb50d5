"""Bounds on what a graph's float32 may add to the mathematics of its layers."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from ifonly.explainers.search.milp.arithmetic import ColumnBox, believed
from ifonly.explainers.search.milp.chain import Layers, relu_layers

UNIT = 2.0**-24 + 2.0**-53


def layers(draw: np.random.Generator, *widths: int) -> Layers:
    """As a graph has them: float32 numbers."""
    return relu_layers(
        [
            (
                draw.normal(size=(a, b)).astype(np.float32),
                draw.normal(size=b).astype(np.float32),
            )
            for a, b in itertools.pairwise(widths)
        ]
    )


def columns(draw: np.random.Generator, n: int, width: int) -> np.ndarray:
    """Rows some of whose columns are 0, as those of categories are."""
    made = draw.normal(size=(n, width)).astype(np.float32)
    made[draw.random((n, width)) < 0.3] = 0.0
    return made


def summed(
    state: np.ndarray, weights: np.ndarray, bias: np.ndarray, order: np.ndarray
) -> np.ndarray:
    """A layer in float32, its terms added one by one in some order."""
    terms = [state[:, i, None] * weights[i].astype(np.float32) for i in range(len(weights))]
    terms.append(np.broadcast_to(bias.astype(np.float32), terms[0].shape))
    total = np.zeros_like(terms[0])
    for i in order:
        total = total + terms[i]
    return np.asarray(total)


@pytest.mark.parametrize("widths", [(7, 1), (7, 6, 1), (7, 9, 5, 3)])
def test_no_order_of_float32_sums_is_farther_off_than_is_said(widths: tuple[int, ...]) -> None:
    draw = np.random.default_rng(len(widths))
    tightest = np.inf
    for _ in range(20):
        own, rows = layers(draw, *widths), columns(draw, 50, widths[0])
        told, off = believed(own, UNIT, rows)
        low, high = rows.min(axis=0).astype(np.float64), rows.max(axis=0).astype(np.float64)
        box = ColumnBox.of(own, UNIT, low, high, np.zeros(widths[0]))
        for _ in range(20):
            state = rows
            for k, layer in enumerate(own):
                state = np.maximum(state, 0.0) if k else state
                order = draw.permutation(len(layer.weights) + 1)
                state = summed(state, layer.weights, layer.bias, order)
            error = np.abs(state - told)
            assert (error <= off).all()
            assert (off <= box.error * (1.0 + 1e-9)).all()
            tightest = min(tightest, float((off / np.maximum(error, 1e-12)).min()))
    assert tightest < 20.0  # or it would be no use


@pytest.mark.parametrize("seed", range(10))
def test_a_sum_below_a_box_is_below_all_of_it_and_meets_it_where_no_unit_turns(seed: int) -> None:
    draw = np.random.default_rng(seed)
    own, middle = layers(draw, 5, 8, 2), draw.normal(size=5)
    weights = draw.normal(size=2)
    for width in (1.0, 1e-6):
        low, high = middle - width * draw.random(5), middle + width * draw.random(5)
        box = ColumnBox.of(own, UNIT, low, high, np.zeros(5))
        line, constant = box.below(weights)
        rows = draw.uniform(low, high, size=(500, 5))
        above = believed(own, UNIT, rows)[0] @ weights - (rows @ line + constant)
        assert (above >= -1e-12).all()
    assert above.max() < 1e-4

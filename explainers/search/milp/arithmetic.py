"""What layers come to in float64, and how far from that a graph may be that rounds.

What is 0 adds nothing, and a unit that is off, rounding or none, hands no error on. Each product is
rounded by a unit of itself, each sum by a unit of what it comes to, which in any order is no more
than all that is positive in it, or all that is negative (Higham 2002, 4.2).
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
import numpy.typing as npt

from ifonly.explainers.search.milp.chain import Layer, Layers
from ifonly.explainers.search.milp.network import MARGIN, SECOND, behind, combined, intervals

Floats = npt.NDArray[np.float64]


def believed(
    layers: Layers, unit: float, columns: npt.NDArray[np.floating[Any]]
) -> tuple[Floats, Floats]:
    """Outputs of ``layers`` for each row of ``columns``, ``(n, n_columns)``, and how far from them
    a graph may be that rounds by ``unit``: both ``(n, n_outputs)``."""
    state = columns.astype(np.float64)
    off = np.zeros_like(state)
    for k, layer in enumerate(layers):
        if k:
            # Where ours is below 0, the graph's unit lets through no more than it may be above 0.
            cut = np.maximum(np.minimum(off, state + off), 0.0)
            off = np.where(layers[k - 1].is_relu, cut, off)
            state = np.maximum(state, layers[k - 1].floor)
        total = state @ layer.weights + layer.bias
        off = _off(np.abs(state), off, np.abs(total), layer, unit)
        state = total
    return state, off


def _off(most: Floats, off: Floats, total: Floats, layer: Layer, unit: float) -> Floats:
    """The error of sums that come to ``total``, of numbers no larger than ``most`` that are off by
    ``off``."""
    magnitude = np.abs(layer.weights)
    if layer.slips is not None:
        rounded = (most + off) @ layer.slips[:-1] + layer.slips[-1]
        return np.asarray(off @ magnitude + SECOND * unit * rounded)
    # Products with 0 are exact and add nothing; two more for the product itself and the bias.
    n = np.count_nonzero(most + off, axis=-1, keepdims=True) + 2
    handed_on = off @ magnitude
    size = most @ magnitude + np.abs(layer.bias) + handed_on
    # All that is positive, or all that is negative, whichever is more: sizes plus total, halved.
    largest = 0.5 * (size + total) + handed_on
    # The denominator covers what roundings make of one another (Higham's gamma).
    return np.asarray(handed_on + unit / (1.0 - (n + 1) * unit) * (size + n * largest))


@dataclass(frozen=True, eq=False)
class ColumnBox:
    """Layers over columns that are each between two numbers."""

    layers: Layers
    lows: list[Floats]
    """Least values of the lines before each ReLU; the next are the greatest."""
    highs: list[Floats]
    error: Floats
    """``(n_outputs,)``: how far from ours the graph's outputs may be."""

    @classmethod
    def of(cls, layers: Layers, unit: float, low: Floats, high: Floats, off: Floats) -> ColumnBox:
        """Columns from ``low`` to ``high`` that are themselves off by ``off``, ``(n_columns,)``."""
        lows: list[Floats] = []
        highs: list[Floats] = []
        for k, layer in enumerate(layers):
            if k:
                before = layers[k - 1]
                # As in `believed`, for the greatest value that the line may have.
                cut = np.maximum(np.minimum(off, high + off), 0.0)
                off = np.where(before.is_relu, cut, off)
                lows, highs = [*lows, low], [*highs, high]
                low, high = np.maximum(low, before.floor), np.maximum(high, before.floor)
            most = np.maximum(np.abs(low), np.abs(high))
            low, high = intervals(low, high, layer.weights, layer.bias)
            total = np.maximum(np.abs(low), np.abs(high))
            off = _off(most, off, total, layer, unit)
            # Outward, for the rounding of these bounds themselves.
            slack = MARGIN * np.maximum(1.0, total)
            low, high = low - slack, high + slack
        return cls(layers, lows, highs, off)

    def below(self, weights: Floats) -> tuple[Floats, float]:
        """Weights of the columns, ``(n_columns,)``, and a constant, whose sum is nowhere more than
        the outputs weighted by ``weights``, ``(n_outputs,)``."""
        start = combined(self.layers[-1], weights)
        both, shift = behind(self.layers[:-1], self.lows, self.highs, start.weights, start.bias)
        return both[:, 0], float(shift[0])

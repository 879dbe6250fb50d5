"""Networks as layers, each of which reads the one before it alone."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ifonly.explainers.errors import NotEligible
from ifonly.models.graph.forms import Affine, Core, ReluNetwork, UnitNetwork
from ifonly.models.graph.layers import Matrix
from ifonly.models.graph.units import Curve

Floats = npt.NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class Layer:
    """Lines ``max(floor, x @ weights + bias)``, in float64."""

    weights: Floats
    """``(n_in, n_out)``"""
    bias: Floats
    """``(n_out,)``"""
    floor: Floats
    """``(n_out,)``: 0 of a ReLU, minus infinity of a line that is handed on as it is. Of the last
    layer what its lines are nowhere less than anyway."""
    slips: Floats | None = None
    """``(n_in + 1, n_out)``, where the graph takes these sums in other steps: see
    :attr:`ifonly.models.graph.units.UnitLayer.slips`."""

    @property
    def is_relu(self) -> npt.NDArray[np.bool_]:
        """Which lines are cut at 0."""
        return np.isfinite(self.floor)


Layers = Sequence[Layer]


def layers_of(core: Core) -> Layers:
    """The layers of a linear model, or of a network of ReLU and absolute values.

    Raises
    ------
    NotEligible
        If it has other units, or is no network at all.
    """
    match core:
        case Affine():
            return relu_layers([(core.weights, core.bias)])
        case ReluNetwork():
            return relu_layers(core.layers)
        case UnitNetwork() if all(u.curve in (Curve.RELU, Curve.ABS) for u in core.layers):
            return _LayerChain(core).layers()
    raise NotEligible("milp", "the graph is no network of ReLU and absolute values")


def relu_layers(pairs: Sequence[tuple[Matrix, Matrix]]) -> Layers:
    """Layers of these weights and biases with ReLU between them."""
    found = [
        # float64, so that our own error is far below that of a float32 graph.
        Layer(w.astype(np.float64), b.astype(np.float64), np.zeros(len(b)))
        for w, b in pairs
    ]
    last = found[-1]
    return [*found[:-1], Layer(last.weights, last.bias, np.full(len(last.bias), -np.inf))]


class _LayerChain:
    """A network of units, level by level; what a later level reads is handed on.

    ``|s| = 2 relu(s) - s``: one ReLU, and the sum itself.
    """

    def __init__(self, network: UnitNetwork) -> None:
        self._network = network
        n = len(network.weights)
        self._level = np.zeros(n, dtype=np.int64)
        self._last = np.zeros(n, dtype=np.int64)
        # Columns of the sums of all units, as `network` has them, filled to all that is known.
        self._weights, self._bias = np.zeros((n, n)), np.zeros(n)
        self._slips = np.zeros((n + 1, n))
        self._is_abs = np.zeros(n, dtype=np.bool_)
        at = network.n_columns
        for layer in network.layers:
            units = slice(at, at + len(layer.bias))
            self._weights[:at, units], self._bias[units] = layer.weights, layer.bias
            self._slips[:at, units], self._slips[-1, units] = layer.slips[:-1], layer.slips[-1]
            self._is_abs[units] = layer.curve is Curve.ABS
            used = (layer.weights != 0.0) | (layer.slips[:-1] != 0.0)
            self._level[units] = 1 + np.where(used, self._level[:at, None], 0).max(axis=0)
            at = units.stop
        self._depth = int(self._level.max(initial=0)) + 1
        for unit in range(network.n_columns, n):
            read = (self._weights[:, unit] != 0.0) | (self._slips[:-1, unit] != 0.0)
            self._last[read] = np.maximum(self._last[read], self._level[unit])
        read = (network.weights != 0.0).any(axis=1) | (network.slips[:-1] != 0.0).any(axis=1)
        self._last[read] = self._depth

    def layers(self) -> Layers:
        network, n = self._network, len(self._level)
        found: list[Layer] = []
        # What is known as sums of the lines so far, ``(n_lines, n)``; and which line's size it has.
        known, size = (np.eye(network.n_columns, n) for _ in range(2))
        for level in range(1, self._depth):
            units = np.flatnonzero((self._level == level) & (self._last > level))
            absolute = units[self._is_abs[units]]
            kept = np.flatnonzero((self._level < level) & (self._last > level))
            lines = np.flatnonzero((known[:, kept] != 0.0).any(axis=1))
            sums = np.concatenate([units, absolute])
            weights = np.concatenate(
                [known @ self._weights[:, sums], np.eye(len(known))[:, lines]], axis=1
            )
            slips = np.zeros((len(known) + 1, weights.shape[1]))
            slips[:-1, : len(sums)] = size @ self._slips[:-1, sums]
            slips[-1, : len(sums)] = self._slips[-1, sums]
            bias = np.concatenate([self._bias[sums], np.zeros(len(lines))])
            floor = np.full(len(bias), -np.inf)
            floor[: len(units)] = 0.0
            found.append(Layer(weights, bias, floor, slips))
            new, new_size = np.zeros((len(bias), n)), np.zeros((len(bias), n))
            new[np.arange(len(units)), units] = np.where(self._is_abs[units], 2.0, 1.0)
            new[len(units) + np.arange(len(absolute)), absolute] = -1.0
            new_size[np.arange(len(units)), units] = ~self._is_abs[units]
            new_size[len(units) + np.arange(len(absolute)), absolute] = 1.0
            start = len(sums)
            new[start:, kept], new_size[start:, kept] = known[lines][:, kept], size[lines][:, kept]
            known, size = new, new_size
        slips = np.concatenate([size @ network.slips[:-1], network.slips[-1:]])
        last = Layer(known @ network.weights, network.bias, _floor(network), slips)
        return [*found, last]


def _floor(network: UnitNetwork) -> Floats:
    """What each output is nowhere less than: a sum of what is never negative."""
    units = network.weights[network.n_columns :]
    is_sum = (units >= 0.0).all(axis=0) & ~network.weights[: network.n_columns].any(axis=0)
    return np.where(is_sum, network.bias, -np.inf)

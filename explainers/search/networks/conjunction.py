"""A largest of several numbers below a limit, as one limit for each of them.

``max(a, b) <= limit`` is ``a <= limit`` and ``b <= limit``, ``|a| <= limit`` is ``-limit <= a <=
limit``. Graphs write a largest as a pyramid of units, ``max(a, b) = a + relu(b - a)``; a goal that
adds up at most one such unit of each layer is a largest of sums, exactly.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ifonly.models.graph.curves import Curve
from ifonly.models.graph.units import UnitLayer, UnitNetwork

Floats = npt.NDArray[np.float64]

MOST_LIMITS = 512
"""That one goal may become."""


@dataclass(frozen=True, eq=False)
class KnownSums:
    """Sums of columns and units, and how far the graph's may be from them."""

    weights: Floats
    """``(n_sums, n_known)``"""
    bias: Floats
    """``(n_sums,)``"""
    slips: Floats
    """``(n_sums, n_known + 1)``: as :attr:`ifonly.models.graph.units.UnitLayer.slips`."""


def conjunction(network: UnitNetwork, weights: Floats) -> KnownSums:
    """Sums of what is known, the largest of which is ``weights @ outputs``; so it is with all that
    the graph rounds on the way."""
    rows = (network.weights @ weights)[None, :]
    bias = (network.bias @ weights)[None]
    slips = (network.slips @ np.abs(weights))[None, :]
    found = KnownSums(rows, bias, slips)
    end = len(network.weights)
    for layer in reversed(network.layers):
        begin = end - len(layer.bias)
        own = found.weights[:, begin:end]
        if layer.curve in (Curve.RELU, Curve.ABS):
            ahead = own > 0.0
            # Of a sum of several units each combination of sides would be a sum of its own.
            if (ahead.sum(axis=1) > 1).any() or 2 * len(own) > MOST_LIMITS:
                break
            found = _split(found, layer, begin, end)
        elif own.any():
            break
        end = begin
    return found


def _split(sums: KnownSums, layer: UnitLayer, begin: int, end: int) -> KnownSums:
    """Those that add a unit of the layer, one at most each, twice: on either side of its kink."""
    own = np.maximum(sums.weights[:, begin:end], 0.0)
    both: npt.NDArray[np.bool_] = np.asarray(own.any(axis=1))
    times = own[both]
    n = len(layer.weights)
    less, bias, slips = sums.weights.copy(), sums.bias.copy(), sums.slips.copy()
    less[:, begin:end] = np.minimum(less[:, begin:end], 0.0)
    more, upper = less[both], slips[both]
    slope, shift = times @ layer.weights.T, times @ layer.bias
    more[:, :n] += slope
    slipped = times @ layer.slips.T
    upper[:, :n] += slipped[:, :-1]
    upper[:, -1] += slipped[:, -1]
    if layer.curve is Curve.ABS:
        less[both, :n] -= slope
        bias[both] -= shift
        slips[both] = upper
    return KnownSums(
        np.concatenate([less, more]),
        np.concatenate([bias, sums.bias[both] + shift]),
        np.concatenate([slips, upper]),
    )


def units_read(network: UnitNetwork, rows: Floats) -> npt.NDArray[np.bool_]:
    """Which units the ``rows``, ``(n, n_known)``, depend on, ``(n_units,)``."""
    read: npt.NDArray[np.bool_] = np.asarray(rows.any(axis=0))
    end = rows.shape[1]
    for layer in reversed(network.layers):
        begin = end - len(layer.bias)
        used = read[begin:end]
        if used.any():
            read[: len(layer.weights)] |= layer.weights[:, used].any(axis=1)
        end = begin
    return np.asarray(read[network.n_columns :])

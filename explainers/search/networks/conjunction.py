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

MOST_LIMITS = 1024
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
            for k in np.flatnonzero(ahead.any(axis=0)):
                found = _split(found, layer, int(k), begin + int(k))
        elif own.any():
            break
        end = begin
    return found


def _split(sums: KnownSums, layer: UnitLayer, k: int, unit: int) -> KnownSums:
    """Those that add a unit, twice: on either side of its kink."""
    both: npt.NDArray[np.bool_] = np.asarray(sums.weights[:, unit] > 0.0)
    times = sums.weights[both, unit]
    n = len(layer.weights)
    less, more = sums.weights.copy(), sums.weights[both]
    less[both, unit] = 0.0
    more[:, unit] = 0.0
    more[:, :n] += times[:, None] * layer.weights[:, k]
    bias, slips = sums.bias.copy(), sums.slips.copy()
    slipped = times[:, None] * layer.slips[:, k]
    upper = slips[both]
    upper[:, :n] += slipped[:, :-1]
    upper[:, -1] += slipped[:, -1]
    if layer.curve is Curve.ABS:
        less[both, :n] -= times[:, None] * layer.weights[:, k]
        bias[both] -= times * layer.bias[k]
        slips[both] = upper
    return KnownSums(
        np.concatenate([less, more]),
        np.concatenate([bias, sums.bias[both] + times * layer.bias[k]]),
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

"""Between which a network's sums lie, and how far from ours a graph's may be that rounds.

Each product is rounded by a unit of itself, each sum by a unit of what it comes to, which in any
order is no more than all that is positive in it, or all that is negative (Higham 2002, 4.2). A
curve hands on what its slope makes of that, and is itself off by some units in the last place.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ifonly.explainers.errors import NotEligible
from ifonly.explainers.search.networks.network import Network
from ifonly.models.graph.layers import Matrix
from ifonly.models.graph.units import Curve

Floats = npt.NDArray[np.float64]

MARGIN = 1e-9
"""Part of their size by which intervals are widened, for the rounding of their own arithmetic."""
ULPS = 32.0
"""Units by which a function of one number, such as ``exp``, may be off (twice what sessions were
seen to differ by)."""


@dataclass(frozen=True, eq=False)
class Ranges:
    """What a network comes to for columns that are each between two numbers."""

    low: Floats
    """``(n_outputs,)``, like the next two."""
    high: Floats
    error: Floats
    """How far from ours the graph's outputs may be."""
    blur: Floats
    """``(n_units,)``: the same of the units' sums."""
    size: Floats
    """``(n_outputs,)``: no part of an output is larger."""
    largest: float
    """No sum of the graph is larger in magnitude, nor any part of one, in whatever order."""

    @classmethod
    def of(cls, network: Network, low: Floats, high: Floats, off: Floats) -> Ranges:
        """Columns from ``low`` to ``high`` that are themselves off by ``off``, ``(n_columns,)``.

        Raises
        ------
        NotEligible
            If a unit may have no number.
        """
        blur, largest = [np.zeros(0)], 0.0
        for layer in network.layers:
            least, most, error, size = _through(network, low, high, off, layer.weights, layer.bias)
            largest = max(largest, float(size.max(initial=0.0)))
            blur.append(error)
            least, most, error = _bent(layer.curve, least, most, error, network.unit)
            low, high = np.concatenate([low, least]), np.concatenate([high, most])
            off = np.concatenate([off, error])
        least, most, error, size = _through(network, low, high, off, network.weights, network.bias)
        largest = max(largest, float(size.max(initial=0.0)), float(np.abs([low, high]).max()))
        return cls(least, most, error, np.concatenate(blur), size, largest)


def _through(
    network: Network, low: Floats, high: Floats, off: Floats, weights: Matrix, bias: Matrix
) -> tuple[Floats, Floats, Floats, Floats]:
    """Least and greatest sums, their error, and the size of all that is added up in each."""
    magnitude = np.abs(weights)
    up, down = np.maximum(weights, 0.0), np.minimum(weights, 0.0)
    least, most = low @ up + high @ down + bias, high @ up + low @ down + bias
    sizes = np.maximum(np.abs(low), np.abs(high))
    # Products with 0 are exact and add nothing; two more for the product itself and the bias.
    n = np.count_nonzero((sizes + off)[:, None] * magnitude, axis=0) + 2
    handed_on = off @ magnitude
    size = sizes @ magnitude + np.abs(bias) + handed_on
    total = np.maximum(np.abs(least), np.abs(most))
    part = 0.5 * (size + total) + handed_on
    error = handed_on + network.unit / (1.0 - (n + 1) * network.unit) * (size + n * part)
    # What is never negative, as a sum of squares, is not made so by widening.
    slack = MARGIN * np.maximum(1.0, total)
    never = (low @ up >= 0.0) & (high @ down >= 0.0) & (bias >= 0.0)
    return np.where(never, np.maximum(least - slack, 0.0), least - slack), most + slack, error, size


def _bent(
    curve: Curve, low: Floats, high: Floats, off: Floats, unit: float
) -> tuple[Floats, Floats, Floats]:
    """Least and greatest values of a curve, and their error."""
    first, last = low - off, high + off
    if (
        (curve is Curve.SQRT and (low < 0.0).any())
        or (curve in (Curve.LOG, Curve.RECIPROCAL) and not ((first > 0.0) | (last < 0.0)).all())
        or (curve is Curve.LOG and (first <= 0.0).any())
    ):
        raise NotEligible("networks", f"a {curve} may have no number")
    with np.errstate(all="ignore"):
        ends = np.stack([curve(low), curve(high)])
        least, most = ends.min(axis=0), ends.max(axis=0)
        if curve in (Curve.ABS, Curve.SQUARE):
            least = np.where((low < 0.0) & (high > 0.0), 0.0, least)
        own = ULPS * unit * np.maximum(np.abs(least), np.abs(most))
        match curve:
            case Curve.RELU:
                # Where ours is below 0, the graph's unit lets through no more than it is above 0.
                error = np.maximum(np.minimum(off, high + off), 0.0)
            case Curve.ABS:
                error = off
            case Curve.STEP:
                # Lines and rows of steps know how near the jump is (see `blur`).
                error = np.zeros_like(off)
            case Curve.SQUARE:
                error = off * (2.0 * np.maximum(np.abs(low), np.abs(high)) + off) + own
            case Curve.TANH | Curve.SOFTPLUS:
                error = off + own
            case Curve.SIGMOID:
                error = 0.25 * off + own
            case Curve.ERF:
                error = 1.1284 * off + own
            case Curve.EXP:
                error = np.exp(last) * off + own
            case Curve.LOG:
                error = off / first + own
            case Curve.SQRT:
                # Nowhere more than the root of what it is off by, which near 0 is the worst.
                steep = off / (2.0 * np.sqrt(np.maximum(first, 1e-300)))
                error = np.minimum(np.sqrt(off), steep) + own
            case Curve.RECIPROCAL:
                error = off / np.minimum(first**2, last**2) + own
    if not np.isfinite([least, most, error]).all():
        raise NotEligible("networks", f"a {curve} may have no finite number")
    return least, most, error

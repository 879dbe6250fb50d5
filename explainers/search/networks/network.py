"""A model's mathematics as a network of units, and as arrays."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ifonly.explainers.errors import NotEligible
from ifonly.explainers.search.networks.arrays import CURVES, UnitArrays
from ifonly.models.graph.forms import Core, ReluNetwork, UnitNetwork
from ifonly.models.graph.intervals import NetworkBounds
from ifonly.models.graph.layers import Matrix
from ifonly.models.graph.units import Curve, UnitLayer

Floats = npt.NDArray[np.float64]


def as_units(core: Core) -> UnitNetwork:
    """The same network, each of whose layers may read all that is before it.

    Raises
    ------
    NotEligible
        If it is none, or has a curve between which and straight lines nothing is known.
    """
    if isinstance(core, ReluNetwork):
        return _of_chain(core)
    if not isinstance(core, UnitNetwork):
        raise NotEligible("networks", "the graph is no network of units")
    for layer in core.layers:
        if layer.curve not in CURVES:
            raise NotEligible("networks", f"{layer.curve} is bounded by no lines")
    return core


def _of_chain(core: ReluNetwork) -> UnitNetwork:
    *hidden, (weights, bias) = core.layers
    n_known, reads = core.n_columns, 0
    layers = []
    for matrix, shift in hidden:
        below = _below(reads, n_known, matrix)
        layers.append(UnitLayer.plain(below, shift.astype(np.float64), Curve.RELU))
        reads, n_known = n_known, n_known + len(shift)
    last = _below(reads, n_known, weights)
    return UnitNetwork.plain(tuple(layers), last, bias.astype(np.float64), core.dtype)


def _below(skipped: int, n_known: int, matrix: Matrix) -> Floats:
    """Weights that read nothing of the first ``skipped``."""
    assert skipped + len(matrix) == n_known
    nothing = np.zeros((skipped, matrix.shape[1]))
    return np.concatenate([nothing, matrix.astype(np.float64)])


def arrays_of(network: UnitNetwork, bounds: NetworkBounds, extra: int) -> UnitArrays:
    """A network whose units' sums are bounded, with ``extra`` columns more that no unit reads."""
    first, curve = [0], []
    begins: list[int] = []
    ends: list[int] = []
    start: list[int] = []
    weight = [np.zeros(0)]
    n, n_columns = 0, network.n_columns
    for layer in network.layers:
        used = np.flatnonzero(layer.weights.any(axis=1))
        begin, end = (int(used[0]), int(used[-1]) + 1) if len(used) else (0, 0)
        part = layer.weights[begin:end]
        # A layer that reads columns and units goes over those between them, too.
        if begin < n_columns < end and extra:
            gap = np.zeros((extra, part.shape[1]))
            part = np.concatenate([part[: n_columns - begin], gap, part[n_columns - begin :]])
        shift = extra if begin >= n_columns else 0
        begins.append(begin + shift)
        ends.append(begin + shift + len(part))
        start += range(n, n + part.size, len(part)) if part.size else [n] * part.shape[1]
        weight.append(part.T.ravel())
        n += part.size
        first.append(first[-1] + len(layer.bias))
        curve.append(CURVES[layer.curve])
    sums, nothing = bounds.layers, np.zeros(0)
    low = np.concatenate([nothing, *(each.low for each in sums)])
    roots = np.repeat([layer.curve is Curve.SQRT for layer in network.layers], np.diff(first))
    return UnitArrays(
        columns=n_columns + extra,
        first=_whole(first),
        curve=_whole(curve),
        from_=_whole(begins),
        till=_whole(ends),
        start=_whole(start),
        weight=np.concatenate(weight),
        bias=np.concatenate([nothing, *(layer.bias for layer in network.layers)]),
        blur=np.concatenate([nothing, *(each.off for each in sums)]),
        # Where every row has a number, only our own rounding may put a root's sum below 0.
        low=np.where(roots, np.maximum(low, 0.0), low) if len(low) else low,
        high=np.concatenate([nothing, *(each.high for each in sums)]),
    )


def spread(network: UnitNetwork, known: Floats, extra: int) -> Floats:
    """Weights of what is known, ``(n_known,)``, with ``extra`` columns between."""
    gap = np.zeros(extra)
    return np.concatenate([known[: network.n_columns], gap, known[network.n_columns :]])


def _whole(numbers: Sequence[int]) -> npt.NDArray[np.int64]:
    return np.array(numbers, dtype=np.int64)

"""A model's mathematics as a network of units, and as arrays."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ifonly.explainers.errors import NotEligible
from ifonly.explainers.search.networks.arrays import CURVES, UnitArrays
from ifonly.models.graph.forms import Core, ReluNetwork, UnitNetwork
from ifonly.models.graph.intervals import SECOND, ULPS, NetworkBounds
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


def arrays_of(
    network: UnitNetwork, bounds: NetworkBounds, extra: int, read: npt.NDArray[np.bool_]
) -> UnitArrays:
    """A network whose units' sums are bounded, with ``extra`` columns more that no unit reads.

    Parameters
    ----------
    network : UnitNetwork
    bounds : NetworkBounds
    extra : int
    read : ndarray of bool, shape (n_units,)
        Units that matter; others are left out.
    """
    first, curve = [0], []
    begins: list[int] = []
    ends: list[int] = []
    start: list[int] = []
    weight, slips, slip = [np.zeros(0)], [np.zeros(0)], [np.zeros(0)]
    size = bounds.known.size
    n, n_columns = 0, network.n_columns
    known = np.concatenate([np.ones(n_columns, dtype=np.bool_), read])
    wanted = _by_layer(network, read)
    for layer, own in zip(network.layers, wanted, strict=True):
        here = known[: len(layer.weights)]
        off = rounded(network, layer.slips[:, own])
        # What is left out is as large as it may be anywhere.
        slip.append(off[-1] + size[: len(here)][~here] @ off[:-1][~here])
        both = np.stack([layer.weights[here][:, own], off[:-1][here]])
        used = np.flatnonzero(both.any(axis=(0, 2)))
        begin, end = (int(used[0]), int(used[-1]) + 1) if len(used) else (0, 0)
        part = both[:, begin:end]
        # A layer that reads columns and units goes over those between them, too.
        if begin < n_columns < end and extra:
            gap = np.zeros((2, extra, part.shape[2]))
            part = np.concatenate(
                [part[:, : n_columns - begin], gap, part[:, n_columns - begin :]], axis=1
            )
        shift = extra if begin >= n_columns else 0
        begins.append(begin + shift)
        _, length, n_own = part.shape
        ends.append(begin + shift + length)
        start += range(n, n + length * n_own, length) if length else [n] * n_own
        weight.append(part[0].T.ravel())
        slips.append(part[1].T.ravel())
        n += length * n_own
        first.append(first[-1] + n_own)
        curve.append(CURVES[layer.curve])
    sums, nothing = bounds.layers, np.zeros(0)
    low = np.concatenate([nothing, *(each.low for each in sums)])[read]
    roots = np.repeat([layer.curve is Curve.SQRT for layer in network.layers], np.diff(first))
    return UnitArrays(
        columns=n_columns + extra,
        first=_whole(first),
        curve=_whole(curve),
        from_=_whole(begins),
        till=_whole(ends),
        start=_whole(start),
        weight=np.concatenate(weight),
        slips=np.concatenate(slips),
        slip=np.concatenate(slip),
        off=spread(network, bounds.known.off[known], extra),
        ulp=_ulps(network)[read],
        bias=np.concatenate([nothing, *(layer.bias for layer in network.layers)])[read],
        blur=np.concatenate([nothing, *(each.off for each in sums)])[read],
        # Where every row has a number, only our own rounding may put a root's sum below 0.
        low=np.where(roots, np.maximum(low, 0.0), low) if len(low) else low,
        high=np.concatenate([nothing, *(each.high for each in sums)])[read],
    )


def _by_layer(network: UnitNetwork, read: npt.NDArray[np.bool_]) -> list[npt.NDArray[np.bool_]]:
    ends = np.cumsum([len(layer.bias) for layer in network.layers])
    return np.split(read, ends[:-1]) if len(ends) else []


def rounded(network: UnitNetwork, slips: Floats) -> Floats:
    """``slips`` in units of what is summed up: what roundings of roundings add is in it."""
    unit = float(np.finfo(network.dtype).eps) / 2.0
    return np.asarray(SECOND * unit * slips)


def _ulps(network: UnitNetwork) -> Floats:
    """Part of a unit's value by which its curve may be rounded, ``(n_units,)``."""
    unit = float(np.finfo(network.dtype).eps) / 2.0
    each = [
        np.full(len(layer.bias), 0.0 if layer.curve.is_piecewise_linear else ULPS * unit)
        for layer in network.layers
    ]
    return np.concatenate([np.zeros(0), *each])


def spread(network: UnitNetwork, known: Floats, extra: int) -> Floats:
    """Weights of what is known, ``(n_known,)``, with ``extra`` columns between."""
    gap = np.zeros((extra, *known.shape[1:]))
    return np.concatenate([known[: network.n_columns], gap, known[network.n_columns :]])


def _whole(numbers: Sequence[int]) -> npt.NDArray[np.int64]:
    return np.array(numbers, dtype=np.int64)

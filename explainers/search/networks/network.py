"""A model's mathematics as a network of units, in float64 and as arrays."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from ifonly.explainers.search.networks.arrays import CURVES, Units
from ifonly.models.graph.forms import ReluNetwork
from ifonly.models.graph.layers import Matrix
from ifonly.models.graph.units import Curve, UnitLayer, UnitNetwork

Floats = npt.NDArray[np.float64]


def as_units(core: ReluNetwork | UnitNetwork) -> UnitNetwork:
    """The same network, each of whose layers may read all that is before it."""
    if isinstance(core, UnitNetwork):
        return core
    *hidden, (weights, bias) = core.layers
    n_known, layers = core.n_columns, []
    reads = 0
    for matrix, shift in hidden:
        layers.append(UnitLayer(_below(reads, n_known, matrix), shift, Curve.RELU))
        reads, n_known = n_known, n_known + len(shift)
    return UnitNetwork(tuple(layers), _below(reads, n_known, weights), bias)


def _below(skipped: int, n_known: int, matrix: Matrix) -> Matrix:
    """Weights that read nothing of the first ``skipped``."""
    assert skipped + len(matrix) == n_known
    return np.concatenate([np.zeros((skipped, matrix.shape[1]), dtype=matrix.dtype), matrix])


@dataclass(frozen=True, eq=False)
class Network:
    """A network in float64, so that our own error is far below that of a float32 graph."""

    layers: tuple[UnitLayer, ...]
    weights: Floats
    """``(n_known, n_outputs)``"""
    bias: Floats
    unit: float
    """Rounding of one operation of the graph, or of ours, relative to its result."""

    @classmethod
    def of(cls, core: UnitNetwork) -> Network:
        layers = tuple(
            UnitLayer(each.weights.astype(np.float64), each.bias.astype(np.float64), each.curve)
            for each in core.layers
        )
        eps = float(np.finfo(core.dtype).eps) + float(np.finfo(np.float64).eps)
        weights, bias = core.weights.astype(np.float64), core.bias.astype(np.float64)
        return cls(layers, weights, bias, 0.5 * eps)

    @property
    def n_columns(self) -> int:
        return len(self.layers[0].weights) if self.layers else len(self.weights)

    @property
    def n_units(self) -> int:
        return sum(len(layer.bias) for layer in self.layers)

    @cached_property
    def exact(self) -> UnitNetwork:
        return UnitNetwork(self.layers, self.weights, self.bias)

    def raw(self, columns: Floats) -> Floats:
        """``(n, n_outputs)`` for columns ``(n, n_columns)``."""
        with np.errstate(all="ignore"):
            return self.exact.raw(columns)

    def units(self, extra: int, blur: Floats) -> Units:
        """As arrays, with ``extra`` columns more that no unit reads."""
        first, curve = [0], []
        begins: list[int] = []
        ends: list[int] = []
        start: list[int] = []
        weight: list[Floats] = []
        n = 0
        for layer in self.layers:
            used = np.flatnonzero(layer.weights.any(axis=1))
            begin, end = (int(used[0]), int(used[-1]) + 1) if len(used) else (0, 0)
            part = np.asarray(layer.weights[begin:end], dtype=np.float64)
            # A layer that reads columns and units goes over those between them, too.
            if begin < self.n_columns < end and extra:
                gap = np.zeros((extra, part.shape[1]))
                part = np.concatenate(
                    [part[: self.n_columns - begin], gap, part[self.n_columns - begin :]]
                )
            shift = extra if begin >= self.n_columns else 0
            begins.append(begin + shift)
            ends.append(begin + shift + len(part))
            start += range(n, n + part.size, len(part)) if part.size else [n] * part.shape[1]
            weight.append(part.T.ravel())
            n += part.size
            first.append(first[-1] + len(layer.bias))
            curve.append(CURVES[layer.curve])
        return Units(
            columns=self.n_columns + extra,
            first=_whole(first),
            curve=_whole(curve),
            from_=_whole(begins),
            till=_whole(ends),
            start=_whole(start),
            weight=np.concatenate([np.zeros(0), *weight]),
            bias=np.concatenate([np.zeros(0), *(layer.bias for layer in self.layers)]),
            blur=blur,
        )

    def spread(self, known: Floats, extra: int) -> Floats:
        """Weights of what is known, ``(n_known,)``, with ``extra`` columns between."""
        gap = np.zeros(extra)
        return np.concatenate([known[: self.n_columns], gap, known[self.n_columns :]])


def _whole(numbers: Sequence[int]) -> npt.NDArray[np.int64]:
    return np.array(numbers, dtype=np.int64)

"""Networks of units: each is a curve of a sum of columns and of units before it.

Layers that skip others, differences, absolute values, largest and least of several, products and
convolutions over a window are all such networks: ``max(a, b) = a + relu(b - a)``, ``a b =
((a + b)^2 - (a - b)^2) / 4``.
"""

from __future__ import annotations

import sys
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from ifonly.models.graph.curves import Curve

__all__ = ["Curve", "UnitLayer", "UnitNetwork", "slips_of_sums"]

Floats = npt.NDArray[np.float64]

ALONE = 1 << 18
"""Multiplications of a product of matrices up to which OpenBLAS keeps to one thread: where others
work, a second one is waited for ten times as long as the product takes."""
FEW = 32


def slips_of_sums(weights: Floats, bias: Floats) -> Floats:
    """The slips of products with ``weights``, ``(n_known, n)``, and a bias, ``(n,)``, added up in
    any order (Higham 2002, 4.2)."""
    # A product with 0 is exact, and so is adding it; each other takes part in as many roundings as
    # there are numbers, the bias one of them.
    steps = np.count_nonzero(weights, axis=0) + 1
    return np.asarray(np.concatenate([np.abs(weights), np.abs(bias)[None]]) * steps)


@dataclass(frozen=True, eq=False)
class UnitLayer:
    """Units that do not read each other, all of one curve."""

    weights: Floats
    """``(n_known, n_units)``: of the columns, then of the units of every layer before, in order."""
    bias: Floats
    """``(n_units,)``."""
    curve: Curve
    slips: Floats
    """``(n_known + 1, n_units)``: the graph's sums are off from these by no more than ``(|known|,
    1) @ slips`` units of its rounding, for it may take them in more steps than one."""

    @classmethod
    def plain(cls, weights: Floats, bias: Floats, curve: Curve) -> UnitLayer:
        """A layer whose sums the graph takes in one step."""
        return cls(weights, bias, curve, slips_of_sums(weights, bias))


@dataclass(frozen=True, eq=False)
class UnitNetwork:
    """Outputs are sums of columns and units.

    In float64: layers that follow one another without a curve, and what stands between them, are
    multiplied out, and what the graph makes of that in its own type is in the slips.
    """

    layers: tuple[UnitLayer, ...]
    weights: Floats
    """``(n_columns + n_units of all layers, n_outputs)``."""
    bias: Floats
    """``(n_outputs,)``."""
    slips: Floats
    """``(n_known + 1, n_outputs)``: as :attr:`UnitLayer.slips`."""
    peak: Floats
    """``(n_known + 1,)``: no number that the graph makes on its way is larger than ``(|known|, 1) @
    peak``."""
    dtype: np.dtype[Any]
    """The coarsest type in which the graph computes: float32 or float64."""

    @classmethod
    def plain(
        cls, layers: tuple[UnitLayer, ...], weights: Floats, bias: Floats, dtype: np.dtype[Any]
    ) -> UnitNetwork:
        """A network whose sums the graph takes in one step each."""
        slips = slips_of_sums(weights, bias)
        peak = np.concatenate([np.ones(len(weights)), [0.0]])
        for w, b in (*((layer.weights, layer.bias) for layer in layers), (weights, bias)):
            peak[: len(w)] = np.maximum(peak[: len(w)], np.abs(w).max(axis=1, initial=0.0))
            peak[-1] = max(peak[-1], float(np.abs(b).max(initial=0.0)))
        return cls(layers, weights, bias, slips, peak, dtype)

    @cached_property
    def n_columns(self) -> int:
        return len(self.layers[0].weights) if self.layers else len(self.weights)

    @property
    def n_outputs(self) -> int:
        return len(self.bias)

    @property
    def n_units(self) -> int:
        return len(self.weights) - self.n_columns

    @property
    def is_piecewise_linear(self) -> bool:
        return all(layer.curve.is_piecewise_linear for layer in self.layers)

    def raw(self, matrix: npt.NDArray[np.floating[Any]]) -> Floats:
        """``(n, n_outputs)`` for the rows of ``matrix``, ``(n, n_columns)``."""
        most = self._rows_together
        if len(matrix) <= most:
            return self._raw(matrix)
        return np.concatenate(
            [self._raw(matrix[k : k + most]) for k in range(0, len(matrix), most)]
        )

    @cached_property
    def _rows_together(self) -> int:
        widest = max((layer.weights.size for layer in self.layers), default=1)
        rows = ALONE // max(widest, 1)
        # Of few rows a large product is worth its threads.
        return rows if rows >= FEW else sys.maxsize

    def _raw(self, matrix: npt.NDArray[np.floating[Any]]) -> Floats:
        known = np.empty((len(matrix), len(self.weights)))
        known[:, : self.n_columns] = matrix
        at = self.n_columns
        for layer in self.layers:
            till = at + len(layer.bias)
            known[:, at:till] = layer.curve(known[:, :at] @ layer.weights + layer.bias)
            at = till
        return np.asarray(known @ self.weights + self.bias)

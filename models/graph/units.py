"""Networks of units: each is a curve of a sum of columns and of units before it.

Layers that skip others, differences, absolute values, largest and least of several, products and
convolutions over a window are all such networks: ``max(a, b) = a + relu(b - a)``, ``a b =
((a + b)^2 - (a - b)^2) / 4``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property
from typing import Any

import numpy as np
import numpy.typing as npt

from ifonly.models.graph.layers import Matrix

Floats = npt.NDArray[np.float64]


class Curve(StrEnum):
    """A function of one number."""

    RELU = "relu"
    ABS = "abs"
    STEP = "step"
    """1 above 0, else 0."""
    SQUARE = "square"
    TANH = "tanh"
    SIGMOID = "sigmoid"
    ERF = "erf"
    EXP = "exp"
    SOFTPLUS = "softplus"
    LOG = "log"
    SQRT = "sqrt"
    RECIPROCAL = "reciprocal"

    @property
    def is_piecewise_linear(self) -> bool:
        return self in (Curve.RELU, Curve.ABS, Curve.STEP)

    def __call__(self, sums: Matrix) -> Matrix:
        """Of each of ``sums``, in their own type, same shape."""
        match self:
            case Curve.RELU:
                return np.maximum(sums, 0)
            case Curve.ABS:
                return np.abs(sums)
            case Curve.STEP:
                return (sums > 0).astype(sums.dtype)
            case Curve.SQUARE:
                return sums * sums
            case Curve.TANH:
                return np.tanh(sums)
            case Curve.SIGMOID:
                # Of the smaller exponential: neither end overflows.
                small = np.exp(-np.abs(sums))
                return np.asarray(np.where(sums >= 0, 1, small) / (1 + small), dtype=sums.dtype)
            case Curve.ERF:
                return np.asarray(_erf(sums), dtype=sums.dtype)
            case Curve.EXP:
                return np.exp(sums)
            case Curve.SOFTPLUS:
                return np.logaddexp(sums, np.zeros_like(sums))
            case Curve.LOG:
                return np.log(sums)
            case Curve.SQRT:
                return np.sqrt(sums)
            case Curve.RECIPROCAL:
                return 1 / sums


_erf = np.vectorize(math.erf, otypes=[np.float64])
"""numpy has none."""


@dataclass(frozen=True, eq=False)
class UnitLayer:
    """Units that do not read each other, all of one curve."""

    weights: Matrix
    """``(n_known, n_units)``: of the columns, then of the units of every layer before, in order."""
    bias: Matrix
    """``(n_units,)``."""
    curve: Curve


@dataclass(frozen=True, eq=False)
class UnitNetwork:
    """Outputs are sums of columns and units."""

    layers: tuple[UnitLayer, ...]
    weights: Matrix
    """``(n_columns + n_units of all layers, n_outputs)``."""
    bias: Matrix
    """``(n_outputs,)``; all arrays of one type, in which the graph computes."""

    @property
    def dtype(self) -> np.dtype[Any]:
        return self.weights.dtype

    @cached_property
    def n_columns(self) -> int:
        return len(self.layers[0].weights) if self.layers else len(self.weights)

    @property
    def n_outputs(self) -> int:
        return len(self.bias)

    @property
    def is_piecewise_linear(self) -> bool:
        return all(layer.curve.is_piecewise_linear for layer in self.layers)

    def raw(self, matrix: Matrix) -> Floats:
        """``(n, n_outputs)`` for the rows of ``matrix``, ``(n, n_columns)``."""
        # In the graph's own type, so that it rounds as the graph does but for the order of sums.
        known = np.empty((len(matrix), len(self.weights)), dtype=self.dtype)
        known[:, : self.n_columns] = matrix
        at = self.n_columns
        for layer in self.layers:
            till = at + len(layer.bias)
            known[:, at:till] = layer.curve(known[:, :at] @ layer.weights + layer.bias)
            at = till
        return np.asarray(known @ self.weights + self.bias, dtype=np.float64)

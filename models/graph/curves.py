"""Functions of one number that units of a network compute."""

from __future__ import annotations

import math
from enum import StrEnum
from typing import Any

import numpy as np
import numpy.typing as npt

Matrix = npt.NDArray[np.floating[Any]]
Floats = npt.NDArray[np.float64]


_erf = np.vectorize(math.erf, otypes=[np.float64])


def erf(x: Matrix) -> Matrix:
    """The error function, in the type of ``x``; scipy is no dependency of the service."""
    return np.asarray(_erf(x), dtype=x.dtype)


def expit(x: Matrix) -> Matrix:
    """``1 / (1 + exp(-x))``, in the type of ``x``."""
    # Of the smaller exponential: neither end overflows.
    small = np.exp(-np.abs(x))
    return np.asarray(np.where(x >= 0, 1, small) / (1 + small), dtype=x.dtype)


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
    SILU = "silu"
    """``x sigmoid(x)``: Swish."""
    GELU = "gelu"
    """``x (1 + erf(x / sqrt 2)) / 2``."""
    GELU_TANH = "gelu-tanh"
    """``x (1 + tanh(sqrt(2 / pi) (x + 0.044715 x^3))) / 2``."""
    MISH = "mish"
    """``x tanh(softplus(x))``."""

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
                return np.asarray(expit(sums))
            case Curve.ERF:
                return np.asarray(erf(sums))
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
            case Curve.SILU:
                return np.asarray(sums * expit(sums))
            case Curve.GELU:
                return np.asarray(sums * 0.5 * (1 + erf(sums * math.sqrt(0.5))))
            case Curve.GELU_TANH:
                cubic = sums + 0.044715 * sums * sums * sums
                return np.asarray(sums * expit(2.0 * math.sqrt(2.0 / math.pi) * cubic))
            case Curve.MISH:
                return np.asarray(sums * np.tanh(np.logaddexp(sums, np.zeros_like(sums))))

    @property
    def least(self) -> float:
        """The function is nowhere less; minus infinity where that is not so."""
        return _LEAST.get(self, -np.inf)

    def is_defined(self, low: Floats, high: Floats) -> npt.NDArray[np.bool_]:
        """Whether it is a number everywhere from ``low`` to ``high``."""
        match self:
            case Curve.LOG:
                return np.asarray(low > 0.0)
            case Curve.SQRT:
                return np.asarray(low >= 0.0)
            case Curve.RECIPROCAL:
                return np.asarray((low > 0.0) | (high < 0.0))
            case _:
                return np.ones(low.shape, dtype=np.bool_)

    def span(self, low: Floats, high: Floats) -> tuple[Floats, Floats]:
        """Its least and greatest value from ``low`` to ``high``, where it :meth:`is_defined`."""
        ends = np.asarray(self(low)), np.asarray(self(high))
        least, most = np.minimum(*ends), np.maximum(*ends)
        dip = _DIPS.get(self)
        if dip is not None:
            # Falls up to the dip and rises behind it.
            bottom = np.asarray(self(np.array(dip)))
            least = np.where((low <= dip) & (high >= dip), np.minimum(least, bottom), least)
        return least, most

    def steepest(self, low: Floats, high: Floats) -> Floats:
        """No slope between ``low`` and ``high`` is larger in magnitude than this."""
        near = np.maximum(np.maximum(low, -high), 0.0)  # least distance from 0
        far = np.maximum(np.abs(low), np.abs(high))
        match self:
            case Curve.RELU:
                return np.where(high > 0.0, 1.0, 0.0)
            case Curve.STEP:
                return np.where((low <= 0.0) & (high >= 0.0), np.inf, 0.0)
            case Curve.SQUARE:
                return np.asarray(2.0 * far)
            case Curve.TANH:
                return np.asarray(1.0 - np.tanh(near) ** 2)
            case Curve.SIGMOID:
                return np.asarray(expit(near) * expit(-near))
            case Curve.ERF:
                return np.asarray(2.0 / np.sqrt(np.pi) * np.exp(-near * near))
            case Curve.EXP:
                return np.asarray(np.exp(high))
            case Curve.SOFTPLUS:
                return np.asarray(expit(high))
            case Curve.LOG:
                return np.asarray(1.0 / low)
            case Curve.SQRT:
                return np.asarray(0.5 / np.sqrt(low))
            case Curve.RECIPROCAL:
                return np.asarray(1.0 / (near * near))
            case _:
                return np.full(low.shape, _STEEPEST[self])


_LEAST = {
    Curve.RELU: 0.0,
    Curve.ABS: 0.0,
    Curve.STEP: 0.0,
    Curve.SQUARE: 0.0,
    Curve.TANH: -1.0,
    Curve.SIGMOID: 0.0,
    Curve.ERF: -1.0,
    Curve.EXP: 0.0,
    Curve.SOFTPLUS: 0.0,
    Curve.SQRT: 0.0,
    Curve.SILU: -0.27846454276108,
    Curve.GELU: -0.16997120747991,
    Curve.GELU_TANH: -0.17004075057126,
    Curve.MISH: -0.30884341301726,
}

_DIPS = {
    Curve.ABS: 0.0,
    Curve.SQUARE: 0.0,
    Curve.SILU: -1.27846454278,
    Curve.GELU: -0.75179152472,
    Curve.GELU_TANH: -0.75246142210,
    Curve.MISH: -1.19243121454,
}
"""Where curves that are not monotone have their only valley."""

_STEEPEST = {
    Curve.ABS: 1.0,
    Curve.SILU: 1.1,
    Curve.GELU: 1.13,
    Curve.GELU_TANH: 1.13,
    Curve.MISH: 1.09,
}

"""What ONNX Runtime does with the sums of a tree ensemble: ``post_transform``.

All of it is done in float32, even where trees are added in float64.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any

import numpy as np
import numpy.typing as npt

from ifonly.models.graph.cells import Cells, along_last, each, shared
from ifonly.models.graph.operators.base import Tensor

Single = npt.NDArray[np.float32]

_ONE = np.float32(1)
# The limit in ONNX Runtime's own code.
_NEARLY_ZERO = np.float32(1e-7)


class Transform(StrEnum):
    """``post_transform``."""

    NONE = "NONE"
    SOFTMAX = "SOFTMAX"
    LOGISTIC = "LOGISTIC"
    SOFTMAX_ZERO = "SOFTMAX_ZERO"
    PROBIT = "PROBIT"


@dataclass(frozen=True)
class PostTransform:
    """Scores of two or more outputs, or of a regression."""

    transform: Transform
    dtype: np.dtype[Any]
    """Type of the node's output."""

    def run(self, *tensors: Tensor) -> Tensor:
        (raw,) = tensors
        if self.transform is Transform.NONE:
            return raw.astype(self.dtype, copy=False)
        # In float32 even where trees are added in float64, as ONNX Runtime does.
        return _FUNCTIONS[self.transform](raw.astype(np.float32)).astype(self.dtype, copy=False)

    def trace(self, *cells: Cells) -> Cells:
        (raw,) = cells
        match self.transform:
            case Transform.NONE:
                return raw
            case Transform.LOGISTIC:
                return each(raw, lambda cell: cell.moved(1, unit=True))
            case Transform.PROBIT:
                return each(raw, lambda cell: cell.moved(1))
            case Transform.SOFTMAX:
                return along_last(raw, shared)
            case Transform.SOFTMAX_ZERO:
                return along_last(raw, lambda line: shared(line, keeps_order=False))


@dataclass(frozen=True)
class BinaryScores:
    """Scores of two classes from the one sum ``s`` that a binary classifier has.

    ``(logistic(-s), logistic(s))`` for LOGISTIC; for any other ``post_transform``, ``(1 - s, s)``
    where no weight is negative, and ``(-s, s)`` else.
    """

    all_positive: bool
    transform: Transform
    dtype: np.dtype[Any]
    """Type of the sum."""

    def run(self, *tensors: Tensor) -> Tensor:
        (raw,) = tensors
        if self.transform is Transform.LOGISTIC:
            plain = raw.astype(np.float32)
            both = np.concatenate([logistic(-plain), logistic(plain)], axis=1)
        elif self.all_positive:
            both = np.concatenate([self.dtype.type(1) - raw, raw], axis=1)
        else:
            both = np.concatenate([-raw, raw], axis=1)
        return both.astype(np.float32, copy=False)

    def trace(self, *cells: Cells) -> Cells:
        (raw,) = cells
        unit = self.transform is Transform.LOGISTIC
        negative = each(raw, lambda cell: cell.moved(-1, unit=unit, alike=False))
        positive = each(raw, lambda cell: cell.moved(1, unit=unit, alike=False))
        both = np.concatenate([negative, positive], axis=1)
        return each(both, lambda cell: replace(cell, share=unit))


def logistic(x: Single) -> Single:
    """``1 / (1 + exp(-x))`` as ONNX Runtime's ml operators compute it."""
    # Of the absolute value, so that no power overflows.
    v = _ONE / (_ONE + exp(-np.abs(x)))
    return np.asarray(np.where(x < 0, _ONE - v, v), dtype=np.float32)


def exp(x: Single) -> Single:
    """E to the ``x``, rounded once: what C's ``expf`` yields but for the rarest case."""
    return np.exp(x.astype(np.float64)).astype(np.float32)


def _softmax(x: Single) -> Single:
    # Less the greatest, so that no power overflows.
    powers = exp(x - x.max(axis=1, keepdims=True))
    return powers / _sum(powers)


def _softmax_zero(x: Single) -> Single:
    largest = x.max(axis=1, keepdims=True)
    counts = np.abs(x) > _NEARLY_ZERO
    powers = np.where(counts, exp(x - largest), np.float32(0))
    # What is nearly 0 stays nearly 0 instead of becoming exp(0).
    rest = x * exp(-largest)
    return np.asarray(np.where(counts, powers, rest) / _sum(powers), dtype=np.float32)


def _sum(x: Single) -> Single:
    """Over the last axis, from left to right."""
    # numpy's own sum adds pairwise, which rounds otherwise.
    return np.add.accumulate(x, axis=1, dtype=np.float32)[:, -1:]


def _probit(x: Single) -> Single:
    """Square root of 2 times an approximation of the inverse error function (Winitzki 2008)."""
    y = np.float32(2) * x - _ONE
    sign = np.where(y < 0, -_ONE, _ONE)
    log = np.log(((_ONE - y) * (_ONE + y)).astype(np.float64)).astype(np.float32)
    a = np.float32(0.147)
    v = np.float32(2) / (np.float32(np.pi) * a) + np.float32(0.5) * log
    root = np.sqrt(-v + np.sqrt(v * v - _ONE / a * log))
    return np.asarray(np.float32(np.sqrt(2)) * (sign * root), dtype=np.float32)


_FUNCTIONS = {
    Transform.LOGISTIC: logistic,
    Transform.SOFTMAX: _softmax,
    Transform.SOFTMAX_ZERO: _softmax_zero,
    Transform.PROBIT: _probit,
}

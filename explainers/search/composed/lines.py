"""Numbers over boxes between two straight lines of the columns: what sums of them keep, and
intervals forget.

An array of lines is ``(1 + n_columns, n_boxes, ...)``: what is added, then a slope for each column.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from ifonly.explainers.search.composed.hulls import Floats, Hull


@dataclass(frozen=True, eq=False)
class LineBounds:
    """One below and one above each number."""

    low: Floats
    high: Floats

    @classmethod
    def of_columns(cls, low: Floats) -> LineBounds:
        """The columns themselves, of boxes ``(n_boxes, n_columns)``."""
        n, d = low.shape
        lines = np.zeros((1 + d, n, d))
        lines[1 + np.arange(d), :, np.arange(d)] = 1.0
        return cls(lines, lines)

    @classmethod
    def flat(cls, hull: Hull, n: int, d: int) -> LineBounds:
        """Of what is known by intervals alone."""
        shape = (n, *hull.shape[1:])
        made = [np.zeros((1 + d, *shape)) for _ in range(2)]
        for lines, end in zip(made, (hull.low, hull.high), strict=True):
            lines[0] = end
        return cls(*made)

    @property
    def is_finite(self) -> bool:
        return bool(np.isfinite(self.low[0]).all() and np.isfinite(self.high[0]).all())

    def moved(self, move: Callable[[Floats], Floats]) -> LineBounds:
        """Through what moves numbers about, or adds them up: row by row."""
        return LineBounds(_rowwise(self.low, move), _rowwise(self.high, move))

    def times(self, factor: Floats) -> LineBounds:
        """Times constants, which turn lines over where they are negative."""
        up, down = np.maximum(factor, 0.0), np.minimum(factor, 0.0)
        return LineBounds(self.low * up + self.high * down, self.high * up + self.low * down)

    def plus(self, other: LineBounds) -> LineBounds:
        return LineBounds(self.low + other.low, self.high + other.high)

    def shifted(self, by: Floats) -> LineBounds:
        return LineBounds(_raised(self.low, by), _raised(self.high, by))

    def widened(self, by: Floats) -> LineBounds:
        return LineBounds(_raised(self.low, -by), _raised(self.high, by))

    def product(self, weights: Floats) -> LineBounds:
        """``x @ weights``"""
        up, down = np.maximum(weights, 0.0), np.minimum(weights, 0.0)
        return LineBounds(self.low @ up + self.high @ down, self.high @ up + self.low @ down)

    def hull(self, low: Floats, high: Floats) -> Hull:
        """Between what they lie over boxes of columns, both ``(n_boxes, n_columns)``."""
        return Hull(_least(self.low, low, high), -_least(-self.high, low, high))


def _raised(lines: Floats, by: Floats) -> Floats:
    shape = np.broadcast_shapes(lines.shape[1:], by.shape)
    made = np.broadcast_to(lines, (len(lines), *shape)).copy()
    made[0] += by
    return made


def _rowwise(lines: Floats, move: Callable[[Floats], Floats]) -> Floats:
    d, n = lines.shape[:2]
    made = move(lines.reshape(d * n, *lines.shape[2:]))
    return made.reshape(d, n, *made.shape[1:])


def _least(lines: Floats, low: Floats, high: Floats) -> Floats:
    extra = (1,) * (lines.ndim - 2)
    ends = [end.T.reshape(*end.T.shape, *extra) for end in (low, high)]
    slopes = lines[1:]
    total = (np.maximum(slopes, 0.0) * ends[0] + np.minimum(slopes, 0.0) * ends[1]).sum(axis=0)
    # Terms of opposite signs lose a little where they cancel.
    size = (np.abs(slopes) * np.maximum(np.abs(ends[0]), np.abs(ends[1]))).sum(axis=0)
    return np.asarray(lines[0] + total - 1e-14 * len(slopes) * (size + np.abs(lines[0])))


class Bend(StrEnum):
    """Functions of one number of which it is known where they run along a chord."""

    SIGMOID = "sigmoid"
    TANH = "tanh"
    EXP = "exp"
    SQUARE = "square"
    LOG = "log"
    SQRT = "sqrt"
    RECIPROCAL = "reciprocal"
    ABS = "abs"
    RELU = "relu"

    def __call__(self, x: Floats) -> Floats:
        match self:
            case Bend.SIGMOID:
                return np.asarray(1.0 / (1.0 + np.exp(-x)))
            case Bend.TANH:
                return np.tanh(x)
            case Bend.EXP:
                return np.exp(x)
            case Bend.SQUARE:
                return x * x
            case Bend.LOG:
                return np.log(x)
            case Bend.SQRT:
                return np.sqrt(x)
            case Bend.RECIPROCAL:
                return 1.0 / x
            case Bend.ABS:
                return np.abs(x)
            case Bend.RELU:
                return np.maximum(x, 0.0)

    def alongs(self, slope: Floats) -> list[Floats]:
        """Where its own slope is ``slope``, or it has a corner."""
        match self:
            case Bend.SIGMOID:
                root = np.sqrt(np.maximum(1.0 - 4.0 * slope, 0.0))
                at = 2.0 * np.arctanh(np.minimum(root, 1.0 - 1e-16))
                return [at, -at]
            case Bend.TANH:
                at = np.arctanh(np.minimum(np.sqrt(np.maximum(1.0 - slope, 0.0)), 1.0 - 1e-16))
                return [at, -at]
            case Bend.EXP:
                return [np.log(slope)]
            case Bend.SQUARE:
                return [0.5 * slope]
            case Bend.LOG:
                return [1.0 / slope]
            case Bend.SQRT:
                return [0.25 / (slope * slope)]
            case Bend.RECIPROCAL:
                root = 1.0 / np.sqrt(np.abs(slope))
                return [root, -root]
            case Bend.ABS | Bend.RELU:
                return [np.zeros_like(slope)]


def bent(bend: Bend, lines: LineBounds, hull: Hull, eps: float) -> LineBounds | None:
    """A function of each number: its chord over the interval, and what is left of it on either
    side. None where the interval is not one of numbers."""
    low, high = hull.low, hull.high
    with np.errstate(all="ignore"):
        at_low, at_high = bend(low), bend(high)
        width = high - low
        slope = np.where(
            width > 1e-12, (at_high - at_low) / np.where(width > 1e-12, width, 1.0), 0.0
        )
        if not (
            np.isfinite(slope).all() and np.isfinite(at_low).all() and np.isfinite(at_high).all()
        ):
            return None
        if bend is Bend.RECIPROCAL and ((low <= 0.0) & (high >= 0.0)).any():
            return None
        ends = [at_low - slope * low, at_high - slope * high]
        for inner in bend.alongs(slope):
            inside = np.clip(np.where(np.isnan(inner), low, inner), low, high)
            ends.append(bend(inside) - slope * inside)
        least, most = np.minimum.reduce(ends), np.maximum.reduce(ends)
        off = eps * np.maximum(np.abs(at_low), np.abs(at_high)) + 1e-13 * (
            np.abs(least) + np.abs(most) + np.abs(slope) * hull.size
        )
    made = lines.times(slope)
    below, above = made.low.copy(), made.high.copy()
    below[0] += least - off
    above[0] += most + off
    return LineBounds(below, above)

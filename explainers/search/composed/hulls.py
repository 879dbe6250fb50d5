"""Tensors over boxes of rows: between which numbers each of their numbers lies.

Intervals are closed and taken in float64; where the graph rounds, they are widened by more than it
can. What may be no number at all lies between minus and plus infinity.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from functools import reduce as fold
from typing import Any

import numpy as np
import numpy.typing as npt

Floats = npt.NDArray[Any]
Shape = tuple[int, ...]


@dataclass(frozen=True, eq=False)
class Hull:
    """Ends of intervals, ``(n_boxes, ...)``; of a constant, of any shape."""

    low: Floats
    high: Floats

    @classmethod
    def at(cls, value: npt.ArrayLike) -> Hull:
        exact = np.asarray(value, dtype=np.float64)
        return cls(exact, exact)

    @classmethod
    def between(cls, *ends: Floats) -> Hull:
        """The least interval around ``ends``; all of the line where one of them is no number."""
        low, high = fold(np.minimum, ends), fold(np.maximum, ends)
        lost = np.isnan(low) | np.isnan(high)
        if lost.any():
            low, high = np.where(lost, -np.inf, low), np.where(lost, np.inf, high)
        return cls(low, high)

    def each(self, move: Callable[[Floats], npt.ArrayLike]) -> Hull:
        """What moves numbers about, of both ends."""
        return Hull(
            np.asarray(move(self.low), dtype=np.float64),
            np.asarray(move(self.high), dtype=np.float64),
        )

    def widened(self, by: Floats | float) -> Hull:
        return Hull(self.low - by, self.high + by)

    def relaxed(self, eps: float) -> Hull:
        """Widened by ``eps`` of the size of each end, and hardly more than that near 0."""
        return Hull(
            self.low - eps * np.abs(self.low) - TINY, self.high + eps * np.abs(self.high) + TINY
        )

    @property
    def size(self) -> Floats:
        """The largest magnitude of each."""
        return np.asarray(np.maximum(np.abs(self.low), np.abs(self.high)))

    @property
    def shape(self) -> Shape:
        return self.low.shape


TINY = 1e-37
"""Numbers that float32 knows no finer."""


def rising(hull: Hull, function: Callable[[Floats], Floats], eps: float) -> Hull:
    """Through a function that never falls."""
    with np.errstate(all="ignore"):
        return Hull.between(function(hull.low), function(hull.high)).relaxed(eps)


def add(one: Hull, other: Hull, eps: float) -> Hull:
    with np.errstate(all="ignore"):
        low, high = one.low + other.low, one.high + other.high
    return Hull.between(low, high).relaxed(eps) if eps else Hull.between(low, high)


def negative(hull: Hull) -> Hull:
    return Hull(-hull.high, -hull.low)


def multiply(one: Hull, other: Hull, eps: float) -> Hull:
    with np.errstate(all="ignore"):
        ends = (a * b for a in (one.low, one.high) for b in (other.low, other.high))
        return Hull.between(*ends).relaxed(eps)


def reciprocal(hull: Hull, eps: float) -> Hull:
    with np.errstate(all="ignore"):
        low, high = 1.0 / hull.high, 1.0 / hull.low
        spans = (hull.low <= 0.0) & (hull.high >= 0.0)
        return Hull(np.where(spans, -np.inf, low), np.where(spans, np.inf, high)).relaxed(eps)


def magnitude(hull: Hull) -> Hull:
    spans = (hull.low <= 0.0) & (hull.high >= 0.0)
    low = np.minimum(np.abs(hull.low), np.abs(hull.high))
    return Hull(np.where(spans, 0.0, low), hull.size)


def square(hull: Hull, eps: float) -> Hull:
    size = magnitude(hull)
    with np.errstate(over="ignore"):
        return Hull(size.low * size.low, size.high * size.high).relaxed(eps)


def total(hull: Hull, axes: Shape, keep: bool, eps: float) -> Hull:
    """Of the numbers along some axes, in whatever order they are added."""
    n = int(np.prod([hull.shape[axis] for axis in axes]))
    with np.errstate(all="ignore"):
        size = n * eps * hull.size.sum(axis=axes, keepdims=keep)
        low, high = (end.sum(axis=axes, keepdims=keep) for end in (hull.low, hull.high))
        return Hull.between(low - size, high + size)


def line_sum(hull: Hull, weights: Floats, bias: Floats, eps: float) -> Hull:
    """``x @ weights + bias``"""
    up, down = np.maximum(weights, 0.0), np.minimum(weights, 0.0)
    with np.errstate(all="ignore"):
        low = hull.low @ up + hull.high @ down + bias
        high = hull.high @ up + hull.low @ down + bias
        off = (len(weights) + 2) * eps * (hull.size @ np.abs(weights) + np.abs(bias))
        return Hull.between(low - off, high + off)


def shares(hull: Hull, eps: float) -> Hull:
    """``exp(x) / sum(exp(x))`` along the last axis: each is least where it is least itself and all
    others are largest."""
    k = hull.shape[-1]
    ends = []
    with np.errstate(all="ignore"):
        for own, others in ((hull.low, hull.high), (hull.high, hull.low)):
            powers = np.exp(np.minimum(others[..., None, :] - own[..., :, None], 700.0))
            powers[..., np.arange(k), np.arange(k)] = 1.0
            ends.append(1.0 / powers.sum(axis=-1))
        # What is taken off the largest is rounded, so the error grows with the size.
        off = eps * (2.0 + hull.size.max(axis=-1, keepdims=True))
        found = Hull.between(*ends)
        return Hull(found.low * (1.0 - off) - TINY, found.high * (1.0 + off) + TINY)


def parts(hull: Hull, eps: float) -> Hull:
    """``x / sum(|x|)`` along the last axis."""
    size = magnitude(hull)
    whole = total(size, (size.low.ndim - 1,), True, eps)
    with np.errstate(all="ignore"):
        # Of numbers that are not negative: least where the number is least and the others largest.
        rest_low = np.maximum(whole.low - size.low, 0.0)
        rest_high = np.maximum(whole.high - size.high, 0.0)
        low, high = hull.low / (hull.low + rest_high), hull.high / (hull.high + rest_low)
        plain = Hull.between(low, high).relaxed(4.0 * eps)
    positive = (hull.low >= 0.0) & (whole.low > 0.0)
    # A share of a whole is no larger than it; without a whole it may be no number.
    most = np.where(whole.low > 0.0, 1.0 + 4.0 * eps, np.inf)
    return Hull(
        np.where(positive, plain.low, -most), np.where(positive, np.minimum(plain.high, most), most)
    )


def log_sum_exp(hull: Hull, axes: Shape, keep: bool, eps: float) -> Hull:
    def of(ends: Floats) -> Floats:
        largest = ends.max(axis=axes, keepdims=True)
        largest = np.where(np.isfinite(largest), largest, 0.0)
        made = np.log(np.exp(ends - largest).sum(axis=axes, keepdims=True)) + largest
        return np.asarray(made if keep else np.squeeze(made, axis=axes))

    n = int(np.prod([hull.shape[axis] for axis in axes]))
    with np.errstate(all="ignore"):
        found = Hull.between(of(hull.low), of(hull.high))
        return found.widened(4.0 * n * eps * (1.0 + hull.size.max(axis=axes, keepdims=keep)))

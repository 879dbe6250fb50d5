"""Interval arithmetic on arrays of intervals (Moore 1966), without outward rounding."""

from __future__ import annotations

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from ifonly.explainers.causal.function import Array


class Interval(NamedTuple):
    """Least and greatest values, arrays of one shape."""

    lower: Array
    upper: Array


def point(value: Array) -> Interval:
    return Interval(value, value)


def add(a: Interval, b: Interval) -> Interval:
    return _known(a.lower + b.lower, a.upper + b.upper)


def rise(function: Callable[[Array], Array], a: Interval) -> Interval:
    """A function that never falls; nothing is known where ``a`` leaves its domain."""
    return _known(function(a.lower), function(a.upper))


def _known(lower: Array, upper: Array) -> Interval:
    """NaN, from a domain that is left or from infinities that cancel, says nothing."""
    return Interval(
        # Unknown is everything: a bound may be too wide, never too narrow.
        np.where(np.isnan(lower), -np.inf, lower),
        np.where(np.isnan(upper), np.inf, upper),
    )


def negate(a: Interval) -> Interval:
    return Interval(-a.upper, -a.lower)


def multiply(a: Interval, b: Interval) -> Interval:
    """Products; 0 times an infinite bound is 0, as the limit of the bounds that it stands for."""
    with np.errstate(invalid="ignore"):
        # With any signs, the ends of a product are among those of its factors' corners.
        corners = np.nan_to_num(
            np.stack([a.lower * b.lower, a.lower * b.upper, a.upper * b.lower, a.upper * b.upper]),
            nan=0.0,
            posinf=np.inf,
            neginf=-np.inf,
        )
    return Interval(corners.min(axis=0), corners.max(axis=0))


def invert(a: Interval) -> Interval:
    """``1 / a``; everything where ``a`` reaches 0."""
    with np.errstate(divide="ignore"):
        lower, upper = 1.0 / a.upper, 1.0 / a.lower
    # Through 0, the reciprocal goes to both infinities.
    through = (a.lower <= 0.0) & (a.upper >= 0.0)
    return Interval(np.where(through, -np.inf, lower), np.where(through, np.inf, upper))


def whole_power(a: Interval, exponent: int) -> Interval:
    """``a ** exponent``: for an even exponent tighter than repeated products."""
    if exponent < 0:
        return invert(whole_power(a, -exponent))
    low, high = a.lower**exponent, a.upper**exponent
    if exponent % 2 or exponent == 0:
        return Interval(low, high)
    through = (a.lower <= 0.0) & (a.upper >= 0.0)
    # A square is never negative; multiplied as two intervals, it would seem so.
    return Interval(np.where(through, 0.0, np.minimum(low, high)), np.maximum(low, high))


def magnitude(a: Interval) -> Interval:
    """``abs(a)``"""
    low, high = np.abs(a.lower), np.abs(a.upper)
    through = (a.lower <= 0.0) & (a.upper >= 0.0)
    return Interval(np.where(through, 0.0, np.minimum(low, high)), np.maximum(low, high))


def weigh(features: Interval, weights: Array) -> Interval:
    """``features @ weights`` for features ``(..., m)`` and weights ``(m,)``: ``(...,)``."""
    # A positive weight takes the same end, a negative one the other.
    up, down = np.maximum(weights, 0.0), np.minimum(weights, 0.0)
    return Interval(
        features.lower @ up + features.upper @ down, features.upper @ up + features.lower @ down
    )

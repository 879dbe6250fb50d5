"""Shares of two groups: whether they differ, by how much, and in which proportion."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ifonly.models.shares import ShareEstimate

_EQUAL = 1e-7


@dataclass(frozen=True, slots=True)
class ShareDifference:
    """Of two shares, with the interval in which it may lie."""

    value: float
    low: float
    high: float


def difference(a: ShareEstimate, b: ShareEstimate) -> ShareDifference:
    """``a`` less ``b``, neither of none, with Newcombe's interval from Wilson's of each (Newcombe
    1998, method 10).

    >>> from ifonly.models.shares import share
    >>> found = difference(share(56, 70), share(48, 80))
    >>> round(found.value, 4), round(found.low, 4), round(found.high, 4)
    (0.2, 0.0524, 0.3339)
    """
    p, q = a.count / a.of, b.count / b.of
    return ShareDifference(
        p - q, p - q - math.hypot(p - a.low, b.high - q), p - q + math.hypot(a.high - p, q - b.low)
    )


def ratio(a: ShareEstimate, b: ShareEstimate) -> ShareDifference | None:
    """``a`` by ``b``, with the interval that Wilson's of each give (MOVER-R: Donner and Zou 2012,
    eq. 9); None where ``b`` is none of its own.

    >>> from ifonly.models.shares import share
    >>> found = ratio(share(30, 100), share(50, 100))
    >>> round(found.value, 2), round(found.low, 3), round(found.high, 3)
    (0.6, 0.419, 0.852)
    """
    if not (a.of and b.count):
        return None
    p, q = a.count / a.of, b.count / b.of

    def end(mine: float, theirs: float, sign: float) -> float:
        below, above = theirs * (2 * q - theirs), mine * (2 * p - mine)
        if abs(below) < _EQUAL:  # the limit of what follows
            return above / (2 * p * q) if p else 0.0
        root = math.sqrt(max((p * q) ** 2 - above * below, 0.0))
        return (p * q + sign * root) / below

    return ShareDifference(p / q, max(0.0, end(a.low, b.high, -1.0)), end(a.high, b.low, 1.0))


def same_share(a: ShareEstimate, b: ShareEstimate) -> float:
    """Fisher's exact test, both sides: the probability, were the shares the same, of a table no
    likelier than this one, given its margins (Fisher 1935; the sum of small probabilities, as R's
    ``fisher.test``).

    >>> from ifonly.models.shares import share
    >>> round(same_share(share(22, 22), share(25, 31)), 4)
    0.0353
    """
    found, of = a.count + b.count, a.of + b.of
    # Logarithms of factorials: the binomial coefficients overflow a float from 1,030 on.
    logs = np.concatenate([[0.0], np.cumsum(np.log(np.arange(1, of + 1)))])
    first = np.arange(max(0, found - b.of), min(found, a.of) + 1)

    def ways(whole: int, part: npt.NDArray[np.int64]) -> npt.NDArray[np.float64]:
        return np.asarray(logs[whole] - logs[part] - logs[whole - part])

    likely = ways(a.of, first) + ways(b.of, found - first)
    chances = np.exp(likely - likely.max())
    # Equal tables differ by rounding alone: as R does, a little more than the one seen counts.
    own = chances[a.count - first[0]] * (1 + _EQUAL)
    return float(min(1.0, chances[chances <= own].sum() / chances.sum()))

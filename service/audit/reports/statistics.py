"""Shares and medians with 95 % intervals, each by one textbook formula."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from statistics import NormalDist

import numpy as np

CONFIDENCE = 0.95
_Z = NormalDist().inv_cdf(0.5 + CONFIDENCE / 2)


@dataclass(frozen=True, slots=True)
class ShareEstimate:
    """``count`` of ``of``, with the interval in which the share may lie."""

    count: int
    of: int
    low: float
    high: float

    @property
    def value(self) -> float | None:
        return self.count / self.of if self.of else None


@dataclass(frozen=True, slots=True)
class Median:
    """The median of ``of`` values; no interval where there are too few for one."""

    of: int
    value: float
    low: float | None
    high: float | None


def share(count: int, of: int) -> ShareEstimate:
    """With Wilson's score interval (Wilson 1927; Brown, Cai and DasGupta 2001, eq. 4).

    >>> nine = share(9, 10)
    >>> round(nine.low, 6), round(nine.high, 6)
    (0.59585, 0.982124)
    """
    if of == 0:
        return ShareEstimate(0, 0, 0.0, 1.0)
    p, z2 = count / of, _Z * _Z
    centre = (p + z2 / (2 * of)) / (1 + z2 / of)
    half = _Z / (1 + z2 / of) * math.sqrt(p * (1 - p) / of + z2 / (4 * of * of))
    return ShareEstimate(count, of, max(0.0, centre - half), min(1.0, centre + half))


def median(values: Sequence[float]) -> Median | None:
    """With the interval between order statistics, whatever the distribution (Conover 1999, 3.2).

    Fewer than six values bound no median with 95 % confidence.

    >>> median([3.0, 1.0, 2.0, 5.0, 4.0, 6.0])
    Median(of=6, value=3.5, low=1.0, high=6.0)
    """
    if not values:
        return None
    ordered, n = np.sort(np.array(values, dtype=np.float64)), len(values)
    k = _rank(n)
    low, high = (float(ordered[k - 1]), float(ordered[n - k])) if k else (None, None)
    return Median(n, float(np.median(ordered)), low, high)


def _rank(n: int) -> int:
    """The greatest k for which both the k-th value from below and from above miss the median
    with probability 2.5 % at most; 0: there is none."""
    steps = np.log(np.arange(n, 0, -1) / np.arange(1, n + 1))
    log_choose = np.concatenate([[0.0], np.cumsum(steps)])
    below = np.cumsum(np.exp(log_choose - n * math.log(2)))
    return int(np.searchsorted(below, (1 - CONFIDENCE) / 2, side="right"))

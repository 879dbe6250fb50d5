"""Shares and medians with 95 % intervals, each by one textbook formula."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ifonly.models.shares import CONFIDENCE as CONFIDENCE
from ifonly.models.shares import ShareEstimate as ShareEstimate
from ifonly.models.shares import share as share


@dataclass(frozen=True, slots=True)
class Median:
    """The median of ``of`` values; no interval where there are too few for one."""

    of: int
    value: float
    low: float | None
    high: float | None


def median(values: Sequence[float]) -> Median | None:
    """With the interval between order statistics, whatever the distribution (Conover 1999, 3.2).

    Fewer than six values bound no median with 95 % confidence.

    >>> median([3.0, 1.0, 2.0, 5.0, 4.0, 6.0])
    Median(of=6, value=3.5, low=1.0, high=6.0)
    """
    if not values:
        return None
    ordered, n = np.sort(np.array(values, dtype=np.float64)), len(values)
    # Order statistics: no distribution of costs is assumed.
    k = _rank(n)
    low, high = (float(ordered[k - 1]), float(ordered[n - k])) if k else (None, None)
    return Median(n, float(np.median(ordered)), low, high)


def _rank(n: int) -> int:
    """The greatest k for which both the k-th value from below and from above miss the median
    with probability 2.5 % at most; 0: there is none."""
    # In logarithms: n choose k overflows a float from n = 1,030 on.
    steps = np.log(np.arange(n, 0, -1) / np.arange(1, n + 1))
    log_choose = np.concatenate([[0.0], np.cumsum(steps)])
    below = np.cumsum(np.exp(log_choose - n * math.log(2)))
    return int(np.searchsorted(below, (1 - CONFIDENCE) / 2, side="right"))

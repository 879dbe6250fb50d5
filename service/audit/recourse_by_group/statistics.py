"""Shares, their differences, medians and means with 95 % intervals, and exact tests of shares, each
by one textbook formula."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ifonly.models.shares import CONFIDENCE as CONFIDENCE
from ifonly.models.shares import ShareEstimate as ShareEstimate
from ifonly.models.shares import share as share

BOOTSTRAPS = 2_000


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


def mean_interval(
    values: npt.NDArray[np.float64], whose: npt.NDArray[np.int64], seed: int
) -> tuple[float, float]:
    """Of the mean of ``values`` ``(n,)``, by drawing individuals ``whose`` ``(n,)`` anew, each with
    all its values; 0 and 0 of none (Efron and Tibshirani 1993, 13.3)."""
    if not values.size:
        return 0.0, 0.0
    # Drawn by individuals: values of one are not independent.
    _, of = np.unique(whose, return_inverse=True)
    sums, counts = np.bincount(of, values), np.bincount(of)
    # Seeded: the same report twice has the same interval.
    drawn = np.random.default_rng(seed).integers(0, len(sums), (BOOTSTRAPS, len(sums)))
    means = sums[drawn].sum(axis=1) / counts[drawn].sum(axis=1)
    low, high = np.quantile(means, [0.025, 0.975])
    return float(low), float(high)

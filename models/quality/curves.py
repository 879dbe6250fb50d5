"""Precision and recall at every threshold, and how probabilities compare with what happened."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ifonly.models.shares import ShareEstimate, share

Floats = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
BINS = 10
"""Ranges of equal width into which probabilities are put."""


@dataclass(frozen=True, eq=False)
class PrecisionRecall:
    """One point for each distinct score, the largest first, ``(n,)`` each: what would be, if
    everything from that score on were an alarm."""

    thresholds: Floats
    alarms: npt.NDArray[np.int64]
    hits: npt.NDArray[np.int64]
    """Alarms that were events."""
    events: int
    rows: int

    @property
    def precision(self) -> Floats:
        return np.asarray(self.hits / self.alarms)

    @property
    def recall(self) -> Floats:
        return np.asarray(self.hits / self.events)

    @property
    def average_precision(self) -> float:
        """Precision at each step of recall, weighted by the step: no line is drawn between points,
        which would promise what no threshold gives (Davis and Goadrich 2006)."""
        steps = np.diff(self.recall, prepend=0.0)
        return float((steps * self.precision).sum())

    def spread(self, most: int) -> list[int]:
        """Places of at most ``most`` points, the first and the last among them, evenly over
        recall."""
        n = len(self.thresholds)
        if n <= most:
            return list(range(n))
        # Nearest to each step; the first of many at one recall is the most precise.
        steps = np.linspace(self.hits[0], self.events, most - 2)
        found = np.searchsorted(self.hits, steps)
        return [int(k) for k in np.unique(np.concatenate([[0], found, [n - 1]]))]

    def reaching(self, recall: float) -> int:
        """Place of the first point, the strictest, with such a recall; at most 1."""
        return int(np.searchsorted(self.hits, recall * self.events - _ROUNDING))


_ROUNDING = 1e-9
"""0.9 of 10 is 9, and not a little more."""


def precision_recall(scores: Floats, happened: Flags) -> PrecisionRecall:
    """``scores``: the larger, the more an alarm, ``(n,)``; ``happened``: whether it should be one,
    ``(n,)``, at least one of them."""
    order = np.argsort(-scores, kind="stable")
    ranked, hits = scores[order], np.cumsum(happened[order], dtype=np.int64)
    # Equal scores are alarms together or not at all.
    ends = np.flatnonzero(np.append(np.diff(ranked) != 0, True))
    return PrecisionRecall(
        ranked[ends], ends.astype(np.int64) + 1, hits[ends], int(hits[-1]), len(scores)
    )


@dataclass(frozen=True, slots=True)
class CalibrationBin:
    """Rows whose probability is within a range."""

    low: float
    high: float
    predicted: float
    """Mean probability of them."""
    happened: ShareEstimate

    @property
    def is_off(self) -> bool:
        """Whether what was predicted is outside the interval of what happened."""
        return not self.happened.holds(self.predicted)


@dataclass(frozen=True, slots=True)
class Calibration:
    """Whether of those that were given p, a share of p happened."""

    bins: tuple[CalibrationBin, ...]
    """Those that have rows, the least probable first."""
    brier: float
    """Mean squared difference of probability and outcome (Brier 1950)."""
    expected_error: float
    """Mean difference within a range, weighted by its rows (Naeini et al. 2015)."""


def calibration(probabilities: Floats, happened: Flags, bins: int = BINS) -> Calibration:
    """``probabilities``, ``(n,)`` within [0, 1], of what ``happened``, ``(n,)``."""
    # A probability of 1 belongs to the last range, which has no other upper end.
    places = np.minimum((probabilities * bins).astype(np.int64), bins - 1)
    counts = np.bincount(places, minlength=bins)
    sums = np.bincount(places, weights=probabilities, minlength=bins)
    hits = np.bincount(places, weights=happened, minlength=bins)
    found = tuple(
        CalibrationBin(
            k / bins,
            (k + 1) / bins,
            float(sums[k] / counts[k]),
            share(int(hits[k]), int(counts[k])),
        )
        for k in np.flatnonzero(counts).tolist()
    )
    return Calibration(
        found,
        float(np.mean((probabilities - happened) ** 2)),
        float(np.abs(hits - sums).sum() / len(probabilities)),
    )

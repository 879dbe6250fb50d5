"""Does the exported graph decide as the trained model does? Measured where it could differ.

An export errs where a reading meets a split threshold: ``<`` read as ``<=``, a float64 threshold
rounded to float32, an input cast twice. Random rows hardly ever lie there. So every threshold of
every split is tried with the float32 numbers just below, at and just above it, each in an
otherwise real row. A category may be in none of the rows: so each is put into some.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import asdict, dataclass

import numpy as np
import numpy.typing as npt

from ifonly.models.errors import ParityError
from ifonly.models.predictor import Rows, Scores
from ifonly.models.schema import Decision

Score = Callable[[Rows], Scores]
"""Rows (float32 values held in float64) to scores, ``(n_rows, n_outputs)``."""

Thresholds = Mapping[int, npt.NDArray[np.float32]]
"""Column to its split thresholds."""

Listed = Mapping[int, npt.NDArray[np.float64]]
"""Column to values that it may hold."""
_ROWS_OF_VALUE = 4

TOLERANCE = 1e-5
"""Largest difference of a score that float32 sums of trees in another order explain."""


@dataclass(frozen=True)
class ParityReport:
    """How far two scorers agree; all counts are of rows."""

    rows: int
    threshold_neighbours: int
    """Rows in which one reading is a split threshold or the float32 next to it."""
    thresholds: int
    """Distinct (column, threshold) pairs."""
    label_differences: int
    max_difference: float
    """Largest |native - exported| of any score; relative for scores beyond 1."""
    mean_difference: float
    tolerance: float
    seed: int

    def as_dict(self) -> dict[str, int | float]:
        return asdict(self)


def check_parity(
    native: Score,
    exported: Score,
    rows: Rows,
    thresholds: Thresholds,
    decision: Decision,
    *,
    listed: Listed | None = None,
    n_rows: int = 100_000,
    seed: int = 0,
    tolerance: float = TOLERANCE,
) -> ParityReport:
    """Compare a trained model with its exported graph.

    Parameters
    ----------
    native, exported : callable
        Rows to scores; both get the same float32 values.
    rows : ndarray, shape (n, n_columns)
        Others are drawn from these and built on them.
    thresholds : mapping of int to ndarray
        Column to its split thresholds. Three rows for every threshold come first (all of them, even
        beyond ``n_rows``); rows drawn from ``rows`` fill up the rest.
    decision : Decision
    listed : mapping of int to ndarray, optional
        Column to values of which each is tried in some rows, whether ``rows`` have it or not, and
        as it is: an estimator reads it in float64, whatever its graph does.
    n_rows : int
    seed : int
    tolerance : float
        Largest difference of a score; relative for scores beyond 1.

    Raises
    ------
    ParityError
        If one label or one score differs by more than ``tolerance``; the message holds the
        worst row.
    """
    rng = np.random.default_rng(seed)
    near = threshold_neighbours(rows, thresholds, rng)
    each = _with_listed(rows, listed or {}, rng)
    real = rows[rng.integers(len(rows), size=max(n_rows - len(near) - len(each), 0))]
    # Through float32: both must see the very numbers that the graph compares.
    tried = np.concatenate([_rounded(near), each, _rounded(real)])
    ours, theirs = native(tried), exported(tried)
    if ours.shape != theirs.shape:
        raise ParityError(f"native scores have shape {ours.shape}, exported {theirs.shape}")
    # Relative for scores beyond 1, whose last digits are larger.
    difference = (np.abs(ours - theirs) / np.maximum(np.abs(ours), 1.0)).max(axis=1)
    relabelled = decision.decide(ours) != decision.decide(theirs)
    report = ParityReport(
        rows=len(tried),
        threshold_neighbours=len(near),
        thresholds=sum(len(t) for t in thresholds.values()),
        label_differences=int(relabelled.sum()),
        max_difference=float(difference.max()),
        mean_difference=float(difference.mean()),
        tolerance=tolerance,
        seed=seed,
    )
    # Written so that a NaN score fails.
    if relabelled.any() or not report.max_difference <= tolerance:
        doubt = relabelled * 2.0 + np.nan_to_num(difference, nan=1.0)
        worst = int(np.argmax(doubt))
        raise ParityError(_describe(report, tried[worst], ours[worst], theirs[worst]))
    return report


def threshold_neighbours(
    rows: Rows, thresholds: Thresholds, rng: np.random.Generator
) -> npt.NDArray[np.float64]:
    """``(3 * n_thresholds, n_columns)``: each threshold's float32 neighbours in real rows."""
    built = [np.empty((0, rows.shape[1]))]
    for column, values in sorted(thresholds.items()):
        exact = np.asarray(values, dtype=np.float32)
        down = np.nextafter(exact, np.float32(-np.inf))
        up = np.nextafter(exact, np.float32(np.inf))
        readings = np.concatenate([down, exact, up]).astype(np.float64)
        # In real rows, since a split deep in a tree is reached only by such.
        drawn = rows[rng.integers(len(rows), size=len(readings))].copy()
        drawn[:, column] = readings
        built.append(drawn)
    return np.concatenate(built)


def _with_listed(rows: Rows, listed: Listed, rng: np.random.Generator) -> npt.NDArray[np.float64]:
    """``(n, n_columns)``: each of the values in :data:`_ROWS_OF_VALUE` real rows."""
    built = [np.empty((0, rows.shape[1]))]
    for column, values in sorted(listed.items()):
        own = np.repeat(np.asarray(values, dtype=np.float64), _ROWS_OF_VALUE)
        drawn = _rounded(rows[rng.integers(len(rows), size=len(own))])
        drawn[:, column] = own
        built.append(drawn)
    return np.concatenate(built)


def _rounded(rows: Rows) -> npt.NDArray[np.float64]:
    return rows.astype(np.float32).astype(np.float64)


def _describe(report: ParityReport, row: Rows, ours: Scores, theirs: Scores) -> str:
    return (
        f"the exported graph differs from the trained model: {report.label_differences} of "
        f"{report.rows} rows are decided otherwise, the largest difference of a score is "
        f"{report.max_difference:.3g} (tolerance {report.tolerance:g}); worst row "
        f"{row.tolist()}: trained {ours.tolist()}, exported {theirs.tolist()}"
    )

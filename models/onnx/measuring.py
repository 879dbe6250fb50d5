"""How far sessions of several kinds differ on the same rows."""

from __future__ import annotations

import numpy as np
import numpy.typing as npt

from ifonly.models.errors import NotFinite
from ifonly.models.onnx.predictor import OnnxPredictor, in_sessions
from ifonly.models.predictor import Row, Rows
from ifonly.models.rounding import Known, Rounding

THREADS = (1, 2, 8)
BATCHES = (1, 2, 7, 64)
"""Rows of a run; and all of them at once."""
MOST = 64
"""Rows that are tried."""
SAFETY = 8.0
"""The rounding is taken to be so many times the largest difference that was seen: the rows that
are tried are not those that will be asked about."""
LEAST = 2.0**-20
"""Rounding that is expected of any score in float32, relative to the largest score: 16 units in
the last place."""


def measure_rounding(predictor: OnnxPredictor, rows: Rows) -> Rounding:
    """Rounding of a graph of which nothing can be proven, measured.

    ``rows``, ``(n, n_features)``, are scored in sessions of 1, 2 and 8 threads and in batches of
    several sizes; at least one of them must have a score.

    Raises
    ------
    GraphError
        As :meth:`OnnxPredictor.score`.
    """
    some = rows[:: max(len(rows) // MOST, 1)][:MOST]
    some = some[[_has_score(predictor, row) for row in some]]
    # What the others are held against: row by row, in the session that is served.
    scores = np.concatenate([predictor.score(row[None]) for row in some])
    most = np.zeros(scores.shape[1])
    for session in in_sessions(predictor, THREADS):
        for size in (*BATCHES, len(some)):
            most = np.maximum(most, np.abs(_scored(session, some, size) - scores).max(axis=0))
    expected = LEAST * np.maximum(np.abs(scores).max(axis=0), 1e-30)
    # Sessions that agree on these rows may differ on others, so it is never nothing.
    flat = np.maximum(SAFETY * most, expected)
    return Rounding(tuple(flat.tolist()), (0.0,) * len(flat), Known.MEASURED)


def _has_score(predictor: OnnxPredictor, row: Row) -> bool:
    try:
        predictor.score(row[None])
    except NotFinite:
        return False
    return True


def _scored(session: OnnxPredictor, rows: Rows, size: int) -> npt.NDArray[np.float64]:
    parts = [rows[at : at + size] for at in range(0, len(rows), size)]
    return np.concatenate([session.score(part) for part in parts])

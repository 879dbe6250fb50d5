"""A first run of a graph, when it is loaded: does it score, and row by row?"""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from ifonly.models.errors import GraphError
from ifonly.models.predictor import Rows, Scores
from ifonly.models.schema import Feature, Schema

_FEWEST, _MOST = 8, 256
"""Rows of a trial; as many as it takes to show every category once."""

_RELATIVE, _ABSOLUTE = 1e-4, 1e-6
"""How far a row's score may differ alone and in company: float32 sums in another order."""


def trial_rows(schema: Schema) -> Rows:
    """Rows within the bounds, the same every time, ``(n, n_features)``.

    Each category occurs; the last row is missing whatever may be.
    """
    sizes = [len(feature.categories) for feature in schema.features]
    n = min(max(_FEWEST, *sizes), _MOST)
    # The same rows each time: a model must not be accepted by chance.
    rng = np.random.default_rng(0)
    rows = np.column_stack([_column(feature, n, rng) for feature in schema.features])
    # What no model sees is 0 in a row that was read.
    rows[:, sorted(schema.unread)] = 0.0
    gaps = [feature.may_be_missing for feature in schema.features]
    if any(gaps):
        rows = np.vstack([rows, np.where(gaps, np.nan, rows[0])])
    return rows


def _column(feature: Feature, n: int, rng: np.random.Generator) -> npt.NDArray[np.float64]:
    if feature.kind.is_categorical:
        return np.arange(n, dtype=np.float64) % len(feature.categories)
    lower, upper = _finite(feature.lower, feature.upper)
    column = rng.uniform(lower, upper, n)
    # Both bounds are tried, whatever else is drawn.
    column[:2] = lower, upper
    if feature.kind == "integer":
        column = np.clip(np.rint(column), np.ceil(lower), np.floor(upper))
    return column


def _finite(lower: float, upper: float) -> tuple[float, float]:
    if math.isinf(lower):
        lower = min(upper, 1.0) - 1.0
    if math.isinf(upper):
        upper = max(lower, 0.0) + 1.0
    return lower, upper


def check_alone(together: Scores, alone: Scores) -> None:
    """Refuse a graph whose score of a row depends on the rows beside it."""
    close = np.isclose(together, alone, rtol=_RELATIVE, atol=_ABSOLUTE)
    if not close.all():
        row = int(np.argwhere(~close)[0][0])
        raise GraphError(
            f"a row's score depends on the rows beside it: trial row {row} scores "
            f"{alone[row].tolist()} alone, {together[row].tolist()} among {len(together)}"
        )


def check_probabilities(scores: Scores) -> None:
    """Refuse a binary model whose score is no probability: its threshold would mean nothing."""
    low, high = float(scores.min()), float(scores.max())
    # A little beyond is float32's.
    if low < -_RELATIVE or high > 1 + _RELATIVE:
        raise GraphError(
            f"a binary model's score is a probability, but trial rows score from {low:g} to "
            f"{high:g}: name the output that holds probabilities as `output.name` in the spec"
        )

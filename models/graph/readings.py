"""Readings at which a graph decides otherwise on either side: where its trees split, whatever
scales or gathers what they read, and where what is made of a reading jumps."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from ifonly.models.errors import GraphError
from ifonly.models.graph.columns import Columns
from ifonly.models.graph.ensemble import TreeEnsemble
from ifonly.models.graph.forms import GraphForm
from ifonly.models.predictor import Row, Rows

Singles = npt.NDArray[np.float32]

_HALVINGS = 32
"""Of the 2**32 numbers of float32."""


def split_readings(
    form: GraphForm, rows: Rows, features: list[int], most: int
) -> dict[int, Singles]:
    """For each of ``features`` the float32 readings, ascending, beyond which one of its columns
    passes a threshold of the trees.

    Of a column that neither rises nor falls throughout, at most one of the places where it does so.
    Empty where the core is no tree ensemble.

    Parameters
    ----------
    form : GraphForm
    rows : ndarray, shape (n, n_features)
        Readings are sought between the least and the greatest of each feature, and as far again.
    features : list of int
        Positions of features whose readings are numbers.
    most : int
        Thresholds that are looked at; of more, these many, evenly spread.
    """
    core = form.core
    if not isinstance(core, TreeEnsemble):
        return {}
    inner = core.column >= 0
    splits = np.unique(np.stack([core.column[inner], core.threshold[inner]], axis=1), axis=0)
    # Thresholds of float32 and columns are themselves in float64.
    columns, thresholds = splits[:, 0].astype(np.int64), splits[:, 1]
    source = form.columns.feature[columns]
    kept = np.flatnonzero(np.isin(source, features))
    kept = kept[:: max(-(-len(kept) // most), 1)]
    found = {}
    for feature in features:
        own = kept[source[kept] == feature]
        seen = rows[:, feature][np.isfinite(rows[:, feature])]
        if len(own) and len(seen):
            span = max(float(np.ptp(seen)), 1.0)
            ends = np.array([seen.min() - span, seen.max() + span], dtype=np.float32)
            found[feature] = _crossings(form, rows[0], feature, columns[own], thresholds[own], ends)
    return found


def jumps(
    columns: Columns, row: Row, values: Mapping[int, npt.NDArray[np.float64]], most: int
) -> dict[int, npt.NDArray[np.float64]]:
    """For each feature whose columns are steps the values on either side of each.

    Parameters
    ----------
    columns : Columns
    row : ndarray, shape (n_features,)
        Stands in for all other features.
    values : mapping of int to ndarray
        Position of a feature to values that it may hold, ascending.
    most : int
        What changes oftener is no step.
    """
    rows = np.tile(row, (max(map(len, values.values()), default=0), 1))
    # Each column is made of one feature, so all are looked at side by side.
    for feature, own in values.items():
        rows[: len(own), feature] = own
    if not len(rows):
        return {}
    try:
        encoded = columns.encode(rows)
    # An encoder may refuse numbers that it was not fitted on.
    except GraphError:
        return {}
    found = {}
    for feature, own in values.items():
        made = encoded[: len(own), columns.feature == feature]
        at = np.flatnonzero((made[1:] != made[:-1]).any(axis=1))
        if 0 < len(at) <= most:
            found[feature] = own[np.unique([at, at + 1])]
    return found


def _crossings(
    form: GraphForm,
    row: Row,
    feature: int,
    columns: npt.NDArray[np.int64],
    thresholds: npt.NDArray[np.float64],
    ends: Singles,
) -> Singles:
    """Where each of ``columns`` passes its threshold, by halving between ``ends``; all at once."""
    n = len(columns)

    def is_beyond(readings: Singles) -> npt.NDArray[np.bool_]:
        asked = np.tile(row, (n, 1))
        asked[:, feature] = readings
        return np.asarray(form.columns.encode(asked)[np.arange(n), columns] > thresholds)

    low, high = (np.full(n, k, dtype=np.int64) for k in _ordinals(ends))
    is_high = is_beyond(np.full(n, ends[1]))
    # Of a constant column, or beyond the ends, nothing is passed.
    passed = is_high != is_beyond(np.full(n, ends[0]))
    for _ in range(_HALVINGS):
        middle = (low + high) // 2
        same = is_beyond(_singles(middle)) == is_high
        low, high = np.where(same, low, middle), np.where(same, middle, high)
    return np.unique(_singles(low)[passed])


def _ordinals(numbers: Singles) -> npt.NDArray[np.int64]:
    """Whole numbers in the order of float32 numbers, neighbours beside each other."""
    bits = numbers.view(np.int32).astype(np.int64)
    return np.where(bits < 0, -(bits & 0x7FFFFFFF), bits)


def _singles(ordinals: npt.NDArray[np.int64]) -> Singles:
    bits = np.where(ordinals < 0, (-ordinals) | 0x80000000, ordinals)
    return bits.astype(np.uint32).view(np.float32)

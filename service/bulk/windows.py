"""Columns of a table that hold a list a row: the readings of a channel of a window."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc

from ifonly.models.errors import FieldProblem, InvalidInstance
from ifonly.models.predictor import Rows
from ifonly.models.window import Window

Problems = dict[int, list[FieldProblem]]


def is_series(kind: pa.DataType) -> bool:
    """Whether a column holds lists of numbers."""
    is_list = pa.types.is_list(kind) or pa.types.is_large_list(kind)
    is_list = is_list or pa.types.is_fixed_size_list(kind)
    return bool(is_list) and _is_number(kind.value_type)


def _is_number(kind: pa.DataType) -> bool:
    return bool(pa.types.is_floating(kind) or pa.types.is_integer(kind) or pa.types.is_null(kind))


def read_channel(window: Window, channel: int, column: pa.Array, rows: Rows) -> Problems:
    """Put a channel's readings into ``rows``, ``(n, n_features)``; what is wrong with some."""
    at, problems = window.columns(channel), Problems()
    whole = _whole(window, channel, column)
    if whole is not None:
        rows[:, at] = whole
        return problems
    for i, values in enumerate(_lists(column)):
        try:
            rows[i, at] = window.read_series(channel, values)
        except InvalidInstance as error:
            problems[i] = list(error.problems)
    return problems


def _whole(window: Window, channel: int, column: pa.Array) -> Rows | None:
    """All of them at once, where nothing is wrong with any."""
    feature, kind = window.channels[channel], column.type
    # Floats of 64 bits alone are what they say: others are read by their shortest text.
    if column.null_count or not pa.types.is_float64(kind.value_type):
        return None
    flat = column.flatten()
    if flat.null_count or len(flat) != len(column) * window.steps:
        return None
    if not all(size.as_py() == window.steps for size in pc.list_value_length(column)):
        return None
    found = flat.to_numpy(zero_copy_only=False).reshape(len(column), window.steps)
    fits = (found >= feature.lower) & (found <= feature.upper)
    if feature.kind == "integer":
        fits &= found == np.rint(found)
    return found if fits.all() else None


def _lists(column: pa.Array) -> Iterator[Any]:
    """Lists as a request would have them."""
    narrow = column.type.value_type
    is_narrow = pa.types.is_float16(narrow) or pa.types.is_float32(narrow)
    for values in column.to_pylist():
        if values is None or not is_narrow:
            yield values
        else:
            # As it is written, not widened: 53.2 is the reading 53.2.
            yield [None if v is None else float(str(np.float32(v))) for v in values]

"""Rows in the forms in which predictors read them."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np
import numpy.typing as npt

from ifonly.models.encoding import BoundEncoding, Encoding, TensorInput
from ifonly.models.predictor import Rows
from ifonly.models.schema import Schema
from ifonly.models.spec import RowForm

NUMPY: Mapping[str, str] = {
    "BOOL": "?", "UINT8": "<u1", "UINT16": "<u2", "UINT32": "<u4", "UINT64": "<u8",
    "INT8": "<i1", "INT16": "<i2", "INT32": "<i4", "INT64": "<i8",
    "FP16": "<f2", "FP32": "<f4", "FP64": "<f8", "BYTES": "O",
}  # fmt: skip
"""Names of the Open Inference Protocol to numpy's."""


def in_json(rows: Rows, form: RowForm, schema: Schema, encoding: Encoding) -> list[Any]:
    """One value of JSON for each row: an object or a list; null where a reading is missing."""
    if form is RowForm.ENCODED:
        table = encoded(rows, encoding, "FP64")
        return [[None if v != v else v for v in row] for row in table.tolist()]
    named = [schema.write(row) for row in rows]
    return named if form is RowForm.NAMED else [[*row.values()] for row in named]


def encoded(rows: Rows, encoding: Encoding, dtype: str) -> npt.NDArray[Any]:
    """The columns that a graph of one input would take, ``(n, n_columns)``.

    Raises
    ------
    GraphError
        If a value does not fit the type.
    """
    (tensor,) = bound(encoding, dtype).feeds(rows).values()
    return tensor


def bound(encoding: Encoding, dtype: str) -> BoundEncoding:
    """Raises
    ------
    GraphError
        If the features' encodings are not for one tensor of that type.
    """
    return encoding.bind([TensorInput("rows", np.dtype(NUMPY[dtype]), (None, None))])

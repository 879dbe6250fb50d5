"""Tables of logged rows: CSV or Parquet, with what was done as a column beside the readings."""

from __future__ import annotations

import io
from dataclasses import replace
from pathlib import Path

import numpy as np

from ifonly.explainers.causal.spec import CausalEdge, CausalSpec
from ifonly.models.errors import DataError
from ifonly.models.repository.reference import Table
from ifonly.models.schema import Category, Feature, Kind, Schema
from ifonly.service.offline.compared_rows import UnreadableRows

MOST_ACTIONS = 12
"""Different things that were done, in one column."""
PARQUET = (".parquet", ".pq")


def csv_of(content: bytes, path: Path) -> bytes:
    """``content`` of the file, as CSV.

    Raises
    ------
    DataError
        If it is no Parquet although its name says so, or pyarrow is not installed.
    """
    if path.suffix.lower() not in PARQUET:
        return content
    try:
        import pyarrow
        from pyarrow import csv, parquet
    except ImportError:
        raise DataError(
            path.name, "is Parquet, which needs pyarrow: pip install 'ifonly[parquet]'"
        ) from None
    found = io.BytesIO()
    try:
        table = parquet.read_table(io.BytesIO(content))
        plain = [
            column.cast(column.type.value_type)
            if pyarrow.types.is_dictionary(column.type)
            else column
            for column in table.columns
        ]
        # By way of CSV: one reader says what is a reading, and what is wrong with one that is none.
        csv.write_csv(pyarrow.table(plain, names=table.column_names), found)
    except pyarrow.ArrowException as error:
        raise DataError(path.name, f"is no table of readings: {error}") from error
    return found.getvalue()


def with_action(spec: CausalSpec, table: Table, name: str) -> tuple[CausalSpec, Table]:
    """What was done as one more column of rows, after all readings: each may have led to it.

    Raises
    ------
    UnreadableRows
        If it was always the same, or of more kinds than are compared.
    """
    cells = table.others[name]
    kinds = tuple(sorted({cell for cell in cells if cell}))
    if not 2 <= len(kinds) <= MOST_ACTIONS:
        shown = ", ".join(kinds[:MOST_ACTIONS]) or "nothing"
        raise UnreadableRows(
            f"{name} holds {len(kinds)} different actions ({shown}): 2 to {MOST_ACTIONS} can be "
            f"compared"
        )
    own = spec.schema
    feature = Feature(
        name, Kind.NOMINAL, categories=tuple(Category(k) for k in kinds), may_be_missing=True
    )
    codes = {kind: float(k) for k, kind in enumerate(kinds)}
    done = np.array([codes.get(cell, np.nan) for cell in cells])
    others = {other: column for other, column in table.others.items() if other != name}
    edges = tuple(CausalEdge(cause, name) for cause in own.names)
    return (
        replace(spec, schema=Schema((*own.features, feature)), edges=(*spec.edges, *edges)),
        Table(np.column_stack([table.rows, done]), others),
    )

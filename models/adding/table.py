"""A sample of rows from a file: CSV, or Parquet where pyarrow is installed."""

from __future__ import annotations

import csv
import io
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

from ifonly.models.errors import DataError
from ifonly.models.naming import plain_value

MAX_BYTES = 256 << 20
MAX_ROWS = 50_000
"""Rows that are read; of more, the first ones say as much."""
_GAPS = frozenset({"", "na", "n/a", "nan", "null", "none"})
_TRUTH = {"true": 1, "false": 0}

Columns = dict[str, list[Any]]
"""Cells by column: texts of a CSV file, typed of a Parquet file, None where one is missing."""


def read_columns(path: Path) -> Columns:
    """Raises
    ------
    DataError
        If the file cannot be read, has no rows, or columns without names of their own.
    """
    try:
        if path.stat().st_size > MAX_BYTES:
            raise DataError(path.name, f"is longer than {MAX_BYTES:,} bytes: give a sample of it")
        columns = _parquet(path) if path.suffix in (".parquet", ".pq") else _csv(path)
    except OSError as error:
        raise DataError(path.name, f"cannot be read: {error.strerror or error}") from error
    if not columns or not len(next(iter(columns.values()))):
        raise DataError(path.name, "has no rows")
    return columns


def _csv(path: Path) -> Columns:
    try:
        text = path.read_bytes().decode("utf-8-sig")
        header, *lines = csv.reader(io.StringIO(text, newline=""), strict=True)
    except (UnicodeDecodeError, csv.Error) as error:
        raise DataError(path.name, f"is not CSV text in UTF-8: {error}") from error
    except ValueError:
        raise DataError(path.name, "is empty") from None
    header = [name.strip() for name in header]
    if len(set(header)) < len(header) or (len(header) > 1 and "" in header[1:]):
        raise DataError(path.name, "has columns without a name, or of the same name")
    rows = [line for line in lines if line][:MAX_ROWS]
    for i, row in enumerate(rows, 2):
        if len(row) != len(header):
            raise DataError(path.name, f"has {len(row)} cells, the header {len(header)}", line=i)
    cells: Columns = {
        name: [None if row[j].strip().lower() in _GAPS else row[j].strip() for row in rows]
        for j, name in enumerate(header)
    }
    # What pandas writes of its index has no name.
    cells.pop("", None)
    return cells


def _parquet(path: Path) -> Columns:
    try:
        import pyarrow
        from pyarrow import parquet
    except ImportError:
        raise DataError(
            path.name, "is Parquet, which needs pyarrow: pip install 'ifonly[parquet]'"
        ) from None
    try:
        table = parquet.read_table(path).slice(0, MAX_ROWS)
    except pyarrow.ArrowException as error:
        raise DataError(path.name, f"is not Parquet: {error}") from error
    # pandas keeps its index as a column of such a name.
    kept = [name for name in table.column_names if not name.startswith("__index_level_")]
    return {name: [plain_value(v) for v in table[name].to_pylist()] for name in kept}


def typed(name: str, cells: Sequence[Any], dtype: np.dtype[Any]) -> list[Any]:
    """Cells of a column as an input of ``dtype`` takes them: texts, whole numbers, numbers; texts
    where an input of numbers is to get categories.

    Raises
    ------
    DataError
        If the input takes whole numbers and a cell is another.
    """
    if dtype.kind == "O":
        return [None if cell is None else str(cell) for cell in cells]
    found = [number_of(cell) for cell in cells]
    if any(isinstance(cell, str) for cell in found):
        return [None if cell is None else str(cell) for cell in cells]
    if dtype.kind in "iub":
        odd = next((v for v in found if v is not None and not float(v).is_integer()), None)
        if odd is not None:
            raise DataError(name, f"holds {odd}, and the graph takes whole numbers")
        return [None if v is None else int(v) for v in found]
    return found


def number_of(cell: Any) -> Any:
    """``cell`` as a number where it is one."""
    if isinstance(cell, bool):
        return int(cell)
    if not isinstance(cell, str):
        return cell
    if cell.lower() in _TRUTH:
        return _TRUTH[cell.lower()]
    for read in (int, float):
        try:
            return read(cell)
        except ValueError:
            continue
    return cell

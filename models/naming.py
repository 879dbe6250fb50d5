"""Values that come with names: mappings, named tuples, and tables and their rows.

No table library is imported: what has ``keys()``, ``_fields``, named fields or named columns has
names (pandas, polars, pyarrow, structured arrays), and what has columns is a table.
"""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import numpy as np

from ifonly.models.errors import FieldProblem, InvalidInstance


def has_names(values: object) -> bool:
    """Whether ``values`` are to be matched by name; others are by position."""
    dtype = getattr(values, "dtype", None)
    return (
        callable(getattr(values, "keys", None))
        or bool(getattr(dtype, "names", None))
        or isinstance(getattr(values, "_fields", None), tuple)
        or is_table(values)
    )


def is_table(values: object) -> bool:
    """Whether they are named columns of many rows."""
    return hasattr(values, "columns") or hasattr(values, "column_names")


def are_named(rows: object) -> bool:
    """Whether they are rows one after another, some of which have names."""
    return isinstance(rows, list | tuple) and any(map(has_names, rows))


def named(instance: Any) -> dict[str, Any]:
    """One value for each name, as Python writes them; None where one is missing (NaN).

    Raises
    ------
    InvalidInstance
        If there are no names, or one occurs twice.
    """
    if is_table(instance):
        raise InvalidInstance(
            [FieldProblem("", "a table is many instances: one row of it is one, table.iloc[0]")]
        )
    if not has_names(instance):
        kind = type(instance).__name__
        raise InvalidInstance([FieldProblem("", f"a {kind} has no names to match with features")])
    if hasattr(instance, "_fields"):
        instance = instance._asdict()
    keys = names_of(instance)
    return {str(key): plain_value(instance[key]) for key in keys}


def names_of(values: Any) -> list[Any]:
    """Raises
    ------
    InvalidInstance
        If one occurs twice.
    """
    if callable(getattr(values, "keys", None)):
        keys = list(values.keys())
    elif getattr(getattr(values, "dtype", None), "names", None):
        keys = list(values.dtype.names)
    else:
        keys = list(getattr(values, "column_names", None) or values.columns)
    # As text: a dictionary may hold both 1 and "1".
    twice = [key for key, n in Counter(map(str, keys)).items() if n > 1]
    if twice:
        raise InvalidInstance([FieldProblem(k, f"{k} is given more than once") for k in twice])
    return keys


def columns_of(table: Any) -> dict[str, list[Any]]:
    """The values of each column of a table, as :func:`named`.

    Raises
    ------
    InvalidInstance
        If a name occurs twice, or a column is none or of another length than the others.
    """
    columns = {str(name): np.asarray(table[name]) for name in names_of(table)}
    lengths = {name: len(c) if c.ndim == 1 else -1 for name, c in columns.items()}
    most = max(lengths.values(), default=0)
    short = [name for name, n in lengths.items() if n != most or n < 0]
    if short:
        told = [f"{name} is no column of {max(most, 0)} values" for name in short]
        pairs = zip(short, told, strict=True)
        raise InvalidInstance([FieldProblem(name, problem) for name, problem in pairs])
    return {name: [plain_value(v) for v in column.tolist()] for name, column in columns.items()}


def numbers(values: Any) -> Any:
    """What has no names as float64; NaN where a masked array has no value.

    Raises
    ------
    InvalidInstance
        If it holds anything but real numbers.
    """
    try:
        if np.iscomplexobj(values):
            raise TypeError("complex numbers")
        found = np.array(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        told = f"without names a row is numbers in the schema's order, categories as codes: {error}"
        raise InvalidInstance([FieldProblem("", told)]) from error
    return np.where(np.ma.getmaskarray(values), np.nan, found) if np.ma.isMA(values) else found


def plain_value(value: Any) -> Any:
    """A number, text or None, whatever library wrote it."""
    scalar = value.item() if isinstance(value, np.generic) else value
    if scalar is None or type(scalar).__name__ in ("NAType", "NaTType"):
        return None
    return None if isinstance(scalar, float) and math.isnan(scalar) else scalar

"""Values that come with names: mappings, and what pandas calls Series and DataFrame.

pandas itself is not imported: what has ``keys()`` and gives a value for each of them has names,
and what also has ``columns`` is a table.
"""

from __future__ import annotations

import math
from collections import Counter
from typing import Any

import numpy as np

from models.errors import FieldProblem, InvalidInstance


def has_names(values: object) -> bool:
    """Whether ``values`` are to be matched by name; others are by position."""
    dtype = getattr(values, "dtype", None)
    return callable(getattr(values, "keys", None)) or bool(getattr(dtype, "names", None))


def is_table(values: object) -> bool:
    """Whether they are columns of many rows."""
    return has_names(values) and hasattr(values, "columns")


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
    keys = names_of(instance)
    return {str(key): plain_value(instance[key]) for key in keys}


def names_of(values: Any) -> list[Any]:
    """Raises
    ------
    InvalidInstance
        If one occurs twice.
    """
    has_keys = callable(getattr(values, "keys", None))
    keys = list(values.keys()) if has_keys else list(values.dtype.names)
    twice = [key for key, n in Counter(keys).items() if n > 1]
    if twice:
        raise InvalidInstance([FieldProblem(str(k), f"{k} is given more than once") for k in twice])
    return keys


def columns_of(table: Any) -> dict[str, list[Any]]:
    """The values of each column of a table, as :func:`named`."""
    return {
        str(name): [plain_value(value) for value in np.asarray(table[name]).tolist()]
        for name in names_of(table)
    }


def plain_value(value: Any) -> Any:
    """A number, text or None, whatever library wrote it."""
    scalar = value.item() if isinstance(value, np.generic) else value
    if scalar is None or type(scalar).__name__ in ("NAType", "NaTType"):
        return None
    return None if isinstance(scalar, float) and math.isnan(scalar) else scalar

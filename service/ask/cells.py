"""Values of rows as clients have them that know no categories, or nothing but text."""

from __future__ import annotations

import re
from typing import Any

from ifonly.models.schema import Feature
from ifonly.service.errors import Fault, InvalidRequest, Path, RequestPart

_NUMBER = re.compile(r"[+-]?([0-9]+(\.[0-9]*)?|\.[0-9]+)([eE][+-]?[0-9]+)?")

_MISSING = ("", "nan", "null")
"""As tables that were written as text have them."""


def of_number(feature: Feature, value: Any, path: Path) -> Any:
    """A number as the feature is written: a category by its code, as arrays of numbers have it.

    Raises
    ------
    InvalidRequest
        If the categories' names are numbers themselves: then a number could mean either.
    """
    if not feature.kind.is_categorical or isinstance(value, str | None):
        return value
    names = feature.category_names
    if any(_NUMBER.fullmatch(name) for name in names):
        problem = (
            f"{feature.name} is {value}, which could be a code or a name: its categories "
            f"({', '.join(names)}) are numbers, and are sent as text"
        )
        raise InvalidRequest(RequestPart.INSTANCE, [Fault(path, problem, value, limit=names)])
    is_code = float(value).is_integer() and 0 <= value < len(names)
    # What is no code is left as it is, to be refused by the schema.
    return names[int(value)] if is_code else value


def of_text(feature: Feature, text: str | None) -> Any:
    """Text as the feature is written; empty, or of a number NaN or null: the reading is missing."""
    if feature.kind.is_categorical or text is None:
        return text or None
    if text.strip().lower() in _MISSING:
        return None
    if not _NUMBER.fullmatch(text.strip()):
        return text  # to be refused by the schema
    number = float(text)
    return int(number) if number.is_integer() and abs(number) < 2**53 else number

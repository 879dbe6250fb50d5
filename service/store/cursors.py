"""Where a page ends, as text that a client sends back."""

from __future__ import annotations

import base64
import json
from collections.abc import Sequence
from typing import Any

from ifonly.service.errors import InvalidCursor

_TOO_LARGE = 2**63
"""For a column of whole numbers."""


def written(place: Sequence[int | str]) -> str:
    # A place and not an offset: what comes meanwhile shifts no page.
    return base64.urlsafe_b64encode(json.dumps(place).encode()).decode().rstrip("=")


def read(cursor: str, kinds: Sequence[type[int] | type[str]]) -> list[Any]:
    """The place, whose parts are of these kinds.

    Raises
    ------
    InvalidCursor
        If no such place was written so.
    """
    try:
        padded = cursor + "=" * (-len(cursor) % 4)
        place = json.loads(base64.urlsafe_b64decode(padded))
    # A cursor is whatever a client sends: RecursionError is for deeply nested JSON.
    except (ValueError, TypeError, RecursionError):
        raise InvalidCursor(cursor) from None
    if type(place) is not list or len(place) != len(kinds):
        raise InvalidCursor(cursor)
    if not all(_is_stored(part, kind) for part, kind in zip(place, kinds, strict=True)):
        raise InvalidCursor(cursor)
    return place


def _is_stored(part: object, kind: type[int] | type[str]) -> bool:
    """Whether a column could hold it."""
    if kind is int:
        return type(part) is int and abs(part) < _TOO_LARGE
    # PostgreSQL takes no NUL in text, and surrogates have no UTF-8.
    return type(part) is str and part.isprintable()

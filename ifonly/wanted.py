"""What is wanted of a prediction, as a question to a service says it."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

Wanted = str | tuple[float | None, float | None] | Mapping[str, Any]
"""A class by its name; the ends of an interval of the score; or the ``target`` of a request."""


def target_of(wanted: Wanted) -> dict[str, Any]:
    """``target`` of a request."""
    match wanted:
        case str():
            return {"class": wanted}
        case (low, high):
            ends = {"min": low, "max": high}
            return {"score": {name: end for name, end in ends.items() if end is not None}}
    assert isinstance(wanted, Mapping)
    return dict(wanted)

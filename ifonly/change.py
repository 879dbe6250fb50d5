"""One feature of an answer."""

from __future__ import annotations

from dataclasses import dataclass

Value = float | int | str | None
"""A reading, or the name of a category; None where it is missing."""
Read = Value | list[Value]
"""The same, or the readings of a channel of a window, oldest first."""


@dataclass(frozen=True)
class Change:
    """One feature that would have been otherwise."""

    feature: str
    before: Value
    after: Value
    unit: str = ""
    sufficient_range: tuple[float, float] | None = None
    """Where it could be, all else as in the answer; None: not known."""
    follows: bool = False
    """Whether nobody sets it: it follows from what is set, by the model's causal graph."""

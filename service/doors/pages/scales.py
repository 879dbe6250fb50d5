"""Ends of axes, and the frames between them."""

from __future__ import annotations

from dataclasses import dataclass


@dataclass(frozen=True, slots=True)
class DrawingFrame:
    """Where the axes of a drawing are, in its own units, and the room around them."""

    left: int
    top: int
    across: int
    down: int
    right: int
    """Room beside the frame."""
    below: int
    """Room for what is written below it."""

    @property
    def width(self) -> int:
        """Of the drawing."""
        return self.left + self.across + self.right

    @property
    def height(self) -> int:
        """Of the drawing."""
        return self.top + self.down + self.below


def round_up(value: float) -> float:
    """The next of …, 0.1, 0.2, 0.5, 1, 2, 5, 10, …: the end of an axis that begins at 0."""
    if not 0.0 < value < float("inf"):
        return 1.0
    power = 1.0
    while power > value:
        power /= 10
    while power * 10 <= value:
        power *= 10
    return next((m * power for m in (1, 2, 5) if m * power >= value), 10 * power)

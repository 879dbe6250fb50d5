"""Ends of axes."""

from __future__ import annotations


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

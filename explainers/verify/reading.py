"""One row as the checker reads it: the floats that the wire carries, and their exact decimals."""

from __future__ import annotations

from collections.abc import Sequence
from decimal import Decimal
from functools import lru_cache
from typing import Any

from ifonly.models.schema import Feature

WITHIN = Decimal("1e-12")
"""Sums are compared within this share of the size of their terms (docs/engines.md)."""
NEAR = 1e-9
"""How far two sums of float64 in another order may be apart, by the size of what is compared."""


class Reading:
    """The values of one row, in schema order; NaN is a missing value."""

    __slots__ = ("_exact", "values")

    def __init__(self, values: Sequence[float]) -> None:
        self.values = list(values)
        # Only of columns that are asked for: decimals cost more than all else in a check.
        self._exact: dict[int, Decimal] = {}

    def __getitem__(self, column: int) -> float:
        return self.values[column]

    def is_missing(self, column: int) -> bool:
        value = self.values[column]
        return value != value

    def exact(self, column: int) -> Decimal:
        """The decimal number that the value was written as; of a value that is there."""
        found = self._exact.get(column)
        if found is None:
            found = self._exact[column] = exact(self.values[column])
        return found


@lru_cache(maxsize=4096)  # the rows of one question have most values in common
def exact(value: float) -> Decimal:
    """``308.2`` as the decimal 308.2, not as the float64 nearest to it."""
    # `repr` is the shortest text that reads back as the same float, and so what was written.
    return Decimal(repr(float(value)))


def is_missing(value: float) -> bool:
    return value != value


def moves(after: Reading, before: Reading, column: int) -> bool:
    """Whether a value differs from the factual's; a missing one does not from a missing one."""
    a, b = after.values[column], before.values[column]
    return a != b and not (a != a and b != b)


def moved(after: Reading, before: Reading) -> list[int]:
    """Columns that differ."""
    return differing(after.values, before.values)


def differing(after: Sequence[float], before: Sequence[float]) -> list[int]:
    """Columns of two rows that differ, as in :func:`moves`."""
    pairs = enumerate(zip(after, before, strict=True))
    return [j for j, (a, b) in pairs if a != b and not (a != a and b != b)]


def slack(size: Decimal) -> Decimal:
    return WITHIN * max(Decimal(1), abs(size))


def same(a: float, b: float) -> bool:
    """Equal, or both missing."""
    return a == b or (a != a and b != b)


def near(a: float, b: float, floor: float = 1.0) -> bool:
    """Equal, but for the rounding of sums in another order; ``floor`` is the least size of their
    terms."""
    return same(a, b) or abs(a - b) <= NEAR * max(floor, abs(a), abs(b))


def written(feature: Feature, value: Any) -> float:
    """A written value as a row holds it; effects of whole numbers may be written as they are."""
    if feature.kind.is_categorical or value is None:
        return feature.read(value)
    return float(value)

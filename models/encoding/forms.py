"""What a graph takes for a feature: its number, or its category as one or several columns."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np


class Form(StrEnum):
    """What the graph takes for a feature."""

    NUMBER = "number"
    """The reading itself; missing is NaN."""
    CODES = "codes"
    """The position of the category; missing is NaN."""
    VALUES = "values"
    """A declared number for each category; missing is NaN."""
    ONE_HOT = "one-hot"
    """A 0/1 column for each category; missing is all 0."""
    THERMOMETER = "thermometer"
    """A column for each category but the lowest, 1 where the category is at least that one;
    missing is NaN."""
    STRING = "string"
    """A text for each category; missing is the empty text."""
    UNREAD = "unread"
    """Nothing: the graph does not read it."""


@dataclass(frozen=True, slots=True)
class Place:
    """Where a spec says that a feature enters the graph; empty means: work it out."""

    name: str | None = None
    column: int | None = None
    names: tuple[str, ...] = ()
    """One input a column, in place of ``name``."""


@dataclass(frozen=True)
class FeatureEncoding:
    """What the graph takes for one feature."""

    name: str
    form: Form = Form.NUMBER
    table: tuple[tuple[float | str, ...], ...] = ()
    """One line a category, one entry a column; empty where the row's number passes as it is."""
    whole: bool = False
    """Whether only whole numbers occur, so that an integer tensor can hold them."""
    may_be_missing: bool = False
    place: Place = Place()

    @classmethod
    def of_categories(
        cls,
        name: str,
        form: Form,
        values: Sequence[float | str],
        *,
        may_be_missing: bool = False,
        place: Place = Place(),
    ) -> FeatureEncoding:
        """Encoding of a categorical feature; ``values`` has an entry a category: its number
        for :attr:`Form.VALUES`, its text for :attr:`Form.STRING`, else only counted.
        """
        table = _table(form, values)
        cells = [cell for line in table for cell in line]
        whole = all(isinstance(cell, int | float) and float(cell).is_integer() for cell in cells)
        return cls(name, form, table, whole, may_be_missing, place)

    @property
    def width(self) -> int:
        """Number of columns taken."""
        if self.form is Form.UNREAD:
            return 0
        return len(self.table[0]) if self.table else 1

    @property
    def missing(self) -> float | str:
        """What stands in each column for a missing value."""
        match self.form:
            case Form.ONE_HOT:
                return 0.0
            case Form.STRING:
                return ""
            case _:
                return np.nan


def _table(form: Form, values: Sequence[float | str]) -> tuple[tuple[float | str, ...], ...]:
    n = len(values)
    match form:
        case Form.ONE_HOT:
            return tuple(tuple(float(i == k) for k in range(n)) for i in range(n))
        case Form.THERMOMETER:
            # The lowest has no column: it is where all of them are 0.
            return tuple(tuple(float(i >= k) for k in range(1, n)) for i in range(n))
        case Form.VALUES | Form.STRING:
            return tuple((v,) for v in values)
        case _:
            return ()

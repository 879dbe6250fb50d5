"""One feature's readings, and changes of them, as numbers and units to be said."""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum

from explainers.wording.numerals import (
    ROUNDED_DIGITS,
    Number,
    decimal,
    difference,
    shown,
    write,
)
from explainers.wording.phrases import NOTHING, Clauses
from explainers.wording.text import label_of
from explainers.wording.units import Unit
from models.schema import Feature, Kind

MISSING = {"ko": "누락", "en": "missing"}
ABOUT = {"ko": "약", "en": "about"}


@dataclass(frozen=True, slots=True)
class Gauge:
    """A feature as it is talked about."""

    feature: Feature
    unit: Unit

    @classmethod
    def of(cls, feature: Feature) -> Gauge:
        return cls(feature, Unit.of(feature.unit))

    def label(self, language: str) -> str:
        return label_of(self.feature, language)

    def value(self, value: float, language: str, *, computed: bool = False) -> str:
        """``53.2 Nm``, ``216분``, ``H``; digits as they are, "about" where they had to be cut."""
        if math.isnan(value):
            return MISSING[language]
        category = self._category(value, language)
        if category is not None:
            return category
        return quantity(self.number(decimal(value), computed), self.unit, language)

    def bare(self, value: float, language: str, *, computed: bool = False) -> str:
        """The value without the unit, to stand beside one that has it."""
        if self.unit.stands_in_front(language):
            return self.value(value, language, computed=computed)
        return quantity(self.number(decimal(value), computed), Unit(""), language)

    def number(self, value: Decimal, computed: bool = False) -> Number:
        """``value`` in the digits that mean something: of a computed one, the resolution's."""
        resolution = self.feature.resolution
        if not computed:
            return shown(value, resolution)
        if resolution is None and self.feature.kind is Kind.INTEGER:
            resolution = Decimal(1)
        return shown(value, resolution, ROUNDED_DIGITS if resolution is None else 0)

    def _category(self, value: float, language: str) -> str | None:
        if not self.feature.kind.is_categorical:
            return None
        return label_of(self.feature.categories[int(value)], language)


class Move(StrEnum):
    DOWN = "down"
    UP = "up"
    BECOMES = "becomes"
    """One category instead of another."""
    FILLED = "filled"
    """A missing reading gets a value."""
    EMPTIED = "emptied"


@dataclass(frozen=True, slots=True)
class Change:
    """One feature, before and after."""

    gauge: Gauge
    before: float
    after: float
    own: Clauses = NOTHING
    computed: bool = False
    """Whether ``after`` was computed rather than set: its digits beyond the resolution are no
    more than the arithmetic's."""

    @property
    def move(self) -> Move:
        if math.isnan(self.before):
            return Move.FILLED
        if math.isnan(self.after):
            return Move.EMPTIED
        if self.gauge.feature.kind.is_categorical:
            return Move.BECOMES
        return Move.DOWN if self.after < self.before else Move.UP

    @property
    def delta(self) -> Number:
        """Size of a numeric change: the difference of the two decimals, not of two doubles."""
        before, after = decimal(self.before), decimal(self.after)
        exact = abs(difference(after, before))
        known = self.gauge.number(before), self.gauge.number(after, self.computed)
        if all(number.exact for number in known):
            return Number(exact)
        return self.gauge.number(exact, self.computed)

    def amount(self, language: str) -> str:
        """``7.5 Nm``; of a temperature a temperature difference, of a percentage points."""
        return quantity(self.delta, self.gauge.unit.difference, language)

    def values(self, language: str) -> tuple[str, str]:
        """Before and after."""
        before = self.gauge.value(self.before, language)
        return before, self.gauge.value(self.after, language, computed=self.computed)

    def numbers(self, language: str) -> tuple[str, str] | None:
        """Before and after without their units; None where there are no two numbers to show."""
        if self.move not in (Move.DOWN, Move.UP) or len(set(self.values(language))) == 1:
            return None
        before = self.gauge.bare(self.before, language)
        return before, self.gauge.bare(self.after, language, computed=self.computed)


def quantity(number: Number, unit: Unit, language: str) -> str:
    text = unit.behind(write(number.value), language)
    return text if number.exact else f"{ABOUT[language]} {text}"

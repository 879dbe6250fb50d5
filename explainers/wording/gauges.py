"""One feature's readings, and changes of them, as numbers and units to be said."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, field
from decimal import Decimal
from enum import StrEnum
from functools import cached_property, lru_cache

from ifonly.explainers.languages import LANGUAGES
from ifonly.explainers.wording.conventions import conventions_of
from ifonly.explainers.wording.numerals import (
    ROUNDED_DIGITS,
    Number,
    decimal,
    difference,
    shown,
    write,
)
from ifonly.explainers.wording.phrases import NOTHING, Clauses
from ifonly.explainers.wording.text import label_of
from ifonly.explainers.wording.units import Unit
from ifonly.models.schema import Feature, Kind, Schema
from ifonly.models.window import Period, ProfileShape, window_of

NO_UNIT = Unit("")


@dataclass(frozen=True, slots=True)
class When:
    """Of a window: when a channel moves, or which of its readings is meant."""

    shape: ProfileShape | None
    """Of a profile; None: one reading."""
    back: Period | None
    """From how long before the end on, or how long before; None: the last reading."""


@dataclass(frozen=True, slots=True)
class Gauge:
    """A feature as it is talked about."""

    feature: Feature
    unit: Unit
    labels: Mapping[str, str]
    """What it is called, by language."""
    when: When | None = None
    """Of a channel of a window, which the labels name."""

    @classmethod
    def of(cls, feature: Feature) -> Gauge:
        labels: dict[str, str] = {tag: label_of(feature, tag) for tag in LANGUAGES}
        return cls(feature, Unit.of(feature.unit), labels)

    @property
    def is_profile(self) -> bool:
        """Whether it is an amount by which a channel is moved, and no reading."""
        return self.when is not None and self.when.shape is not None

    def label(self, language: str) -> str:
        return self.labels[language]

    def value(self, value: float, language: str, *, computed: bool = False) -> str:
        """``53.2 Nm``, ``216분``, ``H``; digits as they are, "about" where they had to be cut."""
        if math.isnan(value):
            return conventions_of(language).missing
        category = self._category(value, language)
        if category is not None:
            return category
        return quantity(self.number(decimal(value), computed), self.unit, language)

    def bare(self, value: float, language: str, *, computed: bool = False) -> str:
        """The value without the unit, to stand beside one that has it."""
        if self.unit.stands_in_front(language):
            return self.value(value, language, computed=computed)
        return quantity(self.number(decimal(value), computed), NO_UNIT, language)

    def number(self, value: Decimal, computed: bool = False) -> Number:
        """``value`` in the digits that mean something: of a computed one, the resolution's."""
        resolution = self.feature.resolution
        if not computed:
            # 0 digits count as meant: what was computed is cut to the resolution.
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


@dataclass(frozen=True)
class Change:
    """One feature, before and after. A sentence asks for the same several times, so what was made
    of the values is kept."""

    gauge: Gauge
    before: float
    after: float
    own: Clauses = field(default_factory=lambda: NOTHING)
    computed: bool = False
    """Whether ``after`` was computed rather than set: its digits beyond the resolution are no
    more than the arithmetic's."""

    @cached_property
    def move(self) -> Move:
        if math.isnan(self.before):
            return Move.FILLED
        if math.isnan(self.after):
            return Move.EMPTIED
        if self.gauge.feature.kind.is_categorical:
            return Move.BECOMES
        return Move.DOWN if self.after < self.before else Move.UP

    @cached_property
    def delta(self) -> Number:
        """Size of a numeric change: the difference of the two decimals, not of two doubles."""
        exact = abs(difference(decimal(self.after), decimal(self.before)))
        # Both are told in full, so whoever subtracts must get this very difference.
        if all(number.exact for number in self._readings):
            return Number(exact)
        return self.gauge.number(exact, self.computed)

    @cached_property
    def _readings(self) -> tuple[Number, Number]:
        """Before and after of a numeric change."""
        before, after = decimal(self.before), decimal(self.after)
        return self.gauge.number(before), self.gauge.number(after, self.computed)

    @property
    def is_numeric(self) -> bool:
        """Whether it is from one number to another."""
        return self.move in (Move.DOWN, Move.UP)

    def amount(self, language: str) -> str:
        """``7.5 Nm``; of a temperature a temperature difference, of a percentage points."""
        return quantity(self.delta, self.gauge.unit.difference, language)

    def values(self, language: str) -> tuple[str, str]:
        """Before and after."""
        if self.is_numeric:
            first, second = self._readings
            unit = self.gauge.unit
            return quantity(first, unit, language), quantity(second, unit, language)
        before = self.gauge.value(self.before, language)
        return before, self.gauge.value(self.after, language, computed=self.computed)

    def numbers(self, language: str) -> tuple[str, str] | None:
        """Before and after without their units; None where there are no two numbers to show."""
        values = self.values(language)
        # An amount is said already; a pair of it, from 0, would be taken for readings.
        if self.gauge.is_profile:
            return None
        # Two readings that print alike would say that nothing changed.
        if not self.is_numeric or values[0] == values[1]:
            return None
        if self.gauge.unit.stands_in_front(language):
            return values
        before, after = self._readings
        return quantity(before, NO_UNIT, language), quantity(after, NO_UNIT, language)

    def arrow(self, language: str) -> str:
        """``60.7 → 53.2 Nm``; nothing where that is said already."""
        numbers = self.numbers(language)
        return "" if numbers is None else f"{numbers[0]} → {self.values(language)[1]}"

    def named_arrow(self, language: str) -> str:
        """``tool wear 216 → 0 min``, also of what has no numbers."""
        before, after = self.values(language)
        return f"{self.gauge.label(language)} {self.arrow(language) or f'{before} → {after}'}"


def quantity(number: Number, unit: Unit, language: str) -> str:
    """``number`` with its unit, "about" before it where its digits had to be cut."""
    # By plain values: hashing the two costs more than a look into the cache.
    return _written(number.value, number.exact, unit.symbol, language)


@lru_cache(maxsize=4_096)  # a sentence says each several times
def _written(value: Decimal, is_exact: bool, symbol: str, language: str) -> str:
    spoken = conventions_of(language)
    text = spoken.behind(write(value), symbol)
    return text if is_exact else spoken.about + text


def gauges_of(schema: Schema) -> tuple[Gauge, ...]:
    """The columns as sentences speak of them: those of a window by their channel, and when."""
    window = window_of(schema)
    if window is None:
        return tuple(Gauge.of(feature) for feature in schema.features)
    channels = [Gauge.of(channel) for channel in window.channels]
    found = []
    for j, feature in enumerate(schema.features):
        profile = window.profile_at(j)
        if profile is None:
            when = When(None, window.age(j % window.steps))
        else:
            when = When(profile.shape, window.back(profile.steps))
        own = channels[window.channel_at(j)]
        found.append(Gauge(feature, own.unit, own.labels, when))
    return tuple(found)

"""One change of many machines, before it is put into a language."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

from ifonly.explainers.wording.gauges import Change, Gauge
from ifonly.explainers.wording.phrases import NOTHING, Clauses


@dataclass(frozen=True, slots=True)
class SaidSetting:
    """One lever that is set on all: by an amount, or to a value."""

    change: Change
    """By an amount: from 0 to it; to a value: to it, from wherever it was."""
    is_amount: bool

    @classmethod
    def by(cls, gauge: Gauge, amount: float) -> SaidSetting:
        return cls(Change(gauge, 0.0, amount), True)

    @classmethod
    def to(cls, gauge: Gauge, value: float, own: Clauses = NOTHING) -> SaidSetting:
        return cls(Change(gauge, value, value, own), False)

    def label(self, language: str) -> str:
        return self.change.gauge.label(language)

    def value(self, language: str) -> str:
        """What it is set to."""
        return self.change.gauge.value(self.change.after, language)

    @property
    def bare(self) -> SaidSetting:
        """The same without the plant's own words."""
        return replace(self, change=replace(self.change, own=NOTHING))


@dataclass(frozen=True, slots=True)
class Coverage:
    """How many of how many."""

    cleared: int
    of: int
    are_alarms: bool
    """Whether they are called alarms; else they are rows that miss a target."""


class CommonWords(Protocol):
    """What a language says of one change of many machines."""

    def change(self, settings: Sequence[SaidSetting]) -> str:
        """``torque 6 Nm lower, the tool replaced``: for a table."""
        ...

    def cleared(self, settings: Sequence[SaidSetting], coverage: Coverage) -> str:
        """Had all been set so, so many of the alarms would not have sounded."""
        ...

    def most(self, levers: int, *, is_cheapest: bool) -> str:
        """Proven: no change of so many levers clears more, and none that clears as many is
        cheaper."""
        ...

    def may_be_more(self, levers: int, most: int, *, out_of_time: bool) -> str:
        """Not proven: up to ``most`` may be cleared."""
        ...

    def none(self, levers: int, of: int, *, is_proven: bool) -> str:
        """No such change clears any."""
        ...

    def nothing_to_clear(self, rows: int) -> str:
        """None of the rows is an alarm."""
        ...

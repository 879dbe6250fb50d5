"""Readings that alone force a decision, before they are put into a language."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Protocol

from ifonly.explainers.terms import ReasonStatus
from ifonly.explainers.wording.gauges import Gauge
from ifonly.explainers.wording.outcomes import Outcome


@dataclass(frozen=True, slots=True)
class HeldReading:
    """One feature with what it reads."""

    gauge: Gauge
    value: float

    @property
    def is_missing(self) -> bool:
        return self.value != self.value

    def label(self, language: str) -> str:
        return self.gauge.label(language)

    def said(self, language: str) -> str:
        """``62.7 Nm``, ``low``."""
        return self.gauge.value(self.value, language)


class ReasonWords(Protocol):
    """What a language says of sufficient reasons; always of the model, never of the equipment."""

    def forced(self, held: Sequence[HeldReading], outcome: Outcome) -> str:
        """They alone force it: whatever else had been read, ``outcome`` would have been."""
        ...

    def claim(self, status: ReasonStatus, count: int, *, out_of_time: bool) -> str:
        """How sure that is, of so many readings; empty where nothing is left to say."""
        ...

    def unknown(self, *, out_of_time: bool) -> str:
        """It could not be told which readings force the decision."""
        ...

    def principal(self, reading: HeldReading, within: int, of: int, *, alone: bool) -> str:
        """One main reading: it is in ``within`` ``of`` the sufficient reasons; ``alone``: the
        decision can turn with no other changed."""
        ...

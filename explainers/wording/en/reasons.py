"""English, of sufficient reasons: "The torque of 65 Nm and … alone force this: whatever …"."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field

from ifonly.explainers.languages import Language
from ifonly.explainers.terms import ReasonStatus
from ifonly.explainers.wording.en.clauses import listed
from ifonly.explainers.wording.en.sentences import English
from ifonly.explainers.wording.grounds import Grounds
from ifonly.explainers.wording.numerals import count as counted
from ifonly.explainers.wording.outcomes import Outcome
from ifonly.explainers.wording.reasons import HeldReading

LANGUAGE: Language = "en"


@dataclass(frozen=True, slots=True)
class EnglishReasons:
    """The sentences."""

    grammar: English = field(default_factory=lambda: English(Grounds.MODEL))

    def forced(self, held: Sequence[HeldReading], outcome: Outcome) -> str:
        said = self.grammar.said(outcome)
        would = f"{said.subject} {said.would()}"
        if not held:
            return f"Whatever had been read, {would}: no reading matters."
        alone = "alone forces" if len(held) == 1 else "alone force"
        return (
            f"{_capital(listed(list(map(_named, held))))} {alone} this: "
            f"whatever the other readings had been, {would}."
        )

    def claim(self, status: ReasonStatus, count: int, *, out_of_time: bool) -> str:
        if not count:
            return "This is proven."
        match status:
            case ReasonStatus.SMALLEST if count == 1:
                return "This is proven; without it the decision is not forced."
            case ReasonStatus.SMALLEST:
                return "This is proven, and also that no fewer readings force it."
            case ReasonStatus.MINIMAL:
                return (
                    "This is proven, and also that none of them can be left out; "
                    "fewer others may do."
                )
            case _:
                why = ", because the search ran out of time" if out_of_time else ""
                return f"This is proven; it is not proven that all of them are needed{why}."

    def unknown(self, *, out_of_time: bool) -> str:
        when = " in the time allowed" if out_of_time else ""
        return f"It could not be told{when} which readings alone force the decision."

    def principal(self, reading: HeldReading, within: int, of: int, *, alone: bool) -> str:
        sets = "the set of readings found that forces"
        if within < of:
            sets = f"{counted(within)} of the {counted(of)} sets of readings found that force"
        elif of > 1:
            every = "both" if of == 2 else f"all {counted(of)}"
            sets = f"{every} sets of readings found that force"
        turns = "; with it alone changed, the decision could turn" if alone else ""
        return f"{_capital(_named(reading))}: in {sets} the decision{turns}."


def _named(reading: HeldReading) -> str:
    """``the torque of 62.7 Nm``, ``the product quality "low"``, ``the missing flow``."""
    label = reading.label(LANGUAGE)
    if reading.is_missing:
        return f"the missing {label}"
    if reading.gauge.feature.kind.is_categorical:
        return f"the {label} '{reading.said(LANGUAGE)}'"
    return f"the {label} of {reading.said(LANGUAGE)}"


def _capital(text: str) -> str:
    return text[:1].upper() + text[1:]

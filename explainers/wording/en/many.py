"""English, of many machines: "Had the torque been 6 Nm lower, 41 of the 50 alarms would …"."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from ifonly.explainers.languages import Language
from ifonly.explainers.wording.en.clauses import compared, listed
from ifonly.explainers.wording.en.own_words import own_clause
from ifonly.explainers.wording.grounds import Grounds
from ifonly.explainers.wording.many import Coverage, SaidSetting
from ifonly.explainers.wording.numerals import count

LANGUAGE: Language = "en"
_NUMBERS = {1: "one lever", 2: "two levers", 3: "three levers"}


@dataclass(frozen=True, slots=True)
class EnglishMany:
    """The sentences."""

    grounds: Grounds

    def change(self, settings: Sequence[SaidSetting]) -> str:
        return ", ".join(map(_short, settings))

    def cleared(self, settings: Sequence[SaidSetting], coverage: Coverage) -> str:
        of_model = self.grounds is Grounds.MODEL
        clauses = [
            _as(s, "as" if of_model else ("" if i else "been")) for i, s in enumerate(settings)
        ]
        had = f"had the model read {listed(clauses)}" if of_model else f"had {listed(clauses)}"
        sentence = f"{had}, {_would(coverage, of_model)}."
        return sentence[:1].upper() + sentence[1:]

    def most(self, levers: int, *, is_cheapest: bool) -> str:
        cheapest = ", and the cheapest change that does" if is_cheapest else ""
        return f"This is proven to be the most that {_at_most(levers)} can clear{cheapest}."

    def may_be_more(self, levers: int, most: int, *, out_of_time: bool) -> str:
        why = ", because the search ran out of time" if out_of_time else ""
        return (
            f"It is not proven to be the most{why}: {_at_most(levers)} may clear up to "
            f"{count(most)}."
        )

    def none(self, levers: int, of: int, *, is_proven: bool) -> str:
        if is_proven:
            these = "the alarm" if of == 1 else f"any of the {count(of)} alarms"
            return f"No common change of {_at_most(levers)} clears {these}; this is proven."
        return (
            f"No common change of {_at_most(levers)} that clears an alarm was found in the time "
            "allowed. It is not proven that there is none."
        )

    def nothing_to_clear(self, rows: int) -> str:
        if rows == 1:
            return "The row is no alarm: there is nothing to change."
        return f"None of the {count(rows)} rows is an alarm: there is nothing to change."


def _at_most(levers: int) -> str:
    return _NUMBERS[levers] if levers == 1 else f"at most {_NUMBERS[levers]}"


def _short(setting: SaidSetting) -> str:
    """``torque 6 Nm lower``, ``torque to 42 Nm``, ``the tool replaced``."""
    own = own_clause(setting.change)
    if own:
        return f"{own.subject} {own.predicate}"
    if setting.is_amount:
        return f"{setting.label(LANGUAGE)} {compared(setting.change)}"
    return f"{setting.label(LANGUAGE)} to {setting.value(LANGUAGE)}"


def _as(setting: SaidSetting, verb: str) -> str:
    """``the torque been 6 Nm lower``; ``verb``: "been", "as"; nothing: a list carries it."""
    own = own_clause(setting.change)
    if own:
        subject, predicate = own.subject, own.predicate
    else:
        subject = f"the {setting.label(LANGUAGE)}"
        is_amount = setting.is_amount
        predicate = compared(setting.change) if is_amount else setting.value(LANGUAGE)
    return " ".join(word for word in (subject, verb, predicate) if word)


def _would(coverage: Coverage, of_model: bool) -> str:
    some, of = count(coverage.cleared), count(coverage.of)
    is_all = coverage.cleared == coverage.of
    if not coverage.are_alarms:
        every = "the row" if coverage.of == 1 else f"all {of} rows"
        these = every if is_all else f"{some} of the {of} rows"
        return f"{these} would have met the target"
    if of_model:
        every = "the alarm" if coverage.of == 1 else f"any of the {of} alarms"
        these = every if is_all else f"{some} of the {of} alarms"
        return f"it would not have raised {these}"
    if coverage.of == 1:
        return "the alarm would not have sounded"
    if is_all:
        return f"none of the {of} alarms would have sounded"
    return f"{some} of the {of} alarms would not have sounded"

"""How each language writes numbers, units and what has no name: the module ``conventions`` of its
folder fills :class:`Conventions`."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from functools import cache
from importlib import import_module

from ifonly.explainers.languages import LANGUAGES, Language, is_language

_COUNTED: Mapping[str, tuple[str, ...]] = {
    # Units that are a word in some language, and what else a schema may call them.
    "s": ("sec", "second", "seconds"),
    "min": ("mins", "minute", "minutes"),
    "h": ("hr", "hrs", "hour", "hours"),
    "d": ("day", "days"),
    "wk": ("week", "weeks"),
    "month": ("months",),
    "yr": ("year", "years"),
    "세": (),  # years of age
    "time": ("times",),
    "번": (),  # times, in the order of turns
    "pc": ("pcs", "piece", "pieces"),
    "person": ("people", "persons"),
    "case": ("cases",),
    "cycle": ("cycles",),
    "rev": ("revs", "revolutions"),
    "USD": ("$",),
    "EUR": ("€",),
    "KRW": ("₩",),
    "JPY": ("¥",),
    "GBP": ("£",),
    "DM": ("DEM",),
}
WORDS = frozenset(_COUNTED)
"""Units for which every language needs a word."""


@dataclass(frozen=True, slots=True)
class Conventions:
    """One language's way of writing quantities."""

    locale: str
    """CLDR's, for lists."""
    between_sentences: str = field(default=" ", kw_only=True)
    missing: str
    """A reading that is not there."""
    about: str
    """Before a rounded number, with the space that follows."""
    units: Mapping[str, tuple[str, str]]
    """Words for units, behind 1 and behind any other number."""
    unit_glue: str = " "
    """Between a number and such a word."""
    percent_space: bool = True
    """Whether pages have a space before a percent sign."""
    signs_in_front: frozenset[str] = frozenset()
    """Units that are written before the number."""
    letters: tuple[tuple[str, str], ...] = ()
    """First and last of each own script; a unit that begins with one stands without a space."""
    aliases: Mapping[str, str] = field(default_factory=dict)
    """Words of the language for units, as a schema may declare them, to the unit."""
    alarm: str = ""
    """What an alarm is called where a spec names it in other languages only; empty: it is not."""
    labels_from: tuple[Language, ...] = ()
    """Languages whose label is taken where a spec has none in this one."""

    def behind(self, number: str, symbol: str) -> str:
        """``number`` with the unit: 53.2 Nm, 216분, $5,000, 45°."""
        if not symbol:
            return number
        if symbol in self.signs_in_front:
            # -$5, not $-5.
            sign = "-" if number.startswith("-") else ""
            return f"{sign}{symbol}{number.removeprefix('-')}"
        if symbol == "pH":
            return f"pH {number}"
        words = self.units.get(canonical(symbol))
        if words is not None:
            return f"{number}{self.unit_glue}{words[number != '1']}"
        return f"{number}{'' if symbol == '°' or self._is_own(symbol) else ' '}{symbol}"

    def stands_in_front(self, symbol: str) -> bool:
        """Whether the unit must be repeated with each of two numbers: $4 instead of $5."""
        return symbol == "pH" or symbol in self.signs_in_front

    def _is_own(self, symbol: str) -> bool:
        return any(first <= symbol[0] <= last for first, last in self.letters)


@cache
def conventions(language: Language) -> Conventions:
    """The conventions in the language's folder."""
    found = import_module(f"ifonly.explainers.wording.{language}.conventions").CONVENTIONS
    assert isinstance(found, Conventions)
    return found


def conventions_of(tag: str) -> Conventions:
    """:func:`conventions`, of a tag from anywhere.

    Raises
    ------
    ValueError
        If it is no language of ours.
    """
    if not is_language(tag):
        raise ValueError(f"language is {tag!r}, not one of {', '.join(LANGUAGES)}")
    return conventions(tag)


def canonical(symbol: str) -> str:
    """One symbol for all that mean the same: ``min`` for minutes and 분; others as they are."""
    return _canonical().get(symbol, symbol)


@cache
def _canonical() -> Mapping[str, str]:
    found = {other: unit for unit, others in _COUNTED.items() for other in others}
    # Any language's word may stand in a schema, whoever reads the sentence.
    for language in LANGUAGES:
        found |= conventions(language).aliases
    return found

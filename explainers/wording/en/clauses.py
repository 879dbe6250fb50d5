"""English clauses of what is, or is read, otherwise: "the torque as 7.5 Nm lower"."""

from __future__ import annotations

from collections.abc import Sequence

from babel.lists import format_list

from ifonly.explainers.languages import Language
from ifonly.explainers.wording.en.own_words import own_clause
from ifonly.explainers.wording.en.windows import when
from ifonly.explainers.wording.gauges import Change, Move
from ifonly.explainers.wording.text import bracketed
from ifonly.explainers.wording.units import Dimension

LANGUAGE: Language = "en"

_LOWER_HIGHER = ("lower", "higher")
_SHORTER_LONGER = ("shorter", "longer")
_SMALLER_LARGER = ("smaller", "larger")
_COMPARATIVES = {
    # By the last word of the label; else by what the unit measures.
    "time": _SHORTER_LONGER,
    "duration": _SHORTER_LONGER,
    "period": _SHORTER_LONGER,
    "interval": _SHORTER_LONGER,
    "cycle": _SHORTER_LONGER,
    "length": _SHORTER_LONGER,
    "distance": _SHORTER_LONGER,
    "stroke": _SHORTER_LONGER,
    "area": _SMALLER_LARGER,
    "size": _SMALLER_LARGER,
    "height": _LOWER_HIGHER,
    "level": _LOWER_HIGHER,
    "position": _LOWER_HIGHER,
}


def as_read(change: Change) -> str:
    """``the torque as 7.5 Nm lower (53.2 instead of 60.7 Nm)``."""
    own = own_clause(change)
    if own:
        return f"{own.subject} as {own.predicate}{bracketed(_named_pair(change))}"
    if change.move is Move.FILLED:
        return f"{_the(change)}, which was missing, as {change.values(LANGUAGE)[1]}"
    return f"{_the(change)} as {compared(change)}{bracketed(_pair(change))}"


def as_been(change: Change, been: str) -> str:
    """``the torque been 7.5 Nm lower (53.2 instead of 60.7 Nm)``; one "been" carries a list."""
    own = own_clause(change)
    if own:
        return _spaced(own.subject, been, own.predicate + bracketed(_named_pair(change)))
    if change.move is Move.FILLED:
        value = change.values(LANGUAGE)[1]
        return _spaced(f"{_the(change)}, which was missing,", been, value)
    return _spaced(_the(change), been, compared(change) + bracketed(_pair(change)))


def as_was(change: Change, alone: bool) -> str:
    """``the torque was 7.5 Nm lower (53.2 instead of 60.7 Nm)``; not ``alone``: what it follows
    from is otherwise too, and this is its own part."""
    if change.move is Move.FILLED:
        return f"{_the(change)}, which was missing, was {change.values(LANGUAGE)[1]}"
    if not alone:
        return f"{_the(change)} was of itself {compared(change)}"
    return f"{_the(change)} was {compared(change)}{bracketed(_pair(change))}"


def then(effects: Sequence[Change]) -> str:
    """What follows by the causal model, up to the decision."""
    if not effects:
        return ""
    then = ("would then have been", *[""] * (len(effects) - 1))
    return listed([as_been(c, b) for c, b in zip(effects, then, strict=True)]) + ", and "


def _the(change: Change) -> str:
    return f"the {change.gauge.label(LANGUAGE)}"


def compared(change: Change) -> str:
    if change.is_numeric:
        moved = change.gauge.when
        said = f"{change.amount(LANGUAGE)} {_comparative(change)}"
        return said if moved is None else f"{said} {when(moved)}"
    before, after = change.values(LANGUAGE)
    return f"{after} instead of {before}"


def _pair(change: Change) -> str:
    """``53.2 instead of 60.7 Nm``; nothing where that is said already."""
    numbers = change.numbers(LANGUAGE)
    return "" if numbers is None else f"{numbers[1]} instead of {change.values(LANGUAGE)[0]}"


def _named_pair(change: Change) -> str:
    pair = _pair(change) or compared(change)
    return f"{change.gauge.label(LANGUAGE)} {pair}"


def _comparative(change: Change) -> str:
    gauge = change.gauge
    head = gauge.label(LANGUAGE).split()[-1].lower()
    by_unit = _SMALLER_LARGER if gauge.unit.dimension is Dimension.LENGTH else _LOWER_HIGHER
    return _COMPARATIVES.get(head, by_unit)[change.move is Move.UP]


def listed(items: list[str]) -> str:
    # Most answers set one feature: a list of one needs no CLDR.
    return items[0] if len(items) == 1 else format_list(items, locale="en_US")


def _spaced(*words: str) -> str:
    return " ".join(w for w in words if w)

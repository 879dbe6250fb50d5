"""Constraints in English: "the torque may only go down"."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

from babel.lists import format_list

from explainers.constraints import (
    Changes,
    Comparison,
    Condition,
    Constraint,
    Direction,
    Immutable,
    IsIn,
    MaxChange,
    MaxChanges,
    NotMissing,
    OnlyTo,
    Plausible,
    Range,
    Relation,
    Rule,
    Sense,
    Settable,
    Survives,
)
from explainers.wording.gauges import Gauge, quantity
from explainers.wording.numerals import Number, count, decimal, write
from explainers.wording.sums import (
    Inequality,
    Term,
    can_be_said,
    constant_in_words,
    inequality,
    positive_first,
)
from explainers.wording.text import bracketed, clean, reason

LANGUAGE = "en"

_RELATIONS = {
    Relation.LE: "at most ",
    Relation.LT: "below ",
    Relation.GE: "at least ",
    Relation.GT: "above ",
    Relation.EQ: "",
    Relation.NE: "",
}


@dataclass(frozen=True, slots=True)
class EnglishLimits:
    """What is allowed, in words."""

    gauges: Sequence[Gauge]

    def say(self, constraint: Constraint) -> str:
        """One clause, without a period; the reason, if one was given, in brackets."""
        return self._say(constraint) + bracketed(reason(constraint.origin.why, LANGUAGE))

    def _say(self, constraint: Constraint) -> str:
        match constraint:
            case Immutable(column=j):
                return f"{self._the(j)} cannot be changed"
            case NotMissing(column=j):
                return f"a missing reading of {self._the(j)} cannot be filled in"
            case Direction(column=j, sense=sense):
                way = "up" if sense is Sense.UP else "down"
                return f"{self._the(j)} may only go {way}"
            case Settable(column=j, lower=low, upper=high):
                return f"{self._the(j)} can only be set {self._placed(j, low, high)}"
            case Range(column=j, lower=low, upper=high):
                return f"{self._the(j)} must be {self._between(j, low, high)}"
            case MaxChange(column=j, amount=amount):
                return f"{self._the(j)} may change by at most {self._steps(j, amount)}"
            case OnlyTo(column=j, values=values):
                return self._only_to(j, values)
            case MaxChanges(count=n):
                return _at_most_changes(n)
            case Plausible():
                return "the readings together must be like those seen before"
            case Survives():
                return "the answer must hold whatever the sensors' tolerances make of the readings"
            case Rule():
                return self._rule(constraint)
            case _:
                return f"the constraint {clean(constraint.origin.key)} must hold"

    # --- single features ------------------------------------------------------------------------

    def _the(self, column: int, of_factual: bool = False) -> str:
        return f"the {'present ' if of_factual else ''}{self.gauges[column].label(LANGUAGE)}"

    def _between(self, column: int, low: float, high: float) -> str:
        gauge = self.gauges[column]
        if low == high:
            return gauge.value(low, LANGUAGE)
        has_low, has_high = abs(low) != float("inf"), abs(high) != float("inf")
        if has_low and has_high:
            return f"between {_first(gauge, low)} and {gauge.value(high, LANGUAGE)}"
        if has_low:
            return f"at least {gauge.value(low, LANGUAGE)}"
        return f"at most {gauge.value(high, LANGUAGE)}" if has_high else "any value"

    def _placed(self, column: int, low: float, high: float) -> str:
        where = self._between(column, low, high)
        return where if where.startswith("between") else f"to {where}"

    def _steps(self, column: int, amount: float) -> str:
        gauge = self.gauges[column]
        if gauge.feature.kind.is_categorical:
            return f"{write(decimal(amount))} {'step' if amount == 1 else 'steps'}"
        return quantity(Number(decimal(amount)), gauge.unit.difference, LANGUAGE)

    def _only_to(self, column: int, values: Sequence[float]) -> str:
        if not values:
            return f"{self._the(column)} cannot be changed"
        listed = _either([self.gauges[column].value(v, LANGUAGE) for v in values])
        return f"{self._the(column)} can only be changed to {listed}"

    # --- rules ----------------------------------------------------------------------------------

    def _rule(self, rule: Rule) -> str:
        if not can_be_said(rule):
            return f'the rule "{clean(rule.text)}" must hold'
        then = _all([self._condition(c, must=True) for c in rule.then])
        if not rule.when:
            return then
        return f"if {_all([self._condition(c, must=False) for c in rule.when])}, {then}"

    def _condition(self, condition: Condition, *, must: bool) -> str:
        match condition:
            case Changes(column=j, does=does):
                verb = (
                    ("must change", "must not change") if must else ("changes", "does not change")
                )
                return f"{self._the(j)} {verb[not does]}"
            case IsIn(column=j, codes=codes, inside=inside, of_factual=of_factual):
                names = [self.gauges[j].value(k, LANGUAGE) for k in sorted(codes)]
                return f"{self._the(j, of_factual)} {_one_of(names, must, inside)}"
            case Comparison():
                return self._comparison(condition, must=must)
            case _:
                raise TypeError(f"no words for {type(condition).__name__}")

    def _comparison(self, comparison: Comparison, *, must: bool) -> str:
        said = inequality(comparison, self.gauges)
        be = _be(must, said.relation is not Relation.NE)
        left = _sum(self._parts(said.left)) or "0"
        return f"{left} {be} {_RELATIONS[said.relation]}{self._right(said)}"

    def _right(self, said: Inequality) -> str:
        constant = constant_in_words(said, self.gauges, LANGUAGE)
        if not said.right:
            return constant
        parts = self._parts(said.right)
        return _sum([*parts, (said.constant > 0, constant)] if said.constant else parts)

    def _parts(self, terms: Sequence[Term]) -> list[tuple[bool, str]]:
        return [(term.weight > 0, self._term(term)) for term in terms]

    def _term(self, term: Term) -> str:
        times = abs(term.weight)
        name = self._the(term.column, term.of_factual)
        return name if times == 1 else f"{write(times)} times {name}"


def _sum(parts: list[tuple[bool, str]]) -> str:
    """``the process temperature minus the air temperature``."""
    text = ""
    for is_positive, part in positive_first(parts):
        joint = (
            (" plus " if is_positive else " minus ") if text else "" if is_positive else "minus "
        )
        text += joint + part
    return text


def _be(must: bool, holds: bool) -> str:
    if must:
        return "must be" if holds else "must not be"
    return "is" if holds else "is not"


def _one_of(names: list[str], must: bool, inside: bool) -> str:
    if inside or len(names) == 1:
        return f"{_be(must, inside)} {_either(names)}"
    return f"{_be(must, True)} neither {' nor '.join(names)}"


def _first(gauge: Gauge, value: float) -> str:
    is_category = gauge.feature.kind.is_categorical
    return gauge.value(value, LANGUAGE) if is_category else gauge.bare(value, LANGUAGE)


def _at_most_changes(n: int) -> str:
    if n < 1:
        return "nothing may be changed"
    return f"at most {count(n)} {'feature' if n == 1 else 'features'} may be changed"


def _either(items: list[str]) -> str:
    return format_list(items, style="or", locale="en_US")


def _all(items: list[str]) -> str:
    return format_list(items, locale="en_US")

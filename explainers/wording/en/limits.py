"""Constraints in English: "the torque may only go down"."""

from __future__ import annotations

from dataclasses import dataclass

from babel.lists import format_list

from ifonly.explainers.constraints import (
    Changes,
    Comparison,
    Condition,
    Constraint,
    Direction,
    Immutable,
    IsIn,
    LeavesOne,
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
from ifonly.explainers.languages import Language
from ifonly.explainers.wording.gauges import Gauge
from ifonly.explainers.wording.limits import Limits
from ifonly.explainers.wording.numerals import Number, count, write
from ifonly.explainers.wording.sums import (
    Term,
    added,
    can_be_said,
    inequality,
    limiting,
    signed,
)
from ifonly.explainers.wording.text import clean

LANGUAGE: Language = "en"

_SIGNS = (" plus ", " minus ", "minus ")
"""Between parts of a sum, and before a first one: ``the process temperature minus …``."""
_RELATIONS = {
    Relation.LE: "at most ",
    Relation.LT: "below ",
    Relation.GE: "at least ",
    Relation.GT: "above ",
    Relation.EQ: "",
    Relation.NE: "",
}


@dataclass(frozen=True)
class EnglishLimits(Limits):
    """What is allowed, in words."""

    language = LANGUAGE

    def name(self, column: int, particle: str = "", *, of_factual: bool = False) -> str:
        return f"the {'present ' if of_factual else ''}{super().name(column)}"

    def steps(self, number: Number) -> str:
        return f"{write(number.value)} {'step' if number.value == 1 else 'steps'}"

    @staticmethod
    def by_key(constraint: Constraint, by: Limits) -> str:
        return f"the constraint {clean(constraint.origin.key)} must hold"

    def between(self, column: int, low: float, high: float) -> str:
        """``between 38 and 53.2 Nm``, ``at least 38 Nm``."""
        gauge = self.gauges[column]
        if low == high:
            return gauge.value(low, LANGUAGE)
        has_low, has_high = abs(low) != float("inf"), abs(high) != float("inf")
        if has_low and has_high:
            return f"between {_first(gauge, low)} and {gauge.value(high, LANGUAGE)}"
        if has_low:
            return f"at least {gauge.value(low, LANGUAGE)}"
        return f"at most {gauge.value(high, LANGUAGE)}" if has_high else "any value"

    # --- rules ----------------------------------------------------------------------------------

    def rule(self, rule: Rule) -> str:
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
                return f"{self.name(j)} {verb[not does]}"
            case IsIn(column=j, codes=codes, inside=inside, of_factual=of_factual):
                names = [self.gauges[j].value(k, LANGUAGE) for k in sorted(codes)]
                return f"{self.name(j, of_factual=of_factual)} {_one_of(names, must, inside)}"
            case Comparison():
                return self._comparison(condition, must=must)
            case _:
                raise TypeError(f"no words for {type(condition).__name__}")

    def _comparison(self, comparison: Comparison, *, must: bool) -> str:
        said = inequality(comparison, self.gauges)
        be = _be(must, said.relation is not Relation.NE)
        left = added(signed(said.left, self._term), *_SIGNS) or "0"
        right = added(limiting(said, self.gauges, LANGUAGE, self._term), *_SIGNS)
        return f"{left} {be} {_RELATIONS[said.relation]}{right}"

    def _term(self, term: Term) -> str:
        times = abs(term.weight)
        name = self.name(term.column, of_factual=term.of_factual)
        return name if times == 1 else f"{write(times)} times {name}"


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


def _either(items: list[str]) -> str:
    return format_list(items, style="or", locale="en_US")


def _all(items: list[str]) -> str:
    return format_list(items, locale="en_US")


# --- kinds --------------------------------------------------------------------------------------


def _immutable(kept: Immutable | OnlyTo, by: EnglishLimits) -> str:
    return f"{by.name(kept.column)} cannot be changed"


def _not_missing(kept: NotMissing, by: EnglishLimits) -> str:
    return f"a missing reading of {by.name(kept.column)} cannot be filled in"


def _direction(kept: Direction, by: EnglishLimits) -> str:
    return f"{by.name(kept.column)} may only go {'up' if kept.sense is Sense.UP else 'down'}"


def _settable(kept: Settable, by: EnglishLimits) -> str:
    where = by.between(kept.column, kept.lower, kept.upper)
    placed = where if where.startswith("between") else f"to {where}"
    return f"{by.name(kept.column)} can only be set {placed}"


def _range(kept: Range, by: EnglishLimits) -> str:
    return f"{by.name(kept.column)} must be {by.between(kept.column, kept.lower, kept.upper)}"


def _max_change(kept: MaxChange, by: EnglishLimits) -> str:
    return f"{by.name(kept.column)} may change by at most {by.amount(kept.column, kept.amount)}"


def _only_to(kept: OnlyTo, by: EnglishLimits) -> str:
    if not kept.values:
        return _immutable(kept, by)
    listed = _either([by.value(kept.column, v) for v in kept.values])
    return f"{by.name(kept.column)} can only be changed to {listed}"


def _max_changes(kept: MaxChanges, by: EnglishLimits) -> str:
    if kept.count < 1:
        return "nothing may be changed"
    features = "feature" if kept.count == 1 else "features"
    return f"at most {count(kept.count)} {features} may be changed"


def _plausible(kept: Plausible, by: EnglishLimits) -> str:
    return "the readings together must be like those seen before"


def _survives(kept: Survives, by: EnglishLimits) -> str:
    return "the answer must hold whatever the sensors' tolerances make of the readings"


def _rule(kept: Rule, by: EnglishLimits) -> str:
    return by.rule(kept)


EnglishLimits.words = {
    Immutable: _immutable,
    NotMissing: _not_missing,
    Direction: _direction,
    Settable: _settable,
    Range: _range,
    MaxChange: _max_change,
    OnlyTo: _only_to,
    MaxChanges: _max_changes,
    LeavesOne: EnglishLimits.by_key,
    Plausible: _plausible,
    Survives: _survives,
    Rule: _rule,
}

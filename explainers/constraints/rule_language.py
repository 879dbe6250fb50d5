"""Rules as plants write them, read into conditions.

A rule is a linear comparison, a statement about categories or about what changes, several of
them joined by ``and``, or ``if ... then ...`` over them::

    process_temperature - air_temperature >= 8
    if tool_wear changes then tool_wear == 0
    if quality == "L" and torque > 60 then rotational_speed <= 1500
    power' <= 1.1 * power

A name is the counterfactual's value. Once any name in a rule carries a prime, the primed ones
are the counterfactual and the bare ones the factual. Names with spaces go in backticks.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

from lark import Token, Transformer
from lark.exceptions import VisitError

from ifonly.explainers.constraints.conditions import Changes, Comparison, Condition, IsIn, Relation
from ifonly.explainers.errors import InvalidRule
from ifonly.explainers.grammar import has_primes, parse_rule
from ifonly.models.schema import Feature, Kind, Schema

_COMPARE: dict[Relation, Callable[[int, int], bool]] = {
    Relation.LE: operator.le,
    Relation.LT: operator.lt,
    Relation.GE: operator.ge,
    Relation.GT: operator.gt,
    Relation.EQ: operator.eq,
    Relation.NE: operator.ne,
}


Conditions = tuple[Condition, ...]


def read_conditions(text: str, schema: Schema) -> tuple[Conditions, Conditions]:
    """What ``text`` says, ``if`` and ``then``; nothing before the first where it always holds.

    Raises
    ------
    InvalidRule
        Naming the column and what was expected, or the feature that is not there.
    """
    tree = parse_rule(text)
    try:
        read: tuple[Conditions, Conditions] = _RuleReader(text, schema, has_primes(tree)).transform(
            tree
        )
    except VisitError as error:
        # lark wraps what a transformer raises; the fault of the rule is the inner one.
        if isinstance(error.orig_exc, InvalidRule):
            raise error.orig_exc from None
        raise
    return read


@dataclass(frozen=True)
class _Reference:
    column: int
    is_factual: bool


@dataclass(frozen=True)
class _Sum:
    """``sum_j weight_j * reference_j + constant``"""

    weights: tuple[tuple[_Reference, float], ...] = ()
    constant: float = 0.0

    def times(self, factor: float) -> _Sum:
        return _Sum(tuple((r, w * factor) for r, w in self.weights), self.constant * factor)

    def plus(self, other: _Sum) -> _Sum:
        return _Sum((*self.weights, *other.weights), self.constant + other.constant)

    def of(self, factual: bool) -> tuple[tuple[int, float], ...]:
        totals: dict[int, float] = {}
        for reference, weight in self.weights:
            if reference.is_factual is factual:
                totals[reference.column] = totals.get(reference.column, 0.0) + weight
        # A feature that cancels out is not read, so it may be missing.
        return tuple(sorted((c, w) for c, w in totals.items() if w != 0.0))


class _RuleReader(Transformer[Token, Any]):
    """Syntax tree to conditions; every name is looked up in the schema."""

    def __init__(self, text: str, schema: Schema, primed: bool) -> None:
        super().__init__()
        self._text = text
        self._schema = schema
        self._primed = primed

    def implication(self, parts: list[Any]) -> tuple[tuple[Condition, ...], tuple[Condition, ...]]:
        when, then = parts
        return when, then

    def always(self, parts: list[Any]) -> tuple[tuple[Condition, ...], tuple[Condition, ...]]:
        return (), parts[0]

    def conditions(self, parts: list[Condition]) -> tuple[Condition, ...]:
        return tuple(parts)

    def changes(self, parts: list[Token]) -> Condition:
        return Changes(self._column(parts[0]))

    def stays(self, parts: list[Token]) -> Condition:
        return Changes(self._column(parts[0]), does=False)

    def is_category(self, parts: list[Any]) -> Condition:
        reference, relation, text = parts
        feature = self._categorical(reference)
        code = self._code(feature, text)
        relation = Relation(str(relation))
        if feature.kind is Kind.NOMINAL and relation not in (Relation.EQ, Relation.NE):
            raise self._invalid(f"{feature.name} has no order, so {relation} says nothing of it")
        codes = [k for k in range(len(feature.categories)) if _COMPARE[relation](k, code)]
        return IsIn(reference.column, frozenset(codes), of_factual=reference.is_factual)

    def in_categories(self, parts: list[Any]) -> Condition:
        reference, *texts = parts
        feature = self._categorical(reference)
        codes = frozenset(self._code(feature, t) for t in texts)
        # An unknown name is refused by `_code`: it would never be true, unnoticed.
        return IsIn(reference.column, codes, of_factual=reference.is_factual)

    def not_in_categories(self, parts: list[Any]) -> Condition:
        return self.in_categories(parts).negated()

    def comparison(self, parts: list[Any]) -> Condition:
        left, relation, right = parts
        total = left.plus(right.times(-1.0))
        now, before = total.of(factual=False), total.of(factual=True)
        # It would hold or fail for all answers alike, which nobody means.
        if not now:
            raise self._invalid("compares nothing that could change")
        return Comparison(now, before, total.constant, Relation(str(relation)))

    def sum(self, parts: list[Any]) -> _Sum:
        sign, total = 1.0, _Sum()
        for part in parts:
            if isinstance(part, _Sum):
                total, sign = total.plus(part.times(sign)), 1.0
            elif part is not None:
                sign = -1.0 if part == "-" else 1.0
        return total

    def scaled(self, parts: list[Any]) -> _Sum:
        return _Sum(((self._numeric(parts[1]), float(parts[0])),))

    def scaled_after(self, parts: list[Any]) -> _Sum:
        return _Sum(((self._numeric(parts[0]), float(parts[1])),))

    def divided(self, parts: list[Any]) -> _Sum:
        divisor = float(parts[1])
        if divisor == 0.0:
            raise self._invalid("divides by 0")
        return _Sum(((self._numeric(parts[0]), 1.0 / divisor),))

    def plain(self, parts: list[Any]) -> _Sum:
        return _Sum(((self._numeric(parts[0]), 1.0),))

    def constant(self, parts: list[Token]) -> _Sum:
        return _Sum((), float(parts[0]))

    def reference(self, parts: list[Any]) -> _Reference:
        name, prime = parts
        # One prime anywhere in the rule makes all bare names the factual.
        return _Reference(self._column(name), is_factual=self._primed and prime is None)

    def _column(self, name: Token) -> int:
        bare = str(name).strip("`")
        if bare not in self._schema:
            known = ", ".join(self._schema.names)
            raise self._invalid(f"{bare} is not a feature of this model ({known})")
        return self._schema.index(bare)

    def _numeric(self, reference: _Reference) -> _Reference:
        feature = self._schema.features[reference.column]
        if feature.kind.is_categorical:
            raise self._invalid(f"{feature.name} is a category, not a number")
        return reference

    def _categorical(self, reference: _Reference) -> Feature:
        feature = self._schema.features[reference.column]
        if not feature.kind.is_categorical:
            raise self._invalid(f"{feature.name} is a number, not a category")
        return feature

    def _code(self, feature: Feature, text: Token) -> int:
        name = str(text)[1:-1]
        if name not in feature.category_names:
            known = ", ".join(repr(n) for n in feature.category_names)
            raise self._invalid(f"{name!r} is not one of the categories of {feature.name}: {known}")
        return feature.category_names.index(name)

    def _invalid(self, problem: str) -> InvalidRule:
        return InvalidRule(self._text, problem)

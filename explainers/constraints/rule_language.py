"""Rules as plants write them, read into conditions.

A rule is a linear comparison, a statement about categories or about what changes, several of
them joined by ``and``, or ``if ... then ...`` over them::

    process_temperature - air_temperature >= 8
    if tool_wear changes then tool_wear == 0
    if quality == "L" and torque > 60 then rotational_speed <= 1500
    power' <= 1.1 * power

A name is the counterfactual's value. Once any name in a rule carries a prime, the primed ones
are the counterfactual and the bare ones the factual. Names with spaces go in backticks.

Of a window names are channels: ``last(x)`` and ``mean(x)`` are sums of readings, ``highest(x)``,
``lowest(x)`` and ``greatest_change(x)`` (between one reading and the next) stand for every reading
that they could be, so they can be held below or above something, as all of these must be.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Any

from lark import Token, Transformer
from lark.exceptions import VisitError

from ifonly.explainers.constraints.conditions import Changes, Comparison, Condition, IsIn, Relation
from ifonly.explainers.errors import InvalidRule
from ifonly.explainers.grammar import has_primes, parse_rule
from ifonly.models.schema import Feature, Kind, Schema
from ifonly.models.window import Window, document_schema, window_of

_COMPARE: dict[Relation, Callable[[int, int], bool]] = {
    Relation.LE: operator.le,
    Relation.LT: operator.lt,
    Relation.GE: operator.ge,
    Relation.GT: operator.gt,
    Relation.EQ: operator.eq,
    Relation.NE: operator.ne,
}


Conditions = tuple[Condition, ...]
OF_SERIES = ("last", "mean", "highest", "lowest", "greatest_change")
"""What a rule may say of a channel of a window."""
MOST_CONDITIONS = 4_096
"""That one comparison stands for."""


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
class _Extreme:
    """The largest of some sums, or the least."""

    text: str
    each: tuple[_Sum, ...]
    is_largest: bool


@dataclass(frozen=True)
class _Sum:
    """``sum_j weight_j * reference_j + constant``"""

    weights: tuple[tuple[_Reference, float], ...] = ()
    constant: float = 0.0
    extremes: tuple[tuple[_Extreme, float], ...] = ()

    def times(self, factor: float) -> _Sum:
        return _Sum(
            tuple((r, w * factor) for r, w in self.weights),
            self.constant * factor,
            tuple((e, w * factor) for e, w in self.extremes),
        )

    def plus(self, other: _Sum) -> _Sum:
        return _Sum(
            (*self.weights, *other.weights),
            self.constant + other.constant,
            (*self.extremes, *other.extremes),
        )

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

    def conditions(self, parts: list[Condition | Conditions]) -> Conditions:
        return tuple(c for part in parts for c in (part if isinstance(part, tuple) else (part,)))

    def changes(self, parts: list[Token]) -> Condition:
        return Changes(self._moving(parts[0]))

    def stays(self, parts: list[Token]) -> Condition:
        return Changes(self._moving(parts[0]), does=False)

    def _moving(self, name: Token) -> int:
        """The column that changes if what is named does: of a channel its last reading."""
        c = self._channel(name)
        if c is None or self._window is None:
            return self._column(name)
        return self._window.column(c, self._window.steps - 1)

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

    def comparison(self, parts: list[Any]) -> Condition | Conditions:
        left, relation, right = parts
        total = left.plus(right.times(-1.0))
        if not total.extremes:
            return self._compared(total, Relation(str(relation)))
        totals = self._each(total, Relation(str(relation)))
        return tuple(self._compared(each, Relation(str(relation))) for each in totals)

    def _each(self, total: _Sum, relation: Relation) -> list[_Sum]:
        """All sums that must stand in ``relation`` to 0 so that the one with extremes does."""
        found = [replace(total, extremes=())]
        for extreme, weight in total.extremes:
            from_above = relation in (Relation.LE, Relation.LT)
            if relation in (Relation.EQ, Relation.NE) or (
                (weight > 0.0) is not (extreme.is_largest is from_above)
            ):
                way = "at most" if extreme.is_largest else "at least"
                raise self._invalid(f"{extreme.text} can only be held to be {way} something")
            found = [own.plus(each.times(weight)) for own in found for each in extreme.each]
            if len(found) > MOST_CONDITIONS:
                raise self._invalid(f"says more than {MOST_CONDITIONS} things of single readings")
        return found

    def _compared(self, total: _Sum, relation: Relation) -> Condition:
        now, before = total.of(factual=False), total.of(factual=True)
        # It would hold or fail for all answers alike, which nobody means.
        if not now:
            raise self._invalid("compares nothing that could change")
        return Comparison(now, before, total.constant, relation)

    def sum(self, parts: list[Any]) -> _Sum:
        sign, total = 1.0, _Sum()
        for part in parts:
            if isinstance(part, _Sum):
                total, sign = total.plus(part.times(sign)), 1.0
            elif part is not None:
                sign = -1.0 if part == "-" else 1.0
        return total

    def scaled(self, parts: list[Any]) -> _Sum:
        return self._summed(parts[1]).times(float(parts[0]))

    def scaled_after(self, parts: list[Any]) -> _Sum:
        return self._summed(parts[0]).times(float(parts[1]))

    def divided(self, parts: list[Any]) -> _Sum:
        divisor = float(parts[1])
        if divisor == 0.0:
            raise self._invalid("divides by 0")
        return self._summed(parts[0]).times(1.0 / divisor)

    def plain(self, parts: list[Any]) -> _Sum:
        return self._summed(parts[0])

    def _summed(self, part: _Reference | _Sum) -> _Sum:
        return part if isinstance(part, _Sum) else _Sum(((self._numeric(part), 1.0),))

    def constant(self, parts: list[Token]) -> _Sum:
        return _Sum((), float(parts[0]))

    def reference(self, parts: list[Any]) -> _Reference:
        name, prime = parts
        # One prime anywhere in the rule makes all bare names the factual.
        return _Reference(self._column(name), is_factual=self._primed and prime is None)

    def of_series(self, parts: list[Any]) -> _Sum:
        function, name, prime = parts
        c, window = self._channel(name), self._window
        if window is None:
            raise self._invalid(f"{function}() is of a channel, and this model has no window")
        if c is None:
            raise self._invalid(self._unknown(name))
        is_factual = self._primed and prime is None
        columns = range(window.column(c, 0), window.column(c, window.steps))
        each = [_Sum(((_Reference(j, is_factual=is_factual), 1.0),)) for j in columns]
        match str(function):
            case "last":
                return each[-1]
            case "mean":
                total = _Sum()
                for one in each:
                    total = total.plus(one.times(1.0 / window.steps))
                return total
            case "highest" | "lowest" | "greatest_change" as kind:
                if is_factual:
                    raise self._invalid(f"{kind}({name}) of the factual cannot be held to anything")
                if kind == "greatest_change":
                    steps = [b.plus(a.times(-1.0)) for a, b in pairwise(each)]
                    each = [*steps, *(step.times(-1.0) for step in steps)] or [_Sum()]
                extreme = _Extreme(f"{kind}({name})", tuple(each), kind != "lowest")
                return _Sum((), 0.0, ((extreme, 1.0),))
        known = ", ".join(f"{f}()" for f in OF_SERIES)
        raise self._invalid(f"{function}() is none of {known}")

    @property
    def _window(self) -> Window | None:
        return window_of(self._schema)

    def _channel(self, name: Token) -> int | None:
        """The channel of a window that is named; None: it names something else."""
        window, bare = self._window, str(name).strip("`")
        return window.names.index(bare) if window is not None and bare in window.names else None

    def _column(self, name: Token) -> int:
        bare = str(name).strip("`")
        if self._channel(name) is not None:
            functions = ", ".join(f"{f}({name})" for f in OF_SERIES)
            raise self._invalid(f"{bare} is a channel of a window: say {functions}")
        if bare not in self._schema:
            raise self._invalid(self._unknown(name))
        return self._schema.index(bare)

    def _unknown(self, name: Token) -> str:
        known = ", ".join(document_schema(self._schema).names)
        return f"{str(name).strip('`')} is not a feature of this model ({known})"

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

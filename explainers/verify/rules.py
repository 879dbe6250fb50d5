"""Rules, walked over their syntax tree and evaluated in exact decimals.

The grammar is shared (:mod:`ifonly.explainers.grammar`); what a rule means is written here once
more.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from itertools import pairwise

from lark import Token, Tree

from ifonly.explainers.grammar import has_primes, parse_rule
from ifonly.explainers.verify.reading import WITHIN, Reading, is_missing, moves
from ifonly.models.schema import Feature, Kind, Schema
from ifonly.models.window import window_of

Node = Tree[Token]
Test = Callable[[Reading, Reading], bool]
"""Whether something is true of a row and its factual."""
Term = tuple[int, bool]
"""A column, and whether the factual's value of it is meant."""

Value = Callable[[Reading, Reading], tuple[Decimal, Decimal] | None]
"""Of a row and its factual: a number, and the size of what it was made of; None: one is missing."""

_ONE = Decimal(1)


@dataclass(frozen=True)
class Statement:
    """``if all of when then all of then``; with no ``when``, always ``then``."""

    when: tuple[Test, ...]
    then: tuple[Test, ...]
    columns: tuple[int, ...]
    """Features that it speaks of."""
    is_of_row: bool = True
    """Whether it says what rows there are, and nothing of the row before."""

    def holds(self, after: Reading, before: Reading) -> bool:
        # A premise that fails, or reads a missing value, makes the rule say nothing.
        for test in self.when:
            if not test(after, before):
                return True
        for test in self.then:  # noqa: SIM110 (a generator for each row and rule costs as much)
            if not test(after, before):
                return False
        return True


def read_statement(text: str, schema: Schema) -> Statement:
    """What a rule says. Of names and categories that are not the model's: KeyError, ValueError."""
    tree = parse_rule(text)
    # With a prime anywhere in a rule, unprimed names mean the factual: known before reading.
    reader = _RuleWalk(schema, has_primes(tree))
    parts = [reader.conditions(part) for part in tree.children if isinstance(part, Tree)]
    when, then = parts if tree.data == "implication" else ((), parts[0])
    columns = tuple(sorted(reader.columns))
    return Statement(tuple(when), tuple(then), columns, not reader.reads_factual)


class _RuleWalk:
    """Over the tree of one rule."""

    def __init__(self, schema: Schema, has_primes: bool) -> None:
        self._schema = schema
        self._has_primes = has_primes
        self.columns: set[int] = set()
        self.reads_factual = False

    def conditions(self, node: Node) -> tuple[Test, ...]:
        return tuple(self._condition(part) for part in node.children if isinstance(part, Tree))

    def _moving(self, name: str) -> int:
        """The column that tells whether what is named changes: of a channel its last reading."""
        window = window_of(self._schema)
        if window is not None and name.strip("`") in window.names:
            c = window.names.index(name.strip("`"))
            return self._column(window.reading_name(c, window.steps - 1))
        return self._column(name)

    def _condition(self, node: Node) -> Test:
        kind, parts = str(node.data), node.children
        if kind in ("changes", "stays"):
            column = self._moving(str(parts[0]))
            self.reads_factual = True
            return changes(column) if kind == "changes" else stays(column)
        if kind == "comparison":
            return self._comparison(node)
        column, of_factual = self._reference(_tree(parts[0]))
        self.reads_factual |= of_factual
        names = self._schema.features[column].category_names
        if kind == "is_category":
            named = names.index(_unquoted(parts[2]))
            codes = _related(self._schema.features[column], str(parts[1]), named)
        else:
            listed = {names.index(_unquoted(part)) for part in parts[1:]}
            codes = listed if kind == "in_categories" else set(range(len(names))) - listed
        return is_one_of(column, of_factual, frozenset(codes))

    def _comparison(self, node: Node) -> Test:
        left, relation, right = node.children
        weights: dict[Term, Decimal] = {}
        if any(node.find_data("of_series")):
            return self._of_windows(_tree(left), str(relation), _tree(right))
        # All to the left: `a >= b + 8` becomes `a - b - 8 >= 0`.
        constant = self._add(_tree(left), _ONE, weights) + self._add(_tree(right), -_ONE, weights)
        # A feature that cancels out is not read, so it may be missing.
        read = {t: w for t, w in weights.items() if w}
        self.reads_factual |= any(of_factual for _, of_factual in read)
        return compares(read, constant, str(relation))

    def _of_windows(self, left: Node, relation: str, right: Node) -> Test:
        """A comparison with functions of channels, whose values are worked out row by row."""
        terms: list[tuple[Value, Decimal]] = []
        for side, sign in ((left, _ONE), (right, -_ONE)):
            own = sign
            for part in side.children:
                if isinstance(part, Tree):
                    terms.append(self._valued(part, own))
                    own = sign
                elif part is not None:
                    own = -sign if str(part) == "-" else sign

        def test(after: Reading, before: Reading) -> bool:
            total, size = Decimal(0), Decimal(0)
            for value, weight in terms:
                found = value(after, before)
                if found is None:
                    return False
                total += weight * found[0]
                size += abs(weight) * found[1]
            return _stands(total, relation, WITHIN * max(size, _ONE))

        return test

    def _valued(self, node: Node, sign: Decimal) -> tuple[Value, Decimal]:
        """A term, and by what it is multiplied."""
        kind, parts = str(node.data), node.children
        if kind == "constant":
            number = Decimal(str(parts[0]))
            return (lambda after, before: (number, abs(number))), sign
        trees = [part for part in parts if isinstance(part, Tree)]
        numbers = [Decimal(str(part)) for part in parts if not isinstance(part, Tree)]
        weight = numbers[0] if numbers else _ONE
        weight = _ONE / weight if kind == "divided" else weight
        inner = trees[0]
        if str(inner.data) == "of_series":
            return self._series(inner), sign * weight
        j, of_factual = self._reference(inner)
        return (lambda after, before: _of((before if of_factual else after), [j])), sign * weight

    def _series(self, node: Node) -> Value:
        function, name, prime = node.children
        window = window_of(self._schema)
        if window is None:
            raise ValueError(f"{function}() is of a channel of a window")
        c = window.names.index(str(name).strip("`"))
        columns = [self._column(window.reading_name(c, t)) for t in range(window.steps)]
        of_factual, kind = self._has_primes and prime is None, str(function)
        reduce_ = _OF_SERIES[kind]
        return lambda after, before: reduce_(before if of_factual else after, columns)

    def _add(self, total: Node, sign: Decimal, weights: dict[Term, Decimal]) -> Decimal:
        """Every term of a sum to ``weights``; its constant."""
        own, constant = sign, Decimal(0)
        for part in total.children:
            if isinstance(part, Tree):
                term, weight = self._term(part)
                if term is None:
                    constant += own * weight
                else:
                    weights[term] = weights.get(term, Decimal(0)) + own * weight
                # A sign belongs to the next term only.
                own = sign
            elif part is not None:
                own = -sign if str(part) == "-" else sign
        return constant

    def _term(self, node: Node) -> tuple[Term | None, Decimal]:
        parts = node.children
        match str(node.data):
            case "constant":
                return None, Decimal(str(parts[0]))
            case "scaled":
                return self._reference(_tree(parts[1])), Decimal(str(parts[0]))
            case "scaled_after":
                return self._reference(_tree(parts[0])), Decimal(str(parts[1]))
            case "divided":
                # In decimals: one rounding at the context's 28 digits.
                return self._reference(_tree(parts[0])), _ONE / Decimal(str(parts[1]))
            case _:
                return self._reference(_tree(parts[0])), _ONE

    def _reference(self, node: Node) -> Term:
        name, prime = node.children
        return self._column(str(name)), self._has_primes and prime is None

    def _column(self, name: str) -> int:
        column = self._schema.index(name.strip("`"))
        self.columns.add(column)
        return column


def _of(row: Reading, columns: Sequence[int]) -> tuple[Decimal, Decimal] | None:
    """The mean of some readings and the size of what was added; None where one is missing."""
    if any(is_missing(row.values[j]) for j in columns):
        return None
    values = [row.exact(j) for j in columns]
    return sum(values, Decimal(0)) / len(values), sum(map(abs, values), Decimal(0)) / len(values)


def _extreme(
    pick: Callable[[list[Decimal]], Decimal],
) -> Callable[[Reading, Sequence[int]], tuple[Decimal, Decimal] | None]:
    def found(row: Reading, columns: Sequence[int]) -> tuple[Decimal, Decimal] | None:
        if any(is_missing(row.values[j]) for j in columns):
            return None
        values = [row.exact(j) for j in columns]
        return pick(values), max(map(abs, values))

    return found


def _greatest_change(values: list[Decimal]) -> Decimal:
    return max((abs(b - a) for a, b in pairwise(values)), default=Decimal(0))


_OF_SERIES = {
    "last": lambda row, columns: _of(row, columns[-1:]),
    "mean": _of,
    "highest": _extreme(max),
    "lowest": _extreme(min),
    "greatest_change": _extreme(_greatest_change),
}
"""What rules say of a channel of a window."""


def _tree(part: Node | Token) -> Node:
    assert isinstance(part, Tree)
    return part


def _unquoted(part: Node | Token) -> str:
    return str(part)[1:-1]


def _related(feature: Feature, relation: str, named: int) -> set[int]:
    """Codes that stand in ``relation`` to the one that is named."""
    if feature.kind is Kind.NOMINAL and relation not in ("==", "!="):
        raise ValueError(f"{feature.name} has no order, so {relation} says nothing of it")
    wanted: Mapping[str, Callable[[int], bool]] = {
        "==": lambda k: k == named,
        "!=": lambda k: k != named,
        "<": lambda k: k < named,
        "<=": lambda k: k <= named,
        ">": lambda k: k > named,
        ">=": lambda k: k >= named,
    }
    return set(filter(wanted[relation], range(len(feature.categories))))


def changes(column: int) -> Test:
    return lambda after, before: moves(after, before, column)


def stays(column: int) -> Test:
    return lambda after, before: not moves(after, before, column)


def is_one_of(column: int, of_factual: bool, codes: frozenset[int]) -> Test:
    """A missing value is none of any categories."""
    # NaN is in no set of codes.
    return lambda after, before: (before if of_factual else after)[column] in codes


def compares(weights: Mapping[Term, Decimal], constant: Decimal, relation: str) -> Test:
    """``sum weights * values + constant (relation) 0``; not true where a value is missing."""
    terms = tuple((j, of_factual, weight) for (j, of_factual), weight in weights.items())

    def test(after: Reading, before: Reading) -> bool:
        total = constant
        size = abs(constant)
        for j, of_factual, weight in terms:
            row = before if of_factual else after
            if is_missing(row.values[j]):
                return False
            term = weight * row.exact(j)
            total += term
            size += abs(term)
        # Within the tolerance of the definition (docs/engines.md), measured by the terms' size.
        return _stands(total, relation, WITHIN * max(size, _ONE))

    return test


def _stands(total: Decimal, relation: str, within: Decimal) -> bool:
    if relation == "<=":
        return total <= within
    if relation == ">=":
        return total >= -within
    if relation == "<":
        return total < -within
    if relation == ">":
        return total > within
    is_zero = abs(total) <= within
    return is_zero if relation == "==" else not is_zero

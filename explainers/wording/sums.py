"""Linear rules, put the way people say them: what grows on the left, what limits on the right."""

from __future__ import annotations

import re
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from decimal import Decimal, localcontext

from ifonly.explainers.constraints import Changes, Comparison, IsIn, Relation, Rule
from ifonly.explainers.wording.gauges import Gauge, quantity
from ifonly.explainers.wording.numerals import Number, decimal, tidy
from ifonly.explainers.wording.units import Unit

_MIRRORED = {
    Relation.LE: Relation.GE,
    Relation.GE: Relation.LE,
    Relation.LT: Relation.GT,
    Relation.GT: Relation.LT,
    Relation.EQ: Relation.EQ,
    Relation.NE: Relation.NE,
}


_OF_SERIES = re.compile(r"\b(mean|highest|lowest|greatest_change)\s*\(")
"""What a rule says of a whole channel of a window: shorter than what it stands for."""
MOST_CONDITIONS = MOST_TERMS = 8
"""Of a rule that is said in words."""


@dataclass(frozen=True, slots=True)
class Term:
    """A multiple of one feature."""

    weight: Decimal
    column: int
    of_factual: bool = False


@dataclass(frozen=True, slots=True)
class Inequality:
    """``left  relation  right + constant``, in ``unit`` where all terms share one."""

    left: tuple[Term, ...]
    relation: Relation
    right: tuple[Term, ...]
    constant: Decimal
    unit: Unit

    @property
    def category_of(self) -> int | None:
        """Column of which the constant is a code, if it may be one."""
        alone = len(self.left) == 1 and not self.right and self.left[0].weight == 1
        return self.left[0].column if alone else None


def can_be_said(rule: Rule) -> bool:
    """Whether all conditions of ``rule`` are of kinds that have words; its own text has to do
    where one is not, or where the rule stands for more than anybody reads."""
    each = (*rule.when, *rule.then)
    terms = (len(c.now) + len(c.before) for c in each if isinstance(c, Comparison))
    return (
        not _OF_SERIES.search(rule.text)
        and all(isinstance(c, Changes | IsIn | Comparison) for c in each)
        and len(each) <= MOST_CONDITIONS
        and max(terms, default=0) <= MOST_TERMS
    )


def inequality(comparison: Comparison, gauges: Sequence[Gauge]) -> Inequality:
    """``x' - 1.1 x <= 0`` as ``x' <= 1.1 x``; ``-2 x' + 10 >= 0`` as ``x' <= 5``."""
    terms = [Term(decimal(w), j) for j, w in comparison.now if w]
    terms += [Term(decimal(w), j, True) for j, w in comparison.before if w]
    constant, relation = -decimal(comparison.constant), comparison.relation
    if terms:
        terms, constant, flipped = _scaled(terms, constant)
        relation = _MIRRORED[relation] if flipped else relation
    # What can change stands on the left, what was read on the right.
    left = [t for t in terms if not t.of_factual] or terms
    # Without a constant and a factual, what is subtracted goes to the right: a >= b.
    if not constant and len(left) == len(terms):
        left = [t for t in left if t.weight > 0]
    right = [Term(-t.weight, t.column, t.of_factual) for t in terms if t not in left]
    unit = _shared_unit(terms, gauges)
    return Inequality(tuple(left), relation, tuple(right), constant, unit)


def _scaled(terms: list[Term], constant: Decimal) -> tuple[list[Term], Decimal, bool]:
    """Divided by the first weight if every quotient is short, else only by its sign; then with
    a positive constant, if a positive term can stand before it."""
    first = terms[0].weight
    # Enough digits to see whether a quotient ends or goes on for ever.
    with localcontext(prec=40):
        for divisor in (first, Decimal(1).copy_sign(first)):
            weights = [tidy(t.weight / divisor) for t in terms]
            scaled = tidy(constant / divisor)
            if _are_short([*weights, scaled]):
                break
    # Dividing by a negative number turns the relation round.
    flipped = first < 0
    # "b - a >= 8" and not "a - b <= -8".
    if scaled < 0 and min(weights) < 0 and not any(t.of_factual for t in terms):
        weights, scaled, flipped = [-w for w in weights], -scaled, not flipped
    moved = [Term(w, t.column, t.of_factual) for w, t in zip(weights, terms, strict=True)]
    return moved, scaled, flipped


def _are_short(numbers: list[Decimal]) -> bool:
    return all(len(n.as_tuple().digits) <= 12 for n in numbers)


def _shared_unit(terms: list[Term], gauges: Sequence[Gauge]) -> Unit:
    """The unit of the constant: none where units differ or a sum of readings has no meaning."""
    units = {gauges[t.column].unit for t in terms}
    if len(units) != 1:
        return Unit("")
    unit = units.pop()
    total = sum((t.weight for t in terms), Decimal(0))
    # Weights that cancel make a difference of readings, whose unit may be another.
    if total == 0:
        return unit.difference
    # Twice 20 °C is not 40 °C, so such a sum has no unit.
    return Unit("") if unit.has_own_zero and total != 1 else unit


def constant_in_words(said: Inequality, gauges: Sequence[Gauge], language: str) -> str:
    """The size of the constant with its unit; of a category the label."""
    column = said.category_of
    if column is not None and gauges[column].feature.kind.is_categorical:
        codes = range(len(gauges[column].feature.categories))
        if said.constant in codes:
            return gauges[column].value(float(said.constant), language)
    # With terms on the right the sign is said by "more" or "less".
    size = said.constant if not said.right else abs(said.constant)
    return quantity(Number(size), said.unit, language)


def positive_first(parts: list[tuple[bool, str]]) -> list[tuple[bool, str]]:
    """Parts of a sum, (is positive, text), those to subtract behind those to add."""
    return sorted(parts, key=lambda part: not part[0])


def signed(terms: Sequence[Term], say: Callable[[Term], str]) -> list[tuple[bool, str]]:
    """Parts of a sum, (is positive, text), each as ``say`` says it."""
    return [(term.weight > 0, say(term)) for term in terms]


def limiting(
    said: Inequality, gauges: Sequence[Gauge], language: str, say: Callable[[Term], str]
) -> list[tuple[bool, str]]:
    """What is on the right of ``said``, as parts of a sum; the constant last, unless it is an
    addition of nothing."""
    constant = (said.constant > 0, constant_in_words(said, gauges, language))
    if not said.right:
        return [(True, constant[1])]  # it has its own sign
    parts = signed(said.right, say)
    return [*parts, constant] if said.constant else parts


def added(
    parts: list[tuple[bool, str]], plus: str = " + ", minus: str = " − ", first: str = "−"
) -> str:
    """``プロセス温度 + 気温の2倍 − 5 K``: a sum with signs, or words for them; ``first``: before a
    first part that is subtracted."""
    text = ""
    for is_positive, part in positive_first(parts):
        joint = (plus if is_positive else minus) if text else "" if is_positive else first
        text += joint + part
    return text

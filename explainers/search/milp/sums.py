"""Sums that rules compare with 0, in exact decimals, so that "above" and "at most" are apart."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from functools import reduce

from ifonly.explainers.constraints import Comparison, Relation
from ifonly.explainers.search.milp.choices import BinaryChoice, Choices
from ifonly.explainers.search.milp.levers import exactly
from ifonly.explainers.search.milp.program import Program

INF = math.inf
FINEST = 1e-7
"""Sums whose steps are smaller than this part of their size are not told apart by the program:
it allows both sides, and the definition decides on what it proposes."""
SMALLEST = 1e-9
"""Steps below this are too near to the tolerance of the definition itself."""
BLUR = 1e-7
"""How far beyond 0 such a sum may go, relative to its size."""
ROUNDING = 1e-15
"""A float this near to a simple fraction, relative to what it was summed of, was meant as it."""
SIMPLE = 10**6


@dataclass(frozen=True)
class IntegerSum:
    """``weights @ variables + constant``, counted in steps of which every such sum is a whole
    number; or, where those would be too fine, in its own size."""

    weights: Mapping[int, float]
    constant: float
    low: float
    high: float
    """It lies between them."""
    slack: float
    """"At most 0" is at most this."""
    strict: float
    """"Below 0" is at most this."""

    @classmethod
    def of(cls, choices: Choices, condition: Comparison) -> IntegerSum:
        """The left side of ``condition``; a value that is missing counts as 0."""
        weights: dict[int, Fraction] = {}
        constant = _meant(*condition.fixed(choices.problem.factual))
        low, high, size = constant, constant, abs(constant)
        for column, weight in _by_column(condition).items():
            own = choices.of(column) if column in choices.places else ()
            if not own:
                part = weight * exactly(float(choices.problem.factual[column]))
                constant, least, most = constant + part, part, part
            else:
                weights |= _terms(weight, own)
                ends = [end for choice in own for end in _ends(weight, choice)]
                least, most = min(ends), max(ends)
            low, high, size = low + least, high + most, size + max(abs(least), abs(most))
        # The common step of all terms: sums are whole numbers of it, so
        # 0.5 parts "at most" from "above".
        step = reduce(_common, [*weights.values(), constant], Fraction(0))
        is_exact = (
            not _goes_anywhere(choices, condition) and step >= SMALLEST and step >= FINEST * size
        )
        unit, slack = (step, 0.5) if is_exact else (max(size, Fraction(1)), BLUR)
        return cls(
            {variable: float(weight / unit) for variable, weight in weights.items()},
            float(constant / unit),
            float(low / unit),
            float(high / unit),
            slack,
            # Where steps are too fine, both sides are let in and the definition decides.
            -slack if is_exact else slack,
        )

    def limits(self, relation: Relation) -> list[tuple[float, float]]:
        """Intervals; the sum is in one of them where it is so related to 0."""
        match relation:
            case Relation.LE:
                return [(-INF, self.slack)]
            case Relation.LT:
                return [(-INF, self.strict)]
            case Relation.GE:
                return [(-self.slack, INF)]
            case Relation.GT:
                return [(-self.strict, INF)]
            case Relation.EQ:
                return [(-self.slack, self.slack)]
            case Relation.NE:
                return [(-INF, self.strict), (-self.strict, INF)]

    def switch(self, program: Program, lower: float, upper: float) -> int:
        """A binary that is 1 only where the sum is between the limits."""
        switch = program.binary()
        variables, weights = [*self.weights, switch], list(self.weights.values())
        # A limit that no sum breaks needs no row.
        if lower > self.low:
            room = lower - self.low
            program.row(variables, [*weights, -room], lower=self.low - self.constant)
        if upper < self.high:
            room = self.high - upper
            program.row(variables, [*weights, room], upper=self.high - self.constant)
        return switch


def _goes_anywhere(choices: Choices, condition: Comparison) -> bool:
    """Whether it reads a real number: what follows, or a value on a fine grid."""
    read = (choices.of(j) for j, _ in condition.now if j in choices.places)
    return any(choice.piece.width > 0.0 or choice.piece.is_fine for own in read for choice in own)


def _by_column(condition: Comparison) -> dict[int, Fraction]:
    found: dict[int, Fraction] = {}
    for column, weight in condition.now:
        found[column] = found.get(column, Fraction(0)) + _meant(weight, abs(weight))
    return found


def _meant(value: float, size: float) -> Fraction:
    """``value`` without the rounding of the floats it was summed of."""
    # 0.1 + 0.2 was meant as 3/10, and its exact fraction would make the common step vanish.
    simple = Fraction(value).limit_denominator(SIMPLE)
    return simple if abs(simple - Fraction(value)) <= ROUNDING * size else Fraction(value)


def _terms(weight: Fraction, own: Iterable[BinaryChoice]) -> dict[int, Fraction]:
    found = {}
    for choice in own:
        if not choice.piece.is_missing:
            found[choice.pick] = weight * exactly(choice.piece.value)
            if choice.step is not None:
                found[choice.step] = weight * choice.piece.rise * Fraction(choice.piece.unit)
    return found


def _ends(weight: Fraction, choice: BinaryChoice) -> tuple[Fraction, Fraction]:
    if choice.piece.is_missing:
        return Fraction(0), Fraction(0)
    return weight * exactly(choice.piece.value), weight * exactly(
        choice.piece.at(choice.piece.steps)
    )


def _common(a: Fraction, b: Fraction) -> Fraction:
    """The largest step of which both are whole numbers."""
    denominator = math.lcm(a.denominator, b.denominator)
    numerator = math.gcd(int(a * denominator), int(b * denominator))
    return Fraction(numerator, denominator)

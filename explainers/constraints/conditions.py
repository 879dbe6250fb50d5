"""Statements about one row and its factual: what rules are made of."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace
from enum import StrEnum
from functools import reduce
from operator import and_

import numpy as np

from ifonly.explainers.constraints.cells import (
    Axes,
    Cell,
    Cells,
    Factual,
    Kept,
    among,
    emptied,
    magnitude,
    replaced,
)
from ifonly.explainers.space import LONGEST_LISTED, TOLERANCE, is_missing, moved, negation
from ifonly.models.predictor import Row


class Relation(StrEnum):
    LE = "<="
    LT = "<"
    GE = ">="
    GT = ">"
    EQ = "=="
    NE = "!="


NEGATED = {
    Relation.LE: Relation.GT,
    Relation.GT: Relation.LE,
    Relation.GE: Relation.LT,
    Relation.LT: Relation.GE,
    Relation.EQ: Relation.NE,
    Relation.NE: Relation.EQ,
}


class Truth(StrEnum):
    """What is known of a condition over all the rows of some axes."""

    ALWAYS = "always"
    NEVER = "never"
    SOMETIMES = "sometimes"


@dataclass(frozen=True)
class Condition:
    """A statement about one row and its factual; the atom of rules."""

    def true(self, cells: Cells, factual: Factual) -> Kept:
        """Whether it is true, shaped as :meth:`Constraint.kept` says. What reads a missing value
        is not true."""
        raise NotImplementedError

    def truth(self, axes: Axes, factual: Row) -> Truth:
        raise NotImplementedError

    def negated(self) -> Condition:
        raise NotImplementedError

    def require(self, axes: Axes, factual: Row) -> Axes:
        """``axes`` less values with which the condition cannot be true."""
        raise NotImplementedError

    @property
    def columns(self) -> frozenset[int]:
        raise NotImplementedError


@dataclass(frozen=True)
class Comparison(Condition):
    """``sum now_j * x'_j + sum before_j * x_j + constant  (relation)  0``

    ``x'`` is the counterfactual, ``x`` the factual. Sums are compared within
    :data:`ifonly.explainers.space.TOLERANCE` of the size of their terms.
    """

    now: tuple[tuple[int, float], ...]
    before: tuple[tuple[int, float], ...]
    constant: float
    relation: Relation

    @property
    def columns(self) -> frozenset[int]:
        return frozenset(j for j, _ in (*self.now, *self.before))

    def negated(self) -> Comparison:
        return replace(self, relation=NEGATED[self.relation])

    def true(self, cells: Cells, factual: Factual) -> Kept:
        total, size = self._sums(cells, factual)
        # Never less than for a size of 1, or sums near 0 would have no tolerance at all.
        greater = max(size, 1.0) if isinstance(size, float) else np.maximum(size, 1.0)
        return self._compare(total, TOLERANCE * greater)

    def _sums(self, cells: Cells, factual: Factual) -> tuple[Cell, Cell]:
        """The total, and the size of its terms."""
        total, size = self.fixed(factual)
        for column, weight in self.now:
            # The engines' compiled code adds in this order, too.
            term = weight * cells[column]
            total = total + term
            size = size + abs(term)
        return total, size

    def fixed(self, factual: Factual) -> tuple[float, float]:
        if not self.before:
            return self.constant, abs(self.constant)
        terms = [self.constant, *(w * float(factual[j]) for j, w in self.before)]
        return sum(terms), sum(abs(t) for t in terms)

    def _compare(self, total: Cell, tolerance: Cell) -> Kept:
        match self.relation:
            case Relation.LE:
                return total <= tolerance
            case Relation.LT:
                # By more than the tolerance, so that `<` and `>=` stay opposites.
                return total < -tolerance
            case Relation.GE:
                return total >= -tolerance
            case Relation.GT:
                return total > tolerance
            case Relation.EQ:
                return magnitude(total) <= tolerance
            case Relation.NE:
                return magnitude(total) > tolerance

    def _hull(self, axes: Axes, factual: Row) -> tuple[float, float, float]:
        """Least and greatest total over the axes, and the tolerance for them."""
        fixed, size = self.fixed(factual)
        low = high = fixed
        for column, weight in self.now:
            ends = (weight * axes[column].low, weight * axes[column].high)
            low, high = low + min(ends), high + max(ends)
            # The size is the larger end's: the tolerance must cover every row between.
            size += max(abs(e) for e in ends)
        return low, high, TOLERANCE * max(size, 1.0)

    def truth(self, axes: Axes, factual: Row) -> Truth:
        # A missing value on one axis makes the bounds of the others say nothing.
        if any(axes[j].has_missing for j, _ in self.now):
            # Missing in every row: it is never true. In some: nothing is known of all.
            only = all(len(axes[j]) == 1 for j, _ in self.now if axes[j].has_missing)
            return Truth.NEVER if only else Truth.SOMETIMES
        low, high, tolerance = self._hull(axes, factual)
        # An axis without numbers, or a factual that was not read.
        if math.isnan(low):
            return Truth.NEVER
        # Twice the tolerance: a superset is wanted, and ``true`` measures its terms row by row.
        margin = 2 * tolerance
        match self.relation:
            case Relation.LE | Relation.LT:
                return truth_of(high < -margin, low > margin)
            case Relation.GE | Relation.GT:
                return truth_of(low > margin, high < -margin)
            case Relation.EQ:
                return truth_of(False, low > margin or high < -margin)
            case Relation.NE:
                return truth_of(low > margin or high < -margin, False)

    def require(self, axes: Axes, factual: Row) -> Axes:
        if self.truth(axes, factual) is Truth.NEVER:
            # If it reads nothing that moves, no row at all can keep it.
            return emptied(axes, [j for j, _ in self.now] or range(len(axes)))
        if any(axes[j].has_missing or not len(axes[j]) for j, _ in self.now):
            return axes
        if self.relation in (Relation.LE, Relation.LT, Relation.EQ):
            axes = self._bound(axes, factual, 1.0)
        if self.relation in (Relation.GE, Relation.GT, Relation.EQ):
            axes = self._bound(axes, factual, -1.0)
        return axes

    def _bound(self, axes: Axes, factual: Row, sign: float) -> Axes:
        """Cut each axis by ``sign * total <= 0`` with the others at their best ends."""
        fixed, size = self.fixed(factual)
        terms = [(j, sign * w) for j, w in self.now if w != 0.0]
        least = {j: min(w * axes[j].low, w * axes[j].high) for j, w in terms}
        size += sum(max(abs(w * axes[j].low), abs(w * axes[j].high)) for j, w in terms)
        # What is left for one term while all others are at their least.
        room = 2 * TOLERANCE * max(size, 1.0) - sign * fixed - sum(least.values())
        for column, weight in terms:
            limit = (room + least[column]) / weight
            axis = axes[column]
            cut = axis.clip(-math.inf, limit) if weight > 0 else axis.clip(limit, math.inf)
            axes = replaced(axes, column, cut)
        return axes


@dataclass(frozen=True)
class Changes(Condition):
    """The feature changes (or, negated, stays)."""

    column: int
    does: bool = True

    @property
    def columns(self) -> frozenset[int]:
        return frozenset({self.column})

    def negated(self) -> Changes:
        return replace(self, does=not self.does)

    def true(self, cells: Cells, factual: Factual) -> Kept:
        does = moved(cells[self.column], factual[self.column])
        return does if self.does else negation(does)

    def truth(self, axes: Axes, factual: Row) -> Truth:
        axis, stays = axes[self.column], float(factual[self.column])
        may_stay = stays in axis
        may_move = len(axis) > may_stay
        return truth_of(
            may_move and not may_stay if self.does else may_stay and not may_move,
            not may_move if self.does else not may_stay,
        )

    def require(self, axes: Axes, factual: Row) -> Axes:
        axis, stays = axes[self.column], float(factual[self.column])
        if not self.does:
            return replaced(axes, self.column, axis.only([stays]))
        if len(axis) > LONGEST_LISTED:
            return axes  # one value less of so many is not worth a list of them
        return replaced(axes, self.column, axis.without(stays))


@dataclass(frozen=True)
class IsIn(Condition):
    """A categorical feature is (or, negated, is not) one of some categories.

    ``of_factual`` reads the factual instead of the counterfactual.
    """

    column: int
    codes: frozenset[int]
    inside: bool = True
    of_factual: bool = False

    @property
    def columns(self) -> frozenset[int]:
        return frozenset({self.column})

    def negated(self) -> IsIn:
        return replace(self, inside=not self.inside)

    def true(self, cells: Cells, factual: Factual) -> Kept:
        value = (factual if self.of_factual else cells)[self.column]
        found = among(value, self.codes)
        # A missing category is neither one of them nor another.
        return found if self.inside else negation(found | is_missing(value))

    def _fits(self, value: float) -> bool:
        return not math.isnan(value) and (value in self.codes) == self.inside

    def truth(self, axes: Axes, factual: Row) -> Truth:
        if self.of_factual:
            fits = self._fits(float(factual[self.column]))
            return truth_of(fits, not fits)
        if len(axes[self.column]) > LONGEST_LISTED:
            return Truth.SOMETIMES
        fits_each = [self._fits(float(v)) for v in axes[self.column].values()]
        return truth_of(all(fits_each), not any(fits_each))

    def require(self, axes: Axes, factual: Row) -> Axes:
        if self.of_factual:
            fits = self._fits(float(factual[self.column]))
            return axes if fits else emptied(axes, [self.column])
        if len(axes[self.column]) > LONGEST_LISTED:
            return axes
        return replaced(axes, self.column, axes[self.column].where(self._fits))


def all_true(conditions: Sequence[Condition], cells: Cells, factual: Factual) -> Kept:
    return reduce(and_, (c.true(cells, factual) for c in conditions), True)


def truth_of(always: bool, never: bool) -> Truth:
    return Truth.ALWAYS if always else Truth.NEVER if never else Truth.SOMETIMES

"""What is allowed. Every constraint is hard: kept, or the row is not an answer.

A constraint can do two things: say what keeps it (:meth:`Constraint.kept`, the definition, for
one row in plain numbers as for the columns of many), and cut the axes to a superset of what keeps
it (:meth:`Constraint.narrow`, a help for searches and for finding contradictions). ``narrow`` may
cut too little, never too much.

Where other features follow from what is set, an *action* (the factual with some features set)
leads to another *row*, and each kind speaks of one of the two (:attr:`Constraint.of_action`):

=====================================================  =========================================
the action: what may be set, and how                   Immutable (also a request's ``freeze``),
                                                       Direction, Settable, MaxChange, OnlyTo,
                                                       MaxChanges, LeavesOne; the grid
the row: what would be read, effects included          Range, NotMissing, Rule (its ``changes``
                                                       too), Plausible; the schema's bounds
=====================================================  =========================================

Where nothing follows, action and row are the same.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field, replace
from enum import StrEnum
from functools import reduce
from operator import and_, or_
from typing import Any, ClassVar, Protocol

import numpy as np
import numpy.typing as npt

from explainers.space import LONGEST_LISTED, TOLERANCE, Axis, is_missing, moved, negation, slack
from models.predictor import Row, Rows, Scores, finite
from models.schema import Labels, Schema

Mask = npt.NDArray[np.bool_]
Axes = tuple[Axis, ...]
Cells = Any
"""What stands under each feature: the numbers of one row, or the columns of many, ``(n_features,
n_rows)``. The same operators read both."""
Factual = Sequence[float] | Row


class Source(StrEnum):
    SCHEMA = "schema"
    POLICY = "policy"
    REQUEST = "request"


@dataclass(frozen=True)
class Origin:
    """Where a constraint was declared, and why."""

    source: Source
    key: str
    """Dotted path within the spec or the request, e.g. ``policy.rules.0``."""
    why: Labels = field(default_factory=dict)


@dataclass(frozen=True)
class Constraint:
    """Base of all constraints."""

    of_action: ClassVar[bool] = False
    """Whether it speaks of what is set, and not of the row that this leads to."""

    origin: Origin = field(kw_only=True)

    def kept(self, cells: Cells, factual: Factual) -> Any:
        """Whether the row (or action) of ``cells`` keeps the constraint; of columns, each of their
        rows, ``(n_rows,)``, or one truth for all."""
        raise NotImplementedError

    def holds(self, rows: Rows, factual: Row) -> Mask:
        """Which of ``rows`` (or actions) keep the constraint, ``(n_rows,)``."""
        kept = self.kept(rows.T, factual)
        return np.asarray(kept) if np.ndim(kept) else np.full(len(rows), kept, dtype=np.bool_)

    def narrow(self, axes: Axes, factual: Row) -> Axes:
        """``axes`` less values that no row keeping this constraint can have."""
        raise NotImplementedError

    @property
    def columns(self) -> frozenset[int]:
        """Features that the constraint reads; empty if it reads all of them."""
        raise NotImplementedError


@dataclass(frozen=True)
class Single(Constraint):
    """A constraint on one feature."""

    column: int

    @property
    def columns(self) -> frozenset[int]:
        return frozenset({self.column})

    def narrow(self, axes: Axes, factual: Row) -> Axes:
        narrowed = self.cut(axes[self.column], float(factual[self.column]))
        return replaced(axes, self.column, narrowed)

    def cut(self, axis: Axis, factual: float) -> Axis:
        raise NotImplementedError


@dataclass(frozen=True)
class Immutable(Single):
    """The feature keeps its factual value."""

    of_action = True

    def kept(self, cells: Cells, factual: Factual) -> Any:
        return negation(moved(cells[self.column], factual[self.column]))

    def cut(self, axis: Axis, factual: float) -> Axis:
        return axis.only([factual])


@dataclass(frozen=True)
class NotMissing(Single):
    """The feature's reading is, and stays, present or absent as it was."""

    def kept(self, cells: Cells, factual: Factual) -> Any:
        return is_missing(cells[self.column]) == is_missing(factual[self.column])

    def cut(self, axis: Axis, factual: float) -> Axis:
        return axis.only([factual]) if math.isnan(factual) else axis


class Sense(StrEnum):
    UP = "up"
    DOWN = "down"


@dataclass(frozen=True)
class Direction(Single):
    """The feature may only rise, or only fall (categories: along their order)."""

    of_action = True

    sense: Sense

    def kept(self, cells: Cells, factual: Factual) -> Any:
        before, after = factual[self.column], cells[self.column]
        if is_missing(before):
            return True
        return after >= before if self.sense is Sense.UP else after <= before

    def cut(self, axis: Axis, factual: float) -> Axis:
        if math.isnan(factual):
            return axis
        if self.sense is Sense.UP:
            return axis.clip(factual, math.inf)
        return axis.clip(-math.inf, factual)


@dataclass(frozen=True)
class Range(Single):
    """The feature ends within ``[lower, upper]``, wherever it began."""

    lower: float
    upper: float

    def kept(self, cells: Cells, factual: Factual) -> Any:
        after = cells[self.column]
        return (after >= self.lower) & (after <= self.upper) | is_missing(after)

    def cut(self, axis: Axis, factual: float) -> Axis:
        return axis.clip(self.lower, self.upper)


@dataclass(frozen=True)
class Settable(Range):
    """If the feature is set, it is set within ``[lower, upper]``; left alone, it may be outside."""

    of_action = True

    def kept(self, cells: Cells, factual: Factual) -> Any:
        stays = negation(moved(cells[self.column], factual[self.column]))
        return stays | super().kept(cells, factual)

    def cut(self, axis: Axis, factual: float) -> Axis:
        cut = super().cut(axis, factual)
        is_outside = factual < self.lower or factual > self.upper
        return cut.adding(factual) if is_outside and factual in axis else cut


@dataclass(frozen=True)
class MaxChange(Single):
    """The feature moves by at most ``amount``, in its unit."""

    of_action = True

    amount: float

    def kept(self, cells: Cells, factual: Factual) -> Any:
        before = float(factual[self.column])
        if is_missing(before):
            return True
        return abs(cells[self.column] - before) <= self.amount + slack(before)

    def cut(self, axis: Axis, factual: float) -> Axis:
        if math.isnan(factual):
            return axis
        return axis.clip(factual - self.amount, factual + self.amount)


@dataclass(frozen=True)
class OnlyTo(Single):
    """If the feature changes, it becomes one of ``values`` (a worn tool: 0)."""

    of_action = True

    values: tuple[float, ...]

    def kept(self, cells: Cells, factual: Factual) -> Any:
        after = cells[self.column]
        stays = negation(moved(after, factual[self.column]))
        return _among(after, self.values) | stays

    def cut(self, axis: Axis, factual: float) -> Axis:
        return axis.only([*self.values, factual])


@dataclass(frozen=True)
class MaxChanges(Constraint):
    """At most ``count`` features change."""

    of_action = True

    count: int

    @property
    def columns(self) -> frozenset[int]:
        return frozenset()

    def kept(self, cells: Cells, factual: Factual) -> Any:
        return sum(map(moved, cells, factual)) <= self.count

    def narrow(self, axes: Axes, factual: Row) -> Axes:
        must = [float(x) not in axis for axis, x in zip(axes, factual, strict=True)]
        if sum(must) > self.count:
            return tuple(Axis() for _ in axes)
        if sum(must) < self.count:
            return axes
        return tuple(
            axis if moves else axis.only([float(x)])
            for axis, x, moves in zip(axes, factual, must, strict=True)
        )


@dataclass(frozen=True)
class LeavesOne(Constraint):
    """At least one of ``levers`` keeps its factual value: so that a further answer is another."""

    of_action = True

    levers: frozenset[int]

    @property
    def columns(self) -> frozenset[int]:
        return self.levers

    def kept(self, cells: Cells, factual: Factual) -> Any:
        return reduce(or_, (negation(moved(cells[j], factual[j])) for j in self.levers), False)

    def narrow(self, axes: Axes, factual: Row) -> Axes:
        may_stay = [j for j in self.levers if float(factual[j]) in axes[j]]
        if not may_stay:
            return _emptied(axes, sorted(self.levers))
        if len(may_stay) > 1:
            return axes
        column = may_stay[0]
        return replaced(axes, column, axes[column].only([float(factual[column])]))


class Scorer(Protocol):
    """Anything that gives each row one number: a :class:`models.predictor.Predictor` will do."""

    def score(self, rows: Rows) -> Scores: ...


@dataclass(frozen=True)
class Plausible(Constraint):
    """The row is like rows that were seen: ``lower <= scorer(row) <= upper``.

    A factual that is itself implausible does not make its counterfactuals so: the level is
    what the policy declares, for the row as it would be.
    """

    scorer: Scorer
    lower: float = -math.inf
    upper: float = math.inf

    @property
    def columns(self) -> frozenset[int]:
        return frozenset()

    def kept(self, cells: Cells, factual: Factual) -> Any:
        rows = np.atleast_2d(np.transpose(cells))
        if not len(rows):
            return np.zeros(0, dtype=np.bool_)
        scores = finite(self.scorer.score(rows), rows, "plausibility")[:, 0]
        return (scores >= self.lower) & (scores <= self.upper)

    def narrow(self, axes: Axes, factual: Row) -> Axes:
        return axes


@dataclass(frozen=True)
class Survives(Constraint):
    """The prediction is in the target for every reading within the sensors' tolerances of the
    row, rounding included: each reading of feature ``j`` within ``± tolerances[j]``, and within
    its bounds.

    It is a statement about the model's prediction, which a row alone cannot keep or break: an
    engine that cannot prove it over the whole box is not eligible (see
    :attr:`explainers.problem.Problem.survives`), and ``verify`` tries readings of the box.
    """

    tolerances: tuple[float, ...]
    """In each feature's unit; 0 where there is none, and for categories."""

    @property
    def columns(self) -> frozenset[int]:
        return frozenset()

    def kept(self, cells: Cells, factual: Factual) -> Any:
        return True

    def narrow(self, axes: Axes, factual: Row) -> Axes:
        return axes

    def readings(self, row: Row, schema: Schema, seed: int, count: int) -> Rows:
        """Some readings of the box: corners, half of them, and points inside."""
        rng = np.random.default_rng(seed)
        shares = rng.uniform(-1.0, 1.0, (count, len(row)))
        shares[::2] = np.sign(shares[::2])
        readings = row + shares * np.array(self.tolerances)
        lower = np.array([-np.inf if f.kind.is_categorical else f.lower for f in schema.features])
        upper = np.array([np.inf if f.kind.is_categorical else f.upper for f in schema.features])
        return np.asarray(np.clip(readings, np.minimum(lower, row), np.maximum(upper, row)))


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

    def true(self, cells: Cells, factual: Factual) -> Any:
        """Where it is true, as :meth:`Constraint.kept`. What reads a missing value is not true."""
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
    :data:`explainers.space.TOLERANCE` of the size of their terms.
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

    def true(self, cells: Cells, factual: Factual) -> Any:
        total: Any
        size: Any
        total, size = self.fixed(factual)
        for column, weight in self.now:
            term = weight * cells[column]
            total = total + term
            size = size + abs(term)
        greater = max(size, 1.0) if isinstance(size, float) else np.maximum(size, 1.0)
        return self._compare(total, TOLERANCE * greater)

    def fixed(self, factual: Factual) -> tuple[float, float]:
        terms = [self.constant, *(w * float(factual[j]) for j, w in self.before)]
        return sum(terms), sum(abs(t) for t in terms)

    def _compare(self, total: Any, tolerance: Any) -> Any:
        match self.relation:
            case Relation.LE:
                return total <= tolerance
            case Relation.LT:
                return total < -tolerance
            case Relation.GE:
                return total >= -tolerance
            case Relation.GT:
                return total > tolerance
            case Relation.EQ:
                return abs(total) <= tolerance
            case Relation.NE:
                return abs(total) > tolerance

    def _hull(self, axes: Axes, factual: Row) -> tuple[float, float, float]:
        """Least and greatest total over the axes, and the tolerance for them."""
        fixed, size = self.fixed(factual)
        low = high = fixed
        for column, weight in self.now:
            ends = (weight * axes[column].low, weight * axes[column].high)
            low, high = low + min(ends), high + max(ends)
            size += max(abs(e) for e in ends)
        return low, high, TOLERANCE * max(size, 1.0)

    def truth(self, axes: Axes, factual: Row) -> Truth:
        if any(axes[j].has_missing for j, _ in self.now):
            only = all(len(axes[j]) == 1 for j, _ in self.now if axes[j].has_missing)
            return Truth.NEVER if only else Truth.SOMETIMES
        low, high, tolerance = self._hull(axes, factual)
        if math.isnan(low):
            return Truth.NEVER
        # Twice the tolerance: a superset is wanted, and ``true`` measures its terms row by row.
        margin = 2 * tolerance
        match self.relation:
            case Relation.LE | Relation.LT:
                return _truth(high < -margin, low > margin)
            case Relation.GE | Relation.GT:
                return _truth(low > margin, high < -margin)
            case Relation.EQ:
                return _truth(False, low > margin or high < -margin)
            case Relation.NE:
                return _truth(low > margin or high < -margin, False)

    def require(self, axes: Axes, factual: Row) -> Axes:
        if self.truth(axes, factual) is Truth.NEVER:
            return _emptied(axes, [j for j, _ in self.now] or range(len(axes)))
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

    def true(self, cells: Cells, factual: Factual) -> Any:
        does = moved(cells[self.column], factual[self.column])
        return does if self.does else negation(does)

    def truth(self, axes: Axes, factual: Row) -> Truth:
        axis, stays = axes[self.column], float(factual[self.column])
        may_stay = stays in axis
        may_move = len(axis) > may_stay
        return _truth(
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

    def true(self, cells: Cells, factual: Factual) -> Any:
        value = (factual if self.of_factual else cells)[self.column]
        found = _among(value, self.codes)
        return found if self.inside else negation(found | is_missing(value))

    def _fits(self, value: float) -> bool:
        return not math.isnan(value) and (value in self.codes) == self.inside

    def truth(self, axes: Axes, factual: Row) -> Truth:
        if self.of_factual:
            fits = self._fits(float(factual[self.column]))
            return _truth(fits, not fits)
        if len(axes[self.column]) > LONGEST_LISTED:
            return Truth.SOMETIMES
        fits_each = [self._fits(float(v)) for v in axes[self.column].values()]
        return _truth(all(fits_each), not any(fits_each))

    def require(self, axes: Axes, factual: Row) -> Axes:
        if self.of_factual:
            fits = self._fits(float(factual[self.column]))
            return axes if fits else _emptied(axes, [self.column])
        if len(axes[self.column]) > LONGEST_LISTED:
            return axes
        return replaced(axes, self.column, axes[self.column].where(self._fits))


@dataclass(frozen=True)
class Rule(Constraint):
    """If all of ``when`` then all of ``then``; with no ``when``, always ``then``."""

    text: str
    """As it was declared."""
    then: tuple[Condition, ...]
    when: tuple[Condition, ...] = ()

    @property
    def columns(self) -> frozenset[int]:
        return frozenset().union(*(c.columns for c in (*self.when, *self.then)))

    def kept(self, cells: Cells, factual: Factual) -> Any:
        kept = _all_true(self.then, cells, factual)
        return kept | negation(_all_true(self.when, cells, factual)) if self.when else kept

    def narrow(self, axes: Axes, factual: Row) -> Axes:
        open_ones = []
        for condition in self.when:
            truth = condition.truth(axes, factual)
            if truth is Truth.NEVER:
                return axes
            if truth is Truth.SOMETIMES:
                open_ones.append(condition)
        if not open_ones:
            for condition in self.then:
                axes = condition.require(axes, factual)
            return axes
        refuted = any(c.truth(axes, factual) is Truth.NEVER for c in self.then)
        if refuted and len(open_ones) == 1:
            return self._forbid(open_ones[0], axes, factual)
        return axes

    @staticmethod
    def _forbid(condition: Condition, axes: Axes, factual: Row) -> Axes:
        # "not true" is weaker than "the opposite is true" where a value may be missing.
        if any(axes[j].has_missing for j in condition.columns):
            return axes
        return condition.negated().require(axes, factual)


def _all_true(conditions: Sequence[Condition], cells: Cells, factual: Factual) -> Any:
    return reduce(and_, (c.true(cells, factual) for c in conditions), True)


def _among(values: Any, some: Iterable[float]) -> Any:
    """Where a number, or each of a column, is one of ``some``."""
    return reduce(or_, (values == value for value in some), False)


def _truth(always: bool, never: bool) -> Truth:
    return Truth.ALWAYS if always else Truth.NEVER if never else Truth.SOMETIMES


def replaced(axes: Axes, column: int, axis: Axis) -> Axes:
    if axis is axes[column]:
        return axes
    return (*axes[:column], axis, *axes[column + 1 :])


def _emptied(axes: Axes, columns: Sequence[int]) -> Axes:
    return tuple(Axis() if j in columns else axis for j, axis in enumerate(axes))


def propagate(constraints: Sequence[Constraint], axes: Axes, factual: Row) -> Axes:
    """Narrow ``axes`` by all ``constraints`` until nothing moves, or one of them is empty.

    Bounds of real-valued chains can creep for ever, so the rounds are limited; what is left
    is still a superset of what is allowed.
    """
    relating = [c for c in constraints if not isinstance(c, Single)]
    axes = cut_singly(constraints, axes, factual)
    for _ in range(32):
        before = axes
        axes = _narrowed(relating, axes, factual)
        if axes == before:
            break
    return axes


def cut_singly(constraints: Sequence[Constraint], axes: Axes, factual: Row) -> Axes:
    """Narrow ``axes`` by those of ``constraints`` that speak of one feature alone: once for all,
    whatever the others do after it."""
    if not all(axes):  # an axis without values is false
        return axes
    cut, values = list(axes), factual.tolist()
    for c in constraints:
        if isinstance(c, Single):
            axis = cut[c.column] = c.cut(cut[c.column], values[c.column])
            if not axis:
                break
    return tuple(cut)


def _narrowed(constraints: Sequence[Constraint], axes: Axes, factual: Row) -> Axes:
    for constraint in constraints:
        if not all(axes):
            break
        axes = constraint.narrow(axes, factual)
    return axes


def conflict(
    constraints: Sequence[Constraint], axes: Axes, factual: Row
) -> tuple[Constraint, ...] | None:
    """A smallest-by-removal set of ``constraints`` that leaves nothing at all, or None.

    Removing any one of the set makes the contradiction that propagation sees disappear.
    """

    def contradictory(some: Sequence[Constraint]) -> bool:
        return not all(len(axis) for axis in propagate(some, axes, factual))

    if not contradictory(constraints):
        return None
    kept = list(constraints)
    for candidate in list(kept):
        rest = [c for c in kept if c is not candidate]
        if contradictory(rest):
            kept = rest
    return tuple(kept)

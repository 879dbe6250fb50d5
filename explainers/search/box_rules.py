"""Does every row of a box keep every rule? Proven by halving, down to rows that are asked."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ifonly.explainers.constraints import Axes, Constraint, Truth, replaced
from ifonly.explainers.constraints.forms import (
    Implication,
    MostSet,
    OneStays,
    OwnValues,
    Readings,
    SetTogether,
    StaysRead,
    Within,
)
from ifonly.explainers.problem import Problem
from ifonly.explainers.space import Axis
from ifonly.models.predictor import Row

MOST_PARTS = 4_096
"""Parts of a box that are looked at for one rule before it is left undecided."""


@dataclass(frozen=True)
class BrokenRule:
    """A constraint that not every row of a box is known to keep."""

    constraint: Constraint
    row: Row | None
    """A row of the box that breaks it; None: it is not known whether one does."""


def relating(problem: Problem, columns: Sequence[int]) -> tuple[Constraint, ...]:
    """Constraints that one setting of ``columns`` may keep and another break, where each is one
    that its axis (:attr:`Problem.single_axes`) allows, and one choice of them all is an answer."""
    levers = frozenset(columns)
    found = []
    for constraint in problem.constraints:
        match constraint.form:
            # In the axes; in the count of what is set; the target's matter.
            case OwnValues() | Within() | StaysRead() | MostSet() | OneStays() | Readings():
                continue
            case Implication(columns=own) if not own & levers:
                continue
        found.append(constraint)
    return tuple(found)


def first_broken(
    problem: Problem, axes: Axes, constraints: Sequence[Constraint] | None = None
) -> BrokenRule | None:
    """A constraint that a row of a box breaks, or may; None: all rows keep all of them.

    Of what can be said of a row alone: whether it survives the sensors is the target's matter, and
    where something follows the box must be one of rows, not of what is set.

    Parameters
    ----------
    problem : Problem
    axes : tuple of Axis
        The values of every feature in the box, none of them empty; of one that stays, its own.
    constraints : sequence of Constraint, optional
        Those of ``problem`` that are asked about; None: all.
    """
    for constraint in problem.constraints if constraints is None else constraints:
        found = _broken(problem, constraint, axes)
        if found is not None:
            return found
    return None


def surely_kept(
    problem: Problem, actions: Axes, rows: Axes, constraints: Sequence[Constraint]
) -> bool:
    """Whether every action of a box keeps every constraint, by intervals alone.

    Parameters
    ----------
    problem : Problem
    actions : tuple of Axis
        What each feature is set to; the value that was read of what is not.
    rows : tuple of Axis
        Of what follows the least and the greatest number that it may be, and the value that was
        read where that lies between.
    constraints : sequence of Constraint
        Those of ``problem`` that are asked about.
    """
    factual = problem.factual
    for constraint in constraints:
        axes = actions if constraint.of_action else rows
        match constraint.form:
            case Implication() as rule if not constraint.of_action:
                if _truth(rule, axes, factual) is not Truth.ALWAYS:
                    return False
            case Within(column=j, lower=low, upper=high):
                # Not by its values: what follows is between them.
                inside = low <= axes[j].low and axes[j].high <= high
                if not inside and not axes[j].has_missing:
                    return False
            case Implication() | SetTogether() | OwnValues() | MostSet() | OneStays() | Readings():
                if _broken(problem, constraint, actions) is not None:
                    return False
            case StaysRead(column=j):
                if axes[j].has_missing != np.isnan(factual[j]):
                    return False
            case _:
                return False
    return True


def _broken(problem: Problem, constraint: Constraint, axes: Axes) -> BrokenRule | None:
    factual = problem.factual
    match constraint.form:
        case Readings():
            return None
        case OwnValues(column=j) | Within(column=j) | StaysRead(column=j):
            (left,) = _cut(constraint, axes[j], j, factual)
            if len(left) == len(axes[j]):
                return None
            return BrokenRule(constraint, _row(replaced(axes, j, _lost(axes[j], left))))
        case MostSet(count=count):
            return _counted(constraint, axes, factual, range(len(axes)), count)
        case OneStays(columns=columns):
            return _counted(constraint, axes, factual, sorted(columns), len(columns) - 1)
        case Implication() as rule:
            return _implied(constraint, [rule], axes, factual)
        case SetTogether() as form:
            return _implied(constraint, form.rules, axes, factual)
    # A kind that rows alone can be asked about.
    return BrokenRule(constraint, None)


def _cut(constraint: Constraint, axis: Axis, column: int, factual: Row) -> tuple[Axis]:
    alone = [Axis(others=(float(v),)) for v in factual]
    alone[column] = axis
    return (constraint.narrow(tuple(alone), factual)[column],)


def _lost(axis: Axis, left: Axis) -> Axis:
    """One value of ``axis`` that is not in ``left``."""
    for at in (0, len(axis) - 1):
        value = float(axis.values(np.array([at]))[0])
        if value not in left:
            return Axis(others=(value,))
    gone = next(float(v) for v in axis.values() if float(v) not in left)
    return Axis(others=(gone,))


def _counted(
    constraint: Constraint, axes: Axes, factual: Row, columns: Sequence[int], most: int
) -> BrokenRule | None:
    """Whether more than ``most`` of ``columns`` can be set at once: a row in which they are."""
    moved = list(axes)
    count = 0
    for j in columns:
        was = float(factual[j])
        if len(axes[j]) > (was in axes[j]):
            count += 1
            moved[j] = _lost(axes[j], Axis(others=(was,)))
    return BrokenRule(constraint, _row(tuple(moved))) if count > most else None


def _implied(
    constraint: Constraint, rules: Sequence[Implication], axes: Axes, factual: Row
) -> BrokenRule | None:
    parts = 0
    for rule in rules:
        columns = sorted(rule.columns)
        stack = [axes]
        while stack:
            parts += 1
            if parts > MOST_PARTS:
                return BrokenRule(constraint, None)
            box = stack.pop()
            truth = _truth(rule, box, factual)
            if truth is Truth.ALWAYS:
                continue
            if truth is Truth.NEVER:
                return BrokenRule(constraint, _row(box))
            j = max(columns, key=lambda k: len(box[k]), default=-1)
            if j < 0 or len(box[j]) == 1:
                row = _row(box)
                if not constraint.holds(row[None, :], factual)[0]:
                    return BrokenRule(constraint, row)
                continue
            stack += [replaced(box, j, half) for half in halves(box[j])]
    return None


def _truth(rule: Implication, axes: Axes, factual: Row) -> Truth:
    when = [c.truth(axes, factual) for c in rule.when]
    if Truth.NEVER in when:
        return Truth.ALWAYS
    then = [c.truth(axes, factual) for c in rule.then]
    if all(t is Truth.ALWAYS for t in then):
        return Truth.ALWAYS
    if all(t is Truth.ALWAYS for t in when) and Truth.NEVER in then:
        return Truth.NEVER
    return Truth.SOMETIMES


def halves(axis: Axis) -> tuple[Axis, Axis]:
    """The values of an axis of two at least, its lower and its upper ones."""
    middle = len(axis) // 2
    return part(axis, 0, middle), part(axis, middle, len(axis))


def part(axis: Axis, first: int, stop: int) -> Axis:
    """The values of an axis at positions from ``first`` on, up to ``stop``, which is none of
    them."""
    slots = [axis.position(other) for other in axis.others]
    others = tuple(o for o, at in zip(axis.others, slots, strict=True) if first <= at < stop)
    # Those before the part count as positions, and not along the run.
    before = sum(at < first for at in slots)
    count = stop - first - len(others)
    return Axis(
        axis.grid if count else None, axis.first + first - before if count else 0, count, others
    )


def _row(axes: Axes) -> Row:
    """One row of a box."""
    return np.array([float(axis.values(np.array([0]))[0]) for axis in axes])

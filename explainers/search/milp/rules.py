"""Constraints as rows of a program: exact where sums are far enough apart, else a superset.

A rule is a clause for each of its consequences: one of ``when`` is not true, or this one is.
What a clause chooses from are literals: sums of binaries that are at least 1 only where the
statement is true.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from ifonly.explainers.constraints import (
    NEGATED,
    Changes,
    Comparison,
    Condition,
    Constraint,
    IsIn,
)
from ifonly.explainers.constraints.forms import (
    Implication,
    MostSet,
    OneStays,
    OwnValues,
    SetTogether,
    StaysRead,
    Within,
)
from ifonly.explainers.errors import NotEligible
from ifonly.explainers.search.engine import refusal
from ifonly.explainers.search.milp.choices import Choices, Literal
from ifonly.explainers.search.milp.program import Program
from ifonly.explainers.search.milp.structural_equations import add, read_part, total
from ifonly.explainers.search.milp.sums import IntegerSum

HAIR = 1e-7
"""Part of the farthest move of a reading: a move by less may be none."""


KNOWN = (Implication, MostSet, OneStays, OwnValues, SetTogether, StaysRead, Within)
"""Forms that are rows, or are in the pieces of one feature."""


def check_forms(constraints: Sequence[Constraint]) -> None:
    """Raises
    ------
    NotEligible
        If one of ``constraints`` has a form that is no rows.
    """
    for constraint in constraints:
        if not isinstance(constraint.form, KNOWN):
            raise refusal("milp", constraint)


def add_constraints(program: Program, choices: Choices, constraints: Sequence[Constraint]) -> None:
    """Rows for all of ``constraints``; those on one feature are in its pieces already.

    Raises
    ------
    NotEligible
        If one has a form that is no such rows.
    """
    check_forms(constraints)
    for constraint in constraints:
        match constraint.form:
            case Implication() as rule:
                _add_rule(program, choices, rule)
            case MostSet(count=count):
                # At most `count` set is at least all others left alone.
                stays = [choices.is_set(j).negated() for j in choices.places]
                _add_row(program, stays, len(stays) - count)
            case OneStays(columns=columns):
                # Otherwise one of them has no other value, so it stays anyway.
                if columns <= choices.places.keys():
                    stays = [choices.is_set(j).negated() for j in sorted(columns)]
                    _add_row(program, stays, 1.0)
            case SetTogether(pairs=pairs):
                for causes, effect in pairs:
                    sets = [choices.is_set(j) for j in [effect] if j in choices.places]
                    for j in sorted(causes & choices.places.keys()):
                        _add_row(program, [choices.is_set(j).negated(), *sets], 1.0)


def _add_rule(program: Program, choices: Choices, rule: Implication) -> None:
    # "If A and B then C" as a clause: not A, or not B, or C.
    refuted = [_literal(program, choices, condition, holds=False) for condition in rule.when]
    for condition in rule.then:
        _add_row(program, [*refuted, _literal(program, choices, condition, holds=True)], 1.0)


def _add_row(program: Program, literals: Sequence[Literal], least: float) -> None:
    total: dict[int, float] = {}
    for literal in literals:
        least -= literal.constant
        for variable, weight in literal.weights.items():
            total[variable] = total.get(variable, 0.0) + weight
    program.row(list(total), list(total.values()), lower=least)


def _literal(program: Program, choices: Choices, condition: Condition, *, holds: bool) -> Literal:
    """The statement that ``condition`` is true, or that it is not."""
    # Nothing that it reads can move: its truth is a constant.
    if not condition.columns & choices.places.keys():
        return Literal.of(_true_of_factual(choices, condition) == holds)
    match condition:
        case Changes():
            return _changes(program, choices, condition.column, does=condition.does == holds)
        case IsIn(of_factual=True):
            return Literal.of(_true_of_factual(choices, condition) == holds)
        case IsIn():
            inside = _is_in(choices, condition)
            return inside if holds else inside.negated()
        case Comparison():
            return _comparison(program, choices, condition, holds=holds)
        case _:
            raise NotEligible("milp", f"{type(condition).__name__} is not in the proof")


def _changes(program: Program, choices: Choices, column: int, *, does: bool) -> Literal:
    """The statement that a reading changes, or that it stays.

    A reading that follows cannot be told exactly: "changes" is let in wherever something is set
    that it could follow from, and "stays" wherever it moves by no more than a hair.
    """
    reading = read_part(choices, column)
    is_set, consequences = choices.is_set(column), choices.problem.consequences
    if not reading or consequences is None:
        return is_set if does else is_set.negated()
    if does:
        causes = [j for j in choices.places if column in consequences.effects([j])]
        sets = [choices.is_set(j) for j in (column, *causes)]
        weights = total(*((1.0, literal.weights) for literal in sets))
        return Literal(weights, sum(literal.constant for literal in sets))
    stays = program.binary()
    # What is set changes: it stays only where it is left alone.
    add(
        program,
        total((1.0, dict.fromkeys(choices.alone(column), 1.0)), (-1.0, {stays: 1.0})),
        lower=0.0,
    )
    size = _size(choices, column)
    # With `stays` at 0 the row demands nothing, since no move is larger than `size`.
    for sign in (1.0, -1.0):
        add(program, total((sign / size, reading), (1.0, {stays: 1.0})), upper=1.0 + HAIR)
    return Literal({stays: 1.0})


def _size(choices: Choices, column: int) -> float:
    """No reading that follows is farther from the factual one."""
    factual = float(choices.problem.factual[column])
    pieces = [c.piece for c in choices.of(column) if c.piece.follows]
    return max(abs(p.at(k) - factual) for p in pieces for k in p.ends) or 1.0


def _true_of_factual(choices: Choices, condition: Condition) -> bool:
    factual = choices.problem.factual
    return bool(condition.true(factual, factual))


def _is_in(choices: Choices, condition: IsIn) -> Literal:
    """Categories are pieces of their own."""
    own = choices.of(condition.column)
    # In a run of a grid, one pick stands for many values.
    if any(choice.piece.steps for choice in own):
        raise NotEligible("milp", "a rule names some of the values of a number")
    rows = np.repeat(choices.problem.factual[None, :], len(own), axis=0)
    rows[:, condition.column] = [choice.piece.value for choice in own]
    inside = np.asarray(condition.true(rows.T, choices.problem.factual))
    return Literal({c.pick: 1.0 for c, fits in zip(own, inside, strict=True) if fits})


def _comparison(
    program: Program, choices: Choices, condition: Comparison, *, holds: bool
) -> Literal:
    """True only where no value that it reads is missing."""
    factual = choices.problem.factual
    constants = [float(factual[j]) for j, _ in condition.now if j not in choices.places]
    if any(map(math.isnan, [*constants, condition.fixed(factual)[0]])):
        # What reads a missing value is not true, whatever the rest.
        return Literal.of(not holds)
    total = IntegerSum.of(choices, condition)
    relation = condition.relation if holds else NEGATED[condition.relation]
    switches = [total.switch(program, *limits) for limits in total.limits(relation)]
    reads = {j for j, _ in condition.now} & choices.places.keys()
    missing = [v for j in sorted(reads) for v in choices.is_missing(j).weights]
    # Missing is one more way for a comparison not to hold.
    if not holds:
        return Literal(dict.fromkeys([*switches, *missing], 1.0))
    for switch in switches:
        # A comparison cannot hold where something that it reads is missing.
        for gone in missing:
            program.row([switch, gone], [1.0, 1.0], upper=1.0)
    return Literal(dict.fromkeys(switches, 1.0))

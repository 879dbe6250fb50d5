"""Levers as variables: for each piece whether it is chosen, and how many steps into it."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from explainers.problem import Problem
from explainers.search.milp.levers import Lever, Levers, Piece
from explainers.search.milp.program import Program
from models.predictor import Row

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]


@dataclass(frozen=True)
class Literal:
    """``weights @ binaries + constant``: never negative, and at least 1 only where a statement
    is true."""

    weights: Mapping[int, float]
    constant: float = 0.0

    @classmethod
    def of(cls, truth: bool) -> Literal:
        return cls({}, float(truth))

    def negated(self) -> Literal:
        """Of a statement that is 0 where it is false, and 1 where it is true."""
        return Literal({v: -w for v, w in self.weights.items()}, 1.0 - self.constant)


@dataclass(frozen=True, eq=False)
class Choice:
    """One piece of a lever."""

    piece: Piece
    pick: int
    """The binary that is 1 where the value is of this piece."""
    step: int | None
    """The number of steps from its first value, whole on a grid; 0 where it is not picked."""

    def step_in(self, solution: Floats) -> int:
        if self.step is None:
            return 0
        return min(max(round(float(solution[self.step])), 0), self.piece.steps)


@dataclass(frozen=True, eq=False)
class Choices:
    """All levers of a question within a program; every action is one choice of each."""

    problem: Problem
    levers: Levers
    each: tuple[tuple[Choice, ...], ...]
    """Per lever, a choice for every piece."""

    @classmethod
    def add(cls, program: Program, problem: Problem, levers: Levers) -> Choices:
        """Add variables and rows for ``levers``, with what they cost."""
        each = []
        for lever in levers.each:
            own = tuple(_choice(program, piece) for piece in lever.pieces)
            program.row([c.pick for c in own], np.ones(len(own)), lower=1.0, upper=1.0)
            each.append(own)
        return cls(problem, levers, tuple(each))

    @cached_property
    def places(self) -> dict[int, int]:
        """Place of each feature that is a lever."""
        return {lever.column: place for place, lever in enumerate(self.levers.each)}

    def of(self, column: int) -> tuple[Choice, ...]:
        """The choices of a feature that is a lever."""
        return self.each[self.places[column]]

    def is_set(self, column: int) -> Literal:
        """That the feature is set to another value than its factual one."""
        return Literal(dict.fromkeys(self.alone(column), -1.0), 1.0)

    def alone(self, column: int) -> list[int]:
        """What is 1 in all where the feature is left alone, else 0."""
        own = self.of(column)
        return [own[k].pick for k in self.levers.each[self.places[column]].alone]

    def is_missing(self, column: int) -> Literal:
        return Literal({c.pick: 1.0 for c in self.of(column) if c.piece.is_missing})

    def all(self) -> Iterator[tuple[Lever, Choice]]:
        for lever, own in zip(self.levers.each, self.each, strict=True):
            for choice in own:
                yield lever, choice

    def inputs(self, program: Program) -> Floats:
        """What each variable adds to the core's columns, ``(n_variables, n_columns)``."""
        weights = np.zeros((program.n_variables, len(self.levers.constant)))
        for lever, choice in self.all():
            weights[choice.pick, lever.own] = choice.piece.inputs
            if choice.step is not None:
                weights[choice.step, lever.own] = choice.piece.inputs_rise
        return weights

    def action(self, solution: Floats) -> Row:
        """The action that a solution means: its values, the factual one for what is not set."""
        row = self.problem.factual.copy()
        for lever, own in zip(self.levers.each, self.each, strict=True):
            choice = max(own, key=lambda c: float(solution[c.pick]))
            if not choice.piece.follows:
                row[lever.column] = choice.piece.at(choice.step_in(solution))
        return row

    def forbid(self, program: Program, solution: Floats) -> None:
        """Take this one action out of what is possible."""
        others: list[int] = []
        picked: list[int] = []
        for lever, own in zip(self.levers.each, self.each, strict=True):
            choice = max(own, key=lambda c: float(solution[c.pick]))
            is_alone = own.index(choice) in lever.alone
            picked += self.alone(lever.column) if is_alone else [choice.pick]
            if is_alone or choice.step is None:
                continue
            step, steps = choice.step_in(solution), choice.piece.steps
            less, more = program.binary(), program.binary()
            # less: at most step - 1; more: at least step + 1.
            program.row([choice.step, less], [1.0, steps - step + 1.0], upper=float(steps))
            program.row([choice.step, more], [1.0, -(step + 1.0)], lower=0.0)
            others += [less, more]
        weights = [-1.0] * len(picked) + [1.0] * len(others)
        program.row([*picked, *others], weights, lower=1.0 - len(self.each))


def _choice(program: Program, piece: Piece) -> Choice:
    pick = program.variable(0.0, 1.0, cost=piece.cost)
    if not piece.steps:
        return Choice(piece, pick, None)
    last, is_whole = float(piece.steps), not piece.width
    step = program.variable(0.0, last, cost=piece.cost_rise, whole=is_whole)
    program.row([step, pick], [1.0, -float(piece.steps)], upper=0.0)
    return Choice(piece, pick, step)

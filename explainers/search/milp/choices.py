"""Levers as variables: for each piece whether it is chosen, and how many steps into it."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from functools import cached_property

import numpy as np
import numpy.typing as npt

from ifonly.explainers.problem import Problem
from ifonly.explainers.search.milp.levers import Lever, Levers, Piece
from ifonly.explainers.search.milp.program import Program
from ifonly.models.predictor import Row

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
        """1 where the statement is false, and 0 where it is true."""
        return Literal({v: -w for v, w in self.weights.items()}, 1.0 - self.constant)


@dataclass(frozen=True, eq=False)
class BinaryChoice:
    """One piece of a lever."""

    piece: Piece
    pick: int
    """The binary that is 1 where the value is of this piece."""
    step: int | None
    """How far it is from its first value, in units of the piece; 0 where it is not picked."""

    def step_in(self, solution: Floats) -> int:
        if self.step is None:
            return 0
        # The solver's whole numbers are whole within a tolerance.
        steps = round(float(solution[self.step]) * self.piece.unit)
        return min(max(steps, 0), self.piece.steps)


@dataclass(frozen=True, eq=False)
class Block:
    """Actions that choose the same pieces, each within some steps of it."""

    choices: tuple[BinaryChoice, ...]
    """One of each lever."""
    first: tuple[int, ...]
    """Steps; of what has none, 0, like the next."""
    last: tuple[int, ...]

    @property
    def size(self) -> int:
        return math.prod(b - a + 1 for a, b in zip(self.first, self.last, strict=True))


@dataclass(frozen=True, eq=False)
class Choices:
    """All levers of a question within a program; every action is one choice of each."""

    problem: Problem
    levers: Levers
    each: tuple[tuple[BinaryChoice, ...], ...]
    """Per lever, a choice for every piece."""

    @classmethod
    def add(cls, program: Program, problem: Problem, levers: Levers) -> Choices:
        """Add variables and rows for ``levers``, with what they cost."""
        each = []
        for lever in levers.each:
            own = tuple(_choice(program, piece) for piece in lever.pieces)
            # Exactly one piece of each lever.
            program.row([c.pick for c in own], np.ones(len(own)), lower=1.0, upper=1.0)
            each.append(own)
        return cls(problem, levers, tuple(each))

    @cached_property
    def places(self) -> dict[int, int]:
        """Place of each feature that is a lever."""
        return {lever.column: place for place, lever in enumerate(self.levers.each)}

    def of(self, column: int) -> tuple[BinaryChoice, ...]:
        """The choices of a feature that is a lever."""
        return self.each[self.places[column]]

    def is_set(self, column: int) -> Literal:
        """The statement that the feature is set to another value than its factual one."""
        return Literal(dict.fromkeys(self.alone(column), -1.0), 1.0)

    def alone(self, column: int) -> list[int]:
        """What is 1 in all where the feature is left alone, else 0."""
        own = self.of(column)
        return [own[k].pick for k in self.levers.each[self.places[column]].alone]

    def is_missing(self, column: int) -> Literal:
        return Literal({c.pick: 1.0 for c in self.of(column) if c.piece.is_missing})

    def all(self) -> Iterator[tuple[Lever, BinaryChoice]]:
        for lever, own in zip(self.levers.each, self.each, strict=True):
            for choice in own:
                yield lever, choice

    def inputs(self, program: Program) -> Floats:
        """What each variable adds to the core's columns, ``(n_variables, n_columns)``."""
        weights = np.zeros((program.n_variables, len(self.levers.constant)))
        for lever, choice in self.all():
            weights[choice.pick, lever.own] = choice.piece.inputs
            if choice.step is not None:
                weights[choice.step, lever.own] = choice.piece.unit * choice.piece.inputs_rise
        return weights

    def action(self, solution: Floats) -> Row:
        """The action that a solution means: its values, the factual one for what is not set."""
        row = self.problem.factual.copy()
        for lever, choice in zip(self.levers.each, self.chosen(solution), strict=True):
            if not choice.piece.follows:
                row[lever.column] = choice.piece.at(choice.step_in(solution))
        return row

    def chosen(self, solution: Floats) -> tuple[BinaryChoice, ...]:
        """The piece of each lever that a solution picks."""
        # The largest, not "equal to 1": binaries come back as 0.9999999.
        return tuple(max(own, key=lambda c: float(solution[c.pick])) for own in self.each)

    def is_alone(self, place: int, choice: BinaryChoice) -> bool:
        """Whether the lever at ``place`` is left alone in this piece."""
        return self.each[place].index(choice) in self.levers.each[place].alone

    def at(self, solution: Floats) -> Block:
        """The one action of a solution."""
        chosen = self.chosen(solution)
        steps = tuple(
            # Left alone, a reading that follows lies anywhere in its piece: that is no choice.
            0 if self.is_alone(place, choice) else choice.step_in(solution)
            for place, choice in enumerate(chosen)
        )
        return Block(chosen, steps, steps)

    @cached_property
    def n_variables(self) -> int:
        """How many of the program's variables say what is chosen."""
        return sum(1 + (choice.step is not None) for _, choice in self.all())

    def block_of(self, action: Row) -> Block | None:
        """``action`` as a block of its own, or the nearest to it where its pieces end before; None
        where one of its values is of no piece."""
        chosen, steps = [], []
        for lever, own in zip(self.levers.each, self.each, strict=True):
            away = [choice.piece.away(float(action[lever.column])) for choice in own]
            k = min(range(len(own)), key=away.__getitem__)
            if away[k] == math.inf:
                return None
            chosen.append(own[k])
            steps.append(own[k].piece.nearest(float(action[lever.column])))
        return Block(tuple(chosen), tuple(steps), tuple(steps))

    def whole(self, block: Block) -> Block:
        """All actions that choose the pieces of ``block``."""
        last = tuple(choice.piece.steps for choice in block.choices)
        return Block(block.choices, (0,) * len(last), last)

    def forbid(self, program: Program, block: Block) -> None:
        """Take the actions of ``block`` out of what is possible."""
        others: list[int] = []
        picked: list[int] = []
        for place, choice in enumerate(block.choices):
            is_alone = self.is_alone(place, choice)
            column = self.levers.each[place].column
            # Left alone in whichever piece, it is the same action.
            picked += self.alone(column) if is_alone else [choice.pick]
            if not is_alone and choice.step is not None:
                others += _outside(program, choice, block.first[place], block.last[place])
        # Some lever chooses another piece, or is outside of its steps.
        weights = [-1.0] * len(picked) + [1.0] * len(others)
        program.row([*picked, *others], weights, lower=1.0 - len(self.each))


def _outside(program: Program, choice: BinaryChoice, first: int, last: int) -> list[int]:
    """Binaries that are 1 only where the value is before ``first``, or after ``last``."""
    assert choice.step is not None
    unit, steps, found = choice.piece.unit, choice.piece.steps, []
    if first > 0:
        found.append(program.binary())
        # In units of the variable, which for a fine run goes from 0 to 1.
        room = (steps - first + 1.0) / unit
        program.row([choice.step, found[-1]], [1.0, room], upper=steps / unit)
    if last < steps:
        found.append(program.binary())
        program.row([choice.step, found[-1]], [1.0, -(last + 1.0) / unit], lower=0.0)
    return found


def _choice(program: Program, piece: Piece) -> BinaryChoice:
    pick = program.variable(0.0, 1.0, cost=piece.cost)
    if not piece.steps:
        return BinaryChoice(piece, pick, None)
    unit, is_whole = piece.unit, not (piece.width or piece.is_fine)
    last = piece.steps / unit
    step = program.variable(0.0, last, cost=unit * piece.cost_rise, whole=is_whole)
    # No steps into a piece that is not picked.
    program.row([step, pick], [1.0, -last], upper=0.0)
    return BinaryChoice(piece, pick, step)

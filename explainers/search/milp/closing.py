"""Where values are real numbers in a program: the grid around what it proposes, row by row.

A program over reals allows every row of the grid and more, so its bound holds; what it proposes lies
between grid values. The rows around it that may be cheaper than the best are few: how far each lever
can go, at no greater cost and with the same pieces, are two linear programs. All of them are made,
and each is decided by the definitions; then they are taken out of the program together.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from explainers.search.milp.choices import Block, Choice, Choices
from explainers.search.milp.program import Program
from models.predictor import Rows

Floats = npt.NDArray[np.float64]

MOST_ROWS = 1 << 18
"""Of one block."""
STEPS_BEYOND = 4.0
"""Dearest steps by which a block may be dearer than the proposal in it."""
RELATIVE = 1e-5
"""The same for the doubt about scores, relative to the cost."""


def block_around(program: Program, choices: Choices, solution: Floats, best: float) -> Block:
    """The rows of the grid with the pieces of ``solution`` that may cost less than ``best``, or as
    many of them around it as can be made."""
    alone = choices.at(solution)
    moving = [
        place
        for place, choice in enumerate(alone.choices)
        if choice.step is not None and not choices.is_alone(place, choice)
    ]
    if not moving:
        return alone
    chosen = [alone.choices[place] for place in moving]
    dearest = max(abs(choice.piece.cost_rise) for choice in chosen)
    cost = float(program.cost @ solution[: program.n_variables])
    limit = min(best, cost + STEPS_BEYOND * dearest + RELATIVE * abs(cost))
    steps = [choice.step for choice in chosen if choice.step is not None]
    extents = program.extents(steps, solution, limit)
    first, last = list(alone.first), list(alone.last)
    for k, place in enumerate(moving):
        first[place], last[place] = _steps(chosen[k], alone.first[place], extents[:, k])
    return _shrunk(alone, first, last, moving)


def _steps(choice: Choice, here: int, extent: Floats) -> tuple[int, int]:
    if np.isnan(extent).any():
        return here, here
    unit, steps = choice.piece.unit, choice.piece.steps
    first, last = math.floor(extent[0] * unit) - 1, math.ceil(extent[1] * unit) + 1
    return max(0, min(first, here)), min(steps, max(last, here))


def _shrunk(
    alone: Block, first: list[int], last: list[int], moving: Sequence[int]
) -> Block:
    """Halved towards the proposal where it is longest, until it is small enough."""
    while (block := Block(alone.choices, tuple(first), tuple(last))).size > MOST_ROWS:
        place = max(moving, key=lambda p: last[p] - first[p])
        here = alone.first[place]
        first[place] = here - (here - first[place]) // 2
        last[place] = here + (last[place] - here) // 2
    return block


def actions_of(choices: Choices, block: Block, below: float) -> Rows:
    """The actions of a block that cost less than ``below``, but for rounding, cheapest first."""
    factual = choices.problem.factual
    total, each = np.zeros(1), []
    for place, choice in enumerate(block.choices):
        column = choices.levers.each[place].column
        values = np.array([factual[column]])
        if not (choice.piece.follows or choices.is_alone(place, choice)):
            values = _values(choice, block.first[place], block.last[place])
        costs = choices.problem.cost.of_feature(column, values, float(factual[column]))
        each.append((column, values))
        total = np.add.outer(total, costs)
    total = total[0]
    at = np.nonzero(total < below)
    order = np.argsort(total[at], kind="stable")
    rows = np.repeat(factual[None], len(order), axis=0)
    for (column, values), own in zip(each, at, strict=True):
        rows[:, column] = values[own[order]]
    return rows


def _values(choice: Choice, first: int, last: int) -> Floats:
    piece = choice.piece
    if piece.grid is None:
        return np.array([piece.at(step) for step in range(first, last + 1)])
    return piece.grid.value(piece.multiple + np.arange(first, last + 1))

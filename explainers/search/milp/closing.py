"""Where values are real numbers in a program: the grid around what it proposes, row by row.

A program over reals allows every row of the grid and more, so its bound holds; what it proposes
lies between grid values. The rows around it that may be cheaper than the best are few: how far each
lever can go, at no greater cost and with the same pieces, are two linear programs. All are made,
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
Steps = npt.NDArray[np.int64]

MOST_ROWS = 1 << 18
"""Of one block."""
MOST_SCATTERED = 4_096
STEPS_BEYOND = 4.0
"""Dearest steps by which a block may be dearer than the proposal in it."""
RELATIVE = 1e-5
"""The same for the doubt about scores, relative to the cost."""


def block_around(program: Program, choices: Choices, solution: Floats, best: float) -> Block:
    """The rows of the grid with the pieces of ``solution`` that may cost less than ``best``, or
    little more than the proposal."""
    alone = choices.at(solution)
    moving = _moving(choices, alone)
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
    return Block(alone.choices, tuple(first), tuple(last))


def _moving(choices: Choices, block: Block) -> list[int]:
    return [
        place
        for place, choice in enumerate(block.choices)
        if choice.step is not None and not choices.is_alone(place, choice)
    ]


def _steps(choice: Choice, here: int, extent: Floats) -> tuple[int, int]:
    if np.isnan(extent).any():
        return here, here
    unit, steps = choice.piece.unit, choice.piece.steps
    first, last = math.floor(extent[0] * unit) - 1, math.ceil(extent[1] * unit) + 1
    return max(0, min(first, here)), min(steps, max(last, here))


def shrunk(choices: Choices, block: Block, solution: Floats) -> Block:
    """Halved towards the proposal where it is longest, until it is small enough."""
    here, moving = choices.at(solution).first, _moving(choices, block)
    first, last = list(block.first), list(block.last)
    while block.size > MOST_ROWS:
        place = max(moving, key=lambda p: last[p] - first[p])
        first[place] = here[place] - (here[place] - first[place]) // 2
        last[place] = here[place] + (last[place] - here[place]) // 2
        block = Block(block.choices, tuple(first), tuple(last))
    return block


def scattered(choices: Choices, block: Block, solution: Floats, below: float) -> Rows:
    """Some actions of a block, ever farther apart from the proposal; as :func:`actions_of`."""
    here = choices.at(solution).first
    most = round(MOST_SCATTERED ** (1.0 / max(1, len(_moving(choices, block)))))
    steps = [
        _scattered(block.first[place], here[place], block.last[place], most)
        for place in range(len(block.choices))
    ]
    return _actions(choices, block, steps, below)


def _scattered(first: int, here: int, last: int, most: int) -> Steps:
    reach, half = max(here - first, last - here, 1), max(2, most // 2)
    away = np.unique(np.rint(np.geomspace(1.0, reach, half)).astype(np.int64))
    steps = np.concatenate([here - away, [here], here + away])
    return steps[(steps >= first) & (steps <= last)]


def actions_of(choices: Choices, block: Block, below: float) -> Rows:
    """The actions of a block that cost less than ``below``, but for rounding, cheapest first."""
    ends = zip(block.first, block.last, strict=True)
    return _actions(choices, block, [np.arange(a, b + 1) for a, b in ends], below)


def _actions(choices: Choices, block: Block, steps: Sequence[Steps], below: float) -> Rows:
    factual = choices.problem.factual
    total, each = np.zeros(1), []
    for place, choice in enumerate(block.choices):
        column = choices.levers.each[place].column
        values = np.array([factual[column]])
        if not (choice.piece.follows or choices.is_alone(place, choice)):
            values = _values(choice, steps[place])
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


def _values(choice: Choice, steps: Steps) -> Floats:
    piece = choice.piece
    if piece.grid is None:
        return np.array([piece.at(int(step)) for step in steps])
    return piece.grid.value(piece.multiple + steps)

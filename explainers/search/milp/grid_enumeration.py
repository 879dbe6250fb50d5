"""Where values are real numbers in a program: the grid around what it proposes, row by row.

A program over reals allows every row of the grid and more, so its bound holds; what it proposes
lies between grid values. Of the rows with the pieces that it chose, those are made that may be
cheaper than the best and in the target, and each is decided by the definitions; then all of them
leave the program together. Two numbers say where such rows can be: the cost, a sum over the levers,
and a sum that is nowhere more than how far the raw output is beyond its limit. Where a box of steps
still holds too many rows it is halved, and the sums are nearer to the truth in its halves.

Where that is too much (rules that relate levers may forbid whole regions of it), a block of steps
around the proposal is decided instead; how far each lever can go in it are two linear programs.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from ifonly.explainers.search.milp.choices import BinaryChoice, Block, Choices
from ifonly.explainers.search.milp.program import Program
from ifonly.models.predictor import Rows

Floats = npt.NDArray[np.float64]
Steps = npt.NDArray[np.int64]

AT_ONCE = 1 << 10
"""Rows that are made together."""
MOST_ROWS = 1 << 16
"""Rows that are made of one choice of pieces, or of one block."""
MOST_BOXES = 1 << 10
"""Boxes of one choice of pieces that are looked at."""
STEPS_BEYOND = 4.0
"""Dearest steps by which a block may be dearer than the proposal in it."""
RELATIVE = 1e-5
"""The same for the doubt about scores, relative to the cost."""
ROOM = 1e-9
"""For the rounding of sums, relative to their size."""


@dataclass(frozen=True, eq=False)
class Below:
    """A sum of the columns that is more than 0 only where a row is not in the target."""

    weights: Floats
    """``(n_columns,)``"""
    constant: float


@dataclass(frozen=True)
class StepInequality:
    """``constant + weights @ steps``, which is at most 0 where a row must be looked at."""

    weights: tuple[float, ...]
    constant: float
    room: float
    """It may be more than 0 by that, for rounding."""

    def plus(self, other: StepInequality, share: float) -> StepInequality:
        """Both at once: one that is at most 0 wherever both are."""
        pairs = zip(self.weights, other.weights, strict=True)
        return StepInequality(
            tuple(a + share * b for a, b in pairs),
            self.constant + share * other.constant,
            self.room + share * other.room,
        )


class TooMany(Exception):
    """Rows that may be cheaper than the best and in the target."""


BelowOf = Callable[[Block], Sequence[Below]]
"""Sums that hold within a block."""


@dataclass(frozen=True, eq=False)
class GridCell:
    """Rows with the same pieces, each lever within some steps of its own."""

    choices: Choices
    block: Block

    @cached_property
    def moving(self) -> tuple[int, ...]:
        """Places of levers that are set to values of a run."""
        return tuple(moving_in(self.choices, self.block))

    @property
    def longest(self) -> int:
        """Place of the moving lever with the most steps left."""
        return max(self.moving, key=lambda place: self.block.last[place] - self.block.first[place])

    def halves(self) -> Iterator[GridCell]:
        place = self.longest
        first, last = self.block.first[place], self.block.last[place]
        middle = (first + last) // 2
        yield self._with(place, first, middle)
        yield self._with(place, middle + 1, last)

    def _with(self, place: int, start: int, stop: int) -> GridCell:
        first, last = list(self.block.first), list(self.block.last)
        first[place], last[place] = start, stop
        return GridCell(self.choices, replace(self.block, first=tuple(first), last=tuple(last)))

    def lines(self, below: Sequence[Below], most: float) -> list[StepInequality]:
        """What a row cheaper than ``most`` that may be in the target keeps. Where the cost and
        another line are weighed so that a lever matters no more, they say how far the others
        can go."""
        cost = self._line(lambda choice: (choice.piece.cost, choice.piece.cost_rise), -most)
        lines = [cost]
        for line in below:
            over = self._below(line)
            lines.append(over)
            for a, b in zip(cost.weights, over.weights, strict=True):
                # Weighed so that this lever drops out: a bound on the others, whatever it does.
                if a * b < 0.0:
                    lines.append(cost.plus(over, -a / b))
        return lines

    def _below(self, below: Below) -> StepInequality:
        constant = below.constant + float(below.weights @ self.choices.levers.constant)
        own = {lever.column: below.weights[lever.own] for lever in self.choices.levers.each}
        columns = iter(lever.column for lever in self.choices.levers.each)

        def part(choice: BinaryChoice) -> tuple[float, float]:
            weights = own[next(columns)]
            return float(choice.piece.inputs @ weights), float(choice.piece.inputs_rise @ weights)

        return self._line(part, constant)

    def _line(
        self, part: Callable[[BinaryChoice], tuple[float, float]], constant: float
    ) -> StepInequality:
        weights, size = [], abs(constant)
        for place, choice in enumerate(self.block.choices):
            first, rise = part(choice)
            constant, size = constant + first, size + abs(first)
            if place in self.moving:
                weights.append(rise)
                size += abs(rise) * choice.piece.steps
        # Room for the rounding of these very sums: a row must not be lost in the last digit.
        return StepInequality(tuple(weights), constant, ROOM * size)

    def cheapest(self, cost: StepInequality, over: StepInequality) -> Block:
        """The least steps in cost with which another line is at most 0, or nearly: the levers that
        matter most to it for their cost go first, each as far as it can."""
        at, missing = list(self.block.first), over.constant
        rates = []
        for k, place in enumerate(self.moving):
            rise, weight = cost.weights[k], over.weights[k]
            near, far = self.block.first[place], self.block.last[place]
            # Below the factual, cost falls with the step: the cheap end is the last.
            if rise < 0.0:
                near, far = far, near
            at[place] = near
            missing += weight * near
            gain = weight * (near - far)
            if gain > 0.0:
                rates.append((gain / max(rise * (far - near), 1e-300), k, far))
        # Greedy by gain for cost, which is exact for reals; the last step is rounded up.
        for _, k, far in sorted(rates, reverse=True):
            place, weight = self.moving[k], abs(over.weights[k])
            steps = min(abs(far - at[place]), math.ceil(max(missing, 0.0) / weight))
            at[place] += steps if far > at[place] else -steps
            missing -= weight * steps
        return replace(self.block, first=tuple(at), last=tuple(at))

    def cut(self, lines: Sequence[StepInequality]) -> GridCell | None:
        """The cell without the steps at which a line must be above 0; None if nothing is left."""
        first = [self.block.first[place] for place in self.moving]
        last = [self.block.last[place] for place in self.moving]
        for line in lines:
            if not _cut(line, first, last):
                return None
        cell = self
        for place, start, stop in zip(self.moving, first, last, strict=True):
            cell = cell._with(place, start, stop)
        return cell

    def listed(self, lines: Sequence[StepInequality]) -> Rows | None:
        """Its rows that keep all lines; None if they are more than may be made together."""
        if not self.moving:
            return self._rows(np.zeros((1, 0), dtype=np.int64))
        block, longest = self.block, self.moving.index(self.longest)
        ends = [(block.first[place], block.last[place]) for place in self.moving]
        # All levers but the longest are laid out; of that, each line leaves an interval.
        start, stop = ends.pop(longest)
        if math.prod(b - a + 1 for a, b in ends) > AT_ONCE:
            return None
        grid = np.meshgrid(*(np.arange(a, b + 1) for a, b in ends), indexing="ij")
        others = np.stack([axis.ravel() for axis in grid], axis=1) if ends else np.zeros((1, 0))
        low, high = np.full(len(others), start), np.full(len(others), stop)
        for line in lines:
            weights = list(line.weights)
            own = weights.pop(longest)
            room = line.room - line.constant - others @ np.array(weights)
            _narrow(low, high, own, room)
        counts = np.maximum(high - low + 1, 0)
        if counts.sum() > AT_ONCE:
            return None
        source = np.repeat(np.arange(len(others)), counts)
        steps = np.arange(len(source)) - np.repeat(np.cumsum(counts) - counts, counts) + low[source]
        return self._rows(np.insert(others[source].astype(np.int64), longest, steps, axis=1))

    def _rows(self, steps: Steps) -> Rows:
        """The actions with these steps of the moving levers, ``(n, n_moving)``."""
        rows = np.repeat(self.choices.problem.factual[None, :], len(steps), axis=0)
        for place, choice in enumerate(self.block.choices):
            column = self.choices.levers.each[place].column
            if place in self.moving:
                rows[:, column] = _values(choice, steps[:, self.moving.index(place)])
            elif not (choice.piece.follows or self.choices.is_alone(place, choice)):
                rows[:, column] = choice.piece.value
        return rows


def _cut(line: StepInequality, first: list[int], last: list[int]) -> bool:
    """Cut ends of steps by one line; whether any are left."""
    # The least that each lever can add; what all leave over is what one may exceed its own by.
    parts = [min(w * a, w * b) for w, a, b in zip(line.weights, first, last, strict=True)]
    spare = line.room - line.constant - sum(parts)
    if spare < 0.0:
        return False
    for k, (weight, part) in enumerate(zip(line.weights, parts, strict=True)):
        if weight == 0.0:
            continue
        end = (spare + part) / weight
        if weight > 0.0:
            # One step more than computed, since the division is rounded;
            # 2^62 keeps infinity an integer.
            last[k] = min(last[k], math.floor(min(end, 2.0**62)) + 1)
        else:
            first[k] = max(first[k], math.ceil(max(end, -(2.0**62))) - 1)
        if first[k] > last[k]:
            return False
    return True


def _narrow(low: Steps, high: Steps, weight: float, room: Floats) -> None:
    """Keep of each stretch of steps those whose part ``weight * step`` there is ``room`` for."""
    if weight == 0.0:
        high[room < 0.0] = low[room < 0.0] - 1
        return
    # Clipped before the cast: infinity is no int64.
    ends = np.clip(room / weight, low - 2.0, high + 2.0)
    if weight > 0.0:
        np.minimum(high, np.floor(ends).astype(np.int64) + 1, out=high)
    else:
        np.maximum(low, np.ceil(ends).astype(np.int64) - 1, out=low)


def listed(cell: GridCell, below: BelowOf, cost: float, most: int) -> Iterator[Rows]:
    """All rows of ``cell`` that cost less than ``cost``, but for rounding, and may be in the
    target, part after part.

    Raises
    ------
    TooMany
        If they are more than ``most``, or too hard to tell.
    """
    made, boxes, open_cells = 0, 0, [cell]
    while open_cells:
        boxes += 1
        # Depth first, so that few boxes are open at once.
        box: GridCell | None = open_cells.pop()
        assert box is not None
        lines = box.lines(below(box.block), cost)
        box = box.cut(lines)
        rows = None if box is None else box.listed(lines)
        if rows is not None:
            made += len(rows)
            yield rows
        elif box is not None:
            open_cells += box.halves()
        if made > most or boxes > MOST_BOXES:
            raise TooMany


def limit_of(program: Program, choices: Choices, solution: Floats, best: float) -> float:
    """What rows of the block around ``solution`` cost at most: little more than the proposal."""
    alone = choices.at(solution)
    moving = moving_in(choices, alone)
    dearest = max((abs(alone.choices[p].piece.cost_rise) for p in moving), default=0.0)
    cost = float(program.cost @ solution[: program.n_variables])
    return min(best, cost + STEPS_BEYOND * dearest + RELATIVE * abs(cost))


def block_around(program: Program, choices: Choices, solution: Floats, limit: float) -> Block:
    """The rows of the grid with the pieces of ``solution`` that may cost less than ``limit``, at
    most ``MOST_ROWS``."""
    alone = choices.at(solution)
    moving = moving_in(choices, alone)
    if not moving:
        return alone
    chosen = [alone.choices[place] for place in moving]
    # Each lever's extent by two linear programs, with the pieces fixed and the cost limited.
    steps = [choice.step for choice in chosen if choice.step is not None]
    extents = program.extents(steps, solution, limit)
    first, last = list(alone.first), list(alone.last)
    for k, place in enumerate(moving):
        first[place], last[place] = _steps(chosen[k], alone.first[place], extents[:, k])
    return _shrunk(choices, Block(alone.choices, tuple(first), tuple(last)), solution)


def moving_in(choices: Choices, block: Block) -> list[int]:
    """Places of levers that are set to values of a run."""
    return [
        place
        for place, choice in enumerate(block.choices)
        if choice.step is not None and not choices.is_alone(place, choice)
    ]


def _steps(choice: BinaryChoice, here: int, extent: Floats) -> tuple[int, int]:
    # The solver could not tell: the proposal's own step alone is decided.
    if np.isnan(extent).any():
        return here, here
    unit, steps = choice.piece.unit, choice.piece.steps
    # A step outward on both sides, as the extents are the solver's and rounded.
    first, last = math.floor(extent[0] * unit) - 1, math.ceil(extent[1] * unit) + 1
    return max(0, min(first, here)), min(steps, max(last, here))


def _shrunk(choices: Choices, block: Block, solution: Floats) -> Block:
    """Halved towards the proposal where it is longest, until it is small enough."""
    here, moving = choices.at(solution).first, moving_in(choices, block)
    first, last = list(block.first), list(block.last)
    while block.size > MOST_ROWS:
        # Towards the proposal, so that it stays in, and is gone from the program afterwards.
        place = max(moving, key=lambda p: last[p] - first[p])
        first[place] = here[place] - (here[place] - first[place]) // 2
        last[place] = here[place] + (last[place] - here[place]) // 2
        block = Block(block.choices, tuple(first), tuple(last))
    return block


def farther(choices: Choices, block: Block) -> Rows:
    """The action of ``block``, which is but one, and others with one lever ever farther away."""
    here = GridCell(choices, block)
    at = np.array([[block.first[place] for place in here.moving]], dtype=np.int64)
    parts = [at]
    for k, place in enumerate(here.moving):
        # Doubling distances: near rows are tried closely, far ones are reached in few steps.
        away = 2 ** np.arange(block.choices[place].piece.steps.bit_length(), dtype=np.int64)
        steps = np.concatenate([at[0, k] - away, at[0, k] + away])
        steps = steps[(steps >= 0) & (steps <= block.choices[place].piece.steps)]
        parts.append(np.repeat(at, len(steps), axis=0))
        parts[-1][:, k] = steps
    return here._rows(np.concatenate(parts))


def _values(choice: BinaryChoice, steps: Steps) -> Floats:
    piece = choice.piece
    if piece.grid is None:
        return np.array([piece.at(int(step)) for step in steps])
    return piece.grid.value(piece.multiple + steps)

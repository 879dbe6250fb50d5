"""The axes of a question: positions, and pieces over which cost and columns are straight."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from ifonly.explainers.constraints.forms import Implication
from ifonly.explainers.problem import Problem
from ifonly.explainers.search.milp.levers import Lever, Levers, Piece
from ifonly.explainers.search.networks.arrays import PieceArrays
from ifonly.explainers.search.networks.following import Mode, ValueColumns
from ifonly.explainers.search.trees.flat_rules import flatten
from ifonly.explainers.search.trees.layout import AxisLine, Stretches
from ifonly.explainers.search.trees.question import Question, SumLimits
from ifonly.explainers.search.trees.question_building import question_of
from ifonly.explainers.space import LONGEST_LISTED, differing
from ifonly.models.predictor import Row, Rows

Floats = npt.NDArray[np.float64]

_NO_LIMITS = SumLimits(np.zeros(0), np.zeros(0))


@dataclass(frozen=True, eq=False)
class LaidAxes:
    """A question's axes, as boxes of positions and as pieces."""

    problem: Problem
    mode: Mode
    levers: Levers
    question: Question
    pieces: PieceArrays
    parts: Sequence[Sequence[Piece]]
    """Of each feature, in the order of its positions."""

    def actions(self, positions: npt.NDArray[np.int64]) -> Rows:
        """The actions at positions, ``(n, n_features)`` both."""
        rows = self.question.rows(positions)
        wholes = [each.column for each in self.mode.wholes]
        # What follows is not set.
        rows[:, wholes] = self.problem.factual[wholes]
        return rows

    def positions(self, action: Row) -> npt.NDArray[np.int64] | None:
        """Where an action stands, and what follows from it; None if it is not on the axes."""
        row = action.copy()
        if self.mode.wholes:
            led = self.problem.rows_of(action[None, :])[0]
            for each in self.mode.wholes:
                row[each.column] = led[each.column]
        at = self.question.home.copy()
        for j in differing(row.tolist(), self.problem.factual.tolist()):
            at[j] = _place(self.parts[j], float(row[j]))
        return None if -1 in at.tolist() else at


def _place(pieces: Sequence[Piece], value: float) -> int:
    first = 0
    for piece in pieces:
        if piece.away(value) == 0.0:
            return first + piece.nearest(value)
        first += piece.steps + 1
    return -1


def lay(problem: Problem, mode: Mode, levers: Levers, values: ValueColumns) -> LaidAxes:
    """The axes of one mode of ``problem``.

    Raises
    ------
    NotEligible
        If a constraint has a form that boxes do not know.
    """
    parts: list[list[Piece]] = [[] for _ in problem.axes]
    owns: dict[int, Lever] = {}
    for lever in levers.each:
        owns[lever.column] = lever
        parts[lever.column] = _ordered(lever.pieces)
    wholes = {each.column for each in mode.wholes}
    lines = [
        _line(own, is_set=j not in wholes) if own else _still(float(problem.factual[j]))
        for j, own in enumerate(parts)
    ]
    # Rules that read what is on no axis are kept by limits, or by whoever judges rows.
    kept = [
        each
        for each in problem.constraints
        if not (isinstance(each.form, Implication) and not mode.is_in_boxes(each.form))
    ]
    question = question_of(
        problem, None, lines, kept, _NO_LIMITS, lambda r: flatten(r, problem.schema)
    )
    pieces = _pieces(problem, mode, levers, owns, parts, values)
    return LaidAxes(problem, mode, levers, question, pieces, parts)


def _ordered(pieces: Sequence[Piece]) -> list[Piece]:
    """PieceArrays in the order of their values, a missing one last; none reaches over another."""
    alone = [p.value for p in pieces if not p.steps and not p.is_missing]
    found: list[Piece] = []
    for piece in pieces:
        if not piece.steps:
            found.append(piece)
            continue
        first = 0
        for value in sorted(alone):
            # How many of the piece's values are below it.
            cut = _below(piece, value)
            if first < cut <= piece.steps:
                found.append(_part(piece, first, cut - 1))
                first = cut
        found.append(_part(piece, first, piece.steps))
    return sorted(found, key=lambda p: (p.is_missing, p.value))


def _below(piece: Piece, value: float) -> int:
    step = piece.nearest(value)
    while step > 0 and piece.at(step) >= value:
        step -= 1
    while step <= piece.steps and piece.at(step) < value:
        step += 1
    return step


def _part(piece: Piece, first: int, last: int) -> Piece:
    """Its values from one step to another."""
    return replace(
        piece,
        value=piece.at(first),
        steps=last - first,
        cost=piece.cost + first * piece.cost_rise,
        inputs=piece.inputs + first * piece.inputs_rise,
        multiple=piece.multiple + first,
    )


def _still(value: float) -> AxisLine:
    return AxisLine(np.array([value]), np.zeros(1, np.int32), np.array([0, 1], dtype=np.int64))


def _line(pieces: Sequence[Piece], *, is_set: bool) -> AxisLine:
    size = sum(piece.steps + 1 for piece in pieces)
    first = np.array([0, size], dtype=np.int64)
    if size <= LONGEST_LISTED:
        values = np.concatenate([_values(piece) for piece in pieces])
        return AxisLine(values, np.zeros(size, np.int32), first, is_set)
    (grid,) = {piece.grid for piece in pieces if piece.grid is not None}
    counts = np.array([piece.steps + 1 for piece in pieces], dtype=np.int64)
    start = np.cumsum(counts) - counts
    multiple = np.array([piece.multiple if piece.grid else 0 for piece in pieces], dtype=np.int64)
    values = np.array([piece.value for piece in pieces])
    stretches = Stretches(start, multiple, grid, size)
    return AxisLine(values, np.zeros(len(values), np.int32), first, is_set, stretches)


def _values(piece: Piece) -> Floats:
    if piece.grid is None:
        return np.array([piece.value])
    return np.asarray(piece.grid.value(piece.multiple + np.arange(piece.steps + 1)))


@dataclass(frozen=True)
class Carried:
    """What a feature adds to a column that is not its own, for each unit from a value."""

    column: int
    rate: float
    origin: float = 0.0


def _carried(mode: Mode, levers: Levers, values: ValueColumns) -> dict[int, list[Carried]]:
    """By feature that is set, or has an axis."""
    found: dict[int, list[Carried]] = {lever.column: [] for lever in levers.each}
    for j, column in values.read.items():
        if j in found:
            found[j].append(Carried(column, 1.0))
    for each in mode.followers:
        targets = [(values.read[each.column], 1.0)]
        if each.is_whole:
            targets = [(values.pulled[each.column], 1.0)]
        else:
            targets += zip(each.reading.own.tolist(), each.line.rise.tolist(), strict=True)
        for j, pull in each.pulls.items():
            if j in found:
                found[j] += [Carried(c, pull * rise, each.causes[j]) for c, rise in targets]
    return found


def _pieces(
    problem: Problem,
    mode: Mode,
    levers: Levers,
    owns: dict[int, Lever],
    parts: Sequence[Sequence[Piece]],
    values: ValueColumns,
) -> PieceArrays:
    carried = _carried(mode, levers, values)
    constant = np.concatenate([levers.constant, np.zeros(len(values))])
    for each in mode.followers:
        places = values.pulled if each.is_whole else values.read
        constant[places[each.column]] = each.factual
    for j, place in values.read.items():
        if not parts[j] and not math.isnan(problem.factual[j]):
            constant[place] = problem.factual[j]
    of, first, last, cost, rise = [0], [], [], [], []
    terms, column, input_, input_rise = [0], [], [], []
    for j, own in enumerate(parts):
        at = 0
        for piece in own:
            first.append(at)
            last.append(at + piece.steps)
            at += piece.steps + 1
            cost.append(piece.cost)
            rise.append(piece.cost_rise if piece.steps else 0.0)
            for c, a, b in zip(
                owns[j].own.tolist(),
                piece.inputs.tolist(),
                piece.inputs_rise.tolist() if piece.steps else [0.0] * len(piece.inputs),
                strict=True,
            ):
                if a or b:
                    column.append(c)
                    input_.append(a)
                    input_rise.append(b)
            # From a value that was not read there is no distance: nothing follows that is known.
            for more in () if piece.is_missing else carried[j]:
                column.append(more.column)
                input_.append(more.rate * (piece.value - more.origin))
                input_rise.append(more.rate * float(piece.rise) if piece.steps else 0.0)
            terms.append(len(column))
        if not own:
            first.append(0)
            last.append(0)
            cost.append(0.0)
            rise.append(0.0)
            terms.append(len(column))
        of.append(len(first))
    whole = np.int64
    return PieceArrays(
        of=np.array(of, dtype=whole),
        first=np.array(first, dtype=whole),
        last=np.array(last, dtype=whole),
        cost=np.array(cost),
        rise=np.array(rise),
        terms=np.array(terms, dtype=whole),
        column=np.array(column, dtype=whole),
        input=np.array(input_, dtype=np.float64),
        input_rise=np.array(input_rise, dtype=np.float64),
        constant=constant,
    )

"""The axes of a question: positions, and pieces over which cost and columns are straight."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ifonly.explainers.constraints.forms import Implication
from ifonly.explainers.problem import Problem
from ifonly.explainers.search.milp.levers import Levers, Piece
from ifonly.explainers.search.networks.arrays import PieceArrays
from ifonly.explainers.search.networks.following import NetworkMode, ValueColumns
from ifonly.explainers.search.networks.pieces import Carriers, breaks_of, ordered, pieces_of
from ifonly.explainers.search.networks.sensors import Copy, Sensor
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
    mode: NetworkMode
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


def lay(
    problem: Problem,
    mode: NetworkMode,
    levers: Levers,
    values: ValueColumns,
    sensors: Mapping[int, Sensor],
    copies: Sequence[Copy],
) -> LaidAxes:
    """The axes of one mode of ``problem``, as copies of the network read them, too.

    Raises
    ------
    NotEligible
        If a constraint has a form that boxes do not know.
    """
    parts: list[list[Piece]] = [[] for _ in problem.axes]
    for lever in levers.each:
        breaks = breaks_of(lever.column, sensors, copies)
        parts[lever.column] = ordered(lever.pieces, breaks)
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
    carriers = Carriers(problem, mode, values, sensors, copies)
    pieces = pieces_of(levers, parts, carriers)
    return LaidAxes(problem, mode, question, pieces, parts)


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

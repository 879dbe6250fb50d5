"""The axes of a question: positions, and pieces over which cost and columns are straight."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from ifonly.explainers.problem import Problem
from ifonly.explainers.search.milp.levers import Lever, Levers, Piece
from ifonly.explainers.search.networks.arrays import PieceArrays
from ifonly.explainers.search.trees.flat_rules import flatten
from ifonly.explainers.search.trees.layout import AxisLine, Stretches
from ifonly.explainers.search.trees.question import Question, SumLimits
from ifonly.explainers.search.trees.question_building import question_of
from ifonly.explainers.space import LONGEST_LISTED

Floats = npt.NDArray[np.float64]

_NO_LIMITS = SumLimits(np.zeros(0), np.zeros(0))


@dataclass(frozen=True, eq=False)
class LaidAxes:
    """A question's axes, as boxes of positions and as pieces."""

    question: Question
    pieces: PieceArrays


def lay(problem: Problem, levers: Levers, values_of: Sequence[int]) -> LaidAxes:
    """The axes of ``problem``; of ``values_of``, features, the value is a further column.

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
    lines = [
        _line(problem, j, own) if own else _still(float(problem.factual[j]))
        for j, own in enumerate(parts)
    ]
    question = question_of(
        problem, None, lines, problem.constraints, _NO_LIMITS, lambda r: flatten(r, problem.schema)
    )
    return LaidAxes(question, _pieces(problem, levers, owns, parts, values_of))


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


def _line(problem: Problem, j: int, pieces: Sequence[Piece]) -> AxisLine:
    axis = problem.axes[j]
    size = sum(piece.steps + 1 for piece in pieces)
    assert size == len(axis)
    first = np.array([0, size], dtype=np.int64)
    if axis.count <= LONGEST_LISTED:
        values = axis.values()
        return AxisLine(values, np.zeros(size, np.int32), first)
    assert axis.grid is not None
    counts = np.array([piece.steps + 1 for piece in pieces], dtype=np.int64)
    start = np.cumsum(counts) - counts
    multiple = np.array([piece.multiple if piece.grid else 0 for piece in pieces], dtype=np.int64)
    values = np.array([piece.value for piece in pieces])
    stretches = Stretches(start, multiple, axis.grid, size)
    return AxisLine(values, np.zeros(len(values), np.int32), first, stretches=stretches)


def _pieces(
    problem: Problem,
    levers: Levers,
    owns: dict[int, Lever],
    parts: Sequence[Sequence[Piece]],
    values_of: Sequence[int],
) -> PieceArrays:
    n_columns = len(levers.constant)
    place = {j: n_columns + k for k, j in enumerate(values_of)}
    constant = np.concatenate([levers.constant, np.zeros(len(values_of))])
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
            if j in place and not piece.is_missing:
                column.append(place[j])
                input_.append(piece.value)
                input_rise.append(float(piece.rise) if piece.steps else 0.0)
            terms.append(len(column))
        if not own:
            first.append(0)
            last.append(0)
            cost.append(0.0)
            rise.append(0.0)
            terms.append(len(column))
            if j in place and not math.isnan(problem.factual[j]):
                constant[place[j]] = problem.factual[j]
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

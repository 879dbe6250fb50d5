"""Rows that tie what follows to its causes.

A feature that is left alone is where its causes pull it; one that is set is cut off from them, and
what follows from it follows from the value that it was set to.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping

from ifonly.explainers.consequences import Flow
from ifonly.explainers.search.milp.choices import Choices
from ifonly.explainers.search.milp.following import HALF, Following, Room
from ifonly.explainers.search.milp.program import Program

LinearForm = Mapping[int, float]
"""A sum over a program's variables."""


def tie(program: Program, choices: Choices, following: Following) -> None:
    """Add rows that say what follows."""
    rooms = following.rooms(choices.levers)
    shifts: dict[int, LinearForm] = {j: set_part(choices, j) for j in choices.places}
    # Causes come first, so how far a flow's causes move is in `shifts` already.
    for flow in following.moving:
        own = _follows(program, choices, flow, rooms[flow.effect].alone)
        apart = total((1.0, own), *_pulls(flow, shifts))
        _tie(program, choices, flow, apart, rooms[flow.effect].free)
        # What is below follows from either: from a value that was set, or from one that followed.
        shifts[flow.effect] = total((1.0, shifts[flow.effect]), (1.0, own))
    for flow in following.flows.each:
        if flow.slopes is None:
            _hold(program, choices, flow.effect)


def _hold(program: Program, choices: Choices, effect: int) -> None:
    """Demand that a feature whose moves no one can tell is set itself, or that none of its causes
    is."""
    consequences, is_lever = choices.problem.consequences, effect in choices.places
    assert consequences is not None
    # Where a cause is set, the effect's `alone` must be 0; what is no lever is always left alone.
    held = dict.fromkeys(choices.alone(effect), 1.0) if is_lever else {}
    for j in choices.places:
        if effect in consequences.effects([j]):
            alone = dict.fromkeys(choices.alone(j), 1.0)
            add(program, total((1.0, alone), (-1.0, held)), lower=0.0 if is_lever else 1.0)


def add(
    program: Program, line: LinearForm, *, lower: float = -math.inf, upper: float = math.inf
) -> None:
    """Require that a sum is between limits."""
    program.row(list(line), list(line.values()), lower, upper)


def total(*parts: tuple[float, LinearForm]) -> LinearForm:
    """The sum of ``parts``, each times its weight."""
    found: dict[int, float] = {}
    for weight, line in parts:
        for variable, own in line.items():
            found[variable] = found.get(variable, 0.0) + weight * own
    return found


def set_part(choices: Choices, column: int) -> LinearForm:
    """How far the feature is set from its factual value; 0 where it is left alone."""
    return _part(choices, column, follows=False)


def read_part(choices: Choices, column: int) -> LinearForm:
    """How far the feature's reading follows from its factual value; 0 where it is set."""
    return _part(choices, column, follows=True)


def _part(choices: Choices, column: int, *, follows: bool) -> LinearForm:
    factual, found = float(choices.problem.factual[column]), {}
    for choice in choices.of(column):
        piece = choice.piece
        # From a value that was not read there is no difference, so no shift is known.
        if piece.follows is follows and not piece.is_missing and not math.isnan(factual):
            found[choice.pick] = piece.value - factual
            if choice.step is not None:
                found[choice.step] = float(piece.rise) * piece.unit
    return found


def _pulls(flow: Flow, shifts: Mapping[int, LinearForm]) -> Iterator[tuple[float, LinearForm]]:
    assert flow.slopes is not None
    for slope, cause in zip(flow.slopes.tolist(), flow.causes, strict=True):
        # A cause that can neither be set nor follow stays as it is, and pulls nothing.
        if cause in shifts:
            yield -slope, shifts[cause]


def _follows(program: Program, choices: Choices, flow: Flow, room: Room) -> LinearForm:
    """How far the feature follows, before its reading is rounded; 0 where it is set."""
    reading = read_part(choices, flow.effect)
    if not flow.is_whole:
        return reading
    # 0 is let in, whatever the room: it is the variable's value where the feature is set.
    low, high = min(room.low, 0.0), max(room.high, 0.0)
    own = program.variable(low, high, whole=False)
    # Read as a whole number: what follows is within half of what is read.
    add(program, total((1.0, {own: 1.0}), (-1.0, reading)), lower=-HALF, upper=HALF)
    picks = choices.alone(flow.effect)
    # Where the feature is set, no pick is 1, so both limits are 0.
    program.row([own, *picks], [1.0, *[-low] * len(picks)], lower=0.0)
    program.row([own, *picks], [1.0, *[-high] * len(picks)], upper=0.0)
    return {own: 1.0}


def _tie(program: Program, choices: Choices, flow: Flow, apart: LinearForm, free: Room) -> None:
    """Left alone, the feature is where its causes pull it, and ``apart`` is 0; set, it follows
    no way and the causes pull within ``free``."""
    picks = choices.alone(flow.effect)
    # The solver's tolerance is absolute: rows are scaled, so that it means the same in every unit.
    scale = free.size or 1.0
    # Big-M rows, M being how far the causes can pull: left alone, both together say `apart` is 0.
    for end, lower, upper in ((free.low, -math.inf, -free.low), (free.high, -free.high, math.inf)):
        line = total((1.0 / scale, apart), (-end / scale, dict.fromkeys(picks, 1.0)))
        add(program, line, lower=lower / scale, upper=upper / scale)

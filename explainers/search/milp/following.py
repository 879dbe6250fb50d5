"""What follows from what is set, affinely: how far, and as pieces of a feature's values.

A feature that follows is a lever with further pieces, in which it is left alone; its place within
one is its reading.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from ifonly.explainers.consequences import Flow, Flows, NotAffine
from ifonly.explainers.constraints import Axes, Single, replaced
from ifonly.explainers.constraints.forms import Within
from ifonly.explainers.errors import NotEligible
from ifonly.explainers.problem import Problem
from ifonly.explainers.search.milp.levers import Lever, Levers, Piece
from ifonly.explainers.search.milp.reals import RealReading, Stretch
from ifonly.explainers.space import Grid
from ifonly.models.predictor import Row

Floats = npt.NDArray[np.float64]
HALF = 0.5 + 1e-9
"""How far a reading of whole numbers is from what follows."""
ROUNDING = 1e-9
"""Part of its size by which the reach of what follows is widened."""
_ONES = Grid(1, 0)


@dataclass(frozen=True)
class Room:
    """How far from its factual value a feature may go."""

    low: float = 0.0
    high: float = 0.0

    @classmethod
    def of_sum(cls, slopes: Sequence[float], causes: Sequence[Room]) -> Room:
        """Widened for the rounding of its arithmetic."""
        ends = [sorted((s * r.low, s * r.high)) for s, r in zip(slopes, causes, strict=True)]
        low, high = sum(end[0] for end in ends), sum(end[1] for end in ends)
        # Outward: a room too wide costs time, one too narrow would lose rows.
        slack = ROUNDING * max(abs(low), abs(high))
        return cls(low - slack, high + slack)

    @classmethod
    def of_lever(cls, lever: Lever, factual: float) -> Room:
        """How far it may be set; from a value that was not read there is no distance."""
        pieces = [p for p in lever.pieces if not (p.follows or p.is_missing)]
        ends = [p.at(k) - factual for p in pieces for k in p.ends]
        return cls(min(ends), max(ends)) if ends and not math.isnan(factual) else cls(0.0, 0.0)

    def joined(self, other: Room) -> Room:
        return Room(min(self.low, other.low), max(self.high, other.high))

    def within(self, low: float, high: float) -> Room:
        return Room(max(self.low, low), min(self.high, high))

    @property
    def size(self) -> float:
        return max(abs(self.low), abs(self.high))


@dataclass(frozen=True)
class Rooms:
    """How far a feature may go in one question."""

    own: Room
    """Set or left alone."""
    alone: Room = Room()
    """Left alone, before it is rounded, within its bounds."""
    free: Room = Room()
    """Where its causes would pull it, bounds or not."""


@dataclass(frozen=True, eq=False)
class Following:
    """What follows in one question, however much may be spent."""

    problem: Problem
    flows: Flows
    readings: Mapping[int, RealReading]
    """The reading of each column that follows."""

    @cached_property
    def moving(self) -> tuple[Flow, ...]:
        """Flows of readings that are there: a missing one stays missing."""
        return tuple(flow for flow in self.flows.each if flow.effect in self.readings)

    @classmethod
    def of(cls, problem: Problem, reading: Callable[[int], RealReading]) -> Following:
        """Raises
        ------
        NotEligible
            If something does not follow affinely, or from a reading that is missing.
        """
        names, factual = problem.schema.names, problem.factual
        flows = flows_of(problem)
        moving = [f for f in flows.each if f.slopes is not None and _is_read(f, factual)]
        for flow in moving:
            missing = [names[i] for i in flow.causes if math.isnan(factual[i])]
            if missing:
                raise NotEligible("milp", f"{names[flow.effect]} follows from {missing[0]}, unread")
        return cls(problem, flows, {f.effect: reading(f.effect) for f in moving})

    @property
    def axes(self) -> Axes:
        """What may be set: also where it must be is said of a feature that may move alone."""
        problem, axes = self.problem, self.problem.axes
        effects = {flow.effect for flow in self.flows.each}
        for c in problem.constraints:
            if isinstance(c, Single) and not c.of_action and c.column in effects:
                factual = float(problem.factual[c.column])
                cut = c.cut(axes[c.column], factual)
                # The factual value means that it is left alone, which
                # it may be wherever it then goes.
                if factual in axes[c.column] and c.column in self.readings:
                    cut = cut.adding(factual)
                axes = replaced(axes, c.column, cut)
        return axes

    def rooms(self, levers: Levers) -> dict[int, Rooms]:
        """The rooms of every column that may move."""
        factual = self.problem.factual.tolist()
        found = {
            lever.column: Rooms(Room.of_lever(lever, factual[lever.column]))
            for lever in levers.each
        }
        # Causes come first, so the rooms of what a flow reads are there.
        for flow in self.moving:
            assert flow.slopes is not None
            causes = [found[i].own if i in found else Room() for i in flow.causes]
            free = Room.of_sum(flow.slopes.tolist(), causes)
            alone = free.within(*self._bounds(flow))
            own = found[flow.effect].own if flow.effect in found else Room()
            found[flow.effect] = Rooms(own.joined(alone), alone, free)
        return found

    def _bounds(self, flow: Flow) -> tuple[float, float]:
        """A factual that is itself out of bounds may stay there."""
        j, half = flow.effect, HALF if flow.is_whole else 0.0
        feature, factual = self.problem.schema.features[j], float(self.problem.factual[j])
        low, high = min(feature.lower - factual, 0.0), max(feature.upper - factual, 0.0)
        return low - half, high + half

    def widened(self, levers: Levers) -> Levers | None:
        """``levers`` with the pieces in which features follow; None if one is left with none."""
        rooms, each = self.rooms(levers), {lever.column: lever for lever in levers.each}
        constant, deviation = levers.constant.copy(), levers.deviation.copy()
        for flow in self.moving:
            j, reading = flow.effect, self.readings[flow.effect]
            pieces = self._pieces(flow, rooms[j].alone)
            lever = each.get(j, Lever(j, reading.own, (), ()))
            kept = [p for k, p in enumerate(lever.pieces) if k not in lever.alone]
            if j in each and not lever.alone:
                pieces = ()  # it may not keep its factual value, so it must be set
            if not kept and not pieces:
                return None
            alone = tuple(range(len(kept), len(kept) + len(pieces)))
            each[j] = replace(lever, pieces=(*kept, *pieces), alone=alone)
            # From now on the pieces say what the columns read.
            constant[reading.own] = 0.0
            deviation[reading.own] = np.maximum(deviation[reading.own], reading.deviation)
        return Levers(tuple(each.values()), constant, deviation)

    def _pieces(self, flow: Flow, room: Room) -> tuple[Piece, ...]:
        j, half = flow.effect, HALF if flow.is_whole else 0.0
        factual = float(self.problem.factual[j])
        low, high = factual + room.low - half, factual + room.high + half
        # A limit on what is read cuts the pieces, and needs no row.
        for c in self.problem.constraints:
            if isinstance(c.form, Within) and c.form.column == j:
                low, high = max(low, c.form.lower), min(high, c.form.upper)
        parts = (stretch.within(low, high) for stretch in self.readings[j].stretches)
        pieces = (piece_of(part, is_whole=flow.is_whole) for part in parts if part is not None)
        return tuple(piece for piece in pieces if piece is not None)


def flows_of(problem: Problem) -> Flows:
    if problem.consequences is None:
        return Flows((), 0.0, 0.0)
    try:
        return problem.consequences.flows([int(j) for j in problem.movable])
    except NotAffine as error:
        raise NotEligible("milp", str(error)) from None


def _is_read(flow: Flow, factual: Row) -> bool:
    return not math.isnan(factual[flow.effect])


def piece_of(stretch: Stretch, *, is_whole: bool) -> Piece | None:
    """The stretch as a place where a feature is left alone."""
    low, high = stretch.lower, stretch.upper
    if not is_whole:
        width = high - low
        return Piece(
            low, 1, 0.0, 0.0, stretch.first, width * stretch.rise, follows=True, width=width
        )
    # Read as a whole number: only those within the stretch, rounding aside.
    first, last = math.ceil(low - ROUNDING), math.floor(high + ROUNDING)
    if first > last:
        return None
    inputs = stretch.first + (first - low) * stretch.rise
    return Piece(
        float(first), last - first, 0.0, 0.0, inputs, stretch.rise, _ONES, first, follows=True
    )

"""Each feature's settable values in pieces over which its cost and its columns are straight."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from fractions import Fraction

import numpy as np
import numpy.typing as npt

from ifonly.explainers.constraints import Axes
from ifonly.explainers.errors import NotEligible
from ifonly.explainers.problem import Problem
from ifonly.explainers.search.milp.reading import FeatureReading, encode_side_by_side
from ifonly.explainers.space import Axis, Grid, same, slack
from ifonly.models.graph.forms import Columns

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]

MOST_WHOLE = 1_024
"""Steps of a run that a program counts as whole numbers; a longer one is a real number in it, from
0 at its first value to 1 at its last, and the grid comes in where proposals are decided."""


@dataclass(frozen=True, eq=False)
class Piece:
    """One value, or a run of a grid; cost and columns are ``first + k * rise`` at step ``k``."""

    value: float
    """The first."""
    steps: int
    cost: float
    cost_rise: float
    inputs: Floats
    """``(n_own,)``, like the next."""
    inputs_rise: Floats
    grid: Grid | None = None
    multiple: int = 0
    """The first value, as a multiple of the grid's step."""
    follows: bool = False
    """Whether this is where the feature may go by itself, left alone."""
    width: float = 0.0
    """Growth of the value from step 0 to step 1, where numbers are on no grid."""

    def at(self, step: int) -> float:
        if self.grid is None:
            return self.value + step * self.width
        return self.grid.at(self.multiple + step)

    def nearest(self, value: float) -> int:
        """The step at which it is nearest to ``value``."""
        if self.grid is None or math.isnan(value):
            return 0
        # Clipped to the piece: the grid goes on beyond it.
        return min(max(self.grid.nearest(value) - self.multiple, 0), self.steps)

    def away(self, value: float) -> float:
        """How far ``value`` is from it: 0 where it is one of its own; infinity where it is not
        on its grid at all."""
        if self.grid is None or math.isnan(value):
            return 0.0 if same(self.value, value) else math.inf
        return abs(self.at(self.nearest(value)) - value) if self.grid.holds(value) else math.inf

    @property
    def rise(self) -> Fraction:
        """By how much the value grows from step to step, exactly as the decimals say."""
        if self.grid is None:
            return Fraction(self.width)
        return Fraction(self.grid.numerator, 10**self.grid.power)

    @property
    def unit(self) -> float:
        """Steps in one unit of the program's variable."""
        return float(self.steps) if self.is_fine else 1.0

    @property
    def is_fine(self) -> bool:
        return self.steps > MOST_WHOLE

    @property
    def is_missing(self) -> bool:
        return math.isnan(self.value)

    @property
    def ends(self) -> tuple[int, ...]:
        return (0, self.steps) if self.steps else (0,)

    def within(self, budget: float) -> Piece | None:
        """The part that costs no more; the cost only rises, or only falls."""
        # Slack outward: a value at exactly the budget stays in.
        room = budget - self.cost + slack(budget)
        if self.cost_rise == 0.0:
            return self if room >= 0.0 else None
        steps = room / self.cost_rise
        first, last = (
            (0, math.floor(steps)) if self.cost_rise > 0.0 else (math.ceil(steps), self.steps)
        )
        first, last = max(first, 0), min(last, self.steps)
        return self._part(first, last) if first <= last else None

    def _part(self, first: int, last: int) -> Piece:
        return Piece(
            self.at(first),
            last - first,
            self.cost + first * self.cost_rise,
            self.cost_rise,
            self.inputs + first * self.inputs_rise,
            self.inputs_rise,
            self.grid,
            self.multiple + first,
        )


@dataclass(frozen=True, eq=False)
class Lever:
    """A feature that can take other values than its factual one, set or left alone."""

    column: int
    own: Indices
    """The core's columns behind it."""
    pieces: tuple[Piece, ...]
    alone: tuple[int, ...]
    """The pieces in which it is not set: that of the factual value, if it may keep it, or those
    in which it follows."""

    @property
    def least(self) -> float:
        """Its smallest cost."""
        return min(p.cost + k * p.cost_rise for p in self.pieces for k in p.ends)

    @property
    def most(self) -> float:
        return max(p.cost + k * p.cost_rise for p in self.pieces for k in p.ends)


@dataclass(frozen=True, eq=False)
class Levers:
    """All that can move, and the columns of what cannot."""

    each: tuple[Lever, ...]
    constant: Floats
    """``(n_columns,)``: columns of fixed features; 0 for those of levers."""
    deviation: Floats
    """``(n_columns,)``: farthest that a column is from what its pieces say."""

    @property
    def has_fine(self) -> bool:
        """Whether a run is real numbers in a program."""
        return any(piece.is_fine for lever in self.each for piece in lever.pieces)

    @property
    def most(self) -> float:
        """What the dearest values cost together."""
        return sum(lever.most for lever in self.each)

    def within(self, budget: float) -> Levers | None:
        """The levers without values that alone make a row dearer than ``budget``; None if every
        row is."""
        if budget == math.inf:
            return self
        # With all others at their cheapest, this is what is left for one.
        spare = budget - sum(lever.least for lever in self.each)
        each = []
        for lever in self.each:
            kept = [piece.within(spare + lever.least) for piece in lever.pieces]
            pieces = tuple(piece for piece in kept if piece is not None)
            if not pieces:
                return None
            alone = [piece for k in lever.alone if (piece := kept[k]) is not None]
            each.append(replace(lever, pieces=pieces, alone=tuple(map(pieces.index, alone))))
        return Levers(tuple(each), self.constant, self.deviation)


def exactly(value: float) -> Fraction:
    """The decimal number that a float was written as."""
    # `repr` gives the shortest decimal that reads back, which is what was written in the policy.
    return Fraction(repr(float(value)))


def read_levers(
    problem: Problem, axes: Axes, columns: Columns, readings: Sequence[FeatureReading]
) -> Levers:
    """The levers of a problem, each within its axis.

    Raises
    ------
    NotEligible
        If a value is read as something that is no number.
    """
    factual = problem.factual.tolist()
    moving = [j for j, axis in enumerate(axes) if len(axis) > (factual[j] in axis)]
    alone = [np.zeros(0)] * len(axes)
    for j in moving:
        alone[j] = np.array(_alone(axes[j], float(problem.factual[j])))
    # The factual row in the first line, values of every feature side by side in the others.
    constant, *lines = encode_side_by_side(columns, problem.factual, alone)
    rows = np.array(lines).reshape(-1, len(constant))
    # A matrix that holds NaN or infinity means nothing to the solver.
    if not (np.isfinite(rows).all() and np.isfinite(constant).all()):
        raise NotEligible("milp", "a value is read as no number")
    deviation, each = np.zeros(len(constant)), []
    for j in moving:
        own = readings[j].own
        # What moves is in its pieces; the constant keeps what does not.
        constant[own] = 0.0
        if readings[j].deviation is not None:
            deviation[own] = readings[j].deviation
        inputs = rows[: len(alone[j]), own]
        pieces = tuple(_pieces(problem, axes[j], j, readings[j], alone[j], inputs))
        home = [k for k, p in enumerate(pieces) if same(p.value, factual[j])]
        each.append(Lever(j, own, pieces, tuple(home)))
    return Levers(tuple(each), constant, deviation)


def _alone(axis: Axis, factual: float) -> list[float]:
    """Values that are pieces of their own: those off the run, and the factual one."""
    # The factual is set apart because it costs nothing: beside it, cost has a kink.
    on_run = factual in axis and not any(same(factual, other) for other in axis.others)
    return [*axis.others, factual] if on_run else list(axis.others)


def _pieces(
    problem: Problem, axis: Axis, j: int, reading: FeatureReading, alone: Floats, inputs: Floats
) -> Iterator[Piece]:
    factual = float(problem.factual[j])
    costs = problem.cost.of_feature(j, alone, factual)
    for value, cost, own in zip(alone.tolist(), costs.tolist(), inputs, strict=True):
        yield Piece(value, 0, cost, 0.0, own, np.zeros_like(own))
    grid = reading.grid
    if grid is None:
        return
    spans = [s for a, b in _runs(axis, factual) for s in reading.within(a, b - a)]
    ends = np.array([[s.multiple, s.multiple + s.steps] for s in spans], dtype=np.int64)
    # Cost is straight on one side of the factual, so its ends say all of it.
    ends_cost = problem.cost.of_feature(j, grid.value(ends), factual)
    for span, (first, last) in zip(spans, ends_cost.tolist(), strict=True):
        rise = (last - first) / max(1, span.steps)
        yield Piece(
            grid.at(span.multiple),
            span.steps,
            first,
            rise,
            span.first,
            span.rise if span.steps else np.zeros_like(span.rise),
            grid if span.steps else None,
            span.multiple,
        )


def _runs(axis: Axis, factual: float) -> list[tuple[int, int]]:
    """First and last multiples of the run on either side of the factual value."""
    if axis.grid is None or not axis.count:
        return []
    first, last = axis.first, axis.first + axis.count - 1
    if math.isnan(factual):
        return [(first, last)]
    nearest = axis.grid.nearest(factual)
    # Split at the factual, where cost turns; the factual value is in neither run.
    below = nearest - (axis.grid.at(nearest) >= factual)
    above = nearest + (axis.grid.at(nearest) <= factual)
    runs = [(first, min(below, last)), (max(above, first), last)]
    return [(a, b) for a, b in runs if a <= b]

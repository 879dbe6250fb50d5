"""What follows from what is set, by slopes: once for each choice of features that are set.

A feature that can be set and can follow is either set, and no longer follows, or left alone. Within
one such choice, a *mode*, each feature that follows is its factual value and a sum over the moves
of what is set. The columns that read it are then sums over what is set as well.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import combinations

import numpy as np
import numpy.typing as npt

from ifonly.explainers.constraints import Axes, replaced
from ifonly.explainers.constraints.forms import Implication, Within
from ifonly.explainers.errors import NotEligible
from ifonly.explainers.problem import Problem
from ifonly.explainers.search.milp.following import HALF, Following, Room, piece_of
from ifonly.explainers.search.milp.levers import Lever, Levers
from ifonly.explainers.search.milp.reals import RealReading, Stretch
from ifonly.explainers.search.networks.sensors import Sensor

Floats = npt.NDArray[np.float64]

MOST_MOVERS = 6
"""Features that can be set and can follow: the modes double with each."""
ROUNDING = 1e-9
"""Part of its size by which what follows may be off our sums."""


@dataclass(frozen=True, eq=False)
class Follower:
    """One feature that follows."""

    column: int
    factual: float
    pulls: Mapping[int, float]
    """By how much it moves for each unit that a feature is set from its factual value."""
    causes: Mapping[int, float]
    """The factual value of each of those."""
    lower: float
    """Between which it may read."""
    upper: float
    reading: RealReading
    is_whole: bool
    """Whether it is rounded when it is read; what follows from it follows before that."""

    @property
    def line(self) -> Stretch:
        """How a real number is read."""
        return self.reading.stretches[0]

    @property
    def first(self) -> Floats:
        """``(n_own,)``: its columns at the factual value."""
        return np.asarray(self.line.first + (self.factual - self.line.lower) * self.line.rise)

    def span(self, levers: Levers) -> tuple[float, float]:
        """Between what it may read within ``levers``."""
        room = self.room(levers)
        return max(self.factual + room.low, self.lower), min(self.factual + room.high, self.upper)

    def room(self, levers: Levers) -> Room:
        """How far it may move from its factual value within ``levers``."""
        slopes, rooms = [], []
        for lever in levers.each:
            if lever.column in self.pulls:
                slopes.append(self.pulls[lever.column])
                rooms.append(Room.of_lever(lever, self.causes[lever.column]))
        return Room.of_sum(slopes, rooms)


@dataclass(frozen=True, eq=False)
class NetworkMode:
    """Actions that set the same of the features that can follow."""

    axes: Axes
    """What may be set."""
    chosen: frozenset[int] = frozenset()
    """What could follow, and is set: to another value than the factual one."""
    followers: tuple[Follower, ...] = ()

    @property
    def reals(self) -> tuple[Follower, ...]:
        """Those that read any number."""
        return tuple(each for each in self.followers if not each.is_whole)

    @property
    def wholes(self) -> tuple[Follower, ...]:
        """Those that read whole numbers; each has an axis of its own."""
        return tuple(each for each in self.followers if each.is_whole)

    def is_in_boxes(self, rule: Implication) -> bool:
        """Whether a rule speaks of axes alone."""
        return not rule.columns & {each.column for each in self.reals}

    def errors(
        self, way: Mapping[int, float], sensors: Mapping[int, Sensor], levers: Levers
    ) -> dict[int, float]:
        """How far sensors may be off in one ``way`` within ``levers``: those of real numbers that
        follow only as far as no bound cuts them off, as no sum says where that is."""
        found = dict(way)
        for each in self.reals:
            off = found.get(each.column, 0.0)
            sensor = sensors.get(each.column)
            if sensor is not None:
                low, high = each.span(levers)
                found[each.column] = min(max(off, sensor.lower - low), sensor.upper - high)
        return found

    def widened(self, levers: Levers) -> Levers | None:
        """``levers`` with what follows in whole numbers as further ones, which cost nothing, and
        with the columns of the rest; None if there is one that can be set to nothing, or read
        nothing that it may."""
        if not self.chosen and not self.followers:
            return levers
        constant, deviation = levers.constant.copy(), levers.deviation.copy()
        each_set = [self._set(lever) for lever in levers.each]
        if not all(lever.pieces for lever in each_set):
            return None
        levers, more = replace(levers, each=tuple(each_set)), []
        for each in self.followers:
            own = each.reading.own
            deviation[own] = np.maximum(deviation[own], each.reading.deviation)
            constant[own] = 0.0 if each.is_whole else each.first
            if each.is_whole:
                room = each.room(levers)
                low = max(each.lower, each.factual + room.low - HALF)
                high = min(each.upper, each.factual + room.high + HALF)
                parts = (stretch.within(low, high) for stretch in each.reading.stretches)
                pieces = [piece_of(part, is_whole=True) for part in parts if part is not None]
                kept = tuple(piece for piece in pieces if piece is not None)
                if not kept:
                    return None
                more.append(Lever(each.column, own, kept, ()))
        return Levers((*levers.each, *more), constant, deviation)

    def _set(self, lever: Lever) -> Lever:
        if lever.column not in self.chosen:
            return lever
        kept = (piece for k, piece in enumerate(lever.pieces) if k not in lever.alone)
        return replace(lever, pieces=tuple(kept), alone=())


@dataclass(frozen=True, eq=False)
class ValueColumns:
    """Columns that no unit reads, for what limits say of values."""

    read: dict[int, int]
    """The column of each feature's reading."""
    pulled: dict[int, int]
    """Of whole numbers that follow: where they are pulled to, before they are rounded."""
    n_core: int

    @classmethod
    def of(cls, n_core: int, mode: NetworkMode, features: Iterable[int]) -> ValueColumns:
        """Of ``features``, and of all that follows, behind the ``n_core`` columns of a model."""
        followers = [each.column for each in mode.followers]
        read = {j: n_core + k for k, j in enumerate(sorted({*features, *followers}))}
        start = n_core + len(read)
        return cls(read, {each.column: start + k for k, each in enumerate(mode.wholes)}, n_core)

    def __len__(self) -> int:
        return len(self.read) + len(self.pulled)


def modes_of(problem: Problem, following: Following) -> list[NetworkMode]:
    """All modes, those first in which most is left alone.

    Raises
    ------
    NotEligible
        If there are too many, or something follows that is read otherwise than by a line.
    """
    if problem.consequences is None:
        return [NetworkMode(problem.axes)]
    axes, factual = following.axes, problem.factual.tolist()
    levers = [j for j, axis in enumerate(axes) if len(axis) > (factual[j] in axis)]
    moving = frozenset(k for j in levers for k in problem.consequences.effects([j]))
    movers = [j for j in levers if j in moving]
    if len(movers) > MOST_MOVERS:
        raise NotEligible("networks", f"{len(movers)} features can be set and can follow")
    found = []
    for count in range(len(movers) + 1):
        for chosen in combinations(movers, count):
            mode = _mode(problem, following, axes, levers, movers, frozenset(chosen))
            if mode is not None:
                found.append(mode)
    return found


def _mode(
    problem: Problem,
    following: Following,
    axes: Axes,
    levers: Sequence[int],
    movers: Sequence[int],
    chosen: frozenset[int],
) -> NetworkMode | None:
    """The mode in which of ``movers`` the ``chosen`` are set; None if there is no action in it."""
    consequences, factual = problem.consequences, problem.factual.tolist()
    assert consequences is not None
    alone = [j for j in movers if j not in chosen]
    acted = [j for j in levers if j not in alone]
    # What moves in a way that no one can tell must be set, or nothing that it follows from.
    untold = {f.effect for f in following.flows.each if f.slopes is None} - chosen
    stuck = {j for j in acted if untold & set(consequences.effects([j]))}
    if stuck & chosen:
        return None
    for j in (*alone, *stuck):
        axes = replaced(axes, j, axes[j].only([factual[j]]))
    if not all(map(len, axes)):
        return None
    followers = tuple(_followers(problem, following, frozenset(acted) - stuck, chosen))
    return NetworkMode(axes, chosen, followers)


def _followers(
    problem: Problem, following: Following, acted: frozenset[int], chosen: frozenset[int]
) -> Iterator[Follower]:
    pulls: dict[int, dict[int, float]] = {j: {j: 1.0} for j in acted}
    # Causes come first.
    for flow in following.moving:
        if flow.effect in chosen:
            continue
        assert flow.slopes is not None
        own: dict[int, float] = {}
        for slope, cause in zip(flow.slopes.tolist(), flow.causes, strict=True):
            for j, pull in pulls.get(cause, {}).items():
                own[j] = own.get(j, 0.0) + slope * pull
        pulls[flow.effect] = own
        if own:
            yield _follower(problem, flow.effect, own, following, is_whole=flow.is_whole)


def _follower(
    problem: Problem, j: int, pulls: Mapping[int, float], following: Following, *, is_whole: bool
) -> Follower:
    feature, factual = problem.schema.features[j], float(problem.factual[j])
    reading = following.readings[j]
    lower, upper = feature.lower, feature.upper
    # One that reads beyond its bounds may stay there, and nowhere between: no interval says so.
    if not lower <= factual <= upper or (is_whole and not factual.is_integer()):
        raise NotEligible("networks", f"{feature.name} follows, and reads beyond its bounds")
    if not is_whole and len(reading.stretches) > 1:
        raise NotEligible("networks", f"{feature.name} follows, and is read in pieces")
    for constraint in problem.constraints:
        form = constraint.form
        if isinstance(form, Within) and form.column == j:
            lower, upper = max(lower, form.lower), min(upper, form.upper)
    causes = {i: float(problem.factual[i]) for i in pulls}
    return Follower(j, factual, pulls, causes, lower, upper, reading, is_whole)

"""Pieces over which cost and columns are straight, with all that a feature adds to columns."""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from itertools import chain

import numpy as np
import numpy.typing as npt

from ifonly.explainers.problem import Problem
from ifonly.explainers.search.milp.levers import Levers, Piece
from ifonly.explainers.search.networks.arrays import PieceArrays
from ifonly.explainers.search.networks.following import Follower, NetworkMode, ValueColumns
from ifonly.explainers.search.networks.sensors import Copy, Sensor

Floats = npt.NDArray[np.float64]


def breaks_of(column: int, sensors: Mapping[int, Sensor], copies: Sequence[Copy]) -> list[float]:
    """Values beyond which a bound of the feature cuts off a sensor's error."""
    offs = [copy.off[column] for copy in copies if copy.off.get(column)]
    sensor = sensors.get(column)
    if sensor is None:
        return []
    return [(sensor.upper if off > 0.0 else sensor.lower) - off for off in offs]


def ordered(pieces: Sequence[Piece], breaks: Sequence[float] = ()) -> list[Piece]:
    """Pieces in the order of their values, a missing one last; none reaches over another, or over
    one of ``breaks``."""
    alone = [*breaks, *(p.value for p in pieces if not p.steps and not p.is_missing)]
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


@dataclass(frozen=True, eq=False)
class Carriers:
    """What features add to columns that are not their own."""

    problem: Problem
    mode: NetworkMode
    values: ValueColumns
    sensors: Mapping[int, Sensor]
    copies: Sequence[Copy]

    def constant(self, own: Floats, has_axis: Sequence[bool]) -> Floats:
        """Columns of what has no axis, those of a core first, ``(n_core,)``."""
        factual, values = self.problem.factual, self.values
        followers = {each.column: each for each in self.mode.followers}
        more = sum(len(c) for copy in self.copies for c in copy.columns.values())
        constant = np.concatenate([own, np.zeros(more + len(values))])
        for j, place in values.read.items():
            if not has_axis[j] and not math.isnan(factual[j]):
                constant[place] = factual[j]
        for j, place in values.pulled.items():
            constant[place] = factual[j]
        for copy in self.copies:
            for j, columns in copy.columns.items():
                value, sensor = float(factual[j]), self.sensors[j]
                if has_axis[j]:
                    continue
                if math.isnan(value):
                    constant[columns] = own[sensor.own]
                elif j in followers:
                    # So far that no bound is met (`NetworkMode.errors`).
                    constant[columns] = sensor.columns_at(value + copy.off[j])
                else:
                    constant[columns] = sensor.columns_at(sensor.read(value, copy.off[j]))
        return constant

    def of(self, j: int, piece: Piece) -> Iterator[tuple[int, float, float]]:
        """A column, what a piece of feature ``j`` adds to it, and from step to step."""
        rise = float(piece.rise) if piece.steps else 0.0
        for column, rate, origin in self._rates[j]:
            # From a value that was not read there is no distance: nothing that is known follows.
            if not piece.is_missing:
                yield column, rate * (piece.value - origin), rate * rise
        for copy in self.copies:
            if j not in copy.columns:
                continue
            for column, at, step in zip(*self._read(j, piece, copy, rise), strict=True):
                yield int(column), float(at), float(step)

    def _read(
        self, j: int, piece: Piece, copy: Copy, rise: float
    ) -> tuple[npt.NDArray[np.int64], Floats, Floats]:
        """The columns of ``j`` in a copy: a bound cuts off all of the piece, or nothing of it."""
        sensor, off = self.sensors[j], copy.off[j]
        columns, still = copy.columns[j], np.zeros(len(sensor.own))
        if piece.is_missing:
            return columns, piece.inputs, still
        middle = 0.5 * (piece.value + piece.at(piece.steps)) + off
        if not sensor.lower <= middle <= sensor.upper:
            return columns, sensor.columns_at(sensor.read(middle, 0.0)), still
        return columns, sensor.columns_at(piece.value + off), rise * sensor.line.rise

    @cached_property
    def _rates(self) -> list[list[tuple[int, float, float]]]:
        """Of each feature the columns that grow with it: rate, and from which value."""
        found: list[list[tuple[int, float, float]]] = [[] for _ in self.problem.factual]
        followers = {each.column for each in self.mode.reals}
        for j, column in self.values.read.items():
            if j not in followers:
                found[j].append((column, 1.0, 0.0))
        for each in self.mode.followers:
            for j, pull in each.pulls.items():
                for column, rise in self._targets(each):
                    found[j].append((column, pull * rise, each.causes[j]))
        return found

    def _targets(self, each: Follower) -> Iterator[tuple[int, float]]:
        """Columns that grow with what follows."""
        if each.is_whole:
            yield self.values.pulled[each.column], 1.0
            return
        yield self.values.read[each.column], 1.0
        yield from zip(each.reading.own.tolist(), each.line.rise.tolist(), strict=True)
        for copy in self.copies:
            if each.column in copy.columns:
                rise = self.sensors[each.column].line.rise
                yield from zip(copy.columns[each.column].tolist(), rise.tolist(), strict=True)


def pieces_of(levers: Levers, parts: Sequence[Sequence[Piece]], carriers: Carriers) -> PieceArrays:
    """All pieces, feature by feature."""
    owns = {lever.column: lever.own for lever in levers.each}
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
            steps = piece.inputs_rise.tolist() if piece.steps else [0.0] * len(piece.inputs)
            core = zip(owns[j].tolist(), piece.inputs.tolist(), steps, strict=True)
            for c, a, b in chain(core, carriers.of(j, piece)):
                if a or b:
                    column.append(c)
                    input_.append(a)
                    input_rise.append(b)
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
        constant=carriers.constant(levers.constant, [bool(own) for own in parts]),
    )

"""What a network reads where sensors are off: columns of their own for each way to be off."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ifonly.explainers.search.goals import LinearGoal
from ifonly.explainers.search.milp.reals import AffinePiece, RealReading
from ifonly.models.graph.forms import UnitNetwork
from ifonly.models.graph.units import UnitLayer

Floats = npt.NDArray[np.float64]
Ints = npt.NDArray[np.int64]


@dataclass(frozen=True, eq=False)
class Sensor:
    """One feature whose reading may be off, and which the graph reads by a line."""

    column: int
    tolerance: float
    lower: float
    """Its bounds, within which an error leaves a reading."""
    upper: float
    reading: RealReading
    line: AffinePiece

    @property
    def own(self) -> Ints:
        """Its columns of the core."""
        return self.reading.own

    def columns_at(self, reading: float) -> Floats:
        """``(n_own,)``"""
        stretch = self.reading.stretches[0]
        return np.asarray(stretch.first + (reading - stretch.lower) * self.line.rise)

    def read(self, value: float, off: float) -> float:
        """What is read of a value, off by so much."""
        return min(max(value + off, self.lower), self.upper)


@dataclass(frozen=True, eq=False)
class Copy:
    """The network as it reads rows whose sensors are off in one way."""

    off: Mapping[int, float]
    """By feature."""
    columns: Mapping[int, Ints]
    """Of each of those, the columns that this copy reads in place of the feature's own."""


def copies_of(
    n_core: int, sensors: Mapping[int, Sensor], ways: Sequence[Mapping[int, float]]
) -> list[Copy]:
    """Columns for each of some ways to be off, behind the ``n_core`` columns of the core."""
    found = []
    for way in ways:
        columns = {}
        for j, off in way.items():
            if off:
                n = len(sensors[j].own)
                columns[j] = np.arange(n_core, n_core + n)
                n_core += n
        found.append(Copy(way, columns))
    return found


def copied_ends(
    low: Floats,
    high: Floats,
    off: Floats,
    sensors: Mapping[int, Sensor],
    copies: Sequence[Copy],
) -> tuple[Floats, Floats, Floats]:
    """Ends of a core's columns, and how far the graph's may be from them, with those of copies: a
    column there is off from the feature's own by no more than its sensor is."""
    lows, highs, offs = [low], [high], [off]
    for copy in copies:
        for j, own in copy.columns.items():
            sensor, move = sensors[j], copy.off[j]
            moved = move * sensor.line.rise
            core, apart = sensor.own, 2.0 * (sensor.line.deviation + off[sensor.own])
            assert len(own) == len(core)
            lows.append(low[core] + np.minimum(moved, 0.0) - apart)
            highs.append(high[core] + np.maximum(moved, 0.0) + apart)
            offs.append(sensor.line.deviation)
    return np.concatenate(lows), np.concatenate(highs), np.concatenate(offs)


def copied(
    network: UnitNetwork, copies: Sequence[Copy], sensors: Mapping[int, Sensor]
) -> UnitNetwork:
    """One network of all copies of ``network``, copy by copy; the outputs of each in turn."""
    if not copies:
        return network
    more = sum(len(own) for copy in copies for own in copy.columns.values())
    n_columns, n_units = network.n_columns, network.n_units
    before = n_columns + more

    def known_by(k: int) -> Ints:
        """Of each number that is known within a copy, where it stands among all."""
        place = np.arange(n_columns)
        for j, own in copies[k].columns.items():
            place[sensors[j].own] = own
        return np.concatenate([place, before + k * n_units + np.arange(n_units)])

    layers: list[UnitLayer] = []
    for k in range(len(copies)):
        known = known_by(k)
        width = before + k * n_units
        for layer in network.layers:
            n = len(layer.bias)
            weights, slips = np.zeros((width, n)), np.zeros((width + 1, n))
            weights[known[: len(layer.weights)]] = layer.weights
            slips[known[: len(layer.weights)]] = layer.slips[:-1]
            slips[-1] = layer.slips[-1]
            layers.append(UnitLayer(weights, layer.bias, layer.curve, slips))
            width += n
    total, n_outputs = before + len(copies) * n_units, network.n_outputs
    weights = np.zeros((total, len(copies) * n_outputs))
    slips = np.zeros((total + 1, len(copies) * n_outputs))
    peak = np.zeros(total + 1)
    peak[-1] = network.peak[-1]
    for k in range(len(copies)):
        known = known_by(k)
        some = slice(k * n_outputs, (k + 1) * n_outputs)
        weights[known, some] = network.weights
        slips[known, some] = network.slips[:-1]
        slips[-1, some] = network.slips[-1]
        # No sum of one copy reads what another's do.
        peak[known] = np.maximum(peak[known], network.peak[:-1])
    bias = np.tile(network.bias, len(copies))
    return UnitNetwork(tuple(layers), weights, bias, slips, peak, network.dtype)


def goals_of_copies(goals: Sequence[LinearGoal], n_copies: int) -> tuple[LinearGoal, ...]:
    """The goals of every copy."""
    found = []
    for k in range(n_copies):
        for goal in goals:
            n = len(goal.weights)
            weights = np.zeros(n_copies * n)
            weights[k * n : (k + 1) * n] = goal.weights
            found.append(LinearGoal(weights, goal.limit, goal.band))
    return tuple(found)


def certain(goals: Sequence[LinearGoal]) -> tuple[LinearGoal, ...]:
    """Goals without the band in which a target is in doubt: what meets them is in it for sure."""
    return tuple(LinearGoal(g.weights, g.limit - g.band, 0.0) for g in goals)

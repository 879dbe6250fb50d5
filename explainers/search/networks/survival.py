"""Do rows survive their sensors? The same branch and bound, over the readings of one row.

A row survives if every reading within the tolerances is in the target whatever the graph rounds.
Readings are laid on a grid of :data:`STEPS` steps, and half a step counts as doubt, so that the
claim is about all that lies between. The search has no costs: the first reading that it cannot
exclude settles the row.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from itertools import product

import numpy as np
import numpy.typing as npt

from ifonly.explainers.deadline import Deadline
from ifonly.explainers.native import kernel
from ifonly.explainers.search.goals import LinearGoal
from ifonly.explainers.search.networks.arrays import BoxEffort, PieceArrays
from ifonly.explainers.search.networks.limits import OWN, limits_of_goals
from ifonly.explainers.search.networks.model import NetworkModel
from ifonly.explainers.search.networks.network import arrays_of
from ifonly.explainers.search.networks.sensors import Sensor
from ifonly.explainers.search.trees.flat_rules import flatten, offsets
from ifonly.explainers.search.trees.layout import NO_CELLS
from ifonly.explainers.search.trees.question import Question, none_long
from ifonly.models.graph.intervals import NetworkBounds, bounds_of
from ifonly.models.predictor import Row, Rows
from ifonly.models.schema import Schema

Floats = npt.NDArray[np.float64]
Mask = npt.NDArray[np.bool_]

STEPS = 1 << 16
CORNERS = 6
"""Sensors of which all corners are looked at first; of more, some."""
BOXES, MOST_BOXES = 64, 1_024
"""Halved at once, and for one row and goal, before it is left undecided."""


class SensorSurvival:
    """Which rows survive, and in which ways others do not."""

    def __init__(
        self,
        model: NetworkModel,
        goals: Sequence[LinearGoal],
        sensors: Mapping[int, Sensor],
        deadline: Deadline,
    ) -> None:
        self._model = model
        self._goals = goals
        """Without bands: :func:`ifonly.explainers.search.networks.sensors.certain`."""
        self._sensors = sensors
        self._deadline = deadline
        self.ways: list[dict[int, float]] = []
        """Errors of sensors with which a row has left the target, the last one last."""
        self.failed = 0
        """Rows that did not survive, since somebody looked."""
        self._questions: dict[int, Question] = {}
        self.undecided: Mask = np.zeros(0, dtype=np.bool_)
        """Which of the rows that were asked about last were left undecided, and so counted as ones
        that do not survive."""
        self._is_undecided = False

    def __call__(self, rows: Rows) -> Mask:
        """Which of ``rows``, ``(n, n_features)``, survive, ``(n,)``.

        Raises
        ------
        DeadlineReached
            Once the time is up.
        """
        found, undecided = np.zeros((2, len(rows)), dtype=np.bool_)
        for k, row in enumerate(rows):
            self._is_undecided = False
            found[k] = self._survives(row)
            undecided[k] = self._is_undecided
        self.undecided = undecided
        self.failed += int((~found).sum())
        return found

    def over(self, rows: Rows, ways: Sequence[Mapping[int, float]]) -> Floats:
        """By how much each row misses its worst goal, read in the worst of some ``ways``, ``(n,)``;
        as it is, if there are none."""
        columns = self._model.form.columns.encode(rows).astype(np.float64)
        found = np.full(len(rows), -np.inf)
        for way in ways or ({},):
            read = columns.copy()
            for j, off in way.items():
                sensor, values = self._sensors[j], rows[:, j]
                there = ~np.isnan(values)
                readings = np.clip(values[there] + off, sensor.lower, sensor.upper)
                ahead = readings - sensor.reading.stretches[0].lower
                read[np.ix_(there, sensor.own)] = (
                    sensor.reading.stretches[0].first + ahead[:, None] * sensor.line.rise
                )
            found = np.maximum(found, self._over(read))
        return found

    def _over(self, columns: Floats) -> Floats:
        with np.errstate(all="ignore"):
            raw = self._model.network.raw(columns)
        return np.asarray(np.max([raw @ g.weights - g.limit for g in self._goals], axis=0))

    def _survives(self, row: Row) -> bool:
        self._deadline.check()
        sensors = [s for s in self._sensors.values() if not np.isnan(row[s.column])]
        columns = self._model.form.columns.encode(row[None, :])[0].astype(np.float64)
        ends = np.array(
            [
                [s.read(float(row[s.column]), sign * s.tolerance) for s in sensors]
                for sign in (-1, 1)
            ]
        ).reshape(2, len(sensors))
        doubt = self._doubt(columns, sensors, ends)
        corners = ends[_corners(len(sensors)), np.arange(len(sensors))]
        over = self._over(_read(columns, sensors, corners))
        worst = int(over.argmax())
        if not over[worst] + doubt.max() <= 0.0:
            self._note(row, sensors, corners[worst])
            return False
        return all(
            self._is_excluded(row, columns, sensors, ends, k) for k in range(len(self._goals))
        )

    def _note(self, row: Row, sensors: Sequence[Sensor], readings: Floats) -> None:
        way = {
            s.column: float(np.clip(read - row[s.column], -s.tolerance, s.tolerance))
            for s, read in zip(sensors, readings.tolist(), strict=True)
        }
        if way not in self.ways:
            self.ways.append(way)

    def _doubt(self, columns: Floats, sensors: Sequence[Sensor], ends: Floats) -> Floats:
        """How far the graph may be from our sums at any reading, ``(n_goals,)``."""
        outputs = self._bounds(columns, sensors, ends)[0].outputs
        far = [np.abs(goal.weights) for goal in self._goals]
        return np.array([(1.0 + OWN) * outputs.off @ f + OWN * outputs.size @ f for f in far])

    def _bounds(
        self, columns: Floats, sensors: Sequence[Sensor], ends: Floats
    ) -> tuple[NetworkBounds, Floats, Floats]:
        low, high, off = columns.copy(), columns.copy(), np.zeros(len(columns))
        for k, s in enumerate(sensors):
            low[s.own], high[s.own] = s.columns_at(ends[0, k]), s.columns_at(ends[1, k])
            # What lies between two steps is no farther than half of one from either.
            off[s.own] = s.line.deviation + np.abs(high[s.own] - low[s.own]) / STEPS
        least, most = np.minimum(low, high), np.maximum(low, high)
        return bounds_of(self._model.network, least, most, off), low, high

    def _is_excluded(
        self, row: Row, columns: Floats, sensors: Sequence[Sensor], ends: Floats, k: int
    ) -> bool:
        """Whether no reading misses the goal ``k``, or comes within doubt of it."""
        if not sensors:
            return True
        bounds, low, high = self._bounds(columns, sensors, ends)
        if not bounds.is_number:
            return False
        goal, network = self._goals[k], self._model.network
        missed = LinearGoal(-goal.weights, -goal.limit, goal.band)
        limits, kept = limits_of_goals(network, [missed], bounds, 0)
        units = arrays_of(network, bounds, 0, kept)
        pieces, question = _pieces(columns, sensors, low, high), self._question(len(sensors))
        search = kernel.NetworkSearch(
            units.native, pieces.native, limits.native, question.native,
            BoxEffort.steps, BoxEffort.first_steps, BoxEffort.rounds, BoxEffort.listed,
            BoxEffort.most_open,
        )  # fmt: skip
        search.start(1.0)
        done = False
        while True:
            found = np.concatenate([search.take_rows(), search.take_hopes()])
            if len(found):
                share = found[: len(sensors)] / STEPS
                self._note(row, sensors, ends[0] + share * (ends[1] - ends[0]))
                return False
            if done:
                return True
            if search.is_lost or search.nodes > MOST_BOXES:
                self._is_undecided = True
                return False
            self._deadline.check()
            done = search.run(BOXES, 1.0)

    def _question(self, n: int) -> Question:
        """Readings of ``n`` sensors, without costs; made once."""
        if n not in self._questions:
            self._questions[n] = _question(n, self._model.schema)
        return self._questions[n]


def _corners(n: int) -> npt.NDArray[np.int64]:
    """Which end each of ``n`` sensors is at, ``(n_corners, n)``."""
    if n <= CORNERS:
        return np.array(list(product((0, 1), repeat=n)), dtype=np.int64).reshape(-1, n)
    return np.random.default_rng(n).integers(0, 2, (1 << CORNERS, n))


def _read(columns: Floats, sensors: Sequence[Sensor], readings: Floats) -> Floats:
    """Columns of a row at some readings of its sensors, ``(n, n_sensors)``."""
    rows = np.repeat(columns[None, :], len(readings), axis=0)
    for k, s in enumerate(sensors):
        stretch = s.reading.stretches[0]
        rows[:, s.own] = stretch.first + (readings[:, k, None] - stretch.lower) * s.line.rise
    return rows


def _pieces(columns: Floats, sensors: Sequence[Sensor], low: Floats, high: Floats) -> PieceArrays:
    constant = columns.copy()
    n, whole = len(sensors), np.int64
    own = [s.own for s in sensors]
    places = np.concatenate(own)
    constant[places] = 0.0
    return PieceArrays(
        of=np.arange(n + 1, dtype=whole),
        first=np.zeros(n, dtype=whole),
        last=np.full(n, STEPS, dtype=whole),
        cost=np.zeros(n),
        rise=np.zeros(n),
        terms=offsets(own),
        column=places.astype(whole),
        input=low[places],
        input_rise=(high[places] - low[places]) / STEPS,
        constant=constant,
    )


def _question(n: int, schema: Schema) -> Question:
    nothing, size = np.zeros(n, dtype=np.int64), STEPS + 1
    off = np.arange(n + 1, dtype=np.int64) * size
    return Question(
        off=off,
        listed=off[:-1],
        size=np.full(n, size, dtype=np.int64),
        long=none_long(n),
        least=nothing,
        most=np.full(n, STEPS, dtype=np.int64),
        value=np.tile(np.arange(size, dtype=np.float64), n),
        cost=np.zeros(n * size),
        cell=np.zeros(n * size, dtype=np.int32),
        first=np.tile(np.array([0, size], dtype=np.int64), n),
        middle=nothing,
        home=np.full(n, -1, dtype=np.int64),
        counts=np.zeros(n, dtype=np.uint8),
        table=np.full(n, -1, dtype=np.int64),
        cheapest=nothing[:0],
        near=NO_CELLS,
        far=NO_CELLS,
        limit=np.zeros(0),
        band=np.zeros(0),
        most_changes=n,
        levers=np.zeros(1, dtype=np.int64),
        lever=nothing[:0],
        rules=flatten((), schema).rules,
    )

"""One deployed model as a network of units; made once, then shared."""

from __future__ import annotations

from threading import Lock

import numpy as np
import numpy.typing as npt

from ifonly.explainers.errors import NotEligible
from ifonly.explainers.problem import Problem
from ifonly.explainers.remembered import Remembered
from ifonly.explainers.search.goals import MOST_TARGETS, LinearGoal, goals_of
from ifonly.explainers.search.milp.following import Following
from ifonly.explainers.search.milp.levers import Levers, read_levers
from ifonly.explainers.search.milp.reading import read_features
from ifonly.explainers.search.milp.reals import RealReading, read_reals
from ifonly.explainers.search.networks.following import Mode
from ifonly.explainers.search.networks.network import as_units
from ifonly.explainers.target import Target, TargetKey
from ifonly.models.graph.forms import GraphForm
from ifonly.models.graph.intervals import NetworkBounds, bounds_of
from ifonly.models.predictor import Rows
from ifonly.models.schema import Schema

Floats = npt.NDArray[np.float64]


class NetworkModel:
    """Raises
    ------
    NotEligible
        If the graph is no network of units, or a feature is bent in too many places.
    """

    def __init__(self, form: GraphForm, schema: Schema) -> None:
        self.form = form
        self.network = as_units(form.core)
        self._readings = read_features(form.columns, schema)
        self._schema = schema
        self._reals: dict[int, RealReading] = {}
        self._lock = Lock()
        self._goals = Remembered[TargetKey, tuple[LinearGoal, ...]](MOST_TARGETS)

    def following(self, problem: Problem) -> Following:
        """Raises
        ------
        NotEligible
            If something does not follow by slopes, or is read otherwise than by lines.
        """
        return Following.of(problem, self._real)

    def _real(self, column: int) -> RealReading:
        """Made when something first follows there: it takes some milliseconds."""
        with self._lock:
            known = self._reals.get(column)
        if known is None:
            known = read_reals(self.form.columns, self._schema, column)
            with self._lock:
                self._reals[column] = known
        return known

    def levers(self, problem: Problem, mode: Mode) -> Levers | None:
        """What can move in a mode; None if something has no value in it."""
        levers = read_levers(problem, mode.axes, self.form.columns, self._readings)
        return mode.widened(levers)

    def goals(self, target: Target) -> tuple[LinearGoal, ...]:
        """Made once for a target: finding an edge takes some hundred scores.

        Raises
        ------
        NotEligible
            If the target is no such goals.
        """
        known = self._goals.get(target.key)
        if known is None:
            known = goals_of(target, self.form, self.form.core.n_outputs)
            self._goals.keep(target.key, known)
        return known

    def bounds(self, levers: Levers, mode: Mode) -> NetworkBounds:
        """Where the network may come to within ``levers``, what follows within its bounds.

        Raises
        ------
        NotEligible
            If the graph may have no number there: our sums, in float64, would have one.
        """
        low, high = levers.constant.copy(), levers.constant.copy()
        for lever in levers.each:
            ends = np.array(
                [p.inputs + step * p.inputs_rise for p in lever.pieces for step in p.ends]
            )
            low[lever.own], high[lever.own] = ends.min(axis=0), ends.max(axis=0)
        for each in mode.reals:
            room, own = each.room(levers), each.reading.own
            span = (
                max(room.low, each.lower - each.factual),
                min(room.high, each.upper - each.factual),
            )
            ends = each.first + np.array(span)[:, None] * each.line.rise
            low[own], high[own] = ends.min(axis=0), ends.max(axis=0)
        found = bounds_of(self.network, low, high, levers.deviation)
        if not found.is_number:
            raise NotEligible("networks", "numbers within the graph may be no finite ones")
        if not self.form.finish.is_finite(found.outputs.low, found.outputs.high):
            raise NotEligible("networks", "scores of some sums may be no finite numbers")
        return found

    def over(self, goals: tuple[LinearGoal, ...], rows: Rows) -> Floats:
        """By how much each row misses its worst goal by our own arithmetic, ``(n,)``."""
        with np.errstate(all="ignore"):
            raw = self.network.raw(self.form.columns.encode(rows))
        return np.asarray(np.max([raw @ g.weights - g.limit for g in goals], axis=0))

"""One deployed model as a network of units; made once, then shared."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from types import MappingProxyType

import numpy as np
import numpy.typing as npt

from ifonly.explainers.errors import NotEligible
from ifonly.explainers.problem import Problem
from ifonly.explainers.search.goals import LinearGoal
from ifonly.explainers.search.milp.levers import Levers, read_levers
from ifonly.explainers.search.milp.lines_model import LinesModel
from ifonly.explainers.search.networks.following import NetworkMode
from ifonly.explainers.search.networks.network import as_units
from ifonly.explainers.search.networks.sensors import Copy, Sensor, copied, copied_ends
from ifonly.models.graph.forms import GraphForm, UnitNetwork
from ifonly.models.graph.intervals import NetworkBounds, bounds_of
from ifonly.models.predictor import Rows
from ifonly.models.schema import Schema

Floats = npt.NDArray[np.float64]


class NetworkModel(LinesModel):
    """Raises
    ------
    NotEligible
        If the graph is no network of units, or a feature is bent in too many places.
    """

    def __init__(self, form: GraphForm, schema: Schema) -> None:
        # First: what is no such graph is told by that.
        self.network = as_units(form.core)
        super().__init__(form, schema)

    def levers(self, problem: Problem, mode: NetworkMode) -> Levers | None:
        """What can move in a mode; None if something has no value in it."""
        levers = read_levers(problem, mode.axes, self.form.columns, self._readings)
        return mode.widened(levers)

    def sensors(self, problem: Problem) -> dict[int, Sensor]:
        """Those that an answer must survive; empty if none.

        Raises
        ------
        NotEligible
            If one is of a feature that is not read by one line.
        """
        if problem.survives is None:
            return {}
        found = {}
        for j, tolerance in enumerate(problem.survives.tolerances):
            feature, factual = problem.schema.features[j], float(problem.factual[j])
            if not tolerance:
                continue
            reading = self._real(j)
            if reading.line is None or factual < feature.lower or factual > feature.upper:
                raise NotEligible("networks", f"{feature.name} may be off, and is read in pieces")
            lower, upper = float(feature.lower), float(feature.upper)
            found[j] = Sensor(j, tolerance, lower, upper, reading, reading.line)
        return found

    def bounds(
        self,
        levers: Levers,
        mode: NetworkMode,
        sensors: Mapping[int, Sensor] = MappingProxyType({}),
        copies: Sequence[Copy] = (),
    ) -> NetworkBounds:
        """Where the network may come to within ``levers``, what follows within its bounds; or all
        of its ``copies``.

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
            own = each.reading.own
            ends = (
                each.first + (np.array(each.span(levers)) - each.factual)[:, None] * each.line.rise
            )
            low[own], high[own] = ends.min(axis=0), ends.max(axis=0)
        low, high, off = copied_ends(low, high, levers.deviation, sensors, copies)
        found = bounds_of(self.of_copies(sensors, copies), low, high, off)
        if not found.is_number:
            raise NotEligible("networks", "numbers within the graph may be no finite ones")
        n = self.network.n_outputs
        for k in range(max(1, len(copies))):
            some, outputs = slice(k * n, (k + 1) * n), found.outputs
            if not self.form.finish.is_finite(outputs.low[some], outputs.high[some]):
                raise NotEligible("networks", "scores of some sums may be no finite numbers")
        return found

    def of_copies(self, sensors: Mapping[int, Sensor], copies: Sequence[Copy]) -> UnitNetwork:
        return copied(self.network, copies, sensors)

    def over(self, goals: tuple[LinearGoal, ...], rows: Rows) -> Floats:
        """By how much each row misses its worst goal by our own arithmetic, ``(n,)``."""
        with np.errstate(all="ignore"):
            raw = self.network.raw(self.form.columns.encode(rows))
        return np.asarray(np.max([raw @ g.weights - g.limit for g in goals], axis=0))

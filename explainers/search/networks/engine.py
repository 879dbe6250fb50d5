"""The exact engine for networks: branch and bound with linear bounds of units."""

from __future__ import annotations

import math
from functools import partial

import numpy as np

from ifonly.explainers.constraints import Mask
from ifonly.explainers.deadline import Deadline
from ifonly.explainers.errors import NotEligible
from ifonly.explainers.problem import Problem
from ifonly.explainers.search.engine import (
    Meter,
    SearchOutcome,
    range_by_asking,
    refuse_redrawn,
)
from ifonly.explainers.search.networks.following import modes_of
from ifonly.explainers.search.networks.model import NetworkModel
from ifonly.explainers.search.networks.search import NetworkProof
from ifonly.explainers.search.networks.sensors import certain
from ifonly.explainers.search.networks.survival import SensorSurvival
from ifonly.models.graph.forms import GraphForm
from ifonly.models.predictor import Row, Rows, Scores
from ifonly.models.schema import Schema


class Networks:
    """Made once for a model, then shared.

    Raises
    ------
    NotEligible
        If the graph is no network of units.
    """

    name = "networks"

    def __init__(self, form: GraphForm, schema: Schema) -> None:
        self._model = NetworkModel(form, schema)

    def search(self, problem: Problem, meter: Meter, deadline: Deadline) -> SearchOutcome:
        """The optimum with its proof, or the best row and bound at the deadline.

        Raises
        ------
        NotEligible
            If a constraint, the target or what follows cannot be kept inside the proof.
        """
        if problem.conflict is not None:
            return SearchOutcome.none(problem)
        refuse_redrawn(problem, self.name)
        search = NetworkProof(self._model, problem, meter, deadline)
        if any(goal.limit == -math.inf for goal in self._model.goals(problem.target)):
            # No raw output at all is in the target; of numbers, which every row then has.
            for mode in modes_of(problem, self._model.following(problem)):
                levers = self._model.levers(problem, mode)
                if levers is not None:
                    self._model.bounds(levers, mode)
            return SearchOutcome.none(problem)
        return search.run()

    def nearest(self, problem: Problem, meter: Meter, deadline: Deadline) -> Scores | None:
        """Left to whoever comes after."""
        return None

    def surviving(self, problem: Problem, rows: Rows) -> Mask:
        """Which rows, ``(n, n_features)``, survive the sensors, where they must; none of which it
        cannot be told."""
        if problem.survives is None:
            return np.ones(len(rows), dtype=np.bool_)
        try:
            goals = certain(self._model.goals(problem.target))
            sensors = self._model.sensors(problem)
        except NotEligible:
            return np.zeros(len(rows), dtype=np.bool_)
        return SensorSurvival(self._model, goals, sensors, Deadline.never())(rows)

    def sufficient_range(
        self, problem: Problem, meter: Meter, row: Row, column: int
    ) -> tuple[float, float]:
        """By asking, where an answer must survive the sensors.

        Raises
        ------
        NotEligible
            Otherwise: whoever comes after knows where a score bends, or asks.
        """
        if problem.survives is None:
            raise NotEligible(self.name, "ranges are read by others")
        survives = partial(self.surviving, problem)
        return range_by_asking(problem, meter, row, column, survives)

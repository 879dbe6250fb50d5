"""One mode of a question, as compiled code is asked about it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from ifonly.explainers.native import kernel
from ifonly.explainers.problem import Problem
from ifonly.explainers.search.goals import LinearGoal
from ifonly.explainers.search.milp.levers import Levers
from ifonly.explainers.search.networks.arrays import BoxEffort, LimitArrays, UnitArrays
from ifonly.explainers.search.networks.axes import LaidAxes, lay
from ifonly.explainers.search.networks.following import NetworkMode, ValueColumns
from ifonly.explainers.search.networks.limits import limits_of, linear_rules
from ifonly.explainers.search.networks.model import NetworkModel
from ifonly.explainers.search.networks.network import arrays_of
from ifonly.explainers.search.networks.sensors import Sensor, copies_of, goals_of_copies
from ifonly.models.predictor import Rows

Ints = npt.NDArray[np.int64]

PROGRAMS = 200
"""Linear programs of a way down from cell to cell."""


@dataclass(frozen=True, eq=False)
class LaidMode:
    """One mode of a question, as compiled code is asked about it."""

    laid: LaidAxes
    units: UnitArrays
    limits: LimitArrays

    @classmethod
    def of(
        cls,
        model: NetworkModel,
        problem: Problem,
        goals: Sequence[LinearGoal],
        sensors: Mapping[int, Sensor],
        ways: Sequence[Mapping[int, float]],
        mode: NetworkMode,
        levers: Levers,
        near: Levers,
    ) -> LaidMode:
        """Of the actions of ``mode`` that set ``levers``, and lead into the target in each of some
        ``ways`` for sensors to be off. Units are bounded over those ``near``."""
        rules = linear_rules(problem, mode)
        read = {j for rule in rules for j, _ in rule.now}
        within = [mode.errors(way, sensors, near) for way in ways]
        copies = copies_of(model.network.n_columns, sensors, within)
        network = model.of_copies(sensors, copies)
        values = ValueColumns.of(network.n_columns, mode, read)
        bounds = model.bounds(near, mode, sensors, copies)
        goals = goals_of_copies(goals, len(copies)) if copies else goals
        limits, kept = limits_of(network, goals, bounds, problem, rules, mode, near, values)
        laid = lay(problem, mode, levers, values, sensors, copies)
        return cls(laid, arrays_of(network, bounds, len(values), kept), limits)

    def begun(self, limit: float) -> kernel.NetworkSearch:
        """A search of all that costs less than ``limit``."""
        search = kernel.NetworkSearch(
            self.units.native,
            self.laid.pieces.native,
            self.limits.native,
            self.laid.question.native,
            BoxEffort.steps,
            BoxEffort.first_steps,
            BoxEffort.rounds,
            BoxEffort.listed,
            BoxEffort.most_open,
        )
        search.start(limit)
        return search

    @property
    def free(self) -> LaidMode:
        """The same where nothing costs anything."""
        pieces, question = self.laid.pieces, self.laid.question
        nothing, long = np.zeros(len(question.size)), question.long
        pieces = replace(pieces, cost=np.zeros_like(pieces.cost), rise=np.zeros_like(pieces.rise))
        long = replace(long, weight=nothing, fixed=nothing, penalty=nothing)
        question = replace(question, cost=np.zeros_like(question.cost), long=long)
        laid = replace(self.laid, pieces=pieces, question=question)
        return replace(self, laid=laid)

    def down(self, at: Ints) -> Rows:
        """Actions on the way down from the one at ``at``, from cell to cell."""
        pieces, question = self.laid.pieces.native, self.laid.question.native
        found = kernel.descend_cells(
            self.units.native, pieces, self.limits.native, question, at, PROGRAMS
        )
        return self.actions(found)

    def actions(self, positions: Ints) -> Rows:
        """The actions at positions that are laid end to end."""
        return self.laid.actions(positions.reshape(-1, len(self.laid.problem.schema)))

"""The best answers so far: proposals, judged by the definitions and the deployed model."""

from __future__ import annotations

import math

import numpy as np
import numpy.typing as npt

from ifonly.explainers.problem import Problem
from ifonly.explainers.search.engine import Meter
from ifonly.explainers.search.incumbents import FIRST_CHECKED, KEPT, MOST_CHECKED
from ifonly.explainers.search.networks.survival import SensorSurvival
from ifonly.models.predictor import Row, Rows

Mask = npt.NDArray[np.bool_]


class Undecided(Exception):
    """More rows are in the target and not sure enough than may be asked about one by one."""


class NetworkJudge:
    """Takes the cheapest of the rows that it is shown and that are answers."""

    def __init__(
        self, problem: Problem, meter: Meter, survives: SensorSurvival | None = None
    ) -> None:
        self._problem = problem
        self._meter = meter
        self._survives = survives
        """Of rows, which are in the target with every reading within the sensors' tolerances."""
        self._judged: set[bytes] = set()
        self._checked = 0
        self._surest = -math.inf
        self.actions: Rows = np.empty((0, len(problem.schema)))
        """Answers, the cheapest first."""
        self.best = math.inf
        """Its cost."""
        self.left = math.inf
        """Least cost of what may be an answer, and is too near to where it would not survive its
        sensors to tell."""
        self.unsure: Row | None = None
        """Where there is no answer: the surest action that is not sure enough."""

    def judge(self, actions: Rows) -> bool:
        """Take the cheapest of ``actions`` that is an answer; whether one is.

        Raises
        ------
        Undecided
            If too many were asked about that are not sure enough.
        """
        problem = self._problem
        known = [action.tobytes() in self._judged for action in actions]
        actions = actions[~np.array(known, dtype=np.bool_)]
        costs = problem.cost_of(actions)
        actions, costs = actions[costs < self.best], costs[costs < self.best]
        self._judged.update(action.tobytes() for action in actions)
        rows = problem.rows_of(actions)
        kept = problem.allowed(actions, rows)
        order = np.flatnonzero(kept)[np.argsort(costs[kept], kind="stable")]
        actions, rows, costs = actions[order], rows[order], costs[order]
        if not len(actions):
            return False
        met = problem.target.met(self._meter.score(rows))
        first = self._first(actions[met], rows[met])
        if first is None:
            return False
        self.actions = np.concatenate([actions[met][first][None, :], self.actions])[:KEPT]
        self.best = float(costs[met][first])
        return True

    def _first(self, actions: Rows, rows: Rows) -> int | None:
        """The first of them, all in the target, that is sure and survives the sensors."""
        if self._problem.consequences is None and self._survives is None:
            return 0 if len(actions) else None
        start, block = 0, FIRST_CHECKED
        while start < len(actions):
            some = slice(start, start + block)
            holds = self._sure(actions[some], rows[some])
            holds[holds] = self._surviving(actions[some][holds], rows[some][holds])
            if holds.any():
                return start + int(holds.argmax())
            start, block = start + block, 2 * block
        return None

    def _surviving(self, actions: Rows, rows: Rows) -> Mask:
        if self._survives is None:
            return np.ones(len(rows), dtype=np.bool_)
        found = self._survives(rows)
        left = actions[self._survives.undecided]
        if len(left):
            self.left = min(self.left, float(self._problem.cost_of(left).min()))
        return found

    def _sure(self, actions: Rows, rows: Rows) -> Mask:
        if self._problem.consequences is None:
            return np.ones(len(actions), dtype=np.bool_)
        if self._checked >= MOST_CHECKED:
            raise Undecided
        found = self._problem.trust(actions, self._meter.score)
        self._checked += int((~found.holds).sum())
        unsure = np.flatnonzero(~found.holds)
        for k in unsure[np.argsort(-found.lower[unsure], kind="stable")]:
            if self.unsure is not None and not found.lower[k] > self._surest:
                break
            # What is told of instead of an answer lacks nothing but being sure.
            if self._surviving(actions[[k]], rows[[k]])[0]:
                self._surest, self.unsure = float(found.lower[k]), actions[k]
                break
        return np.asarray(found.holds.copy())

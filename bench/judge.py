"""Every answer, ours as well, weighed on the same scales: the deployed model, the rules, our cost.

The cost is :class:`ifonly.explainers.cost.Cost`; whether the decision flips is asked of the
deployed ONNX model, one row at a time, as a client would.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from bench.peers.ask_ours import policy_of
from bench.study import Matrix, StudySetup
from ifonly.explainers.constraints import Constraint, Direction, Immutable, Rule
from ifonly.explainers.problem import Problem
from ifonly.explainers.space import Axis
from ifonly.models.repository import load_folder
from ifonly.models.schema import Feature


@dataclass(frozen=True)
class Weighed:
    """One proposal."""

    cost: float
    flips: bool
    broken: tuple[str, ...]
    """Kinds of rules that it breaks: bounds, grid, immutable, direction, linear, if-then."""

    @property
    def holds(self) -> bool:
        return self.flips and not self.broken


NOTHING = Weighed(np.inf, False, ())


class Judge:
    """Scales for one study."""

    def __init__(self, study: StudySetup) -> None:
        self._study = study
        self._model = load_folder(Path(study.folder))
        self._policy = policy_of(study, self._model)

    def questions(self, rows: Matrix, most: int) -> Matrix:
        """The first ``most`` of ``rows`` that raise the alarm and keep the rules themselves."""
        scores = self._model.predictor.score(rows)
        target = self._policy.problem(rows[0]).target
        asked: list[Matrix] = []
        for row in rows[~target.met(scores)]:
            if len(asked) < most and self._policy.problem(row).allowed(row[None, :])[0]:
                asked.append(row)
        return np.array(asked).reshape(-1, rows.shape[1])

    def weigh(self, factual: Matrix, rows: Sequence[Sequence[float]]) -> Weighed:
        """The cheapest proposal that holds; if none does, the cheapest that flips."""
        problem = self._policy.problem(factual)
        weighed = [self._weigh(problem, np.array(row)) for row in rows]
        if not weighed:
            return NOTHING
        return min(weighed, key=lambda w: (not w.holds, not w.flips, w.cost))

    def weigh_snapped(self, factual: Matrix, rows: Sequence[Sequence[float]]) -> Weighed:
        """The same once every value is moved to the nearest one that may be set."""
        problem = self._policy.problem(factual)
        if not rows:
            return NOTHING
        snapped = np.array(rows, dtype=np.float64)
        for j, axis in enumerate(problem.axes):
            snapped[:, j] = axis.nearest(snapped[:, j])
        return self.weigh(factual, snapped.tolist())

    def _weigh(self, problem: Problem, row: Matrix) -> Weighed:
        score = self._model.predictor.score(row[None, :])
        return Weighed(
            float(problem.cost_of(row[None, :])[0]),
            bool(problem.target.met(score)[0]),
            tuple(sorted({*self._off_axes(problem, row), *_broken(problem, row)})),
        )

    def _off_axes(self, problem: Problem, row: Matrix) -> list[str]:
        """Outside the bounds; and off the grid, where rules count."""
        kinds = []
        for feature, value, before in zip(
            problem.schema.features, row, problem.factual, strict=True
        ):
            if value == before or feature.kind.is_categorical:
                continue
            if not feature.lower <= value <= feature.upper:
                kinds.append("bounds")
            elif self._study.setting == "rules" and _is_off_grid(feature, value, float(before)):
                kinds.append("grid")
        return kinds


def _is_off_grid(feature: Feature, value: float, before: float) -> bool:
    """Beyond what a product like ``532 * 0.1`` is off the decimal that it means."""
    nearest = float(Axis.of(feature, before).nearest(np.array([value]))[0])
    return abs(value - nearest) > 1e-9 * max(1.0, abs(value))


def _broken(problem: Problem, row: Matrix) -> list[str]:
    return [
        _kind(constraint)
        for constraint in problem.constraints
        if not constraint.holds(row[None, :], problem.factual)[0]
    ]


def _kind(constraint: Constraint) -> str:
    match constraint:
        case Immutable():
            return "immutable"
        case Direction():
            return "direction"
        case Rule():
            return "if-then" if constraint.when else "linear"
        case _:
            return type(constraint).__name__

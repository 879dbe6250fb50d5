"""An engine that looks for nothing."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ifonly.explainers.deadline import Deadline
from ifonly.explainers.problem import Problem
from ifonly.explainers.search.engine import Meter, SearchOutcome
from ifonly.models.predictor import Row, Scores


@dataclass(frozen=True)
class Claiming:
    """An engine that claims whatever it is told to."""

    rows: tuple[Row, ...] = ()
    bound: float | None = None
    ends: tuple[float, float] | None = None
    """Of the range in which the first feature suffices; of others, and without: where it is."""
    name: str = "claiming"

    def search(self, problem: Problem, meter: Meter, deadline: Deadline) -> SearchOutcome:
        return SearchOutcome(np.array(self.rows).reshape(-1, len(problem.factual)), self.bound)

    def nearest(self, problem: Problem, meter: Meter, deadline: Deadline) -> Scores | None:
        return None

    def sufficient_range(
        self, problem: Problem, meter: Meter, row: Row, column: int
    ) -> tuple[float, float]:
        alone = (float(row[column]), float(row[column]))
        return self.ends if column == 0 and self.ends is not None else alone

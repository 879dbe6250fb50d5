"""Rows like rows that were seen."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any, Protocol

import numpy as np

from explainers.constraints.base import Axes, Cells, Constraint, Factual
from models.predictor import Row, Rows, Scores, finite


class Scorer(Protocol):
    """Anything that gives each row one number: a :class:`models.predictor.Predictor` will do."""

    def score(self, rows: Rows) -> Scores: ...


@dataclass(frozen=True)
class Plausible(Constraint):
    """The row is like rows that were seen: ``lower <= scorer(row) <= upper``.

    A factual that is itself implausible does not make its counterfactuals so: the level is
    what the policy declares, for the row as it would be.
    """

    scorer: Scorer
    lower: float = -math.inf
    upper: float = math.inf

    @property
    def columns(self) -> frozenset[int]:
        return frozenset()

    def kept(self, cells: Cells, factual: Factual) -> Any:
        rows = np.atleast_2d(np.transpose(cells))
        if not len(rows):
            return np.zeros(0, dtype=np.bool_)
        scores = finite(self.scorer.score(rows), rows, "plausibility")[:, 0]
        return (scores >= self.lower) & (scores <= self.upper)

    def narrow(self, axes: Axes, factual: Row) -> Axes:
        return axes

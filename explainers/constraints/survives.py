"""Answers that hold whatever the sensors' tolerances make of the readings."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from explainers.constraints.base import Axes, Cells, Constraint, Factual
from models.predictor import Row, Rows
from models.schema import Schema


@dataclass(frozen=True)
class Survives(Constraint):
    """The prediction is in the target for every reading within the sensors' tolerances of the
    row, rounding included: each reading of feature ``j`` within ``± tolerances[j]``, and within
    its bounds.

    It is a statement about the model's prediction, which a row alone cannot keep or break: an
    engine that cannot prove it over the whole box is not eligible (see
    :attr:`explainers.problem.Problem.survives`), and ``verify`` tries readings of the box.
    """

    tolerances: tuple[float, ...]
    """In each feature's unit; 0 where there is none, and for categories."""

    @property
    def columns(self) -> frozenset[int]:
        return frozenset()

    def kept(self, cells: Cells, factual: Factual) -> Any:
        return True

    def narrow(self, axes: Axes, factual: Row) -> Axes:
        return axes

    def readings(self, row: Row, schema: Schema, seed: int, count: int) -> Rows:
        """Some readings of the box: corners, half of them, and points inside."""
        rng = np.random.default_rng(seed)
        shares = rng.uniform(-1.0, 1.0, (count, len(row)))
        shares[::2] = np.sign(shares[::2])
        readings = row + shares * np.array(self.tolerances)
        lower = np.array([-np.inf if f.kind.is_categorical else f.lower for f in schema.features])
        upper = np.array([np.inf if f.kind.is_categorical else f.upper for f in schema.features])
        return np.asarray(np.clip(readings, np.minimum(lower, row), np.maximum(upper, row)))

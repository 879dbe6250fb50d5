"""How far a row is from rows that were seen: k nearest neighbours over a table."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ifonly.models.predictor import Rows, Scores
from ifonly.models.schema import Schema

_CELLS_AT_ONCE = 4_000_000
"""Bounds the memory of the distance table: 32 MB of float64."""


@dataclass(frozen=True, eq=False)
class NeighbourDistance:
    """Mean distance to the ``k`` nearest reference rows (Ramaswamy et al. 2000, averaged).

    The distance between rows is the mean over features of ``|a - b| / scale`` for numbers and
    ordered categories and of ``a != b`` for others; a missing value is 1 from a present one. Of
    columns that no sensor reads nothing is said.
    """

    schema: Schema
    references: Rows
    """``(n_references, n_features)``"""
    scales: tuple[float, ...]
    """Unit of distance of each feature, in the feature's own unit."""
    k: int

    def score(self, rows: Rows) -> Scores:
        """The distance of each row, ``(n_rows, 1)``."""
        step = max(1, _CELLS_AT_ONCE // max(1, len(self.references)))
        parts = [self._score(rows[i : i + step]) for i in range(0, len(rows), step)]
        return np.concatenate(parts) if parts else np.empty((0, 1))

    def _score(self, rows: Rows) -> Scores:
        total = np.zeros((len(rows), len(self.references)))
        unread = self.schema.unread
        for j, (feature, scale) in enumerate(zip(self.schema.features, self.scales, strict=True)):
            if j in unread:
                continue
            apart = np.abs(rows[:, [j]] - self.references[:, j][None, :])
            apart = (apart > 0).astype(float) if feature.kind == "nominal" else apart / scale
            both_missing = np.isnan(rows[:, [j]]) & np.isnan(self.references[:, j])[None, :]
            total += np.where(both_missing, 0.0, np.nan_to_num(apart, nan=1.0))
        nearest = np.partition(total, self.k - 1, axis=1)[:, : self.k]
        return np.asarray(nearest.mean(axis=1, keepdims=True) / (len(self.schema) - len(unread)))

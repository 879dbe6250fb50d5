"""A generated ensemble's word on every piece of the space of readings: what survives."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from ifonly.explainers.space import Mask
from ifonly.models.graph.forms import TreeEnsemble
from ifonly.models.predictor import Row, Scores
from tests.support.deployed import Deployed
from tests.support.generated import SCHEMA

TOLERANCES = (0.04, 2.0, 0.0, 0.0, 0.015)
NUMBERS = {0: 0, 1: 1, 4: 6}
"""Column of the graph of each number."""


@dataclass(frozen=True)
class Pieces:
    """A model's word on every piece of the space of readings that its thresholds cut out."""

    cuts: tuple[Row, ...]
    """Of each feature: the values at which a new piece begins, and those values themselves."""
    scores: Scores
    """``(n_pieces of each feature ..., n_outputs)``; of a number the last piece is "missing"."""

    @classmethod
    def of(cls, deployed: Deployed) -> Pieces:
        core = deployed.form.core
        assert isinstance(core, TreeEnsemble)
        cuts, points = [], []
        for j, feature in enumerate(SCHEMA.features):
            if j not in NUMBERS:
                cuts.append(np.array([]))
                points.append(np.arange(len(feature.categories), dtype=np.float64))
                continue
            at = np.unique(core.threshold[core.column == NUMBERS[j]].astype(np.float32))
            own = at.astype(np.float64)
            between = (own[1:] + own[:-1]) / 2
            ends = [own[:1] - 1.0, between, own[-1:] + 1.0] if len(own) else [np.zeros(1)]
            # Between two cuts, on a cut, between, ...: whatever the comparison is, it is constant.
            every = np.empty(2 * len(own) + 2)
            every[0:-1:2], every[1:-1:2], every[-1] = np.concatenate(ends), own, np.nan
            cuts.append(own)
            points.append(every)
        rows = np.stack(np.meshgrid(*points, indexing="ij"), axis=-1)
        scores = deployed.predictor.score(rows.reshape(-1, len(points)))
        return cls(tuple(cuts), scores.reshape(*rows.shape[:-1], -1))

    def survives(self, met: Mask, row: Row, factor: float) -> bool:
        """Whether ``met``, of each piece, is true of every reading within so many times the
        tolerances of ``row``."""
        box = []
        for j, (feature, value) in enumerate(zip(SCHEMA.features, row, strict=True)):
            off = factor * TOLERANCES[j]
            if j not in NUMBERS:
                box.append(slice(int(value), int(value) + 1))
            elif np.isnan(value):
                box.append(slice(met.shape[j] - 1, None))
            else:
                low = max(value - off, min(feature.lower, value))
                high = min(value + off, max(feature.upper, value))
                box.append(slice(self._piece(j, low), self._piece(j, high) + 1))
        return bool(met[tuple(box)].all())

    def _piece(self, j: int, value: float) -> int:
        seen = np.float64(np.float32(value))
        sides = (np.searchsorted(self.cuts[j], seen, side) for side in ("left", "right"))
        return int(sum(sides))

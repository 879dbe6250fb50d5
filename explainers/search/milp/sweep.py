"""What the mathematics of a model says of rows, and where that changes as one feature moves."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ifonly.explainers.search.breakpoints import ASK, NO, SAFE, SURE, Verdicts
from ifonly.explainers.search.goals import LinearGoal
from ifonly.explainers.search.milp.arithmetic import ColumnBox, believed
from ifonly.explainers.search.milp.chain import Layers
from ifonly.explainers.search.milp.kinks import crossings
from ifonly.explainers.search.milp.reading import Span
from ifonly.models.graph.forms import Columns
from ifonly.models.predictor import Row, Rows

Floats = npt.NDArray[np.float64]
Indices = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]


TOGETHER = 128
"""Rows that are worked out together."""
UNSURE = 1e-2
"""A doubt about a raw output that is too large to keep away from a limit by it."""


@dataclass(frozen=True, eq=False)
class Told:
    """Which rows are in the target for sure, by our own arithmetic, and perhaps; ``(n,)`` each."""

    sure: Mask
    likely: Mask
    possible: Mask

    @classmethod
    def joined(cls, parts: Sequence[Told]) -> Told:
        masks = zip(*((part.sure, part.likely, part.possible) for part in parts), strict=True)
        return cls(*map(np.concatenate, masks))


@dataclass(frozen=True, eq=False)
class TargetLimits:
    """A target, as it is told from the columns of a row without asking the model."""

    layers: Layers
    unit: float
    """Rounding of one operation, relative to its result: the graph's, and our own."""
    columns: Columns
    firm: Sequence[LinearGoal]
    """What is asked for; within doubt of a limit the model's word decides."""
    plain: Sequence[LinearGoal]
    """The same without the rounding between sessions; none where nothing is known of that."""

    def told(self, rows: Rows) -> Told:
        """What is known of ``rows``, of some after the other: of each the whole network is worked
        out, so that a thousand at once would hold more than all else that a question holds."""
        # One part even of no rows, so that there is something to join.
        parts = [rows[k : k + TOGETHER] for k in range(0, max(1, len(rows)), TOGETHER)]
        return Told.joined([self._told(part) for part in parts])

    def _told(self, rows: Rows) -> Told:
        return _told(self.firm, *believed(self.layers, self.unit, self.columns.encode(rows)))

    def excess(self, rows: Rows) -> Floats:
        """How far each row is from being in the target for sure, ``(n,)``; from being there by our
        own arithmetic where the doubt is so large that nothing else would be."""
        raw, error = believed(self.layers, self.unit, self.columns.encode(rows))
        overs = []
        for goal in self.firm:
            doubt = goal.band + error @ np.abs(goal.weights)
            # A doubt so large would push every row out: then the plain word has to guide.
            overs.append(raw @ goal.weights - goal.limit + np.where(doubt < UNSURE, doubt, 0.0))
        return np.asarray(np.max(overs, axis=0))

    def verdicts(self, rows: Rows, error: Floats) -> Verdicts:
        """What is known of rows whose errors may be as large as ``error``, ``(n_outputs,)``."""
        raw, own = believed(self.layers, self.unit, self.columns.encode(rows))
        # The error of the whole sweep, so that one verdict stands for all rows between two places.
        own = np.maximum(own, error)
        firm = _told(self.firm, raw, own)
        safe = _told(self.plain, raw, own).sure if self.plain else np.zeros_like(firm.sure)
        return np.where(firm.sure, SURE, np.where(~firm.possible, NO, np.where(safe, SAFE, ASK)))


@dataclass(frozen=True, eq=False)
class Sweep:
    """The rows with every value of one feature, all else the same."""

    limits: TargetLimits
    spans: Sequence[Span]
    """Straight parts of the feature's run."""
    ends: Floats
    """``(2 * n_spans, n_columns)``: columns at the first and the last value of each."""
    error: Floats
    """``(n_outputs,)``: how far from ours the graph's raw outputs may be, all the way."""

    @classmethod
    def of(
        cls, limits: TargetLimits, row: Row, own: Indices, spans: Sequence[Span], off: Floats
    ) -> Sweep:
        """``own`` are the feature's columns, which are not farther than ``off``, ``(n_columns,)``,
        from straight."""
        here = limits.columns.encode(row[None, :])[0].astype(np.float64)
        ends = np.repeat(here[None, :], 2 * len(spans), axis=0)
        for k, span in enumerate(spans):
            ends[2 * k, own] = span.first
            ends[2 * k + 1, own] = span.first + span.steps * span.rise
        every = np.concatenate([ends, here[None, :]])
        low, high = every.min(axis=0), every.max(axis=0)
        # Twice: places are found on straight lines, and judged on what is not quite straight.
        box = ColumnBox.of(limits.layers, limits.unit, low, high, 2.0 * off)
        return cls(limits, spans, ends, box.error)

    def places(self) -> Indices:
        """Multiples of the grid between which it does not change what is known of a row."""
        # An infinite limit is passed nowhere.
        goals = [g for g in (*self.limits.firm, *self.limits.plain) if np.isfinite(g.limit)]
        doubts = [g.band + float(self.error @ np.abs(g.weights)) for g in goals]
        found = [np.zeros(0, np.int64)]
        for k, span in enumerate(self.spans):
            first, last = self.ends[2 * k : 2 * k + 2]
            shares = crossings(self.limits.layers, first, last, goals, doubts)
            # The multiple just before a crossing; walks look `BESIDE` it as well.
            found.append(span.multiple + np.unique(np.floor(shares * span.steps).astype(np.int64)))
        return np.concatenate(found)

    def verdicts(self, rows: Rows) -> Verdicts:
        """What is known of ``rows``, and of all values beside them up to the next place."""
        return self.limits.verdicts(rows, self.error)


def _told(goals: Sequence[LinearGoal], raw: Floats, error: Floats) -> Told:
    sure, likely, possible = np.ones((3, len(raw)), dtype=np.bool_)
    for goal in goals:
        over = raw @ goal.weights - goal.limit
        doubt = goal.band + error @ np.abs(goal.weights)
        # All goals must be met; one that may be missed makes the row unsure.
        sure &= over <= -doubt
        likely &= over <= 0.0
        possible &= over <= doubt
    return Told(sure, likely, possible)

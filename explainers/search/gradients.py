"""Steps along slopes that are measured: finite differences of every lever, in one batch.

Of a few rows that miss the target each lever is set a little farther and a little nearer. What that
gains for its cost says which levers to set together, and how far: to where the line through the two
points reaches the target, to less and to more of it, since scores are no lines. The rows are on the
grid; whether they hold the model says.
"""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt

from ifonly.explainers.problem import Problem
from ifonly.explainers.search.incumbents import Incumbents
from ifonly.explainers.search.ladder import Ladder
from ifonly.models.predictor import Rows

Floats = npt.NDArray[np.float64]

STEEPEST = 5
"""Levers of one row that are set farther, those that gain most for their cost."""
BACK = 3
"""Levers of one row that are set nearer, those that lose least for what they save."""
REACHES = np.array([0.4, 0.7, 0.9, 1.0, 1.1, 1.4, 2.0, 4.0])
"""Parts of the way to where the line reaches the target."""
FARTHEST = 1e12
"""Longest way, in a lever's own unit."""
SHARES = np.array([0.25, 0.5, 0.75])
"""Of that way, what the first of two levers takes."""


class Slopes:
    """How the shortfall of some rows changes with each of the numbers that may be set."""

    def __init__(self, incumbents: Incumbents, rungs: Mapping[int, Ladder]) -> None:
        self._incumbents = incumbents
        self._problem: Problem = incumbents.problem
        self._levers = np.array(
            [
                j
                for j, ladder in rungs.items()
                if len(ladder) and not self._problem.schema.features[j].kind.is_categorical
            ],
            dtype=np.int64,
        )
        home = self._problem.start
        self._values = {
            int(j): np.union1d(rungs[int(j)].values, home[[j]][~np.isnan(home[[j]])])
            for j in self._levers
        }

    def steps(self, rows: Rows, shortfalls: Floats) -> Rows:
        """Rows that may reach the target at less cost, from ``rows`` that miss it by
        ``shortfalls``; raises as :meth:`Incumbents.probe`."""
        rows, shortfalls = rows[shortfalls > 0.0], shortfalls[shortfalls > 0.0]
        if not len(rows) or not len(self._levers):
            return rows[:0]
        moved = self._beside(rows)
        n, m = len(rows), len(self._levers)
        found = self._incumbents.probe(moved).reshape(n, m, 2)
        costs = self._problem.cost_of(moved).reshape(n, m, 2)
        values = moved.reshape(n, m, 2, -1)
        own = self._problem.cost_of(rows)
        parts = [rows[:0]]
        for k in range(n):
            apart = values[k, np.arange(m), :, self._levers] - rows[k, self._levers][:, None]
            gains, dearer = shortfalls[k] - found[k], costs[k] - own[k]
            parts.append(self._from(rows[k], shortfalls[k], apart, gains, dearer))
        return np.concatenate(parts)

    def _beside(self, rows: Rows) -> Rows:
        """Each row with each lever a rung lower, and a rung higher."""
        found = np.repeat(rows, 2 * len(self._levers), axis=0)
        for k, j in enumerate(self._levers.tolist()):
            values = self._values[j]
            last = len(values) - 1
            at = np.searchsorted(values, rows[:, j])
            on = values[np.minimum(at, last)] == rows[:, j]
            found[2 * k :: 2 * len(self._levers), j] = values[np.clip(at - 1, 0, last)]
            found[2 * k + 1 :: 2 * len(self._levers), j] = values[np.clip(at + on, 0, last)]
        return found

    def _from(
        self, row: Floats, shortfall: float, apart: Floats, gains: Floats, dearer: Floats
    ) -> Rows:
        """From one row: ``apart``, ``gains`` and ``dearer``, ``(n_levers, 2)``, are by how much
        each lever was moved, the shortfall fell and the cost rose."""
        with np.errstate(divide="ignore", invalid="ignore"):
            price = np.where((gains > 0.0) & (dearer > 0.0), dearer / gains, np.inf)
            saved = np.where((gains < 0.0) & (dearer < 0.0), gains / dearer, np.inf)
            way = np.where(gains > 0.0, apart / gains, np.inf) * shortfall
        # The better side of each lever.
        side = np.argmin(price, axis=1)
        each = np.arange(len(side))
        price, way = price[each, side], way[each, side]
        # A slope that is next to none, or of a reading that is missing, leads nowhere.
        price[~(np.abs(way) < FARTHEST)] = np.inf
        # What lowers the shortfall and the cost at once is taken by the other searches' steps.
        order = np.argsort(price, kind="stable")[:STEEPEST]
        steep = order[np.isfinite(price[order])]
        if not len(steep):
            return row[None, :][:0]
        rows = [self._along(row, {int(k): way[k] * REACHES}) for k in steep]
        for a, first in enumerate(steep):
            for second in steep[a + 1 :]:
                share = np.repeat(SHARES, len(REACHES))
                reach = np.tile(REACHES, len(SHARES))
                both = {
                    int(first): way[first] * share * reach,
                    int(second): way[second] * (1.0 - share) * reach,
                }
                rows.append(self._along(row, both))
        # One lever nearer, and another farther by what that loses.
        nearest = np.argmin(saved, axis=1)
        least = np.argsort(saved[each, nearest], kind="stable")[:BACK]
        for back in least[np.isfinite(saved[least, nearest[least]])]:
            step, lost = apart[back, nearest[back]], -gains[back, nearest[back]]
            times = np.array([1.0, 2.0, 4.0, 8.0])
            for k in steep[steep != back]:
                further = way[k] * (1.0 + times * lost / shortfall)
                both = {
                    int(back): np.repeat(step * times, len(REACHES)),
                    int(k): np.outer(further, REACHES).ravel(),
                }
                rows.append(self._along(row, both))
        return np.concatenate(rows)

    def _along(self, row: Floats, moves: Mapping[int, Floats]) -> Rows:
        """``row`` with levers, by their place, moved by so much, each to the nearest value."""
        found = np.repeat(row[None, :], max(map(len, moves.values())), axis=0)
        for k, by in moves.items():
            j = int(self._levers[k])
            found[:, j] = self._problem.axes[j].nearest(row[j] + by)
        return found

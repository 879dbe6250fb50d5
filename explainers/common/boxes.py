"""Which alarms a box of common changes may clear: none that one of its changes clears is lost."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from functools import cached_property
from itertools import pairwise

import numpy as np
import numpy.typing as npt

from ifonly.explainers.common.levers import CommonLever, Ints
from ifonly.explainers.common.truths import RowBoxes, may_keep
from ifonly.explainers.consequences import Consequences
from ifonly.explainers.constraints import Constraint, MaxChanges
from ifonly.explainers.problem import Problem
from ifonly.explainers.search.trees.reach import TreeReach
from ifonly.explainers.space import Mask
from ifonly.models.predictor import Row, Rows

Positions = npt.NDArray[np.int64]
AT_ONCE = 1 << 17
"""Rows whose bounds are held at once."""


@dataclass(frozen=True, eq=False)
class Alarms:
    """The alarms of one question; of one model, one target, one set of rules."""

    problems: tuple[Problem, ...]
    factuals: Rows
    """``(n_alarms, n_features)``"""

    def __len__(self) -> int:
        return len(self.problems)

    @property
    def first(self) -> Problem:
        return self.problems[0]

    @cached_property
    def rules(self) -> tuple[Constraint, ...]:
        """Constraints on the row that all alarms share: those that boxes are held against."""
        shared = {id(c) for c in self.first.constraints}
        for problem in self.problems[1:]:
            shared &= {id(c) for c in problem.constraints}
        return tuple(c for c in self.first.constraints if not c.of_action and id(c) in shared)

    @cached_property
    def most_changes(self) -> Ints:
        """``(n_alarms,)`` how many features each may have set."""
        n = len(self.first.schema)
        counts = [
            min([c.count for c in p.constraints if isinstance(c, MaxChanges)], default=n)
            for p in self.problems
        ]
        return np.array(counts, dtype=np.int64)

    @cached_property
    def bounds(self) -> tuple[Rows, Rows]:
        features = self.first.schema.features
        return np.array([f.lower for f in features]), np.array([f.upper for f in features])


@dataclass(frozen=True, eq=False)
class LeverSet:
    """Levers that are set together, and what follows from them."""

    alarms: Alarms
    levers: tuple[CommonLever, ...]
    """By column."""
    reach: TreeReach | None
    """None: of boxes nothing is known of the model, only of rules."""

    @property
    def columns(self) -> list[int]:
        return [lever.column for lever in self.levers]

    @cached_property
    def shape(self) -> tuple[int, ...]:
        return tuple(map(len, self.levers))

    @cached_property
    def followers(self) -> tuple[int, ...]:
        consequences = self.alarms.first.consequences
        return () if consequences is None else consequences.effects(self.columns)

    @cached_property
    def _may_stay(self) -> tuple[int, ...]:
        """Which of the levers, where an alarm has their value already, would follow from others."""
        consequences = self.alarms.first.consequences
        if consequences is None:
            return ()
        found = []
        for k, lever in enumerate(self.levers):
            others = [j for j in self.columns if j != lever.column]
            # An amount is never nothing; a value may be the one that is read.
            if lever.values.size and lever.column in consequences.effects(others):
                found.append(k)
        return tuple(found)

    def actions(self, alarms: Ints, at: Positions) -> Rows:
        """What is set on alarms, ``(m,)``, by changes at positions ``(m, n_levers)``."""
        rows = self.alarms.factuals[alarms]
        for k, lever in enumerate(self.levers):
            rows[:, lever.column] = lever.to(alarms, at[:, k])
        return rows

    def settable(self, alarms: Ints, at: Positions) -> Mask:
        found = np.ones(len(alarms), dtype=np.bool_)
        for k, lever in enumerate(self.levers):
            found &= lever.settable[alarms, at[:, k]]
        return found

    def rows(self, alarms: Ints, actions: Rows) -> Rows:
        """The row that each action leads to; alarms in order."""
        # With the value that it has a lever is not set, and may follow from the others.
        if not self.followers and not self._may_stay:
            return actions
        rows = actions.copy()
        for first, last in runs(alarms):
            problem = self.alarms.problems[alarms[first]]
            rows[first:last] = problem.rows_of(actions[first:last])
        return rows

    def costs(self, at: Positions) -> npt.NDArray[np.float64]:
        """Of changes, ``(m,)``."""
        return np.asarray(sum(lever.costs[at[:, k]] for k, lever in enumerate(self.levers)))

    def least_cost(self, low: Positions, high: Positions) -> float:
        """Of the cheapest change of one box."""
        ends = zip(self.levers, low.tolist(), high.tolist(), strict=True)
        return float(sum(lever.costs[a : b + 1].min() for lever, a, b in ends))

    def may_clear(self, alarms: Ints, low: Positions, high: Positions) -> Mask:
        """Which alarms one of the changes at ``low..high``, ``(m, n_levers)``, may clear; alarms
        ``(m,)``, in order."""
        found = self.alarms.most_changes[alarms] >= self._least_set(alarms)
        for k, lever in enumerate(self.levers):
            found &= lever.any_settable(alarms, low[:, k], high[:, k])
        left = np.flatnonzero(found)
        for start in range(0, len(left), AT_ONCE):
            some = left[start : start + AT_ONCE]
            found[some] = self._may(alarms[some], low[some], high[some])
        return found

    def _least_set(self, alarms: Ints) -> Ints:
        """How many features a change sets at least: a value may be the one that is read."""
        amounts = sum(len(lever.steps) > 0 for lever in self.levers)
        return np.full(len(alarms), amounts, dtype=np.int64)

    def _may(self, alarms: Ints, low: Positions, high: Positions) -> Mask:
        lower, upper = (self.actions(alarms, at) for at in (low, high))
        for lever in self.levers:
            j = lever.column
            # Only what may be set: the ends of a box may lie beyond.
            lower[:, j] = np.maximum(lower[:, j], lever.low[alarms])
            upper[:, j] = np.minimum(upper[:, j], lever.high[alarms])
        found = self._may_where_set(self.columns, alarms, lower, upper)
        for k in self._may_stay:
            # With the value that it has it is not set, and follows from the others.
            j = self.levers[k].column
            was = self.alarms.factuals[alarms, j]
            stays = np.flatnonzero(~found & (lower[:, j] <= was) & (was <= upper[:, j]))
            if len(stays):
                others = [c for c in self.columns if c != j]
                found[stays] = self._may_where_set(
                    others, alarms[stays], lower[stays], upper[stays]
                )
        return found

    def _may_where_set(
        self, columns: Sequence[int], alarms: Ints, lower: Rows, upper: Rows
    ) -> Mask:
        before = self.alarms.factuals[alarms]
        found = np.ones(len(alarms), dtype=np.bool_)
        consequences = self.alarms.first.consequences
        if consequences is not None and consequences.effects(columns):
            lower, upper = self._followed(columns, alarms, lower, upper)
            moved = list(consequences.effects(columns))
            # What was not read may stay so, which is between no bounds: nothing is ruled out.
            told = ~np.isnan(before[:, moved]).any(axis=1)
            # What follows beyond its bounds cannot be read, unless it stays where it was read.
            ends = zip((np.fmin, np.fmax), self.alarms.bounds, strict=True)
            least, most = (pick(end, before)[:, moved] for pick, end in ends)
            found &= ~((lower[:, moved] > most) | (upper[:, moved] < least)).any(axis=1)
            lower[:, moved] = np.maximum(lower[:, moved], least)
            upper[:, moved] = np.minimum(upper[:, moved], most)
        else:
            told = found.copy()
        left = np.flatnonzero(found & told)
        boxes = RowBoxes(before[left], lower[left], upper[left])
        kept = np.ones(len(left), dtype=np.bool_)
        for rule in self.alarms.rules:
            kept &= may_keep(rule, boxes)
        found[left] = kept
        if self.reach is not None:
            left = left[kept]
            found[left] = self._in_reach(self.reach, lower[left], upper[left])
        return found

    def _in_reach(self, reach: TreeReach, lower: Rows, upper: Rows) -> Mask:
        found = reach.may(lower, upper)
        survives = self.alarms.first.survives
        if survives is None:
            return found
        # Sensors that are all off one way are one reading of every row of a box.
        for senses in ((-1,) * lower.shape[1], (1,) * lower.shape[1]):
            left = np.flatnonzero(found)
            ends = (reach.shifted(r[left], survives.tolerances, senses) for r in (lower, upper))
            found[left] = reach.may(*ends)
        return found

    def _followed(
        self, columns: Sequence[int], alarms: Ints, lower: Rows, upper: Rows
    ) -> tuple[Rows, Rows]:
        """Bounds of the rows that boxes of actions lead to; alarms in order."""
        low, high = lower.copy(), upper.copy()
        set_ = list(columns)
        for first, last in runs(alarms):
            problem = self.alarms.problems[alarms[first]]
            assert problem.consequences is not None
            ends = lower[first:last, set_], upper[first:last, set_]
            found = _bounds(problem.consequences, problem.factual, set_, *ends)
            # What is set, and what stays, is known; a lever that is not among them may follow.
            moved = list(problem.consequences.effects(set_))
            low[first:last, moved], high[first:last, moved] = (end[:, moved] for end in found)
        return low, high


def runs(alarms: Ints) -> Iterator[tuple[int, int]]:
    """Where the same alarm begins and ends."""
    if len(alarms):
        ends = np.flatnonzero(np.diff(alarms, append=-1)) + 1
        yield from pairwise([0, *ends.tolist()])


def _bounds(
    consequences: Consequences, factual: Row, columns: list[int], lower: Rows, upper: Rows
) -> tuple[Rows, Rows]:
    """As :meth:`Consequences.bounds`, by compiled code where it can tell: of many boxes at once a
    tenth of the time."""
    compiled = consequences.compiled
    if compiled is None:
        return consequences.bounds(factual, columns, lower, upper)
    low, high = np.ascontiguousarray(lower), np.ascontiguousarray(upper)
    return compiled.laws.bounds(factual, columns, low, high)

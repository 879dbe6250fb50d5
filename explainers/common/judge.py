"""Which alarms one common change clears: by the problems' definitions and the deployed model."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import NamedTuple

import numpy as np

from ifonly.explainers.common.boxes import Alarms, LeverSet, Positions, runs
from ifonly.explainers.common.levers import Ints
from ifonly.explainers.errors import NotEligible
from ifonly.explainers.remedy import Uncleared
from ifonly.explainers.search.engine import Meter
from ifonly.explainers.search.trees.reach import TreeReach
from ifonly.explainers.space import Mask
from ifonly.models.predictor import Rows

FIRST_BLOCK, SECOND_BLOCK = 8, 16
"""Alarms that are asked about first: one that fails may be enough to rule a change out."""
CLEARED, NOT_SETTABLE, NOT_ALLOWED, STILL_ALARM, NOT_ROBUST, NOT_CERTAIN = range(6)
WHY = {
    NOT_SETTABLE: Uncleared.NOT_SETTABLE,
    NOT_ALLOWED: Uncleared.NOT_ALLOWED,
    STILL_ALARM: Uncleared.STILL_ALARM,
    NOT_ROBUST: Uncleared.NOT_ROBUST,
    NOT_CERTAIN: Uncleared.NOT_CERTAIN,
}


class FirstLook(NamedTuple):
    """What is known of a change once some of its alarms were asked about."""

    left: Ints
    """Those that are not known to fail."""
    cleared: Ints
    """Those of them that are known to be cleared."""


@dataclass(eq=False)
class ChangeJudge:
    """Decides; remembers only which alarms failed of late, to ask about those first."""

    alarms: Alarms
    meter: Meter
    reach: TreeReach | None
    failed: Ints = field(init=False)
    """``(n_alarms,)`` the greater, the later an alarm failed."""
    clock: int = 0
    asked: int = 0
    """Changes that were decided alarm by alarm."""

    def __post_init__(self) -> None:
        self.failed = np.zeros(len(self.alarms), dtype=np.int64)
        if self.reach is None and self.alarms.first.survives is not None:
            key = self.alarms.first.survives.origin.key
            raise NotEligible("common", f"nothing of this model proves {key} over the box")

    def verdicts(self, levers: LeverSet, at: Positions, alarms: Ints) -> Ints:
        """What changes, ``(m, n_levers)``, do to alarms, ``(m,)``: :data:`CLEARED`, or the first
        reason why not.

        Raises
        ------
        DeadlineReached
            Before the model is asked once the time is up.
        NotFinite
            If a score is no number.
        """
        # All of an alarm together: its own problem is asked once for them.
        order = np.argsort(alarms, kind="stable")
        found = np.empty(len(alarms), dtype=np.int64)
        found[order] = self._verdicts(levers, at[order], alarms[order])
        return found

    def _verdicts(self, levers: LeverSet, at: Positions, alarms: Ints) -> Ints:
        found = np.full(len(alarms), NOT_SETTABLE, dtype=np.int64)
        left = np.flatnonzero(levers.settable(alarms, at))
        actions = levers.actions(alarms, at)
        rows = actions.copy()
        rows[left] = levers.rows(alarms[left], actions[left])
        found[left] = CLEARED
        for why, demand in (
            (NOT_ALLOWED, self._allowed),
            (STILL_ALARM, self._met),
            (NOT_ROBUST, self._survive),
            (NOT_CERTAIN, self._sure),
        ):
            # Each is dearer than the one before, and asked only of what is left.
            if len(left):
                holds = demand(alarms[left], actions[left], rows[left])
                found[left[~holds]] = why
                left = left[holds]
        return found

    def first_look(
        self, levers: Sequence[LeverSet], at: Sequence[Positions], alarms: Sequence[Ints]
    ) -> list[FirstLook]:
        """Each of several changes, once those few of its alarms were asked about that failed last;
        all at once."""
        tried = [own[np.argsort(-self.failed[own], kind="stable")[:FIRST_BLOCK]] for own in alarms]
        holds: list[Mask] = [np.empty(0, dtype=np.bool_)] * len(alarms)
        for each in dict.fromkeys(levers):
            some = [k for k, own in enumerate(levers) if own is each]
            sizes = [len(tried[k]) for k in some]
            asked = np.concatenate([tried[k] for k in some])
            where = np.repeat(np.stack([at[k] for k in some]), sizes, axis=0)
            cleared = self.verdicts(each, where, asked) == CLEARED
            for k, own in zip(some, np.split(cleared, np.cumsum(sizes)[:-1]), strict=True):
                holds[k] = own
        self.clock += 1
        for own, held in zip(tried, holds, strict=True):
            self.failed[own[~held]] = self.clock
        return [
            FirstLook(np.setdiff1d(own, some[~held]), np.sort(some[held]))
            for own, some, held in zip(alarms, tried, holds, strict=True)
        ]

    def cleared(
        self, levers: LeverSet, at: Positions, look: FirstLook, least: int
    ) -> tuple[Ints, bool]:
        """The alarms that one change clears, and True; or, as soon as they are known to be fewer
        than ``least``, those that are not known to fail, and False."""
        self.asked += 1
        alarms = np.setdiff1d(look.left, look.cleared)
        order = np.argsort(-self.failed[alarms], kind="stable")
        kept = np.ones(len(alarms), dtype=np.bool_)
        start, block = 0, SECOND_BLOCK
        while start < len(order):
            if kept.sum() + len(look.cleared) < least:
                return np.union1d(alarms[kept], look.cleared), False
            some = order[start : start + block]
            where = np.repeat(at[None, :], len(some), axis=0)
            fails = self.verdicts(levers, where, alarms[some]) != CLEARED
            kept[some[fails]] = False
            self.clock += 1
            self.failed[alarms[some[fails]]] = self.clock
            start, block = start + block, 2 * block
        return np.union1d(alarms[kept], look.cleared), True

    # --- one demand after the other ---------------------------------------------------------

    def _allowed(self, alarms: Ints, actions: Rows, rows: Rows) -> Mask:
        found = np.empty(len(alarms), dtype=np.bool_)
        for first, last in runs(alarms):
            problem = self.alarms.problems[alarms[first]]
            found[first:last] = problem.allowed(actions[first:last], rows[first:last])
        return found

    def _met(self, alarms: Ints, actions: Rows, rows: Rows) -> Mask:
        return self.alarms.first.target.met(self.meter.score(rows))

    def _survive(self, alarms: Ints, actions: Rows, rows: Rows) -> Mask:
        survives = self.alarms.first.survives
        if survives is None:
            return np.ones(len(alarms), dtype=np.bool_)
        assert self.reach is not None
        # Most rows are so far inside that all readings are, or are lost in a corner at once.
        found, is_known = self.reach.survive(rows, survives.tolerances)
        for k in np.flatnonzero(~is_known).tolist():
            self.meter.check()
            problem = self.alarms.problems[alarms[k]]
            found[k] = self.reach.survives(problem, rows[k : k + 1])[0]
        return found

    def _sure(self, alarms: Ints, actions: Rows, rows: Rows) -> Mask:
        """Which are sure enough, where something follows."""
        found = np.ones(len(alarms), dtype=np.bool_)
        if self.alarms.first.consequences is None:
            return found
        for first, last in runs(alarms):
            self.meter.check()
            problem = self.alarms.problems[alarms[first]]
            found[first:last] = problem.trust(actions[first:last], self.meter.score).holds
        return found

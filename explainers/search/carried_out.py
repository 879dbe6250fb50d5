"""Answers that are sure when they are carried out, and not only now.

What is drawn anew until then is no box of rows, so no proof of an engine speaks of it. But it only
ever refuses actions: what is proven of the question as it would be asked of an action that is
carried out at once bounds this one from below, and where its answer is sure enough later too, it is
the answer, with its proof. Else a dearer one is looked for: the optimum of stricter demands, the
first answer carried further, and what steadies it by setting one lever more; the cheapest of these
is then taken back towards the reading, lever by lever, as far as it stays sure.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, replace
from typing import NamedTuple

import numpy as np
import numpy.typing as npt

from ifonly.explainers.constraints import Mask
from ifonly.explainers.deadline import Deadline
from ifonly.explainers.errors import DeadlineReached, NotEligible
from ifonly.explainers.problem import Problem
from ifonly.explainers.search.engine import Meter, SearchOutcome
from ifonly.explainers.space import changed
from ifonly.explainers.target import Target
from ifonly.models.predictor import Row, Rows
from ifonly.models.schema import Task

Survive = Callable[[Problem, Rows], Mask]
Inner = Callable[[Problem, Meter, Deadline], SearchOutcome]

SURER = (0.8, 0.9, 0.95, 0.97, 0.98, 0.99, 0.995, 0.998, 0.999)
"""Probabilities that are demanded instead, where the answer is not sure when carried out. The same
for all questions: what engines build for a target they build once."""
FARTHER = (1.15, 1.35, 1.6, 2.0, 2.6, 3.5)
"""Times its own moves that an answer is carried further."""
STRIDES = (0.0, 0.02, 0.06, 0.15, 0.35)
"""Parts of a lever's axis by which it is moved, either way, to steady an answer; 0: one step."""
MOST_STEADIED = 4
"""Moves of one lever, one after the other."""
ROUNDS = 2
"""Times that each lever is taken back."""
WORTH = 0.005
"""Part of the cost below which nothing more is saved on a lever."""
PART = 0.4
"""Of the time, for the answer to what is carried out at once."""
MOST_WALKED, BLOCK = 24, 6
"""Values on either side of an answer's that are asked about."""


def search_carried_out(
    inner: Inner,
    problem: Problem,
    meter: Meter,
    deadline: Deadline,
    survive: Survive | None = None,
) -> SearchOutcome:
    """The search of a problem whose actions are carried out later.

    Parameters
    ----------
    inner : callable
        The search of such a problem as if they were carried out at once.
    problem : Problem
    meter : Meter
    deadline : Deadline
    survive : callable, optional
        Proves of rows that they survive the sensors; needed where they must.

    Returns
    -------
    SearchOutcome
        Its bound is that of actions that are carried out at once.
    """
    return _LaterSearch(inner, problem, meter, deadline, survive).run()


def range_carried_out(
    problem: Problem, meter: Meter, row: Row, column: int, ends: tuple[float, float]
) -> tuple[float, float]:
    """The values within ``ends``, each of which would do now, that would do when carried out: a
    run around that of ``row``, each of which was asked about, of ``MOST_WALKED`` on either side."""
    axis = problem.axes_if_set[column]
    at, low, high = (axis.position(v) for v in (float(row[column]), *ends))
    found = [at, at]
    for side, end in ((0, max(low, at - MOST_WALKED)), (1, min(high, at + MOST_WALKED))):
        step = 1 if side else -1
        outward = np.arange(at + step, end + step, step, dtype=np.int64)
        for start in range(0, len(outward), BLOCK):
            block = outward[start : start + BLOCK]
            rows = np.repeat(row[None, :], len(block), axis=0)
            rows[:, column] = axis.values(block)
            holds = problem.trust(rows, meter.score).holds
            good = len(block) if holds.all() else int(np.argmin(holds))
            found[side] += step * good
            if good < len(block):
                break
    first, last = axis.values(np.array(found, dtype=np.int64)).tolist()
    # Nothing but the answer's own value may be on no axis.
    return (first if found[0] != at else float(row[column])), (
        last if found[1] != at else float(row[column])
    )


class _Judged(NamedTuple):
    later: npt.NDArray[np.float64]
    """Share of draws that flips when carried out, of each action; -1 of one that is no answer."""
    holds: Mask


@dataclass(eq=False)
class _LaterSearch:
    inner: Inner
    problem: Problem
    meter: Meter
    deadline: Deadline
    survive: Survive | None
    best: Row | None = None
    best_cost: float = math.inf
    surest: Row | None = None
    surest_share: float = -1.0

    def run(self) -> SearchOutcome:
        until = self.deadline.sooner(PART)
        found = self.inner(self.problem.now, self.meter.until(until), until)
        if not len(found.candidates):
            return found
        is_late = False
        try:
            # Nothing cheaper is sure now, so where it is sure later nothing cheaper is that.
            if self.judged(found.candidates[:1], proven=True).holds[0]:
                return replace(found, candidates=found.candidates[:1], same_by_main=False)
            self.look(found.candidates)
        except DeadlineReached:
            is_late = True
        none = np.empty((0, len(self.problem.schema)))
        return replace(
            found,
            candidates=none if self.best is None else self.best[None, :],
            deadline_hit=found.deadline_hit or is_late,
            # What was enumerated are actions that are carried out at once.
            enumerated=0,
            unsure=self.surest if self.best is None else None,
            same_by_main=False,
        )

    def look(self, candidates: Rows) -> None:
        first = candidates[0]
        self.judged(candidates[1:], proven=True)
        self.judged(np.concatenate([self.farther(first), self.held(first)]))
        self.surer()
        if self.best is None and self.surest is not None:
            self.steady(self.surest)
        if self.best is not None:
            self.take_back()

    # --- what is tried ----------------------------------------------------------------------

    def farther(self, first: Row) -> Rows:
        """The answer carried further, along its own moves."""
        factual, rows = self.problem.factual, np.repeat(first[None, :], len(FARTHER), axis=0)
        for j in self.set_by(first):
            if self.is_number(j) and not math.isnan(factual[j]):
                axis = self.problem.axes_if_set[j]
                rows[:, j] = axis.nearest(factual[j] + np.array(FARTHER) * (first[j] - factual[j]))
        return rows

    def held(self, first: Row) -> Rows:
        """The answer with one lever more, set beside where it is read: so it stays there."""
        found = []
        for j in self.problem.movable.tolist():
            if first[j] == self.problem.factual[j] and self.is_number(j):
                found += self.moved(first, j, (-1, 1))
        return np.array(found, dtype=np.float64).reshape(-1, len(first))

    def surer(self) -> None:
        """The cheapest answers to stricter demands, by halving."""
        levels = self.levels()
        low, high = 0, len(levels)
        while low < high:
            middle = (low + high) // 2
            stricter = replace(self.problem.now, target=levels[middle], alternatives=1)
            until = self.deadline.sooner(PART)
            rows = np.empty((0, len(self.problem.schema)))
            with suppress(NotEligible):
                rows = self.inner(stricter, self.meter.until(until), until).candidates[:1]
            # Where nothing is as probable as that, less is asked for.
            if not len(rows) or self.judged(rows, proven=True).holds[0]:
                high = middle
            else:
                low = middle + 1

    def levels(self) -> list[Target]:
        target = self.problem.target
        if target.wanted is None or target.decision.task is Task.REGRESSION:
            return []
        return [replace(target, lower=p) for p in SURER if target.lower < p <= target.upper]

    def steady(self, row: Row) -> None:
        """Move one lever after the other to where it is surer, until it is sure enough."""
        for _ in range(MOST_STEADIED):
            share, tried = self.surest_share, []
            for j in self.problem.movable.tolist():
                steps = {max(1, round(part * len(self.problem.axes_if_set[j]))) for part in STRIDES}
                if not self.is_number(j):
                    steps = set(range(1, len(self.problem.axes_if_set[j])))
                tried += self.moved(row, j, sorted({-s for s in steps} | steps))
            self.judged(np.array(tried, dtype=np.float64).reshape(-1, len(row)))
            if self.best is not None or self.surest is None or self.surest_share <= share:
                return
            row = self.surest

    def take_back(self) -> None:
        """Take the best answer back towards the reading, the dearest lever first."""
        for _ in range(ROUNDS):
            before = self.best_cost
            assert self.best is not None
            for j in sorted(self.set_by(self.best), key=self.cost_of_lever, reverse=True):
                self.take_back_one(j)
            if self.best_cost > (1.0 - WORTH) * before:
                return

    def take_back_one(self, j: int) -> None:
        assert self.best is not None
        row, factual = self.best.copy(), float(self.problem.factual[j])
        without = row.copy()
        without[j] = factual
        if len(self.set_by(row)) > 1 and self.judged(without[None, :]).holds[0]:
            return
        if not self.is_number(j) or math.isnan(factual):
            return
        axis = self.problem.axes_if_set[j]
        near, far = axis.position(factual), axis.position(float(row[j]))
        saved = self.cost_of_lever(j) / max(1, abs(far - near))
        while abs(far - near) > 1 and saved * abs(far - near) > WORTH * self.best_cost:
            middle = (near + far) // 2
            row[j] = axis.values(np.array([middle], dtype=np.int64))[0]
            if self.judged(row[None, :]).holds[0]:
                far = middle
            else:
                near = middle

    def moved(self, row: Row, j: int, steps: tuple[int, ...] | list[int]) -> list[Row]:
        """``row`` with one lever so many places further on its axis."""
        axis, found = self.problem.axes_if_set[j], []
        at = axis.position(float(row[j]))
        for step in steps:
            if 0 <= at + step < len(axis) - axis.has_missing:
                other = row.copy()
                other[j] = axis.values(np.array([at + step], dtype=np.int64))[0]
                found.append(other)
        return found

    def set_by(self, row: Row) -> list[int]:
        own: list[int] = np.flatnonzero(changed(row[None, :], self.problem.factual)[0]).tolist()
        return own

    def is_number(self, j: int) -> bool:
        return not self.problem.schema.features[j].kind.is_categorical

    def cost_of_lever(self, j: int) -> float:
        assert self.best is not None
        without = self.best.copy()
        without[j] = self.problem.factual[j]
        return self.best_cost - float(self.problem.cost_of(without[None, :])[0])

    # --- what is made of it -----------------------------------------------------------------

    def judged(self, actions: Rows, *, proven: bool = False) -> _Judged:
        """``proven``: an engine has proven of them what is asked of sensors."""
        self.meter.check()
        problem, n = self.problem, len(actions)
        later, holds = np.full(n, -1.0), np.zeros(n, dtype=np.bool_)
        rows = problem.rows_of(actions)
        left = np.flatnonzero(problem.allowed(actions, rows))
        if len(left):
            left = left[problem.target.met(self.meter.score(rows[left]))]
        if problem.survives is not None and not proven and len(left):
            left = left[self.survive(problem, rows[left])] if self.survive else left[:0]
        if len(left):
            trust = problem.trust(actions[left], self.meter.score)
            assert trust.later is not None
            # Of what is not sure now nobody asks whether it is later.
            later[left], holds[left] = np.where(trust.lower >= 0.0, trust.later, -1.0), trust.holds
        self.keep(actions, later, holds)
        return _Judged(later, holds)

    def keep(self, actions: Rows, later: npt.NDArray[np.float64], holds: Mask) -> None:
        costs = self.problem.cost_of(actions)
        for action, cost, share, does in zip(actions, costs.tolist(), later, holds, strict=True):
            if does and cost < self.best_cost:
                self.best, self.best_cost = action.copy(), cost
            if share > self.surest_share:
                self.surest, self.surest_share = action.copy(), float(share)

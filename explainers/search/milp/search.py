"""One question's way to its proof: a first answer, then programs until nothing is cheaper."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto

import numpy as np
import numpy.typing as npt

from explainers.deadline import Deadline
from explainers.errors import DeadlineReached
from explainers.problem import Problem
from explainers.search.engine import ROWS_PER_RUN, Meter, Outcome
from explainers.search.goals import Goal
from explainers.search.milp.closing import (
    MOST_ROWS,
    actions_of,
    block_around,
    scattered,
    shrunk,
)
from explainers.search.milp.doubts import Doubts
from explainers.search.milp.following import Following
from explainers.search.milp.incumbent import Excess, find_incumbent
from explainers.search.milp.levers import Levers
from explainers.search.milp.model import LayeredModel
from explainers.search.milp.program import Solved
from explainers.search.milp.question import Question
from explainers.search.milp.rules import check_kinds
from models.predictor import Row, Rows

Mask = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]

LOST = 1e12
"""Excess of an action from which nothing readable follows."""
MOST_ALONE = 64
"""Proposals that are not sure enough and are refused one by one, in one search."""
MOST_BLOCKS = 64
"""Blocks of grid rows that are decided around proposals, in one search."""
FIRST_ASKED = 64
SAME_COST = 1e-9
"""Costs nearer than this, relative to their size, are one."""
MET = 10.0
"""In those units: how far below a cost the solver's word for it may be, since its whole numbers
are whole within a tolerance."""


@dataclass(frozen=True)
class Ladder:
    """Budgets within which it is proven, one after the other, that nothing is."""

    shares: Sequence[float]
    """Of the cost of the best row known, where one is; the last is 1."""
    guesses: Sequence[float]
    """Of the dearest row there could be, where none is known; then comes any cost."""

    def budgets(self, best: float, most: float) -> list[float]:
        if best < math.inf:
            cheaper = best - SAME_COST * max(1.0, best)
            return [min(share * best, cheaper) for share in self.shares]
        return [*(share * most for share in self.guesses), math.inf]


class Verdict(Enum):
    """What becomes of a proposal."""

    TAKEN = auto()
    UNSURE = auto()
    """It leads into the target by what is believed, and is not sure enough."""
    WRONG = auto()


class _Undecided(Exception):
    """Too many proposals are not sure enough for reasons that no row can say."""


class Search:
    """One question's progress: the best action so far, and the cost below which there is none."""

    def __init__(
        self,
        model: LayeredModel,
        ladder: Ladder,
        problem: Problem,
        meter: Meter,
        deadline: Deadline,
    ) -> None:
        self._model = model
        self._ladder = ladder
        self._problem = problem
        self._meter = meter
        self._deadline = deadline
        self._action: Row | None = None
        self._best = math.inf
        self._bound = 0.0
        self._hint = 0.0
        self._unsure: Row | None = None
        self._surest = -math.inf
        self._cut_off: Row | None = None
        self._alone = 0
        self._blocks = 0

    def run(self) -> Outcome:
        deadline_hit = False
        try:
            self._prove()
        except DeadlineReached:
            deadline_hit = True
        except _Undecided:
            pass
        actions = np.empty((0, len(self._problem.schema)))
        unsure = self._unsure
        if self._action is not None:
            actions, unsure = self._action[None, :], None
        hint = 0.0 if self._is_met(self._hint) else self._hint
        bound = min(max(self._bound, hint), self._best)
        return Outcome(actions, bound, None, deadline_hit, unsure=unsure)

    def _prove(self) -> None:
        model, problem = self._model, self._problem
        check_kinds(problem.constraints)  # before time is spent on a first answer
        goals, following = model.goals(problem), model.following(problem)
        levers = model.levers(following)
        first = find_incumbent(problem, self._excess(goals), self._sure)
        if first is not None:
            self._take(first)
        for budget in self._ladder.budgets(self._best, levers.most):
            self._deadline.check()
            if self._closed(goals, following, levers, budget):
                return
            self._bound = max(self._bound, budget)
        self._bound = self._best  # nothing is cheaper, at any budget

    def _excess(self, goals: Sequence[Goal]) -> Excess:
        """What cannot be read is beyond everything."""

        def excess(actions: Rows) -> Floats:
            rows = self._problem.rows_of(actions)
            known = self._problem.readable(actions, rows)
            found = np.full(len(actions), LOST)
            found[known] = self._model.excess(goals, rows[known])
            return found

        return excess

    def _sure(self, actions: Rows) -> Mask:
        """By the mathematics of the model."""
        self._deadline.check()
        return self._problem.trust(actions, self._model.form.score).holds

    def _closed(
        self, goals: Sequence[Goal], following: Following, levers: Levers, budget: float
    ) -> bool:
        """Look within ``budget``; whether the best action is now the best there is, because one
        was found there. If not, there is none within it.

        The solver's word that nothing is left is believed if both of its ways say so: each alone
        has lost rows that are there (decision 0071).
        """
        question = self._model.question(following, levers, budget)
        if question is None or not levers.each or any(g.limit == -math.inf for g in goals):
            return False
        question.require(goals)
        doubts = self._model.doubts(question, following, goals, budget)
        otherwise = False
        while True:
            solved = question.solve(self._deadline, otherwise=otherwise)
            self._meter.opened(solved.nodes)
            verdict = None
            if solved.values is not None:
                verdict = self._take(question.action(solved.values))
            self._note_bound(min(solved.bound, budget), is_sure=otherwise)
            if not solved.finished:
                raise DeadlineReached("the deadline has passed")
            if solved.values is None or self._closes(question, solved, verdict, budget):
                if otherwise:
                    return self._improved_within(budget)
                otherwise = True
                continue
            if question.is_fine(solved.values):
                if verdict is not Verdict.UNSURE or not self._cut(question, doubts, solved.values):
                    self._settle(question, solved.values)
            elif verdict is Verdict.WRONG or not self._cut(question, doubts, solved.values):
                question.forbid(question.choices.at(solved.values))

    def _closes(
        self, question: Question, solved: Solved, verdict: Verdict | None, budget: float
    ) -> bool:
        """Whether nothing within ``budget`` is cheaper than the best, by the solver's word."""
        assert solved.values is not None
        if solved.bound >= budget:
            return True
        if question.is_fine(solved.values):
            return self._is_met(solved.bound)
        return verdict is Verdict.TAKEN

    def _improved_within(self, budget: float) -> bool:
        """Whether the best was found within ``budget``, within which there is nothing more."""
        if self._best == math.inf or self._best > budget:
            return False
        self._bound = self._best
        return True

    def _settle(self, question: Question, solution: Floats) -> None:
        """Decide every row of the grid around a proposal that lies between its values."""
        self._blocks += 1
        if self._blocks > MOST_BLOCKS:
            raise _Undecided
        choices = question.choices
        block = block_around(question.program, choices, solution, self._best)
        if block.size > MOST_ROWS and self._take_first(
            scattered(choices, block, solution, self._best)
        ):
            block = block_around(question.program, choices, solution, self._best)
        block = shrunk(choices, block, solution)
        actions = actions_of(choices, block, self._best)
        for start in range(0, len(actions), ROWS_PER_RUN):
            self._deadline.check()
            if self._take_first(actions[start : start + ROWS_PER_RUN]):
                break
        question.forbid(block)

    def _take_first(self, actions: Rows) -> bool:
        """Whether one of ``actions``, cheapest first, is an answer; the first is taken."""
        rows = self._problem.rows_of(actions)
        known = np.flatnonzero(self._problem.readable(actions, rows))
        near, _ = self._model.inside(self._problem, rows[known])
        kept = known[near]
        kept = kept[self._problem.allowed(actions[kept], rows[kept])]
        start, size = 0, FIRST_ASKED
        while start < len(kept):
            some = kept[start : start + size]
            met = some[self._problem.target.met(self._meter.score(rows[some]))]
            for i in met:
                if self._is_sure(actions[i]):
                    self._action = actions[i]
                    self._best = float(self._problem.cost_of(actions[[i]])[0])
                    return True
            start, size = start + size, 2 * size
        return False

    def _is_sure(self, action: Row) -> bool:
        if self._problem.image is None:
            return True
        trust = self._problem.trust(action[None, :], self._meter.score)
        if not trust.holds[0]:
            self._note_unsure(action, float(trust.lower[0]))
            self._alone += 1
            if self._alone > MOST_ALONE:
                raise _Undecided
        return bool(trust.holds[0])

    def _cut(self, question: Question, doubts: Doubts | None, solution: Floats) -> bool:
        """Whether a proposal that is not sure enough is gone, and others like it with it. What
        comes again after that is within rounding of what is sure enough, and goes alone."""
        action = question.action(solution)
        comes_again = self._cut_off is not None and np.array_equal(action, self._cut_off, True)
        if doubts is not None and not comes_again and doubts.cut(solution):
            self._cut_off = action
            return True
        self._alone += 1
        if self._alone > MOST_ALONE:
            raise _Undecided
        return False

    def _note_bound(self, bound: float, *, is_sure: bool) -> None:
        """Nothing costs less than ``bound``, but for the solver's rounding; ``is_sure``: by both
        of its ways. By one, it is what is left to say of a search that is cut."""
        if not math.isfinite(bound):
            return
        is_met = self._is_met(bound)
        least = self._best if is_met else bound - _rounding(bound)
        if is_sure:
            self._bound = max(self._bound, least)
        elif not is_met:
            self._hint = max(self._hint, least)

    def _is_met(self, bound: float) -> bool:
        """Whether the best is no dearer than ``bound``, but for the solver's rounding."""
        return self._best < math.inf and bound >= self._best - MET * _rounding(bound)

    def _take(self, action: Row) -> Verdict:
        """What ``action`` is, by the definitions and by the deployed model; nothing dearer than the
        best is looked at, and settles as much."""
        actions = action[None, :]
        cost = float(self._problem.cost_of(actions)[0])
        if cost >= self._best:
            return Verdict.TAKEN
        row = self._problem.rows_of(actions)
        if not self._problem.allowed(actions, row)[0]:
            return Verdict.WRONG
        if not self._problem.target.met(self._meter.score(row))[0]:
            return Verdict.WRONG
        trust = self._problem.trust(actions, self._meter.score)
        if not trust.holds[0]:
            self._note_unsure(action, float(trust.lower[0]))
            return Verdict.UNSURE
        self._action, self._best = action, cost
        return Verdict.TAKEN

    def _note_unsure(self, action: Row, lower: float) -> None:
        if self._unsure is None or lower > self._surest:
            self._unsure, self._surest = action, lower


def _rounding(cost: float) -> float:
    """Of the solver, in costs of this size."""
    return SAME_COST * max(1.0, abs(cost))

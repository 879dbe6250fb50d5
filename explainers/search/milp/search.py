"""One question's way to its proof: a first answer, then programs until nothing is cheaper."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from enum import Enum, auto
from functools import partial

import numpy as np
import numpy.typing as npt

from ifonly.explainers.deadline import Deadline
from ifonly.explainers.errors import DeadlineReached
from ifonly.explainers.problem import Problem
from ifonly.explainers.search.engine import ROWS_PER_RUN, Meter, SearchOutcome
from ifonly.explainers.search.goals import LinearGoal
from ifonly.explainers.search.milp.choices import Block, Choices
from ifonly.explainers.search.milp.confidence_cuts import ConfidenceCuts
from ifonly.explainers.search.milp.following import Following
from ifonly.explainers.search.milp.grid_enumeration import (
    MOST_ROWS,
    GridCell,
    TooMany,
    block_around,
    farther,
    limit_of,
    listed,
)
from ifonly.explainers.search.milp.levers import Levers
from ifonly.explainers.search.milp.model import LayeredModel
from ifonly.explainers.search.milp.primal_heuristic import cheapest, find_incumbent, polished
from ifonly.explainers.search.milp.program import Solved
from ifonly.explainers.search.milp.question import MilpQuestion
from ifonly.explainers.search.milp.rules import check_forms
from ifonly.models.predictor import Row, Rows

Mask = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]

LOST = 1e12
"""Excess of an action from which nothing readable follows."""
MOST_ALONE = 64
"""Proposals that are not sure enough and are refused one by one, in one search."""
MOST_BLOCKS = 64
"""Blocks of grid rows that are decided around proposals, in one search."""
FEW_ROWS = 4_096
"""Rows with the pieces of a first answer that are decided before any program is solved."""
NEAR = 1.0 + 1e-6
SAME_COST = 1e-9
"""Costs nearer than this, relative to their size, are one."""
MET = 10.0
"""How many :data:`SAME_COST` the solver's word for a cost may be below the cost itself, since its
whole numbers are whole within a tolerance."""


@dataclass(frozen=True)
class BudgetSchedule:
    """Budgets within which it is proven, one after the other, that nothing is."""

    shares: Sequence[float]
    """Parts of the cost of the best row known, where one is; the last is 1."""
    guesses: Sequence[float]
    """Parts of the cost of the dearest row, where none is known; any cost comes after them."""

    def budgets(self, best: float, most: float) -> list[float]:
        if best < math.inf:
            # Only cheaper rows are looked for: the best itself must not come back from the program.
            cheaper = best - SAME_COST * max(1.0, best)
            return [min(share * best, cheaper) for share in self.shares]
        return [*(share * most for share in self.guesses), math.inf]


class ProposalVerdict(Enum):
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
        ladder: BudgetSchedule,
        problem: Problem,
        meter: Meter,
        deadline: Deadline,
    ) -> None:
        self._model = model
        self._limits = model.limits(problem)
        self._ladder = ladder
        self._problem = problem
        self._meter = meter
        self._deadline = deadline
        self._action: Row | None = None
        self._best = math.inf
        # Whether the best is only the word of the mathematics, and the model was not asked yet.
        self._is_hope = False
        # Proven by both ways of the solver; `_hint` by one of them,
        # said only of a search that is cut.
        self._bound = 0.0
        self._hint = 0.0
        self._unsure: Row | None = None
        self._surest = -math.inf
        # The last action that was cut off for being unsure: it may come back within rounding.
        self._cut_off: Row | None = None
        self._alone = 0
        self._blocks = 0

    def run(self) -> SearchOutcome:
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
        # One way alone must not make an answer optimal (decision 0071).
        hint = 0.0 if self._is_met(self._hint) else self._hint
        bound = min(max(self._bound, hint), self._best)
        return SearchOutcome(actions, bound, None, deadline_hit, unsure=unsure)

    def _prove(self) -> None:
        model, problem = self._model, self._problem
        check_forms(problem.constraints)  # before time is spent on a first answer
        goals, following = model.goals(problem.target), model.following(problem)
        levers = model.levers(following)
        first = find_incumbent(problem, self._excess, self._sure)
        # On fine grids a sure row is kept as a hope: the model is asked
        # with the rows around it, once.
        if first is not None and not (levers.has_fine and self._hope(first)):
            self._take(first)
        # From below: small programs are closed fast, and a cheaper
        # row found early shrinks the rest.
        for budget in self._ladder.budgets(self._best, levers.most):
            self._deadline.check()
            if self._closed(goals, following, levers, budget):
                return
            # Closed without an answer: nothing within the budget is in the target.
            self._bound = max(self._bound, budget)
        self._bound = self._best  # nothing is cheaper, at any budget

    def _excess(self, actions: Rows) -> Floats:
        """What cannot be read is beyond everything."""
        rows = self._problem.rows_of(actions)
        known = self._problem.readable(actions, rows)
        found = np.full(len(actions), LOST)
        # Limits with the doubt taken off: what has no excess is surely in the target.
        found[known] = self._limits.excess(rows[known])
        return found

    def _sure(self, actions: Rows) -> Mask:
        """Whether each action leads into the target surely enough, by the mathematics of the
        model."""
        self._deadline.check()
        return self._problem.trust(actions, self._model.form.score).holds

    def _closed(
        self, goals: Sequence[LinearGoal], following: Following, levers: Levers, budget: float
    ) -> bool:
        """Look within ``budget``; whether the best action is now the best there is, because one
        was found there. If not, there is none within it.

        The solver's word that nothing is left is believed if both of its ways say so: each alone
        has lost rows that are there (decision 0071).
        """
        # No program is needed, or could be made: nothing can move.
        if not levers.each:
            return False
        question = self._model.question(following, levers, budget)
        # Nothing is affordable, or the target is out of reach.
        if question is None or any(g.limit == -math.inf for g in goals):
            return False
        if question.is_beyond(goals, budget):
            return self._improved_within(budget)
        settled = self._settle_first(question, budget)
        # All rows with those pieces are decided, so only others could still reach the goal.
        if settled is not None and question.is_beyond(goals, min(budget, self._best), settled):
            return self._improved_within(budget)
        question.require(goals)
        cuts = self._model.confidence_cuts(question, following, goals, budget)
        otherwise = False
        while True:
            solved = question.solve(self._deadline, otherwise=otherwise)
            self._meter.opened(solved.nodes)
            verdict = None
            if solved.values is not None and not self._is_between(question, solved.values):
                verdict = self._take(question.action(solved.values))
            # The budget's own row limits the program, so its bound says nothing beyond the budget.
            self._note_bound(min(solved.bound, budget), is_sure=otherwise)
            if not solved.finished:
                raise DeadlineReached("the deadline has passed")
            if solved.values is None or self._closes(question, solved, verdict, budget):
                # Both ways have said so.
                if otherwise:
                    return self._improved_within(budget)
                otherwise = True
                continue
            if question.is_fine(solved.values):
                if verdict is not ProposalVerdict.UNSURE or not self._cut(
                    question, cuts, solved.values
                ):
                    self._settle(question, solved.values)
            elif verdict is ProposalVerdict.WRONG or not self._cut(question, cuts, solved.values):
                # The program is a superset: what it lets in and the
                # definitions refuse leaves it by name.
                question.forbid(question.choices.at(solved.values))

    def _closes(
        self, question: MilpQuestion, solved: Solved, verdict: ProposalVerdict | None, budget: float
    ) -> bool:
        """Whether nothing within ``budget`` is cheaper than the best, by the solver's word."""
        assert solved.values is not None
        if solved.bound >= budget:
            return True
        # A proposal between grid values is no row; only the bound can close the search.
        if question.is_fine(solved.values):
            return self._is_met(solved.bound)
        return verdict is ProposalVerdict.TAKEN

    def _improved_within(self, budget: float) -> bool:
        """Whether the best was found within ``budget``, within which there is nothing more."""
        if self._best == math.inf or self._best > budget:
            return False
        self._bound = self._best
        return True

    def _is_between(self, question: MilpQuestion, solution: Floats) -> bool:
        """Whether a proposal lies between values of the grid and is no more than where to look."""
        # With effects the proposal itself, moved onto the grid, is tried first.
        return self._problem.consequences is None and question.is_fine(solution)

    def _settle_first(self, question: MilpQuestion, budget: float) -> Block | None:
        """Decide every row with the pieces of the best, if that is within reach of ``budget`` and
        they are few, before any program is solved; which pieces, if so."""
        if (
            self._problem.consequences is not None
            or self._action is None
            or self._best > NEAR * budget
        ):
            return None
        block = question.choices.block_of(self._action)
        if block is None or not any(choice.piece.is_fine for choice in block.choices):
            return None
        cell = GridCell(question.choices, question.choices.whole(block))
        # With two levers or more the rows around are many unless a good one is known among them.
        if len(cell.moving) > 1:
            below = self._model.below(self._problem, question.choices, cell.block)
            self._draw_near(question.choices, cell.cheapest(*cell.lines(below, math.inf)[:2]))
        return block if self._decided(question, cell, FEW_ROWS) else None

    def _settle(self, question: MilpQuestion, solution: Floats) -> None:
        """Decide every row of the grid around a proposal that lies between its values."""
        self._blocks += 1
        # From here on the answer stays feasible, with the bound that is known.
        if self._blocks > MOST_BLOCKS:
            raise _Undecided
        choices = question.choices
        if self._problem.consequences is None:
            self._draw_near(choices, choices.at(solution))
            whole = choices.whole(choices.at(solution))
            if self._decided(question, GridCell(choices, whole), MOST_ROWS):
                return
        # Too many rows have these pieces: only those hardly dearer than the proposal are decided.
        limit = limit_of(question.program, choices, solution, self._best)
        cell = GridCell(choices, block_around(question.program, choices, solution, limit))
        if not self._decided(question, cell, MOST_ROWS, by_cost=True):
            raise _Undecided

    def _decided(
        self, question: MilpQuestion, cell: GridCell, most: int, *, by_cost: bool = False
    ) -> bool:
        """Whether all rows of ``cell`` that are cheaper than the best are at most ``most``; then
        they are decided, and gone. ``by_cost``: whatever the model says of them."""
        below = partial(self._model.below, self._problem, question.choices)
        parts = listed(cell, (lambda _: ()) if by_cost else below, self._best, most)
        try:
            found = [self._possible(actions) for actions in parts]
        except TooMany:
            return False
        # All parts are made before any is asked about, so that the cheapest comes first.
        self._take_first(np.concatenate([np.empty((0, len(self._problem.schema))), *found]))
        question.forbid(cell.block)
        return True

    def _draw_near(self, choices: Choices, block: Block) -> None:
        """Take an action near that of ``block`` that is in the target for sure, so that few rows
        around it are cheaper than the best."""
        rows = farther(choices, block)
        # A row as dear as the best would leave as many to be looked at.
        rows = rows[self._problem.cost_of(rows) < self._best]
        if not len(rows):
            return
        found = cheapest(self._problem, rows[self._excess(rows) <= 0.0], self._sure)
        if found is not None:
            near = polished(self._problem, self._excess, self._sure, found)
            if not self._hope(near):
                self._take(near)

    def _hope(self, action: Row) -> bool:
        """Whether the mathematics is sure of ``action``; it is then the best until the model is
        asked about the rows around it, and it is asked about with them."""
        if self._problem.consequences is not None or not self._limits.told(action[None, :]).sure[0]:
            return False
        cost = float(self._problem.cost_of(action[None, :])[0])
        if cost < self._best:
            self._action, self._best, self._is_hope = action, cost, True
        return True

    def _possible(self, actions: Rows) -> Rows:
        """Those ``actions`` that are cheaper than the best, allowed, and perhaps in the target."""
        self._deadline.check()
        kept = actions[self._problem.cost_of(actions) < self._best]
        rows = self._problem.rows_of(kept)
        known = np.flatnonzero(self._problem.readable(kept, rows))
        known = known[self._limits.told(rows[known]).possible]
        return np.asarray(kept[known[self._problem.allowed(kept[known], rows[known])]])

    def _take_first(self, actions: Rows) -> None:
        """Take the cheapest of ``actions``, which may be in the target, that is an answer. The
        model is asked up to the first that is likely to be."""
        actions = actions[np.argsort(self._problem.cost_of(actions), kind="stable")]
        # The hope is asked about at last, behind all that is cheaper.
        if self._is_hope and self._action is not None:
            actions = np.concatenate([actions, self._action[None, :]])
        rows = self._problem.rows_of(actions)
        likely = np.flatnonzero(self._limits.told(rows).likely)
        start = 0
        while start < len(rows):
            ahead = likely[likely >= start]
            # Up to the first likely one: nothing dearer is asked about
            # before it is known what that is.
            stop = 1 + int(ahead[0]) if len(ahead) else len(rows)
            stop = min(stop, start + ROWS_PER_RUN)
            met = self._problem.target.met(self._meter.score(rows[start:stop]))
            for i in start + np.flatnonzero(met):
                # Alone as well, as whoever confirms it asks: at the very edge of the target a row
                # among others may be scored a unit in the last place apart.
                alone = self._problem.target.met(self._meter.score(rows[[i]]))[0]
                if alone and self._is_sure(actions[i]):
                    self._action, self._is_hope = actions[i], False
                    self._best = float(self._problem.cost_of(actions[[i]])[0])
                    return
            start = stop
        if self._is_hope:  # the model says otherwise than its mathematics: nothing is proven by it
            self._action, self._best, self._bound = None, math.inf, 0.0
            raise _Undecided

    def _is_sure(self, action: Row) -> bool:
        if self._problem.consequences is None:
            return True
        trust = self._problem.trust(action[None, :], self._meter.score)
        if not trust.holds[0]:
            # The surest of those refused is what an abstention tells.
            self._note_unsure(action, float(trust.lower[0]))
            self._alone += 1
            if self._alone > MOST_ALONE:
                raise _Undecided
        return bool(trust.holds[0])

    def _cut(self, question: MilpQuestion, cuts: ConfidenceCuts | None, solution: Floats) -> bool:
        """Whether a proposal that is not sure enough is gone, and others like it with it. What
        comes again after that is within rounding of what is sure enough, and goes alone."""
        action = question.action(solution)
        comes_again = self._cut_off is not None and np.array_equal(action, self._cut_off, True)
        if cuts is not None and not comes_again and cuts.cut(solution):
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
        # Within rounding of the best it is the best: the solver's last digits are no gap.
        least = self._best if is_met else bound - _rounding(bound)
        if is_sure:
            self._bound = max(self._bound, least)
        elif not is_met:
            self._hint = max(self._hint, least)

    def _is_met(self, bound: float) -> bool:
        """Whether the best is no dearer than ``bound``, but for the solver's rounding."""
        return self._best < math.inf and bound >= self._best - MET * _rounding(bound)

    def _take(self, action: Row) -> ProposalVerdict:
        """What ``action`` is, by the definitions and by the deployed model; nothing dearer than the
        best is looked at, and settles as much."""
        actions = action[None, :]
        cost = float(self._problem.cost_of(actions)[0])
        # Taken, because for the search it settles as much as a row that is in the target.
        if cost >= self._best:
            return ProposalVerdict.TAKEN
        row = self._problem.rows_of(actions)
        if not self._problem.allowed(actions, row)[0]:
            return ProposalVerdict.WRONG
        if not self._problem.target.met(self._meter.score(row))[0]:
            return ProposalVerdict.WRONG
        trust = self._problem.trust(actions, self._meter.score)
        if not trust.holds[0]:
            self._note_unsure(action, float(trust.lower[0]))
            return ProposalVerdict.UNSURE
        self._action, self._best, self._is_hope = action, cost, False
        return ProposalVerdict.TAKEN

    def _note_unsure(self, action: Row, lower: float) -> None:
        if self._unsure is None or lower > self._surest:
            self._unsure, self._surest = action, lower


def _rounding(cost: float) -> float:
    """How far apart the solver's rounding may put two costs of this size that are one."""
    return SAME_COST * max(1.0, abs(cost))

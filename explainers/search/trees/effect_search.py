"""Branch and bound where other features follow from what is set, by compiled code.

Depth first on the tables, as where features move alone; what follows from a box and from a row, and
whether an action is sure enough, the kernel works out from the arrays of the causal model. It asks
back only where rounding leaves a doubt.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from ifonly.explainers.consequences import Compiled, Consequences
from ifonly.explainers.deadline import Deadline
from ifonly.explainers.errors import DeadlineReached, NotEligible
from ifonly.explainers.native import kernel
from ifonly.explainers.native.kernel import (
    BEST,
    FULL,
    HAS_BEST,
    HOLDS,
    IN_DOUBT,
    NODES,
    REFUSED,
    SP,
    VERDICT,
)
from ifonly.explainers.problem import Problem
from ifonly.explainers.search.engine import Judge, Judged
from ifonly.explainers.search.incumbents import BudgetSpent, Incumbents
from ifonly.explainers.search.trees.arena import Arena
from ifonly.explainers.search.trees.effects import Effects, Margin
from ifonly.explainers.search.trees.following import ModeInstance
from ifonly.explainers.search.trees.table_search import chunk
from ifonly.explainers.search.trees.tables import Tables
from ifonly.explainers.space import Values, changed
from ifonly.models.predictor import Row

Positions = npt.NDArray[np.int64]
Given = tuple[kernel.Tables, kernel.Arena, kernel.Following]
"""What compiled code is given of a search."""


@dataclass(frozen=True, eq=False)
class CompiledEffectSearch:
    """The search of all modes of one problem."""

    problem: Problem
    consequences: Consequences
    compiled: Compiled
    margin: Margin
    tables: Tables
    arena: Arena
    deadline: Deadline

    def following(self, asked: ModeInstance) -> kernel.Following:
        """What follows in a mode from what is set on this machine."""
        effects = Effects.of(
            asked.mode,
            asked.lower,
            asked.upper,
            self.consequences,
            self.compiled,
            self.margin,
            self.problem,
        )
        own, levers = self.compiled, asked.mode.set
        return kernel.Following(
            effects.native,
            own.laws,
            own.held(levers),
            own.n_own,
            own.is_all(levers),
            asked.question.native,
            self.problem.factual,
        )

    def settle(self, asked: ModeInstance, incumbents: Incumbents) -> float:
        """Try everything in a mode that is cheaper than the best so far; the least cost that an
        untried action could have, infinity if all is tried.

        Raises
        ------
        NotEligible
            If nothing bounds what follows.
        """
        q, a, following = asked.question, self.arena, self.following(asked)
        if not following.is_bounded:
            raise NotEligible("trees", "nothing bounds what follows")
        given: Given = self.tables.native, a.native, following
        kernel.start_effects(*given, incumbents.cost, q.least, q.most)
        try:
            return self._drive(asked, incumbents, given)
        except (DeadlineReached, BudgetSpent):
            return kernel.open_bound(q.native, a.native)
        finally:
            incumbents.opened(int(a.ints[NODES]))
            if a.ints[HAS_BEST]:
                incumbents.keep(asked.actions(self.problem.factual, a.best[None, :]))
            self._note_surest(asked, incumbents, following)
            incumbents.others_decide |= following.others_decide

    def held_around(
        self, asked: ModeInstance, at: Positions, column: int, outward: Positions
    ) -> Judged:
        """Which values of a feature would do in the place of that at ``at[column]``.

        Parameters
        ----------
        asked : ModeInstance
            The mode of the answer.
        at : ndarray of int64, shape (n_features,)
            Positions of the answer on the axes of the mode.
        column : int
        outward : ndarray of int64, shape (n,)
            Positions of ``column``, one after the other away from the answer.

        Returns
        -------
        ndarray of uint8, shape (n,)
            :data:`HOLDS`, :data:`IN_DOUBT`, or 0, also beyond the first that does not hold.
        """
        found = np.empty(len(outward), np.uint8)
        kernel.judge_along(
            self.tables.native, self.arena.native, self.following(asked), at, column, outward, found
        )
        return found

    def _drive(self, asked: ModeInstance, incumbents: Incumbents, given: Given) -> float:
        a = self.arena
        while a.ints[SP]:
            self.deadline.check()
            status = kernel.search_effects(*given, chunk(self.tables))
            if status == VERDICT:
                self._ask(asked, incumbents, given)
            elif status == FULL:
                return kernel.open_bound(asked.question.native, a.native)
        return math.inf

    def _ask(self, asked: ModeInstance, incumbents: Incumbents, given: Given) -> None:
        """An action that the kernel cannot decide upon."""
        a, before = self.arena, incumbents.cost
        tried = incumbents.consider(asked.actions(self.problem.factual, a.at[None, :]))
        if (tried.shortfalls > 0.0).any():
            kernel.note_outside(*given)
        if incumbents.cost < before:
            # As the kernel would have done, had it been sure.
            a.floats[BEST] = incumbents.cost
        else:
            # The kernel opens the box again, and cuts it beside this row.
            a.refused[:] = a.at
            a.ints[REFUSED] = 1

    def _note_surest(
        self, asked: ModeInstance, incumbents: Incumbents, following: kernel.Following
    ) -> None:
        if following.surest is not None:
            lower, positions = following.surest
            at = np.array([positions], dtype=np.int64)
            actions = asked.actions(self.problem.factual, at)
            incumbents.note_unsure(actions, np.array([lower]))


def judge_of(
    search: CompiledEffectSearch,
    modes: Sequence[ModeInstance],
    row: Row,
    column: int,
    at_home: Callable[[], int],
) -> Judge | None:
    """What the tables say of values of ``column``, outward from that of an answer; None where the
    answer is on no mode's axes, or an axis is not listed. ``at_home`` says it of the factual value,
    with which the feature is not set."""
    factual = search.problem.factual
    moved = frozenset(np.flatnonzero(changed(row[None, :], factual)[0]).tolist())
    asked = mode_of(modes, moved)
    if asked is None:
        return None
    if any(asked.question.listed[j] < 0 for j in {*moved, column}):
        return None
    at = asked.question.positions(row, factual, search.problem.axes_if_set)
    own = asked.question.values(column)
    if at is None or own is None:
        return None

    def judge(values: Values) -> Judged:
        places = own.searchsorted(values)
        known = own.take(places, mode="clip") == values
        # What is on no axis of the mode is asked about, like what is in doubt.
        outward = places[: len(values) if known.all() else int(np.argmin(known))]
        found = np.full(len(values), IN_DOUBT, np.uint8)
        found[: len(outward)] = search.held_around(asked, at, column, outward)
        k = len(outward)
        if k < len(values) and values[k] == factual[column] and (found[:k] == HOLDS).all():
            found[k] = at_home()
        return found

    return judge


def mode_of(modes: Sequence[ModeInstance], moved: frozenset[int]) -> ModeInstance | None:
    """The mode in which what was set, ``moved``, is set, and what was not follows."""
    for asked in modes:
        if asked.mode.against == moved & asked.mode.movers and moved <= set(asked.mode.set):
            return asked
    return None

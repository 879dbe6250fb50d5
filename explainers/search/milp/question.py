"""One question, within one budget, as a program."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from ifonly.explainers.deadline import Deadline
from ifonly.explainers.search.goals import LinearGoal
from ifonly.explainers.search.milp.chain import Layers
from ifonly.explainers.search.milp.choices import Block, Choices
from ifonly.explainers.search.milp.following import Following
from ifonly.explainers.search.milp.levers import Levers
from ifonly.explainers.search.milp.network import Laid, Lines, lay
from ifonly.explainers.search.milp.program import Program, Solved
from ifonly.explainers.search.milp.rules import add_constraints
from ifonly.explainers.search.milp.structural_equations import tie
from ifonly.models.predictor import Row

Floats = npt.NDArray[np.float64]

SOLVER_DOUBT = 1e-7
"""Rounding of the solver's own arithmetic in a goal's row, relative to the row's size."""


THIN = 1e-2
"""Part of the budget by which a program with real numbers is let above it: what is left within the
budget may be so thin that HiGHS takes it for empty (see decision 0070). Whether a row is within the
budget is read from its cost. A program of nothing but choices needs no such row at all."""


@dataclass(frozen=True, eq=False)
class MilpQuestion:
    """A program whose solutions are actions; every one that leads into the target within the
    budget is one."""

    program: Program
    choices: Choices
    laid: Laid

    @classmethod
    def of(
        cls,
        following: Following,
        levers: Levers,
        layers: Layers,
        unit: float,
        budget: float,
        goals: Sequence[LinearGoal],
    ) -> MilpQuestion | None:
        """Constraints, costs and what follows; None if nothing can be within the budget. Outputs
        may be larger than they are where no one of ``goals`` is met by that.

        Raises
        ------
        NotEligible
            If a constraint is beyond what rows can say.
        """
        affordable = levers.within(budget)
        widened = None if affordable is None else following.widened(affordable)
        if widened is None:
            return None
        # Presolve starts HiGHS's restarts, which do not pay where
        # hidden layers are (decision 0032).
        program = Program(presolve=len(layers) == 1, heuristics=budget == math.inf)
        choices = Choices.add(program, following.problem, widened)
        tie(program, choices, following)
        add_constraints(program, choices, following.problem.constraints)
        weights = np.stack([goal.weights for goal in goals], axis=1)
        question = cls(program, choices, lay(program, choices, layers, budget, unit, weights))
        has_fine = widened.has_fine
        # Where all is plain, pieces were cut by the budget, and a
        # thin row could only mislead HiGHS.
        if budget < math.inf and not (has_fine and question.is_plain):
            limit = budget + THIN * max(1.0, abs(budget)) if has_fine else budget
            program.dense_row(program.cost, upper=limit)
        return question

    @property
    def raw(self) -> Lines:
        return self.laid.raw

    def is_beyond(
        self, goals: Sequence[LinearGoal], budget: float, besides: Block | None = None
    ) -> bool:
        """Whether it is known without solving anything that no row within ``budget`` meets all
        goals, but for those with the pieces of ``besides``: one goal is out of reach even where
        no constraint is kept."""
        # Bounds of the first lay-out hold within less budget too.
        reach = replace(self.laid.reach, budget=budget)
        if besides is not None:
            reach = replace(reach, besides=self._ends_of(besides))
        return any(
            self.laid.least(goal.weights, reach) > goal.limit + goal.band + float(off)
            for goal, off in zip(goals, self.laid.off, strict=True)
        )

    def _ends_of(self, block: Block) -> npt.NDArray[np.bool_]:
        """Which of the ends that its reach is made of belong to the pieces of ``block``."""
        own = zip(self.choices.each, block.choices, strict=True)
        ends = [[c is chosen] * len(c.piece.ends) for all_, chosen in own for c in all_]
        return np.array([end for piece in ends for end in piece], dtype=np.bool_)

    def require(self, goals: Sequence[LinearGoal]) -> None:
        """Rows for ``goals``, loosened by all that may be in doubt about them."""
        for goal, off in zip(goals, self.laid.off, strict=True):
            weights, constant, size = self.total(goal)
            # To the size of 1: the solver's tolerances are absolute.
            scale = max(size, 1e-300)
            limit = goal.limit + goal.band + float(off) + SOLVER_DOUBT * size - constant
            self.program.dense_row(weights / scale, upper=limit / scale)

    def approach(self, goals: Sequence[LinearGoal]) -> None:
        """Look for the row whose worst excess over the goals is least, whatever it costs."""
        excess = self.program.variable(-math.inf, math.inf, whole=False)
        for goal in goals:
            weights, constant, _ = self.total(goal)
            used = np.flatnonzero(weights)
            # A goal that nothing meets has no distance: its raw output is measured from 0.
            limit = goal.limit if math.isfinite(goal.limit) else 0.0
            self.program.row([*used, excess], [*weights[used], -1.0], upper=limit - constant)
        self.program.minimise_only(excess)

    def total(self, goal: LinearGoal) -> tuple[Floats, float, float]:
        """What a goal limits: weights of the variables, a constant, and its largest size."""
        size = float(self.raw.size @ np.abs(goal.weights))
        return self.raw.weights @ goal.weights, float(self.raw.constant @ goal.weights), size

    def solve(self, deadline: Deadline, *, otherwise: bool = False) -> Solved:
        return self.program.solve(deadline, otherwise=otherwise)

    @property
    def is_plain(self) -> bool:
        """Whether nothing but what is chosen is in the program: no unit, nothing that a rule speaks
        of and no block that was taken out in the middle of pieces."""
        return self.program.n_variables == self.choices.n_variables

    def action(self, solution: Floats) -> Row:
        return self.choices.action(solution)

    def forbid(self, block: Block) -> None:
        self.choices.forbid(self.program, block)

    def is_fine(self, solution: Floats) -> bool:
        """Whether a value that it proposes lies between those of a grid."""
        chosen = enumerate(self.choices.chosen(solution))
        return any(c.piece.is_fine and not self.choices.is_alone(p, c) for p, c in chosen)


def doubt_of(goal: LinearGoal, raw: Lines) -> float:
    """How far the deployed model may be from the program's word on a goal."""
    return goal.band + float(raw.error @ np.abs(goal.weights))

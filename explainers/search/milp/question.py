"""One question, within one budget, as a program."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
import numpy.typing as npt

from explainers.deadline import Deadline
from explainers.search.goals import Goal
from explainers.search.milp.choices import Block, Choices
from explainers.search.milp.following import Following
from explainers.search.milp.levers import Levers
from explainers.search.milp.network import Layers, Lines, lay
from explainers.search.milp.program import Program, Solved
from explainers.search.milp.rules import add_constraints
from explainers.search.milp.ties import tie
from models.predictor import Row

Floats = npt.NDArray[np.float64]

SOLVER_DOUBT = 1e-7
"""Of a goal's row, relative to its size: the rounding of the solver's own arithmetic."""


THIN = 1e-2
"""Of the budget."""


@dataclass(frozen=True, eq=False)
class Question:
    """A program whose solutions are actions; every one that leads into the target within the
    budget is one."""

    program: Program
    choices: Choices
    raw: Lines

    @classmethod
    def of(
        cls, following: Following, levers: Levers, layers: Layers, unit: float, budget: float
    ) -> Question | None:
        """Constraints, costs and what follows, without a target; None if nothing can be within the
        budget.

        Raises
        ------
        NotEligible
            If a constraint is beyond what rows can say.
        """
        affordable = levers.within(budget)
        widened = None if affordable is None else following.widened(affordable)
        if widened is None:
            return None
        program = Program(proving=len(layers) > 1)
        choices = Choices.add(program, following.problem, widened)
        tie(program, choices, following)
        add_constraints(program, choices, following.problem.constraints)
        if budget < math.inf:
            program.dense_row(program.cost, upper=_let_in(choices, budget))
        return cls(program, choices, lay(program, choices, layers, budget, unit))

    def require(self, goals: Sequence[Goal]) -> None:
        """Rows for ``goals``, loosened by all that may be in doubt about them."""
        for goal in goals:
            weights, constant, size = self.total(goal)
            scale = max(size, 1e-300)
            limit = goal.limit + doubt_of(goal, self.raw) + SOLVER_DOUBT * size - constant
            self.program.dense_row(weights / scale, upper=limit / scale)

    def approach(self, goals: Sequence[Goal]) -> None:
        """Look for the row whose worst excess over the goals is least, whatever it costs."""
        excess = self.program.variable(-math.inf, math.inf, whole=False)
        for goal in goals:
            weights, constant, _ = self.total(goal)
            used = np.flatnonzero(weights)
            limit = goal.limit if math.isfinite(goal.limit) else 0.0
            self.program.row([*used, excess], [*weights[used], -1.0], upper=limit - constant)
        self.program.minimise_only(excess)

    def total(self, goal: Goal) -> tuple[Floats, float, float]:
        """What a goal limits: weights of the variables, a constant, and its largest size."""
        size = float(self.raw.size @ np.abs(goal.weights))
        return self.raw.weights @ goal.weights, float(self.raw.constant @ goal.weights), size

    def solve(self, deadline: Deadline, *, otherwise: bool = False) -> Solved:
        return self.program.solve(deadline, otherwise=otherwise)

    def action(self, solution: Floats) -> Row:
        return self.choices.action(solution)

    def forbid(self, block: Block) -> None:
        self.choices.forbid(self.program, block)

    def is_fine(self, solution: Floats) -> bool:
        """Whether a value that it proposes lies between those of a grid."""
        chosen = enumerate(self.choices.chosen(solution))
        return any(c.piece.is_fine and not self.choices.is_alone(p, c) for p, c in chosen)


def _let_in(choices: Choices, budget: float) -> float:
    """What the program's row says of the budget. With real numbers in it, what is left within the
    budget may be so thin that HiGHS takes it for empty (see decision 0070); so more is let in, and
    whether it is within the budget is read from the cost."""
    if not any(choice.piece.is_fine for _, choice in choices.all()):
        return budget
    return budget + THIN * max(1.0, abs(budget))


def doubt_of(goal: Goal, raw: Lines) -> float:
    """How far the deployed model may be from the program's word on a goal."""
    return goal.band + float(raw.error @ np.abs(goal.weights))

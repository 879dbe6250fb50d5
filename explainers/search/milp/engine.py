"""What the engines for linear models and ReLU networks share."""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from ifonly.explainers.constraints import Mask
from ifonly.explainers.deadline import Deadline
from ifonly.explainers.problem import Problem
from ifonly.explainers.search.breakpoints import (
    NO,
    Verdicts,
    Walk,
    breakpoints_of_rules,
    positions_of,
    rows_at,
)
from ifonly.explainers.search.engine import (
    Meter,
    SearchOutcome,
    range_by_asking,
    refuse_redrawn,
)
from ifonly.explainers.search.milp.model import LayeredModel
from ifonly.explainers.search.milp.search import BudgetSchedule, Search
from ifonly.explainers.space import Axis, Positions
from ifonly.models.graph.forms import GraphForm
from ifonly.models.predictor import Row, Scores
from ifonly.models.schema import Schema


class Milp:
    """Questions about one deployed model, proven by mixed-integer programs."""

    def __init__(self, name: str, form: GraphForm, schema: Schema, ladder: BudgetSchedule) -> None:
        self.name = name
        self._model = LayeredModel(form, schema)
        self._ladder = ladder

    def search(self, problem: Problem, meter: Meter, deadline: Deadline) -> SearchOutcome:
        """The optimum with its proof, or the best row and bound at the deadline.

        Raises
        ------
        NotEligible
            If a constraint, the target or what follows cannot be kept inside the proof.
        """
        refuse_redrawn(problem, self.name)
        # Either is a proof that there is no answer, without solving any program.
        if problem.conflict is not None:
            return SearchOutcome.none(problem)
        if self._is_empty(problem):
            following = self._model.following(problem)
            # Of numbers: made only to see that every row has one.
            self._model.question(following, self._model.levers(following), math.inf)
            return SearchOutcome.none(problem)
        return Search(self._model, self._ladder, problem, meter, deadline).run()

    def nearest(self, problem: Problem, meter: Meter, deadline: Deadline) -> Scores | None:
        """Scores of the allowed row whose worst raw excess is least; None if the time is up, or
        no raw output at all is in the target: then none is nearer than another."""
        if self._is_empty(problem):
            return None
        following = self._model.following(problem)
        levers = self._model.levers(following)
        question = self._model.question(following, levers, math.inf)
        if question is None or not levers.each:
            return None
        question.approach(self._model.goals(problem.target))
        while True:
            solved = min(
                (question.solve(deadline, otherwise=way) for way in (False, True)),
                key=lambda one: one.bound,
            )
            # Only a finished program proves that no row is nearer.
            if solved.values is None or not solved.finished:
                return None
            action = question.action(solved.values)[None, :]
            row = problem.rows_of(action)
            if problem.allowed(action, row)[0]:
                return meter.score(row)
            # The program lets in a little more than is allowed: that row is
            # left out, and the next sought.
            question.forbid(question.choices.at(solved.values))

    def _is_empty(self, problem: Problem) -> bool:
        """Whether no raw output is in the target, as in an interval narrower than the rounding."""
        return any(goal.limit == -math.inf for goal in self._model.goals(problem.target))

    def sufficient_range(
        self, problem: Problem, meter: Meter, row: Row, column: int
    ) -> tuple[float, float]:
        """The interval, read from the mathematics: where the score bends or passes its limit, and
        where a rule turns.

        The model is asked only where nothing is known of other sessions, within rounding of the
        target's edge; and where features follow, about what they lead to.
        """
        if problem.consequences is not None:
            return range_by_asking(problem, meter, row, column)
        axis, sweep = problem.axes[column], self._model.sweep(problem, row, column)
        places = [] if axis.grid is None else axis.grid.value(sweep.places()).tolist()
        if not self._is_finite(axis, row, column, places):
            return range_by_asking(problem, meter, row, column)

        def judge(positions: Positions) -> Verdicts:
            rows = rows_at(axis, row, column, positions)
            return np.where(problem.allowed(rows), sweep.verdicts(rows), NO)

        def asked(positions: Positions) -> Mask:
            rows = rows_at(axis, row, column, positions)
            return problem.target.met(meter.score(rows)) & problem.allowed(rows)

        at = axis.position(float(row[column]))
        # Between these nothing changes, neither what the graph makes of the row nor a rule.
        values = [*places, *breakpoints_of_rules(problem, row, column)]
        return Walk(axis, at, positions_of(axis, values), judge, asked).ends()

    def _is_finite(self, axis: Axis, row: Row, column: int, places: Sequence[float]) -> bool:
        """Whether the graph has a number for ``row`` all along one axis: where it bends, and at
        both ends, it is at its largest and least."""
        bends = positions_of(axis, places)
        # On both sides of a bend that lies between two values.
        near = np.unique(np.concatenate([bends - 1, bends, bends + 1, [0, len(axis) - 1]]))
        near = near[(near >= 0) & (near < len(axis))]
        scores = self._model.form.score(rows_at(axis, row, column, near))
        return bool(np.isfinite(scores).all())

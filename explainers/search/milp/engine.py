"""The search that the engines for linear models and ReLU networks share."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from threading import Lock

import numpy as np
import numpy.typing as npt

from explainers.deadline import Deadline
from explainers.errors import DeadlineReached
from explainers.problem import Problem
from explainers.search.engine import Meter, Outcome, refuse_image, run_around
from explainers.search.goals import Goal, goals_of
from explainers.search.milp.incumbent import find_incumbent
from explainers.search.milp.levers import Levers, read_levers
from explainers.search.milp.network import rounding
from explainers.search.milp.question import Question
from explainers.search.milp.reading import read_features
from explainers.search.milp.rules import check_kinds
from models.graph.forms import GraphForm
from models.graph.layers import Matrix
from models.predictor import Row, Rows, Scores
from models.schema import Schema

Mask = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]

MOST_TARGETS = 256
"""Targets whose limits are remembered."""
SAME_COST = 1e-9
"""Costs nearer than this, relative to their size, are one."""


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


class Milp:
    """Questions about one deployed model, proven by mixed-integer programs."""

    def __init__(
        self,
        name: str,
        form: GraphForm,
        schema: Schema,
        layers: Sequence[tuple[Matrix, Matrix]],
        ladder: Ladder,
    ) -> None:
        self.name = name
        self.form = form
        self.ladder = ladder
        self._layers = [(w.astype(np.float64), b.astype(np.float64)) for w, b in layers]
        self._unit = float(np.finfo(form.core.dtype).eps) / 2.0
        self._readings = read_features(form.columns, schema)
        self._goals: dict[tuple[float | None, ...], tuple[Goal, ...]] = {}
        self._lock = Lock()

    def search(self, problem: Problem, meter: Meter, deadline: Deadline) -> Outcome:
        """The optimum with its proof, or the best row and bound at the deadline.

        Raises
        ------
        NotEligible
            If a constraint or the target cannot be kept inside the proof.
        """
        return _Search(self, problem, meter, deadline).run()

    def nearest(self, problem: Problem, meter: Meter, deadline: Deadline) -> Scores | None:
        """Scores of the allowed row whose worst raw excess is least; None if the time is up."""
        levers = self.levers(problem)
        question = self.question(problem, levers, math.inf)
        if question is None or not levers.each:
            return None
        question.approach(self.goals(problem))
        while True:
            solved = question.solve(deadline)
            if solved.values is None or not solved.finished:
                return None
            row = question.row(solved.values)
            if problem.allowed(row[None, :])[0]:
                return meter.score(row[None, :])
            question.forbid(solved.values)

    def sufficient_range(
        self, problem: Problem, meter: Meter, row: Row, column: int
    ) -> tuple[float, float]:
        """From the mathematics: the model is asked only within rounding of the target's edge."""
        values = problem.axes[column].values()
        rows = np.repeat(row[None, :], len(values), axis=0)
        rows[:, column] = values
        holds, unsure = self._inside(problem, rows)
        at = int(np.flatnonzero(values == row[column])[0])
        first, last = run_around(holds, at)
        asked = first + np.flatnonzero(unsure[first : last + 1])
        if len(asked):
            holds[asked] = problem.target.met(meter.score(rows[asked]))
        first, last = run_around(holds, at)
        holds[first : last + 1] = problem.allowed(rows[first : last + 1])
        first, last = run_around(holds, at)
        return float(values[first]), float(values[last])

    def _inside(self, problem: Problem, rows: Rows) -> tuple[Mask, Mask]:
        """Which rows may be in the target, and of which of them only the model can say."""
        raw = self.form.raw(rows)
        holds, unsure = np.ones((2, len(rows)), dtype=np.bool_)
        # Twice: once for the deployed model's rounding, once for our own.
        error = 2.0 * rounding(self._layers, self._unit, self.form.columns.encode(rows))
        for goal in self.goals(problem):
            over = raw @ goal.weights - goal.limit
            doubt = goal.band + float(error @ np.abs(goal.weights))
            holds &= over <= doubt
            unsure |= over >= -doubt
        return holds, holds & unsure

    def excess(self, goals: Sequence[Goal], rows: Rows) -> Floats:
        """How far each row is beyond its limits, the worst of them."""
        raw = self.form.raw(rows)
        return np.asarray(np.max([raw @ goal.weights - goal.limit for goal in goals], axis=0))

    def levers(self, problem: Problem) -> Levers:
        return read_levers(problem, self.form.columns, self._readings)

    def question(self, problem: Problem, levers: Levers, budget: float) -> Question | None:
        return Question.of(problem, levers, self._layers, self._unit, budget)

    def goals(self, problem: Problem) -> tuple[Goal, ...]:
        """Made once for a target: finding an edge takes some hundred scores.

        Raises
        ------
        NotEligible
            If the target is no such goals, or features follow from what is set.
        """
        refuse_image(problem, self.name)
        target = problem.target
        key = (target.wanted, target.lower, target.upper)
        with self._lock:
            known = self._goals.get(key)
        if known is None:
            known = goals_of(target, self.form, self.form.core.n_outputs)
            with self._lock:
                if len(self._goals) >= MOST_TARGETS:
                    self._goals.clear()  # as many targets as a client cares to invent
                self._goals[key] = known
        return known


class _Search:
    """One question's progress: the best row so far, and the cost below which there is none."""

    def __init__(self, engine: Milp, problem: Problem, meter: Meter, deadline: Deadline) -> None:
        self._engine = engine
        self._problem = problem
        self._meter = meter
        self._deadline = deadline
        self._row: Row | None = None
        self._best = math.inf
        self._bound = 0.0

    def run(self) -> Outcome:
        deadline_hit = False
        try:
            self._prove()
        except DeadlineReached:
            deadline_hit = True
        rows = np.empty((0, len(self._problem.schema)))
        if self._row is not None:
            rows = self._row[None, :]
        return Outcome(rows, min(self._bound, self._best), None, deadline_hit)

    def _prove(self) -> None:
        engine, problem = self._engine, self._problem
        check_kinds(problem.constraints)  # before time is spent on a first answer
        goals, levers = engine.goals(problem), engine.levers(problem)
        first = find_incumbent(problem, lambda rows: engine.excess(goals, rows))
        if first is not None:
            self._take(first)
        for budget in engine.ladder.budgets(self._best, levers.most):
            self._deadline.check()
            if self._closed(goals, levers, budget):
                return
            self._bound = max(self._bound, budget)
        self._bound = self._best  # nothing is cheaper, at any budget

    def _closed(self, goals: Sequence[Goal], levers: Levers, budget: float) -> bool:
        """Look within ``budget``; whether the best row is now the best there is, because one was
        found there. If not, there is none within it."""
        question = self._engine.question(self._problem, levers, budget)
        if question is None or not levers.each or any(g.limit == -math.inf for g in goals):
            return False
        question.require(goals)
        while True:
            solved = question.solve(self._deadline)
            settled = solved.values is not None and self._take(question.row(solved.values))
            self._raise_bound(min(solved.bound, budget))
            if not solved.finished:
                raise DeadlineReached("the deadline has passed")
            if settled or solved.values is None:
                return settled
            question.forbid(solved.values)

    def _raise_bound(self, bound: float) -> None:
        """Nothing costs less than ``bound``, but for the solver's rounding."""
        if not math.isfinite(bound):
            return
        rounding = SAME_COST * max(1.0, abs(bound))
        is_met = self._best < math.inf and bound >= self._best - 2.0 * rounding
        self._bound = max(self._bound, self._best if is_met else bound - rounding)

    def _take(self, row: Row) -> bool:
        """Whether ``row`` is an answer, by the definitions and by the deployed model, or is none
        that would be cheaper than the best."""
        cost = float(self._problem.cost_of(row[None, :])[0])
        if cost >= self._best:
            return True
        if not self._problem.allowed(row[None, :])[0]:
            return False
        if not self._problem.target.met(self._meter.score(row[None, :]))[0]:
            return False
        self._row, self._best = row, cost
        return True

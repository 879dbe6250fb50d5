"""One deployed model as what programs are made of."""

from __future__ import annotations

import math
from collections.abc import Sequence
from threading import Lock

import numpy as np
import numpy.typing as npt

from explainers.problem import Problem
from explainers.search.goals import Goal, goals_of
from explainers.search.milp.doubts import Doubts
from explainers.search.milp.following import Following
from explainers.search.milp.kinks import crossings
from explainers.search.milp.levers import Levers, read_levers
from explainers.search.milp.network import rounding
from explainers.search.milp.plausible import Plausible
from explainers.search.milp.question import Question
from explainers.search.milp.reading import read_features
from explainers.search.milp.reals import RealReading, read_reals
from models.graph.forms import GraphForm
from models.graph.layers import Matrix
from models.predictor import Row, Rows
from models.rounding import Rounding
from models.schema import Schema

Mask = npt.NDArray[np.bool_]
Floats = npt.NDArray[np.float64]

MOST_TARGETS = 256
"""Targets whose limits are remembered."""


class LayeredModel:
    """Affine layers with ReLU between them; made once for a model, then shared."""

    def __init__(
        self, form: GraphForm, schema: Schema, layers: Sequence[tuple[Matrix, Matrix]]
    ) -> None:
        self.form = form
        self._layers = [(w.astype(np.float64), b.astype(np.float64)) for w, b in layers]
        self._unit = float(np.finfo(form.core.dtype).eps) / 2.0
        self._readings = read_features(form.columns, schema)
        self._schema = schema
        self._reals: dict[int, RealReading] = {}
        self._goals: dict[tuple[float | Rounding | None, ...], tuple[Goal, ...]] = {}
        self._lock = Lock()

    def excess(self, goals: Sequence[Goal], rows: Rows) -> Floats:
        """How far each row is beyond its limits, the worst of them."""
        raw = self.form.raw(rows)
        return np.asarray(np.max([raw @ goal.weights - goal.limit for goal in goals], axis=0))

    def following(self, problem: Problem) -> Following:
        return Following.of(problem, self._real)

    def levers(self, following: Following) -> Levers:
        return read_levers(following.problem, following.axes, self.form.columns, self._readings)

    def question(self, following: Following, levers: Levers, budget: float) -> Question | None:
        return Question.of(following, levers, self._layers, self._unit, budget)

    def doubts(
        self, question: Question, following: Following, goals: Sequence[Goal], budget: float
    ) -> Doubts | None:
        """What tells apart actions that are sure enough, where one can be made."""
        target = following.problem.target

        def margin(signed: Floats) -> Floats:
            return target.margin(self.form.scores_of(signed[:, None] * goals[0].weights))

        plausible = Plausible.of(question, following, goals, self._layers, budget)
        return None if plausible is None else Doubts(plausible, margin)

    def _real(self, column: int) -> RealReading:
        """Made when something first follows there: it takes some milliseconds."""
        with self._lock:
            known = self._reals.get(column)
        if known is None:
            known = read_reals(self.form.columns, self._schema, column)
            with self._lock:
                self._reals[column] = known
        return known

    def goals(self, problem: Problem) -> tuple[Goal, ...]:
        """Made once for a target: finding an edge takes some hundred scores.

        Raises
        ------
        NotEligible
            If the target is no such goals.
        """
        target = problem.target
        key = (target.wanted, target.lower, target.upper, target.rounding)
        with self._lock:
            known = self._goals.get(key)
        if known is None:
            known = goals_of(target, self.form, self.form.core.n_outputs)
            with self._lock:
                if len(self._goals) >= MOST_TARGETS:
                    self._goals.clear()  # as many targets as a client cares to invent
                self._goals[key] = known
        return known

    def places(self, problem: Problem, row: Row, column: int) -> Floats:
        """Values of ``column`` between which it does not change whether ``row`` is in the target,
        or in doubt; all of them on the grid, or nearly."""
        reading, axis, goals = self._readings[column], problem.axes[column], self.goals(problem)
        if reading.grid is None or not axis.count or any(g.limit == -math.inf for g in goals):
            return np.zeros(0)
        columns = self.form.columns.encode(row[None, :])[0].astype(np.float64)
        found = []
        for span in reading.within(axis.first, axis.count - 1):
            first, last = columns.copy(), columns.copy()
            first[reading.own] = span.first
            last[reading.own] = span.first + span.steps * span.rise
            ends, deviation = np.stack([first, last]), self.deviation(column)
            error = rounding(self._layers, self._unit, ends, deviation)
            # Far enough out that what is judged sure by the graph's own columns is all one.
            doubts = [g.band + 2.0 * float(error @ np.abs(g.weights)) for g in goals]
            shares = crossings(self._layers, first, last, goals, doubts)
            steps = np.unique(np.floor(shares * span.steps).astype(np.int64))
            found.append(reading.grid.value(span.multiple + steps))
        return np.concatenate(found)

    def deviation(self, column: int) -> Floats:
        """``(n_columns,)``: how far columns may be from straight, where one feature moves."""
        reading, found = self._readings[column], np.zeros(len(self.form.columns.feature))
        if reading.deviation is not None:
            found[reading.own] = reading.deviation
        return found

    def inside(
        self, problem: Problem, rows: Rows, deviation: Floats | None = None
    ) -> tuple[Mask, Mask]:
        """Which rows may be in the target, and of which of them only the model can say; also where
        their columns were off by ``deviation``."""
        raw = self.form.raw(rows)
        holds, unsure = np.ones((2, len(rows)), dtype=np.bool_)
        # Twice: once for the deployed model's rounding, once for our own.
        error = 2.0 * rounding(self._layers, self._unit, self.form.columns.encode(rows), deviation)
        for goal in self.goals(problem):
            over = raw @ goal.weights - goal.limit
            doubt = goal.band + float(error @ np.abs(goal.weights))
            holds &= over <= doubt
            unsure |= over >= -doubt
        return holds, holds & unsure

"""The exact engine for graphs of several models: votes, stacks, calibrated models, support vector
machines, neighbours."""

from __future__ import annotations

from ifonly.explainers.deadline import Deadline
from ifonly.explainers.errors import NotEligible
from ifonly.explainers.problem import Problem
from ifonly.explainers.remembered import Remembered
from ifonly.explainers.search.composed.enclosures import Encloser
from ifonly.explainers.search.composed.search import CompositionSearch
from ifonly.explainers.search.engine import (
    Meter,
    SearchOutcome,
    range_by_asking,
    refuse_consequences,
    refuse_tolerances,
)
from ifonly.explainers.search.goals import MOST_TARGETS, LinearGoal, goals_of
from ifonly.explainers.target import Target, TargetKey
from ifonly.models.graph.forms import Composition, GraphForm
from ifonly.models.predictor import Row, Scores
from ifonly.models.schema import Schema

Asked = tuple[tuple[LinearGoal, ...], Encloser]
"""Limits, and what bounds the outputs that they are about."""


class BoxEngine:
    """Branch and bound over boxes of one deployed graph; made once for a model, then shared.

    Any constraint is kept: a box is closed by what is known of it, and rows by their definitions.

    Raises
    ------
    NotEligible
        If a node of the graph is known for rows alone.
    """

    name = "composed"

    def __init__(self, form: GraphForm, schema: Schema) -> None:
        if not isinstance(form.core, Composition):
            raise NotEligible(self.name, f"the graph is {type(form.core).__name__}")
        self._form = form
        self._ways = [(form, Encloser(form.core))]
        # With its link a goal is looked for where scores still move; without, any can be said.
        if isinstance(form.whole, Composition) and form.whole is not form.core:
            plain = GraphForm.unlinked(form.columns, form.whole)
            self._ways.append((plain, Encloser(form.whole)))
        self._known = Remembered[TargetKey, Asked](MOST_TARGETS)

    def search(self, problem: Problem, meter: Meter, deadline: Deadline) -> SearchOutcome:
        """The optimum with its proof, or the best row and bound at the deadline.

        Raises
        ------
        NotEligible
            If something follows from what is set, or the answer must survive the sensors.
        """
        refuse_tolerances(problem, self.name)
        refuse_consequences(problem, self.name)
        if any(len(axis) == 0 for axis in problem.axes):
            return SearchOutcome.none(problem)
        goals, encloser = self._asked(problem.target)
        search = CompositionSearch(problem, self._form.columns, encloser, goals, meter, deadline)
        return search.run()

    def nearest(self, problem: Problem, meter: Meter, deadline: Deadline) -> Scores | None:
        return None  # it looks for rows in the target alone

    def sufficient_range(
        self, problem: Problem, meter: Meter, row: Row, column: int
    ) -> tuple[float, float]:
        return range_by_asking(problem, meter, row, column)

    def _asked(self, target: Target) -> Asked:
        known = self._known.get(target.key)
        if known is None:
            known = self._limits(target)
            self._known.keep(target.key, known)
        return known

    def _limits(self, target: Target) -> Asked:
        refused: NotEligible | None = None
        for form, encloser in self._ways:
            try:
                return goals_of(target, form, form.core.n_outputs), encloser
            except NotEligible as refusal:
                refused = refused or refusal
        assert refused is not None
        raise refused

"""What a deployed model of lines is known by, whichever engine asks: made once, then shared."""

from __future__ import annotations

from threading import Lock

from ifonly.explainers.problem import Problem
from ifonly.explainers.remembered import Remembered
from ifonly.explainers.search.goals import MOST_TARGETS, LinearGoal, goals_of
from ifonly.explainers.search.milp.following import Following
from ifonly.explainers.search.milp.reading import read_features
from ifonly.explainers.search.milp.reals import RealReading, read_reals
from ifonly.explainers.target import Target, TargetKey
from ifonly.models.graph.forms import GraphForm
from ifonly.models.schema import Schema


class LinesModel:
    """Raises
    ------
    NotEligible
        If a feature is bent in too many places.
    """

    def __init__(self, form: GraphForm, schema: Schema) -> None:
        self.form = form
        self.schema = schema
        self._readings = read_features(form.columns, schema)
        self._reals: dict[int, RealReading] = {}
        self._goals = Remembered[TargetKey, tuple[LinearGoal, ...]](MOST_TARGETS)
        self._lock = Lock()

    def following(self, problem: Problem) -> Following:
        """Raises
        ------
        NotEligible
            If something does not follow by slopes, or is read otherwise than by lines.
        """
        return Following.of(problem, self._real)

    def _real(self, column: int) -> RealReading:
        """Made when something first follows there: it takes some milliseconds."""
        with self._lock:
            known = self._reals.get(column)
        if known is None:
            known = read_reals(self.form.columns, self.schema, column)
            with self._lock:
                self._reals[column] = known
        return known

    def goals(self, target: Target) -> tuple[LinearGoal, ...]:
        """Made once for a target: finding an edge takes some hundred scores.

        Raises
        ------
        NotEligible
            If the target is no such goals.
        """
        known = self._goals.get(target.key)
        if known is None:
            known = goals_of(target, self.form, self.form.core.n_outputs)
            self._goals.keep(target.key, known)
        return known

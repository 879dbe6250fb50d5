"""One deployed model as what programs are made of."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt

from ifonly.explainers.errors import NotEligible
from ifonly.explainers.problem import Problem
from ifonly.explainers.search.goals import LinearGoal
from ifonly.explainers.search.milp.arithmetic import ColumnBox
from ifonly.explainers.search.milp.chain import layers_of
from ifonly.explainers.search.milp.choices import Block, Choices
from ifonly.explainers.search.milp.confidence_cuts import ConfidenceCuts
from ifonly.explainers.search.milp.following import Following
from ifonly.explainers.search.milp.grid_enumeration import Below
from ifonly.explainers.search.milp.levers import Levers, read_levers
from ifonly.explainers.search.milp.lines_model import LinesModel
from ifonly.explainers.search.milp.network import Reach
from ifonly.explainers.search.milp.plausible import PlausibleMechanisms
from ifonly.explainers.search.milp.question import MilpQuestion
from ifonly.explainers.search.milp.sweep import Sweep, TargetLimits
from ifonly.models.graph.forms import Core, GraphForm, UnitNetwork
from ifonly.models.graph.intervals import bounds_of
from ifonly.models.predictor import Row
from ifonly.models.schema import Schema

Floats = npt.NDArray[np.float64]


class LayeredModel(LinesModel):
    """Affine layers with ReLU between them; made once for a model, then shared."""

    def __init__(self, form: GraphForm, schema: Schema) -> None:
        # First: what is no such graph is told by that.
        self._layers = layers_of(form.core)
        super().__init__(form, schema)
        # Half of eps: one operation, rounded to nearest.
        self._unit = float(np.finfo(form.core.dtype).eps) / 2.0
        # Of the graph's arithmetic and of ours, which is in float64.
        self._rounded = self._unit + float(np.finfo(np.float64).eps) / 2.0

    def levers(self, following: Following) -> Levers:
        return read_levers(following.problem, following.axes, self.form.columns, self._readings)

    def question(self, following: Following, levers: Levers, budget: float) -> MilpQuestion | None:
        """As :meth:`MilpQuestion.of`.

        Raises
        ------
        NotEligible
            Also if the graph may have no number for a row that is asked about: the program, in
            float64, would have one.
        """
        goals = self.goals(following.problem.target)
        question = MilpQuestion.of(following, levers, self._layers, self._unit, budget, goals)
        if question is not None:
            laid = question.laid
            # NaN is no smaller.
            if not laid.largest <= float(np.finfo(self.form.core.dtype).max):
                raise NotEligible("milp", "sums of the graph may be no finite numbers")
            if not _is_number(self.form.core, laid.reach):
                raise NotEligible("milp", "numbers within the graph may be no finite ones")
            if not self.form.finish.is_finite(*laid.ends):
                raise NotEligible("milp", "scores of some sums may be no finite numbers")
        return question

    def confidence_cuts(
        self,
        question: MilpQuestion,
        following: Following,
        goals: Sequence[LinearGoal],
        budget: float,
    ) -> ConfidenceCuts | None:
        """What tells apart actions that are sure enough, where one can be made."""
        target = following.problem.target

        def margin(signed: Floats) -> Floats:
            return target.margin(self.form.scores_of(signed[:, None] * goals[0].weights))

        plausible = PlausibleMechanisms.of(question, following, goals, self._layers, budget)
        return None if plausible is None else ConfidenceCuts(plausible, margin)

    def limits(self, problem: Problem) -> TargetLimits:
        """What is known of rows without asking the deployed model.

        Raises
        ------
        NotEligible
            If the target is no limits on raw outputs.
        """
        goals, plain = self.goals(problem.target), self._plain_goals(problem)
        return TargetLimits(self._layers, self._rounded, self.form.columns, goals, plain)

    def _plain_goals(self, problem: Problem) -> tuple[LinearGoal, ...]:
        if not problem.target.rounding:
            return ()
        try:
            return self.goals(problem.target.plain)
        except NotEligible:
            return ()

    def below(self, problem: Problem, choices: Choices, block: Block) -> tuple[Below, ...]:
        """What rows of a block are not in the target by, where nothing follows."""
        if problem.consequences is not None:
            return ()
        ends = np.repeat(choices.levers.constant[None, :], 2, axis=0)
        steps = zip(choices.levers.each, block.choices, block.first, block.last, strict=True)
        for lever, choice, first, last in steps:
            piece = choice.piece
            # Columns are straight over a piece, so they lie between those at its two ends.
            ends[0, lever.own] = piece.inputs + first * piece.inputs_rise
            ends[1, lever.own] = piece.inputs + last * piece.inputs_rise
        low, high = ends.min(axis=0), ends.max(axis=0)
        box = ColumnBox.of(self._layers, self._rounded, low, high, choices.levers.deviation)
        found = []
        for goal in self.goals(problem.target):
            weights, constant = box.below(goal.weights)
            doubt = goal.band + float(box.error @ np.abs(goal.weights))
            found.append(Below(weights, constant - goal.limit - doubt))
        return tuple(found)

    def sweep(self, problem: Problem, row: Row, column: int) -> Sweep:
        """What is known of ``row`` as ``column`` alone moves along its run."""
        reading, axis = self._readings[column], problem.axes[column]
        spans = tuple(reading.within(axis.first, axis.count - 1)) if axis.count else ()
        off = np.zeros(len(self.form.columns.feature))
        if reading.deviation is not None:
            off[reading.own] = reading.deviation
        return Sweep.of(self.limits(problem), row, reading.own, spans, off)


def _is_number(core: Core, reach: Reach) -> bool:
    """Whether all that the graph makes on its way to its sums is finite within ``reach``."""
    if not isinstance(core, UnitNetwork):
        return True
    # A feature's ends hold 0 in the columns of others, which can do no harm to a bound.
    low = np.minimum(reach.constant, reach.ends.min(axis=0, initial=0.0))
    high = np.maximum(reach.constant, reach.ends.max(axis=0, initial=0.0))
    return bounds_of(core, low, high, np.zeros(len(low))).is_number

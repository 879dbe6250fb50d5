"""The causal model as the image of actions: what problems, searches and ``verify`` ask."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from explainers.causal.certainty import certainty, extrapolation, sensor_survival, tipping
from explainers.causal.errors import CausalError, NoMechanism
from explainers.causal.function import Array
from explainers.causal.members import CausalMembers
from explainers.causal.model import CausalModel
from explainers.image import Assurance, Margin, Tie, Trust
from models.predictor import Row, Rows


@dataclass(frozen=True, eq=False)
class CausalImage:
    """One machine, with its own noise: abduction, action, prediction."""

    model: CausalModel
    members: CausalMembers
    """Plausible versions of the model."""
    gamma: float
    """Standard deviations that an answer's margin keeps from the edge of the target."""
    floor: float
    """Least share of plausible versions by which an answer meets the target."""
    error_sd: Array
    """``(d,)``: standard deviation of each sensor's error."""
    hidden: tuple[tuple[int, int], ...] = ()
    """Edges, cause and effect, whose noises may share a cause that nobody reads."""
    whole: tuple[int, ...] = ()
    """Columns that read whole numbers: what follows is rounded once, when it is read."""

    def effects(self, columns: Sequence[int]) -> tuple[int, ...]:
        return self.model.graph.affected(columns)

    def via(self, columns: Sequence[int], effect: int) -> tuple[int, ...]:
        return self.model.graph.sources(columns, effect)

    def rows(self, factual: Row, columns: Sequence[int], values: Array) -> Rows:
        try:
            rows = self.model.counterfactual(factual, columns, values)
        except CausalError:  # a node that cannot be computed: nothing is known of what follows
            rows = np.repeat(factual[None, :], len(values), axis=0)
            rows[:, list(columns)] = values
            rows[:, list(self.effects(columns))] = np.nan
        rounded = [j for j in self.effects(columns) if j in self.whole]
        rows[:, rounded] = np.rint(rows[:, rounded])
        return rows

    def trust(self, factual: Row, columns: Sequence[int], values: Array, margin: Margin) -> Trust:
        found = certainty(self.members, factual, columns, values, margin, self.gamma)
        return Trust(found.lower, found.chance, found.holds & (found.chance >= self.floor))

    def assurance(
        self, factual: Row, columns: Sequence[int], values: Array, margin: Margin
    ) -> Assurance:
        one = values[None, :]
        sure = certainty(self.members, factual, columns, one, margin, self.gamma)
        rng = np.random.default_rng(0)  # the same question, the same answer
        survival = sensor_survival(
            self.model, rng, factual, columns, one, margin, self._errors(factual)
        )
        beyond = extrapolation(self.model, columns, self.rows(factual, columns, one))
        moved = {*columns, *self.effects(columns)}
        return Assurance(
            float(sure.chance[0]),
            float(survival[0]),
            tuple(j for j, r in zip(beyond.columns, beyond.ratio[0], strict=True) if r > 1.0),
            tuple(
                tie
                for cause, effect in self.hidden
                if cause in moved and effect in moved - {*columns}
                for tie in self._tie(factual, columns, one, margin, cause, effect)
            ),
        )

    def _errors(self, factual: Row) -> Array:
        """A reading that is missing has no error."""
        return np.where(np.isnan(factual), 0.0, self.error_sd)

    def _tie(
        self,
        factual: Row,
        columns: Sequence[int],
        one: Array,
        margin: Margin,
        cause: int,
        effect: int,
    ) -> tuple[Tie, ...]:
        try:
            rho = float(tipping(self.model, factual, columns, one, margin, cause, effect).rho[0])
        except NoMechanism:  # nothing is known of one of the noises
            return ()
        return (Tie((cause, effect), None if np.isnan(rho) else rho),)

"""Backtracking: which other past, under the same laws, would have led elsewhere?

An intervention breaks a law at what is set; a backtracking counterfactual keeps all of them and
moves the *background*, the noises and the values of what has no causes (von Kügelgen, Mohamed
and Beckers 2023). It explains; nothing was or can be set, so it is no advice.

The levers are the backgrounds: an action by ``d`` on a feature is that its background is ``d``
otherwise, in its own unit. What follows from it moves too, itself included where a cause of it
moves: its reading is then what follows from its causes, and ``d`` more.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ifonly.explainers.causal.consequences import CausalConsequences
from ifonly.explainers.causal.errors import CausalError
from ifonly.explainers.causal.function import Array
from ifonly.explainers.consequences import (
    Assurance,
    Flows,
    Margin,
    Met,
    NotAffine,
    PossibleGraph,
    Trust,
)
from ifonly.models.predictor import Row, Rows


@dataclass(frozen=True, eq=False)
class BacktrackingConsequences:
    """An :class:`~ifonly.explainers.consequences.Consequences` whose actions move backgrounds."""

    causal: CausalConsequences

    @property
    def graphs(self) -> tuple[PossibleGraph, ...]:
        # Another past explains and advises nothing: it is told by the graph that is believed.
        return ()

    @property
    def now(self) -> BacktrackingConsequences:
        # Another past was: nothing of it is carried out later.
        return self

    @property
    def severs(self) -> bool:
        return False

    @property
    def compiled(self) -> None:
        """Compiled code follows interventions only."""
        return None

    def effects(self, columns: Sequence[int]) -> tuple[int, ...]:
        """Columns that may end elsewhere than where their own background leads.

        Of ``columns`` themselves these are the ones below others of them, and the ones with causes
        and no mechanism, whose background nobody knows.
        """
        model = self.causal.model
        graph = model.graph
        below = frozenset[int]().union(*(graph.descendants[j] for j in columns))
        unknown = {j for j in columns if graph.parents[j] and model.mechanisms[j] is None}
        # Nothing is cut off: what is acted on goes on following its causes.
        return tuple(j for j in graph.order if j in below | unknown)

    def via(self, columns: Sequence[int], effect: int) -> tuple[int, ...]:
        return self.causal.model.graph.sources(columns, effect)

    def rows(self, factual: Row, columns: Sequence[int], values: Array) -> Rows:
        moved = self.effects(columns)
        shifts, shift = self._shifts(factual, columns, values)
        try:
            rows = self.causal.model.counterfactual(factual, columns, shifts, shift)
        except CausalError:  # a node that cannot be computed: nothing is known of what follows
            rows = np.repeat(factual[None, :], len(values), axis=0)
            rows[:, [*columns, *moved]] = np.inf
        else:
            alone = [place for place, j in enumerate(columns) if j not in moved]
            rows[:, [columns[place] for place in alone]] = values[:, alone]  # to the last bit
        return self.causal.read(rows)

    def _shifts(
        self, factual: Row, columns: Sequence[int], values: Array
    ) -> tuple[Array, frozenset[int]]:
        """How far each background moves, and the columns of which that is a difference.

        ``values`` is where each background alone would lead. A column that was not read, and
        follows from nothing that moves, has no difference: it is set to its value.
        """
        moved = self.effects(columns)
        places = [
            place for place, j in enumerate(columns) if np.isnan(factual[j]) and j not in moved
        ]
        shifts = values - factual[list(columns)]
        # Not read, so there is no difference: what it is set to is where it goes.
        shifts[..., places] = values[..., places]
        return shifts, frozenset(columns) - {columns[place] for place in places}

    def bounds(
        self, factual: Row, columns: Sequence[int], lower: Array, upper: Array
    ) -> tuple[Rows, Rows]:
        """Infinite bounds: nothing is known of boxes of backgrounds."""
        # So exact engines refuse, and rows are asked one by one.
        low = np.full((len(lower), len(factual)), -np.inf)
        return low, -low

    def trust(self, factual: Row, columns: Sequence[int], values: Array, margin: Margin) -> Trust:
        """As if there were no hidden common causes: they are part of what moves."""
        shifts, shift = self._shifts(factual, columns, values)
        return self.causal.trusted(factual, columns, shifts, margin, shift)

    def flows(self, columns: Sequence[int]) -> Flows:
        if self.effects(columns):
            raise NotAffine("what is set goes on following from its causes")
        # Nothing follows, so it is as if features moved alone.
        return Flows((), self.causal.gamma, self.causal.floor)

    def assurance(self, factual: Row, columns: Sequence[int], values: Array, met: Met) -> Assurance:
        """As of an intervention, but for hidden common causes: they are part of what moves."""
        one = values[None, :]
        shifts, shift = self._shifts(factual, columns, one)
        row = self.rows(factual, columns, one)
        return self.causal.assured(factual, columns, shifts, row, met, shift)

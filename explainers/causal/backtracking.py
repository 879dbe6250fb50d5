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

from explainers.causal.errors import CausalError
from explainers.causal.function import Array
from explainers.causal.image import CausalImage
from explainers.image import Assurance, Flows, Margin, NotAffine, Trust
from models.predictor import Row, Rows


@dataclass(frozen=True, eq=False)
class BacktrackingImage:
    """An :class:`~explainers.image.Image` whose actions move backgrounds."""

    causal: CausalImage

    @property
    def severs(self) -> bool:
        return False

    def effects(self, columns: Sequence[int]) -> tuple[int, ...]:
        """What may read otherwise than by its own background: of ``columns`` too."""
        graph = self.causal.model.graph
        below = frozenset[int]().union(*(graph.descendants[j] for j in columns))
        return tuple(j for j in graph.order if j in below)

    def via(self, columns: Sequence[int], effect: int) -> tuple[int, ...]:
        return self.causal.model.graph.sources(columns, effect)

    def rows(self, factual: Row, columns: Sequence[int], values: Array) -> Rows:
        moved = self.effects(columns)
        try:
            shifts = values - factual[list(columns)]
            rows = self.causal.model.counterfactual(factual, columns, shifts, frozenset(columns))
        except CausalError:  # a node that cannot be computed: nothing is known of what follows
            rows = np.repeat(factual[None, :], len(values), axis=0)
            rows[:, list(moved)] = np.nan
        for place, j in enumerate(columns):
            if j not in moved:  # to the last bit, and where nothing was read
                rows[:, j] = values[:, place]
        return self.causal.read(rows)

    def bounds(
        self, factual: Row, columns: Sequence[int], lower: Array, upper: Array
    ) -> tuple[Rows, Rows]:
        """Of boxes of backgrounds nothing is known."""
        low = np.full((len(lower), len(factual)), -np.inf)
        return low, -low

    def trust(self, factual: Row, columns: Sequence[int], values: Array, margin: Margin) -> Trust:
        shifts = values - factual[list(columns)]
        return self.causal.trust(factual, columns, shifts, margin, frozenset(columns))

    def flows(self, columns: Sequence[int]) -> Flows:
        if self.effects(columns):
            raise NotAffine("what is set goes on following from its causes")
        return Flows((), self.causal.gamma, self.causal.floor)

    def assurance(
        self, factual: Row, columns: Sequence[int], values: Array, margin: Margin
    ) -> Assurance:
        """As of an intervention, but for hidden common causes: they are part of what moves."""
        one, together = values[None, :], frozenset(columns)
        shifts, row = one - factual[list(columns)], self.rows(factual, columns, one)
        return self.causal.assured(factual, columns, shifts, row, margin, together)

"""Rules over the whole row."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from explainers.constraints.base import Axes, Cells, Constraint, Factual
from explainers.constraints.conditions import Condition, Truth, all_true
from explainers.space import negation
from models.predictor import Row


@dataclass(frozen=True)
class Rule(Constraint):
    """If all of ``when`` then all of ``then``; with no ``when``, always ``then``."""

    text: str
    """As it was declared."""
    then: tuple[Condition, ...]
    when: tuple[Condition, ...] = ()

    @property
    def columns(self) -> frozenset[int]:
        return frozenset().union(*(c.columns for c in (*self.when, *self.then)))

    def kept(self, cells: Cells, factual: Factual) -> Any:
        kept = all_true(self.then, cells, factual)
        return kept | negation(all_true(self.when, cells, factual)) if self.when else kept

    def narrow(self, axes: Axes, factual: Row) -> Axes:
        open_ones = []
        for condition in self.when:
            truth = condition.truth(axes, factual)
            if truth is Truth.NEVER:
                return axes
            if truth is Truth.SOMETIMES:
                open_ones.append(condition)
        if not open_ones:
            for condition in self.then:
                axes = condition.require(axes, factual)
            return axes
        refuted = any(c.truth(axes, factual) is Truth.NEVER for c in self.then)
        if refuted and len(open_ones) == 1:
            return self._forbid(open_ones[0], axes, factual)
        return axes

    @staticmethod
    def _forbid(condition: Condition, axes: Axes, factual: Row) -> Axes:
        # "not true" is weaker than "the opposite is true" where a value may be missing.
        if any(axes[j].has_missing for j in condition.columns):
            return axes
        return condition.negated().require(axes, factual)

"""One of some levers is left alone: what makes a further answer another."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property, reduce
from operator import or_

from ifonly.explainers.constraints.base import Constraint
from ifonly.explainers.constraints.cells import Axes, Cells, Factual, Kept, emptied, replaced
from ifonly.explainers.constraints.forms import OneStays
from ifonly.explainers.constraints.kind import ConstraintKind
from ifonly.explainers.space import moved, negation
from ifonly.models.predictor import Row


@dataclass(frozen=True)
class LeavesOne(Constraint):
    """At least one of ``levers`` keeps its factual value: so that a further answer is another."""

    of_action = True

    levers: frozenset[int]

    @property
    def columns(self) -> frozenset[int]:
        return self.levers

    @cached_property
    def form(self) -> OneStays:
        return OneStays(self.levers)

    def kept(self, cells: Cells, factual: Factual) -> Kept:
        return reduce(or_, (negation(moved(cells[j], factual[j])) for j in self.levers), False)

    def narrow(self, axes: Axes, factual: Row) -> Axes:
        may_stay = [j for j in self.levers if float(factual[j]) in axes[j]]
        if not may_stay:
            return emptied(axes, sorted(self.levers))
        if len(may_stay) > 1:
            return axes
        column = may_stay[0]
        return replaced(axes, column, axes[column].only([float(factual[column])]))


KIND = ConstraintKind(LeavesOne)
"""Declared by no document: a further answer is asked for by their number."""

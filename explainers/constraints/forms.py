"""What engines see of a constraint: one of a few forms, whatever its kind.

An engine matches the forms that it can keep inside its proof, and refuses any other by the name of
the constraint (:func:`refusal`): none is ever dropped. A kind that is one of these forms is kept by
every engine that knows the form, the day that it is written.
"""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

from ifonly.explainers.constraints.cells import Axes, Cells, Factual, Kept
from ifonly.explainers.constraints.conditions import Changes, Condition, Truth, all_true
from ifonly.explainers.space import negation
from ifonly.models.predictor import Row


@dataclass(frozen=True)
class OwnValues:
    """A constraint on what one feature is set to: all of it is in that feature's axis."""

    column: int


@dataclass(frozen=True)
class Within:
    """The reading of one feature is in an interval, set or not, or is missing."""

    column: int
    lower: float
    upper: float


@dataclass(frozen=True)
class StaysRead:
    """The reading of one feature is, and stays, there or missing."""

    column: int


@dataclass(frozen=True)
class MostSet:
    """So many features are set at most."""

    count: int


@dataclass(frozen=True)
class OneStays:
    """One at least of some features is not set."""

    columns: frozenset[int]


Pairs = tuple[tuple[frozenset[int], int], ...]


@dataclass(frozen=True)
class SetTogether:
    """Of each pair: if any of the causes is set, the effect is set."""

    pairs: Pairs

    @cached_property
    def rules(self) -> tuple[Implication, ...]:
        """The same where nothing follows, so that what is set is what changes."""
        return tuple(
            Implication((Changes(effect),), (Changes(j),))
            for causes, effect in self.pairs
            for j in sorted(causes)
        )


@dataclass(frozen=True)
class Implication:
    """If all of ``when`` then all of ``then``, of the row; with no ``when``, always. A linear
    inequality is one without ``when``, of one :class:`Comparison`."""

    then: tuple[Condition, ...]
    when: tuple[Condition, ...] = ()

    @cached_property
    def columns(self) -> frozenset[int]:
        return frozenset().union(*(c.columns for c in (*self.when, *self.then)))

    def kept(self, cells: Cells, factual: Factual) -> Kept:
        kept = all_true(self.then, cells, factual)
        return kept | negation(all_true(self.when, cells, factual)) if self.when else kept

    def narrow(self, axes: Axes, factual: Row) -> Axes:
        open_ones = []
        for condition in self.when:
            truth = condition.truth(axes, factual)
            # One premise that fails, and the rule says nothing.
            if truth is Truth.NEVER:
                return axes
            if truth is Truth.SOMETIMES:
                open_ones.append(condition)
        if not open_ones:
            for condition in self.then:
                axes = condition.require(axes, factual)
            return axes
        refuted = any(c.truth(axes, factual) is Truth.NEVER for c in self.then)
        # What follows is impossible, so the one premise that is open must fail.
        if refuted and len(open_ones) == 1:
            return self._forbid(open_ones[0], axes, factual)
        return axes

    @staticmethod
    def _forbid(condition: Condition, axes: Axes, factual: Row) -> Axes:
        # "not true" is weaker than "the opposite is true" where a value may be missing.
        if any(axes[j].has_missing for j in condition.columns):
            return axes
        return condition.negated().require(axes, factual)


@dataclass(frozen=True)
class Readings:
    """The prediction stays in the target for every reading within ``± tolerances`` of the row's."""

    tolerances: tuple[float, ...]


@dataclass(frozen=True)
class Opaque:
    """None of these: rows are asked one by one whether they keep it."""


Form = (
    OwnValues
    | Within
    | StaysRead
    | MostSet
    | OneStays
    | SetTogether
    | Implication
    | Readings
    | Opaque
)

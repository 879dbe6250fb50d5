"""The question, whole and checked: which smallest allowed change puts the score in the target?"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace
from functools import cached_property

import numpy as np
import numpy.typing as npt

from explainers.constraints import (
    Axes,
    Constraint,
    LeavesOne,
    Mask,
    Origin,
    Plausible,
    Source,
    conflict,
    cut_singly,
    propagate,
)
from explainers.cost import Cost, Costs
from explainers.errors import InvalidPolicy
from explainers.space import Axis
from explainers.target import Target
from models.predictor import Row, Rows
from models.schema import Schema


@dataclass(frozen=True, eq=False)
class Problem:
    """One factual, one target, everything that is allowed, and what change costs.

    Checks itself once, when built; nothing after it checks again.

    Raises
    ------
    InvalidPolicy
        If the parts do not fit together.
    """

    schema: Schema
    factual: Row
    """``(n_features,)``, schema order, physical units, categories as codes, NaN if missing."""
    target: Target
    constraints: tuple[Constraint, ...]
    cost: Cost
    references: Rows | None = None
    """Rows seen in service, ``(n_rows, n_features)``; starts for searches, never needed."""
    alternatives: int = 1
    """How many counterfactuals are wanted, each with other levers than those before it."""
    seed: int = 0
    max_rows: int = 50_000
    """Model rows that a search without a proof may score before it gives up."""

    def __post_init__(self) -> None:
        n = len(self.schema)
        factual = np.array(self.factual, dtype=np.float64)
        factual.setflags(write=False)
        object.__setattr__(self, "factual", factual)
        if factual.shape != (n,):
            raise InvalidPolicy("factual", f"has shape {factual.shape}, the schema ({n},)")
        if len(self.cost.features) != n:
            raise InvalidPolicy("cost", f"speaks of {len(self.cost.features)} features of {n}")
        if self.references is not None and self.references.shape[1:] != (n,):
            raise InvalidPolicy("references", f"has shape {self.references.shape}, not (*, {n})")
        for key, value in (("alternatives", self.alternatives), ("max_rows", self.max_rows)):
            if value < 1:
                raise InvalidPolicy(key, f"is {value}, below 1", value, 1)
        for feature, value in zip(self.schema.features, factual, strict=True):
            if math.isnan(value) and not feature.may_be_missing:
                raise InvalidPolicy("factual", f"{feature.name} is missing", None)

    @cached_property
    def _whole(self) -> Axes:
        """Every settable value of every feature, before any constraint."""
        return tuple(
            Axis.of(feature, float(value))
            for feature, value in zip(self.schema.features, self.factual, strict=True)
        )

    @cached_property
    def axes(self) -> Axes:
        """The values each feature may take: a superset of what is allowed in allowed rows."""
        return propagate(self.constraints, self._whole, self.factual)

    @cached_property
    def single_axes(self) -> Axes:
        """The values that each feature may take by what is said of it alone."""
        return cut_singly(self.constraints, self._whole, self.factual)

    @cached_property
    def conflict(self) -> tuple[Constraint, ...] | None:
        """Constraints that contradict each other whatever the model says, or None."""
        if all(len(axis) for axis in self.axes):
            return None
        return conflict(self.constraints, self._whole, self.factual)

    @property
    def conflict_is_the_requests(self) -> bool:
        """Whether the contradiction goes away without what the request added."""
        return any(c.origin.source is Source.REQUEST for c in self.conflict or ())

    def excluding(self, levers: frozenset[int]) -> Problem:
        """The same question for an answer that leaves at least one of ``levers`` alone."""
        origin = Origin(Source.REQUEST, "alternatives")
        return replace(
            self, constraints=(*self.constraints, LeavesOne(levers, origin=origin)), alternatives=1
        )

    def allowed(self, rows: Rows) -> Mask:
        """Which rows keep every constraint, ``(n_rows,)``."""
        mask = np.ones(len(rows), dtype=np.bool_)
        for constraint in self._cheapest_first:
            alive = np.flatnonzero(mask)
            if not alive.size:
                break
            mask[alive] = constraint.holds(rows[alive], self.factual)
        return mask

    @cached_property
    def _cheapest_first(self) -> tuple[Constraint, ...]:
        """Outlier scores last: they cost as much as a model call."""
        return tuple(sorted(self.constraints, key=lambda c: isinstance(c, Plausible)))

    def cost_of(self, rows: Rows) -> Costs:
        """Cost of each row, ``(n_rows,)``."""
        return self.cost.of(rows, self.factual)

    @cached_property
    def start(self) -> Row:
        """The factual, with what must change at its cheapest allowed value."""
        row = self.factual.copy()
        for j in self.movable:
            if float(row[j]) not in self.axes[j]:
                values = self.axes[j].values()
                costs = self.cost.of_feature(int(j), values, float(row[j]))
                row[j] = values[np.argmin(costs)]
        return row

    @cached_property
    def movable(self) -> npt.NDArray[np.int64]:
        """Columns that have a value other than their factual one."""
        return np.array(
            [
                j
                for j, (axis, x) in enumerate(zip(self.axes, self.factual, strict=True))
                if len(axis) > (float(x) in axis)
            ],
            dtype=np.int64,
        )

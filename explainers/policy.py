"""The plant's policy: which levers exist, what they cost, which rules hold.

:meth:`Policy.read` takes the ``[policy]`` table of a model's spec as a plain mapping;
:func:`read_constraints` takes what one request adds. A request can only add constraints, and
all of them hold together, so it can tighten the policy and never loosen it.
"""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from ifonly.explainers.constraints import Constraint, Origin, Scorer, Source
from ifonly.explainers.constraints.given import Given, ReadingContext
from ifonly.explainers.constraints.registry import read_policy, read_request
from ifonly.explainers.constraints.survives import Survives, read_tolerances
from ifonly.explainers.cost import Cost, FeatureCost
from ifonly.explainers.errors import InvalidPolicy
from ifonly.explainers.problem import Problem
from ifonly.explainers.target import Target
from ifonly.models.predictor import Rows
from ifonly.models.schema import Decision, Feature, Kind, Labels, Schema, Task, plain

Table = Mapping[str, Any]

PROBABILITY = "policy.target.probability"
ROBUST = "policy.target.robust"


@dataclass(frozen=True, eq=False)
class Policy:
    """What may be asked of the plant, for every question about one model."""

    schema: Schema
    decision: Decision
    constraints: tuple[Constraint, ...]
    cost: Cost
    references: Rows | None = None
    phrases: Mapping[str, Mapping[str, Labels]] | None = None
    """Own words for setting a feature to a value: feature name, value text, language."""
    tolerances: tuple[float, ...] = ()
    """How far each feature's sensor may be off, in its unit; empty if none says so."""
    probability: float | None = None
    """Least probability of the desired class, where a request names none; None: the decision
    alone counts."""
    is_robust: bool = False
    """Whether what leads to the desired class must survive the sensors, where a request does not
    say."""

    @classmethod
    def read(
        cls,
        table: Table,
        schema: Schema,
        decision: Decision,
        *,
        reference: Any = None,
        plausibility: Scorer | None = None,
    ) -> Policy:
        """The policy that a spec's ``[policy]`` table declares.

        ``reference`` is ``(n_rows, n_features)``; it gives the default scales and the rows
        that plausibility is measured by. A table with named columns is matched by name.

        Raises
        ------
        InvalidPolicy
            Naming the key, the value and the limit.
        InvalidInstance
            If a reference row with names is no instance of the schema.
        """
        if reference is not None:
            reference = schema.rows(reference)
            # Questions share it, and need no copy of their own.
            reference.setflags(write=False)
        features = table.get("features", {})
        _check_names(features, schema)
        costs = tuple(
            _feature_cost(f, features.get(f.name, {}), _default_scale(f, schema, j, reference))
            for j, f in enumerate(schema.features)
        )
        tolerances = read_tolerances(features, schema)
        scales = tuple(c.scale for c in costs)
        context = ReadingContext(schema, tolerances, scales, reference, plausibility)
        constraints = tuple(read_policy(table, context))
        penalty = _non_negative(table.get("change_penalty", 0.0), "policy.change_penalty")
        phrases = {n: t["phrases"] for n, t in features.items() if "phrases" in t}
        cost = Cost(costs, penalty)
        return cls(
            schema, decision, constraints, cost, reference, phrases, tolerances,
            _probability(table, decision), _is_robust(table, decision, tolerances),
        )  # fmt: skip

    def target(self, wanted: int | None = None) -> Target:
        """A class, by default the desired one; that one as probable as the policy demands.

        Raises
        ------
        InvalidTarget
            If no class is named and none is desired.
        """
        if wanted is None or wanted == self.decision.desired:
            return self._desired
        return Target(self.decision, wanted, origin=Origin(Source.POLICY, PROBABILITY))

    @cached_property
    def _desired(self) -> Target:
        """Asked for by most questions: one object, which remembers what was derived of it."""
        # A demand of 0 is none.
        lower = self.probability or -math.inf
        origin = Origin(Source.POLICY, PROBABILITY)
        return Target(self.decision, self.decision.desired, lower, origin=origin)

    def problem(
        self,
        factual: Any,
        target: Target | None = None,
        *,
        constraints: Sequence[Constraint] = (),
        robust: bool | None = None,
        alternatives: int = 1,
        seed: int = 0,
    ) -> Problem:
        """The question about ``factual`` under this policy, tightened by ``constraints``; False in
        ``robust`` lifts the policy's demand that answers survive the sensors.

        Raises
        ------
        InvalidInstance
            If the factual is no instance of the schema; what has names is matched by them
            (:meth:`Schema.row`).
        """
        target = target or self.target()
        if robust is None and self.demands_survival(target):
            survives = Survives(self.tolerances, origin=Origin(Source.POLICY, ROBUST))
            constraints = (*constraints, survives)
        return Problem(
            self.schema,
            factual,
            target,
            (*self.constraints, *constraints),
            self.cost,
            self.references,
            alternatives,
            seed,
        )

    def demands_survival(self, target: Target) -> bool:
        """Whether answers to a request that says nothing of it must survive the sensors."""
        return self.is_robust and target.wanted == self.decision.desired


def read_constraints(
    table: Table, schema: Schema, tolerances: tuple[float, ...] = ()
) -> tuple[Constraint, ...]:
    """What a request adds to the policy, by the keys of the kinds of constraints. ``tolerances``
    are the policy's.

    Raises
    ------
    InvalidPolicy
        Naming the key under ``constraints``, the value and the limit.
    """
    return tuple(read_request(table, ReadingContext(schema, tolerances)))


def _check_names(features: Table, schema: Schema) -> None:
    for name in features:
        if name not in schema:
            path = ("policy", "features", name)
            raise Given(None, path, Source.POLICY, ReadingContext(schema)).unknown(name)


def _probability(table: Table, decision: Decision) -> float | None:
    least = table.get("target", {}).get("probability", {}).get("min")
    if least is None:
        return None
    if decision.desired is None:
        raise InvalidPolicy(PROBABILITY, "is given, but no class is desired (decision.desired)")
    if decision.task is Task.REGRESSION:
        raise InvalidPolicy(PROBABILITY, "is given, but a regression gives no probabilities")
    if not 0.0 <= least <= 1.0:
        raise InvalidPolicy(f"{PROBABILITY}.min", f"is {least}, outside [0, 1]", least, (0, 1))
    return float(least)


def _is_robust(table: Table, decision: Decision, tolerances: tuple[float, ...]) -> bool:
    if not table.get("target", {}).get("robust", False):
        return False
    if decision.desired is None:
        raise InvalidPolicy(ROBUST, "is true, but no class is desired (decision.desired)")
    if not any(tolerances):
        raise InvalidPolicy(ROBUST, "is true, but no feature of this model declares a tolerance")
    return True


def _feature_cost(feature: Feature, table: Table, default_scale: float) -> FeatureCost:
    key = f"policy.features.{feature.name}"
    scale = float(table.get("scale", default_scale))
    movable = table.get("actionable", True) and not feature.kind.is_categorical
    # A scale is needed only where a distance is paid for: for a number that can be set.
    if movable and feature.resolution is not None and not 0.0 < scale < math.inf:
        raise InvalidPolicy(
            f"{key}.scale",
            f"{feature.name} has neither a scale, nor reference rows, nor finite bounds"
            if "scale" not in table
            else f"is {plain(scale)}, not a positive number",
            scale,
        )
    matrix = table.get("cost_matrix")
    if matrix is not None:
        _check_matrix(feature, matrix, f"{key}.cost_matrix")
    return FeatureCost(
        weight=_non_negative(table.get("weight", 1.0), f"{key}.weight"),
        scale=scale if 0.0 < scale < math.inf else 1.0,
        fixed=_non_negative(table.get("fixed_cost", 0.0), f"{key}.fixed_cost"),
        matrix=None if matrix is None else tuple(tuple(float(c) for c in row) for row in matrix),
        nominal=feature.kind is Kind.NOMINAL,
    )


def _check_matrix(feature: Feature, matrix: Sequence[Sequence[float]], key: str) -> None:
    n = len(feature.categories)
    if not n or len(matrix) != n or any(len(row) != n for row in matrix):
        raise InvalidPolicy(key, f"is not {n} x {n}, a row and a column for each category", None, n)
    for i, row in enumerate(matrix):
        for j, entry in enumerate(row):
            _non_negative(entry, f"{key}.{i}.{j}")


def _default_scale(feature: Feature, schema: Schema, column: int, reference: Rows | None) -> float:
    """Median absolute deviation of the reference; the range where that is 0 (Wachter 2018)."""
    if feature.kind.is_categorical:
        return 1.0
    if reference is not None:
        seen = reference[:, schema.scale_columns(column)].ravel()
        seen = seen[~np.isnan(seen)]
        if seen.size:
            # It is 0 where most rows are alike, and a scale of 0 would make moves infinitely dear.
            deviation = float(np.median(np.abs(seen - np.median(seen))))
            spread = float(seen.max() - seen.min())
            if deviation or spread:
                return deviation or spread
    return feature.upper - feature.lower


def _non_negative(number: Any, key: str) -> float:
    if not 0.0 <= float(number) < math.inf:
        raise InvalidPolicy(key, f"is {number}, not a number of at least 0", number, 0)
    return float(number)

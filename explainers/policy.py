"""The plant's policy: which levers exist, what they cost, which rules hold.

:meth:`Policy.read` takes the ``[policy]`` table of a model's spec as a plain mapping;
:func:`read_constraints` takes what one request adds. A request can only add constraints, and
all of them hold together, so it can tighten the policy and never loosen it.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np

from explainers.constraints import (
    Constraint,
    Direction,
    Immutable,
    MaxChange,
    MaxChanges,
    NotMissing,
    OnlyTo,
    Origin,
    Plausible,
    Range,
    Scorer,
    Sense,
    Settable,
    Source,
    Survives,
)
from explainers.cost import Cost, FeatureCost
from explainers.errors import InvalidPolicy, InvalidRule
from explainers.plausibility import NeighbourDistance
from explainers.problem import Problem
from explainers.rules import read_rule
from explainers.space import Axis
from explainers.target import Target
from models.errors import InvalidInstance
from models.predictor import Rows
from models.schema import Decision, Feature, Kind, Labels, Schema, Task, plain

Table = Mapping[str, Any]

PROBABILITY = "policy.target.probability"


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
        reference = None if reference is None else schema.rows(reference)
        features = table.get("features", {})
        for name in features:
            _column(schema, name, f"policy.features.{name}")
        costs = tuple(
            _feature_cost(f, features.get(f.name, {}), _default_scale(f, j, reference))
            for j, f in enumerate(schema.features)
        )
        constraints = [
            *_feature_constraints(schema, features),
            *_rules(schema, table.get("rules", ()), "policy", Source.POLICY),
            *_max_changes(table, "policy.max_changes", Source.POLICY),
        ]
        if "plausibility" in table:
            scales = tuple(c.scale for c in costs)
            constraints.append(
                _plausible(table["plausibility"], schema, scales, reference, plausibility)
            )
        penalty = _non_negative(table.get("change_penalty", 0.0), "policy.change_penalty")
        phrases = {n: t["phrases"] for n, t in features.items() if "phrases" in t}
        tolerances = _tolerances(schema, features)
        if table.get("robust", False):
            constraints.append(_survives(tolerances, "policy.robust", Source.POLICY))
        cost = Cost(costs, penalty)
        probability = _probability(table, decision)
        return cls(
            schema, decision, tuple(constraints), cost, reference, phrases, tolerances, probability
        )

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
        lower = self.probability or -math.inf
        origin = Origin(Source.POLICY, PROBABILITY)
        return Target(self.decision, self.decision.desired, lower, origin=origin)

    def problem(
        self,
        factual: Any,
        target: Target | None = None,
        *,
        constraints: Sequence[Constraint] = (),
        alternatives: int = 1,
        seed: int = 0,
    ) -> Problem:
        """The question about ``factual`` under this policy, tightened by ``constraints``.

        Raises
        ------
        InvalidInstance
            If the factual is no instance of the schema; what has names is matched by them
            (:meth:`Schema.row`).
        """
        return Problem(
            self.schema,
            factual,
            target or self.target(),
            (*self.constraints, *constraints),
            self.cost,
            self.references,
            alternatives,
            seed,
        )


def read_constraints(
    table: Table, schema: Schema, tolerances: tuple[float, ...] = ()
) -> tuple[Constraint, ...]:
    """What a request adds to the policy; see the keys below. ``tolerances`` are the policy's.

    Raises
    ------
    InvalidPolicy
        Naming the key under ``constraints``, the value and the limit.
    """
    asked = tuple(_requested(table, schema))
    if table.get("robust", False):
        return (*asked, _survives(tolerances, "constraints.robust", Source.REQUEST))
    return asked


def _requested(table: Table, schema: Schema) -> Iterator[Constraint]:
    for i, name in enumerate(table.get("freeze", ())):
        key = f"constraints.freeze.{i}"
        yield Immutable(_column(schema, name, key), origin=Origin(Source.REQUEST, key))
    for name, (low, high) in table.get("ranges", {}).items():
        key = f"constraints.ranges.{name}"
        lower, upper = _ordered(low, high, key)
        column = _numeric(schema, name, key)
        yield Range(column, lower, upper, origin=Origin(Source.REQUEST, key))
    for name, sense in table.get("directions", {}).items():
        key = f"constraints.directions.{name}"
        column = _ordered_column(schema, name, key)
        yield Direction(column, _sense(sense, key), origin=Origin(Source.REQUEST, key))
    for name, amount in table.get("max_change", {}).items():
        key = f"constraints.max_change.{name}"
        column = _numeric(schema, name, key)
        yield MaxChange(column, _non_negative(amount, key), origin=Origin(Source.REQUEST, key))
    for name, values in table.get("only_to", {}).items():
        key = f"constraints.only_to.{name}"
        column = _column(schema, name, key)
        wanted = _values(schema.features[column], values, key)
        yield OnlyTo(column, wanted, origin=Origin(Source.REQUEST, key))
    yield from _rules(schema, table.get("rules", ()), "constraints", Source.REQUEST)
    yield from _max_changes(table, "constraints.max_changes", Source.REQUEST)


def _feature_constraints(schema: Schema, tables: Mapping[str, Table]) -> Iterator[Constraint]:
    for column, feature in enumerate(schema.features):
        table = tables.get(feature.name, {})
        key = f"policy.features.{feature.name}"
        why = table.get("why", {})

        def origin(part: str, key: str = key, why: Labels = why) -> Origin:
            return Origin(Source.POLICY, f"{key}.{part}", why)

        settable = feature.kind.is_categorical or feature.resolution is not None
        if not table.get("actionable", settable):
            yield Immutable(column, origin=origin("actionable"))
            continue
        if not settable:
            raise InvalidPolicy(
                f"{key}.actionable",
                f"{feature.name} has no resolution, so nothing can be set",
                True,
            )
        if feature.may_be_missing and not table.get("fillable", False):
            yield NotMissing(column, origin=origin("fillable"))
        if table.get("direction", "any") != "any":
            _ordered_column(schema, feature.name, f"{key}.direction")
            sense = _sense(table["direction"], f"{key}.direction")
            yield Direction(column, sense, origin=origin("direction"))
        if "range" in table:
            _numeric(schema, feature.name, f"{key}.range")
            low, high = table["range"]
            lower, upper = _ordered(low, high, f"{key}.range")
            yield Settable(column, lower, upper, origin=origin("range"))
        if "max_change" in table:
            _numeric(schema, feature.name, f"{key}.max_change")
            amount = _non_negative(table["max_change"], f"{key}.max_change")
            yield MaxChange(column, amount, origin=origin("max_change"))
        if "only_to" in table:
            wanted = _values(feature, table["only_to"], f"{key}.only_to")
            yield OnlyTo(column, wanted, origin=origin("only_to"))


def _rules(
    schema: Schema, tables: Sequence[Table | str], parent: str, source: Source
) -> Iterator[Constraint]:
    for i, table in enumerate(tables):
        key = f"{parent}.rules.{i}"
        text, why = (table, {}) if isinstance(table, str) else (table["rule"], table.get("why", {}))
        try:
            yield read_rule(text, schema, Origin(source, key, why))
        except InvalidRule as error:
            raise InvalidPolicy(key, str(error), text) from error


def _max_changes(table: Table, key: str, source: Source) -> Iterator[Constraint]:
    count = table.get("max_changes")
    if count is None:
        return
    if isinstance(count, bool) or not isinstance(count, int) or count < 1:
        raise InvalidPolicy(key, f"is {count}, not a whole number of at least 1", count, 1)
    yield MaxChanges(count, origin=Origin(source, key))


def _tolerances(schema: Schema, tables: Mapping[str, Table]) -> tuple[float, ...]:
    declared = [name for name in schema.names if "tolerance" in tables.get(name, {})]
    for name in declared:
        _numeric(schema, name, f"policy.features.{name}.tolerance")
    if not declared:
        return ()
    return tuple(
        _non_negative(
            tables.get(name, {}).get("tolerance", 0.0), f"policy.features.{name}.tolerance"
        )
        for name in schema.names
    )


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


def _survives(tolerances: tuple[float, ...], key: str, source: Source) -> Survives:
    if not any(tolerances):
        raise InvalidPolicy(key, "is true, but no feature of this model declares a tolerance", True)
    return Survives(tolerances, origin=Origin(source, key))


def _plausible(
    table: Table,
    schema: Schema,
    scales: tuple[float, ...],
    reference: Rows | None,
    scorer: Scorer | None,
) -> Constraint:
    origin = Origin(Source.POLICY, "policy.plausibility", table.get("why", {}))
    key = "policy.plausibility.method"
    if table["method"] == "onnx":
        if scorer is None:
            raise InvalidPolicy(key, "is onnx, but the folder has no plausibility.onnx", "onnx")
        if "min_score" not in table:
            raise InvalidPolicy("policy.plausibility.min_score", "is missing")
        return Plausible(scorer, lower=float(table["min_score"]), origin=origin)
    if reference is None:
        raise InvalidPolicy(key, "is knn, but the folder has no reference rows", "knn")
    k = int(table.get("k", 5))
    if not 1 <= k <= len(reference):
        limit = (1, len(reference))
        raise InvalidPolicy("policy.plausibility.k", f"is {k}, outside {list(limit)}", k, limit)
    if "max_distance" not in table:
        raise InvalidPolicy("policy.plausibility.max_distance", "is missing")
    distance = NeighbourDistance(schema, reference, scales, k)
    return Plausible(distance, upper=float(table["max_distance"]), origin=origin)


def _feature_cost(feature: Feature, table: Table, default_scale: float) -> FeatureCost:
    key = f"policy.features.{feature.name}"
    scale = float(table.get("scale", default_scale))
    movable = table.get("actionable", True) and not feature.kind.is_categorical
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


def _default_scale(feature: Feature, column: int, reference: Rows | None) -> float:
    """Median absolute deviation of the reference; the range where that is 0 (Wachter 2018)."""
    if feature.kind.is_categorical:
        return 1.0
    if reference is not None:
        seen = reference[:, column][~np.isnan(reference[:, column])]
        if seen.size:
            deviation = float(np.median(np.abs(seen - np.median(seen))))
            spread = float(seen.max() - seen.min())
            if deviation or spread:
                return deviation or spread
    return feature.upper - feature.lower


def _column(schema: Schema, name: object, key: str) -> int:
    if name not in schema:
        known = ", ".join(schema.names)
        raise InvalidPolicy(
            key, f"{name} is not a feature of this model ({known})", name, schema.names
        )
    return schema.index(str(name))


def _numeric(schema: Schema, name: str, key: str) -> int:
    column = _column(schema, name, key)
    if schema.features[column].kind.is_categorical:
        raise InvalidPolicy(key, f"{name} is a category, not a number", name)
    return column


def _ordered_column(schema: Schema, name: str, key: str) -> int:
    column = _column(schema, name, key)
    if schema.features[column].kind is Kind.NOMINAL:
        raise InvalidPolicy(key, f"the categories of {name} have no order", name)
    return column


def _ordered(low: float | None, high: float | None, key: str) -> tuple[float, float]:
    lower = -math.inf if low is None else float(low)
    upper = math.inf if high is None else float(high)
    if not lower <= upper:
        raise InvalidPolicy(
            key, f"is [{plain(lower)}, {plain(upper)}], the lower end above the upper", [low, high]
        )
    return lower, upper


def _sense(text: object, key: str) -> Sense:
    if text not in (Sense.UP.value, Sense.DOWN.value):
        raise InvalidPolicy(key, f"is {text!r}, neither 'up' nor 'down'", text, ("up", "down"))
    return Sense(str(text))


def _non_negative(number: Any, key: str) -> float:
    if not 0.0 <= float(number) < math.inf:
        raise InvalidPolicy(key, f"is {number}, not a number of at least 0", number, 0)
    return float(number)


def _values(feature: Feature, wire: Sequence[Any], key: str) -> tuple[float, ...]:
    """Values that can be set, read from the wire: known, within bounds, on the grid."""
    settable = Axis.of(feature, math.nan)
    values = []
    for i, value in enumerate(wire):
        try:
            number = feature.read(value)
        except InvalidInstance as error:
            problem = error.problems[0]
            raise InvalidPolicy(f"{key}.{i}", problem.problem, value, problem.limit) from error
        if number not in settable:
            raise InvalidPolicy(
                f"{key}.{i}",
                f"{value} {feature.unit}".rstrip()
                + f" cannot be set: {feature.name} goes in steps of {feature.resolution}",
                value,
                str(feature.resolution),
            )
        values.append(number)
    return tuple(sorted(values))

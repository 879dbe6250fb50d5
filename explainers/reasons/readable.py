"""What may be read: every row that a plant may show, and not only what somebody may set.

Other readings than those that are held may be anything within the schema's bounds, on the grid of
the feature's resolution (which the instance's own reading need not be on), as long as the plant's
rules about rows are kept. What a policy says of *changes* (what is immutable, only up, at most so
many) says nothing of what may be read; nor does a causal model, which would take readings away:
what is forced here is forced with it, too. A reading that is there is not taken to be missing.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import replace
from decimal import Decimal

from ifonly.explainers.constraints import Comparison, Condition, Constraint, IsIn, Rule
from ifonly.explainers.cost import Cost, FeatureCost
from ifonly.explainers.errors import InvalidTarget
from ifonly.explainers.problem import Problem
from ifonly.explainers.reason import ReadableRange
from ifonly.explainers.target import Target
from ifonly.models.errors import FieldProblem, InvalidInstance
from ifonly.models.predictor import Row, Rows
from ifonly.models.schema import Decision, Feature, Kind, Schema, plain

STEPS = 3
"""A feature without a resolution is read in steps of a power of ten: the largest with more than ten
to this many of them between its bounds."""


def readable_schema(schema: Schema) -> Schema:
    """The same features, each with a step between its readings; ``schema`` itself where each has.

    Raises
    ------
    InvalidInstance
        Naming the features without bounds: of them nothing can be said for every reading.
    """
    endless = [f for f in schema.features if not _is_bounded(f)]
    if endless:
        raise InvalidInstance([_no_bounds(f) for f in endless])
    if all(f.kind.is_categorical or f.resolution is not None for f in schema.features):
        return schema
    return Schema(tuple(map(_with_step, schema.features)))


def _is_bounded(feature: Feature) -> bool:
    return feature.kind.is_categorical or math.isfinite(feature.upper - feature.lower)


def _no_bounds(feature: Feature) -> FieldProblem:
    told = (
        f"{feature.name} has no bounds ({plain(feature.lower)} to {plain(feature.upper)}"
        f"{f' {feature.unit}' if feature.unit else ''}): what is so of every reading of it cannot "
        "be told; declare its bounds in spec.toml"
    )
    return FieldProblem(feature.name, told, None, feature.unit, (feature.lower, feature.upper))


def _with_step(feature: Feature) -> Feature:
    if feature.kind.is_categorical or feature.resolution is not None:
        return feature
    if feature.kind is Kind.INTEGER:
        return replace(feature, resolution=Decimal(1))
    extent = feature.upper - feature.lower
    # Bounds that are equal leave one reading, whatever the step.
    power = math.ceil(math.log10(extent)) - STEPS - 1 if extent > 0.0 else 0
    return replace(feature, resolution=Decimal(1).scaleb(power))


def ranges_of(schema: Schema, readable: Schema) -> tuple[ReadableRange, ...]:
    """What every feature may read."""
    found = []
    for j, (own, read) in enumerate(zip(schema.features, readable.features, strict=True)):
        if own.kind.is_categorical:
            found.append(ReadableRange(j, 0.0, len(own.categories) - 1.0, None))
        else:
            step = f"{read.resolution:f}"
            found.append(ReadableRange(j, own.lower, own.upper, step, own.resolution is None))
    return tuple(found)


def rules_of_rows(constraints: Sequence[Constraint]) -> tuple[Rule, ...]:
    """Those of the plant's rules that say which rows there are, and nothing of changes."""
    return tuple(c for c in constraints if isinstance(c, Rule) and _is_of_row(c))


def _is_of_row(rule: Rule) -> bool:
    return all(map(_reads_row_alone, (*rule.when, *rule.then)))


def _reads_row_alone(condition: Condition) -> bool:
    match condition:
        case Comparison(before=before):
            return not before
        case IsIn(of_factual=of_factual):
            return not of_factual
        # That a feature changes says something of the instance, too.
        case _:
            return False


def decided_otherwise(decision: Decision, decided: int) -> tuple[Target, ...]:
    """All decisions but one, as targets.

    Raises
    ------
    InvalidTarget
        If the model decides nothing.
    """
    if decided < 0:
        raise InvalidTarget(
            "decision", "this model has no limit that decides a class, so nothing forces one"
        )
    others = (k for k in range(len(decision.classes)) if k != decided)
    return tuple(Target(decision, k) for k in others)


def problems_of(
    schema: Schema,
    factual: Row,
    targets: Sequence[Target],
    rules: tuple[Rule, ...],
    references: Rows | None,
    seed: int,
) -> tuple[Problem, ...]:
    """One for each target: any row that may be read, in that target. ``schema``: a readable one."""
    cost = Cost(tuple(map(_distance, schema.features)))
    return tuple(
        Problem(schema, factual, target, rules, cost, references, seed=seed) for target in targets
    )


def _distance(feature: Feature) -> FeatureCost:
    """Rows near the instance are looked at first: any will do, and a near one is told best."""
    nominal = feature.kind is Kind.NOMINAL
    if feature.kind.is_categorical:
        return FeatureCost(scale=max(1.0, len(feature.categories) - 1.0), nominal=nominal)
    return FeatureCost(scale=(feature.upper - feature.lower) or 1.0)

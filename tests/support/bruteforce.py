"""The oracle: walk every row and keep the cheapest. Plain Python; shares nothing with engines.

Values come from decimal arithmetic, rules from predicates written beside each rule's text,
cost from the formula in the design.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from decimal import Decimal
from typing import Any

import numpy as np

from ifonly.models.predictor import Predictor, Row
from ifonly.models.schema import Feature, Kind, Schema

Values = Sequence[float] | Row
"""A row in plain Python: reading numbers out of an array one by one takes five times as long."""
Predicate = Callable[[Any, Any], bool]
"""(counterfactual row, factual row) -> kept? Of values or arrays."""


def settable(feature: Feature, before: float) -> list[float]:
    """Every value of one feature: what can be set, and what it is now."""
    if feature.kind in (Kind.NOMINAL, Kind.ORDINAL):
        return [float(k) for k in range(len(feature.categories))]
    assert feature.resolution is not None
    values, step = [], feature.resolution
    multiple = math.floor(Decimal(str(feature.lower)) / step)
    while step * multiple <= Decimal(str(feature.upper)):
        if step * multiple >= Decimal(str(feature.lower)):
            values.append(float(step * multiple))
        multiple += 1
    if not any(v == before for v in values):
        values.append(before)
    return values


def cheapest(
    schema: Schema,
    factual: Row,
    predictor: Predictor,
    met: Callable[[np.ndarray], np.ndarray],
    kept: Sequence[Predicate],
    cost: Callable[[Values, Values], float],
) -> tuple[float, Values] | None:
    """The least cost of a row that is kept by every predicate and in the target."""
    axes = [settable(f, float(v)) for f, v in zip(schema.features, factual, strict=True)]
    rows = np.array(list(itertools.product(*axes)))
    rows = rows[met(predictor.score(rows))]
    before = factual.tolist()
    best: tuple[float, Values] | None = None
    for row in rows.tolist():
        price = cost(row, before)
        if (best is None or price < best[0]) and all(keeps(row, before) for keeps in kept):
            best = (price, row)
    return best


def moved(row: Values, factual: Values) -> list[bool]:
    """Which values differ; NaN, the only one that is not itself, does not differ from NaN."""
    return [a != b and (a == a or b == b) for a, b in zip(row, factual, strict=True)]

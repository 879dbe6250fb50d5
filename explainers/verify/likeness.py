"""How unlike the rows that were seen a row is: the policy's plausibility, for one row."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from explainers.verify.limits import Limit, scored_within
from explainers.verify.price import Price
from models.predictor import Predictor, Rows
from models.schema import Kind, Schema

KEY = "policy.plausibility"


def plausibility_limit(
    table: Mapping[str, Any],
    schema: Schema,
    price: Price,
    reference: Rows | None,
    scorer: Predictor | None,
) -> Limit:
    """The limit of ``[policy.plausibility]``: by ``plausibility.onnx``, or by the mean distance
    to the ``k`` nearest reference rows."""
    if table["method"] == "onnx":
        assert scorer is not None
        return scored_within(KEY, _scored(scorer), float(table["min_score"]), np.inf)
    assert reference is not None
    distance = neighbour_distance(schema, price, reference, int(table.get("k", 5)))
    return scored_within(KEY, distance, -np.inf, float(table["max_distance"]))


def _scored(scorer: Predictor) -> Callable[[Sequence[float]], float]:
    return lambda row: float(scorer.score(np.array([row], dtype=np.float64))[0, 0])


def neighbour_distance(
    schema: Schema, price: Price, reference: Rows, k: int
) -> Callable[[Sequence[float]], float]:
    """Mean distance to the ``k`` nearest of ``reference``; between rows, the mean over features
    of ``|a - b| / scale``, of ``a != b`` for categories without order, of 1 where one is missing
    and of 0 where both are."""
    columns = [list(map(float, column)) for column in reference.T]
    scales = [float(own.scale) for own in price.features]

    def distance(row: Sequence[float]) -> float:
        totals = [0.0] * len(reference)
        for j, feature in enumerate(schema.features):
            for i, seen in enumerate(columns[j]):
                totals[i] += _apart(row[j], seen, scales[j], feature.kind is Kind.NOMINAL)
        return sum(sorted(totals)[:k]) / k / len(schema)

    return distance


def _apart(a: float, b: float, scale: float, is_nominal: bool) -> float:
    if a != a or b != b:
        return 0.0 if a != a and b != b else 1.0
    if is_nominal:
        return float(a != b)
    return abs(a - b) / scale

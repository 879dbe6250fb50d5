"""How unlike the rows that were seen a row is: the policy's plausibility, for one row."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np
import numpy.typing as npt

from ifonly.explainers.verify.limits import Limit, scored_within
from ifonly.explainers.verify.price import Price
from ifonly.models.predictor import Predictor, Rows
from ifonly.models.schema import Kind, Schema

KEY = "policy.plausibility"
Values = npt.NDArray[np.float64]


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
    scales = [float(own.scale) for own in price.features]
    read = [j for j in range(len(schema)) if j not in schema.unread]

    def distance(row: Sequence[float]) -> float:
        totals = np.zeros(len(reference))
        for j in read:
            is_nominal = schema.features[j].kind is Kind.NOMINAL
            totals += _apart(row[j], reference[:, j], scales[j], is_nominal)
        # All distances and a sort: slower than the engines' way, and not shared with it.
        return float(np.sort(totals)[:k].sum()) / k / len(read)

    return distance


def _apart(value: float, seen: Values, scale: float, is_nominal: bool) -> Values:
    """How far one value is from each that was ``seen``, ``(n,)``."""
    is_absent = np.isnan(seen)
    if value != value:
        return np.where(is_absent, 0.0, 1.0)
    apart = seen != value if is_nominal else np.abs(seen - value) / scale
    return np.where(is_absent, 1.0, apart)

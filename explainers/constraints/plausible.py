"""Rows like rows that were seen."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

import numpy as np

from ifonly.explainers.constraints.base import Constraint, Scorer
from ifonly.explainers.constraints.cells import Axes, Cells, Factual, Kept
from ifonly.explainers.constraints.given import Given, as_float
from ifonly.explainers.constraints.kind import ConstraintKey, ConstraintKind
from ifonly.explainers.plausibility import NeighbourDistance
from ifonly.models.predictor import Row, finite


@dataclass(frozen=True)
class Plausible(Constraint):
    """The row is like rows that were seen: ``lower <= scorer(row) <= upper``.

    A factual that is itself implausible does not make its counterfactuals so: the level is
    what the policy declares, for the row as it would be.
    """

    asks_a_model = True

    scorer: Scorer
    lower: float = -math.inf
    upper: float = math.inf

    @property
    def columns(self) -> frozenset[int]:
        return frozenset()

    def kept(self, cells: Cells, factual: Factual) -> Kept:
        # One row or the columns of many: scorers take rows.
        rows = np.atleast_2d(np.transpose(cells))
        if not len(rows):
            return np.zeros(0, dtype=np.bool_)
        scores = finite(self.scorer.score(rows), rows, "plausibility")[:, 0]
        return (scores >= self.lower) & (scores <= self.upper)

    def narrow(self, axes: Axes, factual: Row) -> Axes:
        # Nothing is known of single features: a row is odd as a whole.
        return axes


def _read(given: Given) -> Iterator[Plausible]:
    table = given.table()
    origin = given.because(table.get("why")).origin
    if table["method"] == "onnx":
        scorer = _models_own(given)
        yield Plausible(scorer, lower=_limit(given, "min_score"), origin=origin)
    else:
        distance = _neighbours(given)
        yield Plausible(distance, upper=_limit(given, "max_distance"), origin=origin)


def _limit(given: Given, name: str) -> float:
    limit = given.table().get(name)
    if limit is None:
        raise given.at(name, None).fault("is missing")
    return as_float(limit)


def _models_own(given: Given) -> Scorer:
    if given.context.scorer is None:
        method = given.at("method", "onnx")
        raise method.fault("is onnx, but the folder has no plausibility.onnx", "onnx")
    return given.context.scorer


def _neighbours(given: Given) -> NeighbourDistance:
    context = given.context
    if context.references is None:
        method = given.at("method", "knn")
        raise method.fault("is knn, but the folder has no reference rows", "knn")
    limit, k = (1, len(context.references)), int(as_float(given.table().get("k", 5)))
    if not limit[0] <= k <= limit[1]:
        raise given.at("k", k).fault(f"is {k}, outside {list(limit)}", k, limit)
    return NeighbourDistance(context.schema, context.references, context.scales, k)


KIND = ConstraintKind(
    Plausible,
    place=100,
    of_policy=ConstraintKey(
        "plausibility",
        {"$ref": "#/$defs/plausibility"},
        _read,
        defs={
            "plausibility": {
                "title": "Plausibility",
                "description": "How unlike the reference data a counterfactual may be at most.",
                "type": "object",
                "required": ["method"],
                "additionalProperties": False,
                "properties": {
                    "method": {
                        "title": "Method",
                        "description": "`knn`: mean distance to the nearest rows of "
                        "reference.csv; `onnx`: the score of plausibility.onnx.",
                        "enum": ["knn", "onnx"],
                    },
                    "k": {
                        "title": "Neighbours",
                        "description": "knn: how many nearest reference rows.",
                        "type": "integer",
                        "minimum": 1,
                        "default": 5,
                    },
                    "max_distance": {
                        "title": "Largest distance",
                        "description": "knn: the largest mean cost-scaled L1 distance allowed.",
                        "type": "number",
                        "exclusiveMinimum": 0,
                    },
                    "min_score": {
                        "title": "Smallest score",
                        "description": "onnx: the smallest score allowed (an isolation forest's "
                        "is lower the odder the row).",
                        "type": "number",
                    },
                    "why": {
                        "title": "Why",
                        "description": "The reason for the limit, by language.",
                        "$ref": "#/$defs/labels",
                    },
                },
            }
        },
    ),
)

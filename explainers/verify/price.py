"""What an action costs, from the policy's table, in exact decimals."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from decimal import Decimal
from typing import Any

import numpy as np

from ifonly.explainers.verify.reading import Reading, exact, moved
from ifonly.models.predictor import Rows
from ifonly.models.schema import Feature, Kind, Schema

_ONE = Decimal(1)


@dataclass(frozen=True)
class FeaturePrice:
    """``fixed + weight * distance`` for a change, nothing for none."""

    weight: Decimal = _ONE
    scale: Decimal = _ONE
    """A number's scale, in its unit; ordered categories go by steps."""
    fixed: Decimal = Decimal(0)
    matrix: tuple[tuple[Decimal, ...], ...] | None = None
    """Distances between categories, where they are declared."""
    is_nominal: bool = False

    def of(self, now: Reading, was: Reading, j: int) -> Decimal:
        """What it costs that column ``j`` moves."""
        return self.fixed + self.weight * self._distance(now, was, j)

    def _distance(self, now: Reading, was: Reading, j: int) -> Decimal:
        # From nothing there is no distance: filling a value costs one step.
        if was.is_missing(j):
            return _ONE
        # Before the kinds: a declared matrix counts for ordered categories too.
        if self.matrix is not None:
            return self.matrix[int(was[j])][int(now[j])]
        if self.is_nominal:
            return _ONE
        return abs(now.exact(j) - was.exact(j)) / self.scale


@dataclass(frozen=True)
class Price:
    """``sum_j price_j + penalty * |set|`` over what is set; effects are free."""

    features: tuple[FeaturePrice, ...]
    penalty: Decimal = Decimal(0)

    def of(self, now: Reading, was: Reading, columns: Sequence[int] | None = None) -> Decimal:
        """What the action ``now`` costs; ``columns`` are what it sets, where that is known."""
        columns = moved(now, was) if columns is None else columns
        return sum((self.features[j].of(now, was, j) for j in columns), self.penalty * len(columns))


def read_price(policy: Mapping[str, Any], schema: Schema, reference: Rows | None) -> Price:
    """The price that ``[policy]`` declares; ``reference`` ``(n, n_features)`` gives scales that
    it leaves out: the median absolute deviation, or the spread where that is 0."""
    own = policy.get("features", {})
    features = tuple(
        _read(feature, own.get(feature.name, {}), _seen(reference, schema, j))
        for j, feature in enumerate(schema.features)
    )
    return Price(features, exact(policy.get("change_penalty", 0.0)))


def _seen(reference: Rows | None, schema: Schema, column: int) -> Any:
    """Readings by whose spread a move of ``column`` is measured."""
    return None if reference is None else reference[:, schema.scale_columns(column)].ravel()


def _read(feature: Feature, table: Mapping[str, Any], seen: Sequence[float] | Any) -> FeaturePrice:
    scale = float(table["scale"]) if "scale" in table else default_scale(feature, seen)
    matrix = table.get("cost_matrix")
    return FeaturePrice(
        weight=exact(table.get("weight", 1.0)),
        # A feature without spread or bounds is measured in its own unit.
        scale=exact(scale) if 0.0 < scale < math.inf else _ONE,
        fixed=exact(table.get("fixed_cost", 0.0)),
        matrix=None if matrix is None else tuple(tuple(map(exact, row)) for row in matrix),
        is_nominal=feature.kind is Kind.NOMINAL,
    )


def default_scale(feature: Feature, seen: Any) -> float:
    """Median absolute deviation of what was ``seen``, ``(n,)`` or None; the spread where that is
    0; the width of the bounds where that is 0 too (Wachter et al. 2018, eq. 4)."""
    if feature.kind.is_categorical:
        return 1.0
    present = [] if seen is None else sorted(float(v) for v in seen if v == v)
    if present:
        middle = float(np.median(present))
        deviation = float(np.median([abs(v - middle) for v in present]))
        # More than half of the rows may be alike; then the spread still says something.
        found = deviation or present[-1] - present[0]
        if found:
            return found
    return feature.upper - feature.lower

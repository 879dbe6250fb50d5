"""The generated schema on grids of 10 to 10,000,000 values, and an oracle that no grid is too fine
for: it looks for an allowed row in the target that is cheaper than what is claimed.

Along every lever, and over every pair of them for every choice of categories, it walks to where the
decision changes: at breakpoints of the score where they are known (thresholds of trees), near the
claimed answer step by step, and elsewhere by halving. Plain decimals, predicates and the deployed
model; nothing is shared with the engines. What it finds refutes a claim; what it does not find is
no proof, so it is told apart in the campaign from the walk over every row.
"""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from decimal import Decimal

import numpy as np

from ifonly.models.graph.forms import GraphForm, TreeEnsemble
from ifonly.models.predictor import Predictor, Row, Rows
from ifonly.models.schema import Feature, Kind, Schema
from tests.support.bruteforce import Predicate
from tests.support.generated import SCHEMA

LEAST, MOST = 10, 10_000_000
"""Values of an axis."""
DIGITS = (1, 2, 5)
NUMBERS = (0, 1, 4)
MODE, GRADE = 2, 3
NEAR = 12
"""Steps around a claimed value, and around where a decision changes, that are all looked at."""
SPREAD = 7
POINTS = 17
"""At which a stretch is looked at before the part in which the decision changes is again."""

Met = Callable[[np.ndarray], np.ndarray]
Price = Callable[[Row, Row], float]


def fine_schema(draw: np.random.Generator) -> Schema:
    """Every number on a grid of its own, how fine: log-uniform."""
    return Schema(tuple(_refined(f, draw) for f in SCHEMA.features))


def with_counts(counts: Sequence[int]) -> Schema:
    """The numbers of the schema on grids of nearly so many values."""
    each = dict(zip(NUMBERS, counts, strict=True))
    features = enumerate(SCHEMA.features)
    return Schema(tuple(_on_grid(f, each[j]) if j in each else f for j, f in features))


def _refined(feature: Feature, draw: np.random.Generator) -> Feature:
    if feature.kind.is_categorical:
        return feature
    return _on_grid(feature, math.exp(draw.uniform(math.log(LEAST), math.log(MOST))))


def _on_grid(feature: Feature, count: float) -> Feature:
    power = math.floor(math.log10((feature.upper - feature.lower) / count))
    wanted = (feature.upper - feature.lower) / count / 10.0**power
    digit = max(d for d in DIGITS if d <= wanted * (1 + 1e-9))
    return replace(feature, kind=Kind.CONTINUOUS, resolution=Decimal(digit).scaleb(power))


@dataclass(frozen=True)
class Refuter:
    """Looks for a cheaper row than is claimed."""

    schema: Schema
    factual: Row
    predictor: Predictor
    met: Met
    kept: Sequence[Predicate]
    price: Price
    thresholds: dict[int, list[float]]
    """Where the score may jump, of each number."""

    def cheapest(self, claimed: float, near: Row | None) -> tuple[float, Row] | None:
        """The cheapest row that it finds below ``claimed``."""
        best: tuple[float, Row] | None = None
        for mode, grade in itertools.product(range(3), range(3)):
            start = self.factual.copy()
            start[MODE], start[GRADE] = mode, grade
            for one in NUMBERS:
                found = self._along(start[None], one, near, claimed)
                for other in NUMBERS:
                    if other != one:
                        moved = self._set(start, other, self._anchors(other, near))
                        found = _cheaper(found, self._along(moved, one, near, claimed))
                best = _cheaper(best, found)
            best = _cheaper(best, self._judge(start[None], claimed))
        return best

    def _set(self, row: Row, column: int, values: list[float]) -> Rows:
        rows = np.repeat(row[None], len(values), axis=0)
        rows[:, column] = values
        return rows

    def _anchors(self, column: int, near: Row | None) -> list[float]:
        """Values of the other of two levers."""
        first, last = self._ends(column)
        multiples = set(np.linspace(first, last, SPREAD).astype(int).tolist())
        around = [self.factual[column]] + ([] if near is None else [near[column]])
        for value in [*around, *self.thresholds.get(column, [])]:
            if not math.isnan(value):
                at = self._multiple(column, value)
                wide = NEAR if value in around else 1
                multiples |= set(range(at - wide, at + wide + 1))
        kept = np.array([m for m in sorted(multiples) if first <= m <= last])
        return [float(v) for v in self._values(column, kept)]

    def _along(
        self, rows: Rows, column: int, near: Row | None, claimed: float
    ) -> tuple[float, Row] | None:
        """Of every row with each value of ``column`` where the decision may change."""
        first, last = self._ends(column)
        stops = {first, last}
        for value in [self.factual[column], *self.thresholds.get(column, [])]:
            if not math.isnan(value):
                stops |= {self._multiple(column, value) + s for s in (-1, 0, 1)}
        if near is not None and not math.isnan(near[column]):
            at = self._multiple(column, near[column])
            stops |= set(range(at - NEAR, at + NEAR + 1))
        stops = {m for m in stops if first <= m <= last}
        multiples = np.union1d(sorted(stops), np.linspace(first, last, POINTS).astype(int))
        grid = np.repeat(multiples[None], len(rows), axis=0)
        looked = [(np.repeat(rows, grid.shape[1], axis=0), grid.ravel())]
        inside = self._inside(rows, column, grid)
        # Every change of the decision is halved down to one step.
        source, k = np.nonzero(inside[:, 1:] != inside[:, :-1])
        low, high = grid[source, k], grid[source, k + 1]
        at_low = inside[source, k]
        while len(low) and (high - low).max() > 1:
            middle = (low + high) // 2
            hit = self._inside(rows[source], column, middle[:, None])[:, 0]
            same = hit == at_low
            low, high = np.where(same, middle, low), np.where(same, high, middle)
        for step in range(-NEAR, NEAR + 1):
            looked.append((rows[source], np.clip(low + step, first, last)))
        every = np.concatenate([r for r, _ in looked])
        every[:, column] = self._values(column, np.concatenate([m for _, m in looked]))
        return self._judge(every, claimed)

    def _inside(self, rows: Rows, column: int, multiples: np.ndarray) -> np.ndarray:
        every = np.repeat(rows, multiples.shape[1], axis=0)
        every[:, column] = self._values(column, multiples.ravel())
        return self.met(self.predictor.score(every)).reshape(multiples.shape)

    def _judge(self, rows: Rows, claimed: float) -> tuple[float, Row] | None:
        cheap = np.flatnonzero(self._least_costs(rows) < claimed)
        rows = rows[cheap]
        if not len(rows):
            return None
        rows = rows[self.met(self.predictor.score(rows))]
        best: tuple[float, Row] | None = None
        for row in np.unique(rows, axis=0):
            cost = self.price(row, self.factual)
            below = (claimed if best is None else best[0]) - 1e-9 * max(1.0, cost)
            if cost < below and all(keeps(row, self.factual) for keeps in self.kept):
                best = cost, row
        return best

    def _least_costs(self, rows: Rows) -> np.ndarray:
        """Below what each of ``rows`` costs by the price of its numbers."""
        total = np.zeros(len(rows))
        for column, span, weight in zip(NUMBERS, (2.0, 90.0, 0.7), (1.0, 2.0, 1.0), strict=True):
            if not math.isnan(self.factual[column]):
                total += weight * np.abs(rows[:, column] - self.factual[column]) / span
        return total

    def _step(self, column: int) -> Decimal:
        step = self.schema.features[column].resolution
        assert step is not None
        return step

    def _values(self, column: int, multiples: np.ndarray) -> np.ndarray:
        """The floats nearest to the decimals: two whole numbers, divided once."""
        up, down = self._step(column).as_integer_ratio()
        return np.asarray(multiples * up / down)

    def _multiple(self, column: int, value: float) -> int:
        return round(Decimal(repr(float(value))) / self._step(column))

    def _ends(self, column: int) -> tuple[int, int]:
        feature, step = self.schema.features[column], self._step(column)
        return (
            math.ceil(Decimal(str(feature.lower)) / step),
            math.floor(Decimal(str(feature.upper)) / step),
        )


def _cheaper(
    one: tuple[float, Row] | None, other: tuple[float, Row] | None
) -> tuple[float, Row] | None:
    found = [f for f in (one, other) if f is not None]
    return min(found, key=lambda f: f[0], default=None)


def thresholds_of(form: GraphForm) -> dict[int, list[float]]:
    """Of the trees of a generated model, for each number; none if it has no trees."""
    found: dict[int, list[float]] = {j: [] for j in NUMBERS}
    if isinstance(form.core, TreeEnsemble):
        columns = dict(zip((0, 1, 6), NUMBERS, strict=True))
        for column, cut in zip(
            form.core.column.tolist(), form.core.threshold.tolist(), strict=True
        ):
            if column in columns:
                found[columns[column]].append(float(cut))
    return found

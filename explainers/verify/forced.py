"""What is claimed of readings that alone force a decision, held against rows.

No row can show that a set of readings is sufficient; each can show that it is not. So rows that
have those readings, and others taken from the corners of what may be read, from reference rows and
at random, are put to the deployed model. That a feature is needed is shown by one row, its witness:
there all of the claim is checked.
"""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass
from decimal import Decimal
from functools import cached_property

import numpy as np

from ifonly.explainers.verify.reading import Reading, exact, same
from ifonly.explainers.verify.rules import Statement, read_statement
from ifonly.models.predictor import Rows, Scores
from ifonly.models.schema import Decision, Feature, Kind, Schema

Values = Sequence[float]
Score = Callable[[Rows], Scores]
KEY = "policy.rules."


@dataclass(frozen=True, eq=False)
class ReadableRows:
    """The rows that may be read beside one instance, by the documents."""

    schema: Schema
    factual: tuple[float, ...]
    rules: tuple[tuple[str, Statement], ...]
    """Of the plant, by their keys: those that say which rows there are."""

    @classmethod
    def of(cls, schema: Schema, factual: Values, rules: Sequence[str]) -> ReadableRows:
        """``rules``: all of the policy's, as they are written there."""
        read = ((f"{KEY}{i}", read_statement(text, schema)) for i, text in enumerate(rules))
        return cls(schema, tuple(factual), tuple((k, s) for k, s in read if s.is_of_row))

    @cached_property
    def set_aside(self) -> tuple[str, ...]:
        """Keys of the rules that the instance itself breaks."""
        own = Reading(self.factual)
        return tuple(key for key, rule in self.rules if not rule.holds(own, own))

    @cached_property
    def kept(self) -> tuple[str, ...]:
        """Keys of those that rows keep."""
        return tuple(key for key, _ in self.rules if key not in self.set_aside)

    @cached_property
    def _statements(self) -> tuple[Statement, ...]:
        return tuple(rule for key, rule in self.rules if key in self.kept)

    @cached_property
    def _own(self) -> Reading:
        return Reading(self.factual)

    def keeps_rules(self, row: Values) -> bool:
        reading = Reading(row)
        return all(rule.holds(reading, self._own) for rule in self._statements)

    def fault(self, row: Values) -> str:
        """Why a row cannot be read there; empty where it can."""
        for j, feature in enumerate(self.schema.features):
            if not same(row[j], self.factual[j]) and not may_read(feature, row[j]):
                return f"{feature.name} cannot read {row[j]}"
        reading = Reading(row)
        for key, rule in self.rules:
            if key in self.kept and not rule.holds(reading, self._own):
                return f"{key} is not kept"
        return ""

    def beside(self, held: Sequence[int], references: Rows | None, most: int, seed: int) -> Rows:
        """Up to ``most`` rows that may be read with the instance's readings of ``held``: corners,
        reference rows, and rows at random, in turn."""
        rng = np.random.default_rng([seed, *held])
        found: list[list[float]] = []
        # Several times as many as are wanted: rules take most of them away.
        for row in self._proposed(held, references, 4 * most, rng):
            if len(found) == most:
                break
            if self.keeps_rules(row):
                found.append(row)
        return np.array(found, dtype=np.float64).reshape(len(found), len(self.factual))

    def _proposed(
        self, held: Sequence[int], references: Rows | None, count: int, rng: np.random.Generator
    ) -> Iterator[list[float]]:
        free = [j for j in range(len(self.factual)) if j not in set(held)]
        for i in range(count):
            row = list(self.factual)
            if references is not None and len(references) and i % 3 == 1:
                own = references[int(rng.integers(len(references)))]
                for j in free:
                    if may_read(self.schema.features[j], float(own[j])):
                        row[j] = float(own[j])
            else:
                for j in free:
                    row[j] = _drawn(self.schema.features[j], row[j], rng, is_corner=i % 3 == 0)
            yield row


def may_read(feature: Feature, value: float) -> bool:
    """Whether a feature may read a value besides the instance's: a number within its bounds, on
    the grid of its resolution if it has one; a category's code."""
    if not math.isfinite(value):
        return False
    if feature.kind.is_categorical:
        return value.is_integer() and 0 <= value < len(feature.categories)
    # Bounds are met within the rounding of decimals, as a grid's ends are.
    inside = feature.lower - _slack(feature.lower) <= value <= feature.upper + _slack(feature.upper)
    step = Decimal(1) if feature.resolution is None else feature.resolution
    is_on_grid = feature.kind is not Kind.INTEGER and feature.resolution is None
    return inside and (is_on_grid or exact(value) % step == 0)


def _slack(bound: float) -> float:
    return 1e-12 * max(1.0, abs(bound)) if math.isfinite(bound) else 0.0


def _drawn(feature: Feature, own: float, rng: np.random.Generator, *, is_corner: bool) -> float:
    """A value that may be read; of a corner, an end of its range or the instance's own."""
    if feature.kind.is_categorical:
        return float(rng.integers(len(feature.categories)))
    if not math.isfinite(feature.upper - feature.lower):
        return own
    step = feature.resolution
    if step is None and feature.kind is Kind.INTEGER:
        step = Decimal(1)
    pick = int(rng.integers(3)) if is_corner else 3
    if pick == 2:
        return own
    if step is None:
        ends = (feature.lower, feature.upper)
        return ends[pick] if pick < 2 else float(rng.uniform(*ends))
    first = math.ceil(exact(feature.lower) / step)
    last = math.floor(exact(feature.upper) / step)
    if last < first:
        return own
    multiple = (first, last)[pick] if pick < 2 else int(rng.integers(first, last, endpoint=True))
    return float(multiple * step)


@dataclass(frozen=True, eq=False)
class ForcedDecision:
    """Claims about one instance's decision, put to the deployed model."""

    rows: ReadableRows
    decision: Decision
    decided: int
    score: Score

    def contradicting(
        self, held: Sequence[Sequence[int]], references: Rows | None, most: int, seed: int = 0
    ) -> list[Values | None]:
        """Of each set of readings that is said to force the decision: a row that has them and is
        decided otherwise; None: none of up to ``most`` that were tried is."""
        tried = [self.rows.beside(each, references, most, seed) for each in held]
        everything = np.concatenate(tried) if tried else np.empty((0, len(self.rows.factual)))
        if not len(everything):
            return [None] * len(held)
        # One call for all sets.
        others = self.decision.decide(self.score(everything)) != self.decided
        found: list[Values | None] = []
        start = 0
        for each in tried:
            own = np.flatnonzero(others[start : start + len(each)])
            found.append(each[own[0]].tolist() if len(own) else None)
            start += len(each)
        return found

    def fault_of(self, columns: Sequence[int], column: int, row: Values) -> str:
        """Why a row does not show that ``column`` is needed beside the others of ``columns``, its
        decision apart; empty where it does."""
        names = self.rows.schema.names
        for j in columns:
            if j != column and not same(row[j], self.rows.factual[j]):
                return f"{names[j]} is not held"
        if same(row[column], self.rows.factual[column]):
            return f"{names[column]} does not differ"
        return self.rows.fault(row)

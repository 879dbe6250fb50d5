"""DiCE behind the same contract: a baseline to compare with, never a proof.

dice-ml (Mothilal et al. 2020) samples; where and how it runs is not this module's business: it
is given a :class:`Sampler`. Whatever that returns is snapped to the axes and kept only if it is
allowed and in the target, so a rule that DiCE cannot be told costs answers, never honesty.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Protocol

import numpy as np
import numpy.typing as npt

from ifonly.explainers.deadline import Deadline
from ifonly.explainers.errors import DeadlineReached, NotEligible
from ifonly.explainers.problem import Problem
from ifonly.explainers.search.engine import (
    Meter,
    SearchOutcome,
    range_by_asking,
    refuse_consequences,
    refuse_tolerances,
)
from ifonly.explainers.space import Axis
from ifonly.models.predictor import Row, Rows, Scores
from ifonly.models.schema import Feature, Schema

MOST_REFERENCES = 2_000
"""Rows seen in service that are shown to DiCE: it scores every one of them for every question."""

Chances = Callable[[Rows], npt.NDArray[np.float64]]
"""Rows to ``(n,)``: at least 0.5 where the row is in the target; the nearer, the more."""


@dataclass(frozen=True, eq=False)
class DiceWish:
    """One question in the words that DiCE knows."""

    schema: Schema
    factual: Row
    references: Rows
    """``(n, n_features)``, without missing values."""
    vary: tuple[int, ...]
    """Columns that may change."""
    allowed: tuple[tuple[float, ...], ...]
    """For each feature: least and greatest settable value, or the codes that may be set."""
    seed: int


class Sampler(Protocol):
    """Something that proposes rows, and can be stopped."""

    def __call__(self, wish: DiceWish, chances: Chances, deadline: Deadline) -> Rows:
        """Proposals, ``(n, n_features)``, on no grid and bound to no rule.

        Raises
        ------
        DeadlineReached
            If it had to be stopped, or ``chances`` raised it.
        NotEligible
            If it cannot run here, or cannot take these data.
        """
        ...


@dataclass(frozen=True)
class Dice:
    """The engine; claims nothing but the rows that it found."""

    sampler: Sampler

    @property
    def name(self) -> str:
        return "dice"

    def search(self, problem: Problem, meter: Meter, deadline: Deadline) -> SearchOutcome:
        """What DiCE proposes, cheapest first.

        Raises
        ------
        NotEligible
            If a reading is missing, no rows were seen in service, DiCE is not there, or features
            follow from what is set.
        """
        refuse_tolerances(problem, self.name)
        if problem.conflict is not None:
            return SearchOutcome.none(problem)
        refuse_consequences(problem, self.name)
        wish = _wish(problem)
        rows = np.empty((0, len(problem.schema)))
        deadline_hit = False
        try:
            if wish.vary:
                proposed = self.sampler(wish, _chances(problem, meter), deadline)
                rows = _kept(problem, meter, _snapped(problem, proposed))
        except DeadlineReached:
            deadline_hit = True
        return SearchOutcome(rows, deadline_hit=deadline_hit)

    def nearest(self, problem: Problem, meter: Meter, deadline: Deadline) -> Scores | None:
        return None

    def sufficient_range(
        self, problem: Problem, meter: Meter, row: Row, column: int
    ) -> tuple[float, float]:
        return range_by_asking(problem, meter, row, column)


def _wish(problem: Problem) -> DiceWish:
    if np.isnan(problem.factual).any():
        raise NotEligible("dice", "it takes no missing readings")
    references = problem.references
    if references is not None:
        references = references[~np.isnan(references).any(axis=1)][:MOST_REFERENCES]
    if references is None or not len(references):
        raise NotEligible("dice", "it needs rows that were seen in service")
    return DiceWish(
        problem.schema,
        problem.factual,
        references,
        tuple(int(j) for j in problem.movable),
        tuple(map(_allowed, problem.schema.features, problem.axes)),
        problem.seed,
    )


def _allowed(feature: Feature, axis: Axis) -> tuple[float, ...]:
    if feature.kind.is_categorical:
        return tuple(float(v) for v in axis.values())
    return axis.low, axis.high


def _chances(problem: Problem, meter: Meter) -> Chances:
    """DiCE wants a probability that crosses 0.5 at the target; any target has a shortfall."""

    def chances(rows: Rows) -> npt.NDArray[np.float64]:
        scores = meter.score(rows)
        below = 0.499 * np.exp(-problem.target.shortfall(scores))
        return np.where(problem.target.met(scores), 1.0, below)

    return chances


def _snapped(problem: Problem, rows: Rows) -> Rows:
    """Every value moved to the nearest one that may be set."""
    snapped = np.empty((len(rows), len(problem.schema)))
    for j, axis in enumerate(problem.axes):
        snapped[:, j] = axis.nearest(rows[:, j])
    return np.unique(snapped, axis=0)


def _kept(problem: Problem, meter: Meter, rows: Rows) -> Rows:
    """Those that are allowed and in the target, cheapest first."""
    rows = rows[problem.allowed(rows)]
    if not len(rows):
        return rows
    rows = rows[problem.target.met(meter.score(rows))]
    return rows[np.argsort(problem.cost_of(rows), kind="stable")]

"""What is compared between groups: a value of each individual, known or known by its bounds."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from enum import StrEnum
from functools import cached_property

import numpy as np
import numpy.typing as npt

from ifonly.explainers.fairness.groups import Flags
from ifonly.explainers.fairness.permutations import Standing
from ifonly.models.shares import ShareEstimate, share

Floats = npt.NDArray[np.float64]


class MeasureName(StrEnum):
    """What is compared, by name."""

    DECISION = "decision"
    """Whether it was decided otherwise than is desired: the alarm, the rejection."""
    NO_RECOURSE = "no_recourse"
    """Whether nothing that is allowed changes that: proven."""
    COST = "cost"
    """What the least change costs; where there is none, more than every cost."""
    WITHIN_BUDGET = "within_budget"
    """Whether a change of a given cost is enough."""
    LEVERS = "levers"
    """How many features the least change sets."""
    CHANCE = "chance"
    """How likely the decision changes once the change is made, by the causal model."""
    FOLLOWED = "followed"
    """Whether advice was followed."""
    SUCCESS = "success"
    """Whether advice that was followed led to success, by the word of whoever saw it."""


HIGHER_IS_BETTER = frozenset(
    {MeasureName.WITHIN_BUDGET, MeasureName.CHANCE, MeasureName.FOLLOWED, MeasureName.SUCCESS}
)
SHARES = frozenset(
    {
        MeasureName.DECISION,
        MeasureName.NO_RECOURSE,
        MeasureName.WITHIN_BUDGET,
        MeasureName.FOLLOWED,
        MeasureName.SUCCESS,
    }
)
"""Measures that are of each individual true or false."""


@dataclass(frozen=True, eq=False)
class Measure:
    """Of ``n`` individuals."""

    name: MeasureName
    of: Flags
    """``(n,)``: of whom it is."""
    lower: Floats
    """``(n,)``: no less than this; of others than those whatever it is."""
    upper: Floats
    """No more; the same where it is known. Infinite: no bound, or more than every number."""

    @property
    def is_share(self) -> bool:
        return self.name in SHARES

    @cached_property
    def standing(self) -> Standing:
        """Among all that it is of; in their order."""
        return Standing.of(self.lower[self.of], self.upper[self.of])

    def is_known(self) -> bool:
        """Whether no value is known by its bounds alone."""
        return bool((self.lower == self.upper)[self.of].all())

    def sure(self, side: Flags) -> ShareEstimate:
        """Of a share: of ``side``, those of whom it is surely true; :attr:`is_share`."""
        return share(int(self.lower[side & self.of].sum()), int((side & self.of).sum()))


@dataclass(frozen=True, slots=True)
class Typical:
    """The median of a group, as far as bounds tell it; None: beyond every number."""

    low: float | None
    high: float | None


def typical(measure: Measure, side: Flags) -> Typical | None:
    """None: of nobody."""
    own = side & measure.of
    if not own.any():
        return None
    # Not between two values: half of infinite is infinite, and a median is one that was seen.
    ends = [np.sort(values[own])[(own.sum() - 1) // 2] for values in (measure.lower, measure.upper)]
    low, high = (float(end) if np.isfinite(end) else None for end in ends)
    return Typical(low, high)


@dataclass(frozen=True, slots=True)
class BudgetShare:
    """Of whom a change of some cost is enough."""

    budget: float
    low: ShareEstimate
    """Surely."""
    high: ShareEstimate
    """Those too of whom it is not known."""


BUDGETS = (0.25, 0.5, 0.75, 0.9)
"""Quantiles of all costs that are known: what changes cost, whoever they are of."""


def budgets_of(cost: Measure) -> tuple[float, ...]:
    """Costs within which a quarter, a half, … of all proven changes are."""
    known = cost.upper[cost.of & np.isfinite(cost.upper)]
    if not known.size:
        return ()
    found = np.quantile(known, BUDGETS, method="inverted_cdf")
    return tuple(dict.fromkeys(found.tolist()))


def within(cost: Measure, budget: float) -> Measure:
    """Whether ``budget`` is enough: what the same budget buys each group."""
    lower = (cost.upper <= budget).astype(np.float64)
    upper = (cost.lower <= budget).astype(np.float64)
    return Measure(MeasureName.WITHIN_BUDGET, cost.of, lower, upper)


def bought(cost: Measure, side: Flags, budgets: Sequence[float]) -> tuple[BudgetShare, ...]:
    """Of ``side``, by budget."""
    own = side & cost.of
    lower, upper, n = cost.lower[own], cost.upper[own], int(own.sum())
    return tuple(
        BudgetShare(
            budget,
            share(int((upper <= budget).sum()), n),
            share(int((lower <= budget).sum()), n),
        )
        for budget in budgets
    )

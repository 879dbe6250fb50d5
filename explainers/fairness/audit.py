"""Groups compared with everybody else, in everything that is measured, as one family of tests."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from ifonly.explainers.fairness.correction import false_discovery, family_wise
from ifonly.explainers.fairness.groups import Flags, Grouping, Subgroup
from ifonly.explainers.fairness.measures import (
    HIGHER_IS_BETTER,
    BudgetShare,
    Measure,
    MeasureName,
    Typical,
    bought,
    budgets_of,
    typical,
    within,
)
from ifonly.explainers.fairness.permutations import DRAWS, permuted_p
from ifonly.explainers.fairness.shares import ShareDifference, ratio, same_share
from ifonly.explainers.fairness.sizes import EffectSize, simultaneous_z, size_of
from ifonly.models.shares import CONFIDENCE, ShareEstimate

DRAWS_A_TEST = 100
"""Permutations for each test of the family, so that the least probability survives correction."""

MOST_DRAWS = 50_000
"""Of very many tests those of small groups then cannot survive correction."""


@dataclass(frozen=True, slots=True)
class TestedDifference:
    """How surely a group differs from everybody else in one measure, and by how much."""

    __test__ = False  # pytest takes the name for a test's

    size: EffectSize
    p: float
    """Of the exact test, by itself."""
    corrected: float
    """For all tests of the audit (Holm)."""
    discovery: float
    """For the share of false ones among those that are found (Benjamini and Yekutieli)."""
    is_worse: bool
    """Whether the group is worse off, by what was counted."""

    @property
    def is_shown(self) -> bool:
        return self.corrected < 1 - CONFIDENCE


@dataclass(frozen=True)
class ComparedGroup:
    """One group beside everybody else in one measure."""

    measure: MeasureName
    group: Subgroup
    of: int
    """Members that have the measure."""
    others: int
    share: ShareEstimate | None
    """Of a share: of members of whom it is surely true."""
    others_share: ShareEstimate | None
    typical: Typical | None
    """Of what is no share."""
    others_typical: Typical | None
    unknown: int
    """Members whose value is known by its bounds alone."""
    tested: TestedDifference | None
    """None: too few of either have the measure."""
    ratio: ShareDifference | None = None
    """Of the decision: the share that was decided as desired, by that of the others; 95 %, by
    itself. The four-fifths rule is of it (29 CFR 1607.4 D)."""


@dataclass(frozen=True)
class GroupBudgets:
    """What the same budgets buy one group."""

    group: Subgroup | None
    """None: everybody."""
    shares: tuple[BudgetShare, ...]


@dataclass(frozen=True)
class GroupAudit:
    """Of all groups in all measures."""

    grouping: Grouping
    tests: int
    """For how many probabilities and intervals are corrected. A group and its complement are
    one."""
    compared: tuple[ComparedGroup, ...]
    budgets: tuple[GroupBudgets, ...]
    budget: float | None
    """The one that was tested."""

    @property
    def shown(self) -> tuple[ComparedGroup, ...]:
        """Those that are shown to differ, the least probable first."""
        found = [(c.tested.corrected, k) for k, c in enumerate(self.compared) if c.tested]
        surest = sorted(each for each in found if each[0] < 1 - CONFIDENCE)
        return tuple(self.compared[k] for _, k in surest)


def audited(
    grouping: Grouping,
    measures: Sequence[Measure],
    seed: int = 0,
    budget: float | None = None,
    draws: int = DRAWS,
) -> GroupAudit:
    """Each group of ``grouping`` in each of ``measures``, which are of the same individuals.

    Shares whose values are all known are tested by Fisher's exact test; all else by permutation of
    ranks (Gehan's where values are known by bounds alone). ``budget``: by which it is asked whom a
    change is within reach of; None: by the median of all costs.
    """
    cost = next((m for m in measures if m.name is MeasureName.COST), None)
    budgets = () if cost is None else budgets_of(cost)
    asked = list(measures)
    if cost is not None:
        known = cost.upper[cost.of & np.isfinite(cost.upper)]
        if budget is None and known.size:
            budget = float(np.quantile(known, 0.5, method="inverted_cdf"))
        if budget is not None:
            asked.insert(asked.index(cost) + 1, within(cost, budget))
            budgets = tuple(sorted({*budgets, budget}))
    every = [(measure, group) for measure in asked for group in grouping.groups]
    plan = [_key(measure, group, grouping.least) for measure, group in every]
    keys = dict.fromkeys(key for key in plan if key is not None)
    tests = len(keys)
    enough = min(max(draws, DRAWS_A_TEST * tests), MOST_DRAWS)
    p = _probabilities(asked, every, plan, seed, enough)
    corrected = dict(zip(p, family_wise(list(p.values())), strict=True))
    discovery = dict(zip(p, false_discovery(list(p.values())), strict=True))
    z = simultaneous_z(tests)
    found = []
    for (measure, group), key in zip(every, plan, strict=True):
        tested = None
        if key is not None:
            size = size_of(measure, group.members, z)
            middle = (size.least + size.most) / 2 - size.alike
            worse = middle < 0 if measure.name in HIGHER_IS_BETTER else middle > 0
            tested = TestedDifference(size, p[key], corrected[key], discovery[key], worse)
        found.append(_compared(measure, group, tested))
    return GroupAudit(
        grouping,
        tests,
        tuple(found),
        () if cost is None else _bought(cost, grouping, budgets),
        None if cost is None else budget,
    )


_Key = tuple[MeasureName, bytes]


def _key(measure: Measure, group: Subgroup, least: int) -> _Key | None:
    """Of the hypothesis; None: too few. A group is compared with its complement, so the two are
    one hypothesis."""
    own, others = group.members & measure.of, ~group.members & measure.of
    if min(int(own.sum()), int(others.sum())) < least:
        return None
    return measure.name, min(own.tobytes(), others.tobytes())


def _probabilities(
    measures: Sequence[Measure],
    every: Sequence[tuple[Measure, Subgroup]],
    plan: Sequence[_Key | None],
    seed: int,
    draws: int,
) -> dict[_Key, float]:
    # Seeded: the same audit twice has the same probabilities.
    rng = np.random.default_rng(seed)
    found: dict[_Key, float] = {}
    for measure in measures:
        sides: dict[_Key, Flags] = {}
        for (own, group), key in zip(every, plan, strict=True):
            if key is not None and own is measure:
                sides.setdefault(key, group.members)
        if not sides:
            continue
        if measure.is_share and measure.is_known():
            for key, side in sides.items():
                found[key] = same_share(measure.sure(side), measure.sure(~side))
            continue
        within_measure = [side[measure.of] for side in sides.values()]
        p = permuted_p(measure.standing.scores, within_measure, rng, draws)
        found.update(zip(sides, p, strict=True))
    return found


def _compared(measure: Measure, group: Subgroup, tested: TestedDifference | None) -> ComparedGroup:
    own, others = group.members & measure.of, ~group.members & measure.of
    is_share, desired = measure.is_share, None
    if measure.name is MeasureName.DECISION and own.any() and others.any():
        other = Measure(measure.name, measure.of, 1.0 - measure.upper, 1.0 - measure.lower)
        desired = ratio(other.sure(own), other.sure(others))
    return ComparedGroup(
        measure.name,
        group,
        int(own.sum()),
        int(others.sum()),
        measure.sure(own) if is_share else None,
        measure.sure(others) if is_share else None,
        None if is_share else typical(measure, own),
        None if is_share else typical(measure, others),
        int((measure.lower != measure.upper)[own].sum()),
        tested,
        desired,
    )


def _bought(
    cost: Measure, grouping: Grouping, budgets: Sequence[float]
) -> tuple[GroupBudgets, ...]:
    everybody = np.ones(len(cost.of), dtype=np.bool_)
    sides = [(None, everybody), *((g, g.members) for g in grouping.groups)]
    return tuple(GroupBudgets(group, bought(cost, side, budgets)) for group, side in sides)

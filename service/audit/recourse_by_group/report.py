"""The report: success, infeasibility and cost by group; levers, rules, proofs, verdicts."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from ifonly.explainers.answer import Status
from ifonly.explainers.terms import WayName
from ifonly.service.audit.recourse_by_group.cases import RecourseCase
from ifonly.service.audit.recourse_by_group.common_changes import CommonChange
from ifonly.service.audit.recourse_by_group.compare import ShareComparison, compared
from ifonly.service.audit.recourse_by_group.groups import CaseGroup
from ifonly.service.audit.recourse_by_group.outcomes import GroupOutcomes, outcomes
from ifonly.service.audit.recourse_by_group.statistics import ShareEstimate, share
from ifonly.service.words.catalogue import say_all


@dataclass(frozen=True, slots=True)
class LeverStatistics:
    """How often the first answer sets a feature."""

    feature: str
    unit: str
    use: ShareEstimate
    """Of the answers."""
    up: int
    down: int
    median_change: float | None


@dataclass(frozen=True, slots=True)
class SparsityStatistics:
    """How many answers set so many features."""

    levers: int
    answers: ShareEstimate


@dataclass(frozen=True)
class BlockerStatistics:
    """How often a rule is among those that leave nothing."""

    key: str
    text: Mapping[str, str]
    blocks: ShareEstimate
    """Of the infeasible ones."""


@dataclass(frozen=True, slots=True)
class VerdictCounts:
    """What people said, the last word of each kind on each explanation."""

    approved: int = 0
    rejected: int = 0
    open: int = 0
    """No auditor has said either."""
    acted: int = 0
    not_acted: int = 0
    as_predicted: int = 0
    not_as_predicted: int = 0
    # Of those that were acted on: which of the named ways, where somebody said so.
    acted_smallest: int = 0
    acted_fewest_levers: int = 0
    acted_most_robust: int = 0
    acted_other_levers: int = 0


@dataclass(frozen=True)
class RecourseReport:
    """Of one model in one period."""

    total: GroupOutcomes
    groups: tuple[GroupOutcomes, ...]
    levers: tuple[LeverStatistics, ...]
    blockers: tuple[BlockerStatistics, ...]
    verdicts: VerdictCounts
    policies: int
    """Versions of the spec in the period: costs are compared only within one."""
    erased: int
    comparison: ShareComparison
    """Of the groups' success."""
    common: tuple[CommonChange, ...] = ()
    """One change for many, as it was sought in the period; the newest first."""
    sparsity: tuple[SparsityStatistics, ...] = ()
    """Of the first answers; the fewest features first."""


@dataclass(frozen=True, slots=True)
class ReviewVerdict:
    """One review: which explanation, what was said, and what came of it."""

    about: str
    said: str
    outcome: str | None = None
    way: str | None = None
    """Of the named ways the one that was done."""


TOTAL = say_all("recourse.total")


def report(
    cases: Sequence[RecourseCase], groups: Iterable[CaseGroup], verdicts: Iterable[ReviewVerdict]
) -> RecourseReport:
    """``verdicts``: in the order in which they were given."""
    came = tuple(outcomes(group) for group in groups)
    return RecourseReport(
        total=outcomes(CaseGroup("", TOTAL, tuple(cases))),
        groups=came,
        levers=_levers(cases),
        blockers=_blockers(cases),
        verdicts=_judged(cases, verdicts),
        policies=len({case.policy for case in cases}),
        erased=sum(case.erased for case in cases),
        comparison=compared(came),
        sparsity=_sparsity(cases),
    )


def _levers(cases: Sequence[RecourseCase]) -> tuple[LeverStatistics, ...]:
    answered = [case for case in cases if case.levers]
    moved: dict[tuple[str, str], list[float | None]] = {}
    for case in answered:
        for lever in case.levers:
            # With the unit: changes in two units have no common median.
            moved.setdefault((lever.feature, lever.unit), []).append(lever.delta)
    return tuple(
        _use(feature, unit, deltas, len(answered))
        for (feature, unit), deltas in sorted(moved.items(), key=lambda m: (-len(m[1]), m[0]))
    )


def _sparsity(cases: Sequence[RecourseCase]) -> tuple[SparsityStatistics, ...]:
    counts = Counter(len(case.levers) for case in cases if case.levers)
    return tuple(
        SparsityStatistics(levers, share(n, counts.total())) for levers, n in sorted(counts.items())
    )


def _use(feature: str, unit: str, deltas: Sequence[float | None], answers: int) -> LeverStatistics:
    numbers = [d for d in deltas if d is not None]
    return LeverStatistics(
        feature,
        unit,
        share(len(deltas), answers),
        up=sum(d > 0 for d in numbers),
        down=sum(d < 0 for d in numbers),
        median_change=float(np.median(numbers)) if numbers else None,
    )


def _blockers(cases: Sequence[RecourseCase]) -> tuple[BlockerStatistics, ...]:
    # What an erased case was blocked by is gone with its payload.
    blocked = [case for case in cases if case.status == Status.INFEASIBLE and not case.erased]
    rules = _Rules()
    # A set: an explanation that names a rule twice is blocked by it once.
    count = Counter(
        rule for case in blocked for rule in {rules.of(*found) for found in case.blocked_by}
    )
    ordered = sorted(count.items(), key=lambda found: (-found[1], rules.keys[found[0]]))
    return tuple(
        BlockerStatistics(rules.keys[rule], rules.words[rule], share(n, len(blocked)))
        for rule, n in ordered
    )


class _Rules:
    """Rules by what they say. By key they would be told apart wrongly: in a request's list one rule
    has another place, and so another key, than in the next request's, and two have the same."""

    def __init__(self) -> None:
        self.keys: list[str] = []
        """Of each rule: the first that it was met by."""
        self.words: list[dict[str, str]] = []
        self._known: dict[tuple[str, str], int] = {}

    def of(self, key: str, text: Mapping[str, str]) -> int:
        """Its number. Not every request asks for the same languages: one in common is enough."""
        names = list(text.items()) or [("", key)]
        number = next((self._known[n] for n in names if n in self._known), len(self.keys))
        if number == len(self.keys):
            self.keys.append(key)
            self.words.append({})
        self.words[number] |= text
        self._known |= dict.fromkeys(names, number)
        return number


def _judged(cases: Sequence[RecourseCase], verdicts: Iterable[ReviewVerdict]) -> VerdictCounts:
    ours = {case.id for case in cases}
    last: dict[tuple[str, str], ReviewVerdict] = {}
    for verdict in verdicts:
        kind = {"approve": "audit", "reject": "audit", "acted": "use", "not_acted": "use"}
        if verdict.about in ours and verdict.said in kind:
            # They come in the order in which they were given: a later one replaces.
            last[verdict.about, kind[verdict.said]] = verdict
    said = Counter(verdict.said for verdict in last.values())
    came = Counter(v.outcome for v in last.values() if v.said == "acted")
    ways = Counter(v.way for v in last.values() if v.said == "acted")
    return VerdictCounts(
        approved=said["approve"],
        rejected=said["reject"],
        open=len(ours) - said["approve"] - said["reject"],
        acted=said["acted"],
        not_acted=said["not_acted"],
        as_predicted=came["as_predicted"],
        not_as_predicted=came["not_as_predicted"],
        acted_smallest=ways[WayName.SMALLEST],
        acted_fewest_levers=ways[WayName.FEWEST],
        acted_most_robust=ways[WayName.ROBUST],
        acted_other_levers=ways[WayName.OTHER],
    )

"""Is recourse as cheap and as possible for one group as for another, and for one's own twin?

Groups are compared as they are (Ustun et al. 2019): they differ in many ways. A *twin* is the same
individual, with its own noise, had the attribute been otherwise: what follows from it has moved
(von Kügelgen et al. 2022). If the twin's recourse costs something else, the attribute is why.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from ifonly.explainers.answer import Recourse, Status
from ifonly.explainers.consequences import Consequences
from ifonly.models.predictor import Row, Rows
from ifonly.models.schema import Feature, plain
from ifonly.service.audit.recourse_by_group.cases import RecourseCase
from ifonly.service.audit.recourse_by_group.groups import HALVES, CaseGroup, by_feature
from ifonly.service.audit.recourse_by_group.outcomes import GroupOutcomes, outcomes
from ifonly.service.audit.recourse_by_group.statistics import ShareEstimate, mean_interval, share
from ifonly.service.errors import CannotReplay
from ifonly.service.offline.past_rows import alarms, answered
from ifonly.service.served.registry import ServedModel

Values = npt.NDArray[np.float64]
Ask = Callable[[Rows], Sequence[RecourseCase]]
"""Rows ``(n, d)`` to what recourse each has, ``n`` cases."""


@dataclass(frozen=True)
class Level:
    """A group of rows, and the value of the attribute that a twin in it has."""

    value: float
    """The median of its readings; of categories, the code."""
    rows: frozenset[int]


@dataclass(frozen=True)
class Twins:
    """Individuals with an alarm, each beside itself in every other group."""

    pairs: int
    untold: int
    """Pairs left out: by the causal model it cannot be told what the twin would read."""
    other_decision: ShareEstimate
    """The twin has no alarm."""
    other_feasibility: ShareEstimate
    """One of the two has recourse, the other has none."""
    mean: float
    """Of the difference in cost, the twin's less the own, where both have recourse."""
    interval: tuple[float, float]
    """Of that mean, at 95 %, by drawing individuals anew."""
    largest: float
    """Of its size: the individual unfairness of recourse (von Kügelgen et al. 2022, eq. 5)."""


@dataclass(frozen=True)
class Fairness:
    attribute: str
    groups: tuple[GroupOutcomes, ...]
    twins: Twins | None
    """None: no causal model says what a twin would read."""


def check_differs(feature: Feature, values: Values) -> None:
    """``values``, ``(n,)``: what was read of ``feature``.

    Raises
    ------
    CannotReplay
        If that is the same in all rows.
    """
    # A reading that is missing makes no group.
    if len(np.unique(values[~np.isnan(values)])) < 2:
        raise CannotReplay(f"{feature.name} is the same in all rows: there are no groups")


def groups_of(cases: Sequence[RecourseCase], feature: Feature) -> tuple[CaseGroup, ...]:
    """Categories that occur; of a number the two halves around the median, named by what was
    read in them."""
    # Rows in which the attribute was not read are in no group.
    found = [group for group in by_feature(cases, feature, HALVES) if group.key]
    if not feature.kind.is_categorical:
        read = [[float(case.instance[feature.name]) for case in group.cases] for group in found]
        names = [f"{plain(min(values))}..{plain(max(values))}" for values in read]
        found = [replace(group, key=name) for group, name in zip(found, names, strict=True)]
    return tuple(found)


def levels_of(
    groups: Sequence[CaseGroup], cases: Sequence[RecourseCase], values: Values
) -> tuple[Level, ...]:
    """``values``, ``(n,)``: what ``cases`` read of the attribute."""
    place = {case.id: k for k, case in enumerate(cases)}
    members = [[place[case.id] for case in group.cases] for group in groups]
    # The median: one far reading would make twins of what nobody has.
    return tuple(Level(float(np.median(values[rows])), frozenset(rows)) for rows in members)


def twins(
    consequences: Consequences,
    rows: Rows,
    column: int,
    levels: Sequence[Level],
    cases: Sequence[RecourseCase],
    ask: Ask,
    bounds: tuple[Values, Values],
    seed: int = 0,
) -> Twins:
    """``cases`` are of ``rows``, ``(n, d)``; ``bounds`` ``2 * (d,)`` of what can be read."""
    pairs = [
        (k, consequences.rows(rows[k], [column], np.array([[level.value]]))[0])
        for k, case in enumerate(cases)
        # Twins of those without an alarm would say nothing about recourse.
        if case.needs_recourse
        for level in levels
        if k not in level.rows
    ]
    # A twin out of bounds cannot be read, so nothing is claimed of it; it is counted.
    told = [(k, row) for k, row in pairs if _can_be_read(row, rows[k], bounds)]
    # reshape: without pairs the array would have no columns.
    theirs = ask(np.array([row for _, row in told]).reshape(len(told), rows.shape[1]))
    both = [(k, cases[k], twin) for (k, _), twin in zip(told, theirs, strict=True)]
    has_both = [(k, _cost(twin) - _cost(own)) for k, own, twin in both if _has(own) and _has(twin)]
    gaps = np.array([gap for _, gap in has_both])
    whose = np.array([k for k, _ in has_both], dtype=np.int64)
    return Twins(
        len(told),
        len(pairs) - len(told),
        share(sum(not twin.needs_recourse for twin in theirs), len(told)),
        share(sum(_has(own) != _has(twin) for _, own, twin in both), len(told)),
        float(gaps.mean()) if gaps.size else 0.0,
        # Drawn by individuals: several twins of one are not independent.
        mean_interval(gaps, whose, seed),
        float(np.abs(gaps).max()) if gaps.size else 0.0,
    )


def _can_be_read(twin: Row, own: Row, bounds: tuple[Values, Values]) -> bool:
    """Within ``bounds``; what was not read may be missing."""
    lower, upper = bounds
    inside = (twin >= lower) & (twin <= upper)
    return bool((inside | (np.isnan(own) & np.isnan(twin))).all())


def _has(case: RecourseCase) -> bool:
    """Who has no alarm needs none, and has it for nothing."""
    return case.has_recourse or not case.needs_recourse


def _cost(case: RecourseCase) -> float:
    # Who has no alarm pays nothing.
    return case.cost or 0.0


def asking(model: ServedModel, seconds: float) -> Ask:
    """Recourse by the model's own policy and semantics; ``seconds`` for each search. What is
    returned raises as :func:`ifonly.service.offline.past_rows.alarms`."""

    def ask(rows: Rows) -> list[RecourseCase]:
        if not len(rows):
            return []
        return [
            _case(model, f"row {k}", row, seconds if alarm else None)
            for k, (row, alarm) in enumerate(zip(rows, alarms(model, rows), strict=True))
        ]

    return ask


def _case(model: ServedModel, name: str, row: Row, seconds: float | None) -> RecourseCase:
    """``seconds``: None, there is no alarm."""
    status, cost = Status.ALREADY_TARGET, None
    if seconds is not None:
        answer = answered(model, row, seconds)
        status = answer.status
        cost = answer.counterfactuals[0].cost if isinstance(answer, Recourse) else None
    # Costs of different policies cannot be compared, so each case says its own.
    policy, instance = model.deployed.spec_sha256, model.schema.write(row)
    return RecourseCase(name, status, policy, cost=cost, instance=instance)


def fairness(model: ServedModel, attribute: str, rows: Rows, seconds: float) -> Fairness:
    """Recourse by ``attribute`` among ``rows`` ``(n, d)``.

    Raises
    ------
    CannotReplay
        If there are no groups, or nothing is an alarm.
    GraphError
        If the model cannot score rows.
    """
    features, column = model.schema.features, model.schema.index(attribute)
    check_differs(features[column], rows[:, column])
    ask = asking(model, seconds)
    cases = ask(rows)
    groups = groups_of(cases, features[column])
    told = tuple(outcomes(group) for group in groups)
    # Groups can be compared without a graph, individuals cannot.
    if model.causal is None:
        return Fairness(attribute, told, None)
    bounds = np.array([f.lower for f in features]), np.array([f.upper for f in features])
    levels = levels_of(groups, cases, rows[:, column])
    found = twins(model.causal.consequences, rows, column, levels, cases, ask, bounds)
    return Fairness(attribute, told, found)

"""Explanations as individuals with groups and measures."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from ifonly.explainers.answer import Status
from ifonly.explainers.fairness.audit import GroupAudit, audited
from ifonly.explainers.fairness.groups import DEEPEST, LEAST, GroupingAttribute, subgroups
from ifonly.explainers.fairness.measures import Measure, MeasureName
from ifonly.models.schema import Feature, Labels
from ifonly.service.audit.follow_up.advice import FollowUp, Result
from ifonly.service.audit.recourse_by_group import groups
from ifonly.service.audit.recourse_by_group.cases import RecourseCase
from ifonly.service.errors import Fault, InvalidRequest, RequestPart

MOST_GROUPS = 3_000
"""In all measures some twenty seconds, of 50,000 explanations."""


@dataclass(frozen=True)
class FairnessQuestion:
    """Between which groups what is compared."""

    by: tuple[str, ...]
    """``feature:NAME`` or ``attribute:NAME``."""
    least: int = LEAST
    depth: int = DEEPEST
    budget: float | None = None


@dataclass(frozen=True)
class FairnessFound:
    """What was compared, as it was counted."""

    question: FairnessQuestion
    cases: tuple[RecourseCase, ...]
    """Of whom something is known: ``n``."""
    erased: int
    policies: int
    audit: GroupAudit
    labels: Mapping[tuple[str, str], Labels]
    """Of values, by attribute."""
    followed: Mapping[int, FollowUp] = field(default_factory=dict)
    """What became of the advice of individuals, by their place."""


def compared(
    cases: Sequence[RecourseCase],
    features: Mapping[str, Feature],
    question: FairnessQuestion,
    follow_ups: Mapping[str, FollowUp] | None = None,
) -> FairnessFound:
    """``features``: by name. ``follow_ups``: by the explanation that gave the advice.

    Raises
    ------
    InvalidRequest
        If it is to be grouped by what is no feature, or there are too many groups.
    """
    # An erased case has no readings and attributes left, so it belongs to no group.
    known = tuple(case for case in cases if not case.erased)
    attributes, labels = _attributes(known, features, question.by)
    advised = follow_ups or {}
    followed = {k: advised[case.id] for k, case in enumerate(known) if case.id in advised}
    grouping = subgroups(attributes, question.least, question.depth)
    if len(grouping.groups) > MOST_GROUPS:
        count = len(grouping.groups)
        problem = (
            f"there are {count:,} groups; {MOST_GROUPS:,} are compared at most: a smaller depth, "
            f"fewer attributes or a greater least makes fewer"
        )
        fault = Fault(("depth",), problem, question.depth, limit=MOST_GROUPS, parameter="depth")
        raise InvalidRequest(RequestPart.REQUEST, [fault])
    found = audited(
        grouping,
        [*measures(known), *_measures_of_advice(len(known), followed)],
        budget=question.budget,
    )
    policies = len({case.policy for case in known})
    return FairnessFound(
        question, known, len(cases) - len(known), policies, found, labels, followed
    )


def _attributes(
    cases: Sequence[RecourseCase], features: Mapping[str, Feature], by: Sequence[str]
) -> tuple[list[GroupingAttribute], dict[tuple[str, str], Labels]]:
    # By their place: rows of one job have one id, and alike rows of a file are one object.
    placed = [replace(case, id=str(k)) for k, case in enumerate(cases)]
    attributes, labels = [], dict[tuple[str, str], Labels]()
    for how in dict.fromkeys(by):
        values = [""] * len(cases)
        for group in groups.by(placed, features, how):
            labels[how, group.key] = group.label
            for case in group.cases:
                values[int(case.id)] = group.key
        attributes.append(GroupingAttribute(how, tuple(values)))
    return attributes, labels


def measures(cases: Sequence[RecourseCase]) -> tuple[Measure, ...]:
    """All that one explanation alone tells. Those of nobody are left out."""
    need = np.array([case.needs_recourse for case in cases], dtype=np.bool_)
    everybody = np.ones(len(cases), dtype=np.bool_)
    none = [_no_recourse(case) for case in cases]
    costs = [_cost(case) for case in cases]
    # Costs under two policies are not of one measure: those of the policy with the most count.
    policies = Counter(case.policy for case in cases if case.needs_recourse)
    policy = policies.most_common(1)[0][0] if policies else ""
    priced = need & np.array([case.policy == policy for case in cases], dtype=np.bool_)
    levers = [float(len(case.levers)) for case in cases]
    has_levers = np.array([bool(case.levers) for case in cases], dtype=np.bool_)
    chances = [case.chance or 0.0 for case in cases]
    has_chance = np.array([case.chance is not None for case in cases], dtype=np.bool_)
    every = (
        _known(MeasureName.DECISION, everybody, need.astype(np.float64).tolist()),
        _bounded(MeasureName.NO_RECOURSE, need, none),
        _bounded(MeasureName.COST, priced, costs),
        _known(MeasureName.LEVERS, has_levers, levers),
        _known(MeasureName.CHANCE, has_chance, chances),
    )
    return tuple(measure for measure in every if measure.of.any())


def _no_recourse(case: RecourseCase) -> tuple[float, float]:
    if case.status == Status.INFEASIBLE:
        return 1.0, 1.0
    # Neither found nor excluded: there may be some or none.
    return (0.0, 0.0) if case.has_recourse else (0.0, 1.0)


def _cost(case: RecourseCase) -> tuple[float, float]:
    """Between which the least cost lies: what was found is no less than it, and where there is none
    it is more than every cost."""
    if case.status == Status.INFEASIBLE:
        return math.inf, math.inf
    if case.cost is None:
        return 0.0, math.inf
    if case.status == Status.OPTIMAL:
        return case.cost, case.cost
    return min(max(case.lower_bound or 0.0, 0.0), case.cost), case.cost


def _measures_of_advice(n: int, followed: Mapping[int, FollowUp]) -> list[Measure]:
    """Of those of whom it is known what became of their advice."""
    if not followed:
        return []
    known, came = np.zeros(n, dtype=np.bool_), np.zeros(n, dtype=np.bool_)
    did, succeeded = np.zeros(n), np.zeros(n)
    for place, each in followed.items():
        if each.is_followed is None:
            continue
        known[place], did[place] = True, each.is_followed
        if each.is_followed and each.outcome is not None:
            came[place], succeeded[place] = True, each.outcome.result is Result.SUCCESS
    every = (
        Measure(MeasureName.FOLLOWED, known, did, did),
        Measure(MeasureName.SUCCESS, came, succeeded, succeeded),
    )
    return [measure for measure in every if measure.of.any()]


def _known(name: MeasureName, of: np.ndarray, values: Sequence[float]) -> Measure:
    held = np.array(values, dtype=np.float64)
    return Measure(name, of, held, held)


def _bounded(name: MeasureName, of: np.ndarray, values: Sequence[tuple[float, float]]) -> Measure:
    held = np.array(values, dtype=np.float64).reshape(len(values), 2)
    return Measure(name, of, held[:, 0], held[:, 1])

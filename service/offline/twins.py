"""Twins of rows: how they are decided, and what their recourse costs.

Groups differ in many ways; a *twin* is the same individual, with its own noise, had the attribute
been otherwise (Kusner et al. 2017). If it is decided otherwise, or its recourse costs something
else (von Kügelgen et al. 2022), the attribute is why: as surely as the causal model is known.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from dataclasses import dataclass, replace

import numpy as np
import numpy.typing as npt

from ifonly.explainers.fairness.over_worlds import (
    DecisionTwins,
    UncertainValue,
    decision_twins,
    mean_over_worlds,
    share_over_worlds,
)
from ifonly.explainers.fairness.twins import TwinWorlds, believed_twins, twins_in
from ifonly.models.predictor import Rows
from ifonly.models.schema import Feature, plain
from ifonly.service.audit.recourse_by_group.cases import RecourseCase
from ifonly.service.audit.recourse_by_group.groups import HALVES, CaseGroup, by_feature

Values = npt.NDArray[np.float64]
Flags = npt.NDArray[np.bool_]
Ask = Callable[[Rows], Sequence[RecourseCase]]
"""Rows ``(n, d)`` to what recourse each has, ``n`` cases."""
Decide = Callable[[Rows], Flags]
"""Rows ``(n, d)`` to which are decided otherwise than is desired, ``(n,)``."""
PIECE = 1_000
"""Individuals whose twins are held at once, in all worlds."""


@dataclass(frozen=True)
class AttributeLevel:
    """Rows with the same value of the attribute, and the value that a twin of theirs has."""

    group: CaseGroup
    value: float
    """The median of its readings; of categories, the code."""
    rows: npt.NDArray[np.int64]


@dataclass(frozen=True)
class CostTwins:
    """Recourse of individuals who need some, beside their twins'."""

    of: int
    both: int
    """Those where both have some, or the twin needs none."""
    difference: UncertainValue | None
    """Mean of the twin's cost less the own; None: of nobody."""
    largest: float | None
    """Of its size: the individual unfairness of recourse (von Kügelgen et al. 2022, eq. 5)."""
    only_own: UncertainValue
    only_twin: UncertainValue


@dataclass(frozen=True)
class TwinPerson:
    """One individual and its twin."""

    row: int
    """Place of the individual among the rows."""
    is_alarm: bool
    twin_is_alarm: bool
    chance: float
    """Share of worlds in which the twin is decided otherwise than is desired."""
    cost: float | None = None
    twin_cost: float | None = None


@dataclass(frozen=True)
class TwinsOfLevel:
    """Individuals of one level, had they been of another."""

    own: AttributeLevel
    other: AttributeLevel
    untold: int
    decisions: DecisionTwins
    costs: CostTwins | None
    """None: nobody who needs recourse."""
    persons: tuple[TwinPerson, ...]


@dataclass(frozen=True)
class TwinTerms:
    """How much is asked."""

    bounds: tuple[Values, Values]
    """``2 * (d,)``: what can be read."""
    cost_worlds: int = 8
    """In how many worlds recourse is asked for, beside what is believed."""
    most: int = 200
    """Individuals of a level whose twins' recourse is asked for."""
    seed: int = 0


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
) -> tuple[AttributeLevel, ...]:
    """``values``, ``(n,)``: what ``cases`` read of the attribute."""
    place = {case.id: k for k, case in enumerate(cases)}
    members = [np.array([place[case.id] for case in group.cases]) for group in groups]
    # The median: one far reading would make twins of what nobody has.
    return tuple(
        AttributeLevel(group, float(np.median(values[rows])), rows)
        for group, rows in zip(groups, members, strict=True)
    )


@dataclass(frozen=True)
class TwinQuestion:
    """Rows with what is known of them, and whom to ask about others."""

    rows: Rows
    """``(n, d)``"""
    cases: Sequence[RecourseCase]
    """Of the rows, ``n``."""
    column: int
    """The attribute."""
    decide: Decide
    ask: Ask
    terms: TwinTerms


def twins(
    question: TwinQuestion, worlds: TwinWorlds, levels: Sequence[AttributeLevel]
) -> tuple[TwinsOfLevel, ...]:
    """Each level, had it been each other."""
    return tuple(
        _twins(question, worlds, own, other)
        for own in levels
        for other in levels
        if own is not other
    )


def _twins(
    question: TwinQuestion, worlds: TwinWorlds, own: AttributeLevel, other: AttributeLevel
) -> TwinsOfLevel:
    terms = question.terms
    rows = question.rows[own.rows]
    believed = believed_twins(worlds, rows, question.column, other.value)
    # A twin out of bounds cannot be read, so nothing is claimed of it; it is counted.
    told = _can_be_read(believed, rows, terms.bounds)
    untold, places = int((~told).sum()), own.rows[told]
    rows, believed = rows[told], believed[told]
    alarm = np.array([question.cases[k].needs_recourse for k in places], dtype=np.bool_)
    parts = [
        _decided_in(question, worlds, rows[start : start + PIECE], other.value)
        for start in range(0, max(len(rows), 1), PIECE)
    ]
    # A world in which somebody's twin cannot be told says nothing of all.
    usable = np.logical_and.reduce([is_told for _, is_told in parts])
    decided = np.concatenate([found for found, _ in parts], axis=1)[usable]
    twin_alarm = question.decide(believed) if len(rows) else np.zeros(0, dtype=np.bool_)
    if not len(decided):  # by no world: only what is believed is told
        decided = twin_alarm[None]
    decisions = decision_twins(alarm, twin_alarm, decided, terms.seed)
    costs, paid = _costs(question, worlds, places[alarm], other)
    persons = tuple(
        TwinPerson(
            int(place),
            bool(alarm[k]),
            bool(twin_alarm[k]),
            float(decided[:, k].mean()),
            question.cases[place].cost,
            paid.get(int(place)),
        )
        for k, place in enumerate(places)
    )
    return TwinsOfLevel(own, other, untold, decisions, costs, persons)


def _decided_in(
    question: TwinQuestion, worlds: TwinWorlds, rows: Rows, value: float
) -> tuple[Flags, Flags]:
    """Which twins are decided otherwise than is desired, ``(w, n)``; and of which worlds every twin
    can be told, ``(w,)``."""
    if not len(rows):
        return np.zeros((len(worlds), 0), dtype=np.bool_), np.ones(len(worlds), dtype=np.bool_)
    found = twins_in(worlds, rows, question.column, value)
    told = np.asarray((np.isfinite(found) | np.isnan(rows)).all(axis=(1, 2)))
    # Beyond what can be read a sensor reads its end.
    lower, upper = question.terms.bounds
    kept = np.clip(np.where(np.isfinite(found), found, rows), lower, upper)
    flat = kept.reshape(-1, rows.shape[1])
    decided: Flags = question.decide(flat).reshape(len(kept), len(rows))
    return decided, told


def _costs(
    question: TwinQuestion, worlds: TwinWorlds, places: npt.NDArray[np.int64], other: AttributeLevel
) -> tuple[CostTwins | None, dict[int, float]]:
    """Beside it, what the twins' recourse costs by what is believed, by place."""
    terms = question.terms
    # Twins of those without an alarm would say nothing about recourse.
    places = places[: terms.most]
    if not len(places):
        return None, {}
    rows, cases = question.rows[places], [question.cases[k] for k in places]
    few = worlds.first(terms.cost_worlds)
    believed = believed_twins(worlds, rows, question.column, other.value)
    tables = [believed, *twins_in(few, rows, question.column, other.value)]
    told = [_can_be_read(table, rows, terms.bounds) for table in tables]
    answers = _asked(
        question.ask, [row for t, ok in zip(tables, told, strict=True) for row in t[ok]]
    )
    n, gaps, lost, won = len(rows), list[Values](), list[Flags](), list[Flags]()
    paid = dict[int, float]()
    for number, ok in enumerate(told):
        gap = np.full(n, np.nan)
        own_only, twin_only = np.zeros(n, dtype=np.bool_), np.zeros(n, dtype=np.bool_)
        for k in np.flatnonzero(ok):
            own, twin = cases[k], next(answers)
            own_only[k], twin_only[k] = _has(own) and not _has(twin), _has(twin) and not _has(own)
            if _has(own) and _has(twin):
                gap[k] = _cost(twin) - _cost(own)
            if number == 0 and _has(twin):
                paid[int(places[k])] = _cost(twin)
        gaps.append(gap)
        lost.append(own_only)
        won.append(twin_only)
    some = slice(1, None) if len(gaps) > 1 else slice(0, None)
    both = np.isfinite(gaps[0])
    return (
        CostTwins(
            n,
            int(both.sum()),
            mean_over_worlds(gaps[0], np.array(gaps[some]), terms.seed),
            float(np.abs(gaps[0][both]).max()) if both.any() else None,
            share_over_worlds(lost[0], np.array(lost[some]), terms.seed),
            share_over_worlds(won[0], np.array(won[some]), terms.seed),
        ),
        paid,
    )


def _asked(ask: Ask, rows: Sequence[Values]) -> Iterator[RecourseCase]:
    """Of each row; of rows that are the same it is asked once: where nothing follows, all are."""
    distinct = {row.tobytes(): row for row in rows}
    cases = ask(np.array(list(distinct.values()))) if distinct else []
    known = dict(zip(distinct, cases, strict=True))
    return iter([known[row.tobytes()] for row in rows])


def _can_be_read(twins: Rows, own: Rows, bounds: tuple[Values, Values]) -> Flags:
    """Within ``bounds``, ``(n,)``; what was not read may be missing."""
    lower, upper = bounds
    inside = (twins >= lower) & (twins <= upper)
    return np.asarray((inside | (np.isnan(own) & np.isnan(twins))).all(axis=1))


def _has(case: RecourseCase) -> bool:
    """Who has no alarm needs none, and has it for nothing."""
    return case.has_recourse or not case.needs_recourse


def _cost(case: RecourseCase) -> float:
    # Who has no alarm pays nothing.
    return case.cost or 0.0

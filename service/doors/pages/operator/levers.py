"""Every feature as a control of the page: what it reads, how far it can be set, or why not."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass, replace
from decimal import Decimal
from typing import Literal

from ifonly.explainers.constraints import Immutable
from ifonly.explainers.problem import Problem
from ifonly.explainers.space import same
from ifonly.explainers.wording import Language
from ifonly.explainers.wording.gauges import Gauge
from ifonly.explainers.wording.units import Unit
from ifonly.models.schema import Feature
from ifonly.models.window import Window, window_of
from ifonly.service.served.registry import ServedModel
from ifonly.service.words.labels import label, label_or
from ifonly.service.words.typography import percents

FEW = 12
"""A feature with so few values has a button for each."""


@dataclass(frozen=True, slots=True)
class LeverChoice:
    """One value that can be set."""

    value: str
    """As the wire writes it."""
    text: str
    is_present: bool


@dataclass(frozen=True, slots=True)
class LeverControl:
    """The control of one feature on a form: a slider, choices, or none."""

    column: int
    name: str
    label: str
    description: str
    kind: Literal["slider", "choices", "locked"]
    present: str
    """What was read, in words."""
    value: str
    """What was read, as the wire writes it."""
    prefix: str = ""
    suffix: str = ""
    """What stands before and after a number: the unit."""
    lowest: str = ""
    highest: str = ""
    step: str = ""
    low: str = ""
    high: str = ""
    """The ends in words."""
    choices: tuple[LeverChoice, ...] = ()
    why: str = ""
    """Why it cannot be set."""
    may_follow: bool = False
    """Whether it moves when others are set."""

    @property
    def decimals(self) -> int:
        return max(0, -int(Decimal(self.step).as_tuple().exponent)) if self.step else 0


def levers_of(model: ServedModel, problem: Problem, tag: Language) -> tuple[LeverControl, ...]:
    """Every feature, those that can be set first."""
    movable = [int(j) for j in problem.movable]
    consequences = problem.consequences
    follows = (
        {k for j in movable for k in consequences.effects([j])}
        if consequences is not None
        else set()
    )
    every = []
    window = window_of(problem.schema)
    for j in range(len(problem.schema)):
        if window is not None and not _is_told(window, j):
            continue
        lever = _read(problem, j, tag, may_follow=j in follows)
        settable = j in movable
        every.append(
            _settable(problem, lever, tag) if settable else _locked(problem, lever, model, tag)
        )
    # What can be set comes first; sorting is stable, so the schema's order stays.
    return tuple(sorted(every, key=lambda lever: lever.kind == "locked"))


def _is_told(window: Window, column: int) -> bool:
    """Of a window its profiles, and the last reading of each channel that has none."""
    if window.profile_at(column) is not None:
        return True
    is_last = column % window.steps == window.steps - 1
    return is_last and not window.levers(window.channel_at(column))


def _read(problem: Problem, column: int, tag: Language, *, may_follow: bool) -> LeverControl:
    feature, value = problem.schema.features[column], float(problem.factual[column])
    gauge = Gauge.of(feature)
    before, after = _around(gauge.unit, tag)
    return LeverControl(
        column,
        feature.name,
        label(feature, tag),
        label_or(feature.description, tag, ""),
        "locked",
        gauge.value(value, tag),
        written(feature, value),
        before,
        after,
        may_follow=may_follow,
    )


def _locked(
    problem: Problem, lever: LeverControl, model: ServedModel, tag: Language
) -> LeverControl:
    return replace(lever, why=" ".join(_why(problem, model, lever.column, tag)))


def _settable(problem: Problem, lever: LeverControl, tag: Language) -> LeverControl:
    feature, value = problem.schema.features[lever.column], float(problem.factual[lever.column])
    axis, gauge = problem.single_axes[lever.column], Gauge.of(feature)
    # A slider has even steps, and of few values buttons are easier to hit.
    if len(axis) <= FEW or axis.grid is None or not axis.count:
        choices = tuple(
            LeverChoice(written(feature, v), gauge.value(v, tag), same(v, value))
            for v in axis.values().tolist()
        )
        return replace(lever, kind="choices", choices=choices)
    low, high = axis.grid.at(axis.first), axis.grid.at(axis.first + axis.count - 1)
    ends = [low, high]
    if not math.isnan(value):  # what was read is on the slider too, wherever it was
        ends += [axis.grid.at(axis.grid.floor(value)), axis.grid.at(axis.grid.ceil(value))]
    return replace(
        lever,
        kind="slider",
        lowest=written(feature, min(ends)),
        highest=written(feature, max(ends)),
        step=str(feature.resolution),
        low=gauge.value(low, tag),
        high=gauge.value(high, tag),
    )


def written(feature: Feature, value: float) -> str:
    """A value as a form sends it: as JSON, a category's name without its quotes."""
    found = feature.write(value)
    return "" if found is None else str(found)


def _around(unit: Unit, tag: Language) -> tuple[str, str]:
    """What the unit puts before and after a number; a digit stands for the number."""
    # A unit may stand before or behind a number; a number in it tells which.
    before, _, after = percents(unit.behind("7", tag), tag).partition("7")
    return before, after


def _why(problem: Problem, model: ServedModel, column: int, tag: Language) -> Iterator[str]:
    """The policy's reason; else the constraint in words."""
    own = [c for c in problem.constraints if isinstance(c, Immutable) and c.column == column]
    for constraint in own:
        yield constraint.origin.why.get(tag) or model.wording.constraint(constraint, tag)

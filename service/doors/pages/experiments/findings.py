"""What an experiment has found, as a page tells it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ifonly.explainers.wording import Language
from ifonly.explainers.wording.numerals import count, exact_percentage, figure, percentage
from ifonly.service.doors.pages.auditor.naming import Badge, Tone
from ifonly.service.doors.pages.experiments.chart import EffectDrawing, drawn
from ifonly.service.doors.pages.experiments.design import arms_of
from ifonly.service.experiments.analysis import MISMATCH
from ifonly.service.experiments.sequences import FIRST_LOOK
from ifonly.service.wire import experiments as wire
from ifonly.service.words import experiments as words
from ifonly.service.words.catalogue import say

_TONES: dict[str, tuple[Tone, str]] = {
    "mismatch": ("bad", "no"),
    "guard": ("bad", "alarm"),
    "worse": ("bad", "no"),
    "better": ("good", "ok"),
    "too_early": ("plain", "wait"),
    "not_shown": ("plain", "info"),
}
LEAST_P = 0.001


@dataclass(frozen=True, slots=True)
class AssignedArm:
    """How many are in one arm, beside how many were meant to be."""

    role: str
    name: str
    meant: str
    units: str
    share: str
    exposures: str


@dataclass(frozen=True, slots=True)
class MetricLine:
    """The metric, or a guard."""

    name: str
    is_guard: bool
    means: tuple[str, str]
    units: tuple[str, str]
    difference: str
    range: str
    compliers: str
    compliers_range: str
    shows: Badge


@dataclass(frozen=True, slots=True)
class FoundView:
    """Everything that is told of the results."""

    tone: Tone
    sign: str
    conclusion: str
    arms: tuple[AssignedArm, AssignedArm]
    is_mismatch: bool
    p: str
    limit: str
    crossed: str
    """Empty: none was."""
    waiting: str
    """Empty: none is."""
    level: str
    needed: str
    lines: tuple[MetricLine, ...]
    chart: EffectDrawing | None
    has_guards: bool


def found_view(told: wire.ExperimentReply, tag: Language) -> FoundView:
    found, asked = told.result, told.experiment.design
    tone, sign = _TONES[found.verdict]
    metrics = [(found.metric, False), *((guard, True) for guard in found.guards)]
    return FoundView(
        tone,
        sign,
        found.text[tag],
        _arms(found, asked, tag),
        found.mismatch_p <= MISMATCH,
        f"< {LEAST_P}" if found.mismatch_p < LEAST_P else f"= {figure(found.mismatch_p, 2)}",
        figure(MISMATCH),
        count(found.crossed) if found.crossed else "",
        count(found.waiting) if found.waiting else "",
        exact_percentage(round(1.0 - asked.alpha, 9)),
        count(FIRST_LOOK),
        tuple(_line(metric, tag, is_guard=is_guard) for metric, is_guard in metrics),
        drawn(found.course, found.metric.metric, tag),
        bool(found.guards),
    )


def _arms(
    found: wire.ExperimentResult, asked: wire.ExperimentRequest, tag: Language
) -> tuple[AssignedArm, AssignedArm]:
    every = sum(found.units)
    each: Any = zip(arms_of(asked, tag), found.units, found.exposures, strict=True)
    control, treatment = (
        AssignedArm(
            arm.role,
            arm.name,
            arm.share,
            count(units),
            percentage(units / every) if every else words.UNKNOWN,
            count(exposures),
        )
        for arm, units, exposures in each
    )
    return control, treatment


def _line(found: wire.MetricFound, tag: Language, *, is_guard: bool) -> MetricLine:
    name, compliers = found.metric, found.compliers
    tone, sign = _TONES[found.shows]
    control, treatment = (words.value(name, mean) for mean in found.means)
    n_control, n_treatment = map(count, found.units)
    return MetricLine(
        words.metric(name, tag),
        is_guard,
        (control, treatment),
        (n_control, n_treatment),
        words.difference(name, found.difference.value, tag),
        _range(name, found.difference, tag),
        "" if compliers is None else words.difference(name, compliers.value, tag),
        "" if compliers is None or compliers.value is None else _range(name, compliers, tag),
        Badge(tone, sign, say(f"experiment.shows_{found.shows}", tag)),
    )


def _range(name: str, found: wire.Interval, tag: Language) -> str:
    return words.between(name, found.low, found.high, tag)

"""What an experiment has found, in words."""

from __future__ import annotations

import math

from ifonly.explainers.wording import Language
from ifonly.explainers.wording.numerals import count, exact_percentage, figure, percentage
from ifonly.models.schema import Labels
from ifonly.service.experiments.analysis import (
    ExperimentResult,
    ExperimentVerdict,
    MetricResult,
)
from ifonly.service.experiments.experiment import ToldMetric
from ifonly.service.experiments.sequences import FIRST_LOOK
from ifonly.service.words.catalogue import in_each, say
from ifonly.service.words.typography import percents

SHARES = frozenset({ToldMetric.SUCCESS, ToldMetric.CLEARED, ToldMetric.RETURNED})
"""Metrics that are shares: told in percent, their differences in percentage points."""
UNKNOWN = "–"


def conclusion(found: ExperimentResult) -> Labels:
    """What may be said of it, in every language."""
    return in_each(lambda tag: percents(_concluded(found, tag), tag, " "))


def metric(name: str, tag: Language) -> str:
    """What a metric is called; one that is none of ours, in a file of observations, as it is."""
    return say(f"experiment.metric_{name}", tag) if name in tuple(ToldMetric) else name


def value(name: str, number: float | None) -> str:
    """A mean of a metric."""
    if number is None or not math.isfinite(number):
        return UNKNOWN
    return percentage(number) if name in SHARES else figure(number)


def difference(name: str, number: float | None, tag: Language) -> str:
    """By how much two means of it differ."""
    if number is None or not math.isfinite(number):
        return UNKNOWN
    return _with_unit(name, _signed(name, number), tag)


def between(name: str, low: float | None, high: float | None, tag: Language) -> str:
    """Where such a difference may lie."""
    if low is None or high is None or not (math.isfinite(low) and math.isfinite(high)):
        return say("experiment.anything", tag)
    ends = {"low": _signed(name, low), "high": _signed(name, high)}
    return _with_unit(name, say("experiment.range", tag, **ends), tag)


def _signed(name: str, number: float) -> str:
    return figure(100.0 * number if name in SHARES else number, 3, signed=True)


def _with_unit(name: str, text: str, tag: Language) -> str:
    unit = "points" if name in SHARES else "minutes" if name == ToldMetric.MINUTES else "plain"
    return say(f"experiment.{unit}", tag, value=text)


def _concluded(found: ExperimentResult, tag: Language) -> str:
    design, verdict = found.design, found.verdict
    if verdict is ExperimentVerdict.MISMATCH:
        every = sum(found.units)
        return say(
            "experiment.mismatch",
            tag,
            treatment=design.treatment,
            units=count(found.units[1]),
            all=count(every),
            share=percentage(found.units[1] / every),
            meant=exact_percentage(design.share),
        )
    if verdict is ExperimentVerdict.GUARD:
        return " ".join(_compared("guard", found, guard, tag) for guard in found.broken)
    if verdict is ExperimentVerdict.TOO_EARLY:
        units, needed = count(sum(found.metric.units)), count(FIRST_LOOK)
        return say("experiment.too_early", tag, units=units, needed=needed)
    differs = verdict in (ExperimentVerdict.BETTER, ExperimentVerdict.WORSE)
    key = "aa_differs" if design.is_aa and differs else verdict.value
    return _compared(key, found, found.metric, tag)


def _compared(key: str, found: ExperimentResult, of: MetricResult, tag: Language) -> str:
    name, design, gap = of.metric.name, found.design, of.difference
    return say(
        f"experiment.{key}",
        tag,
        treatment=design.treatment,
        control=design.control,
        metric=metric(name, tag),
        treated=value(name, of.means[1]),
        controlled=value(name, of.means[0]),
        difference=difference(name, gap.value, tag),
        range=between(name, gap.lower, gap.upper, tag),
        # As many digits as were declared: 1 - 0.0001 is 0.9999 in decimals alone.
        level=exact_percentage(round(1.0 - design.alpha, 9)),
    )

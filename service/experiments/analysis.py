"""What an experiment has found so far. It may be looked at as often as one likes."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from enum import StrEnum

import numpy as np

from ifonly.service.experiments.design import (
    ArmObservation,
    BetterWay,
    ExperimentDesign,
    ExperimentMetric,
)
from ifonly.service.experiments.estimates import (
    EffectEstimate,
    Floats,
    Mask,
    contributions,
    mean_of,
    ratio_of,
)
from ifonly.service.experiments.observed import ObservedUnits, UnitSeen
from ifonly.service.experiments.ratio import ratio_p_value
from ifonly.service.experiments.sequences import FIRST_LOOK, Boundary

MISMATCH = 0.01
"""Below it arms are not as large as they were meant to be."""


class ExperimentVerdict(StrEnum):
    """What may be concluded."""

    MISMATCH = "mismatch"
    """Arms are not as large as was meant: something but chance decides who is in which, so that no
    difference says anything."""
    TOO_EARLY = "too_early"
    """Too few units for any interval."""
    GUARD = "guard"
    """A metric that must not become worse has: stop."""
    BETTER = "better"
    WORSE = "worse"
    NOT_SHOWN = "not_shown"
    """No difference is shown, which shows no likeness."""


@dataclass(frozen=True)
class MetricResult:
    """One metric, of all units that have it."""

    metric: ExperimentMetric
    units: tuple[int, int]
    """Of the control and of the treatment."""
    means: tuple[float, float]
    difference: EffectEstimate
    """Treatment less control."""
    compliers: EffectEstimate | None
    """The difference that having followed the advice makes, of units that follow it because it is
    shown; None where nobody knows who did."""

    @property
    def is_better(self) -> bool:
        return _sign(self.metric) * self._nearest > 0.0

    @property
    def is_worse(self) -> bool:
        return _sign(self.metric) * self._nearest < 0.0

    @property
    def verdict(self) -> ExperimentVerdict:
        """Of this metric alone."""
        if self.is_better:
            return ExperimentVerdict.BETTER
        if self.is_worse:
            return ExperimentVerdict.WORSE
        is_early = sum(self.units) < FIRST_LOOK
        return ExperimentVerdict.TOO_EARLY if is_early else ExperimentVerdict.NOT_SHOWN

    @property
    def _nearest(self) -> float:
        """The end of the interval next to 0; 0 if that is within."""
        low, high = self.difference.lower, self.difference.upper
        return low if low > 0.0 else high if high < 0.0 else 0.0


def _sign(metric: ExperimentMetric) -> float:
    return 1.0 if metric.better is BetterWay.UP else -1.0


@dataclass(frozen=True)
class ExperimentResult:
    """Everything that is told of a design's observations."""

    design: ExperimentDesign
    units: tuple[int, int]
    """Of the control and of the treatment."""
    crossed: int
    """Units that were shown both arms: they are left out of all."""
    mismatch_p: float
    """Always valid, of this look."""
    metric: MetricResult
    guards: tuple[MetricResult, ...]

    @property
    def broken(self) -> tuple[MetricResult, ...]:
        """Guards that have become worse."""
        return tuple(guard for guard in self.guards if guard.is_worse)

    @property
    def verdict(self) -> ExperimentVerdict:
        if self.mismatch_p <= MISMATCH:
            return ExperimentVerdict.MISMATCH
        if self.broken:
            return ExperimentVerdict.GUARD
        return self.metric.verdict


def analyse(design: ExperimentDesign, observations: Iterable[ArmObservation]) -> ExperimentResult:
    """What ``observations``, in the order of time, say of two arms.

    A unit counts once, by the mean of its observations: they are no independent draws.
    Observations of arms that are none of the design's are left out.
    """
    seen = ObservedUnits(design)
    for observation in observations:
        seen.add(observation)
    return found(seen)


def found(seen: ObservedUnits) -> ExperimentResult:
    """As :func:`analyse`, of what was seen so far."""
    design, units = seen.design, seen.units
    counts = _counts(np.array([unit.is_treated for unit in units], dtype=np.bool_))
    shares = (1.0 - design.share, design.share)
    # Guards share the probability of a false alarm among them (Bonferroni).
    alphas = [design.alpha, *[design.alpha / max(1, len(design.guards))] * len(design.guards)]
    metrics = [design.metric, *design.guards]
    results = [_of(design, units, m, a) for m, a in zip(metrics, alphas, strict=True)]
    p = ratio_p_value(counts, shares)
    return ExperimentResult(design, counts, seen.crossed, p, results[0], tuple(results[1:]))


def difference_in(seen: ObservedUnits) -> tuple[tuple[int, int], EffectEstimate]:
    """Of the metric alone: units that have it, and treatment less control."""
    result = _of(seen.design, seen.units, seen.design.metric, seen.design.alpha)
    return result.units, result.difference


def _counts(treated: Mask) -> tuple[int, int]:
    return int((~treated).sum()), int(treated.sum())


def _of(
    design: ExperimentDesign, units: Sequence[UnitSeen], metric: ExperimentMetric, alpha: float
) -> MetricResult:
    outcome = np.array([unit.mean(metric.name) for unit in units], dtype=np.float64)
    known = np.isfinite(outcome)
    having = [unit for unit, has in zip(units, known, strict=True) if has]
    outcome, treated = outcome[known], np.array([u.is_treated for u in having], dtype=np.bool_)
    covariate = np.array([unit.covariate for unit in having], dtype=np.float64)
    # A covariate that some have not is used by none: who has it may not be chance.
    usable = covariate if len(having) and np.isfinite(covariate).all() else None
    boundary = Boundary.narrowest_at(design.units, alpha)
    values = contributions(outcome, treated, design.share, usable)
    return MetricResult(
        metric,
        _counts(treated),
        (_arm_mean(outcome, ~treated), _arm_mean(outcome, treated)),
        mean_of(values, boundary),
        _compliers(design, having, treated, values, boundary),
    )


def _arm_mean(outcome: Floats, arm: Mask) -> float:
    return float(outcome[arm].mean()) if arm.any() else math.nan


def _compliers(
    design: ExperimentDesign,
    units: Sequence[UnitSeen],
    treated: Mask,
    values: Floats,
    boundary: Boundary,
) -> EffectEstimate | None:
    followed = np.array([unit.followed for unit in units], dtype=np.float64)
    if not len(units) or not np.isfinite(followed).all():
        return None
    return ratio_of(values, contributions(followed, treated, design.share, None), boundary)

"""What an experiment has found, from records. Runs in threads that read the store."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from typing import Any

from ifonly.service.audit.follow_up.advice import FollowUp, ReadBack, Result
from ifonly.service.audit.follow_up.reading import followed
from ifonly.service.audit.records import audit
from ifonly.service.audit.registered_experiments import RegisteredExperiment, one
from ifonly.service.experiments.analysis import ExperimentResult, MetricResult, analyse
from ifonly.service.experiments.course import EarlierLook, course
from ifonly.service.experiments.design import ArmObservation, ExperimentDesign
from ifonly.service.experiments.estimates import EffectEstimate
from ifonly.service.experiments.experiment import ToldMetric
from ifonly.service.lifecycle import MINUTE_US
from ifonly.service.served.registry import Registry
from ifonly.service.store.chain import now_us, timestamp
from ifonly.service.store.database import Database
from ifonly.service.wire import experiments as wire
from ifonly.service.words.experiments import conclusion

_READ = (ReadBack.FULLY, ReadBack.PARTLY, ReadBack.NOT_SEEN)


@dataclass(frozen=True)
class ExperimentFound:
    """The result so far."""

    result: ExperimentResult
    exposures: tuple[int, int]
    """Alarms that were explained, by arm."""
    waiting: int = 0
    """Of them, those whose window is not over."""
    course: tuple[EarlierLook, ...] = ()

    def told(self) -> wire.ExperimentResult:
        """As replies tell it."""
        found = self.result
        return wire.ExperimentResult(
            verdict=found.verdict.value,
            text=dict(conclusion(found)),
            exposures=list(self.exposures),
            waiting=self.waiting,
            units=list(found.units),
            crossed=found.crossed,
            mismatch_p=found.mismatch_p,
            metric=_metric(found.metric),
            guards=[_metric(guard) for guard in found.guards],
            course=[_look(look) for look in self.course],
        )


def state_of(known: RegisteredExperiment) -> wire.ExperimentState:
    """A design and whether it runs, as replies tell it."""
    stopped = known.stopped
    state: Any = "running" if stopped is None else stopped.facts.status
    return wire.ExperimentState(
        id=known.id,
        design=known.asked,
        state=state,
        started=timestamp(known.started_us),
        stopped=None if stopped is None else timestamp(stopped.facts.time_us),
        by=known.record.facts.actor,
        audit=audit(known.record),
    )


def reply(database: Database, registry: Registry, identity: str) -> wire.ExperimentReply:
    """A design, and what it has found so far.

    Raises
    ------
    UnknownRecord
        If there is none of that id or name.
    """
    known = one(database, identity)
    result = found(database, registry, known).told()
    return wire.ExperimentReply(experiment=state_of(known), result=result)


def found(database: Database, registry: Registry, known: RegisteredExperiment) -> ExperimentFound:
    """Of alarms whose window is over: a course that is not, is no outcome yet.

    Raises
    ------
    StoreUnavailable, StoreDamaged
        If the store cannot be read.
    """
    experiment, now = known.experiment, now_us()
    window = experiment.within_minutes * MINUTE_US
    until = now + 1 if known.stopped_us is None else known.stopped_us
    came = followed(database, registry, experiment.model, known.started_us, until, window)
    over = [e.advice.time_us + window for e in came.each if known.id in e.advice.arms]
    observed = [*zip(over, observations(known, came.each), strict=True)]
    mature = [(time_us, each) for time_us, each in observed if time_us <= now]
    return ExperimentFound(
        analyse(experiment.design, (each for _, each in mature)),
        exposures(experiment.design, (each for _, each in observed)),
        len(observed) - len(mature),
        tuple(course(experiment.design, mature)),
    )


def exposures(design: ExperimentDesign, observed: Iterable[ArmObservation]) -> tuple[int, int]:
    """How many of the control and of the treatment."""
    arms = Counter(each.arm for each in observed)
    return arms[design.control], arms[design.treatment]


def observations(known: RegisteredExperiment, each: Iterable[FollowUp]) -> Iterator[ArmObservation]:
    """One of each alarm that was explained in an arm, in the order of time."""
    for followed_up in each:
        shown = followed_up.advice.arms.get(known.id)
        if shown is not None:
            yield ArmObservation(
                shown.unit,
                shown.arm,
                dict(metric_values(followed_up, known.experiment.within_minutes)),
                followed_up.is_followed,
                followed_up.advice.score,
            )


def metric_values(of: FollowUp, window: int) -> Iterator[tuple[str, float]]:
    """What is known of an alarm, by metric; ``window`` in minutes."""
    told = of.outcome
    if told is not None:
        yield ToldMetric.SUCCESS, float(told.result is Result.SUCCESS)
        if told.number is not None:
            yield ToldMetric.NUMBER, told.number
    if of.seen in _READ:
        cleared = of.cleared_us is not None
        yield ToldMetric.CLEARED, float(cleared and not of.returned)
        yield ToldMetric.RETURNED, float(of.returned)
        took_us = 0 if of.cleared_us is None else of.cleared_us - of.advice.time_us
        yield ToldMetric.MINUTES, took_us / MINUTE_US if cleared else float(window)


def _metric(found: MetricResult) -> wire.MetricFound:
    name: Any = found.metric.name  # one that its request may have
    shows: Any = found.verdict.value
    return wire.MetricFound(
        metric=name,
        better=found.metric.better.value,
        shows=shows,
        units=list(found.units),
        means=[_number(mean) for mean in found.means],
        difference=_interval(found.difference),
        compliers=None if found.compliers is None else _interval(found.compliers),
    )


def _look(look: EarlierLook) -> wire.CourseLook:
    return wire.CourseLook(
        time=timestamp(look.time_us),
        units=list(look.units),
        difference=_interval(look.difference),
    )


def _interval(found: EffectEstimate) -> wire.Interval:
    return wire.Interval(
        value=_number(found.value),
        low=_number(found.lower),
        high=_number(found.upper),
        p_value=found.p_value,
    )


def _number(value: float) -> float | None:
    return value if math.isfinite(value) else None

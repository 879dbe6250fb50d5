"""Experiments as records have them. Runs in threads that read the store."""

from __future__ import annotations

import threading
import time
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from typing import Any

import sqlalchemy as sa
from pydantic_core import from_json

from ifonly.service.errors import UnknownRecord
from ifonly.service.experiments.design import BetterWay, ExperimentDesign, ExperimentMetric
from ifonly.service.experiments.experiment import ArmOptions, AssignedUnit, Experiment
from ifonly.service.store import archive
from ifonly.service.store.chain import Record
from ifonly.service.store.database import Database
from ifonly.service.store.kinds import RecordKind
from ifonly.service.wire import experiments as wire

STARTED, STOPPED, BY_GUARD = "started", "stopped", "stopped_by_guard"
REFRESH_SECONDS = 2.0


@dataclass(frozen=True)
class RegisteredExperiment:
    """One, and whether it runs."""

    record: Record
    """That it was started by."""
    experiment: Experiment
    asked: wire.ExperimentRequest
    stopped: Record | None

    @property
    def id(self) -> str:
        return self.record.facts.id

    @property
    def is_running(self) -> bool:
        return self.stopped is None

    @property
    def started_us(self) -> int:
        return self.record.facts.time_us

    @property
    def stopped_us(self) -> int | None:
        return None if self.stopped is None else self.stopped.facts.time_us


def meant(asked: wire.ExperimentRequest) -> Experiment:
    """What a request asks for.

    Raises
    ------
    InvalidRequest
        If it makes no experiment.
    """
    arms = (asked.control, asked.treatment)
    design = ExperimentDesign(
        name=asked.name,
        salt=asked.salt,
        control=asked.control.name,
        treatment=asked.treatment.name,
        metric=_metric(asked.metric),
        share=asked.share,
        guards=tuple(map(_metric, asked.guards)),
        alpha=asked.alpha,
        units=asked.units,
        is_aa=asked.aa,
    )
    options = {
        arm.name: ArmOptions(arm.semantics, arm.robust, arm.way, arm.advice == "withheld")
        for arm in arms
    }
    unit = AssignedUnit(asked.unit)
    return Experiment(design, asked.model, unit, asked.within_minutes, options, asked.only)


def _metric(asked: wire.MetricRequest) -> ExperimentMetric:
    return ExperimentMetric(asked.name, BetterWay(asked.better))


def registered(database: Database) -> list[RegisteredExperiment]:
    """Every experiment, the newest first.

    Raises
    ------
    StoreUnavailable, StoreDamaged
        If the store cannot be read.
    """
    with database.reading() as connection:
        return registered_in(database, connection)


def registered_in(database: Database, connection: sa.Connection) -> list[RegisteredExperiment]:
    """The same, as a transaction sees it."""
    started: list[Record] = []
    stopped: dict[str | None, Record] = {}
    for record in archive.every(database, connection, RecordKind.EXPERIMENT):
        if record.facts.status == STARTED:
            started.append(record)
        else:
            stopped[record.facts.about] = record  # the oldest of them stays
    return [_read(record, stopped.get(record.facts.id)) for record in started]


def one(database: Database, identity: str) -> RegisteredExperiment:
    """By its id or its name.

    Raises
    ------
    UnknownRecord
        If there is none.
    """
    return named(registered(database), identity)


def named(known: Iterable[RegisteredExperiment], identity: str) -> RegisteredExperiment:
    """As :func:`one`, of those that are known."""
    for each in known:
        if identity in (each.id, each.experiment.design.name):
            return each
    raise UnknownRecord(identity, "experiment")


def _read(record: Record, stopped: Record | None) -> RegisteredExperiment:
    detail: Mapping[str, Any] = record.facts.detail or {}
    asked = wire.ExperimentRequest.model_validate(from_json(str(detail["design"])))
    return RegisteredExperiment(record, meant(asked), asked, stopped)


class RunningExperiments:
    """Those that run, as of some seconds ago: looked up for every explanation."""

    def __init__(self, database: Database) -> None:
        """``database``: whole, whoever asks: who is in an arm is no matter of who looks."""
        self.database = database
        self._lock = threading.Lock()
        self._known: tuple[RegisteredExperiment, ...] = ()
        self._until = 0.0

    def known(self) -> tuple[RegisteredExperiment, ...] | None:
        """Without a look into the store; None: it is time for one."""
        return self._known if time.monotonic() < self._until else None

    def of(self) -> tuple[RegisteredExperiment, ...]:
        """Raises
        ------
        StoreUnavailable, StoreDamaged
            If the store cannot be read.
        """
        with self._lock:
            if self.known() is None:
                self._known = tuple(e for e in registered(self.database) if e.is_running)
                self._until = time.monotonic() + REFRESH_SECONDS
        return self._known

    def forget(self) -> None:
        """Look again: one was started or stopped here."""
        self._until = 0.0

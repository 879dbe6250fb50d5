"""Which experiment's arm a question is in, and the question as that arm asks it."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, replace
from functools import partial
from typing import Any

from ifonly.service.audit.observations import place_of
from ifonly.service.audit.recorder import Recorder
from ifonly.service.audit.registered_experiments import RegisteredExperiment
from ifonly.service.experiments.experiment import ArmOptions, AssignedUnit
from ifonly.service.served.registry import ServedModel
from ifonly.service.store import alarms
from ifonly.service.store.database import Database
from ifonly.service.wire.requests import ExplanationRequest

MEMBER = "experiment"
"""Of a record's detail."""


def arm_in(said: Mapping[str, Any] | None) -> tuple[str, str] | None:
    """The experiment's id and the arm that a record's detail, or an answer shown in one, names."""
    found = (said or {}).get(MEMBER)
    return (str(found["id"]), str(found["arm"])) if isinstance(found, dict) else None


@dataclass(frozen=True)
class Assignment:
    """The arm that a question is in."""

    experiment: RegisteredExperiment
    unit: str
    arm: str

    @property
    def options(self) -> ArmOptions:
        return self.experiment.experiment.options[self.arm]

    @property
    def detail(self) -> dict[str, Any]:
        """What its record says: that it was shown so is the exposure."""
        said = {"id": self.experiment.id, "arm": self.arm, "unit": self.unit}
        # What pages show of it, so that they need not look the design up.
        said |= {"advice": "withheld"} if self.options.withheld else {}
        said |= {"way": self.options.way} if self.options.way else {}
        return {MEMBER: said}

    @property
    def header(self) -> str:
        """As replies name it: ``NAME=ARM``, and what of the advice is to be shown."""
        shown = "; advice=withheld" if self.options.withheld else ""
        way = f"; way={self.options.way}" if self.options.way else ""
        return f"{self.experiment.experiment.design.name}={self.arm}{shown}{way}"


async def assigned_in(
    recorder: Recorder, model: ServedModel, request: ExplanationRequest
) -> tuple[Recorder, ExplanationRequest, Assignment | None]:
    """The question as the arm that it is in asks it, and what records that it was.

    Raises
    ------
    StoreUnavailable, StoreDamaged
        If the store cannot be read.
    """
    if not request.attributes:
        return recorder, request, None
    runtime = recorder.runtime
    running = runtime.experiments.known()
    if running is None:  # looked up some seconds ago
        running = await runtime.readers.run(runtime.experiments.of)
    if not running:
        return recorder, request, None
    database = runtime.experiments.database
    find = partial(assigned, database, running, model, request.attributes)
    arm = await runtime.readers.run(find)
    if arm is None:
        return recorder, request, None
    drafting = replace(recorder.drafting, marks=arm.detail)
    return replace(recorder, drafting=drafting), as_asked(request, arm.options), arm


def assigned(
    database: Database,
    running: Iterable[RegisteredExperiment],
    model: ServedModel,
    attributes: Mapping[str, str],
) -> Assignment | None:
    """The arm of a question about a piece of equipment; None: it is of no experiment. Of several,
    the one that was started first: two at once would be each other's disturbance.

    Raises
    ------
    StoreUnavailable, StoreDamaged
        If the store cannot be read.
    """
    eligible = [e for e in running if e.experiment.is_eligible(model.name, attributes)]
    place = place_of(model, attributes) if eligible else None
    if place is None:
        return None
    first = min(eligible, key=lambda each: each.started_us)
    unit = place.condition
    if first.experiment.unit is AssignedUnit.EPISODE:
        episode = alarms.newest_of(database, unit)
        # Without an alarm there is no episode, and nothing to advise about.
        if episode is None or not episode.life.is_open:
            return None
        unit = episode.id
    return Assignment(first, unit, first.experiment.arm(unit))


def as_asked(request: ExplanationRequest, options: ArmOptions) -> ExplanationRequest:
    """The question as an arm asks it: what it says itself is kept."""
    said = request.model_dump(by_alias=True, exclude_unset=True)
    more: dict[str, Any] = {}
    if options.semantics is not None and "semantics" not in said:
        more["semantics"] = options.semantics
    if options.way is not None and "ways" not in said:
        more["ways"] = True
    constraints = said.get("constraints", {})
    if options.robust is not None and "robust" not in constraints:
        more["constraints"] = {**constraints, "robust": options.robust}
    return ExplanationRequest.model_validate({**said, **more}) if more else request

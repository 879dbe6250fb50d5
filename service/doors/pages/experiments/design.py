"""A sealed design, as pages tell it."""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from ifonly.explainers.wording import Language
from ifonly.explainers.wording.numerals import count, exact_percentage
from ifonly.service.audit.experiments.results import state_of
from ifonly.service.audit.registered_experiments import RegisteredExperiment
from ifonly.service.doors.pages.auditor.naming import Badge, Moment, moment_of
from ifonly.service.doors.pages.experiments.listing import badge_of
from ifonly.service.wire import experiments as wire
from ifonly.service.words import experiments as words
from ifonly.service.words.catalogue import say


@dataclass(frozen=True, slots=True)
class ArmView:
    """What one of the two does."""

    role: str
    name: str
    share: str
    does: str


@dataclass(frozen=True, slots=True)
class DesignView:
    """A design, before any of its results."""

    id: str
    name: str
    model: str
    state: Badge
    is_running: bool
    by: str
    started: Moment
    ended: Moment | None
    ended_by: str | None
    """Id of the record that ended it."""
    arms: tuple[ArmView, ArmView]
    lines: tuple[tuple[str, str], ...]
    """What else it says, each with its name."""
    is_aa: bool
    sealed: str
    """Word for word."""


def design_view(known: RegisteredExperiment, tag: Language, zone: ZoneInfo) -> DesignView:
    told, ended = state_of(known), known.stopped
    asked = told.design
    return DesignView(
        told.id,
        asked.name,
        asked.model,
        badge_of(told.state, tag),
        known.is_running,
        told.by,
        moment_of(told.started, zone),
        None if told.stopped is None else moment_of(told.stopped, zone),
        None if ended is None else ended.facts.id,
        arms_of(asked, tag),
        tuple(lines_of(asked, tag)),
        asked.aa,
        _indented(known),
    )


def _indented(known: RegisteredExperiment) -> str:
    detail: dict[str, Any] = dict(known.record.facts.detail or {})
    return json.dumps(json.loads(str(detail["design"])), indent=2, ensure_ascii=False)


def arms_of(asked: wire.ExperimentRequest, tag: Language) -> tuple[ArmView, ArmView]:
    """The control, then the treatment."""
    shares = (round(1.0 - asked.share, 9), asked.share)
    pairs = zip(("control", "treatment"), (asked.control, asked.treatment), shares, strict=True)
    control, treatment = (
        ArmView(
            say(f"experiment.{role}", tag),
            arm.name,
            exact_percentage(share),
            "; ".join(_does(arm, tag)),
        )
        for role, arm, share in pairs
    )
    return control, treatment


def _does(arm: wire.ArmRequest, tag: Language) -> list[str]:
    found = []
    if arm.advice == "withheld":
        found.append(say("experiment.withheld", tag))
    if arm.semantics is not None:
        found.append(say(f"experiment.semantics_{arm.semantics}", tag))
    if arm.robust is not None:
        found.append(say(f"experiment.robust_{str(arm.robust).lower()}", tag))
    if arm.way is not None:
        found.append(say("experiment.way_first", tag, way=say(f"ways.{arm.way}", tag)))
    return found or [say("experiment.as_always", tag)]


def lines_of(asked: wire.ExperimentRequest, tag: Language) -> Iterator[tuple[str, str]]:
    """Everything but arms, names and the model."""

    def said(key: str, value: str) -> tuple[str, str]:
        return say(f"experiment.{key}", tag), value

    yield said("metric", with_direction(asked.metric, tag))
    guards = [with_direction(guard, tag) for guard in asked.guards]
    yield said("guards", "; ".join(guards) or say("experiment.no_guards", tag))
    yield said("unit", say(f"experiment.unit_{asked.unit}", tag))
    minutes = count(asked.within_minutes)
    yield said("window", say("experiment.window_minutes", tag, minutes=minutes))
    yield said("units_planned", count(asked.units))
    yield said("alpha", exact_percentage(asked.alpha))
    if asked.only:
        yield said("only", ", ".join(f"{name}={value}" for name, value in asked.only.items()))
    yield said("salt", asked.salt)


def with_direction(metric: wire.MetricRequest, tag: Language) -> str:
    """A metric, and which way it is better."""
    name, better = words.metric(metric.name, tag), say(f"experiment.better_{metric.better}", tag)
    return f"{name} ({better})"

"""What would be, were some levers set: as it is shown beside the sliders."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Literal

from ifonly.explainers.target import Demand
from ifonly.explainers.wording import Language
from ifonly.explainers.wording.gauges import Gauge
from ifonly.explainers.wording.numerals import exact_percentage, percentage
from ifonly.service.doors.pages.operator import course_drawing
from ifonly.service.doors.pages.operator.course_drawing import CourseDrawing
from ifonly.service.doors.pages.operator.levers import written
from ifonly.service.doors.pages.operator.verdict import PredictionVerdict, verdict_of
from ifonly.service.served.registry import ServedModel
from ifonly.service.words.labels import label as label_of


@dataclass(frozen=True, slots=True)
class Follows:
    """A feature that moves because others were set."""

    name: str
    label: str
    before: str
    after: str
    value: str
    """As a slider takes it."""


@dataclass(frozen=True, slots=True)
class Broken:
    """A rule that would be broken."""

    text: str
    why: str
    features: str


@dataclass(frozen=True, slots=True)
class Unsure:
    """As wanted, but not as probable as is demanded of an answer."""

    side: Literal["below", "above"]
    of: str
    percent: str
    limit: str


@dataclass(frozen=True, slots=True)
class WhatIfView:
    """A what-if reply, to be looked at."""

    before: PredictionVerdict
    after: PredictionVerdict
    changed: bool
    allowed: bool
    follows: tuple[Follows, ...]
    broken: tuple[Broken, ...]
    off_grid: tuple[tuple[str, str], ...]
    unreadable: tuple[str, ...]
    cost: float
    unsure: Unsure | None
    doubts: tuple[str, ...] = ()
    """Failed parts of the causal model that it rests on."""
    course: CourseDrawing | None = None
    """What comes before it, where the causal model says when."""


def outcome_of(
    reply: Mapping[str, Any], model: ServedModel, tag: Language, demand: Demand | None
) -> WhatIfView:
    """``reply``: as the API replies it; ``demand``: what an answer has to meet."""
    schema, decision = model.schema, model.decision
    wanted = None if decision.desired is None else decision.class_names[decision.desired]

    def verdict(said: Mapping[str, Any]) -> PredictionVerdict:
        return verdict_of(said, wanted is not None and said.get("class") != wanted, model, tag)

    def label(name: str) -> str:
        return label_of(schema[name], tag)

    def value(name: str, number: Any) -> str:
        return Gauge.of(schema[name]).value(schema[name].read(number), tag)

    return WhatIfView(
        verdict(reply["prediction"]["before"]),
        verdict(reply["prediction"]["after"]),
        reply["changed"],
        reply["allowed"],
        tuple(
            Follows(
                part["feature"],
                label(part["feature"]),
                value(part["feature"], part["from"]),
                Gauge.of(schema[part["feature"]]).value(float(part["to"]), tag, computed=True),
                written(schema[part["feature"]], float(part["to"])),
            )
            for part in reply["effects"]
        ),
        tuple(
            Broken(
                _clause(rule["text"][tag], rule["why"].get(tag, "")),
                rule["why"].get(tag, ""),
                ", ".join(label(name) for name in rule["features"]),
            )
            for rule in reply["broken_rules"]
        ),
        tuple(
            (
                label(part["feature"]),
                ", ".join(value(part["feature"], v) for v in part["nearest"]),
            )
            for part in reply["off_grid"]
        ),
        tuple(label(name) for name in reply["unreadable"]),
        reply["cost"],
        _unsure(reply["prediction"]["after"], model, tag, demand),
        tuple(doubt["text"][tag] for doubt in reply["doubts"]),
        course_drawing.drawn(reply["trajectory"], model, tag) if "trajectory" in reply else None,
    )


def _unsure(
    said: Mapping[str, Any], model: ServedModel, tag: Language, demand: Demand | None
) -> Unsure | None:
    if demand is None:
        return None
    wanted = model.decision.classes[demand.wanted]
    share = said["probability"]
    # Another class is no matter of sureness: the verdict itself says so.
    if said["class"] != wanted.name or demand.lower <= share <= demand.upper:
        return None
    side: Literal["below", "above"] = "below" if share < demand.lower else "above"
    limit = demand.lower if side == "below" else demand.upper
    # Never rounded onto the demanded end, or the page would contradict itself.
    shown = percentage(share, limit), exact_percentage(limit)
    return Unsure(side, label_of(wanted, tag), *shown)


def said_demand(demand: Demand) -> str:
    """``≥ 95 %``"""
    ends = (("≥", demand.lower), ("≤", demand.upper))
    return ", ".join(f"{sign} {exact_percentage(end)}" for sign, end in ends if math.isfinite(end))


def _clause(text: str, why: str) -> str:
    """A rule in words, without the reason that stands beside it already."""
    # The reason is shown beside the rule, so it is not said twice.
    clause = text.removesuffix(f"({why.rstrip('.')})").strip() if why else text
    return clause[:1].upper() + clause[1:]

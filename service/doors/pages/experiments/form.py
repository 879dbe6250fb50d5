"""The form by which an experiment is designed, and how many units it needs."""

from __future__ import annotations

import math
import secrets
from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from ifonly.explainers.wording import Language
from ifonly.explainers.wording.numerals import count, figure
from ifonly.service.audit.experiments.planning import DAYS, RecentUnits
from ifonly.service.audit.registered_experiments import meant
from ifonly.service.doors.pages.visit import whole
from ifonly.service.errors import Fault, InvalidRequest, RequestPart
from ifonly.service.experiments.power import UnitsNeeded, units_needed
from ifonly.service.wire import experiments as wire
from ifonly.service.wire import validation
from ifonly.service.words import experiments as words
from ifonly.service.words.catalogue import say
from ifonly.service.words.typography import percents

ARMS = ("control", "treatment")
OPTIONS = ("name", "semantics", "robust", "way", "advice")
METRICS = ("success:up", "cleared:up", "returned:down", "minutes:down", "number:up", "number:down")
"""With the way in which each is better: of the number only the plant knows."""
GUARDS = tuple(f"guard_{metric.replace(':', '_')}" for metric in METRICS)
DESIGN = (
    "name", "model", "salt", "unit", "metric", "share", "alpha", "units", "within_minutes", "only",
    "aa", *(f"{arm}_{option}" for arm in ARMS for option in OPTIONS), *GUARDS,
)  # fmt: skip
PLAN = "plan"
"""Said by the button that asks how many units are needed."""
FIELDS = (*DESIGN, "difference", "baseline", "deviation", "power", PLAN)
DEFAULTS = {
    "control_name": "control",
    "treatment_name": "treatment",
    "metric": METRICS[0],
    "unit": "equipment",
    "share": "50",
    "alpha": "5",
    "within_minutes": "480",
    "power": "80",
}
WAYS = ("smallest", "fewest_levers", "most_robust", "other_levers")


@dataclass(frozen=True, slots=True)
class PlannedView:
    """What a design needs, in words."""

    lines: tuple[str, ...]
    units: str
    """To be planned for; empty: not known."""


def filled(said: Mapping[str, str]) -> dict[str, str]:
    """The form as it is shown: before anybody has sent it, as it begins."""
    begun = {} if PLAN in said else {**DEFAULTS, "salt": secrets.token_hex(4)}
    return {name: said.get(name, begun.get(name, "")) for name in FIELDS}


def request_of(said: Mapping[str, str], comment: str = "") -> wire.ExperimentRequest:
    """The design that a form was filled in with.

    Raises
    ------
    InvalidRequest
        If it is none.
    """
    body: dict[str, Any] = {n: said[n] for n in ("name", "model", "salt", "unit") if n in said}
    for arm in ARMS:
        body[arm] = _arm(said, arm)
    if "metric" in said:
        body["metric"] = _metric(said["metric"])
    chosen = [metric for metric, key in zip(METRICS, GUARDS, strict=True) if key in said]
    body["guards"] = [_metric(metric) for metric in chosen]
    body |= {name: _share(said[name]) for name in ("share", "alpha") if name in said}
    body |= {name: whole(said[name]) for name in ("units", "within_minutes") if name in said}
    body["only"] = _only(said.get("only", ""))
    body["aa"] = "aa" in said
    if comment:
        body["comment"] = comment
    return validation.read(wire.ExperimentRequest, body)


def _arm(said: Mapping[str, str], arm: str) -> dict[str, Any]:
    found: dict[str, Any] = {o: said[f"{arm}_{o}"] for o in OPTIONS if f"{arm}_{o}" in said}
    if "robust" in found:
        found["robust"] = {"true": True, "false": False}.get(found["robust"], found["robust"])
    return found


def _metric(text: str) -> dict[str, str]:
    name, _, better = text.partition(":")
    return {"name": name, "better": better}


def _only(text: str) -> dict[str, str]:
    pairs = (line.partition("=") for line in text.splitlines() if line.strip())
    return {name.strip(): value.strip() for name, _, value in pairs}


def _share(text: str) -> float | str:
    """Percent as a share; what is no number stays as it is, and is refused."""
    number = _number(text.removesuffix("%"))
    return text if number is None else round(number / 100.0, 12)


def _number(text: str) -> float | None:
    try:
        number = float(text.strip())
    except ValueError:
        return None
    return number if math.isfinite(number) else None


def planned(
    said: Mapping[str, str], request: wire.ExperimentRequest, known: RecentUnits, tag: Language
) -> PlannedView:
    """How many units ``request`` needs, by what the form says or is known of late.

    Raises
    ------
    InvalidRequest
        If a number of the form is none, or beyond its ends.
    """
    meant(request)
    metric = request.metric.name
    lines = [_lately(metric, known, tag)]
    if "difference" not in said:
        return PlannedView((*lines, say("experiment.not_asked", tag)), "")
    scale = 100.0 if metric in words.SHARES else 1.0
    difference = _within(said, "difference", -1e12, 1e12) / scale
    if difference == 0.0:
        raise _refused("difference", "difference is 0, which is none", 0)
    power = _within(said, "power", 1.0, 99.9) / 100.0
    deviation = _deviation(said, metric, known)
    if deviation is None:
        key = "baseline" if metric in words.SHARES else "deviation"
        raise _refused(key, f"{key} is missing, and nothing is known of it lately", None)
    needed = units_needed(difference, deviation, request.share, request.alpha, power)
    units = needed.looked_at_any_time
    lines += [say("experiment.needs_once", tag, units=count(needed.looked_at_once))]
    lines += [_any_time(needed, tag)]
    if units is not None:
        lines += _reached(request, units, known, tag)
    return PlannedView(
        tuple(percents(line, tag) for line in lines), "" if units is None else f"{units}"
    )


def _lately(metric: str, known: RecentUnits, tag: Language) -> str:
    if known.mean is None or known.deviation is None:
        return say("experiment.lately_none", tag)
    return say(
        "experiment.lately_metric",
        tag,
        metric=words.metric(metric, tag),
        value=words.value(metric, known.mean),
        deviation=figure(known.deviation, 3),
        count=count(known.known),
    )


def _any_time(needed: UnitsNeeded, tag: Language) -> str:
    units = needed.looked_at_any_time
    if units is None:
        return say("experiment.needs_too_many", tag)
    return say("experiment.needs_any_time", tag, units=count(units))


def _reached(
    request: wire.ExperimentRequest, units: int, known: RecentUnits, tag: Language
) -> list[str]:
    """Whether so many units come, and when."""
    days, units_said = count(DAYS), count(known.units)
    if request.unit == "equipment":
        few = [say("experiment.lately_too_few", tag)] if units > known.units else []
        return [say("experiment.lately_equipment", tag, days=days, units=units_said), *few]
    if not known.units:
        return []
    time = count(math.ceil(units * DAYS / known.units))
    said = {"days": days, "units": units_said, "needed": count(units), "time": time}
    return [say("experiment.lately_episodes", tag, **said)]


def _deviation(said: Mapping[str, str], metric: str, known: RecentUnits) -> float | None:
    """Of one unit within an arm: as the form says it, else as it was of late."""
    if metric in words.SHARES:
        if "baseline" in said:
            share = _within(said, "baseline", 0.1, 99.9) / 100.0
            return math.sqrt(share * (1.0 - share))
    elif "deviation" in said:
        return _within(said, "deviation", 1e-12, 1e12)
    return known.deviation or None


def _within(said: Mapping[str, str], name: str, low: float, high: float) -> float:
    text = said.get(name, DEFAULTS.get(name, ""))
    number = _number(text.removesuffix("%"))
    if number is None or not low <= number <= high:
        raise _refused(name, f"{name} is {text!r}, no number from {low:g} to {high:g}", text)
    return number


def _refused(name: str, problem: str, value: object) -> InvalidRequest:
    return InvalidRequest(RequestPart.REQUEST, [Fault((name,), problem, value)])


def choices(tag: Language) -> dict[str, list[tuple[str, str]]]:
    """What can be chosen, by field."""

    def each(prefix: str, *values: str) -> list[tuple[str, str]]:
        return [(value, say(f"experiment.{prefix}{value}", tag)) for value in values]

    return {
        "semantics": each("semantics_", "interventional", "independent"),
        "robust": each("robust_", "true", "false"),
        "advice": each("advice_", "shown", "withheld"),
        "way": [(way, say(f"ways.{way}", tag)) for way in WAYS],
        "unit": each("unit_", "equipment", "episode"),
        "metric": [(metric, _metric_in_words(metric, tag)) for metric in METRICS],
    }


def _metric_in_words(text: str, tag: Language) -> str:
    said = _metric(text)
    better = say(f"experiment.better_{said['better']}", tag)
    return f"{words.metric(said['name'], tag)} ({better})"

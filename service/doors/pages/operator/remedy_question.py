"""What one change is sought for: as the address of its page has it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import Any
from urllib.parse import urlencode

from ifonly.explainers.wording import LANGUAGES
from ifonly.service.audit.alarm_readings import AlarmReading, AlarmReadings, alarm_readings
from ifonly.service.doors.pages.operator.together import running
from ifonly.service.errors import Fault, InvalidRequest, RequestPart
from ifonly.service.floods import FloodRules
from ifonly.service.plant_times import SPANS, PlantTimes, Span
from ifonly.service.served.registry import Registry, ServedModel
from ifonly.service.store.alarms import AlarmFilter
from ifonly.service.store.chain import timestamp
from ifonly.service.store.database import Database

MOST_ROWS = 500
"""Alarms that one change is sought for: the most urgent, or the newest, of more."""
MOST_LEVERS = 3
SECONDS = (10, 60)
"""Of search; longer where somebody asks for it."""
CHANGES = ("relative", "absolute", "either")
OPEN, FLOOD, CUSTOM = "open", "flood", "custom"
SPAN_NAMES = (OPEN, FLOOD, *SPANS, CUSTOM)
FIELDS = (
    *("span", "since", "until", "model", "by", "group", "search", "levers", "change"),
    *("seconds", "show"),
)
LATEST_US = 253_402_300_800_000_000
"""The year 10000: no time after it can be written."""


@dataclass(frozen=True, slots=True)
class RemedyQuestion:
    """One question."""

    span: str = OPEN
    since: str = ""
    until: str = ""
    """Of :data:`CUSTOM`, as they were written."""
    model: str = ""
    by: str = ""
    group: str = ""
    search: str = ""
    levers: int = 2
    """At most."""
    change: str = CHANGES[0]
    seconds: int = SECONDS[0]

    @property
    def address(self) -> str:
        """Of its page."""
        told = {"span": self.span, "levers": str(self.levers), "change": self.change}
        told |= {"since": self.since, "until": self.until} if self.span == CUSTOM else {}
        told |= {"by": self.by, "group": self.group} if self.by and self.group else {}
        told |= {"model": self.model, "search": self.search}
        told |= {"seconds": str(self.seconds)} if self.seconds != SECONDS[0] else {}
        return "/remedies?" + urlencode({name: value for name, value in told.items() if value})

    @property
    def longer(self) -> str:
        """Where the same is sought for longer; empty: it is sought for as long as may be."""
        return "" if self.seconds == SECONDS[-1] else replace(self, seconds=SECONDS[-1]).address

    @property
    def everywhere(self) -> str:
        """Where the same is asked of all groups."""
        return replace(self, by="", group="").address

    def body(self, rows: AlarmReadings, model: ServedModel) -> dict[str, Any]:
        """As the API is asked."""
        said = rows.attributes
        # What the spec does not know any more is not said.
        wrong = {name for name, *_ in model.deployed.spec.attributes.problems(said)}
        return {
            "instances": [dict(row.instance) for row in rows.rows],
            "records": [row.record for row in rows.rows],
            "attributes": {name: value for name, value in said.items() if name not in wrong},
            "max_levers": self.levers,
            "change": self.change,
            "deadline_ms": 1_000 * self.seconds,
            # In every language: whoever reads the record later may read another one.
            "languages": list(LANGUAGES),
        }


def asked(query: Mapping[str, str]) -> RemedyQuestion:
    """What an address asks; what makes no sense in it is as if it were not there."""
    said = {name: query.get(name, "").strip() for name in FIELDS}
    span = said["span"] if said["span"] in SPAN_NAMES else OPEN
    levers = said["levers"]
    return RemedyQuestion(
        CUSTOM if (said["since"] or said["until"]) and not query.get("span") else span,
        said["since"],
        said["until"],
        said["model"],
        said["by"],
        said["group"],
        said["search"],
        int(levers) if levers in map(str, range(1, MOST_LEVERS + 1)) else 2,
        said["change"] if said["change"] in CHANGES else CHANGES[0],
        SECONDS[-1] if said["seconds"] == str(SECONDS[-1]) else SECONDS[0],
    )


@dataclass(frozen=True, slots=True)
class WantedAlarms:
    """The alarms that a question is about."""

    found: AlarmReadings | None
    """None: there are none."""
    span: tuple[str, str] | None
    """From when until when; None: what is open."""
    problem: str = ""
    """What is wrong with the question."""

    @property
    def rows(self) -> tuple[AlarmReading, ...]:
        return () if self.found is None else self.found.rows


def wanted(
    database: Database,
    registry: Registry,
    times: PlantTimes,
    rules: FloodRules,
    question: RemedyQuestion,
    now_us: int,
) -> WantedAlarms:
    """Raises
    ------
    StoreUnavailable, StoreDamaged
        If the store cannot be read.
    """
    try:
        span = _span(database, times, rules, question, now_us)
    except InvalidRequest as error:
        return WantedAlarms(None, None, str(error))
    group = (question.by, question.group) if question.by and question.group else None
    named = AlarmFilter(None, question.model or None, question.search, group=group)
    if question.span != FLOOD:
        found = alarm_readings(database, registry, named, span, now_us, MOST_ROWS)
    elif span is None:
        found = None
    else:
        # Of the flood what is open: what somebody can still do something about.
        named = replace(named, raised_us=(span[0], span[1] + 1))
        found = alarm_readings(database, registry, named, None, now_us, MOST_ROWS)
    return WantedAlarms(found, None if span is None else (timestamp(span[0]), timestamp(span[1])))


def _span(
    database: Database,
    times: PlantTimes,
    rules: FloodRules,
    question: RemedyQuestion,
    now_us: int,
) -> Span | None:
    """None: what is open."""
    match question.span:
        case "open":
            return None
        case "flood":
            flood = running(database, rules, now_us)
            return None if flood is None else (flood.since_us, flood.until_us or now_us)
        case "custom":
            since = _time(times, "since", question.since)
            until = _time(times, "until", question.until)
            return since or 0, now_us + 1 if until is None else until
        case name:
            return times.span(name, now_us)


def _time(times: PlantTimes, name: str, text: str) -> int | None:
    if not text:
        return None
    try:
        found = times.moment(text)
    except (ValueError, OverflowError):
        found = -1
    if not 0 <= found < LATEST_US:
        problem = f"{name} is {text!r}, not a time such as 2026-01-31T08:00:00Z"
        fault = Fault((name,), problem, text, parameter=name)
        raise InvalidRequest(RequestPart.REQUEST, [fault])
    return found

"""The list of records, and what it is filtered by."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from ifonly.explainers.wording import Language
from ifonly.service import plant_times
from ifonly.service.audit import oversight, records
from ifonly.service.doors.pages.auditor import presets
from ifonly.service.doors.pages.auditor.naming import Badge, Moment, badge_of, moment_of, named
from ifonly.service.doors.pages.auditor.paging import ResultPage, found
from ifonly.service.errors import Fault, InvalidRequest, RequestPart
from ifonly.service.plant_times import PlantTimes
from ifonly.service.store.chain import now_us, timestamp
from ifonly.service.store.database import Database
from ifonly.service.wire import trail as wire
from ifonly.service.wire import validation
from ifonly.service.wire.report import QueueQuery

FIELDS = (
    "show", "period", "kind", "status", "model", "actor", "language", "begins", "request_id",
    "since", "until",
)  # fmt: skip
LIMIT = 40


@dataclass(frozen=True, slots=True)
class RecordEntry:
    """A record as the list of records shows it."""

    id: str
    when: Moment
    kind: str
    suggests: str
    """Levers and directions of an explanation."""
    badge: Badge | None
    model: str
    actor: str
    is_doubtful: bool
    """It is not what was written."""


def given(query: Mapping[str, str], fields: tuple[str, ...] = FIELDS) -> dict[str, str]:
    """What a form was filled in with; its times, which have no offset, are UTC."""
    said = {name: query[name].strip() for name in fields if query.get(name, "").strip()}
    for name in ("since", "until"):
        # datetime-local fields have no zone; the page says UTC, and the API wants one.
        if name in said and "T" in said[name] and not said[name].endswith("Z"):
            said[name] += "Z"
    if "begins" in said:
        # Ids are written in lower case; pasted ones may not be.
        said["begins"] = said["begins"].lower()
    return said


def form(said: Mapping[str, str], fields: tuple[str, ...] = FIELDS) -> dict[str, str]:
    """The same as the form shows it again; what was left out is empty."""
    shown = {name: said.get(name, "") for name in fields}
    return {
        name: value.removesuffix("Z") if name in ("since", "until") else value
        for name, value in shown.items()
    }


def choices(section: str, values: Iterable[str], tag: Language) -> list[tuple[str, str]]:
    """What can be chosen in a filter, each with its word."""
    return [(str(value), named(section, value, tag)) for value in values]


def matching(
    database: Database,
    said: Mapping[str, str],
    cursor: str | None,
    tag: Language,
    plant: PlantTimes,
    titles: Callable[[wire.Event], str],
) -> ResultPage[RecordEntry]:
    """``said``: what the address says; ``titles``: what a record suggests, in words.

    Raises
    ------
    StoreUnavailable, StoreDamaged
        If the store cannot be read.
    """

    def read(paging: dict[str, object]) -> tuple[list[RecordEntry], str | None]:
        events, after = page(database, said, plant, paging)
        return [_entry(event, tag, plant, titles) for event in events], after

    return found("/records", said, cursor, LIMIT, read)


def page(
    database: Database, said: Mapping[str, str], plant: PlantTimes, paging: Mapping[str, object]
) -> tuple[Sequence[wire.Event], str | None]:
    """Records as an address asks for them, and the cursor after the last. ``paging``: limit, and
    cursor if there is one.

    Raises
    ------
    InvalidRequest, InvalidCursor
        If something asked for is wrong.
    """
    check_beginning(said)
    asked = presets.meant(said, plant, now_us())
    where = {name: paging[name] for name in ("limit", "cursor") if name in paging}
    if presets.shown(said) != presets.UNREVIEWED:
        reply = records.events(database, validation.read(wire.PageQuery, {**asked, **where}))
        return reply.events, reply.next
    query = validation.read(QueueQuery, {**_of_queue(asked), **where})
    waiting = oversight.queue(database, query)
    return [each.event for each in waiting.waiting], waiting.next


def _of_queue(asked: Mapping[str, str]) -> dict[str, str]:
    """Of what is asked, what can be asked of explanations that wait."""
    known = ("model", "status", "since", "until")
    others = [name for name in asked if name not in (*known, "kind")]
    if others:
        text = f"of what is not reviewed yet, {others[0]} cannot be asked for"
        fault = Fault((others[0],), text, asked[others[0]], parameter=others[0])
        raise InvalidRequest(RequestPart.REQUEST, [fault])
    return {name: asked[name] for name in known if name in asked}


def check_export(said: Mapping[str, str]) -> None:
    """Raises
    ------
    InvalidRequest
        If such a list is no part of the trail that can be read chain by chain.
    """
    check_beginning(said)
    if presets.shown(said) == presets.UNREVIEWED:
        text = "what is not reviewed yet is listed as CSV, not exported as JSON lines"
        fault = Fault(("show",), text, presets.UNREVIEWED, parameter="show")
        raise InvalidRequest(RequestPart.REQUEST, [fault])


def check_beginning(filters: Mapping[str, str]) -> None:
    """Raises
    ------
    InvalidRequest
        If no id can begin so; in other words than a pattern, which the API's refusal shows.
    """
    given = filters.get("begins")
    if given is not None and not re.fullmatch(wire.BEGINNING, given):
        text = "an id begins with 4 to 36 of the characters 0-9, a-f and -, not with"
        fault = Fault(("begins",), f"{text} {given!r}", given, parameter="begins")
        raise InvalidRequest(RequestPart.REQUEST, [fault])


def _entry(
    event: wire.Event, tag: Language, plant: PlantTimes, titles: Callable[[wire.Event], str]
) -> RecordEntry:
    return RecordEntry(
        event.id,
        moment_of(event.time, plant.zone),
        named("kind.", event.kind, tag),
        titles(event),
        badge_of(event, tag),
        " ".join(filter(None, [event.model, event.version])),
        event.actor,
        bool(event.findings),
    )


def exported(said: Mapping[str, str], path: str) -> str:
    """Where the same records are as a file."""
    return f"{path}?{urlencode(said)}" if said else path


PIECE = 500
"""Records of one page of a table."""


def pages(
    database: Database, said: Mapping[str, str], plant: PlantTimes
) -> tuple[Sequence[wire.Event], Iterator[Sequence[wire.Event]]]:
    """The first page of a list, and the others, each read when it is wanted.

    Raises
    ------
    InvalidRequest
        If something asked for is wrong.
    StoreUnavailable, StoreDamaged
        If the store cannot be read.
    """
    # Of one moment: "today" must not become tomorrow between two pages.
    ends = presets.period(said.get("period", ""), plant, now_us())
    fixed = {name: value for name, value in said.items() if name != "period"}
    if ends is not None:
        fixed = {"since": timestamp(ends[0]), "until": timestamp(ends[1]), **fixed}
    first, after = page(database, fixed, plant, {"limit": PIECE})

    def others(cursor: str | None) -> Iterator[Sequence[wire.Event]]:
        while cursor is not None:
            events, cursor = page(database, fixed, plant, {"limit": PIECE, "cursor": cursor})
            yield events

    return first, others(after)


def zone_of(name: str) -> ZoneInfo:
    """Raises
    ------
    InvalidRequest
        If there is no such time zone.
    """
    try:
        return plant_times.zone_of(name)
    except ValueError:
        problem = f"zone: {name!r} is no time zone (Asia/Seoul)"
        fault = Fault(("zone",), problem, name, parameter="zone")
        raise InvalidRequest(RequestPart.REQUEST, [fault]) from None

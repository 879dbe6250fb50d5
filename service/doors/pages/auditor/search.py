"""The list of records, and what it is filtered by."""

from __future__ import annotations

import re
from collections.abc import Iterable, Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from ifonly.explainers.wording import Language
from ifonly.service.audit import records
from ifonly.service.doors.pages.auditor.naming import Badge, badge_of, moment, named
from ifonly.service.doors.pages.auditor.paging import ResultPage, found
from ifonly.service.errors import Fault, InvalidRequest, RequestPart
from ifonly.service.store.database import Database
from ifonly.service.wire import trail as wire
from ifonly.service.wire import validation

FIELDS = ("kind", "status", "model", "actor", "language", "begins", "request_id", "since", "until")
LIMIT = 40


@dataclass(frozen=True, slots=True)
class RecordEntry:
    """A record as the list of records shows it."""

    id: str
    time: str
    stamp: str
    kind: str
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
    database: Database, filters: Mapping[str, str], cursor: str | None, tag: Language
) -> ResultPage[RecordEntry]:
    """Raises
    ------
    StoreUnavailable, StoreDamaged
        If the store cannot be read.
    """

    def read(asked: dict[str, object]) -> tuple[list[RecordEntry], str | None]:
        check_beginning(filters)
        reply = records.events(database, validation.read(wire.PageQuery, asked))
        return [_entry(event, tag) for event in reply.events], reply.next

    return found("/records", filters, cursor, LIMIT, read)


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


def _entry(event: wire.Event, tag: Language) -> RecordEntry:
    return RecordEntry(
        event.id,
        moment(event.time),
        event.time,
        named("kind.", event.kind, tag),
        badge_of(event, tag),
        " ".join(filter(None, [event.model, event.version])),
        event.actor,
        bool(event.findings),
    )


def exported(filters: Mapping[str, str]) -> str:
    """Where the same records are as a file."""
    return f"/records/export?{urlencode(filters)}" if filters else "/records/export"

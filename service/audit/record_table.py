"""Records as a table: one line each, times in UTC and in a plant's own zone."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from datetime import datetime
from zoneinfo import ZoneInfo

from ifonly.service.audit.recourse_by_group.table import BOM, Cell, Row, lines
from ifonly.service.wire.trail import Event

HEADER = (
    "time_utc", "time_local", "zone", "kind", "status", "model", "version", "actor", "about",
    "request_id", "id", "writer", "sequence", "hash", "as_written",
)  # fmt: skip


def as_csv(pages: Iterable[Iterable[Event]], zone: ZoneInfo) -> Iterator[bytes]:
    """A piece for each of ``pages``. It proves nothing: the export of the trail does."""
    yield BOM.encode() + lines([HEADER])
    for events in pages:
        yield lines(_row(event, zone) for event in events)


def _row(event: Event, zone: ZoneInfo) -> Row:
    named: tuple[Cell, ...] = (
        event.kind, event.status, event.model, event.version, event.actor, event.about,
        event.request_id, event.id, event.writer, event.sequence, event.hash,
    )  # fmt: skip
    return (
        event.time,
        _local(event.time, zone),
        zone.key,
        *named,
        "no" if event.findings else "yes",
    )


def _local(stamp: str, zone: ZoneInfo) -> str:
    """With its offset: an hour that clocks go through twice is told apart. Empty of what is no
    time."""
    try:
        return datetime.fromisoformat(stamp).astimezone(zone).isoformat()
    except (ValueError, OverflowError):
        return ""

"""What waits for an auditor, each with what it says."""

from __future__ import annotations

import json
from collections.abc import Mapping
from dataclasses import dataclass

from ifonly.explainers.wording import Language
from ifonly.service.audit import oversight
from ifonly.service.doors.pages.auditor.naming import Badge, badge, badge_of, moment, said_in
from ifonly.service.doors.pages.auditor.paging import ResultPage, found
from ifonly.service.store import archive
from ifonly.service.store.database import Database
from ifonly.service.wire import report as wire
from ifonly.service.wire import validation

FIELDS = ("model", "status", "since", "until")
CLAIMS = ("infeasible", "feasible", "optimal", "unknown", "abstained")
LIMIT = 15


@dataclass(frozen=True, slots=True)
class QueueEntry:
    """An explanation that no auditor has judged, as the queue lists it."""

    id: str
    time: str
    stamp: str
    model: str
    actor: str
    claim: Badge
    text: str
    tag: str
    said: tuple[tuple[Badge, int], ...]
    is_doubtful: bool
    """It is not what was written."""


def waiting(
    database: Database, filters: Mapping[str, str], cursor: str | None, tag: Language
) -> ResultPage[QueueEntry]:
    """Raises
    ------
    StoreUnavailable, StoreDamaged
        If the store cannot be read.
    """

    def read(asked: dict[str, object]) -> tuple[list[QueueEntry], str | None]:
        reply = oversight.queue(database, validation.read(wire.QueueQuery, asked))
        return [_entry(database, each, tag) for each in reply.waiting], reply.next

    return found("/reviews", filters, cursor, LIMIT, read)


def _entry(database: Database, waiting: wire.Waiting, tag: Language) -> QueueEntry:
    event = waiting.event
    seen = archive.seen(database, event.id)
    texts = {}
    # No sentence is shown of an answer that is not the one that was sealed.
    if seen.payload is not None and not seen.findings:
        texts = json.loads(seen.payload.content)["answer"]["text"]
    return QueueEntry(
        event.id,
        moment(event.time),
        event.time,
        " ".join(filter(None, [event.model, event.version])),
        event.actor,
        badge_of(event, tag) or badge("", tag),
        *said_in(texts, tag),
        tuple((badge(verdict, tag), n) for verdict, n in sorted(waiting.said.items())),
        bool(seen.findings),
    )

"""What waits for an auditor, by kind and one by one, each with what it says."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from ifonly.explainers.wording import Language
from ifonly.service.audit import oversight, records, review_groups
from ifonly.service.audit.suggestions import Suggestion, suggestion_of
from ifonly.service.doors.pages.auditor.naming import (
    Badge,
    Moment,
    Names,
    badge,
    badge_of,
    moment_of,
    said_in,
)
from ifonly.service.doors.pages.auditor.paging import ResultPage, found
from ifonly.service.served.registry import Registry
from ifonly.service.store import archive, explanations
from ifonly.service.store.archive import CheckedRecord
from ifonly.service.store.chain import Facts
from ifonly.service.store.database import Database
from ifonly.service.store.kinds import RecordKind
from ifonly.service.store.withdrawals import in_force
from ifonly.service.wire import report as wire
from ifonly.service.wire import samples as wire_samples
from ifonly.service.wire import validation
from ifonly.service.wire.trail import Event
from ifonly.service.words.catalogue import say

FIELDS = ("model", "status", "group", "since", "until")
CLAIMS = ("infeasible", "feasible", "optimal", "unknown", "abstained")
LIMIT = 15
MOST_GROUPED = 1_000
"""The newest that wait, of which groups are shown: a page must not read a whole plant."""
MOST_BLOCKING = 3
ARROWS: Mapping[str, str] = {"+": "↑", "-": "↓"}


@dataclass(frozen=True, slots=True)
class QueueEntry:
    """An explanation that is to be judged, as pages list it."""

    id: str
    when: Moment
    title: str
    """Levers and directions."""
    model: str
    actor: str
    claim: Badge
    marks: tuple[Badge, ...]
    """Whether it survives the sensors."""
    text: str
    tag: str
    said: tuple[tuple[Badge, int], ...]
    is_doubtful: bool
    """It is not what was written."""
    is_erased: bool
    is_typical: bool = False


@dataclass(frozen=True, slots=True)
class GroupEntry:
    """A kind of suggestion, as the queue lists it."""

    key: str
    address: str
    title: str
    claim: Badge
    marks: tuple[Badge, ...]
    model: str
    count: int
    is_chosen: bool


@dataclass(frozen=True, slots=True)
class Groups:
    """The kinds of what waits."""

    entries: tuple[GroupEntry, ...]
    looked_at: int
    are_all: bool


@dataclass(frozen=True)
class QueueReader:
    """Reads for one visit."""

    database: Database
    registry: Registry
    tag: Language
    zone: ZoneInfo

    def waiting(self, filters: Mapping[str, str], cursor: str | None) -> ResultPage[QueueEntry]:
        """One page of what waits.

        Raises
        ------
        StoreUnavailable, StoreDamaged
            If the store cannot be read.
        """

        def read(asked: dict[str, object]) -> tuple[list[QueueEntry], str | None]:
            reply = oversight.queue(self.database, validation.read(wire.QueueQuery, asked))
            leads = "group" in asked and "cursor" not in asked
            return [
                self._entry(archive.seen(self.database, w.event.id), w.said, leads and k == 0)
                for k, w in enumerate(reply.waiting)
            ], reply.next

        return found("/reviews", filters, cursor, LIMIT, read)

    def groups(self, filters: Mapping[str, str]) -> Groups:
        """Kinds of what waits; none where the filter cannot be read, which the list says.

        Raises
        ------
        InvalidRequest
            If a filter is wrong.
        StoreUnavailable, StoreDamaged
            If the store cannot be read.
        """
        chosen = filters.get("group")
        wide = {name: value for name, value in filters.items() if name != "group"}
        query = validation.read(wire_samples.GroupsQuery, {**wide, "most": MOST_GROUPED})
        reply = review_groups.groups(self.database, query)
        entries = tuple(
            GroupEntry(
                each.key,
                f"/reviews?{urlencode({**wide, 'group': each.key})}",
                self._blocked(each) or self.title(kind_of(each), each.typical.version),
                badge(each.status, self.tag),
                self.marks(each.robust),
                each.model,
                each.count,
                each.key == chosen,
            )
            for each in reply.groups
        )
        return Groups(entries, reply.looked_at, reply.are_all)

    def entries(self, identities: Sequence[str]) -> list[QueueEntry]:
        """Some explanations, in that order."""
        said = _counted(self.database, identities)
        seen = (archive.seen(self.database, each) for each in identities)
        return [self._entry(each, said.get(each.record.facts.id, {})) for each in seen]

    def _entry(
        self, seen: CheckedRecord, said: Mapping[str, int], is_typical: bool = False
    ) -> QueueEntry:
        facts = seen.record.facts
        texts: Mapping[str, str] = {}
        # No sentence is shown of an answer that is not the one that was sealed.
        if seen.payload is not None and not seen.findings:
            texts = json.loads(seen.payload.content)["answer"]["text"]
        event = records.event(seen.record, seen.findings)
        return QueueEntry(
            facts.id,
            moment_of(event.time, self.zone),
            self.suggests(event),
            " ".join(filter(None, [event.model, event.version])),
            event.actor,
            badge_of(event, self.tag) or badge("", self.tag),
            self.marks(suggestion_of(facts).robust),
            *said_in(texts, self.tag),
            tuple((badge(verdict, self.tag), n) for verdict, n in sorted(said.items())),
            bool(seen.findings),
            seen.payload is None,
            is_typical,
        )

    def marks(self, robust: bool | None) -> tuple[Badge, ...]:
        """Whether an answer survives the sensors, where that is known."""
        if robust is None:
            return ()
        if robust:
            return (Badge("plain", "proof", say("group.robust", self.tag)),)
        return (Badge("warn", "info", say("group.fragile", self.tag)),)

    def title(self, kind: Suggestion, version: str | None = None) -> str:
        """What a kind of suggestion is called."""
        facts = Facts(kind=RecordKind.EXPLANATION, actor="", model=kind.model, version=version)
        names = Names.of(facts, self.registry, self.tag)
        if kind.sets:
            return " · ".join(self._lever(names, *each) for each in kind.sets)
        if kind.blocked:
            some = ", ".join(kind.blocked[:MOST_BLOCKING])
            more = ", …" if len(kind.blocked) > MOST_BLOCKING else ""
            return say("group.blocked", self.tag, rules=some + more)
        return say("group.nothing" if kind.is_marked else "group.unmarked", self.tag)

    def _blocked(self, group: wire_samples.SuggestionGroup) -> str:
        """What leaves nothing, in the words of the typical one; empty where it tells of nothing."""
        if not group.blocked:
            return ""
        seen = archive.seen(self.database, group.typical.id)
        if seen.payload is None or seen.findings:
            return ""
        rules = json.loads(seen.payload.content)["answer"]["blocked_by"]
        texts = [said_in(rule["text"], self.tag)[0] for rule in rules]
        more = " …" if len(texts) > MOST_BLOCKING else ""
        return say("group.blocked", self.tag, rules="; ".join(texts[:MOST_BLOCKING]) + more)

    def suggests(self, event: Event) -> str:
        """What an explanation suggests; empty of other records, and of what is not as sealed."""
        if event.kind != RecordKind.EXPLANATION or event.findings:
            return ""
        facts = Facts(
            kind=RecordKind.EXPLANATION,
            actor="",
            model=event.model,
            status=event.status,
            detail=event.detail,
        )
        kind = suggestion_of(facts)
        return self.title(kind, event.version) if kind.sets or kind.blocked else ""

    def _lever(self, names: Names, feature: str, direction: str) -> str:
        arrow = ARROWS.get(direction)
        if arrow is not None:
            return f"{names.label(feature)} {arrow}"
        return f"{names.label(feature)} → {names.value(feature, direction[1:])}"


def kind_of(group: wire_samples.SuggestionGroup) -> Suggestion:
    return Suggestion(
        group.model,
        group.status,
        tuple((name, direction) for name, direction in group.sets),
        tuple(group.blocked),
        group.robust,
        is_marked=group.marked,
    )


def _counted(database: Database, identities: Sequence[str]) -> dict[str, dict[str, int]]:
    found: dict[str, dict[str, int]] = {}
    for record in in_force(explanations.reviews_of(database, identities)):
        of: Any = found.setdefault(record.facts.about or "", {})
        of[record.facts.status] = of.get(record.facts.status, 0) + 1
    return found

"""Explanations that wait for review, by kind of suggestion."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Sequence

from ifonly.service.audit import records
from ifonly.service.audit.suggestions import Suggestion, suggestion_of
from ifonly.service.store import explanations
from ifonly.service.store.archive import Filter
from ifonly.service.store.chain import Record
from ifonly.service.store.database import Database
from ifonly.service.wire import samples as wire


def groups(database: Database, query: wire.GroupsQuery) -> wire.GroupsReply:
    """The newest that wait, the greatest group first.

    Raises
    ------
    InvalidRequest
        If a time is none.
    StoreUnavailable, StoreDamaged
        If the store cannot be read.
    """
    given = query.model_dump(include={"model", "status"}, exclude_none=True)
    times = (records.time_of("since", query.since), records.time_of("until", query.until))
    page = explanations.unreviewed(database, Filter(given, *times), None, query.most)
    found: dict[str, list[tuple[Record, Suggestion]]] = defaultdict(list)
    for record in page.records:
        if record.facts.id in page.doubtful:
            continue  # it is in the queue, marked; of what it says nothing is told
        kind = suggestion_of(record.facts)
        found[kind.key].append((record, kind))
    told = [
        _told(key, members)
        for key, members in sorted(found.items(), key=lambda each: (-len(each[1]), each[0]))
    ]
    return wire.GroupsReply(groups=told, looked_at=len(page.records), are_all=page.next is None)


def _told(key: str, members: Sequence[tuple[Record, Suggestion]]) -> wire.SuggestionGroup:
    kind = members[0][1]
    return wire.SuggestionGroup(
        key=key,
        model=kind.model,
        status=kind.status,
        sets=[list(each) for each in kind.sets],
        blocked=list(kind.blocked),
        robust=kind.robust,
        marked=kind.is_marked,
        count=len(members),
        typical=records.event(typical(members)),
    )


def typical(members: Sequence[tuple[Record, Suggestion]]) -> Record:
    """The one whose cost is in the middle, the newest of several; without costs the newest of all.
    ``members``: the newest first, at least one."""
    costs = sorted(kind.cost for _, kind in members if kind.cost is not None)
    if not costs:
        return members[0][0]
    middle = costs[(len(costs) - 1) // 2]
    return next(record for record, kind in members if kind.cost == middle)


def typical_first(members: Sequence[Record]) -> list[Record]:
    """Records of one group, the newest first but for the typical one, which leads."""
    if not members:
        return []
    first = typical([(record, suggestion_of(record.facts)) for record in members])
    return [first, *(record for record in members if record is not first)]

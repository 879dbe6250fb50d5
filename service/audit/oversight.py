"""What auditors ask of many explanations at once. Runs in threads that read the store."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from functools import partial
from heapq import merge
from itertools import chain, islice
from typing import Any

from ifonly.explainers.languages import LANGUAGES
from ifonly.models.errors import UnknownModel
from ifonly.models.schema import Feature
from ifonly.service.access import Scope
from ifonly.service.audit import records
from ifonly.service.audit.recourse_by_group import groups, table
from ifonly.service.audit.recourse_by_group.cases import RecourseCase, cases
from ifonly.service.audit.recourse_by_group.common_changes import common_changes
from ifonly.service.audit.recourse_by_group.report import RecourseReport, ReviewVerdict, report
from ifonly.service.audit.recourse_by_group.telling import ReportScope, told
from ifonly.service.audit.review_groups import typical_first
from ifonly.service.audit.suggestions import suggestion_of
from ifonly.service.errors import Fault, InvalidRequest, RequestPart
from ifonly.service.lifecycle import AlarmDeed
from ifonly.service.served.registry import Registry
from ifonly.service.store import explanations
from ifonly.service.store.archive import Filter
from ifonly.service.store.chain import DAY_US, Record, microseconds, now_us, timestamp
from ifonly.service.store.database import Database
from ifonly.service.store.kinds import RecordKind
from ifonly.service.store.withdrawals import in_force
from ifonly.service.wire import report as wire

EXPLAINED = (RecordKind.EXPLANATION, RecordKind.ROWS)
"""Kinds of record that hold explanations."""
EARLIEST_US = microseconds("0001-01-01T00:00:00Z")
"""No time before it can be written."""
PERIOD_US = 30 * DAY_US
MAX_CASES = 50_000
"""Explanations in one report; each is read whole."""

MOST_ALARMS = 500
"""For which one change is sought: the newest of more."""
COMMON_SECONDS = 10
MOST_COMMON = 50
"""Common changes that a report tells of."""


def recourse(
    database: Database, registry: Registry, query: wire.ReportQuery
) -> tuple[RecourseReport, wire.ReportReply]:
    """The report as counted, and as it is told.

    Raises
    ------
    InvalidRequest
        If a time is none, the feature is unknown, or there are too many explanations.
    """
    since, until = period(query)
    found = cases_about(database, query.model, since, until)
    features = features_of(registry, query.model)
    made = report(found, groups.by(found, features, query.by), _verdicts(database, query, since))
    sought = explanations.newest_about_model(
        database, RecordKind.COMMON, query.model, since, until, MOST_COMMON
    )
    made = replace(made, common=common_changes(sought))
    scope = ReportScope(query.model, timestamp(since), timestamp(until), query.by)
    return made, told(made, found, features, scope)


def cases_about(database: Database, model: str, since: int, until: int) -> list[RecourseCase]:
    """Every explanation of a period, as it is counted.

    Raises
    ------
    InvalidRequest
        If there are too many.
    """
    asked = [(database, kind, model, since, until) for kind in EXPLAINED]
    # Counted first: each is read whole, and a report must not read for minutes.
    count = sum(explanations.count_about_model(*each) for each in asked)
    if count <= MAX_CASES:
        recorded = (record for each in asked for record in explanations.about_model(*each))
        # One record may be of many rows.
        each_case = chain.from_iterable(cases(*record) for record in recorded)
        found = list(islice(each_case, MAX_CASES + 1))
        if len(found) <= MAX_CASES:
            return found
        count = len(found)
    problem = (
        f"the period has {count:,} explanations or more; a report takes {MAX_CASES:,}: shorten it"
    )
    fault = Fault(("since",), problem, count, limit=MAX_CASES, parameter="since")
    raise InvalidRequest(RequestPart.REQUEST, [fault])


def common_question(query: wire.ReportQuery, scope: Scope) -> dict[str, Any]:
    """The API's question which one change would clear the most of a report's alarms; ``scope``: of
    whoever reads the report.

    Raises
    ------
    InvalidRequest
        If a time is none.
    """
    since, until = period(query)
    recorded = {"since": timestamp(since), "until": timestamp(until), "most": MOST_ALARMS}
    return {
        "recorded": recorded,
        # Of several lines no one record could be told: that is refused.
        "attributes": {n: values[0] for n, values in scope.attributes if len(values) == 1},
        "languages": list(LANGUAGES),
        "deadline_ms": 1_000 * COMMON_SECONDS,
    }


def as_csv(database: Database, registry: Registry, query: wire.ReportQuery) -> bytes:
    """The report as one table; raises as :func:`recourse`."""
    made, _ = recourse(database, registry, query)
    return table.as_csv(table.HEADER, table.rows(made, query.language))


def period(query: wire.ReportQuery) -> tuple[int, int]:
    """From, inclusive, until, exclusive, in microseconds since 1970.

    Raises
    ------
    InvalidRequest
        If a time is none.
    """
    return period_of(query.since, query.until)


def period_of(since_said: str | None, until_said: str | None) -> tuple[int, int]:
    """As :func:`period`."""
    until = records.time_of("until", until_said)
    # The end is excluded: one more includes what was recorded just now.
    until = now_us() + 1 if until is None else until
    since = records.time_of("since", since_said)
    return max(until - PERIOD_US, EARLIEST_US) if since is None else since, until


def features_of(registry: Registry, model: str) -> dict[str, Feature]:
    """Of the latest version; none where the model is not served any more."""
    try:
        schema = registry.find(model).schema
    # Records outlive models: the report goes on with names instead of labels.
    except UnknownModel:
        return {}
    return {feature.name: feature for feature in schema.features}


def _verdicts(database: Database, query: wire.ReportQuery, since: int) -> Iterator[ReviewVerdict]:
    """Also what was said after the period, of what was explained within it; and which of its ways
    was done about an alarm."""
    found = (
        explanations.about_model(database, kind, query.model, since, now_us() + 1)
        for kind in (RecordKind.REVIEW, RecordKind.ALARM)
    )
    said_so_far = merge(*found, key=lambda entry: entry[0].facts.time_us)
    for record in in_force(record for record, _ in said_so_far):
        facts, detail = record.facts, record.facts.detail or {}
        if facts.kind is RecordKind.REVIEW:
            said, about = facts.status or "", facts.about or ""
        elif facts.status == AlarmDeed.DONE_AS_SUGGESTED and "explanation" in detail:
            said, about = "acted", str(detail["explanation"])
        else:
            continue
        yield ReviewVerdict(about, said, detail.get("outcome"), detail.get("way"))


def _is_of(group: str, record: Record) -> bool:
    return suggestion_of(record.facts).key == group


def queue(database: Database, query: wire.QueueQuery) -> wire.QueueReply:
    """One page of explanations that no auditor has judged.

    Raises
    ------
    InvalidRequest, InvalidCursor
        If a time or the cursor is none.
    """
    given = query.model_dump(include={"model", "status"}, exclude_none=True)
    times = (records.time_of("since", query.since), records.time_of("until", query.until))
    belongs = None if query.group is None else partial(_is_of, query.group)
    page = explanations.unreviewed(
        database, Filter(given, *times), query.cursor, query.limit, belongs
    )
    if query.group is not None and query.cursor is None:
        page = replace(page, records=tuple(typical_first(page.records)))
    said: dict[str | None, Counter[str]] = {}
    for record in in_force(explanations.reviews_of(database, [r.facts.id for r in page.records])):
        said.setdefault(record.facts.about, Counter())[record.facts.status or ""] += 1
    return wire.QueueReply(
        waiting=[
            wire.Waiting(
                event=records.event(r, page.doubtful.get(r.facts.id, ())),
                said=dict(said.get(r.facts.id, {})),
            )
            for r in page.records
        ],
        next=page.next,
    )

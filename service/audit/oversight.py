"""What auditors ask of many explanations at once. Runs in threads that read the store."""

from __future__ import annotations

from collections import Counter
from collections.abc import Iterator, Sequence
from dataclasses import asdict, replace
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
from ifonly.service.audit.recourse_by_group.common_changes import CommonChange, common_changes
from ifonly.service.audit.recourse_by_group.compare import ShareComparison
from ifonly.service.audit.recourse_by_group.outcomes import GroupOutcomes
from ifonly.service.audit.recourse_by_group.report import (
    BlockerStatistics,
    LeverStatistics,
    RecourseReport,
    ReviewVerdict,
    report,
)
from ifonly.service.audit.recourse_by_group.statistics import Median, ShareEstimate
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
from ifonly.service.words.catalogue import in_each, say_all
from ifonly.service.words.labels import label

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

HOW_SHARES_ARE_MEANT = say_all("recourse.how_shares_are_meant")
DIFFERENCE_IS_NO_CAUSE = say_all("recourse.difference_is_no_cause")
SEVERAL_POLICIES = say_all("recourse.several_policies")


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
    found = _cases(database, query.model, since, until)
    features = _features(registry, query.model)
    made = report(found, _grouped(found, features, query.by), _verdicts(database, query, since))
    sought = explanations.newest_about_model(
        database, RecordKind.COMMON, query.model, since, until, MOST_COMMON
    )
    made = replace(made, common=common_changes(sought))
    return made, _told(made, found, features, query, (since, until))


def _cases(database: Database, model: str, since: int, until: int) -> list[RecourseCase]:
    """Raises
    ------
    InvalidRequest
        If there are too many.
    """
    asked = [(database, kind, model, since, until) for kind in EXPLAINED]
    # Counted first: each is read whole, and a report must not read for minutes.
    count = sum(explanations.count_about_model(*each) for each in asked)
    if count <= MAX_CASES:
        told = (record for each in asked for record in explanations.about_model(*each))
        # One record may be of many rows.
        each_case = chain.from_iterable(cases(*record) for record in told)
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
    until = records.time_of("until", query.until)
    # The end is excluded: one more includes what was recorded just now.
    until = now_us() + 1 if until is None else until
    since = records.time_of("since", query.since)
    return max(until - PERIOD_US, EARLIEST_US) if since is None else since, until


def _features(registry: Registry, model: str) -> dict[str, Feature]:
    """Of the latest version; none where the model is not served any more."""
    try:
        schema = registry.find(model).schema
    # Records outlive models: the report goes on with names instead of labels.
    except UnknownModel:
        return {}
    return {feature.name: feature for feature in schema.features}


def _grouped(
    cases: Sequence[RecourseCase], features: dict[str, Feature], by: str | None
) -> tuple[groups.CaseGroup, ...]:
    if by is None:
        return ()
    # An erased case has no readings and attributes left, so it belongs to no group.
    known = [case for case in cases if not case.erased]
    kind, _, name = by.partition(":")
    if kind == "attribute":
        return groups.by_attribute(known, name)
    if name not in features:
        problem = f"{name!r} is no feature of the model as it is served"
        fault = Fault(("by",), problem, by, limit=list(features), parameter="by")
        raise InvalidRequest(RequestPart.REQUEST, [fault])
    return groups.few(groups.by_feature(known, features[name]))


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


def _told(
    made: RecourseReport,
    cases: Sequence[RecourseCase],
    features: dict[str, Feature],
    query: wire.ReportQuery,
    period: tuple[int, int],
) -> wire.ReportReply:
    since, until = period
    notes = [HOW_SHARES_ARE_MEANT]
    # Said beside each comparison: groups differ in many ways.
    notes += [DIFFERENCE_IS_NO_CAUSE] if made.groups else []
    # Costs under two policies are not of one measure.
    notes += [SEVERAL_POLICIES] if made.policies > 1 else []
    return wire.ReportReply(
        model=query.model,
        since=timestamp(since),
        until=timestamp(until),
        by=query.by,
        total=_outcomes(made.total),
        groups=[_outcomes(group) for group in made.groups],
        comparison=_comparison(made.comparison),
        levers=[_lever(use, features.get(use.feature)) for use in made.levers],
        blockers=[_blocker(found) for found in made.blockers],
        common=[_common(each) for each in made.common],
        verdicts=wire.Verdicts(**asdict(made.verdicts)),
        attributes=sorted({name for case in cases for name in case.attributes}),
        policies=made.policies,
        erased=made.erased,
        notes=[dict(note) for note in notes],
    )


def _common(found: CommonChange) -> wire.CommonChangeSummary:
    return wire.CommonChangeSummary(
        id=found.id,
        time=timestamp(found.time_us),
        status=found.status,
        alarms=found.alarms,
        cleared=found.cleared,
        bound=found.bound,
        proven=found.is_most,
        settings=[dict(each) for each in found.settings],
        text=None if found.text is None else dict(found.text),
        erased=found.erased,
    )


def _outcomes(found: GroupOutcomes) -> wire.Outcomes:
    return wire.Outcomes(
        key=found.key,
        label=dict(found.label),
        asked=found.asked,
        already=found.already,
        undecided=found.undecided,
        success=proportion(found.success),
        infeasible=proportion(found.infeasible),
        proven=proportion(found.proven),
        cost=_centre(found.cost),
    )


def _comparison(found: ShareComparison) -> wire.GroupComparison:
    return wire.GroupComparison(
        tests=found.tests,
        pairs=[
            wire.SuccessDifference(
                low=pair.low.key,
                high=pair.high.key,
                difference=pair.difference.value,
                low95=pair.difference.low,
                high95=pair.difference.high,
                p=pair.p,
                shown=pair.is_shown,
            )
            for pair in found.pairs
        ],
    )


def proportion(found: ShareEstimate) -> wire.Proportion:
    return wire.Proportion.estimated(found)


def _centre(found: Median | None) -> wire.Centre | None:
    if found is None:
        return None
    return wire.Centre(of=found.of, median=found.value, low=found.low, high=found.high)


def _lever(use: LeverStatistics, feature: Feature | None) -> wire.LeverUse:
    return wire.LeverUse(
        feature=use.feature,
        label=dict(in_each(lambda tag: label(feature, tag) if feature else use.feature)),
        unit=use.unit,
        use=proportion(use.use),
        up=use.up,
        down=use.down,
        median_change=use.median_change,
    )


def _blocker(found: BlockerStatistics) -> wire.Blocker:
    return wire.Blocker(key=found.key, text=dict(found.text), blocks=proportion(found.blocks))


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

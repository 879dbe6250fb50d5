"""What became of advice, as replies tell it."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping
from dataclasses import dataclass

from ifonly.explainers.languages import Language
from ifonly.models.errors import UnknownModel
from ifonly.service.audit import oversight, records
from ifonly.service.audit.follow_up import exporting, outcomes
from ifonly.service.audit.follow_up.advice import FollowUp, ReadBack
from ifonly.service.audit.follow_up.counting import FollowUpCounts, by_group, counted, levers_of
from ifonly.service.audit.follow_up.reading import Entry, Followed, followed
from ifonly.service.audit.recourse_by_group import table
from ifonly.service.errors import UnknownRecord
from ifonly.service.lifecycle import MINUTE_US
from ifonly.service.served.registry import Registry
from ifonly.service.store.chain import now_us, timestamp
from ifonly.service.store.database import Database
from ifonly.service.wire import outcomes as wire
from ifonly.service.wire.report import Proportion
from ifonly.service.words.catalogue import is_said, say
from ifonly.service.words.labels import label

ATTRIBUTE = "attribute:"
UNSAID = "-"
"""The group of advice that says nothing of an attribute."""


@dataclass(frozen=True)
class FollowUpFound:
    """A report as it is counted."""

    total: FollowUpCounts
    groups: tuple[FollowUpCounts, ...]
    reply: wire.FollowUpReport


def one(
    database: Database, registry: Registry, identity: str, window_minutes: int
) -> wire.FollowUpReply:
    """What became of one explanation's advice.

    Raises
    ------
    UnknownRecord
        If there is no such explanation, or it advises nothing.
    StoreUnavailable, StoreDamaged
        If the store cannot be read.
    """
    record, _ = records.check_explanation(database, identity)
    facts, window = record.facts, window_minutes * MINUTE_US
    # What was explained before about the same reading is the same advice.
    since = facts.time_us - window
    found = followed(database, registry, facts.model or "", since, facts.time_us + 1, window)
    mine = next((f for f in reversed(found.advised) if identity in f.ids), None)
    if mine is None:
        raise UnknownRecord(identity, "advice of the explanation")
    return wire.FollowUpReply(follow_up=told(mine, found), window_minutes=window_minutes)


def report(database: Database, registry: Registry, query: wire.FollowUpQuery) -> FollowUpFound:
    """Of a model's advice in a period.

    Raises
    ------
    InvalidRequest
        If a time is none.
    StoreUnavailable, StoreDamaged
        If the store cannot be read.
    """
    since, until = oversight.period_of(query.since, query.until)
    window = query.window_minutes * MINUTE_US
    found = followed(database, registry, query.model, since, until, window)
    total = counted("", found.advised)
    groups = () if query.by is None else by_group(found.advised, _groups(query.by))
    reply = wire.FollowUpReport(
        model=query.model,
        since=timestamp(since),
        until=timestamp(until),
        by=query.by,
        window_minutes=query.window_minutes,
        total=_group(total),
        groups=[_group(group) for group in groups],
    )
    return FollowUpFound(total, groups, reply)


def as_csv(database: Database, registry: Registry, query: wire.FollowUpQuery) -> bytes:
    """The report as one table; raises as :func:`report`."""
    found = report(database, registry, query)
    names = {} if query.language is None else labels(found.reply, registry, query.language)
    return table.as_csv(HEADER, rows(found, names))


def labels(told: wire.FollowUpReport, registry: Registry, tag: Language) -> dict[str, str]:
    """What groups are called in a language, where they have a name of their own in it."""
    if told.by == "way":
        keys = {group.group: f"ways.{group.group}" for group in told.groups}
        return {way: say(key, tag) for way, key in keys.items() if is_said(key, tag)}
    if told.by == "lever":
        try:
            features = registry.find(told.model).schema.features
        # Records outlive models: levers keep their names.
        except UnknownModel:
            return {}
        return {feature.name: label(feature, tag) for feature in features}
    return {UNSAID: say("recourse.missing", tag)}


@dataclass(frozen=True)
class FollowUpRows:
    """Advice as a table."""

    csv: bytes
    rows: int


def rows_of(database: Database, registry: Registry, query: wire.FollowUpQuery) -> FollowUpRows:
    """Advice of a model in a period, a row each: for whoever tells effects from it.

    Raises
    ------
    UnknownModel
        If the model is not here: its readings have no columns.
    InvalidRequest, StoreUnavailable, StoreDamaged
        As :func:`report`.
    """
    schema = registry.find(query.model).schema
    since, until = oversight.period_of(query.since, query.until)
    window = query.window_minutes * MINUTE_US
    found = followed(database, registry, query.model, since, until, window)
    table = exporting.as_csv(found.advised, schema, window, now_us())
    return FollowUpRows(table, len(found.advised))


HEADER = ("group", "measure", "value", "low95", "high95", "count", "of")


def rows(found: FollowUpFound, names: Mapping[str, str]) -> Iterable[table.Row]:
    """One measure of one group each; ``names``: what groups are called otherwise."""
    for group in (found.total, *found.groups):
        name = names.get(group.group, group.group) or "all"
        yield name, "advised", None, None, None, group.advised, group.advised
        for deed, count in sorted(group.said.items()):
            yield name, f"said {deed.value}", None, None, None, count, group.advised
        for seen in ReadBack:
            yield (
                name,
                f"seen {seen.value}",
                None,
                None,
                None,
                group.seen.get(seen, 0),
                group.advised,
            )
        yield name, "contradicted", None, None, None, group.contradicted, group.advised
        shares = {
            "followed": group.followed,
            "carried out": group.carried_out,
            "cleared": group.cleared,
            "success followed": group.success_followed,
            "success not followed": group.success_not_followed,
            "success unknown": group.success_unknown,
        }
        for measure, share in shares.items():
            ends = (share.low, share.high) if share.of else (None, None)
            yield name, measure, share.value, *ends, share.count, share.of
        gap = group.difference
        if gap is not None:
            yield name, "difference of success", gap.value, gap.low, gap.high, None, None


def _groups(by: str) -> Callable[[FollowUp], Iterable[str]]:
    match by:
        case "lever":
            return levers_of
        case "version":
            return lambda each: [each.advice.version]
        case "way":
            return lambda each: [each.done]
    name = by.removeprefix(ATTRIBUTE)
    return lambda each: [each.advice.attributes.get(name, UNSAID)]


def _group(found: FollowUpCounts) -> wire.FollowUpGroup:
    gap = found.difference
    return wire.FollowUpGroup(
        group=found.group,
        advised=found.advised,
        said={deed.value: count for deed, count in found.said.items()},
        seen={seen.value: count for seen, count in found.seen.items()},
        followed=Proportion.estimated(found.followed),
        contradicted=found.contradicted,
        carried_out=Proportion.estimated(found.carried_out),
        cleared=Proportion.estimated(found.cleared),
        success_followed=Proportion.estimated(found.success_followed),
        success_not_followed=Proportion.estimated(found.success_not_followed),
        success_unknown=Proportion.estimated(found.success_unknown),
        difference=None if gap is None else wire.Gap(value=gap.value, low=gap.low, high=gap.high),
    )


def told(each: FollowUp, found: Followed) -> wire.FollowUp:
    """One of them."""
    advice, decision = each.advice, each.decision
    levers = advice.ways.get(each.done) or advice.ways[advice.first]
    entry: Entry | None = None if each.outcome is None else found.told.get(each.outcome.id)
    return wire.FollowUp(
        explanation=advice.id,
        model=advice.model,
        version=advice.version,
        shown=timestamp(advice.time_us),
        asked=each.asked,
        attributes=dict(advice.attributes),
        decision=None
        if decision is None
        else wire.FollowUpDecision(
            time=timestamp(decision.time_us),
            by=decision.by,
            deed=decision.deed.value,
            way=decision.way,
        ),
        seen=each.seen.value,
        way=each.done,
        levers=[
            wire.FollowUpLever(
                feature=lever.feature,
                set_to=lever.after,
                suffices=None
                if lever.low is None or lever.high is None
                else [lever.low, lever.high],
                read_back=each.way == each.done and lever.feature in each.levers,
            )
            for lever in levers
        ],
        carried_out=_time(each.seen_us),
        flipped=each.flipped,
        cleared=_time(each.cleared_us),
        returned=each.returned,
        outcome=None if entry is None else outcomes.outcome(*entry),
    )


def _time(time_us: int | None) -> str | None:
    return None if time_us is None else timestamp(time_us)

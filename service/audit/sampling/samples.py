"""Samples as they are drawn, listed and told, from wherever that is asked."""

from __future__ import annotations

import asyncio
import json
from collections.abc import Sequence
from functools import partial
from typing import Any

from ifonly.service.audit import records
from ifonly.service.audit.recorder import Recorder
from ifonly.service.audit.sampling import plans
from ifonly.service.audit.sampling.plans import DRAWN, SamplingPlan
from ifonly.service.audit.sampling.verdicts import Word, planned, result, words_on
from ifonly.service.errors import UnknownRecord
from ifonly.service.store import archive, explanations
from ifonly.service.store.archive import Filter
from ifonly.service.store.chain import Facts, Payload, Record, timestamp
from ifonly.service.store.database import Database
from ifonly.service.store.journal import Draft
from ifonly.service.store.kinds import RecordKind
from ifonly.service.wire import samples as wire

MOST_EARLIER = 500
"""The newest plans, among which those of the same model, claim and group are counted."""


async def draw(request: wire.SampleRequest, recorder: Recorder) -> wire.SampleReply:
    """Fix the population, draw, and record both.

    Raises
    ------
    InvalidRequest
        If there is nothing to draw from, or no sample shows what is demanded.
    JournalFull, StoreUnavailable
        If it cannot be recorded: then there is no sample.
    """
    runtime = recorder.runtime
    database = runtime.store.database
    made = await runtime.auditors.run(partial(plans.plan, database, request))
    facts = recorder.drafting.plain(**recorded(made, request))
    # Waited for whatever the durability: a sample that is in no record is nobody's to judge.
    receipt = await asyncio.wrap_future(recorder.append(Draft(facts, content(request))))
    return await runtime.readers.run(partial(read, database, receipt.id))


def recorded(made: SamplingPlan, request: wire.SampleRequest) -> dict[str, Any]:
    """What the record of a plan says of it."""
    return {
        "kind": RecordKind.SAMPLE,
        "status": DRAWN,
        "model": request.model,
        "detail": made.detail(),
    }


def content(request: wire.SampleRequest) -> bytes:
    """The payload of a plan's record."""
    return b'{"request":%b}' % request.model_dump_json(exclude_unset=True).encode()


def preview(database: Database, request: wire.SampleRequest) -> wire.Planned:
    """What a sample as asked for would show; nothing is drawn or recorded.

    Raises
    ------
    InvalidRequest
        As :func:`draw`.
    """
    made = plans.plan(database, request)
    return planned(made.demand)


def read(database: Database, identity: str) -> wire.SampleReply:
    """A sample, and what was said of it so far.

    Raises
    ------
    UnknownRecord, NotAsSealed
        If there is none, or its record does not hold.
    """
    record, payload = archive.get(database, identity)
    plan = plan_of(record)
    if plan is None:
        raise UnknownRecord(identity, "sample")
    words = _words(database, plan.sample)
    told = _told(record, payload, plan, words, _plans(database))
    items = [
        wire.SampleItem(id=each, verdict=word.verdict, comments=word.comments)
        for each, word in zip(plan.sample, words, strict=True)
    ]
    return wire.SampleReply(**dict(told), items=items)


def plan_of(record: Record) -> SamplingPlan | None:
    """As :func:`plan_said`."""
    return plan_said(record.facts)


def plan_said(facts: Facts) -> SamplingPlan | None:
    """None: the record is no plan, or one of a version that this one cannot read."""
    if facts.kind != RecordKind.SAMPLE or facts.status != DRAWN:
        return None
    try:
        return SamplingPlan.read(facts)
    except (ValueError, KeyError, TypeError):
        return None


def listing(database: Database, query: wire.SamplesQuery) -> wire.SamplesReply:
    """One page of samples, the newest first; those that hold.

    Raises
    ------
    InvalidCursor
        If the cursor is none that a page gave.
    """
    page = archive.page(
        database, Filter({"kind": RecordKind.SAMPLE.value}), query.cursor, query.limit
    )
    others, told = _plans(database), []
    for record in page.records:
        plan = None if record.facts.id in page.doubtful else plan_of(record)
        if plan is not None:
            words = _words(database, plan.sample)
            told.append(_told(record, None, plan, words, others))
    return wire.SamplesReply(samples=told, next=page.next)


def _words(database: Database, sample: Sequence[str]) -> list[Word]:
    said = explanations.reviews_of(database, sample)
    found = words_on(sample, said)
    return [found[each] for each in sample]


def _told(
    record: Record,
    payload: Payload | None,
    plan: SamplingPlan,
    words: Sequence[Word],
    others: Sequence[tuple[int, tuple[str | None, ...]]],
) -> wire.Sample:
    of, demand = plan.population, plan.demand
    rule = None
    if demand.tolerable_rate is not None:
        rate = float(demand.tolerable_rate)
        rule = wire.AcceptanceRule(tolerable_rate=rate, accept=demand.accept)
    kept = {} if payload is None else json.loads(payload.content)["request"]
    return wire.Sample(
        id=record.facts.id,
        time=timestamp(record.facts.time_us),
        by=record.facts.actor,
        population=wire.SampledPopulation(
            model=of.model,
            status=of.status,
            group=of.group,
            since=timestamp(of.since_us),
            until=timestamp(of.until_us),
            size=plan.count,
            sha256=plan.sha256,
        ),
        size=len(plan.sample),
        seed=plan.seed,
        rule=rule,
        comment=kept.get("comment"),
        planned=planned(demand),
        drawn_before=sum(
            time < record.facts.time_us and same == _asked(plan) for time, same in others
        ),
        result=result(demand, words),
        audit=records.audit(record),
    )


def _plans(database: Database) -> list[tuple[int, tuple[str | None, ...]]]:
    """When each sample was drawn, and of what: whoever draws again and again until one pleases
    leaves a record of each."""
    page = archive.page(database, Filter({"kind": RecordKind.SAMPLE.value}), None, MOST_EARLIER)
    sound = (each for each in page.records if each.facts.id not in page.doubtful)
    plans_ = ((record.facts.time_us, plan_of(record)) for record in sound)
    return [(time, _asked(plan)) for time, plan in plans_ if plan is not None]


def _asked(plan: SamplingPlan) -> tuple[str | None, ...]:
    return plan.population.model, plan.population.status, plan.population.group


def redrawn(database: Database, identity: str) -> wire.RedrawReply:
    """Draw it again from what is recorded now.

    Raises
    ------
    UnknownRecord, NotAsSealed
        If there is no such sample, or its record does not hold.
    """
    record, _ = archive.get(database, identity)
    plan = plan_of(record)
    if plan is None:
        raise UnknownRecord(identity, "sample")
    return plans.redrawn(database, plan)

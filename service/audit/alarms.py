"""Alarms as they are told, and what people do about them, from wherever they do it."""

from __future__ import annotations

import asyncio
import json
from collections import Counter
from collections.abc import Mapping
from contextlib import suppress
from dataclasses import replace
from functools import partial
from typing import Any

from ifonly.explainers.languages import LANGUAGES
from ifonly.explainers.terms import WayName
from ifonly.models.errors import UnknownModel
from ifonly.service.audit import ways_told
from ifonly.service.audit.observations import place_of
from ifonly.service.audit.recorder import Recorder, durable
from ifonly.service.audit.records import audit
from ifonly.service.lifecycle import MINUTE_US, AlarmDeed
from ifonly.service.served.registry import Registry, ServedModel
from ifonly.service.store import alarm_actions, alarms, archive
from ifonly.service.store.alarm_actions import AskedAction, NothingChanged, alarm_of
from ifonly.service.store.alarms import AlarmFilter
from ifonly.service.store.chain import (
    Facts,
    Payload,
    Record,
    microseconds,
    now_us,
    stated_time,
    timestamp,
)
from ifonly.service.store.database import Database
from ifonly.service.store.episodes import Episode
from ifonly.service.store.kinds import RecordKind
from ifonly.service.wire import alarms as wire
from ifonly.service.wire.replies import Audit

OTHER = "other"
"""Equipment of which the spec lists no names, to Prometheus."""
RANKS: Mapping[wire.Priority, int] = {"low": 1, "medium": 2, "high": 3, "urgent": 4}
"""The most urgent highest; without a priority: 0."""


def listing(database: Database, registry: Registry, query: wire.AlarmsQuery) -> wire.AlarmsReply:
    """One page.

    Raises
    ------
    StoreUnavailable, StoreDamaged
        If the store cannot be read.
    """
    now = now_us()
    wanted = AlarmFilter(
        query.state,
        query.model,
        query.search or "",
        query.sort,
        equipment=query.equipment,
        lever=query.lever,
    )
    page = alarms.page(database, wanted, ranks(registry), now, query.page, query.limit)
    return wire.AlarmsReply(
        alarms=[told(episode, registry, now) for episode in page.episodes],
        total=page.total,
        counts={state.value: count for state, count in page.counts.items()},
        page=query.page,
        pages=max(1, -(-page.total // query.limit)),
    )


def ranks(registry: Registry) -> dict[str, int]:
    """Of the models whose spec declares a priority, by its latest version."""
    found = {name: RANKS.get(_declared(registry, name, None).get("priority"), 0)  # type: ignore[arg-type]
             for name in registry.names()}  # fmt: skip
    return {name: rank for name, rank in found.items() if rank}


def priority(episode: Episode, registry: Registry) -> wire.Priority | None:
    """As the spec of its model declares; None: it does not."""
    found: wire.Priority | None = _declared(registry, episode.model, episode.version).get(
        "priority"
    )
    return found


def one(database: Database, registry: Registry, identity: str) -> wire.AlarmReply:
    """Raises
    ------
    UnknownRecord
        If there is no such alarm.
    StoreUnavailable, StoreDamaged
        If the store cannot be read.
    """
    return _with_actions(database, registry, alarms.get(database, identity))


def of_equipment(
    database: Database, registry: Registry, model: ServedModel, said: Mapping[str, str]
) -> wire.AlarmReply | None:
    """The newest alarm of the equipment that ``said`` names; None: it names none, or there was
    none.

    Raises
    ------
    StoreUnavailable, StoreDamaged
        If the store cannot be read.
    """
    place = place_of(model, said)
    episode = None if place is None else alarms.newest_of(database, place.condition)
    return None if episode is None else _with_actions(database, registry, episode)


def _with_actions(database: Database, registry: Registry, episode: Episode) -> wire.AlarmReply:
    return wire.AlarmReply(
        alarm=told(episode, registry, now_us()),
        actions=[
            action(record, payload)
            for record, payload in archive.about(database, episode.raising_record, RecordKind.ALARM)
            if alarm_of(record.facts) == episode.id
        ],
    )


def told(episode: Episode, registry: Registry, now: int) -> wire.Alarm:
    """As replies tell it."""
    life = episode.life
    alarm = _declared(registry, episode.model, episode.version)
    is_shelved = life.shelved_until_us is not None and life.shelved_until_us > now
    last = None
    deed = next((each for each in AlarmDeed if each == episode.action), None)
    if episode.actor is not None and deed is not None and episode.acted_us is not None:
        time = stated_time(episode.acted_us)
        way = next((each for each in WayName if each == episode.way), None)
        last = wire.LastAction(
            by=episode.actor, action=deed, time=time, way=None if way is None else way.value
        )
    return wire.Alarm(
        id=episode.id,
        model=episode.model,
        version=episode.version,
        equipment=episode.equipment,
        attributes=dict(episode.said),
        state=life.state(now),
        active=life.cleared_us is None,
        acknowledged=life.acknowledged,
        chattering=life.chattering,
        shelved_until=_time(life.shelved_until_us) if is_shelved else None,
        out_of_service=life.out_of_service,
        priority=alarm.get("priority"),
        owner=_texts(alarm.get("owner")),
        class_=_texts(alarm.get("class")),
        first_seen=stated_time(life.began_us),
        raised=stated_time(life.raised_us or 0),
        cleared=_time(life.cleared_us),
        last_seen=stated_time(life.seen_us),
        count=life.count,
        returns=life.returns,
        probability=episode.share,
        record=episode.record,
        row=episode.row,
        explanation=episode.explained,
        levers=list(episode.sets),
        raised_by=episode.raising_record,
        last_action=last,
    )


def standing(database: Database, registry: Registry) -> Mapping[tuple[str, str, str], int]:
    """How many are open, by model, equipment and state. Equipment by name only where the spec
    lists the names (``values``): else everybody's inventions would become series.

    Raises
    ------
    StoreUnavailable, StoreDamaged
        If the store cannot be read.
    """
    known = {name: _names(registry, name) for name in registry.names()}
    found: Counter[tuple[str, str, str]] = Counter()
    for model, equipment, state, count in alarms.standing(database, now_us()):
        if model in known:
            name = equipment if equipment in known[model] else OTHER
            found[model, name, state] += count
    return found


def _names(registry: Registry, model: str) -> frozenset[str]:
    with suppress(UnknownModel):
        identity = registry.find(model).deployed.spec.attributes.identity
        return frozenset(() if identity is None else identity.values)
    return frozenset()


def _time(time_us: int | None) -> str | None:
    return None if time_us is None else stated_time(time_us)


def _declared(registry: Registry, model: str, version: str | None) -> Mapping[str, Any]:
    """The ``[alarm]`` table of a model that may not be served any more."""
    try:
        return registry.find(model, version).deployed.spec.alarm
    except UnknownModel:
        return {}


def _texts(said: str | Mapping[str, str] | None) -> dict[str, str]:
    if isinstance(said, str):
        return dict.fromkeys(LANGUAGES, said)
    return dict(said or {})


async def given(identity: str, request: wire.ActionRequest, recorder: Recorder) -> wire.ActedReply:
    """Do it, and record it, unless it already is so.

    Raises
    ------
    UnknownRecord, AlarmMoved, AlarmOver
        If there is no such alarm, or it is not as it was looked at.
    InvalidRequest
        If its explanation tells of no such way.
    JournalFull, StoreUnavailable
        If it cannot be recorded.
    """
    runtime = recorder.runtime
    database, registry = runtime.store.database, runtime.registry
    made = await recorded(identity, request, recorder)
    find = partial(alarms.get, database, identity)
    episode = await runtime.readers.run(find)
    return wire.ActedReply(alarm=told(episode, registry, now_us()), action=made)


async def recorded(
    identity: str, request: wire.ActionRequest, recorder: Recorder
) -> wire.AlarmAction | None:
    """As :func:`given`, which says how the alarm is then. None: it already is so."""
    runtime = recorder.runtime
    database = runtime.store.database
    facts = recorder.drafting.plain(kind=RecordKind.ALARM, status=request.action.value)
    until = None if request.minutes is None else facts.time_us + request.minutes * MINUTE_US
    of = None
    if request.way is not None:
        of = await runtime.readers.run(partial(_explained, database, identity, request))
    asked = AskedAction(request.action, until, request.returns, request.way, of)
    content = b'{"request":%b}' % request.model_dump_json(exclude_unset=True).encode()
    work = alarm_actions.done(database, identity, asked, facts, content)
    try:
        receipt = await asyncio.wrap_future(recorder.append(work))
    except NothingChanged:
        return None
    detail = {} if until is None else {"until": timestamp(until)}
    detail |= {} if request.way is None else {"way": request.way, "explanation": str(of)}
    return _made(replace(facts, detail=detail), durable(receipt), request.comment)


def _explained(database: Database, identity: str, request: wire.ActionRequest) -> str | None:
    """Id of the explanation that tells of the way that was done.

    Raises
    ------
    InvalidRequest
        If the newest one does not.
    """
    episode = alarms.get(database, identity)
    of = episode.explained
    if request.explanation not in (None, of):
        return request.explanation  # refused where it is done: it has moved
    kept = alarms.records_of(database, [of] if of is not None else [])
    payload = next((payload for _, payload in kept.values()), None)
    ways_told.check(request.way, None if payload is None else json.loads(payload.content)["answer"])
    return of


def given_before(
    database: Database, registry: Registry, record: Record, payload: Payload | None
) -> wire.ActedReply:
    """What :func:`given` replied, with the alarm as it is now."""
    episode = alarms.get(database, alarm_of(record.facts))
    return wire.ActedReply(alarm=told(episode, registry, now_us()), action=action(record, payload))


def action(record: Record, payload: Payload | None) -> wire.AlarmAction:
    """Of its record."""
    kept = {} if payload is None else json.loads(payload.content)["request"]
    return _made(record.facts, audit(record), kept.get("comment"))


def _made(facts: Facts, where: Audit, comment: str | None) -> wire.AlarmAction:
    until = (facts.detail or {}).get("until")
    return wire.AlarmAction(
        id=facts.id,
        time=timestamp(facts.time_us),
        by=facts.actor,
        action=AlarmDeed(facts.status or ""),
        until=None if until is None else timestamp(microseconds(until)),
        way=(facts.detail or {}).get("way"),
        explanation=(facts.detail or {}).get("explanation"),
        comment=comment,
        audit=where,
    )

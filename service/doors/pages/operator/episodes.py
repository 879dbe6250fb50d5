"""The list of equipment in alarm, as it is shown."""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass, replace
from urllib.parse import urlencode

from ifonly.explainers.wording import Language
from ifonly.explainers.wording.gauges import Gauge
from ifonly.models.errors import InvalidInstance, UnknownModel
from ifonly.models.spec.attributes import SIMULATED
from ifonly.service.audit.alarms import ranks, told
from ifonly.service.doors.pages.operator.listing import last_readings, title_of
from ifonly.service.doors.pages.operator.subject import Subject, model_of, path_of, subjects
from ifonly.service.doors.pages.operator.verdict import PredictionVerdict, verdict_of
from ifonly.service.lifecycle import AlarmState
from ifonly.service.served.registry import Registry, ServedModel
from ifonly.service.store import alarms
from ifonly.service.store.alarms import AlarmFilter, RecordsById
from ifonly.service.store.chain import now_us, timestamp
from ifonly.service.store.database import Database
from ifonly.service.store.episodes import Episode
from ifonly.service.wire.alarms import Alarm
from ifonly.service.words.catalogue import say
from ifonly.service.words.labels import label, label_or

SIZE = 25
"""Entries of a page: each costs some of the time to the first paint."""
MOST_READINGS = 4
HOURS = 24
MINUTES = (15, 30, 60, 480)
"""For which an alarm can be shelved with one click."""
TONES: Mapping[AlarmState, tuple[str, str]] = {
    AlarmState.ACTIVE_UNACKNOWLEDGED: ("bad", "alarm"),
    AlarmState.CLEARED_UNACKNOWLEDGED: ("warn", "info"),
    AlarmState.ACTIVE_ACKNOWLEDGED: ("bad", "ok"),
    AlarmState.SHELVED: ("plain", "wait"),
    AlarmState.OUT_OF_SERVICE: ("plain", "lock"),
    AlarmState.NORMAL: ("good", "ok"),
}
"""Colour and sign of a state; its name stands beside it."""


@dataclass(frozen=True, slots=True)
class ShownReading:
    """One reading of the newest alarm."""

    text: str
    is_unusual: bool


@dataclass(frozen=True, slots=True)
class EpisodeEntry:
    """One piece of equipment."""

    alarm: Alarm
    tone: str
    sign: str
    path: str
    """Of its newest alarm's page."""
    change: str
    """What would have cleared it: the best suggestion; empty: none was asked for, or found."""
    changed_at: str | None
    """When that reading was explained, if newer ones have come since."""
    claim: str | None
    """What the newest explanation says, where it suggests nothing."""
    place: str
    """What else tells the equipment from other, and the model."""
    verdict: PredictionVerdict | None
    """Of its newest alarm; None: that was erased, or is not what was recorded."""
    readings: tuple[ShownReading, ...]
    only: str
    """Where its equipment is listed alone; empty: it is."""


@dataclass(frozen=True, slots=True)
class CountedLever:
    """A lever that smallest answers set, to be filtered by."""

    name: str
    label: str
    count: int
    """Of alarms that are open, or were raised within the hours of the chart."""


@dataclass(frozen=True, slots=True)
class HourBar:
    """Alarms raised within one hour, as heights of a drawing 40 high."""

    x: int
    still: float
    over: float


@dataclass(frozen=True, slots=True)
class EpisodeList:
    """A page of them, and what stands around it."""

    entries: tuple[EpisodeEntry, ...]
    filters: Mapping[str, str]
    """As the address has them."""
    without_group: str
    """Where all groups are."""
    total: int
    first: int
    """Number of the first entry, from 1."""
    counts: Mapping[AlarmState, int]
    open: int
    unacknowledged: int
    earlier: str | None
    """Where the page before is."""
    later: str | None
    hours: tuple[HourBar, ...]
    raised: int
    """In all those hours."""
    most: int
    """In one of them."""
    levers: tuple[CountedLever, ...]
    """Those set most often first."""
    every: str
    """Where all equipment is listed, with the other filters."""
    is_there: bool
    """Whether there is anything to show: else nobody has said which equipment it is."""


def listed(
    database: Database, registry: Registry, filters: Mapping[str, str], tag: Language
) -> EpisodeList:
    """``filters``: ``state``, ``search``, ``equipment``, ``lever``, ``sort``, ``by`` and ``group``,
    ``page``, as the address has them; one that makes no sense is none.

    Raises
    ------
    StoreUnavailable, StoreDamaged
        If the store cannot be read.
    """
    now = now_us()
    asked = {name: value for name, value in filters.items() if value}
    state = next((s for s in AlarmState if s == asked.get("state")), None)
    sort = asked.get("sort", "")
    group = (asked["by"], asked["group"]) if asked.keys() >= {"by", "group"} else None
    wanted = AlarmFilter(
        state,
        None,
        asked.get("search", ""),
        sort if sort in alarms.SORTS else alarms.SORTS[0],
        asked.get("equipment"),
        asked.get("lever"),
        group,
    )
    number = int(asked["page"]) if asked.get("page", "").isdecimal() else 1
    page = alarms.page(database, wanted, ranks(registry), now, max(1, number), SIZE)
    kept = alarms.records_of(
        database,
        {i for e in page.episodes for i in (e.record, e.explained) if i is not None},
    )
    entries = [_entry(episode, registry, kept, now, tag, asked) for episode in page.episodes]
    hours = alarms.per_hour(database, wanted, now, HOURS)
    levers = alarms.levers(database, now - HOURS * alarms.HOUR_US)
    last = -(-page.total // SIZE)
    shown = sum(page.counts.values())
    raised = sum(count for count, _ in hours)
    return EpisodeList(
        tuple(entries),
        {"state": "" if state is None else state.value, "search": wanted.search,
         "sort": wanted.sort, "equipment": wanted.equipment or "", "lever": wanted.lever or "",
         "by": asked.get("by", ""), "group": asked.get("group", "")},
        _address({n: v for n, v in asked.items() if n not in ("by", "group")}, 1),
        page.total,
        SIZE * (number - 1) + 1,
        page.counts,
        shown,
        sum(
            page.counts.get(each, 0)
            for each in (AlarmState.ACTIVE_UNACKNOWLEDGED, AlarmState.CLEARED_UNACKNOWLEDGED)
        ),
        _address(asked, number - 1) if 1 < number <= last + 1 else None,
        _address(asked, number + 1) if number < last else None,
        tuple(_bars(hours)),
        raised,
        max((count for count, _ in hours), default=0),
        tuple(_levers(levers, registry, wanted.lever, tag)),
        _address(asked, 1, equipment=""),
        bool(shown or raised or asked.keys() - {"sort"}),
    )  # fmt: skip


def _levers(
    counted: Mapping[tuple[str, str], int], registry: Registry, chosen: str | None, tag: Language
) -> Iterator[CountedLever]:
    """``chosen``: is one of them, however few alarms have it."""
    found: dict[str, CountedLever] = {}
    for (model, name), count in counted.items():
        before = found.get(name) or CountedLever(name, _called(registry, model, name, tag), 0)
        found[name] = replace(before, count=before.count + count)
    if chosen is not None and chosen not in found:
        found[chosen] = CountedLever(chosen, chosen, 0)
    yield from sorted(found.values(), key=lambda each: (-each.count, each.label))


def _called(registry: Registry, model: str, name: str, tag: Language) -> str:
    try:
        return label(registry.find(model).schema[name], tag)
    except (UnknownModel, LookupError):
        return name


def _address(asked: Mapping[str, str], number: int, **changed: str) -> str:
    kept = {n: v for n, v in {**asked, **changed}.items() if v and n != "page"}
    query = urlencode(kept | ({"page": str(number)} if number > 1 else {}))
    return "/alarms" + (f"?{query}" if query else "")


def _bars(hours: list[tuple[int, int]]) -> Iterator[HourBar]:
    most = max((count for count, _ in hours), default=0) or 1
    for k, (count, still) in enumerate(hours):
        yield HourBar(20 * k, round(40 * still / most, 1), round(40 * (count - still) / most, 1))


def _entry(
    episode: Episode,
    registry: Registry,
    kept: RecordsById,
    now: int,
    tag: Language,
    asked: Mapping[str, str],
) -> EpisodeEntry:
    alarm = told(episode, registry, now)
    row = _row(kept, episode.record, episode.row)
    model = None if row is None else model_of(row.record, registry)
    change, claim = _suggested(kept, episode.explained, model, tag)
    tone, sign = TONES[alarm.state]
    return EpisodeEntry(
        alarm,
        tone,
        sign,
        path_of(episode.record, episode.row),
        change,
        _earlier(kept, episode) if change else None,
        claim,
        _place(episode, model, tag),
        None if row is None else verdict_of(row.prediction, True, model, tag),
        () if row is None or model is None else tuple(_readings(row, model, tag)),
        "" if asked.get("equipment") else _address(asked, 1, equipment=alarm.equipment),
    )


def _row(kept: RecordsById, identity: str, number: int) -> Subject | None:
    record, payload = kept.get(identity, (None, None))
    if record is None or payload is None:
        return None
    rows = subjects(record, payload)
    return rows[number] if number < len(rows) else None


def _place(episode: Episode, model: ServedModel | None, tag: Language) -> str:
    """``line a · Milling machine failure alarm``"""
    title = episode.model if model is None else title_of(model, tag)
    if model is None:
        return title
    spec = model.deployed.spec.attributes
    labels = {each.name: each.labels for each in spec.declared if not each.identity}
    identity = None if spec.identity is None else spec.identity.name
    others = [
        f"{label_or(labels.get(name, {}), tag, name)} {value}"
        for name, value in episode.said.items()
        if name not in (identity, SIMULATED)  # of which there is a badge
    ]
    return " · ".join([*others, title])


def _suggested(
    kept: RecordsById, explained: str | None, model: ServedModel | None, tag: Language
) -> tuple[str, str | None]:
    """``torque 62.7 → 55.1 Nm`` of the best suggestion, or what is claimed instead."""
    record, payload = kept.get(explained or "", (None, None))
    if record is None or payload is None or model is None:
        return "", None
    answer = json.loads(payload.content)["answer"]
    # What would have had to be otherwise is no advice.
    if not answer["counterfactuals"] or answer.get("semantics") == "backtracking":
        return "", record.facts.status
    moves = []
    for action in answer["counterfactuals"][0]["actions"]:
        feature = model.schema[action["feature"]]
        gauge = Gauge.of(feature)
        before, after = (feature.read(action[end]) for end in ("from", "to"))
        is_plain = not feature.kind.is_categorical and not math.isnan(before)
        was = gauge.bare(before, tag) if is_plain else gauge.value(before, tag)
        moves.append(f"{gauge.label(tag)} {was} → {gauge.value(after, tag)}")
    return ", ".join(moves), None


def _earlier(kept: RecordsById, episode: Episode) -> str | None:
    explained, _ = kept.get(episode.explained or "", (None, None))
    newest, _ = kept.get(episode.record, (None, None))
    if explained is None or newest is None or newest.facts.time_us <= explained.facts.time_us:
        return None
    return timestamp(explained.facts.time_us)


def _readings(row: Subject, model: ServedModel, tag: Language) -> Iterator[ShownReading]:
    """The first readings, those that are unusual first."""
    limits = model.deployed.usual
    found = []
    for column, feature, said in last_readings(row.instance, model):
        try:
            value = feature.read(said)
        except InvalidInstance:
            continue
        is_unusual = limits is not None and not (
            feature.kind.is_categorical
            or math.isnan(value)
            or limits[column][0] <= value <= limits[column][1]
        )
        text = f"{label(feature, tag)} {model.wording.value(column, value, tag)}"
        found.append(ShownReading(text, is_unusual))
    yield from sorted(found, key=lambda each: not each.is_unusual)[:MOST_READINGS]


def deeds(alarm: Alarm, tag: Language) -> list[tuple[str, str]]:
    """What can be done about it besides acknowledging: its name, and what the button says."""
    names = ["done_as_suggested", "done_otherwise", "comment"]
    names += ["unshelve"] if alarm.shelved_until else []
    names += ["return_to_service" if alarm.out_of_service else "take_out_of_service"]
    return [(name, say(f"deed.{name}", tag)) for name in names]

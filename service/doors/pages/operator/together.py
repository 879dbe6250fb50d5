"""Alarms that are shown together on the operator's list: a flood; by equipment, worst first."""

from __future__ import annotations

import hashlib
from collections import deque
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from ifonly.explainers.wording import Language
from ifonly.explainers.wording.numerals import count, percentage
from ifonly.models.errors import UnknownModel
from ifonly.models.spec.attributes import SIMULATED
from ifonly.service.audit.alarms import ranks
from ifonly.service.audit.alarms_together import (
    EQUIPMENT,
    AlarmGroup,
    grouped,
    names,
    seen,
    still_seen,
)
from ifonly.service.floods import Flood, FloodRules, floods
from ifonly.service.lifecycle import AlarmState
from ifonly.service.served.registry import Registry
from ifonly.service.store.alarms import AlarmFilter
from ifonly.service.store.chain import now_us, timestamp
from ifonly.service.store.database import Database
from ifonly.service.store.open_alarms import OpenAlarm, open_alarms, raised
from ifonly.service.words.catalogue import is_said, say
from ifonly.service.words.labels import label_or

LOOK_BACK_US = 8 * 3_600_000_000
"""How long a flood may have gone on for its beginning to be known."""
REMEMBERED_US = 3_600_000_000
"""How long one that is over is shown, while something of it is open."""
SHOWN = 12
"""Groups; the others fold."""
MOST_VALUES = 4
"""Values that tell alarms of a group apart; of more only their number is shown."""
TIME_DIGITS = 18
"""Of microseconds since 1970."""
WIDTH = 100.0
"""Of a bar, in its own units."""


@dataclass(frozen=True, slots=True)
class BarPart:
    """Some alarms of a group, as a piece of its bar."""

    name: str
    count: int
    x: float
    width: float


@dataclass(frozen=True, slots=True)
class ShownGroup:
    """One line."""

    name: str
    title: str
    path: str
    """Its alarms one by one."""
    remedies: str
    """One change for all of them."""
    is_chosen: bool
    where: str
    """What tells its alarms apart."""
    is_simulated: bool
    open: int
    unacknowledged: int
    parts: tuple[BarPart, ...]
    share: str
    raised: str


@dataclass(frozen=True, slots=True)
class ShownFlood:
    """More alarms than a person can take in."""

    since: str
    until: str | None
    """None: it goes on."""
    count: int
    open: int
    unacknowledged: int
    groups: int
    """Pieces of equipment."""
    since_us: int
    mark: str
    """Of which alarms are open: it changes whenever one is raised, returns or is over."""
    remedies: str
    """One change for all of it."""


@dataclass(frozen=True, slots=True)
class TogetherList:
    """Groups, worst first, and the flood that they are in."""

    by: str
    choices: tuple[tuple[str, str], ...]
    """By what they can be grouped: name and text."""
    groups: tuple[ShownGroup, ...]
    chosen: str
    open: int
    """Alarms in all groups."""
    remedies: str
    """One change for all of them."""
    seen: str
    """All that nobody has acknowledged, in groups and in the flood."""
    flood: ShownFlood | None
    kept: Mapping[str, str]
    """Of the filters: what another grouping keeps."""

    @property
    def is_worth(self) -> bool:
        """Whether lines of groups say more than the list itself."""
        is_asked = self.by != EQUIPMENT or bool(self.chosen)
        return is_asked or self.flood is not None or any(g.open > 1 for g in self.groups)


def together(
    database: Database,
    registry: Registry,
    rules: FloodRules,
    filters: Mapping[str, str],
    tag: Language,
) -> TogetherList:
    """``filters``: as the address of the list has them.

    Raises
    ------
    StoreUnavailable, StoreDamaged
        If the store cannot be read.
    """
    now, rank = now_us(), ranks(registry)
    kept = {name: value for name in ("state", "search", "sort") if (value := filters.get(name))}
    by = filters.get("by") or EQUIPMENT
    chosen = filters.get("group", "") if filters.get("by") else ""
    state = next((s for s in AlarmState if s == kept.get("state")), None)
    every = open_alarms(database, AlarmFilter(), rank, now)
    wanted = AlarmFilter(state, search=kept.get("search", ""))
    if state is AlarmState.NORMAL:  # what is over waits for nobody
        alarms = []
    else:
        alarms = open_alarms(database, wanted, rank, now) if wanted != AlarmFilter() else every
    found = grouped(alarms, by, rank)
    most = max((len(group.alarms) for group in found), default=0)
    return TogetherList(
        by,
        tuple(_choices(alarms, by, registry, tag)),
        tuple(_line(group, by, chosen, most, kept, registry, tag) for group in found),
        chosen,
        sum(len(group.alarms) for group in found),
        "/remedies?" + urlencode({"span": "open", "search": wanted.search}),
        seen(every),
        _flood(database, rules, now, every),
        kept,
    )


@dataclass(frozen=True, slots=True)
class ChosenAlarms:
    """What a form wants acknowledged."""

    seen: tuple[OpenAlarm, ...]
    """As they were looked at."""
    left: int
    """That were raised, or have returned, since."""


def chosen(database: Database, registry: Registry, form: Mapping[str, str]) -> ChosenAlarms:
    """``form``: ``seen``; ``by`` and ``group``, or ``flood``, since when; else all that was seen.

    Raises
    ------
    StoreUnavailable, StoreDamaged
        If the store cannot be read.
    """
    group = (form["by"], form["group"]) if form["by"] and form["group"] else None
    wanted = AlarmFilter(group=group)
    alarms = open_alarms(database, wanted, ranks(registry), now_us())
    if _is_time(form["flood"]):
        alarms = [each for each in alarms if each.raised_us >= int(form["flood"])]
    found = still_seen(form["seen"], alarms)
    return ChosenAlarms(tuple(found), sum(a.is_unacknowledged for a in alarms) - len(found))


def _is_time(text: str) -> bool:
    return text.isascii() and text.isdecimal() and len(text) <= TIME_DIGITS


def told(done: str, left: str, tag: Language) -> str:
    """What came of it, for the page; empty: nothing was done. ``done``, ``left``: as its address
    has them."""
    if not (done.isdecimal() and done.isascii()):
        return ""
    text = say("together.done", tag, count=count(int(done)))
    if left.isdecimal() and left.isascii() and int(left):
        text += " " + say("together.left", tag, count=count(int(left)))
    return text


def running(database: Database, rules: FloodRules, now: int) -> Flood | None:
    """The newest flood, unless it has been over for long.

    Raises
    ------
    StoreUnavailable, StoreDamaged
        If the store cannot be read.
    """
    newest = deque(floods(raised(database, now - LOOK_BACK_US, now), rules, now), maxlen=1)
    is_shown = newest and (newest[0].until_us or now) >= now - REMEMBERED_US
    return newest[0] if is_shown else None


def flood_now(database: Database, registry: Registry, rules: FloodRules) -> ShownFlood | None:
    """The flood that the list shows.

    Raises
    ------
    StoreUnavailable, StoreDamaged
        If the store cannot be read.
    """
    now = now_us()
    return _flood(database, rules, now, open_alarms(database, AlarmFilter(), ranks(registry), now))


def _flood(
    database: Database, rules: FloodRules, now: int, alarms: Sequence[OpenAlarm]
) -> ShownFlood | None:
    found = running(database, rules, now)
    of = [] if found is None else flooded(alarms, found)
    if found is None or len(of) < 2:  # its alarms are dealt with
        return None
    return ShownFlood(
        timestamp(found.since_us),
        None if found.until_us is None else timestamp(found.until_us),
        found.count,
        len(of),
        sum(each.is_unacknowledged for each in of),
        len({each.equipment for each in of}),
        found.since_us,
        mark_of(of),
        "/remedies?span=flood",
    )


def flooded(alarms: Sequence[OpenAlarm], flood: Flood) -> list[OpenAlarm]:
    """Those that were raised in it."""
    until = flood.until_us
    return [
        each
        for each in alarms
        if flood.since_us <= each.raised_us and (until is None or each.raised_us <= until)
    ]


def mark_of(alarms: Sequence[OpenAlarm]) -> str:
    """Changes whenever one more is raised, returns, or is over."""
    said = "/".join(sorted(f"{each.id}:{each.returns}" for each in alarms))
    return hashlib.sha256(said.encode()).hexdigest()[:16]


def _line(
    group: AlarmGroup,
    by: str,
    chosen: str,
    most: int,
    kept: Mapping[str, str],
    registry: Registry,
    tag: Language,
) -> ShownGroup:
    apart = group.apart()
    place = {"by": by, "group": group.name}
    return ShownGroup(
        group.name,
        title_of(group.name, registry, tag) if by == "model" else group.name,
        "/alarms?" + urlencode({**kept, **place}),
        "/remedies?" + urlencode({"span": "open"} | place),
        group.name == chosen,
        _where(apart, by, group, registry, tag),
        SIMULATED in apart,
        len(group.alarms),
        len(group.unacknowledged),
        tuple(_parts(group, most)),
        "" if group.share is None else percentage(group.share),
        timestamp(group.raised_us),
    )


def _parts(group: AlarmGroup, most: int) -> list[BarPart]:
    of = {
        "new": sum(a.state is AlarmState.ACTIVE_UNACKNOWLEDGED for a in group.alarms),
        "cleared": sum(a.state is AlarmState.CLEARED_UNACKNOWLEDGED for a in group.alarms),
    }
    of["rest"] = len(group.alarms) - sum(of.values())
    parts, x = [], 0.0
    for name, found in of.items():
        width = WIDTH * found / max(1, most)
        parts.append(BarPart(name, found, round(x, 2), round(width, 2)))
        x += width
    return parts


def _where(
    apart: Mapping[str, Sequence[str]],
    by: str,
    group: AlarmGroup,
    registry: Registry,
    tag: Language,
) -> str:
    """``line a · tag ×42 · Milling machine failure alarm``: the model where there are several."""
    parts = []
    for name, values in apart.items():
        if name in (by, SIMULATED):
            continue
        is_long = len(values) > MOST_VALUES
        said = f"×{count(len(values))}" if is_long else ", ".join(values)
        parts.append(f"{attribute_label(name, group.models, registry, tag)} {said}")
    models = () if by == "model" or len(registry.names()) == 1 else group.models
    return " · ".join((*parts, *(title_of(model, registry, tag) for model in models)))


def _choices(
    alarms: Sequence[OpenAlarm], by: str, registry: Registry, tag: Language
) -> list[tuple[str, str]]:
    models = tuple(sorted({each.model for each in alarms}))
    own = {name for m in models if (name := _identity(registry, m)) is not None}
    others = [name for name in names(alarms) if name not in own | {EQUIPMENT, "model", SIMULATED}]
    others += [by] if by not in (EQUIPMENT, "model", *others) else []
    return [
        (EQUIPMENT, say("together.equipment", tag)),
        *((name, attribute_label(name, models, registry, tag)) for name in others),
        ("model", say("together.model", tag)),
    ]


def _identity(registry: Registry, model: str) -> str | None:
    try:
        identity = registry.find(model).deployed.spec.attributes.identity
    except UnknownModel:
        return None
    return None if identity is None else identity.name


def attribute_label(name: str, models: Sequence[str], registry: Registry, tag: Language) -> str:
    """What the first model that declares it calls an attribute; else its name."""
    for model in models:
        try:
            declared = registry.find(model).deployed.spec.attributes.declared
        except UnknownModel:
            continue
        for each in declared:
            if each.name == name:
                return label_or(each.labels, tag, name)
    return say(f"attribute.{name}", tag) if is_said(f"attribute.{name}", tag) else name


def title_of(model: str, registry: Registry, tag: Language) -> str:
    """What a model is called; its name if it is not served any more."""
    try:
        return label_or(registry.find(model).deployed.spec.title, tag, model)
    except UnknownModel:
        return model

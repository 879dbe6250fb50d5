"""What auditors look through most: lists of records, each a link that says so in its address."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode

from ifonly.explainers.wording import Language
from ifonly.service.plant_times import PlantTimes, Span
from ifonly.service.store.chain import timestamp
from ifonly.service.store.terms import RecordList
from ifonly.service.words.catalogue import say

SHOWN: Mapping[str, Mapping[str, str]] = {
    "explanations": {"kind": "explanation"},
    "unreviewed": {"kind": "explanation"},
    "unproven": {"listing": RecordList.UNPROVEN.value},
    "fragile": {"listing": RecordList.FRAGILE.value},
    "refused": {"kind": "refusal"},
    "reviews": {"kind": "review"},
    "upkeep": {"listing": RecordList.UPKEEP.value},
    "all": {},
}
"""What ``show`` of an address stands for; the first where nothing is said."""
UNREVIEWED, ALL = "unreviewed", "all"
PERIODS = ("today", "last_shift")
NARROW = ("kind", "status", "begins", "request_id", "actor", "language")
"""Whoever says one of these looks for something: among all records, unless they say otherwise."""


@dataclass(frozen=True, slots=True)
class Preset:
    """A link above the list."""

    address: str
    text: str
    is_chosen: bool


def shown(said: Mapping[str, str]) -> str:
    """Which list an address means."""
    given = said.get("show", "")
    if given in SHOWN and "kind" not in said:
        return given
    return ALL if any(name in said for name in NARROW) else next(iter(SHOWN))


def meant(said: Mapping[str, str], plant: PlantTimes, now_us: int) -> dict[str, str]:
    """What is asked of the store, of what an address says. Times that it says outright count more
    than a period."""
    asked = {name: value for name, value in said.items() if name not in ("show", "period")}
    ends = period(said.get("period", ""), plant, now_us)
    if ends is not None:
        asked = {"since": timestamp(ends[0]), "until": timestamp(ends[1]), **asked}
    return {**SHOWN[shown(said)], **asked}


def period(name: str, plant: PlantTimes, now_us: int) -> Span | None:
    """From when to when; None: it is none of :data:`PERIODS`."""
    return plant.span(name, now_us) if name in PERIODS else None


def lists(said: Mapping[str, str], tag: Language) -> tuple[Preset, ...]:
    """Every list, within the period and of the model that are looked at."""
    kept = {name: said[name] for name in ("period", "model") if name in said}
    here = shown(said)
    is_narrow = any(name in said for name in NARROW)
    return tuple(
        Preset(
            f"/records?{urlencode({'show': name, **kept})}",
            say(f"preset.{name}", tag),
            name == here and not is_narrow,
        )
        for name in SHOWN
    )


def periods(said: Mapping[str, str], tag: Language) -> tuple[Preset, ...]:
    """Any time, today, the last shift; all else as it is looked at."""
    kept = {n: v for n, v in said.items() if n not in ("period", "since", "until")}
    here = said.get("period", "") if said.get("period") in PERIODS else ""
    has_times = "since" in said or "until" in said
    found = []
    for name in ("", *PERIODS):
        query = {**kept, **({"period": name} if name else {})}
        address = f"/records?{urlencode(query)}" if query else "/records"
        text = say(f"preset.{name or 'any_time'}", tag)
        found.append(Preset(address, text, name == here and not has_times))
    return tuple(found)

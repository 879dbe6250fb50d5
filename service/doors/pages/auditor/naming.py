"""What records and their values are called on pages."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from datetime import datetime
from typing import Any, Literal
from zoneinfo import ZoneInfo

from ifonly.explainers.wording import Language
from ifonly.explainers.wording.conventions import conventions
from ifonly.explainers.wording.gauges import Gauge
from ifonly.explainers.wording.numerals import count, figure
from ifonly.models.errors import UnknownModel
from ifonly.models.schema import Feature
from ifonly.service.served.registry import Registry, ServedModel
from ifonly.service.store.chain import Facts
from ifonly.service.store.kinds import RecordKind
from ifonly.service.wire.trail import Event
from ifonly.service.words.catalogue import is_said, say
from ifonly.service.words.labels import label

Tone = Literal["good", "bad", "warn", "plain"]

_TONES: Mapping[str, tuple[Tone, str]] = {
    "optimal": ("good", "proof"),
    "feasible": ("good", "ok"),
    "in_doubt": ("warn", "info"),
    "infeasible": ("bad", "no"),
    "unknown": ("warn", "wait"),
    "abstained": ("warn", "wait"),
    "alarm": ("bad", "alarm"),
    "no_alarm": ("good", "ok"),
    "approve": ("good", "ok"),
    "reject": ("bad", "no"),
    "acted": ("plain", "set"),
    "uploaded": ("good", "ok"),
    "refused": ("bad", "no"),
    "withdraw": ("warn", "back"),
    "revoked": ("warn", "lock"),
    "sign_in_failed": ("warn", "lock"),
    "put": ("warn", "lock"),
}
"""What is shown otherwise than as a plain remark."""


IN_DOUBT = "in_doubt"
"""Shown in place of the claim of an answer that rests on a failed part of the causal model."""


@dataclass(frozen=True, slots=True)
class Badge:
    tone: Tone
    sign: str
    text: str


def badge(status: str, tag: Language) -> Badge:
    """A claim, a verdict, or whatever else a status says."""
    tone, sign = _TONES.get(status, ("plain", "info"))
    section = "status." if is_said(f"status.{status}", tag) else "problem."
    return Badge(tone, sign, named(section, status, tag))


def badge_of(event: Event, tag: Language) -> Badge | None:
    """What a record's status says; None where it has none."""
    if event.kind == RecordKind.EXPLANATION and (event.detail or {}).get("doubts"):
        return badge(IN_DOUBT, tag)
    return None if event.status is None else badge(event.status, tag)


def named(section: str, value: str, tag: Language) -> str:
    """The word for ``value`` in a section of texts (``"kind."``); itself where there is none."""
    # A tampered or newer record may have any kind or status: it is shown, if not translated.
    key = section + value
    return say(key, tag) if is_said(key, tag) else value.replace("_", " ")


@dataclass(frozen=True)
class Names:
    """What the features of a record are called, by the model as it is served now."""

    tag: Language
    features: Mapping[str, Feature]

    @classmethod
    def of(cls, facts: Facts, registry: Registry, tag: Language) -> Names:
        model = served(facts, registry)
        if model is None:
            return cls(tag, {})
        return cls(tag, {feature.name: feature for feature in model.schema.features})

    def label(self, name: str) -> str:
        return label(self.features[name], self.tag) if name in self.features else name

    def value(self, name: str, value: Any, *, computed: bool = False, bare: bool = False) -> str:
        """As operators read it: with its unit, unless it is ``bare``; a category by its label.
        What the feature cannot read stays as it was recorded."""
        feature = self.features.get(name)
        read = math.nan if feature is None else _read(feature, value)
        if feature is None or math.isnan(read):
            return number(value)
        gauge = Gauge.of(feature)
        return (gauge.bare if bare else gauge.value)(read, self.tag, computed=computed)


def _read(feature: Feature, value: Any) -> float:
    """Whatever its bounds and grid; NaN of what is no reading: a record may be tampered with."""
    if feature.kind.is_categorical:
        names = feature.category_names
        return float(names.index(value)) if value in names else math.nan
    if isinstance(value, bool) or not isinstance(value, int | float):
        return math.nan
    # JSON's whole numbers may be of any size.
    return float(value) if abs(value) < 1e300 else math.nan


def served(facts: Facts, registry: Registry) -> ServedModel | None:
    """The model that a record names; None if it is not served any more."""
    try:
        return registry.find(facts.model or "", facts.version)
    except UnknownModel:
        return None


def number(value: Any) -> str:
    """As short as it can be; text as it is, nothing as a dash."""
    if value is None:
        return "–"
    if isinstance(value, bool | str):
        return str(value)
    if isinstance(value, int | float):
        return figure(value, 10) if isinstance(value, float) else count(value)
    return str(value)


def rounded(value: float | None) -> str:
    """A computed number: four digits say enough."""
    return "–" if value is None else figure(value)


def moment(text: str) -> str:
    """``2026-11-22T04:31:07.123456Z`` as ``2026-11-22 04:31:07``; UTC."""
    return text[:19].replace("T", " ")


@dataclass(frozen=True, slots=True)
class Moment:
    """When something was, as a page writes it."""

    stamp: str
    """As it is recorded and hashed."""
    utc: str
    local: str
    """In the plant's time zone, with its offset; empty where that is UTC: then the browser says its
    own."""


def moment_of(stamp: str, zone: ZoneInfo) -> Moment:
    """``stamp``: RFC 3339, or whatever a tampered record says."""
    try:
        read = datetime.fromisoformat(stamp).astimezone(zone)
    except (ValueError, OverflowError):
        return Moment(stamp, moment(stamp), "")
    offset = read.strftime("%z")
    shown = f"{read:%Y-%m-%d %H:%M:%S} ({offset[:3]}:{offset[3:5]})"
    return Moment(stamp, moment(stamp), "" if zone.key == "UTC" else shown)


def said_in(texts_by_tag: Mapping[str, str], tag: Language) -> tuple[str, str]:
    """A recorded text and its language: the page's own, if it was recorded in it."""
    for own in (tag, *conventions(tag).labels_from):
        if own in texts_by_tag:
            return texts_by_tag[own], own
    return next(((text, other) for other, text in texts_by_tag.items()), ("", tag))

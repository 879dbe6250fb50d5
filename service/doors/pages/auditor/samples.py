"""Samples as pages show them, and the form by which one is drawn."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from decimal import Decimal, InvalidOperation
from typing import Any
from zoneinfo import ZoneInfo

from ifonly.explainers.wording import Language
from ifonly.explainers.wording.numerals import count
from ifonly.service.doors.pages.auditor.naming import (
    Badge,
    Moment,
    Tone,
    badge,
    moment,
    moment_of,
    named,
)
from ifonly.service.doors.pages.visit import whole
from ifonly.service.wire import samples as wire
from ifonly.service.wire import validation
from ifonly.service.words.catalogue import say
from ifonly.service.words.sampling import outward

POPULATION = ("model", "status", "group", "since", "until")
HOW_MANY = ("size", "tolerable", "accept", "confidence", "seed")
FIELDS = (*POPULATION, *HOW_MANY)
LIMIT = 20
ENTRIES = 15
"""Explanations that wait, on the page of a sample."""
MOST_LISTED = 1_000


@dataclass(frozen=True, slots=True)
class Progress:
    """How far a sample is."""

    size: int
    judged: int
    approved: int
    rejected: int
    commented: int
    text: str
    """What it shows."""
    tone: Tone | str
    sign: str


@dataclass(frozen=True, slots=True)
class SampleEntry:
    """A sample, as the list of them shows it."""

    id: str
    when: Moment
    by: str
    population: str
    range: str
    progress: Progress


@dataclass(frozen=True, slots=True)
class JudgedItem:
    id: str
    badge: Badge | None
    comments: int


@dataclass(frozen=True)
class SamplePage:
    """Everything on the page of one sample."""

    id: str
    when: Moment
    by: str
    comment: str | None
    population: str
    planned: str
    seed: str
    sha256: str
    drawn_before: int
    progress: Progress
    items: tuple[JudgedItem, ...]


def is_asked(said: Mapping[str, str]) -> bool:
    """Whether a form says how many: then it is shown what that would show."""
    return "size" in said or "tolerable" in said


def request_of(said: Mapping[str, str], comment: str = "") -> wire.SampleRequest:
    """What a form was filled in with.

    Raises
    ------
    InvalidRequest
        If something in it is wrong.
    """
    body: dict[str, Any] = {name: said[name] for name in POPULATION if name in said}
    if "size" in said:
        body["size"] = whole(said["size"])
    if "tolerable" in said:
        body["rule"] = {
            "tolerable_rate": _share(said["tolerable"]),
            "accept": whole(said.get("accept", "0")),
        }
    if "confidence" in said:
        body["confidence"] = _share(said["confidence"])
    if "seed" in said:
        body["seed"] = said["seed"]
    if comment:
        body["comment"] = comment
    return validation.read(wire.SampleRequest, body)


def _share(text: str) -> float | str:
    """Percent as a share, in decimals; what is no number stays as it is, and is refused."""
    try:
        # In decimals: 5 % is 0.05, and not what a binary division leaves.
        found = Decimal(text.removesuffix("%").strip()) / 100
        return float(found) if found.is_finite() else text
    except (InvalidOperation, OverflowError):
        return text


def entry(sample: wire.Sample, tag: Language, zone: ZoneInfo) -> SampleEntry:
    wrong = sample.result.wrong
    of = sample.population.size
    low, high = outward(wrong.low, of, up=False), outward(wrong.high, of, up=True)
    return SampleEntry(
        sample.id,
        moment_of(sample.time, zone),
        sample.by,
        population(sample.population, tag),
        f"{low} – {high}",
        progress(sample.size, sample.result, tag),
    )


def shown(sample: wire.SampleReply, tag: Language, zone: ZoneInfo) -> SamplePage:
    return SamplePage(
        sample.id,
        moment_of(sample.time, zone),
        sample.by,
        sample.comment,
        population(sample.population, tag),
        sample.planned.text[tag],
        sample.seed,
        sample.population.sha256,
        sample.drawn_before,
        progress(sample.size, sample.result, tag),
        tuple(
            JudgedItem(
                item.id, None if item.verdict is None else badge(item.verdict, tag), item.comments
            )
            for item in sample.items
        ),
    )


def progress(size: int, found: wire.SampleResult, tag: Language) -> Progress:
    tone, sign = {True: ("good", "ok"), False: ("bad", "no"), None: ("", "info")}[found.met]
    return Progress(
        size,
        found.judged,
        found.approved,
        found.rejected,
        found.commented,
        found.text[tag],
        tone,
        sign,
    )


def population(of: wire.SampledPopulation, tag: Language) -> str:
    """``milling-machine, feasible, 2026-11-01 00:00:00 to … UTC: 5,000``"""
    named_ = [
        of.model or say("sample.every_model", tag),
        *([named("status.", of.status, tag)] if of.status else []),
        *([say("sample.of_group", tag, group=of.group)] if of.group else []),
    ]
    return say(
        "sample.of_population",
        tag,
        what=", ".join(named_),
        since=moment(of.since),
        until=moment(of.until),
        count=count(of.size),
    )


def waiting(sample: wire.SampleReply) -> list[str]:
    """What nobody has judged, in the order in which it was drawn."""
    return [item.id for item in sample.items if item.verdict is None]

"""One record as a page shows it."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import Any
from zoneinfo import ZoneInfo

from ifonly.explainers.wording import Language
from ifonly.explainers.wording.numerals import count, percentage
from ifonly.service.audit.experiments.assigning import arm_in
from ifonly.service.doors.pages.auditor.naming import (
    IN_DOUBT,
    Badge,
    Moment,
    Names,
    badge,
    badge_of,
    moment_of,
    named,
    number,
    rounded,
    said_in,
)
from ifonly.service.served.registry import Registry
from ifonly.service.store.chain import Facts
from ifonly.service.store.kinds import RecordKind
from ifonly.service.wire.inspection import EventReply, ReplayReply
from ifonly.service.wire.trail import Event, Finding, Review
from ifonly.service.words.catalogue import say
from ifonly.service.words.claims import is_past

Said = Mapping[str, Any]

EFFORT = ("/work/", "/provenance/engine")
"""Members that tell how the answer was found."""
REPLAYS = (
    RecordKind.PREDICTION,
    RecordKind.WHAT_IF,
    RecordKind.EXPLANATION,
    RecordKind.COMMON,
    RecordKind.ROWS,
    RecordKind.REASONS,
)
MOST_SAID = 12
"""Values of one attribute that are shown."""
HOW = ("engine", "engine_version", "seed", "languages", "latency_us", "role", "request_id")
DIGESTS = ("model_sha256", "spec_sha256", "causal_sha256")


@dataclass(frozen=True, slots=True)
class Text:
    text: str
    tag: str
    """Its language."""


@dataclass(frozen=True, slots=True)
class FeatureChange:
    """A feature that was set, or that follows."""

    label: str
    before: str
    after: str
    range: str
    is_effect: bool


@dataclass(frozen=True, slots=True)
class RecordedCounterfactual:
    """One counterfactual, as the page of its record shows it."""

    rank: int
    cost: str
    proof: Badge
    text: Text
    changes: tuple[FeatureChange, ...]


@dataclass(frozen=True, slots=True)
class Comment:
    id: str
    badge: Badge
    by: str
    when: Moment
    rank: int | None
    way: str
    """Which of the named ways; empty: not said."""
    outcome: str
    comment: str | None
    withdraws: str | None
    """Id of the review that this takes back."""
    withdrawn_by: str | None
    """Id of the review that takes this back."""


@dataclass(frozen=True)
class RecordPage:
    """Everything on the page of one record."""

    id: str
    kind: str
    badge: Badge | None
    when: Moment
    model: str
    actor: str
    content: str
    sentence: Text
    prediction: str
    readings: tuple[tuple[str, str], ...]
    attributes: tuple[tuple[str, str], ...]
    ways: tuple[RecordedCounterfactual, ...]
    blocked_by: tuple[Text, ...]
    claim: tuple[str, ...]
    assumptions: tuple[Text, ...]
    reviews: tuple[Comment, ...]
    is_explanation: bool
    is_sample: bool
    experiment: str
    """Id of the one that it begins, ends or was shown in; empty: of none."""
    arm: str
    """In which it was shown."""
    has_sheet: bool
    """Whether it tells of reasons, of which there is a sheet."""
    is_past: bool
    """Whether it tells of another past, in which nothing was set."""
    can_replay: bool
    before: str | None
    after: str | None
    place: tuple[tuple[str, str], ...]
    digests: tuple[tuple[str, str], ...]
    how: tuple[tuple[str, str], ...]
    request: str
    answer: str
    findings: Sequence[Finding]
    """Why it is not what was written: then nothing that it says is shown as said."""


def shown(found: EventReply, registry: Registry, tag: Language, zone: ZoneInfo) -> RecordPage:
    event, doubts = found.event, found.event.findings or ()
    # Tampered content is shown raw below, never dressed as an answer.
    answer = {} if doubts else _table(found.answer)
    request = {} if doubts else _table(found.request)
    facts = Facts(kind=event.kind, actor=event.actor, model=event.model, version=event.version)
    names = Names.of(facts, registry, tag)
    return RecordPage(
        id=event.id,
        kind=named("kind.", event.kind, tag),
        badge=badge_of(event, tag),
        when=moment_of(event.time, zone),
        model=" ".join(filter(None, [event.model, event.version])),
        actor=event.actor,
        content=found.content.value,
        sentence=_text(answer.get("text") or {}, tag),
        prediction=_prediction(_table(answer.get("prediction")), tag),
        readings=_pairs(_table(request.get("instance")), names),
        attributes=_attributes(request.get("attributes")),
        ways=tuple(_way(way, names) for way in answer.get("counterfactuals", ())),
        blocked_by=tuple(_text(rule["text"], tag) for rule in answer.get("blocked_by", ())),
        claim=tuple(text[tag] for text in found.claim),
        assumptions=tuple(_text(text, tag) for text in answer.get("assumptions", ())),
        reviews=tuple(_comment(review, tag, zone) for review in found.reviews),
        is_explanation=event.kind == RecordKind.EXPLANATION,
        is_sample=event.kind == RecordKind.SAMPLE and not doubts,
        experiment=_experiment(event),
        arm=(arm_in(event.detail) or ("", ""))[1],
        has_sheet=event.kind == RecordKind.REASONS and bool(answer),
        is_past=is_past(answer),
        can_replay=event.kind in REPLAYS and found.answer is not None,
        before=found.before,
        after=found.after,
        place=(
            ("writer", event.writer),
            ("sequence", count(event.sequence)),
            ("hash", event.hash),
            ("previous", event.previous),
            *((("payload_digest", event.payload_digest),) if event.payload_digest else ()),
        ),
        digests=_present(event, DIGESTS),
        how=_present(event, HOW),
        request=_pretty(found.request),
        answer=_pretty(found.answer),
        findings=doubts,
    )


def _experiment(event: Event) -> str:
    if event.kind == RecordKind.EXPERIMENT:
        return event.about or event.id
    return (arm_in(event.detail) or ("", ""))[0]


def _table(value: Any) -> Said:
    return value if isinstance(value, dict) else {}


def _text(texts: Mapping[str, str], tag: Language) -> Text:
    return Text(*said_in(texts, tag))


def _prediction(said: Said, tag: Language) -> str:
    """``failure, 93 %``"""
    if not said:
        return ""
    label = said_in(said.get("label") or {}, tag)[0] or said.get("class") or ""
    if said.get("probability") is not None:
        return f"{label} · {percentage(said['probability'])}"
    if said.get("score") is not None:
        return f"{label} {number(said['score'])} {said.get('unit') or ''}".strip()
    return str(label)


def _pairs(instance: Said, names: Names) -> tuple[tuple[str, str], ...]:
    return tuple((names.label(name), names.value(name, value)) for name, value in instance.items())


def _way(way: Said, names: Names) -> RecordedCounterfactual:
    gap, tag = way.get("gap"), names.tag
    proof = badge(IN_DOUBT if way.get("doubts") else "optimal" if gap == 0 else "feasible", tag)
    return RecordedCounterfactual(
        way["rank"],
        rounded(way["cost"]),
        proof,
        _text(way["text"], tag),
        (
            *(_change(action, names, is_effect=False) for action in way["actions"]),
            *(_change(effect, names, is_effect=True) for effect in way["effects"]),
        ),
    )


def _change(said: Said, names: Names, *, is_effect: bool) -> FeatureChange:
    name, ends = said["feature"], said.get("sufficient_range")
    return FeatureChange(
        said_in(said.get("label") or {}, names.tag)[0] or names.label(name),
        names.value(name, said["from"]),
        names.value(name, said["to"], computed=is_effect),
        _range(name, ends, names) if ends else "",
        is_effect,
    )


def _range(name: str, ends: Sequence[Any], names: Names) -> str:
    low, high = ends
    last = names.value(name, high)
    return last if low == high else f"{names.value(name, low, bare=True)} – {last}"


def _attributes(said: Any) -> tuple[tuple[str, str], ...]:
    """What a request said of the equipment; where it said so of each row, all that it said."""
    of_each = said if isinstance(said, list) else [said]
    found: dict[str, dict[str, None]] = {}
    for each in of_each:
        for name, value in _table(each).items():
            found.setdefault(name, {})[str(value)] = None
    return tuple((name, _several([*values])) for name, values in found.items())


def _several(values: Sequence[str]) -> str:
    rest = " …" if len(values) > MOST_SAID else ""
    return ", ".join(values[:MOST_SAID]) + rest


def _comment(review: Review, tag: Language, zone: ZoneInfo) -> Comment:
    outcome = "" if review.outcome is None else named("outcome.", review.outcome, tag)
    return Comment(
        review.id,
        badge(review.verdict, tag),
        review.by,
        moment_of(review.time, zone),
        review.rank,
        "" if review.way is None else say(f"ways.{review.way}", tag),
        outcome,
        review.comment,
        review.withdraws,
        review.withdrawn_by,
    )


def _present(event: Any, names: Sequence[str]) -> tuple[tuple[str, str], ...]:
    said = ((name, getattr(event, name, None)) for name in names)
    # A seed is a name and no quantity: its digits are not grouped.
    return tuple(
        (name, str(value) if name == "seed" else number(value))
        for name, value in said
        if value is not None
    )


def _pretty(value: Any) -> str:
    return "" if value is None else json.dumps(value, ensure_ascii=False, indent=2)


@dataclass(frozen=True, slots=True)
class Difference:
    pointer: str
    was: str
    now: str


def differences(came: ReplayReply) -> tuple[Difference, ...]:
    """What changed, each side as JSON."""
    return tuple(Difference(c.pointer, _json(c.was), _json(c.now)) for c in came.changes)


def is_other_way(came: ReplayReply) -> bool:
    """Whether nothing but the search differs, and not what it found."""
    # Another way to the same answer is no change of it.
    return bool(came.changes) and all(c.pointer.startswith(EFFORT) for c in came.changes)


def _json(value: Any) -> str:
    return json.dumps(value, ensure_ascii=False)

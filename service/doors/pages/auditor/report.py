"""The report as a page shows it: tables in which each share has its interval drawn beside it."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from urllib.parse import urlencode
from zoneinfo import ZoneInfo

from ifonly.explainers.wording import Language
from ifonly.explainers.wording.numerals import count, figure, percentage
from ifonly.models.errors import UnknownModel
from ifonly.service.audit.recourse_by_group.report import RecourseReport
from ifonly.service.audit.recourse_by_group.statistics import share
from ifonly.service.audit.recourse_by_group.telling import proportion
from ifonly.service.doors.pages.auditor.naming import (
    Moment,
    moment,
    moment_of,
    named,
    rounded,
    said_in,
)
from ifonly.service.doors.pages.auditor.search import given as filled
from ifonly.service.doors.pages.scales import round_up
from ifonly.service.served.registry import Registry
from ifonly.service.wire import report as wire
from ifonly.service.words.labels import label

FIELDS = ("model", "since", "until", "by")
LEAST_P = 0.001
"""What is less is told as less: more digits of it say nothing."""
SCALE = 100.0
"""Width of a drawing, in its own units."""

UTC = ZoneInfo("UTC")


@dataclass(frozen=True, slots=True)
class ShownInterval:
    """A value and where it may lie, as text and as a drawing ``SCALE`` wide."""

    text: str
    range: str
    detail: str
    at: float | None = None
    low: float | None = None
    high: float | None = None


@dataclass(frozen=True, slots=True)
class GroupLine:
    """A line of the report's table: one group."""

    label: str
    asked: str
    success: ShownInterval
    infeasible: ShownInterval
    proven: ShownInterval
    cost: ShownInterval
    undecided: int
    already: int


@dataclass(frozen=True, slots=True)
class OutcomeSegment:
    """A piece of the bar of outcomes."""

    name: str
    label: str
    count: int
    share: str
    x: float
    width: float


@dataclass(frozen=True, slots=True)
class Ranked:
    """A lever or a rule, with how often it occurs."""

    label: str
    use: ShownInterval
    up: int = 0
    down: int = 0
    change: str = ""


@dataclass(frozen=True, slots=True)
class ShownDifference:
    """Two groups, and by how much they differ in success."""

    high: GroupLine
    low: GroupLine
    points: str
    range: str
    p: str


@dataclass(frozen=True, slots=True)
class ShownCommonChange:
    """One change that was sought for many alarms."""

    path: str
    """Of its record."""
    when: Moment
    change: str
    """In words; empty: none was found, or it was erased."""
    coverage: ShownInterval
    is_proven: bool
    bound: str
    erased: bool


@dataclass(frozen=True)
class ReportPage:
    """Everything on the page of the report."""

    model: str
    period: tuple[str, str]
    total: GroupLine
    parts: tuple[OutcomeSegment, ...]
    lines: tuple[GroupLine, ...]
    costliest: str
    """The right end of the axis of costs."""
    differ: bool
    """Whether some groups are shown to differ in success."""
    tests: str
    """How many pairs were tested."""
    differences: tuple[ShownDifference, ...]
    """As in :attr:`ifonly.service.audit.recourse_by_group.compare.ShareComparison.pairs`."""
    levers: tuple[Ranked, ...]
    sparsity: tuple[Ranked, ...]
    """By how many levers the answers set."""
    blockers: tuple[Ranked, ...]
    common: tuple[ShownCommonChange, ...]
    verdicts: tuple[tuple[str, int], ...]
    judged: ShownInterval | None
    """Share of the judged that were approved."""
    attributes: tuple[str, ...]
    notes: tuple[str, ...]
    erased: int
    has_records: bool = True
    """Whether what it tells of can be looked up where it is read."""


def given(
    query: Mapping[str, str], registry: Registry, fields: tuple[str, ...] = FIELDS
) -> dict[str, str]:
    """What was asked for; of the only model, if there is one only."""
    said = filled(query, fields)
    for name in ("since", "until"):  # dates; midnight, UTC
        if name in said and "T" not in said[name]:
            said[name] += "T00:00:00Z"
    names = registry.names()
    # With one model there is nothing to choose.
    if "model" not in said and len(names) == 1:
        said["model"] = names[0]
    return said


def features(registry: Registry, model: str | None, tag: Language) -> tuple[tuple[str, str], ...]:
    """By what explanations can be grouped: key and name."""
    try:
        schema = registry.find(model or "").schema
    except UnknownModel:
        return ()
    return tuple((f"feature:{f.name}", label(f, tag)) for f in schema.features)


def address(filters: Mapping[str, str]) -> str:
    """Where it is as CSV."""
    return f"/report/table?{urlencode(filters)}"


def shown(
    made: RecourseReport, told: wire.ReportReply, tag: Language, zone: ZoneInfo = UTC
) -> ReportPage:
    """``zone``: the plant's, in which people read times."""
    every = [told.total, *told.groups]
    # One axis for all groups, or their costs could not be compared by eye.
    highest = max((c.high or c.median for g in every if (c := g.cost) is not None), default=1.0)
    axis = round_up(highest)
    lines = {group.key: _line(group, axis, tag) for group in told.groups}
    verdicts = told.verdicts
    judged = verdicts.approved + verdicts.rejected
    return ReportPage(
        told.model,
        (moment(told.since)[:-3], moment(told.until)[:-3]),
        _line(told.total, axis, tag),
        tuple(_parts(told.total, tag)),
        tuple(lines.values()),
        rounded(axis),
        made.comparison.differ,
        count(made.comparison.tests),
        tuple(_difference(pair, lines) for pair in told.comparison.pairs),
        tuple(_lever(use, tag) for use in told.levers),
        tuple(Ranked(count(each.levers), interval_of(each.answers)) for each in told.sparsity),
        tuple(Ranked(said_in(b.text, tag)[0], interval_of(b.blocks)) for b in told.blockers),
        tuple(_common(each, tag, zone) for each in told.common),
        tuple(
            (named("verdicts.", name, tag), count)
            for name, count in verdicts
            # Of ways only those that somebody has named.
            if count or not name.startswith("acted_")
        ),
        None if not judged else interval_of(proportion(share(verdicts.approved, judged))),
        tuple(told.attributes),
        tuple(note[tag] for note in told.notes),
        told.erased,
    )


def _line(group: wire.Outcomes, axis: float, tag: Language) -> GroupLine:
    return GroupLine(
        said_in(group.label, tag)[0],
        count(group.asked),
        interval_of(group.success),
        interval_of(group.infeasible),
        interval_of(group.proven),
        _cost(group.cost, axis),
        group.undecided,
        group.already,
    )


def _difference(pair: wire.SuccessDifference, lines: Mapping[str, GroupLine]) -> ShownDifference:
    low, high = (figure(100 * end, 3, signed=True) for end in (pair.low95, pair.high95))
    return ShownDifference(
        lines[pair.high],
        lines[pair.low],
        figure(100 * pair.difference, 3, signed=True),
        f"{low} – {high}",
        "< 0.001" if pair.p < LEAST_P else f"= {figure(pair.p, 2)}",
    )


def interval_of(found: wire.Proportion) -> ShownInterval:
    """A share as it is shown."""
    if found.share is None or found.low is None or found.high is None:
        return ShownInterval("–", "", "0 / 0")
    return ShownInterval(
        percentage(found.share),
        f"{percentage(found.low)} – {percentage(found.high)}",
        f"{count(found.count)} / {count(found.of)}",
        *(round(SCALE * end, 2) for end in (found.share, found.low, found.high)),
    )


def _cost(found: wire.Centre | None, axis: float) -> ShownInterval:
    if found is None:
        return ShownInterval("–", "", "")
    at = round(SCALE * found.median / axis, 2)
    if found.low is None or found.high is None:
        return ShownInterval(rounded(found.median), "", f"n = {count(found.of)}", at)
    return ShownInterval(
        rounded(found.median),
        f"{rounded(found.low)} – {rounded(found.high)}",
        f"n = {count(found.of)}",
        at,
        *(round(SCALE * end / axis, 2) for end in (found.low, found.high)),
    )


def _parts(total: wire.Outcomes, tag: Language) -> list[OutcomeSegment]:
    counts = {
        "success": total.success.count,
        "infeasible": total.infeasible.count,
        "undecided": total.undecided,
        "already": total.already,
    }
    parts, x = [], 0.0
    for name, found in counts.items():
        width = SCALE * found / total.asked if total.asked else 0.0
        share = percentage(found / total.asked) if total.asked else "–"
        label = named("outcomes.", name, tag)
        parts.append(OutcomeSegment(name, label, found, share, round(x, 2), round(width, 2)))
        x += width
    return parts


def _common(found: wire.CommonChangeSummary, tag: Language, zone: ZoneInfo) -> ShownCommonChange:
    # Counted, not sampled: a share without an interval.
    part = percentage(found.cleared / found.alarms) if found.alarms else "–"
    coverage = ShownInterval(part, "", f"{count(found.cleared)} / {count(found.alarms)}")
    return ShownCommonChange(
        f"/records/{found.id}",
        moment_of(found.time, zone),
        "" if not found.text or not found.settings else said_in(found.text, tag)[0],
        coverage,
        found.proven,
        count(found.bound),
        found.erased,
    )


def _lever(use: wire.LeverUse, tag: Language) -> Ranked:
    change = ""
    if use.median_change is not None:
        change = f"{figure(use.median_change, signed=True)} {use.unit}".rstrip()
    return Ranked(said_in(use.label, tag)[0], interval_of(use.use), use.up, use.down, change)

"""Whether recourse is fair, as a page or a file shows it."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass

from ifonly.explainers.wording import Language
from ifonly.explainers.wording.numerals import count, figure, percentage
from ifonly.service.doors.pages.auditor.naming import moment, rounded, said_in
from ifonly.service.doors.pages.auditor.report import LEAST_P, SCALE, ShownInterval, interval_of
from ifonly.service.wire import fairness as wire
from ifonly.service.wire.outcomes import Gap
from ifonly.service.wire.proportion import Proportion
from ifonly.service.words.catalogue import say

MOST_FINDINGS = 8
"""Told in a sentence each."""
MOST_LINES = 20
"""Of one measure; the others are in the CSV."""
FOUR_FIFTHS = 0.8


@dataclass(frozen=True, slots=True)
class FairnessLine:
    """One group beside everybody else."""

    group: str
    is_single: bool
    """Whether it is made of one attribute."""
    own: str
    others: str
    gap: ShownInterval
    p: str
    is_shown: bool
    is_worse: bool


@dataclass(frozen=True, slots=True)
class FairnessTable:
    """One measure, all groups."""

    measure: str
    hint: str
    unit: str
    lines: tuple[FairnessLine, ...]
    more: int
    """Lines that are left out."""
    is_shown: bool
    """Whether some group is shown to differ."""
    p: str
    """The least."""


@dataclass(frozen=True, slots=True)
class ReachLine:
    group: str
    of: str
    cells: tuple[str, ...]


@dataclass(frozen=True, slots=True)
class CameLine:
    """What came of advice in one group."""

    group: str
    followed: ShownInterval
    success_followed: ShownInterval
    success_not_followed: ShownInterval
    gain: str
    beside: str


@dataclass(frozen=True, slots=True)
class TwinLine:
    pair: str
    of: str
    better: ShownInterval
    worse: ShownInterval
    net: str
    cost: str
    only: str
    untold: str


@dataclass(frozen=True, slots=True)
class TwinTable:
    title: str
    lines: tuple[TwinLine, ...]


@dataclass(frozen=True)
class FairnessPage:
    """Everything that is shown."""

    title: str
    """Of what it is."""
    asked: str
    is_empty: bool
    shown: int
    """Differences that are shown."""
    tests: str
    findings: tuple[str, ...]
    """Sentences: those; where there is none, the one with the least p."""
    tables: tuple[FairnessTable, ...]
    ratios: str
    budgets: tuple[str, ...]
    reach: tuple[ReachLine, ...]
    outcomes: tuple[CameLine, ...]
    twins: tuple[TwinTable, ...]
    small: int
    least: int
    notes: tuple[str, ...]


def shown(reply: wire.FairnessReply, tag: Language, title: str = "") -> FairnessPage:
    """``title``: of what it is; empty: of its model and period."""
    labels = {group.key: said_in(group.label, tag)[0] for group in reply.groups}
    tested = [each for each in reply.differences if each.tested is not None]
    found = [each for each in tested if each.tested and each.tested.shown]
    found.sort(key=lambda each: each.tested.corrected if each.tested else 1.0)
    least = min(tested, key=lambda each: each.tested.p if each.tested else 1.0, default=None)
    told = surest = _one_of_two(found)
    if not told and least is not None:
        told = [least]
    period = (moment(end)[:-3] for end in (reply.since or "", reply.until or ""))
    since, until = period
    of = title or say("report.of", tag, model=reply.model, since=since, until=until)
    return FairnessPage(
        of,
        count(reply.asked),
        reply.asked == 0,
        len(surest),
        count(reply.tests),
        tuple(_finding(each, labels, reply, tag) for each in told[:MOST_FINDINGS]),
        tuple(_tables(tested, labels, reply, tag)),
        _ratios(reply, labels),
        tuple(rounded(each.budget) for each in reply.reach[0].reach) if reply.reach else (),
        tuple(_reach(each, labels, tag) for each in reply.reach[: MOST_LINES + 1]),
        tuple(_came(each, labels, tag) for each in reply.outcomes[: MOST_LINES + 1]),
        tuple(_twins(reply.twins, tag)),
        len(reply.small),
        reply.least,
        tuple(said_in(note, tag)[0] for note in reply.notes),
    )


def _one_of_two(found: Sequence[wire.GroupDifference]) -> list[wire.GroupDifference]:
    """Of a group and its complement, which are one test, the one that is worse off."""

    def has_worse_half(each: wire.GroupDifference) -> bool:
        return any(
            other.measure == each.measure
            and (other.of, other.others) == (each.others, each.of)
            and other.tested is not None
            and each.tested is not None
            and other.tested.p == each.tested.p
            and other.tested.worse
            for other in found
        )

    return [
        each for each in found if (each.tested and each.tested.worse) or not has_worse_half(each)
    ]


def measure_name(name: str, budget: float | None, tag: Language) -> str:
    """What a measure is called."""
    return say(f"fairness.measure_{name}", tag, budget=rounded(budget))


def _finding(
    each: wire.GroupDifference, labels: Mapping[str, str], reply: wire.FairnessReply, tag: Language
) -> str:
    assert each.tested is not None
    gap = _gap(each.tested)
    return say(
        "fairness.finding",
        tag,
        group=labels[each.group],
        measure=measure_name(each.measure, reply.budget, tag),
        own=_value(each.share, each.median, tag),
        others=_value(each.others_share, each.others_median, tag),
        gap=say(f"fairness.gap_{each.tested.unit}", tag),
        size=gap.text,
        range=gap.range,
        p=p_of(each.tested.corrected),
    )


def _tables(
    tested: Sequence[wire.GroupDifference],
    labels: Mapping[str, str],
    reply: wire.FairnessReply,
    tag: Language,
) -> list[FairnessTable]:
    found = []
    for name in dict.fromkeys(each.measure for each in tested):
        own = [each for each in tested if each.measure == name]
        # Those of one attribute stay; of the many that are made of several the surest come first.
        ranked = sorted(
            own,
            key=lambda e: (not e.tested.shown, "&" in e.group, e.tested.p) if e.tested else (),
        )
        kept = {id(each) for each in ranked[:MOST_LINES]}
        lines = [each for each in own if id(each) in kept]
        assert lines[0].tested is not None
        found.append(
            FairnessTable(
                measure_name(name, reply.budget, tag),
                say(f"fairness.hint_{name}", tag),
                say(f"fairness.gap_{lines[0].tested.unit}", tag),
                tuple(_line(each, labels, tag) for each in lines),
                len(own) - len(lines),
                any(each.tested.shown for each in own if each.tested),
                p_of(min(each.tested.corrected for each in own if each.tested)),
            )
        )
    return found


def _line(each: wire.GroupDifference, labels: Mapping[str, str], tag: Language) -> FairnessLine:
    tested = each.tested
    assert tested is not None
    return FairnessLine(
        labels[each.group],
        "&" not in each.group,
        _value(each.share, each.median, tag),
        _value(each.others_share, each.others_median, tag),
        _gap(tested),
        p_of(tested.corrected),
        tested.shown,
        tested.worse,
    )


def _value(share: Proportion | None, median: wire.Middle | None, tag: Language) -> str:
    if share is not None:
        value = "–" if share.share is None else percentage(share.share)
        return f"{value} ({count(share.count)} / {count(share.of)})"
    if median is None:
        return "–"
    ends = [
        say("fairness.beyond", tag) if end is None else rounded(end)
        for end in (median.low, median.high)
    ]
    return ends[0] if ends[0] == ends[1] else " – ".join(ends)


def _gap(tested: wire.TestedGap) -> ShownInterval:
    """On an axis whose middle is that the two are alike."""
    is_share = tested.unit == "difference_of_shares"
    counted, ends = (tested.least, tested.most), (tested.low, tested.high)
    # Differences go from -1 to 1, chances from 0 to 1.
    middle = sum(counted) / 2
    places = [round(SCALE * ((x + 1) / 2 if is_share else x), 2) for x in (middle, *ends)]
    said = [figure(100 * x, 3, signed=is_share) for x in (*counted, *ends)]
    least, most, low, high = said
    text = least if least == most else f"{least} – {most}"
    return ShownInterval(text, f"{low} – {high}", "", *places)


def p_of(value: float) -> str:
    """As it is told in a sentence: with what stands before it."""
    return "< 0.001" if value < LEAST_P else f"= {figure(value, 2)}"


def _ratios(reply: wire.FairnessReply, labels: Mapping[str, str]) -> str:
    single = [
        (labels[each.group], each.ratio)
        for each in reply.differences
        if each.ratio is not None and "&" not in each.group
    ]
    return "; ".join(
        f"{name} {figure(ratio.value, 3)} ({figure(ratio.low, 3)} – {figure(ratio.high, 3)})"
        for name, ratio in single[:MOST_LINES]
    )


def _reach(each: wire.GroupReach, labels: Mapping[str, str], tag: Language) -> ReachLine:
    cells = []
    for reach in each.reach:
        low, high = (
            "–" if end.share is None else percentage(end.share) for end in (reach.low, reach.high)
        )
        cells.append(low if low == high else f"{low} – {high}")
    of = count(each.reach[0].low.of) if each.reach else "0"
    return ReachLine(_named(each.group, labels, tag), of, tuple(cells))


def _named(key: str | None, labels: Mapping[str, str], tag: Language) -> str:
    return say("fairness.everybody", tag) if key is None else labels[key]


def _came(each: wire.GroupOutcomeGap, labels: Mapping[str, str], tag: Language) -> CameLine:
    return CameLine(
        _named(each.group, labels, tag),
        interval_of(each.followed),
        interval_of(each.success_followed),
        interval_of(each.success_not_followed),
        _points(each.difference),
        _points(each.beside_others),
    )


def _points(gap: Gap | None) -> str:
    if gap is None:
        return "–"
    value, low, high = (figure(100 * x, 3, signed=True) for x in (gap.value, gap.low, gap.high))
    return f"{value} ({low} – {high})"


def _twins(reports: Sequence[wire.TwinReport], tag: Language) -> list[TwinTable]:
    found = []
    for each in reports:
        name = said_in(each.label, tag)[0]
        title = say("fairness.twins_of", tag, attribute=name, worlds=count(each.worlds))
        found.append(TwinTable(title, tuple(_twin(pair, tag) for pair in each.pairs)))
        if each.unfair:
            edges = ", ".join(each.allowed)
            title = say("fairness.twins_unfair", tag, attribute=name, edges=edges)
            found.append(TwinTable(title, tuple(_twin(pair, tag) for pair in each.unfair)))
    return found


def _twin(pair: wire.TwinPair, tag: Language) -> TwinLine:
    own, other = (said_in(label, tag)[0] for label in (pair.label, pair.twin_label))
    told, costs = pair.decisions, pair.costs
    cost = only = "–"
    if costs is not None:
        cost = "–" if costs.difference is None else uncertain(costs.difference)
        only = " / ".join(percentage(x.value) for x in (costs.only_twin, costs.only_own))
    untold = say("fairness.untold", tag, count=count(pair.untold)) if pair.untold else ""
    return TwinLine(
        say("fairness.becomes", tag, own=own, twin=other),
        count(told.of),
        _share(told.better),
        _share(told.worse),
        uncertain(told.net, points=True),
        cost,
        only,
        untold,
    )


def _share(found: wire.Uncertain) -> ShownInterval:
    ends = (found.value, found.low, found.high)
    low, high = percentage(found.low), percentage(found.high)
    return ShownInterval(
        percentage(found.value), f"{low} – {high}", "", *(round(SCALE * x, 2) for x in ends)
    )


def uncertain(found: wire.Uncertain, *, points: bool = False) -> str:
    """A value with its interval; ``points``: of a share, as percentage points."""
    ends = (found.value, found.low, found.high)
    value, low, high = (figure((100 if points else 1) * x, 3, signed=True) for x in ends)
    return f"{value} ({low} – {high})"

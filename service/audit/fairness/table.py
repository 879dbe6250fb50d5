"""What was compared as one tidy table."""

from __future__ import annotations

from collections.abc import Iterator

from ifonly.service.audit.recourse_by_group.table import Row, as_csv
from ifonly.service.wire import fairness as wire
from ifonly.service.wire.outcomes import Gap
from ifonly.service.wire.proportion import Proportion

HEADER = (
    "section",
    "group",
    "measure",
    "value",
    "value_most",
    "low95",
    "high95",
    "count",
    "of",
    "p",
    "p_holm",
    "p_benjamini_yekutieli",
    "shown",
)


def csv_of(reply: wire.FairnessReply, language: str) -> bytes:
    """The whole reply as CSV."""
    return as_csv(HEADER, rows(reply, language))


def rows(reply: wire.FairnessReply, language: str) -> Iterator[Row]:
    """One measure of one group each."""
    names = {group.key: group.label[language] for group in reply.groups}
    for each in reply.differences:
        yield from _difference(each, names[each.group])
    for bought in reply.reach:
        name = "all" if bought.group is None else names[bought.group]
        for reach in bought.reach:
            low, high = reach.low, reach.high
            ends = (low.share, high.share, low.low, high.high)
            yield _row("reach", name, f"budget {reach.budget:.6g}", *ends, low.count, low.of)
    for came in reply.outcomes:
        name = "all" if came.group is None else names[came.group]
        for measure in ("followed", "success_followed", "success_not_followed"):
            yield _share("outcomes", name, measure, getattr(came, measure))
        for measure in ("difference", "beside_others"):
            gap: Gap | None = getattr(came, measure)
            if gap is not None:
                yield _row("outcomes", name, measure, gap.value, gap.value, gap.low, gap.high)
    for twins in reply.twins:
        for section, pairs in (("twins", twins.pairs), ("twins, unfair paths", twins.unfair)):
            for pair in pairs:
                yield from _twins(section, twins, pair, language)
    for group in reply.small:
        yield _row("small", group.label[language], "size", count=group.size, of=reply.asked)
    yield _row("note", "all", "asked", count=reply.asked, of=reply.asked)
    yield _row("note", "all", "erased explanations", count=reply.erased)
    yield _row("note", "all", "tests", count=reply.tests)


def short_rows(reply: wire.FairnessReply, language: str) -> Iterator[Row]:
    """The tested differences alone, in the columns of the report of recourse."""
    names = {group.key: group.label[language] for group in reply.groups}
    for each in reply.differences:
        own, name = each.tested, names[each.group]
        if own is None:
            continue
        measure, sizes = each.measure, (each.of, each.of + each.others)
        ends = (own.low, own.high, *sizes)
        yield ("fairness", name, f"{measure} ({own.unit}), least", own.least, *ends)
        yield ("fairness", name, f"{measure} ({own.unit}), most", own.most, *ends)
        yield "fairness", name, f"{measure}, corrected p", own.corrected, None, None, *sizes


def _difference(each: wire.GroupDifference, name: str) -> Iterator[Row]:
    for who, share in ((name, each.share), (f"not {name}", each.others_share)):
        if share is not None:
            yield _share("share", who, each.measure, share)
    for who, median in ((name, each.median), (f"not {name}", each.others_median)):
        if median is not None:
            yield _row("median", who, each.measure, median.low, median.high)
    if each.ratio is not None:
        ratio = each.ratio
        yield _row("ratio", name, "desired", ratio.value, ratio.value, ratio.low, ratio.high)
    if each.tested is not None:
        own = each.tested
        ends = (own.least, own.most, own.low, own.high)
        tests = (own.p, own.corrected, own.discovery, int(own.shown))
        sizes = (each.of, each.of + each.others)
        yield ("difference", name, f"{each.measure} ({own.unit})", *ends, *sizes, *tests)


def _twins(
    section: str, twins: wire.TwinReport, pair: wire.TwinPair, language: str
) -> Iterator[Row]:
    own, other = pair.label.get(language, pair.value), pair.twin_label.get(language, pair.twin)
    name = f"{twins.label.get(language, twins.by)}: {own} → {other}"
    told = pair.decisions
    for measure in ("better", "worse", "either", "net"):
        yield _uncertain(section, name, measure, getattr(told, measure), told.of)
    if pair.costs is not None:
        for measure in ("difference", "only_own", "only_twin"):
            found: wire.Uncertain | None = getattr(pair.costs, measure)
            if found is not None:
                yield _uncertain(section, name, f"cost {measure}", found, pair.costs.of)
    yield _row(section, name, "untold", count=pair.untold, of=told.of + pair.untold)


def _uncertain(section: str, name: str, measure: str, found: wire.Uncertain, of: int) -> Row:
    return _row(section, name, measure, found.value, found.value, found.low, found.high, of=of)


def _share(section: str, name: str, measure: str, found: Proportion) -> Row:
    ends = (found.share, found.share, found.low, found.high)
    return _row(section, name, measure, *ends, found.count, found.of)


def _row(
    section: str,
    name: str,
    measure: str,
    value: float | None = None,
    most: float | None = None,
    low: float | None = None,
    high: float | None = None,
    count: int | None = None,
    of: int | None = None,
) -> Row:
    return (section, name, measure, value, most, low, high, count, of, None, None, None, None)

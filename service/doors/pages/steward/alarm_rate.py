"""The share of alarms over time, as a page draws it."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from urllib.parse import urlencode

from ifonly.explainers.wording import Language
from ifonly.explainers.wording.numerals import count, exact_percentage, percentage
from ifonly.models.shares import share
from ifonly.service.audit.alarm_shares import PIECES
from ifonly.service.store.archive import cursor_before
from ifonly.service.store.chain import microseconds, timestamp
from ifonly.service.wire.alarm_rate import Per, RatePoint, RateQuery, RatesReply
from ifonly.service.words.catalogue import say

ACROSS, DOWN = 720, 160
"""Size of the drawing."""
HUES = 4
"""Versions that have a colour of their own; of more, the next begin anew."""
PERIODS: Mapping[str, tuple[Per, int]] = {
    "hours": ("hour", 48),
    "days": ("day", 30),
    "quarter": ("day", 90),
}
"""What can be looked at, by its name in the address: pieces, and how many."""
ENDS = (0.01, 0.02, 0.05, 0.1, 0.2, 0.5, 1.0)
"""Where the axis may end."""


@dataclass(frozen=True, slots=True)
class RateBar:
    """One version within one piece of time."""

    x: float
    y: float
    width: float
    height: float
    low: float
    high: float
    """Ends of the interval."""
    hue: int
    is_unlike: bool


@dataclass(frozen=True, slots=True)
class RateLine:
    """The same as a line of the table."""

    time: str
    stamp: str
    version: str
    alarms: str
    decided: str
    share: str
    interval: str
    is_unlike: bool
    path: str
    """Where its alarms are; empty: for who may not see them."""


@dataclass(frozen=True, slots=True)
class RateMark:
    """When another version was asked."""

    x: float
    version: str
    text: str
    stamp: str
    record: str


@dataclass(frozen=True)
class RateDrawing:
    period: str
    bars: tuple[RateBar, ...]
    lines: tuple[RateLine, ...]
    """The newest first."""
    marks: tuple[RateMark, ...]
    expected: tuple[tuple[float, int], ...]
    """Heights of what labelled rows suggest, and of which hue."""
    versions: tuple[tuple[str, int], ...]
    end: str
    """Where the axis ends, as a share."""
    first: str
    last: str
    summary: str
    drift: str
    """That the share left what labelled rows suggest; empty: it did not."""
    across: int = ACROSS
    down: int = DOWN


def query_of(period: str, now_us: int) -> tuple[str, RateQuery]:
    """What to ask for a period of the address; one that is none is the first."""
    named = period if period in PERIODS else next(iter(PERIODS))
    per, pieces = PERIODS[named]
    piece = PIECES[per]
    since = (now_us // piece + 1 - pieces) * piece
    return named, RateQuery(since=timestamp(since), until=timestamp(now_us + 1), per=per)


def drawn(told: RatesReply, period: str, links: str, tag: Language) -> RateDrawing:
    """``links``: ``records`` or ``alarms``, where the alarms of a piece are found; empty:
    nowhere."""
    piece, since = PIECES[told.per], microseconds(told.since)
    pieces = PERIODS[period][1]
    hues = {version: k % HUES for k, version in enumerate(_versions(told))}
    expected = [(each.version, each.alarms) for each in told.expected]
    top = max(
        [p.alarms.share or 0.0 for p in told.points] + [e.share or 0.0 for _, e in expected] + [0.0]
    )
    end = next((each for each in ENDS if each >= top), 1.0)

    def y(value: float) -> float:
        return round(DOWN * (1.0 - min(value / end, 1.0)), 1)

    width = ACROSS / pieces
    return RateDrawing(
        period,
        tuple(_bars(told.points, hues, since, piece, width, y)),
        tuple(reversed([*_lines(told, piece, links)])),
        tuple(
            RateMark(
                round(ACROSS * (microseconds(c.time) - since) / (piece * pieces), 1),
                c.version,
                say(f"status.{c.status}", tag),
                c.time,
                c.record,
            )
            for c in told.changes
        ),
        tuple((y(e.share or 0.0), hues[version]) for version, e in expected),
        tuple(hues.items()),
        exact_percentage(end),
        told.since[:16].replace("T", " "),
        told.until[:16].replace("T", " "),
        _summary(told, tag),
        _drift(told, tag),
    )


def _versions(told: RatesReply) -> list[str]:
    asked = [each.version for each in told.points]
    return list(dict.fromkeys([*asked, *(each.version for each in told.expected)]))


def _bars(
    points: Sequence[RatePoint],
    hues: Mapping[str, int],
    since: int,
    piece: int,
    width: float,
    y: object,
) -> Iterator[RateBar]:
    assert callable(y)
    at: dict[str, list[RatePoint]] = defaultdict(list)
    for point in points:
        at[point.start].append(point)
    for start, beside in at.items():
        own = width * 0.8 / len(beside)
        left = width * ((microseconds(start) - since) // piece + 0.1)
        for k, point in enumerate(beside):
            value = point.alarms
            top = y(value.share or 0.0)
            yield RateBar(
                round(left + k * own, 1),
                top,
                round(own, 1),
                round(DOWN - top, 1),
                y(value.low or 0.0),
                y(value.high or 0.0),
                hues[point.version],
                point.is_unlike,
            )


def _lines(told: RatesReply, piece: int, links: str) -> Iterator[RateLine]:
    for point in told.points:
        value = point.alarms
        assert value.low is not None
        assert value.high is not None
        yield RateLine(
            point.start[: 16 if told.per == "hour" else 10].replace("T", " "),
            point.start,
            point.version,
            count(value.count),
            count(value.of),
            percentage(value.share or 0.0),
            f"{percentage(value.low)} – {percentage(value.high)}",
            point.is_unlike,
            _path(told.name, point.start, piece, links) if value.count else "",
        )


def _path(model: str, start: str, piece: int, links: str) -> str:
    since = microseconds(start)
    until = since + piece
    if links == "records":
        said = {"kind": "prediction", "status": "alarm", "model": model}
        said |= {"since": timestamp(since), "until": timestamp(until)}
        return f"/records?{urlencode(said)}"
    # The list of alarms is read backwards from a moment: from the end of this piece.
    return f"/alarms?{urlencode({'alarms': cursor_before(until)})}" if links else ""


def _summary(told: RatesReply, tag: Language) -> str:
    alarms = sum(p.alarms.count for p in told.points)
    rows = sum(p.alarms.of for p in told.points)
    if not rows:
        return say("rate.nothing", tag)
    found = share(alarms, rows)
    return say(
        "rate.summary",
        tag,
        alarms=count(alarms),
        rows=count(rows),
        share=percentage(found.value or 0.0),
    )


def _drift(told: RatesReply, tag: Language) -> str:
    unlike = sum(p.is_unlike for p in told.points)
    if not unlike:
        return ""
    usual = ", ".join(
        f"{each.version}: {percentage(each.alarms.share or 0.0)}" for each in told.expected
    )
    return say("rate.drift", tag, unlike=unlike, of=len(told.points), usual=usual)

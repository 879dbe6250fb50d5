"""The share of alarms over time, as drawn and linked."""

from __future__ import annotations

from urllib.parse import parse_qs, urlsplit

import pytest

from ifonly.models.shares import share
from ifonly.service.doors.pages.steward.alarm_rate import ACROSS, DOWN, drawn, query_of
from ifonly.service.store import archive
from ifonly.service.store.alarm_rates import HOUR_US
from ifonly.service.store.chain import timestamp
from ifonly.service.wire.alarm_rate import ExpectedShare, RatePoint, RatesReply, VersionChange
from ifonly.service.wire.report import Proportion

NOW = 500_000 * HOUR_US + 17
SINCE = (500_001 - 48) * HOUR_US


def point(hour: int, alarms: int, rows: int, version: str = "1", unlike: bool = False) -> RatePoint:
    return RatePoint(
        start=timestamp(SINCE + hour * HOUR_US),
        version=version,
        alarms=Proportion.estimated(share(alarms, rows)),
        is_unlike=unlike,
    )


def told(*points: RatePoint) -> RatesReply:
    return RatesReply(
        name="mill",
        since=timestamp(SINCE),
        until=timestamp(NOW + 1),
        per="hour",
        points=list(points),
        expected=[ExpectedShare(version="1", alarms=Proportion.estimated(share(3, 100)))],
        changes=[
            VersionChange(
                time=timestamp(SINCE + 24 * HOUR_US), version="2", status="activated", record="r"
            )
        ],
    )


def test_a_period_is_whole_hours_and_the_one_that_runs() -> None:
    named, query = query_of("hours", NOW)
    assert (named, query.since, query.until) == ("hours", timestamp(SINCE), timestamp(NOW + 1))
    assert query_of("<script>", NOW)[0] == "hours"


def test_bars_stand_side_by_side_within_their_hour_and_inside_the_drawing() -> None:
    found = drawn(told(point(0, 1, 10), point(0, 0, 5, "2"), point(47, 10, 10)), "hours", "", "en")
    first, second, last = found.bars
    assert first.x + first.width == pytest.approx(second.x, abs=0.2)
    assert second.x + second.width <= ACROSS / 48
    assert last.x + last.width <= ACROSS
    assert (first.hue, second.hue, last.hue) == (0, 1, 0)
    assert (last.y, last.height) == (0.0, DOWN)
    assert second.height == 0.0
    assert found.marks[0].x == ACROSS / 2
    assert found.end == "100 %"


def test_the_axis_ends_a_little_above_what_there_is() -> None:
    assert drawn(told(point(0, 3, 100)), "hours", "", "en").end == "5 %"
    assert drawn(told(), "hours", "", "en").end == "5 %", "of the labelled rows"


def test_drift_is_said() -> None:
    assert drawn(told(point(0, 1, 10)), "hours", "", "en").drift == ""
    found = drawn(told(point(0, 9, 10, unlike=True), point(1, 0, 10)), "hours", "", "en")
    assert found.drift.startswith("1 of 2 shares are unlike that of the labelled rows (1: 3.0 %)")


def test_links_lead_to_the_alarms_of_the_hour() -> None:
    of = told(point(0, 1, 10), point(1, 0, 10))
    none, some = drawn(of, "hours", "records", "en").lines
    assert none.path == ""
    asked = parse_qs(urlsplit(some.path).query)
    assert asked == {
        "kind": ["prediction"],
        "status": ["alarm"],
        "model": ["mill"],
        "since": [timestamp(SINCE)],
        "until": [timestamp(SINCE + HOUR_US)],
    }
    backwards = drawn(of, "hours", "alarms", "en").lines[1].path
    cursor = parse_qs(urlsplit(backwards).query)["alarms"][0]
    archive.newest_first(archive.whole(), cursor, 1)  # raises unless it is a place

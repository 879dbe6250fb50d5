"""The chart of a difference over time: everything on it, no difference too."""

from __future__ import annotations

import re

import pytest

from ifonly.service.doors.pages.experiments.chart import DOWN, drawn
from ifonly.service.store.chain import timestamp
from ifonly.service.wire.experiments import CourseLook, Interval


def look(minute: int, value: float | None, low: float | None, high: float | None) -> CourseLook:
    gap = Interval(value=value, low=low, high=high)
    time = timestamp(1_800_000_000_000_000 + minute * 60_000_000)
    return CourseLook(time=time, units=[60, 61], difference=gap)


@pytest.mark.parametrize(
    "looks",
    [
        [look(0, 0.1, -0.3, 0.5), look(9, 0.12, 0.02, 0.22)],
        [look(0, 0.1, -90.0, 90.0), look(9, 0.12, 0.02, 0.22), look(12, 0.1, 0.05, 0.15)],
        [look(0, -0.3, -0.4, -0.2)],
        [look(0, 0.0, 0.0, 0.0), look(1, 0.0, 0.0, 0.0)],
        [look(0, None, None, None), look(4, 5.0, 4.0, 6.0), look(5, -5.0, -6.0, -4.0)],
    ],
)
def test_every_point_is_within_the_drawing(looks: list[CourseLook]) -> None:
    chart = drawn(looks, "success", "en")
    assert chart is not None
    points = [
        map(float, p.split()) for p in re.findall(r"[\d.]+ -?[\d.]+", chart.band + chart.line)
    ]
    for x, y in points:
        assert 0 <= x <= chart.across
        assert 0 <= y <= DOWN
    assert 0 <= chart.zero <= DOWN
    assert len(chart.lines) == len(looks)
    assert "nan" not in chart.band + chart.line


def test_where_nothing_is_known_nothing_is_drawn() -> None:
    assert drawn([], "success", "en") is None
    assert drawn([look(0, 0.1, None, None)], "success", "en") is None

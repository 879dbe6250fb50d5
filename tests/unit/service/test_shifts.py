"""The plant's day and shifts, also where clocks are changed."""

from __future__ import annotations

from datetime import UTC, datetime

import pytest

from ifonly.service.settings import Settings
from ifonly.service.shifts import PlantTime


def us(text: str) -> int:
    return int(datetime.fromisoformat(text).timestamp()) * 1_000_000


def said(ends: tuple[int, int]) -> list[str]:
    return [f"{datetime.fromtimestamp(e // 1_000_000, UTC):%Y-%m-%d %H:%M}" for e in ends]


THREE = "22:00, 06:00,14:00"


@pytest.mark.parametrize(
    ("zone", "now", "today", "shift"),
    [
        (
            "Asia/Seoul",
            "2026-03-01T00:30:00+09:00",
            ["2026-02-28 15:00", "2026-03-01 15:00"],
            ["2026-02-28 05:00", "2026-02-28 13:00"],
        ),
        (
            "UTC",
            "2026-03-01T06:00:00+00:00",
            ["2026-03-01 00:00", "2026-03-02 00:00"],
            ["2026-02-28 22:00", "2026-03-01 06:00"],
        ),
        (  # clocks go forward: 23 hours
            "Europe/Berlin",
            "2026-03-29T09:00:00+02:00",
            ["2026-03-28 23:00", "2026-03-29 22:00"],
            ["2026-03-28 21:00", "2026-03-29 04:00"],
        ),
        (  # and back: 25
            "Europe/Berlin",
            "2026-10-25T09:00:00+01:00",
            ["2026-10-24 22:00", "2026-10-25 23:00"],
            ["2026-10-24 20:00", "2026-10-25 05:00"],
        ),
    ],
)
def test_today_and_the_last_shift(zone: str, now: str, today: list[str], shift: list[str]) -> None:
    plant = PlantTime.read(zone, THREE)
    assert said(plant.today(us(now))) == today
    assert said(plant.last_shift(us(now))) == shift


def test_with_one_shift_a_day_the_last_is_the_whole_day_before() -> None:
    plant = PlantTime.read("UTC", "08:00")
    found = said(plant.last_shift(us("2026-05-05T07:59:00+00:00")))
    assert found == ["2026-05-03 08:00", "2026-05-04 08:00"]


@pytest.mark.parametrize("zone", ["Nowhere/Land", "../etc/passwd", "", "Asia", "/etc/localtime"])
def test_a_time_zone_that_is_none_is_refused_when_the_service_starts(zone: str) -> None:
    with pytest.raises(ValueError, match=r"time_zone: .* is no time zone"):
        Settings(time_zone=zone)


@pytest.mark.parametrize("shifts", ["", "6:00", "24:00", "06:00;14:00", "06:00,,14:00", "six"])
def test_shifts_that_are_none_are_refused_when_the_service_starts(shifts: str) -> None:
    with pytest.raises(ValueError, match=r"shifts: .* is no list of times"):
        Settings(shifts=shifts)

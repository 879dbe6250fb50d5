"""Which time "this shift" and "last night" are, where the plant is."""

from __future__ import annotations

from datetime import datetime

import pytest
from pydantic import ValidationError

from ifonly.service.plant_times import SPANS, PlantTimes
from ifonly.service.settings import Settings

SEOUL = PlantTimes.of("Asia/Seoul", "22:00, 06:00 14:00")


def us(text: str) -> int:
    return round(datetime.fromisoformat(text).timestamp() * 1e6)


def span(times: PlantTimes, name: str, now: str) -> tuple[str, str]:
    ends = times.span(name, us(now))
    first, last = (datetime.fromtimestamp(end / 1e6, times.zone) for end in ends)
    return f"{first:%d %H:%M}", f"{last:%d %H:%M}"


@pytest.mark.parametrize(
    ("now", "expected"),
    [
        ("2026-03-06T03:30+09:00", {
            "hour": ("06 02:30", "06 03:30"), "shift": ("05 22:00", "06 03:30"),
            "last_shift": ("05 14:00", "05 22:00"), "night": ("05 22:00", "06 03:30"),
            "today": ("06 00:00", "06 03:30"),
        }),
        ("2026-03-06T08:30+09:00", {
            "hour": ("06 07:30", "06 08:30"), "shift": ("06 06:00", "06 08:30"),
            "last_shift": ("05 22:00", "06 06:00"), "night": ("05 22:00", "06 06:00"),
            "today": ("06 00:00", "06 08:30"),
        }),
        ("2026-03-06T22:00+09:00", {
            "hour": ("06 21:00", "06 22:00"), "shift": ("06 22:00", "06 22:00"),
            "last_shift": ("06 14:00", "06 22:00"), "night": ("06 22:00", "06 22:00"),
            "today": ("06 00:00", "06 22:00"),
        }),
    ],
)  # fmt: skip
def test_spans_are_the_plants(now: str, expected: dict[str, tuple[str, str]]) -> None:
    assert {name: span(SEOUL, name, now) for name in SPANS} == expected


def test_a_day_on_which_clocks_change_has_its_own_length() -> None:
    berlin = PlantTimes.of("Europe/Berlin", "06:00 14:00 22:00")
    since, until = berlin.span("last_shift", us("2026-03-29T07:00+02:00"))
    assert (until - since) / 3.6e9 == 7.0


def test_one_shift_a_day_is_a_day() -> None:
    times = PlantTimes.of("UTC", "07:00")
    assert span(times, "shift", "2026-03-06T06:59+00:00") == ("05 07:00", "06 06:59")
    assert span(times, "last_shift", "2026-03-06T06:59+00:00") == ("04 07:00", "05 07:00")


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"time_zone": "Asia/Soul"}, "time_zone: 'Asia/Soul' is no time zone"),
        ({"time_zone": "../etc/passwd"}, "is no time zone"),
        ({"shifts": "6 o'clock"}, "are no times"),
        ({"shifts": ""}, "are no times"),
        ({"shifts": "06:00+09:00"}, "are no times"),
        ({"flood_alarms": 1}, "greater than or equal to 2"),
    ],
)
def test_settings_that_say_nothing_are_refused_by_name(given: dict[str, str], said: str) -> None:
    with pytest.raises(ValidationError, match=said):
        Settings.model_validate(given)

"""Which rows of events are recorded as readings, and which of them together."""

from __future__ import annotations

import pytest

from ifonly.service.doors.events import readings
from ifonly.service.doors.events.readings import LoggedReading, turning
from ifonly.service.lifecycle import Life, Phase


def reading(pair: str, condition: str, alarm: bool = False) -> LoggedReading:
    return LoggedReading(pair, {"size": 1.0}, {"equipment": condition}, condition, alarm)


def life(phase: Phase, turned: int | None = None) -> Life:
    return Life(phase, acknowledged=True, began_us=0, seen_us=0, turned_us=turned)


@pytest.mark.parametrize(
    ("known", "kept"),
    [
        ({}, []),
        ({"a": life(Phase.NORMAL)}, []),
        ({"a": life(Phase.CLEARED)}, []),
        ({"a": life(Phase.ACTIVE)}, ["1", "2"]),
        ({"a": life(Phase.NORMAL, turned=5)}, ["1", "2"]),  # its delay has begun
        ({"a": life(Phase.CLEARED, turned=5)}, ["1", "2"]),
        ({"b": life(Phase.ACTIVE)}, []),
    ],
)
def test_quiet_readings_count_where_an_alarm_stands_or_is_about_to_turn(
    known: dict[str, Life], kept: list[str]
) -> None:
    found = [reading("1", "a"), reading("2", "a")]
    assert [each.pair for each in turning(found, known)] == kept


def test_what_follows_an_alarm_of_the_same_look_may_end_it() -> None:
    found = [reading("1", "a"), reading("2", "a", True), reading("2", "b"), reading("3", "a")]
    assert [(each.pair, each.condition) for each in turning(found, {})] == [("2", "a"), ("3", "a")]


def test_rows_of_one_request_are_one_moment_and_later_ones_another(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(readings, "MAX_INSTANCES", 3)
    found = [
        reading("1", "a"), reading("1", "a"), reading("2", "b"),  # two machines, one moment
        reading("3", "c"),  # no room
        reading("4", "c"),  # the same machine later
    ]  # fmt: skip
    together = [[each.pair for each in some] for some in readings._moments(found)]
    assert together == [["1", "1", "2"], ["3"], ["4"]]

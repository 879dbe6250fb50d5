"""Floods of alarms, as ISA-18.2 counts them."""

from __future__ import annotations

import random

import pytest

from ifonly.service.floods import Flood, FloodRules, floods

MINUTE = 60_000_000
RULES = FloodRules()


def found(minutes: list[float], now: float, rules: FloodRules = RULES) -> list[Flood]:
    return list(floods([round(m * MINUTE) for m in minutes], rules, round(now * MINUTE)))


def test_ten_alarms_within_ten_minutes_are_a_flood_and_nine_are_none() -> None:
    assert found([0.0] * 9, 5) == []
    assert found([float(k) for k in range(10)], 9) == [Flood(0, 10)]
    # The window has its length: what is ten minutes old is no longer in it.
    assert found([0.0] + [10.0] * 9, 10) == []


def test_it_is_over_once_fewer_than_five_are_within_ten_minutes() -> None:
    alarms = [float(k) for k in range(12)]  # of the last ten minutes, five are left at 16.99
    assert found(alarms, 16.9) == [Flood(0, 12)]
    assert found(alarms, 17) == [Flood(0, 12, 17 * MINUTE)]
    # While half as many go on, it goes on: it is not announced anew.
    slow = [*alarms, *(12 + 2.0 * k for k in range(30))]
    assert found(slow, 70) == [Flood(0, 42)]


def test_another_one_begins_with_its_own_first_alarm() -> None:
    first, second = [0.0] * 10, [60.0 + k / 10 for k in range(10)]
    assert found([*second, *first], 61) == [
        Flood(0, 10, 10 * MINUTE), Flood(60 * MINUTE, 10)
    ]  # fmt: skip


def test_what_a_clock_that_is_ahead_says_is_left_out() -> None:
    assert found([5.0] * 20, 4) == []
    assert found([], 4) == []


def test_a_plant_may_count_otherwise() -> None:
    rules = FloodRules(alarms=2, window_us=MINUTE)
    assert found([0.0, 0.5], 0.6, rules) == [Flood(0, 2)]
    assert rules.fewest == 1


@pytest.mark.parametrize("seed", range(20))
def test_it_is_as_counting_at_every_moment_says(seed: int) -> None:
    chance = random.Random(seed)
    times = sorted(chance.randrange(60) for _ in range(chance.randrange(60)))
    rules = FloodRules(alarms=chance.choice((2, 4, 7)), window_us=chance.choice((3, 10)))
    now = 80
    spans: list[tuple[int, int]] = []
    began = None
    for moment in range(now + 1):
        inside = [t for t in times if moment - rules.window_us < t <= moment]
        if began is None and len(inside) >= rules.alarms:
            began = inside[0]
        elif began is not None and len(inside) < rules.fewest:
            spans.append((began, moment))
            began = None
    expected = [*spans, *([] if began is None else [(began, -1)])]
    told = [
        (each.since_us, -1 if each.until_us is None else each.until_us)
        for each in floods(times, rules, now)
    ]
    assert told == expected

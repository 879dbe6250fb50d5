"""What became of advice, from what was heard of it."""

from __future__ import annotations

import random
from dataclasses import replace
from typing import Any

import pytest

from ifonly.service.audit.follow_up.advice import (
    Advice,
    AdvisedLever,
    Deed,
    DeedSaid,
    ReadBack,
    Result,
    ToldOutcome,
)
from ifonly.service.audit.follow_up.counting import by_group, counted, levers_of
from ifonly.service.audit.follow_up.tracking import FollowUps

TORQUE = AdvisedLever("torque", 65.0, 57.5, tolerance=0.5)
SPEED = AdvisedLever("speed", 1282.0, 1400.0, 1380.0, 1500.0, tolerance=5.0)
TYPE = AdvisedLever("type", "L", "M")
WAYS = {"smallest": [TORQUE], "other_levers": [SPEED, TYPE]}
MINUTE = 60_000_000
ADVICE = Advice("a", 0, "mill", "1", WAYS, "Mill 7", "r", {"line": "a"})


def told(result: Result = Result.SUCCESS, identity: str = "o", time_us: int = 9) -> ToldOutcome:
    return ToldOutcome(identity, time_us, result)


@pytest.mark.parametrize(
    ("lever", "reading", "is_back"),
    [
        (TORQUE, 57.5, True),
        (TORQUE, 58.0, True),
        (TORQUE, 58.1, False),
        (TORQUE, 50.0, False),  # farther than what is known to suffice
        (TORQUE, 65.0, False),
        (TORQUE, None, False),
        (TORQUE, float("nan"), False),
        (TORQUE, "57.5", False),
        (SPEED, 1450.0, True),
        (SPEED, 1376.0, True),
        (SPEED, 1374.0, False),
        (SPEED, 1506.0, False),
        (TYPE, "M", True),
        (TYPE, "L", False),
        (TYPE, None, False),
        # Within the tolerance of both ends: nearer to what it was, it was not set.
        (AdvisedLever("t", 10.0, 10.2, tolerance=0.5), 10.0, False),
        (AdvisedLever("t", 10.0, 10.2, tolerance=0.5), 10.2, True),
        (AdvisedLever("t", None, 10.2, tolerance=0.5), 10.0, True),
    ],
)
def test_a_lever_is_read_back_where_it_is_as_near_as_its_sensor_can_tell(lever, reading, is_back):
    assert lever.is_read_back(reading) is is_back


def course(*readings, window=60 * MINUTE, advice=ADVICE):
    follow_ups = FollowUps(window)
    follow_ups.advise(advice)
    for minute, reading, is_alarm in readings:
        follow_ups.read("Mill 7", minute * MINUTE, reading, is_alarm=is_alarm)
    (found,) = follow_ups.found()
    return found


def test_a_way_is_carried_out_when_all_its_levers_are_read_back_at_once():
    found = course(
        (1, {"torque": 65.0, "speed": 1400.0, "type": "L"}, True),
        (2, {"torque": 65.0, "speed": 1400.0, "type": "M"}, False),
        (3, {"torque": 57.5, "speed": 1282.0, "type": "L"}, True),
    )
    assert (found.seen, found.way, found.seen_us) == (ReadBack.FULLY, "other_levers", 2 * MINUTE)
    assert found.flipped is True
    assert (found.cleared_us, found.returned) == (2 * MINUTE, True)
    assert found.is_followed is True


@pytest.mark.parametrize(
    ("readings", "seen"),
    [
        ([], ReadBack.NO_READINGS),
        ([(0, {"torque": 57.5}, False)], ReadBack.NO_READINGS),  # the reading that was explained
        ([(61, {"torque": 57.5}, False)], ReadBack.NO_READINGS),  # too late
        ([(1, {"torque": 64.0}, True)], ReadBack.NOT_SEEN),
        ([(1, {"torque": 64.0, "type": "M"}, True)], ReadBack.PARTLY),
        ([(1, {}, True), (60, {"torque": 57.4}, False)], ReadBack.FULLY),
    ],
)
def test_what_later_readings_show(readings, seen):
    assert course(*readings).seen is seen


def test_without_equipment_nothing_is_read_back():
    alone = replace(ADVICE, condition=None)
    found = course((1, {"torque": 57.5}, False), advice=alone)
    assert found.seen is ReadBack.NO_EQUIPMENT
    assert found.is_followed is None


def test_asked_twice_about_one_reading_it_is_one_advice():
    follow_ups = FollowUps(60 * MINUTE)
    follow_ups.advise(ADVICE)
    follow_ups.advise(replace(ADVICE, id="b", time_us=MINUTE))
    follow_ups.advise(replace(ADVICE, id="c", time_us=2 * MINUTE, reading="another"))
    follow_ups.decide("b", DeedSaid(3 * MINUTE, "key:1", Deed.FOLLOWED, "smallest"))
    follow_ups.tell("b", told())
    first, second = follow_ups.found()
    assert (first.advice.id, first.asked, second.advice.id) == ("a", 2, "c")
    assert first.decision is not None
    assert first.outcome is not None
    assert (second.decision, second.outcome) == (None, None)
    assert follow_ups.newest_of("Mill 7") == "c"
    # Much later the same reading is another occasion.
    follow_ups.advise(replace(ADVICE, id="d", time_us=120 * MINUTE))
    assert len(follow_ups.found()) == 3


def test_the_last_word_counts_and_what_is_taken_back_does_not():
    follow_ups = FollowUps(60 * MINUTE)
    follow_ups.advise(ADVICE)
    follow_ups.tell("a", told(Result.FAILURE, "o1"))
    follow_ups.tell("a", told(Result.SUCCESS, "o2"))
    follow_ups.decide("a", DeedSaid(1, "key:1", Deed.OTHERWISE))
    follow_ups.decide("unheard of", DeedSaid(1, "key:1", Deed.FOLLOWED))
    follow_ups.tell("unheard of", told())
    assert follow_ups.found()[0].outcome == told(Result.SUCCESS, "o2")
    follow_ups.take_back("a", "o2")
    assert follow_ups.found()[0].outcome == told(Result.FAILURE, "o1")
    follow_ups.take_back("a", "o1")
    follow_ups.take_back("a", "o1")
    assert follow_ups.found()[0].outcome is None
    assert follow_ups.found()[0].is_followed is False


def test_what_was_said_counts_before_what_was_read_and_both_are_told():
    follow_ups = FollowUps(60 * MINUTE)
    follow_ups.advise(ADVICE)
    follow_ups.read("Mill 7", MINUTE, {"torque": 65.0}, is_alarm=True)
    follow_ups.decide("a", DeedSaid(MINUTE, "key:1", Deed.FOLLOWED, "smallest"))
    (found,) = follow_ups.found()
    assert found.is_followed is True
    assert counted("", [found]).contradicted == 1


def test_each_advice_is_in_one_cell_and_success_is_never_counted_for_what_nobody_followed():
    generator = random.Random(5)
    follow_ups = FollowUps(30 * MINUTE)
    events: list[tuple[int, int, Any]] = []
    for k in range(400):
        start = generator.randrange(10_000) * MINUTE
        unit = f"Mill {k % 9}"
        advice = replace(
            ADVICE, id=f"a{k}", time_us=start, condition=unit, reading=f"r{generator.randrange(60)}"
        )
        events.append((start, 0, advice))
        for _ in range(generator.randrange(3)):
            at = start + generator.randrange(40) * MINUTE
            value = generator.choice([65.0, 57.5, 57.4])
            events.append((at, 1, (unit, {"torque": value}, generator.random() < 0.5)))
        if generator.random() < 0.5:
            events.append((start + MINUTE, 2, (f"a{k}", generator.choice([*Deed]))))
        if generator.random() < 0.5:
            events.append((start + MINUTE, 3, (f"a{k}", generator.choice([*Result]))))
    for at, kind, what in sorted(events, key=lambda event: event[:2]):
        match kind:
            case 0:
                follow_ups.advise(what)
            case 1:
                follow_ups.read(what[0], at, what[1], is_alarm=what[2])
            case 2:
                follow_ups.decide(what[0], DeedSaid(at, "key:1", what[1]))
            case 3:
                follow_ups.tell(what[0], told(what[1], f"o{what[0]}", at))
    found = follow_ups.found()
    assert sum(each.asked for each in found) == 400
    total = counted("", found)
    assert total.advised == len(found) == sum(total.seen.values())
    cells = (total.success_followed, total.success_not_followed, total.success_unknown)
    assert sum(cell.of for cell in cells) == sum(each.outcome is not None for each in found)
    assert total.followed.of + sum(each.is_followed is None for each in found) == len(found)
    by_unit = by_group(found, lambda each: [each.advice.condition or ""])
    assert sum(group.advised for group in by_unit) == len(found)
    assert [g.advised for g in by_unit] == sorted((g.advised for g in by_unit), reverse=True)
    assert {group.group for group in by_group(found, levers_of)} <= {"torque", "speed", "type"}

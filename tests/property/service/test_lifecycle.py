"""The life of an alarm against its table, and what must hold of every sequence of events."""

from __future__ import annotations

from dataclasses import replace
from itertools import pairwise

import pytest
from hypothesis import given
from hypothesis import strategies as st

from ifonly.service.lifecycle import (
    AlarmDeed,
    AlarmRules,
    AlarmState,
    Life,
    Phase,
    act,
    observe,
)

N, A, C = Phase.NORMAL, Phase.ACTIVE, Phase.CLEARED
MINUTE = 60_000_000
AT_ONCE = AlarmRules(0, 0, 0)
UNACKED, ACKED, RETURNED = (
    AlarmState.ACTIVE_UNACKNOWLEDGED,
    AlarmState.ACTIVE_ACKNOWLEDGED,
    AlarmState.CLEARED_UNACKNOWLEDGED,
)

# ISA-18.2, figure 3, without delays: state, event, state. `new`: another episode.
TABLE = {
    (AlarmState.NORMAL, "alarm"): (UNACKED, "new"),
    (AlarmState.NORMAL, "no alarm"): (AlarmState.NORMAL, ""),
    (AlarmState.NORMAL, "acknowledge"): (AlarmState.NORMAL, ""),
    (UNACKED, "alarm"): (UNACKED, ""),
    (UNACKED, "no alarm"): (RETURNED, ""),
    (UNACKED, "acknowledge"): (ACKED, ""),
    (ACKED, "alarm"): (ACKED, ""),
    (ACKED, "no alarm"): (AlarmState.NORMAL, ""),
    (ACKED, "acknowledge"): (ACKED, ""),
    (RETURNED, "alarm"): (UNACKED, "again"),
    (RETURNED, "no alarm"): (RETURNED, ""),
    (RETURNED, "acknowledge"): (AlarmState.NORMAL, ""),
}
EVENTS = ("alarm", "no alarm", "acknowledge")


def happened(life: Life | None, event: str, now: int) -> tuple[Life | None, str]:
    """What is of it, and whether it is ``new``, or ``again`` an alarm."""
    if event == "acknowledge":
        if life is None or life.phase is N:
            return life, ""
        return act(life, AlarmDeed.ACKNOWLEDGE), ""
    after, is_new = observe(life, now, event == "alarm", AT_ONCE)
    returned = life is not None and not is_new and after.returns > life.returns
    return after, "new" if is_new else "again" if returned else ""


@given(st.lists(st.sampled_from(EVENTS), max_size=30))
def test_without_delays_it_is_the_table_of_the_standard(events):
    life: Life | None = None
    state = AlarmState.NORMAL
    for now, event in enumerate(events):
        life, what = happened(life, event, now)
        state, wanted = TABLE[state, event]
        assert (life.state(now) if life else AlarmState.NORMAL) is state
        assert what == wanted


READINGS = st.lists(st.tuples(st.integers(0, 90), st.booleans()), max_size=40)
RULES = st.builds(AlarmRules, *[st.integers(0, 30)] * 3)


@given(READINGS, RULES)
def test_what_holds_of_every_sequence_of_readings(steps, rules):
    """Counts never fall, a raise has had its delay, and a late reading decides nothing."""
    life: Life | None = None
    for now, is_alarm in steps:
        before = life
        life, is_new = observe(life, now, is_alarm, rules)
        assert life.waiting == 0 or life.turned_us is not None
        assert (life.phase is N) == (life.raised_us is None)
        assert life.began_us <= life.seen_us
        if before is None:
            continue
        if is_new:
            assert is_alarm
            assert not before.is_open
            assert life.seen_us - life.began_us >= rules.on_delay_us
            assert life.returns == 0
        else:
            assert life.count >= before.count
            assert life.returns - before.returns in (0, 1)
        if now < before.seen_us:
            assert replace(life, count=before.count) == before
        if life.chattering and not before.chattering:
            assert before.phase is C
            assert now - before.cleared_us <= rules.chattering_us + rules.on_delay_us + (
                now - (before.turned_us or now)
            )


@given(st.lists(st.booleans(), min_size=1, max_size=40), st.integers(0, 5), st.integers(0, 5))
def test_readings_of_one_a_tick_are_raised_and_cleared_when_enough_of_them_say_so(said, on, off):
    """Against a plain reading of the rule: the last ``on + 1`` of them are alarms."""
    life, active = None, False
    for now, is_alarm in enumerate(said):
        life, _ = observe(life, now, is_alarm, AlarmRules(on, off, 0))
        last = said[max(0, now - (off if active else on)) : now + 1]
        enough = len(last) == (off if active else on) + 1
        if enough and all(each is not active for each in last):
            active = not active
        assert (life.phase is A) is active


def test_a_return_within_the_declared_minutes_is_the_same_episode_and_chatters():
    rules = AlarmRules.of({"chattering_minutes": 10})
    life, _ = observe(None, 0, True, rules)
    life = act(life, AlarmDeed.ACKNOWLEDGE)
    life, _ = observe(life, MINUTE, False, rules)
    assert life.state(MINUTE) is AlarmState.NORMAL
    soon, is_new = observe(life, 11 * MINUTE, True, rules)
    assert (is_new, soon.chattering, soon.returns, soon.count) == (False, True, 1, 2)
    assert soon.state(11 * MINUTE) is UNACKED, "a return is announced anew"
    late, is_new = observe(life, 11 * MINUTE + 1, True, rules)
    assert (is_new, late.chattering, late.returns, late.count) == (True, False, 0, 1)
    never, is_new = observe(life, MINUTE, True, AlarmRules.of({"chattering_minutes": 0}))
    assert (is_new, never.chattering) == (True, False)


def test_what_waits_for_its_delay_is_counted_once_it_is_raised_and_else_forgotten():
    rules = AlarmRules.of({"on_delay_seconds": 5})
    life = None
    for second in range(5):
        life, is_new = observe(life, second * 1_000_000, True, rules)
        assert (life.phase, is_new, life.count) == (N, False, 0)
    dropped, _ = observe(life, 5_000_000, False, rules)
    assert (dropped.waiting, dropped.turned_us) == (0, None)
    life, is_new = observe(life, 5_000_000, True, rules)
    assert (life.phase, is_new, life.count, life.began_us) == (A, True, 6, 0)


def test_shelved_and_out_of_service_outlive_an_episode_and_are_over_when_they_are():
    life, _ = observe(None, 0, True, AT_ONCE)
    life = act(life, AlarmDeed.SHELVE, 100)
    assert [life.state(now) for now in (99, 100)] == [AlarmState.SHELVED, UNACKED]
    for now, is_alarm in ((10, False), (20, True)):
        life, _ = observe(act(life, AlarmDeed.ACKNOWLEDGE), now, is_alarm, AT_ONCE)
    assert life.shelved_until_us == 100
    assert act(life, AlarmDeed.UNSHELVE).state(50) is UNACKED
    out = act(life, AlarmDeed.TAKE_OUT)
    assert out.state(50) is AlarmState.OUT_OF_SERVICE
    assert act(out, AlarmDeed.PUT_BACK) == life


@given(st.sampled_from(AlarmDeed), st.sampled_from(AlarmDeed))
def test_an_action_twice_is_an_action_once_and_the_order_of_two_kinds_does_not_matter(one, other):
    life, _ = observe(None, 0, True, AT_ONCE)
    once = act(life, one, 50)
    assert act(once, one, 50) == once
    reversible = (
        {AlarmDeed.SHELVE, AlarmDeed.UNSHELVE},
        {AlarmDeed.TAKE_OUT, AlarmDeed.PUT_BACK},
    )
    if not any({one, other} <= pair for pair in reversible):
        assert act(once, other, 50) == act(act(life, other, 50), one, 50)


@pytest.mark.parametrize("action", AlarmDeed)
def test_nothing_is_done_about_what_was_never_raised(action):
    life, _ = observe(None, 0, True, AlarmRules(5, 0, 0))
    with pytest.raises(ValueError, match="never raised"):
        act(life, action, 1)


def test_states_are_told_apart():
    assert all(a is not b for a, b in pairwise(AlarmState))

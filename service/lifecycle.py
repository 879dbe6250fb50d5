"""The life of an alarm, as values: what readings and people make of it. No input, no output.

States are those of ISA-18.2 and IEC 62682 (OPC UA, part 9, has the same): active or cleared, each
unacknowledged or acknowledged; shelved until a time; out of service. ``docs/alarms.md`` has the
table. Time is that of readings: nothing happens between two of them.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from enum import StrEnum
from typing import Any, Self

MINUTE_US = 60_000_000
SECOND_US = 1_000_000
CHATTERING_MINUTES = 10.0
"""Where a spec says nothing."""


class Phase(StrEnum):
    """What readings have made of it."""

    NORMAL = "normal"
    """Not raised: readings may be calling for it, but not for long enough."""
    ACTIVE = "active"
    CLEARED = "cleared"


class AlarmState(StrEnum):
    """What people call where it is."""

    NORMAL = "normal"
    """Cleared and acknowledged: nobody has to look at it."""
    ACTIVE_UNACKNOWLEDGED = "active_unacknowledged"
    ACTIVE_ACKNOWLEDGED = "active_acknowledged"
    CLEARED_UNACKNOWLEDGED = "cleared_unacknowledged"
    SHELVED = "shelved"
    OUT_OF_SERVICE = "out_of_service"


class AlarmDeed(StrEnum):
    """What somebody does about one."""

    ACKNOWLEDGE = "acknowledge"
    SHELVE = "shelve"
    UNSHELVE = "unshelve"
    TAKE_OUT = "take_out_of_service"
    PUT_BACK = "return_to_service"
    DONE_AS_SUGGESTED = "done_as_suggested"
    DONE_OTHERWISE = "done_otherwise"
    COMMENT = "comment"


@dataclass(frozen=True, slots=True)
class AlarmRules:
    """When an alarm is raised and cleared, in microseconds; from a spec's ``[alarm]``."""

    on_delay_us: int = 0
    off_delay_us: int = 0
    chattering_us: int = round(CHATTERING_MINUTES * MINUTE_US)

    @classmethod
    def of(cls, alarm: Mapping[str, Any]) -> Self:
        return cls(
            round(alarm.get("on_delay_seconds", 0) * SECOND_US),
            round(alarm.get("off_delay_seconds", 0) * SECOND_US),
            round(alarm.get("chattering_minutes", CHATTERING_MINUTES) * MINUTE_US),
        )


@dataclass(frozen=True, slots=True)
class Life:
    """How far an episode is."""

    phase: Phase
    acknowledged: bool
    began_us: int
    """Its first reading that called for an alarm."""
    seen_us: int
    """The newest reading."""
    count: int = 0
    """EpisodeBook that called for an alarm while it was one."""
    returns: int = 0
    """How often it was raised again."""
    chattering: bool = False
    """Whether its last return came soon after it was cleared."""
    raised_us: int | None = None
    """When it was raised last."""
    cleared_us: int | None = None
    turned_us: int | None = None
    """Since when readings have called for another phase; None: they do not."""
    waiting: int = 0
    """EpisodeBook that called for an alarm since then, and raised none yet."""
    shelved_until_us: int | None = None
    out_of_service: bool = False

    @property
    def is_open(self) -> bool:
        """Whether somebody has to look at it."""
        is_cleared = self.phase is Phase.CLEARED and not self.acknowledged
        return self.phase is Phase.ACTIVE or is_cleared

    def state(self, now_us: int) -> AlarmState:
        """What is shown of it."""
        if self.out_of_service:
            return AlarmState.OUT_OF_SERVICE
        if self.shelved_until_us is not None and self.shelved_until_us > now_us:
            return AlarmState.SHELVED
        if not self.is_open:
            return AlarmState.NORMAL
        if self.phase is Phase.CLEARED:
            return AlarmState.CLEARED_UNACKNOWLEDGED
        return (
            AlarmState.ACTIVE_ACKNOWLEDGED
            if self.acknowledged
            else AlarmState.ACTIVE_UNACKNOWLEDGED
        )


def observe(
    life: Life | None, time_us: int, is_alarm: bool, rules: AlarmRules
) -> tuple[Life, bool]:
    """What a reading makes of an equipment's newest episode (None: there was none), and whether
    that is another episode.

    A reading that comes late (older than the newest) is counted, and decides nothing: what an
    equipment is now, its newest reading says.
    """
    if life is None:
        life = Life(Phase.NORMAL, acknowledged=True, began_us=time_us, seen_us=time_us)
    elif time_us < life.seen_us:
        belongs = is_alarm and life.phase is not Phase.NORMAL and time_us >= life.began_us
        return (replace(life, count=life.count + 1) if belongs else life), False
    if is_alarm is (life.phase is Phase.ACTIVE):
        count = life.count + is_alarm
        return replace(life, seen_us=time_us, count=count, turned_us=None, waiting=0), False
    since = time_us if life.turned_us is None else life.turned_us
    waiting = life.waiting + is_alarm
    delay = rules.on_delay_us if is_alarm else rules.off_delay_us
    if time_us - since < delay:
        return replace(life, seen_us=time_us, turned_us=since, waiting=waiting), False
    if is_alarm:
        return _raised(life, since, time_us, waiting, rules)
    cleared = replace(life, phase=Phase.CLEARED, cleared_us=time_us, seen_us=time_us)
    return replace(cleared, turned_us=None), False


def _raised(
    life: Life, since: int, time_us: int, count: int, rules: AlarmRules
) -> tuple[Life, bool]:
    """It is an alarm from now on, with ``count`` readings since ``since``."""
    is_soon = life.cleared_us is not None and since - life.cleared_us <= rules.chattering_us
    # Shelved or out of service is the equipment's alarm, not one episode of it.
    raised = replace(
        life, phase=Phase.ACTIVE, acknowledged=False, seen_us=time_us, raised_us=time_us,
        turned_us=None, waiting=0, cleared_us=None,
    )  # fmt: skip
    if life.is_open or (is_soon and rules.chattering_us):
        soon = is_soon and rules.chattering_us > 0
        again = life.count + count
        return replace(raised, count=again, returns=life.returns + 1, chattering=soon), False
    return replace(raised, began_us=since, count=count, returns=0, chattering=False), True


def act(life: Life, action: AlarmDeed, until_us: int | None = None) -> Life:
    """What ``action`` makes of an episode; the same life: it changes nothing.

    ``until_us``: with :attr:`AlarmDeed.SHELVE`, until when.

    Raises
    ------
    ValueError
        If it was never raised: there is nothing to act on.
    """
    if life.phase is Phase.NORMAL:
        raise ValueError("it was never raised")
    match action:
        case AlarmDeed.ACKNOWLEDGE | AlarmDeed.DONE_AS_SUGGESTED | AlarmDeed.DONE_OTHERWISE:
            return replace(life, acknowledged=True)
        case AlarmDeed.SHELVE:
            return replace(life, shelved_until_us=until_us)
        case AlarmDeed.UNSHELVE:
            return replace(life, shelved_until_us=None)
        case AlarmDeed.TAKE_OUT:
            return replace(life, out_of_service=True)
        case AlarmDeed.PUT_BACK:
            return replace(life, out_of_service=False)
        case AlarmDeed.COMMENT:
            return life

"""Advice and what is heard of it, in the order of time, to what became of each."""

from __future__ import annotations

from dataclasses import dataclass, field

from ifonly.service.audit.follow_up.advice import (
    Advice,
    DeedSaid,
    FollowUp,
    ReadBack,
    Reading,
    ToldOutcome,
)


@dataclass
class _Open:
    advice: Advice
    ids: list[str]
    decision: DeedSaid | None = None
    outcomes: dict[str, ToldOutcome] = field(default_factory=dict)
    readings: int = 0
    way: str | None = None
    levers: tuple[str, ...] = ()
    is_whole: bool = False
    seen_us: int | None = None
    flipped: bool | None = None
    cleared_us: int | None = None
    returned: bool = False
    carried_out: Reading | None = None

    def read(self, time_us: int, reading: Reading, is_alarm: bool) -> None:
        self.readings += 1
        if not is_alarm and self.cleared_us is None:
            self.cleared_us = time_us
        self.returned |= is_alarm and self.cleared_us is not None
        # Carried out once is carried out: what is set anew later is another story.
        if self.is_whole:
            return
        for way, levers in self.advice.ways.items():
            back = tuple(x.feature for x in levers if x.is_read_back(reading.get(x.feature)))
            is_whole = len(back) == len(levers)
            if is_whole or len(back) > len(self.levers):
                self.way, self.levers, self.seen_us = way, back, time_us
                self.flipped, self.is_whole = not is_alarm, is_whole
            if is_whole:
                self.carried_out = reading
                return

    @property
    def seen(self) -> ReadBack:
        if self.advice.condition is None:
            return ReadBack.NO_EQUIPMENT
        if not self.readings:
            return ReadBack.NO_READINGS
        if self.is_whole:
            return ReadBack.FULLY
        return ReadBack.PARTLY if self.levers else ReadBack.NOT_SEEN

    def found(self) -> FollowUp:
        return FollowUp(
            self.advice,
            tuple(self.ids),
            self.decision,
            self.seen,
            self.way,
            self.levers,
            self.seen_us,
            self.flipped,
            self.cleared_us,
            self.returned,
            # In the order in which they were told.
            next(reversed(self.outcomes.values()), None),
            self.carried_out,
        )


class FollowUps:
    """Fed in the order of time; asked at the end."""

    def __init__(self, window_us: int) -> None:
        """``window_us``: how long after an advice its equipment's readings count as its course."""
        self._window_us = window_us
        self._open: dict[str, _Open] = {}
        self._ids: dict[str, str] = {}
        """Of every explanation, that of its advice: asked again, it is the same."""
        self._about: dict[tuple[str, str], str] = {}
        """By equipment and reading."""
        self._equipment: dict[str, list[str]] = {}

    def repeats(self, condition: str | None, reading: str | None, time_us: int) -> str | None:
        """The advice about the same reading within the window before, if there is one."""
        first = self._about.get((condition or "", reading or ""))
        if first is None or time_us - self._open[first].advice.time_us > self._window_us:
            return None
        return first

    def advise(self, advice: Advice) -> None:
        """An explanation was given. About a reading that was explained within the window before,
        it is the same advice once more: nothing is counted twice."""
        first = self.repeats(advice.condition, advice.reading, advice.time_us)
        if first is not None:
            self._open[first].ids.append(advice.id)
            self._ids[advice.id] = first
            return
        self._open[advice.id] = _Open(advice, [advice.id])
        self._ids[advice.id] = advice.id
        if advice.condition is not None:
            self._equipment.setdefault(advice.condition, []).append(advice.id)
            if advice.reading is not None:
                self._about[advice.condition, advice.reading] = advice.id

    def decide(self, identity: str, decision: DeedSaid) -> None:
        """Somebody said what they did about an explanation; the last word counts."""
        known = self._of(identity)
        if known is not None:
            known.decision = decision

    def tell(self, identity: str, outcome: ToldOutcome) -> None:
        """The plant said what came of it; the last word that was not taken back counts."""
        known = self._of(identity)
        if known is not None:
            known.outcomes[outcome.id] = outcome

    def take_back(self, identity: str, outcome: str) -> None:
        """An outcome does not count any more."""
        known = self._of(identity)
        if known is not None:
            known.outcomes.pop(outcome, None)

    def read(self, condition: str, time_us: int, reading: Reading, *, is_alarm: bool) -> None:
        """Equipment was read."""
        open_ones = self._equipment.get(condition, [])
        # In the order of time: what is over for this reading is over for all after it.
        while open_ones and time_us - self._open[open_ones[0]].advice.time_us > self._window_us:
            open_ones.pop(0)
        for identity in open_ones:
            known = self._open[identity]
            # The reading that was explained, or one before it, is none of its course.
            if time_us > known.advice.time_us:
                known.read(time_us, reading, is_alarm)

    def is_open(self, condition: str, time_us: int) -> bool:
        """Whether a reading of equipment at this time is of the course of any advice."""
        last = self.newest_of(condition)
        return last is not None and time_us - self._open[last].advice.time_us <= self._window_us

    def newest_of(self, condition: str) -> str | None:
        """The newest advice about equipment, within the window."""
        open_ones = self._equipment.get(condition, [])
        return open_ones[-1] if open_ones else None

    def found(self) -> list[FollowUp]:
        """Of each advice, in the order in which they were given."""
        return [known.found() for known in self._open.values()]

    def _of(self, identity: str) -> _Open | None:
        first = self._ids.get(identity)
        return None if first is None else self._open[first]

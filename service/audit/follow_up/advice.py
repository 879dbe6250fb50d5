"""An advice, and what may be heard of it, as values."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from enum import StrEnum

Value = float | str | None
"""A reading: a number, a category's name, or missing."""
Reading = Mapping[str, Value]


@dataclass(frozen=True, slots=True)
class AdvisedLever:
    """A feature that is to be set."""

    feature: str
    before: Value
    after: Value
    low: float | None = None
    """Any number from here ..."""
    high: float | None = None
    """... to here suffices as well; None: only ``after`` is known to."""
    tolerance: float = 0.0
    """How far a reading may be from what was set: the sensor's, or the step of its settings."""

    def is_read_back(self, reading: Value) -> bool:
        """Whether a reading says that it was set as advised: it is as near to what suffices as its
        sensor can tell, and nearer to that than to what it was before."""
        if isinstance(reading, str) or isinstance(self.after, str):
            return reading == self.after
        if reading is None or self.after is None:
            return False
        low = self.after if self.low is None else min(self.low, self.after)
        high = self.after if self.high is None else max(self.high, self.after)
        off = max(low - reading, reading - high, 0.0)
        if off > self.tolerance:
            return False
        if isinstance(self.before, str) or self.before is None:
            return True
        return off < abs(reading - self.before)


@dataclass(frozen=True, slots=True)
class ShownArm:
    """How an explanation was shown in an experiment."""

    arm: str
    unit: str
    """What was assigned: a piece of equipment, an episode."""


@dataclass(frozen=True)
class Advice:
    """What was suggested about one reading of one piece of equipment."""

    id: str
    """Of the explanation."""
    time_us: int
    model: str
    version: str
    ways: Mapping[str, Sequence[AdvisedLever]]
    """By name of the way; the one that is shown first is the first. None: it advises nothing, and
    is kept for the experiment that it is of."""
    condition: str | None = None
    """Which equipment, as alarms know it; None: nobody said."""
    reading: str | None = None
    """Digest of the reading that it is about: asked twice, it is one advice."""
    attributes: Mapping[str, str] = field(default_factory=dict)
    instance: Reading = field(default_factory=dict)
    """The reading itself."""
    score: float | None = None
    """The model's, of the reading."""
    arms: Mapping[str, ShownArm] = field(default_factory=dict)
    """By id of the experiment."""

    @property
    def first(self) -> str:
        """The way that is shown first; empty: there is none."""
        return next(iter(self.ways), "")


class Deed(StrEnum):
    """What somebody said that they did."""

    FOLLOWED = "followed"
    OTHERWISE = "otherwise"
    """Something else was done."""
    NOTHING = "nothing"


@dataclass(frozen=True, slots=True)
class DeedSaid:
    """Somebody's word on an advice."""

    time_us: int
    by: str
    deed: Deed
    way: str | None = None
    """Which of the ways, if they said so."""


class ReadBack(StrEnum):
    """What later readings of the same equipment show of it."""

    FULLY = "fully"
    """Every lever of one way was read back at once."""
    PARTLY = "partly"
    NOT_SEEN = "not_seen"
    NO_READINGS = "no_readings"
    """None came within the window."""
    NO_EQUIPMENT = "no_equipment"
    """Nobody said which equipment it is: no reading can be told to be of it."""


class Result(StrEnum):
    """What the plant says that came of it."""

    SUCCESS = "success"
    FAILURE = "failure"


@dataclass(frozen=True, slots=True)
class ToldOutcome:
    """The plant's own word: a label that does not come from the model."""

    id: str
    """Of the record that says so."""
    time_us: int
    """When it happened, or was told."""
    result: Result
    number: float | None = None
    """A measure of it: minutes, parts, money; in :attr:`unit`."""
    unit: str = ""


@dataclass(frozen=True)
class FollowUp:
    """What became of an advice within its window."""

    advice: Advice
    ids: tuple[str, ...]
    """Of the explanations that give it: the first, and those asked again about its reading."""
    decision: DeedSaid | None
    """The last one."""
    seen: ReadBack
    way: str | None
    """Which way was carried out, or the most of it."""
    levers: tuple[str, ...]
    """Those of it that were read back."""
    seen_us: int | None
    """When that was first so."""
    flipped: bool | None
    """Whether the model then called for no alarm; None: nothing was read back."""
    cleared_us: int | None
    """The first reading that called for no alarm."""
    returned: bool
    """Whether one after it did."""
    outcome: ToldOutcome | None
    """The last that was told."""
    carried_out: Reading | None = None
    """The reading in which all of one way was first read back."""

    @property
    def asked(self) -> int:
        """How often."""
        return len(self.ids)

    @property
    def is_followed(self) -> bool | None:
        """By what was said; where nobody did, by what was read back. None: nobody knows."""
        if self.decision is not None:
            return self.decision.deed is Deed.FOLLOWED
        match self.seen:
            case ReadBack.FULLY:
                return True
            case ReadBack.NOT_SEEN | ReadBack.PARTLY:
                return False
        return None

    @property
    def done(self) -> str:
        """The way that was followed, as far as is known; else the one that was shown first."""
        said = None if self.decision is None else self.decision.way
        return said or self.way or self.advice.first

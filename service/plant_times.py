"""The plant's clock: which time "this shift" and "last night" are. No input, no output."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass
from datetime import datetime, time, timedelta
from typing import Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

Span = tuple[int, int]
"""From, inclusive, until, exclusive, in microseconds since 1970."""
HOUR_US = 3_600_000_000


def zone_of(name: str) -> ZoneInfo:
    """Raises
    ------
    ValueError
        If there is no such time zone.
    """
    try:
        return ZoneInfo(name)
    # ValueError and OSError: names that lead out of the folder of zones, or to a folder.
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"{name!r} is no time zone (Asia/Seoul)") from None


@dataclass(frozen=True, slots=True)
class PlantTimes:
    """When days and shifts begin, where the plant is."""

    zone: ZoneInfo
    shifts: tuple[time, ...]
    """Sorted; at least one."""

    @classmethod
    def of(cls, zone: str, shifts: str) -> Self:
        """``zone``: as IANA names it; ``shifts``: ``"06:00 14:00 22:00"``.

        Raises
        ------
        ValueError
            If either says nothing: with its name, as settings have it.
        """
        try:
            found = zone_of(zone)
        except ValueError as error:
            raise ValueError(f"time_zone: {error}") from None
        try:
            times = sorted({time.fromisoformat(each) for each in shifts.replace(",", " ").split()})
        except ValueError:
            raise ValueError(f"shifts: {shifts!r} are no times (06:00 14:00 22:00)") from None
        if not times or any(each.tzinfo is not None for each in times):
            raise ValueError(f"shifts: {shifts!r} are no times (06:00 14:00 22:00)")
        return cls(found, tuple(times))

    def span(self, name: str, now_us: int) -> Span:
        """One of :data:`SPANS`, as it is at ``now_us``.

        Raises
        ------
        KeyError
            If there is none of that name.
        """
        return SPANS[name](self, now_us)

    def moment(self, text: str) -> int:
        """A time as ISO 8601 writes it; without a zone it is the plant's. In microseconds.

        Raises
        ------
        ValueError, OverflowError
            If it is none.
        """
        read = datetime.fromisoformat(text)
        return self._us(read if read.tzinfo is not None else read.replace(tzinfo=self.zone))

    def hour(self, now_us: int) -> Span:
        return now_us - HOUR_US, now_us

    def today(self, now_us: int) -> Span:
        return self._us(self._at(self._local(now_us), time())), now_us

    def shift(self, now_us: int) -> Span:
        """The one that goes on."""
        return self._begun(now_us), now_us

    def last_shift(self, now_us: int) -> Span:
        """The one before it."""
        begun = self._begun(now_us)
        return self._begun(begun - 1), begun

    def night(self, now_us: int) -> Span:
        """The newest shift over midnight, or the one that goes on if it is one; with no shift over
        midnight, the last one of yesterday."""
        local = self._local(now_us)
        first, last = self.shifts[0], self.shifts[-1]
        began = self._at(local - timedelta(days=1), last)
        ended = self._at(local, first)
        if self._us(self._at(local, last)) <= now_us:
            return self._us(self._at(local, last)), now_us
        return self._us(began), min(self._us(ended), now_us)

    def _begun(self, now_us: int) -> int:
        local = self._local(now_us)
        days = (local - timedelta(days=1), local)
        every = [self._us(self._at(day, each)) for day in days for each in self.shifts]
        return max(each for each in every if each <= now_us)

    def _local(self, now_us: int) -> datetime:
        return datetime.fromtimestamp(now_us / 1e6, self.zone)

    def _at(self, day: datetime, when: time) -> datetime:
        return datetime.combine(day.date(), when, self.zone)

    @staticmethod
    def _us(moment: datetime) -> int:
        return round(moment.timestamp() * 1e6)


SPANS: Mapping[str, Callable[[PlantTimes, int], Span]] = {
    "hour": PlantTimes.hour,
    "shift": PlantTimes.shift,
    "last_shift": PlantTimes.last_shift,
    "night": PlantTimes.night,
    "today": PlantTimes.today,
}
"""What spans are called in addresses."""

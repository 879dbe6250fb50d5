"""The plant's own time: its day, and the shifts that it works in."""

from __future__ import annotations

import re
from dataclasses import dataclass
from datetime import UTC, datetime, time, timedelta
from typing import Self
from zoneinfo import ZoneInfo, ZoneInfoNotFoundError

_TIME = re.compile(r"([01]\d|2[0-3]):([0-5]\d)")
_EPOCH = datetime(1970, 1, 1, tzinfo=UTC)
_MICROSECOND = timedelta(microseconds=1)


@dataclass(frozen=True, slots=True)
class PlantTime:
    """A time zone, and when its shifts begin."""

    zone: ZoneInfo
    begins: tuple[time, ...]
    """Of each day, in order; at least one."""

    @classmethod
    def read(cls, zone: str, shifts: str) -> Self:
        """``zone``: a name of the IANA database; ``shifts``: as in ``06:00, 14:00, 22:00``.

        Raises
        ------
        ValueError
            If either is none.
        """
        found = [_TIME.fullmatch(part.strip()) for part in shifts.split(",")]
        if not all(found):
            raise ValueError(f"shifts: {shifts!r} is no list of times such as 06:00, 14:00, 22:00")
        begins = sorted({time(int(each[1]), int(each[2])) for each in found if each is not None})
        return cls(zone_of(zone), tuple(begins))

    def today(self, now_us: int) -> tuple[int, int]:
        """From when to when the day of ``now_us`` is, in microseconds since 1970, the end
        excluded: 23 to 25 hours of it where clocks are changed."""
        day = self._local(now_us).date()
        midnight = time(0)
        ends = (datetime.combine(d, midnight, self.zone) for d in (day, day + timedelta(days=1)))
        since, until = map(_us, ends)
        return since, until

    def last_shift(self, now_us: int) -> tuple[int, int]:
        """From when to when the last shift was that is over."""
        day = self._local(now_us).date()
        # Two days back: with one shift a day, the one that is over began the day before yesterday.
        around = (day + timedelta(days=k) for k in range(-2, 2))
        ends = sorted(_us(datetime.combine(d, b, self.zone)) for d in around for b in self.begins)
        over = [end for end in ends if end <= now_us]
        return over[-2], over[-1]

    def _local(self, now_us: int) -> datetime:
        return (_EPOCH + now_us * _MICROSECOND).astimezone(self.zone)


def zone_of(name: str) -> ZoneInfo:
    """Raises
    ------
    ValueError
        If there is no such time zone.
    """
    try:
        return ZoneInfo(name)
    # ValueError and OSError: names that lead out of the folder, or to a folder.
    except (ZoneInfoNotFoundError, ValueError, OSError):
        raise ValueError(f"{name!r} is no time zone such as Asia/Seoul") from None


def _us(moment: datetime) -> int:
    return (moment.astimezone(UTC) - _EPOCH) // _MICROSECOND

"""Alarm floods, as values: more alarms than a person can take in. No input, no output.

As ISA-18.2 and EEMUA 191 count them: a flood begins when so many alarms are raised within so many
minutes (10 within 10), and is over once fewer than half as many were raised within as long.
"""

from __future__ import annotations

from collections import deque
from collections.abc import Iterable, Iterator
from dataclasses import dataclass

ALARMS = 10
MINUTES = 10.0


@dataclass(frozen=True, slots=True)
class FloodRules:
    """When there is one."""

    alarms: int = ALARMS
    """Raised within :attr:`window_us`: it begins."""
    window_us: int = round(MINUTES * 60_000_000)

    @property
    def fewest(self) -> int:
        """Fewer within :attr:`window_us`: it is over."""
        return max(1, self.alarms // 2)


@dataclass(frozen=True, slots=True)
class Flood:
    """One of them."""

    since_us: int
    """Its first alarm."""
    count: int
    """Alarms that were raised in it."""
    until_us: int | None = None
    """When it was over; None: it goes on."""


def floods(raised_us: Iterable[int], rules: FloodRules, now_us: int) -> Iterator[Flood]:
    """The floods that alarms raised at these times make, the earliest first; times in any order,
    those after ``now_us`` (of a process whose clock is ahead) left out."""
    within: deque[int] = deque()
    """Alarms of the last window."""
    since: int | None = None
    count = 0
    for time_us in sorted(time_us for time_us in raised_us if time_us <= now_us):
        if since is not None and (over := _over(within, rules)) < time_us:
            yield Flood(since, count, over)
            since = None
        within.append(time_us)
        while within[0] <= time_us - rules.window_us:
            within.popleft()
        if since is not None:
            count += 1
        elif len(within) >= rules.alarms:
            since, count = within[0], len(within)
    if since is not None:
        over = _over(within, rules)
        yield Flood(since, count, over if over <= now_us else None)


def _over(within: deque[int], rules: FloodRules) -> int:
    """When fewer than :attr:`FloodRules.fewest` will be left of them, if none is added."""
    return within[max(0, len(within) - rules.fewest)] + rules.window_us

"""The difference of two arms over time, with the interval that held at each moment."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from ifonly.explainers.wording import Language
from ifonly.explainers.wording.numerals import count
from ifonly.service.doors.pages.auditor.naming import moment
from ifonly.service.doors.pages.scales import round_up
from ifonly.service.store.chain import microseconds
from ifonly.service.wire.experiments import CourseLook, Interval
from ifonly.service.words import experiments as words

ACROSS, DOWN = 720, 200
"""Size of the drawing."""
WIDEST = 3.0
"""The axis is at most so many times what the last interval needs: the first ones are far wider, and
would flatten all that is of interest."""


@dataclass(frozen=True, slots=True)
class EffectLine:
    """One moment, as a line of the table."""

    time: str
    stamp: str
    units: str
    estimate: str
    range: str


@dataclass(frozen=True)
class EffectDrawing:
    """What the template draws."""

    band: str
    """The intervals, as a path."""
    line: str
    zero: float
    """Height of no difference."""
    top: str
    bottom: str
    first: str
    last: str
    lines: tuple[EffectLine, ...]
    """The newest first."""
    across: int = ACROSS
    down: int = DOWN


def drawn(looks: Sequence[CourseLook], metric: str, tag: Language) -> EffectDrawing | None:
    """None: no moment has an interval."""
    known = [look for look in looks if look.difference.low is not None]
    if not known:
        return None
    points = [(microseconds(look.time), *_ends(look.difference)) for look in known]
    bottom, top = _axis([(value, low, high) for _, value, low, high in points])
    start, last = points[0][0], points[-1][0]

    def x(time_us: int) -> float:
        return round(ACROSS * (time_us - start) / (last - start), 1) if last > start else ACROSS

    def y(value: float) -> float:
        return round(DOWN * (top - max(bottom, min(top, value))) / (top - bottom), 1)

    across = [x(time_us) for time_us, *_ in points]
    if len(points) == 1:  # as wide as a bar, or there were nothing to see
        across, points = [ACROSS - 8.0, float(ACROSS)], points * 2
    above = [f"{at} {y(high)}" for at, (_, _, _, high) in zip(across, points, strict=True)]
    below = [f"{at} {y(low)}" for at, (_, _, low, _) in zip(across, points, strict=True)]
    middle = [f"{at} {y(value)}" for at, (_, value, _, _) in zip(across, points, strict=True)]
    return EffectDrawing(
        f"M{'L'.join([*above, *reversed(below)])}Z",
        f"M{'L'.join(middle)}",
        y(0.0),
        words.difference(metric, top, tag),
        words.difference(metric, bottom, tag),
        moment(known[0].time)[:16],
        moment(known[-1].time)[:16],
        tuple(reversed([_line(look, metric, tag) for look in looks])),
    )


def _ends(found: Interval) -> tuple[float, float, float]:
    value = 0.0 if found.value is None else found.value
    low = -math.inf if found.low is None else found.low
    high = math.inf if found.high is None else found.high
    return value, low, high


def _axis(points: Sequence[tuple[float, float, float]]) -> tuple[float, float]:
    """Its ends; no difference is always on it."""
    _, low, high = points[-1]
    most = WIDEST * max(abs(low), abs(high), *(abs(value) for value, _, _ in points))
    lowest = max(-most, min(low for _, low, _ in points))
    highest = min(most, max(high for *_, high in points))
    bottom = -round_up(-lowest) if lowest < 0.0 else 0.0
    top = round_up(highest) if highest > 0.0 else 0.0
    return (bottom, top) if top > bottom else (-1.0, 1.0)


def _line(look: CourseLook, metric: str, tag: Language) -> EffectLine:
    gap = look.difference
    return EffectLine(
        moment(look.time)[:16],
        look.time,
        " / ".join(map(count, look.units)),
        words.difference(metric, gap.value, tag),
        words.between(metric, gap.low, gap.high, tag),
    )

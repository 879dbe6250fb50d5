"""How much two groups differ, with intervals that hold together for all groups and measures."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from enum import StrEnum
from statistics import NormalDist

from ifonly.explainers.fairness.groups import Flags
from ifonly.explainers.fairness.measures import Floats, Measure
from ifonly.explainers.fairness.permutations import Standing
from ifonly.explainers.fairness.shares import difference
from ifonly.models.shares import CONFIDENCE, share

_STEPS = 60


class SizeKind(StrEnum):
    """In which unit a difference is told."""

    SHARES = "difference_of_shares"
    """The group's share less the others'; 0: alike."""
    DEARER = "chance_of_more"
    """The probability that one of the group has more than one of the others, ties counted half;
    0.5: alike (Mann and Whitney 1947)."""


@dataclass(frozen=True, slots=True)
class EffectSize:
    """What was counted lies between ``least`` and ``most``, the truth between ``low`` and
    ``high``."""

    kind: SizeKind
    least: float
    most: float
    """More than ``least`` where values are known by their bounds alone."""
    low: float
    high: float

    @property
    def alike(self) -> float:
        """Its value where the two do not differ."""
        return 0.0 if self.kind is SizeKind.SHARES else 0.5


def simultaneous_z(tests: int) -> float:
    """The normal quantile of an interval, two-sided, of which ``tests`` hold together with 95 %
    (Bonferroni)."""
    return NormalDist().inv_cdf(1 - (1 - CONFIDENCE) / (2 * max(tests, 1)))


def size_of(measure: Measure, side: Flags, z: float) -> EffectSize:
    """Members of ``side`` beside all others, neither of none; ``z`` as :func:`simultaneous_z`."""
    own, others = side & measure.of, ~side & measure.of
    if measure.is_share:
        return _of_shares(measure, own, others, z)
    least, most = superiority(measure, side)
    n, m = int(own.sum()), int(others.sum())
    low = superiority_interval(least, n, m, z)[0]
    return EffectSize(SizeKind.DEARER, least, most, low, superiority_interval(most, n, m, z)[1])


def _of_shares(measure: Measure, own: Flags, others: Flags, z: float) -> EffectSize:
    n, m = int(own.sum()), int(others.sum())

    def gap(mine: Floats, theirs: Floats) -> tuple[float, float, float]:
        one, two = share(int(mine[own].sum()), n, z), share(int(theirs[others].sum()), m, z)
        found = difference(one, two)
        return found.value, found.low, found.high

    least, low, _ = gap(measure.lower, measure.upper)
    most, _, high = gap(measure.upper, measure.lower)
    return EffectSize(SizeKind.SHARES, least, most, low, high)


def superiority(measure: Measure, side: Flags) -> tuple[float, float]:
    """Least and greatest probability, by the bounds, that one of ``side`` has more than one of the
    others, a tie counted half."""
    own = side & measure.of
    n, every = int(own.sum()), int(measure.of.sum())
    # Of all less of one's own: one order of all serves every group.
    place, within = own[measure.of], Standing.of(measure.lower[own], measure.upper[own])
    among = measure.standing
    more = float(among.above[place].sum() - within.above.sum())
    less = float(among.below[place].sum() - within.below.sum())
    tied = float(among.equal[place].sum() - within.equal.sum())
    pairs = n * (every - n)
    return (more + tied / 2) / pairs, (pairs - less - tied / 2) / pairs


def superiority_interval(value: float, n: int, m: int, z: float) -> tuple[float, float]:
    """Of a probability that was counted of ``n`` and ``m`` (Newcombe 2006, method 5): all values
    from which it is no farther than ``z`` of the standard errors that they would have.

    >>> low, high = superiority_interval(0.5, 20, 20, 1.96)
    >>> round(low, 3), round(high, 3)
    (0.331, 0.669)
    """
    more = (n + m) / 2 - 1

    def is_near(other: float) -> bool:
        shape = (1 - other) / (2 - other) + other / (1 + other)
        variance = other * (1 - other) / (n * m) * (1 + more * shape)
        return abs(other - value) <= z * math.sqrt(max(variance, 0.0))

    return _edge(value, 0.0, is_near), _edge(value, 1.0, is_near)


def _edge(near: float, far: float, is_near: Callable[[float], bool]) -> float:
    """Between the two, where it ends to be so."""
    for _ in range(_STEPS):
        middle = (near + far) / 2
        near, far = (middle, far) if is_near(middle) else (near, middle)
    return far

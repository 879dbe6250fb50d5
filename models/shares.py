"""The interval in which a share may lie that was counted."""

from __future__ import annotations

import math
from dataclasses import dataclass
from statistics import NormalDist

CONFIDENCE = 0.95
Z = NormalDist().inv_cdf(0.5 + CONFIDENCE / 2)


@dataclass(frozen=True, slots=True)
class ShareEstimate:
    """``count`` of ``of``, with the interval in which the share may lie."""

    count: int
    of: int
    low: float
    high: float

    @property
    def value(self) -> float | None:
        """None: of none."""
        return self.count / self.of if self.of else None

    def holds(self, value: float) -> bool:
        """Whether ``value`` is within the interval."""
        return self.low <= value <= self.high


def share(count: int, of: int, z: float = Z) -> ShareEstimate:
    """With Wilson's score interval (Wilson 1927; Brown, Cai and DasGupta 2001, eq. 4); ``z``: the
    normal quantile of its level, 95 % unless said.

    >>> nine = share(9, 10)
    >>> round(nine.low, 6), round(nine.high, 6)
    (0.59585, 0.982124)
    """
    # Nothing is known: the interval is everything.
    if of == 0:
        return ShareEstimate(0, 0, 0.0, 1.0)
    p, z2 = count / of, z * z
    # Wilson's interval: the plain one has no width at 0 of n, and leaves [0, 1].
    centre = (p + z2 / (2 * of)) / (1 + z2 / of)
    half = z / (1 + z2 / of) * math.sqrt(p * (1 - p) / of + z2 / (4 * of * of))
    # At the ends exactly: rounding must not leave a share outside of its own interval.
    low = 0.0 if count == 0 else max(0.0, centre - half)
    return ShareEstimate(count, of, low, 1.0 if count == of else min(1.0, centre + half))

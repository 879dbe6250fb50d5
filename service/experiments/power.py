"""How many units an experiment needs, before it starts."""

from __future__ import annotations

from dataclasses import dataclass
from statistics import NormalDist

from ifonly.service.experiments.sequences import FIRST_LOOK, Boundary

MOST = 10**9
"""Units beyond which nobody waits."""


@dataclass(frozen=True)
class UnitsNeeded:
    """Units of all arms together."""

    looked_at_once: int
    """Were the result looked at once, at the end."""
    looked_at_any_time: int | None
    """By when the difference is found with that probability though it may be looked at any time;
    None: beyond a thousand million."""


def units_needed(
    difference: float, deviation: float, share: float, alpha: float, power: float
) -> UnitsNeeded:
    """Units to find a difference of two arms' means.

    Parameters
    ----------
    difference : float
        The least that matters; not 0.
    deviation : float
        Standard deviation of one unit's outcome within an arm, what a covariate explains taken
        off. Of a share ``p``: ``sqrt(p (1 - p))``.
    share : float
        Of the units, in the second arm.
    alpha, power : float
        Probability of a difference where there is none, and of finding this one.
    """
    one = deviation * (1.0 / share + 1.0 / (1.0 - share)) ** 0.5
    normal = NormalDist()
    z = normal.inv_cdf(1.0 - alpha / 2.0) + normal.inv_cdf(power)
    once = max(FIRST_LOOK, int(-(-((z * one / difference) ** 2) // 1)))

    def enough(n: int) -> bool:
        boundary = Boundary.narrowest_at(n, alpha)
        # The chance to be beyond the boundary at this look alone: looks before it only add.
        slack = abs(difference) - boundary.width(n, one)
        return normal.cdf(slack * n**0.5 / one) >= power

    low, high = FIRST_LOOK, FIRST_LOOK
    while not enough(high):
        low, high = high, 2 * high
        if high > MOST:
            return UnitsNeeded(once, None)
    while high - low > 1:
        middle = (low + high) // 2
        low, high = (low, middle) if enough(middle) else (middle, high)
    return UnitsNeeded(once, high)

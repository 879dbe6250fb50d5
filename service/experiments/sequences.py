"""Confidence sequences: intervals that hold at every look at once.

Asymptotic ones of Waudby-Smith, Arbour, Sinha, Kennedy and Ramdas (*Time-uniform central limit
theory and asymptotic confidence sequences*, Annals of Statistics 2024, Theorem 2.2): as the central
limit theorem's interval, they need some hundred values before they can be relied on.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

FIRST_LOOK = 100
"""Values below which nothing is said: the theorem is about many."""


@dataclass(frozen=True)
class Boundary:
    """How far a mean may be from the truth, at every number of values."""

    alpha: float
    """The probability that a truth is ever left out."""
    rho: float
    """The scale at which the boundary is narrowest."""

    @classmethod
    def narrowest_at(cls, n: float, alpha: float) -> Boundary:
        """The boundary that is narrowest, nearly, at ``n`` values (same paper, appendix B.2)."""
        log = -2.0 * math.log(alpha)
        return cls(alpha, math.sqrt((log + math.log(log + 1.0)) / n))

    def width(self, n: int, deviation: float) -> float:
        """Half the width of the interval around a mean of ``n`` values of this standard
        deviation; infinite before :data:`FIRST_LOOK`."""
        return deviation * self.factor(n)

    def factor(self, n: int) -> float:
        """Half the width, in standard deviations of one value."""
        if n < FIRST_LOOK:
            return math.inf
        s = n * self.rho**2
        spread = 2.0 * (s + 1.0) / (n * s) * math.log(math.sqrt(s + 1.0) / self.alpha)
        return math.sqrt(spread)

    def p_value(self, n: int, mean: float, deviation: float) -> float:
        """The least ``alpha`` whose interval leaves out 0, 1 at most: always valid."""
        if n < FIRST_LOOK:
            return 1.0
        if deviation == 0.0:
            # All values are one: only a mean of 0 is as 0.
            return 1.0 if mean == 0.0 else 0.0
        s = n * self.rho**2
        exponent = 0.5 * math.log(s + 1.0) - (mean / deviation) ** 2 * n * s / (2.0 * (s + 1.0))
        return math.exp(min(0.0, exponent))

"""How long things take: durations, and delays as weights over steps of time.

A delay spreads what arrives over steps: weight ``k`` of a delay's *kernel* is the part of a
change that arrives ``k`` steps after it. Kernels add up to 1 and end, so that the whole of a
change has arrived once the delay has passed.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import Decimal
from enum import StrEnum
from fractions import Fraction

import numpy as np

from ifonly.explainers.causal.function import Array

MOST_STEPS = 480
"""Steps of one what-if, and of one delay: eight hours by the minute."""
MOST_DIGITS = 9
"""Before or behind the point of an amount."""
TIME_CONSTANTS = 5
"""Time constants that a first-order lag takes to be counted as whole: 99.3 % of it is."""


class TimeUnit(StrEnum):
    SECONDS = "seconds"
    MINUTES = "minutes"
    HOURS = "hours"

    @property
    def seconds(self) -> int:
        return _SECONDS[self]


_SECONDS = {TimeUnit.SECONDS: 1, TimeUnit.MINUTES: 60, TimeUnit.HOURS: 3_600}
UNITS = tuple(unit.value for unit in TimeUnit)


@dataclass(frozen=True)
class Duration:
    """So much of a unit of time, exactly."""

    amount: Decimal
    unit: TimeUnit

    @classmethod
    def of(cls, amount: Decimal | float, unit: str) -> Duration:
        """Numbers in decimals: 0.1 is a tenth.

        Raises
        ------
        ValueError
            If it is no unit of time, or no finite amount from 0.
        """
        if unit not in UNITS:
            raise ValueError(f"{unit!r} is no unit of time ({', '.join(UNITS)})")
        exact = Decimal(str(amount))
        # Arithmetic is exact, so numbers of a million digits must not get in.
        is_number = exact.is_finite() and (exact == 0 or abs(exact.adjusted()) <= MOST_DIGITS)
        if not is_number or exact < 0:
            raise ValueError(f"{amount} {unit} is no length of time")
        return cls(exact, TimeUnit(unit))

    def steps(self, step: Duration) -> Fraction:
        """How often ``step`` is in it."""
        own, other = (Fraction(d.amount) * d.unit.seconds for d in (self, step))
        return own / other

    def __str__(self) -> str:
        return f"{self.amount:f} {self.unit}"


class Shape(StrEnum):
    """How a change arrives."""

    STEP = "step"
    """All at once, when the delay has passed."""
    FIRST_ORDER = "first-order"
    """By an exponential approach that begins at once; counted as whole when the delay has passed,
    after :data:`TIME_CONSTANTS` time constants."""


@dataclass(frozen=True)
class Delay:
    """How long until the whole of a change has arrived, and how it does."""

    duration: Duration
    shape: Shape = Shape.STEP

    def kernel(self, step: Duration) -> Array:
        """Parts of a change by the step at which they arrive, ``(m + 1,)``; they add up to 1.

        Of first order: the response of a first-order lag to what is held over each step, cut off
        when the delay has passed and brought back to 1.
        """
        m = math.ceil(self.duration.steps(step))
        if self.shape is Shape.STEP or m == 0:
            return np.array([*np.zeros(m), 1.0])
        arrived = -np.expm1(-TIME_CONSTANTS * np.arange(m + 1) / m)
        return np.diff(arrived / arrived[-1], prepend=0.0)

"""Numbers as people read them: exact decimals, grouped digits, never the noise of a float."""

from __future__ import annotations

import math
from dataclasses import dataclass
from decimal import ROUND_HALF_EVEN, Context, Decimal
from functools import cache, lru_cache

EXACT_DIGITS = 9
"""Decimals of up to so many significant digits were meant; longer ones are a float's noise
(a float32 read as float64 has 16 or 17)."""
ROUNDED_DIGITS = 6
MOST_DECIMALS = 3
"""Of a share in percent that is nearly all or nothing."""

_WIDE = Context(prec=1000)
"""Wide enough to add any two doubles without rounding."""
_ZERO, _ONE = Decimal(0), Decimal(1)


@dataclass(frozen=True, slots=True)
class Number:
    """A number to be shown."""

    value: Decimal
    exact: bool = True
    """Whether the digits are all of it; if not, the text must say "about"."""


@lru_cache(maxsize=4_096)  # sentences of one answer say the same few values, in each language
def decimal(value: float) -> Decimal:
    """The shortest decimal that is this double: what JSON wrote and will read back."""
    return tidy(Decimal(repr(float(value))))


def difference(a: Decimal, b: Decimal) -> Decimal:
    """``a - b``, exactly."""
    return tidy(_WIDE.subtract(a, b))


def shown(value: Decimal, resolution: Decimal | None = None, digits: int = EXACT_DIGITS) -> Number:
    """``value`` itself if its digits were meant, else rounded to the resolution and marked so.

    Meant are the decimals of the resolution, and up to ``digits`` significant digits.
    """
    places = 0 if resolution is None else _places(resolution)
    _, spelled, exponent = value.as_tuple()
    # Few digits were written by somebody; many come from float32.
    if len(spelled) <= digits or -_whole(exponent) <= places:
        return Number(value)
    rounded = _significant(value, ROUNDED_DIGITS)
    if resolution is not None:
        on_grid = value.quantize(Decimal(1).scaleb(-places), ROUND_HALF_EVEN, _WIDE)
        # A value below half a step would round to 0, which it is not.
        rounded = on_grid if on_grid else rounded
    return Number(tidy(rounded), exact=False)


def apart(value: Decimal, limit: Decimal | None, places: int = 0) -> Number:
    """``value`` rounded to ``places`` decimals, or to as many more as keep it on its side of
    ``limit``: what is below must not be printed as equal."""
    # One digit more at a time: the shortest text that is on the right side.
    for digits in range(places, places + 12):
        rounded = value.quantize(Decimal(1).scaleb(-digits), ROUND_HALF_EVEN, _WIDE)
        if limit is None or value == limit or _side(rounded, limit) == _side(value, limit):
            return Number(tidy(rounded), exact=rounded == value)
    return Number(value)


def percent(share: Decimal) -> Decimal:
    """0.6 as 60."""
    return tidy(_WIDE.multiply(share, Decimal(100)))


def ceiling_percent(share: float) -> int:
    # Rounded first: 0.07 * 100 is 7.000000000000001, and would become 8.
    return math.ceil(round(share * 100, 6))


def percentage(share: float, limit: float | None = None) -> str:
    """A share in percent to a tenth, ``93.0 %``; in as many digits more as keep it on its side of
    0, of 1 and of ``limit``: ``99.997 %`` is not certain, and what is below is not shown as at
    the limit. More than three decimals nobody reads: ``> 99.999 %``, ``< 0.001 %``."""
    exact = percent(decimal(share))
    edges = [percent(decimal(edge)) for edge in (0.0, 1.0, limit) if edge is not None]
    for digits in range(1, 12):
        if digits > MOST_DECIMALS and (bound := _beyond(exact, edges)):
            return bound
        rounded = exact.quantize(Decimal(1).scaleb(-digits), ROUND_HALF_EVEN, _WIDE)
        # Strictly inside stays strictly inside: 0.99997 must not read 100.0 %.
        if all(_side(rounded, edge) == _side(exact, edge) for edge in edges):
            return f"{rounded:,f} %"
    return exact_percentage(share)


def _beyond(exact: Decimal, edges: list[Decimal]) -> str:
    """That it is nearly all or nearly nothing; empty where an edge lies there too: only digits tell
    on which side of it."""
    least = Decimal(1).scaleb(-MOST_DECIMALS)
    for sign, start, low, high in ((">", 100 - least, 100 - least, 100), ("<", least, 0, least)):
        if low < exact < high and not any(low < edge < high for edge in edges):
            return f"{sign} {start:f} %"
    return ""


def exact_percentage(share: float) -> str:
    """All digits of a share that somebody declared, in percent: ``60 %``, ``99.5 %``."""
    return f"{write(percent(decimal(share)))} %"


def figure(value: float, digits: int = 4, *, signed: bool = False) -> str:
    """A computed number in as many significant digits as say enough: ``0.4239``, ``12,350``;
    ``signed`` with its sign: ``+0.5``."""
    return _signed(_significant(decimal(value), digits), signed)


def exactly(value: float, *, signed: bool = False) -> str:
    """All digits of a number, thousands grouped: ``1,282``, ``0.1``."""
    return _signed(decimal(value), signed)


def _signed(value: Decimal, signed: bool) -> str:
    return f"{'+' if signed and value >= 0 else ''}{write(value)}"


def write(value: Decimal) -> str:
    """All digits of ``value``, thousands grouped; powers of ten where it is very long."""
    value = tidy(value)
    # Very long numbers are read wrongly digit by digit.
    if value and not -6 <= value.adjusted() < 15:
        scale = value.adjusted()
        return f"{write(tidy(value.scaleb(-scale, _WIDE)))}×10{superscript(scale)}"
    return f"{value:,f}"  # the languages group and point alike; a test asks CLDR


def count(number: int) -> str:
    return write(Decimal(number))


def superscript(power: int) -> str:
    return str(power).translate(str.maketrans("-0123456789", "⁻⁰¹²³⁴⁵⁶⁷⁸⁹"))


@cache
def _places(resolution: Decimal) -> int:
    """Decimals of what can be set."""
    return max(0, -_whole(tidy(resolution).as_tuple().exponent))


def tidy(value: Decimal) -> Decimal:
    """``value`` without trailing zeros, exponent or minus zero: 53, 50, 0."""
    if not value:
        return _ZERO
    value = value.normalize(_WIDE)
    # `normalize` writes 50 as 5E+1.
    return value.quantize(_ONE, context=_WIDE) if value == value.to_integral_value() else value


def _whole(exponent: int | str) -> int:
    assert isinstance(exponent, int), "not a finite number"
    return exponent


def _significant(value: Decimal, digits: int) -> Decimal:
    return Context(prec=digits, rounding=ROUND_HALF_EVEN).plus(value)


def _side(value: Decimal, limit: Decimal) -> int:
    return (value > limit) - (value < limit)

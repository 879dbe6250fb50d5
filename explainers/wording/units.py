"""Units: what a difference between two readings is measured in, and what there is more or less of.
How a language writes them is in its folder (:mod:`ifonly.explainers.wording.conventions`)."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from enum import StrEnum
from functools import lru_cache

from ifonly.explainers.wording.conventions import canonical, conventions_of
from ifonly.explainers.wording.text import clean
from ifonly.explainers.wording.unit_data import OWN_ZERO, POWERS, PREFIXES, UNITS

_PERCENT = frozenset({"%"})
FACTOR = re.compile(r"([^\d\s·*⋅×/^().\-−]+)\^?([-−]?\d{1,2})?")
"""One factor of a unit, its power behind it."""

GAUGE = {
    "barg": "bar", "bara": "bar", "bar(g)": "bar", "bar(a)": "bar", "psig": "psi", "psia": "psi",
    "kPag": "kPa", "MPag": "MPa", "dBm": "dB", "pH": "",
}  # fmt: skip
"""Scales with a zero of their own: a difference on them has another unit."""


class Dimension(StrEnum):
    """What a unit measures, as far as words depend on it."""

    TIME = "time"
    LENGTH = "length"
    AMOUNT = "amount"
    """Mass, volume, money, pieces: what there is more or less of."""
    LEVEL = "level"
    """Everything else: higher or lower."""


_DIMENSIONS = {
    ("time", 1): Dimension.TIME,
    ("length", 1): Dimension.LENGTH,
    ("mass", 1): Dimension.AMOUNT,
    ("length", 3): Dimension.AMOUNT,
    ("substance", 1): Dimension.AMOUNT,
}
_COUNTS = frozenset(
    "time 번 pc person case 세 cycle rev USD EUR KRW JPY GBP DM".split()
)  # what there is more or less of, and no physical unit

_PREFIX_OF = {text: name for name, more in PREFIXES.items() for text in (name, *more.split())}
_UNIT_OF = {text: name for name, more in UNITS.items() for text in (name, *more.split())}
_POWER_OF = {unit: power for power, units in POWERS.items() for unit in units.split()}


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit as a schema declares it."""

    symbol: str

    @classmethod
    def of(cls, symbol: str) -> Unit:
        return cls(clean(symbol))

    @property
    def difference(self) -> Unit:
        """What the difference of two readings is measured in: of 60 % and 65 %, points."""
        if self.symbol in _PERCENT:
            return Unit("%p")
        return Unit(GAUGE.get(self.symbol, self.symbol))

    @property
    def has_own_zero(self) -> bool:
        """Whether its 0 is not "none" (°C): sums and multiples of readings mean nothing."""
        return self.symbol in GAUGE or _has_own_zero(self.symbol)

    @property
    def dimension(self) -> Dimension:
        symbol = canonical(self.symbol)
        return Dimension.AMOUNT if symbol in _COUNTS else _dimension(symbol)

    def behind(self, number: str, language: str) -> str:
        """``number`` with the unit: 53.2 Nm, 216분, $5,000, 45°."""
        return conventions_of(language).behind(number, self.symbol)

    def stands_in_front(self, language: str) -> bool:
        """Whether it must be repeated with each of two numbers: $4 instead of $5."""
        return conventions_of(language).stands_in_front(self.symbol)


def normal(symbol: str) -> str:
    """Compatibility characters and powers as plain ones: ㎎/㎥ and mg/m³ as mg/m3."""
    return unicodedata.normalize("NFKC", symbol)


def atom(symbol: str) -> tuple[str, str] | None:
    """Prefix and unit, by Pint's names, of one symbol without power: as Pint reads it first of all
    ways that plants mean (Pint knows many more: "min" is milli-inches to it, too)."""
    for plural in ("", "s"):
        stem = symbol.removesuffix(plural) if symbol.endswith(plural) else ""
        for text, prefix in _PREFIX_OF.items():
            name = stem.removeprefix(text)
            # Symbols of one letter have no plural.
            if stem.startswith(text) and name in _UNIT_OF and not (plural and len(name) == 1):
                return prefix, _UNIT_OF[name]
    return None


def _one_factor(symbol: str) -> tuple[str, int] | None:
    """Unit, by Pint's name, and power of a symbol that is no product; None for others."""
    factors = FACTOR.findall(normal(symbol))
    if "/" in symbol or len(factors) != 1:
        return None
    found = atom(factors[0][0])
    # A typographic minus is no minus to `int`.
    power = factors[0][1].replace("−", "-") or "1"
    return None if found is None else (found[1], int(power))


@lru_cache(maxsize=1024)
def _dimension(symbol: str) -> Dimension:
    found = _one_factor(symbol)
    if found is None:
        return Dimension.LEVEL
    unit, power = found
    # By dimension and not by name: mm, ft and m are all lengths.
    base, exponent = _POWER_OF.get(unit, ("", 0))
    return _DIMENSIONS.get((base, exponent * power), Dimension.LEVEL)


def _has_own_zero(symbol: str) -> bool:
    found = _one_factor(symbol)
    return found is not None and found[1] == 1 and found[0] in OWN_ZERO

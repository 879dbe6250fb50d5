"""Units: what a difference between two readings is measured in, and what there is more or less of.
How a language writes them is in its folder (:mod:`explainers.wording.conventions`)."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from enum import StrEnum
from functools import cache, lru_cache

import pint

from explainers.wording.conventions import canonical, conventions_of
from explainers.wording.text import clean

_PERCENT = frozenset({"%"})
FACTOR = re.compile(r"([^\d\s·*⋅×/^().\-−]+)\^?([-−]?\d{1,2})?")
"""One factor of a unit, its power behind it."""

GAUGE = {
    "barg": "bar", "bara": "bar", "bar(g)": "bar", "bar(a)": "bar", "psig": "psi", "psia": "psi",
    "kPag": "kPa", "MPag": "MPa", "dBm": "dB", "pH": "",
}  # fmt: skip
"""Scales with a zero of their own: a difference on them has another unit."""

PREFIXES = frozenset(
    [
        "",
        *(
            "yotta zetta exa peta tera giga mega kilo hecto deca deci centi milli micro nano pico "
            "femto atto kibi mebi gibi"
        ).split(),
    ]
)
UNITS = frozenset(
    (
        "meter gram metric_ton ton second minute hour day week month year ampere kelvin mole "
        "candela degree_Celsius degree_Fahrenheit degree radian steradian hertz newton pascal bar "
        "joule watt watt_hour coulomb volt farad henry ohm siemens weber tesla gauss lumen lux "
        "becquerel gray sievert katal liter calorie inch foot yard mile pound ounce gallon "
        "horsepower metric_horsepower pound_force_per_square_inch pound_force kilogram_force "
        "standard_atmosphere torr poise stokes electron_volt percent permille ppm decibel "
        "decibelmilliwatt bit byte revolutions_per_minute cubic_centimeter volt_ampere knot "
        "hectare angstrom micron arcminute arcsecond british_thermal_unit revolutions_per_second "
        "number_meter denier"
    ).split()
)
"""Pint's names of what plants write."""


class Dimension(StrEnum):
    """What a unit measures, as far as words depend on it."""

    TIME = "time"
    LENGTH = "length"
    AMOUNT = "amount"
    """Mass, volume, money, pieces: what there is more or less of."""
    LEVEL = "level"
    """Everything else: higher or lower."""


_DIMENSIONS = {Dimension.TIME: {"[time]": 1}, Dimension.LENGTH: {"[length]": 1}}
_AMOUNTS = ({"[mass]": 1}, {"[length]": 3}, {"[substance]": 1})
_COUNTS = frozenset(
    "time 번 pc person case 세 cycle rev USD EUR KRW JPY GBP DM".split()
)  # what there is more or less of, unknown to Pint as such


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit as a schema declares it."""

    symbol: str

    @classmethod
    def of(cls, symbol: str) -> Unit:
        return cls(clean(symbol))

    def learn(self) -> None:
        """Look the unit up now: the first look reads Pint's definitions, which takes a while."""
        _dimension(self.symbol)

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
    """Prefix and unit, by Pint's names, of one symbol without power: the first way to read it
    that plants mean (Pint knows many more)."""
    # Pint also reads "min" as milli-inches and "cd" as centi-days: what plants mean is listed.
    for prefix, unit, _ in _registry().parse_unit_name(symbol):
        if prefix in PREFIXES and unit in UNITS:
            return prefix, unit
    return None


def _one_factor(symbol: str) -> tuple[str, int] | None:
    """Unit, by Pint's name, and power of a symbol that is no product; None for others.

    Only such symbols are given to Pint: its parser would also compute ``9**9**9``.
    """
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
    sizes = {k: v * power for k, v in _registry().get_dimensionality(unit).items()}
    for name, measured in _DIMENSIONS.items():
        if sizes == measured:
            return name
    return Dimension.AMOUNT if sizes in _AMOUNTS else Dimension.LEVEL


@lru_cache(maxsize=1024)
def _has_own_zero(symbol: str) -> bool:
    found = _one_factor(symbol)
    if found is None or found[1] != 1:
        return False
    # 0 of such a unit is not 0 of its base unit: 0 °C are 273.15 K.
    return bool(_registry().Quantity(0.0, found[0]).to_base_units().magnitude != 0.0)


@cache
def _registry() -> pint.UnitRegistry[float]:
    # Made once, as reading the definitions takes a while; no cache
    # folder: explainers write no files.
    return pint.UnitRegistry(cache_folder=None)

"""Units in words: how they are written in each language, said in Korean, and what a difference
between two readings is measured in."""

from __future__ import annotations

import re
import unicodedata
from dataclasses import dataclass
from enum import StrEnum
from functools import cache, lru_cache

import pint

from explainers.wording.text import clean
from explainers.wording.unit_names import (
    ALONE,
    AMOUNTS,
    GAUGE,
    LENGTHS,
    PER,
    PLANT,
    PREFIXES,
    UNITS,
    WRITTEN,
)

_WRITTEN = {symbol: row for row in WRITTEN for symbol in row.symbols}
_PERCENT = frozenset({"%"})
_PREFIX_SIGNS = frozenset("$€£¥₩")
_REMARK = re.compile(r"[^/·*(]\(")
"""Brackets that hold a remark rather than a divisor."""
_FACTOR = re.compile(r"([^\d\s·*⋅×/^().\-−]+)\^?([-−]?\d{1,2})?")


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


@dataclass(frozen=True, slots=True)
class Unit:
    """A unit as a schema declares it."""

    symbol: str

    @classmethod
    def of(cls, symbol: str) -> Unit:
        return cls(clean(symbol))

    def learn(self) -> None:
        """Look the unit up now: the first look reads Pint's definitions, which takes a while."""
        spoken(self.symbol)
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
        row = _WRITTEN.get(self.symbol)
        if row is not None and row.korean in AMOUNTS:
            return Dimension.AMOUNT
        return _dimension(row.symbols[0] if row is not None else self.symbol)

    def behind(self, number: str, language: str) -> str:
        """``number`` with the unit: 53.2 Nm, 216분, $5,000, 45°."""
        symbol = self.symbol
        if not symbol:
            return number
        if language == "en" and symbol in _PREFIX_SIGNS:
            sign = "-" if number.startswith("-") else ""
            return f"{sign}{symbol}{number.removeprefix('-')}"
        if symbol == "pH":
            return f"pH {number}"
        if symbol == "%p" and language == "en":
            return f"{number} percentage {'point' if number == '1' else 'points'}"
        row = _WRITTEN.get(symbol)
        if row is not None and language == "ko":
            return f"{number}{row.korean}"
        if row is not None:
            return f"{number} {row.one if number == '1' else row.many}"
        glue = "" if symbol == "°" or (language == "ko" and _is_hangul(symbol)) else " "
        return f"{number}{glue}{symbol}"

    def stands_in_front(self, language: str) -> bool:
        """Whether it must be repeated with each of two numbers: $4 instead of $5."""
        return self.symbol == "pH" or (language == "en" and self.symbol in _PREFIX_SIGNS)


def is_unmistakable(text: str) -> bool:
    """Whether ``text``, without a number, is nothing but a unit."""
    return text in ALONE or _normal(text) in _ALONE


@lru_cache(maxsize=1024)
def spoken(symbol: str) -> str | None:
    """Korean name of a unit, ``"밀리그램 퍼 세제곱미터"``; None where it is not known."""
    symbol = clean(symbol)
    for name in (symbol, _normal(symbol)):
        if name in PLANT:
            return PLANT[name]
        if name in _PLANT:
            return _PLANT[name]
        if name in _WRITTEN:
            return _WRITTEN[name].korean
    return _spoken_product(_normal(symbol))


def _spoken_product(symbol: str) -> str | None:
    """밀리그램 퍼 세제곱미터: factors in their order, 퍼 where the divisor begins."""
    if _REMARK.search(symbol):
        return None
    above, *below = symbol.split("/")
    text, dividing = "", False
    for place, part in enumerate(("" if above == "1" else above, *below)):
        for name, power in _FACTOR.findall(part):
            degree = int(power.replace("−", "-") or "1")
            per = place > 0 or degree < 0
            said = _spoken_factor(name, abs(degree), per=per)
            if said is None:
                return None
            text += (" 퍼 " if per and not dividing else "") + said
            dividing = per
    return text.strip() or None


def _spoken_factor(name: str, degree: int, *, per: bool) -> str | None:
    if "가" <= name[-1] <= "힣":
        return name
    atom = _atom(name)
    if atom is None:
        return None
    prefix, unit = atom
    said = PREFIXES[prefix] + (PER.get(unit, UNITS[unit]) if per else UNITS[unit])
    if degree == 1:
        return said
    power = {2: "제곱", 3: "세제곱"}.get(degree, f"{degree}제곱")
    return power + said if unit in LENGTHS else f"{said} {power}"


def _atom(name: str) -> tuple[str, str] | None:
    """Prefix and unit, by Pint's names, of one symbol; None where it has no Korean name."""
    for prefix, unit, _ in _registry().parse_unit_name(name):
        if prefix in PREFIXES and unit in UNITS:
            return prefix, unit
    return None


def _one_factor(symbol: str) -> tuple[str, int] | None:
    """Unit, by Pint's name, and power of a symbol that is no product; None for others.

    Only such symbols are given to Pint: its parser would also compute ``9**9**9``.
    """
    factors = _FACTOR.findall(_normal(symbol))
    if "/" in symbol or len(factors) != 1:
        return None
    atom = _atom(factors[0][0])
    power = factors[0][1].replace("−", "-") or "1"
    return None if atom is None else (atom[1], int(power))


@lru_cache(maxsize=1024)
def _dimension(symbol: str) -> Dimension:
    found = _one_factor(symbol)
    if found is None:
        return Dimension.LEVEL
    unit, power = found
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
    return bool(_registry().Quantity(0.0, found[0]).to_base_units().magnitude != 0.0)


@cache
def _registry() -> pint.UnitRegistry[float]:
    return pint.UnitRegistry(cache_folder=None)


def _normal(symbol: str) -> str:
    """Compatibility characters and powers as plain ones: ㎎/㎥ and mg/m³ as mg/m3."""
    return unicodedata.normalize("NFKC", symbol)


def _is_hangul(symbol: str) -> bool:
    return "가" <= symbol[0] <= "힣"


_PLANT = {_normal(symbol): name for symbol, name in PLANT.items()}
_ALONE = frozenset(_normal(symbol) for symbol in ALONE)

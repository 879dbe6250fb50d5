"""Units as they are said in Korean: particles follow the sound."""

from __future__ import annotations

import re
from functools import lru_cache

from ifonly.explainers.wording.conventions import canonical
from ifonly.explainers.wording.ko.conventions import WORDS
from ifonly.explainers.wording.ko.unit_names import ALONE, LENGTHS, PER, PLANT, PREFIXES, UNITS
from ifonly.explainers.wording.text import clean
from ifonly.explainers.wording.units import FACTOR, atom, normal

_REMARK = re.compile(r"[^/·*(]\(")
"""Brackets that hold a remark rather than a divisor."""
_PLANT = {normal(symbol): name for symbol, name in PLANT.items()}
_ALONE = frozenset(normal(symbol) for symbol in ALONE)


def is_unmistakable(text: str) -> bool:
    """Whether ``text``, without a number, is nothing but a unit."""
    return text in ALONE or normal(text) in _ALONE


@lru_cache(maxsize=1024)
def spoken(symbol: str) -> str | None:
    """Korean name of a unit, ``"밀리그램 퍼 세제곱미터"``; None where it is not known."""
    symbol = clean(symbol)
    for name in (symbol, normal(symbol)):
        known = PLANT.get(name) or _PLANT.get(name) or WORDS.get(canonical(name))
        if known:
            return known
    return _spoken_product(normal(symbol))


def _spoken_product(symbol: str) -> str | None:
    """밀리그램 퍼 세제곱미터: factors in their order, 퍼 where the divisor begins."""
    if _REMARK.search(symbol):
        return None
    above, *below = symbol.split("/")
    text, dividing = "", False
    for place, part in enumerate(("" if above == "1" else above, *below)):
        for name, power in FACTOR.findall(part):
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
    found = atom(name)
    if found is None:
        return None
    prefix, unit = found
    said = PREFIXES[prefix] + (PER.get(unit, UNITS[unit]) if per else UNITS[unit])
    if degree == 1:
        return said
    power = {2: "제곱", 3: "세제곱"}.get(degree, f"{degree}제곱")
    return power + said if unit in LENGTHS else f"{said} {power}"

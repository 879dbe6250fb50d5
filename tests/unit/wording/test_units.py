from __future__ import annotations

import itertools
from functools import cache

import pint
import pytest

from ifonly.explainers.wording.ko.spoken_units import is_unmistakable, spoken
from ifonly.explainers.wording.ko.unit_names import ALONE, PLANT
from ifonly.explainers.wording.unit_data import OWN_ZERO, POWERS, PREFIXES, UNITS
from ifonly.explainers.wording.units import Dimension, Unit, atom


@pytest.mark.parametrize(
    ("symbol", "name"),
    [
        ("Nm", "뉴턴미터"), ("N·m", "뉴턴미터"), ("N*m", "뉴턴미터"), ("kN", "킬로뉴턴"),
        ("rpm", "알피엠"), ("°C", "도"), ("℃", "도"), ("degC", "도"), ("K", "켈빈"),
        ("MPa", "메가파스칼"), ("mbar", "밀리바"), ("%", "퍼센트"), ("m²", "제곱미터"),
        ("m^3", "세제곱미터"), ("㎥", "세제곱미터"), ("cm3", "세제곱센티미터"),
        ("mm/s", "밀리미터 퍼 세컨드"), ("mg/m³", "밀리그램 퍼 세제곱미터"),
        ("㎍/㎥", "마이크로그램 퍼 세제곱미터"), ("L/min", "리터 퍼 미닛"),
        ("m·s⁻¹", "미터 퍼 세컨드"), ("1/s", "퍼 세컨드"), ("s⁻¹", "퍼 세컨드"),
        ("W/(m²·K)", "와트 퍼 제곱미터켈빈"), ("kg·m²", "킬로그램제곱미터"),
        ("A²", "암페어 제곱"), ("pH", "피에이치"), ("min", "분"), ("초", "초"), ("kΩ", "킬로옴"),
        ("m/m", "미터 퍼 미터"),
    ],
)  # fmt: skip
def test_a_unit_has_a_korean_name(symbol: str, name: str):
    assert spoken(symbol) == name


@pytest.mark.parametrize("symbol", ["foo", "", "9**9**9", "K(절대)", "中"])
def test_what_is_no_unit_has_no_name(symbol: str):
    assert spoken(symbol) is None


def test_every_unit_that_stands_alone_has_a_name():
    assert [u for u in (*ALONE, *PLANT) if spoken(u) is None] == []
    assert not is_unmistakable("L")


@pytest.mark.parametrize(
    ("symbol", "number", "english", "korean"),
    [
        ("Nm", "53.2", "53.2 Nm", "53.2 Nm"), ("min", "216", "216 min", "216분"),
        ("h", "2", "2 h", "2시간"), ("분", "216", "216 min", "216분"), ("%", "60", "60 %", "60 %"),
        ("", "5", "5", "5"), ("°", "45", "45°", "45°"), ("°C", "-5", "-5 °C", "-5 °C"),
        ("$", "5,000", "$5,000", "5,000달러"), ("$", "-5", "-$5", "-5달러"),
        ("USD", "5", "5 USD", "5달러"), ("pH", "7", "pH 7", "pH 7"),
        ("year", "1", "1 year", "1년"), ("years", "2", "2 years", "2년"),
        ("회", "3", "3 times", "3회"),
        ("%p", "1", "1 percentage point", "1 %p"), ("%p", "5", "5 percentage points", "5 %p"),
        ("만원", "5", "5 만원", "5만원"), ("ea", "5", "5 ea", "5 ea"),
    ],
)  # fmt: skip
def test_a_number_is_written_with_its_unit(symbol: str, number: str, english: str, korean: str):
    unit = Unit.of(symbol)
    assert (unit.behind(number, "en"), unit.behind(number, "ko")) == (english, korean)


@pytest.mark.parametrize(
    ("symbol", "difference"),
    [
        ("%", "%p"),
        ("°C", "°C"),
        ("K", "K"),
        ("barg", "bar"),
        ("dBm", "dB"),
        ("pH", ""),
        ("Nm", "Nm"),
    ],
)
def test_a_difference_has_a_unit_of_its_own(symbol: str, difference: str):
    assert Unit.of(symbol).difference.symbol == difference


@pytest.mark.parametrize("symbol", ["°C", "℃", "degC", "°F", "barg", "pH", "dBm"])
def test_a_scale_with_a_zero_of_its_own_is_told(symbol: str):
    assert Unit.of(symbol).has_own_zero


@pytest.mark.parametrize("symbol", ["K", "Nm", "rpm", "%", "bar", "", "foo", "9**9**9", "°C/min"])
def test_other_scales_begin_at_nothing(symbol: str):
    assert not Unit.of(symbol).has_own_zero


@pytest.mark.parametrize(
    ("symbol", "dimension"),
    [
        ("min", Dimension.TIME), ("분", Dimension.TIME), ("ms", Dimension.TIME),
        ("mm", Dimension.LENGTH), ("inch", Dimension.LENGTH), ("kg", Dimension.AMOUNT),
        ("L", Dimension.AMOUNT), ("m³", Dimension.AMOUNT), ("개", Dimension.AMOUNT),
        ("USD", Dimension.AMOUNT), ("m²", Dimension.LEVEL), ("Nm", Dimension.LEVEL),
        ("°C", Dimension.LEVEL), ("mm/s", Dimension.LEVEL), ("", Dimension.LEVEL),
    ],
)  # fmt: skip
def test_what_a_unit_measures_is_known(symbol: str, dimension: Dimension):
    assert Unit.of(symbol).dimension is dimension


@cache
def by_pint() -> pint.UnitRegistry[float]:
    return pint.UnitRegistry(cache_folder=None)


def spellings(table: dict[str, str]) -> list[str]:
    return [text for name, more in table.items() for text in (name, *more.split())]


def test_every_symbol_is_read_as_pint_reads_it() -> None:
    written = itertools.product(spellings(PREFIXES), spellings(UNITS), ("", "s"))
    foreign = ["", "s", "ss", "kgf", "kip", "furlong", "mil", "cm", "yd", "H2O", "mmHg", "foo"]
    for symbol in (*map("".join, written), *foreign):
        read = by_pint().parse_unit_name(symbol)
        expected = next(((p, u) for p, u, _ in read if p in PREFIXES and u in UNITS), None)
        assert atom(symbol) == expected, symbol


@pytest.mark.parametrize("unit", UNITS)
def test_a_unit_measures_what_pint_says(unit: str) -> None:
    sizes = by_pint().get_dimensionality(unit)
    known = {f"[{base}]" for base, _ in POWERS}
    own = next((power for power, units in POWERS.items() if unit in units.split()), None)
    if own is None:
        assert len(sizes) != 1 or not set(sizes) <= known
    else:
        assert dict(sizes) == {f"[{own[0]}]": own[1]}
    zero = by_pint().Quantity(0.0, unit).to_base_units().magnitude
    assert (zero != 0.0) == (unit in OWN_ZERO)

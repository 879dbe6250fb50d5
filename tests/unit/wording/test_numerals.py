from __future__ import annotations

from decimal import Decimal

import pytest
from babel.numbers import format_decimal

from ifonly.explainers.wording import LANGUAGES
from ifonly.explainers.wording.conventions import conventions
from ifonly.explainers.wording.numerals import (
    apart,
    ceiling_percent,
    decimal,
    difference,
    exact_percentage,
    exactly,
    figure,
    percentage,
    shown,
    write,
)


@pytest.mark.parametrize(
    ("value", "text"),
    [
        (0.0, "0"), (-0.0, "0"), (53.0, "53"), (53.2, "53.2"), (1282.0, "1,282"),
        (1234567.5, "1,234,567.5"), (-7.5, "-7.5"), (0.1 + 0.2, "0.30000000000000004"),
        (0.000001, "0.000001"), (1.2e-7, "1.2×10⁻⁷"), (1e15, "1×10¹⁵"), (5e-324, "5×10⁻³²⁴"),
        (123456789012345.0, "123,456,789,012,345"),
    ],
)  # fmt: skip
def test_all_digits_are_written_and_thousands_grouped(value: float, text: str):
    assert write(decimal(value)) == text


@pytest.mark.parametrize("locale", [conventions(tag).locale for tag in LANGUAGES])
@pytest.mark.parametrize("value", [0.5, -1282.0, 1234567.5, -123456789012345.0, 0.000001])
def test_numbers_are_written_as_the_common_locale_data_have_them(value: float, locale: str):
    theirs = format_decimal(decimal(value), locale=locale, decimal_quantization=False)
    assert write(decimal(value)) == theirs


def test_a_difference_is_that_of_the_decimals_not_of_the_doubles():
    assert 308.4 - 300.3 != 8.1
    assert difference(decimal(308.4), decimal(300.3)) == Decimal("8.1")
    assert difference(decimal(1e300), decimal(1e-300)) > Decimal("9e299")


def test_digits_that_were_meant_are_kept():
    assert shown(Decimal("60.73"), Decimal("0.1")) == shown(Decimal("60.73"))
    assert shown(Decimal("60.73"), Decimal("0.1")).exact


def test_the_noise_of_a_float_is_cut_and_said_to_be():
    noisy = shown(decimal(float.fromhex("0x1.e599ap+5")), Decimal("0.1"))
    assert (noisy.value, noisy.exact) == (Decimal("60.7"), False)
    without_grid = shown(Decimal("60.700000762939453"))
    assert (without_grid.value, without_grid.exact) == (Decimal("60.7"), False)


def test_what_would_be_cut_to_nothing_keeps_six_digits():
    tiny = shown(Decimal("0.000000762939453125"), Decimal("0.1"))
    assert (tiny.value, tiny.exact) == (Decimal("7.62939E-7"), False)


@pytest.mark.parametrize(
    ("value", "limit", "rounded"),
    [
        ("47.00001", "42", "47"), ("42.00001", "42", "42.00001"), ("41.99999", "42", "41.99999"),
        ("41.6", "42", "41.6"), ("42", "42", "42"), ("7.4", None, "7"),
    ],
)  # fmt: skip
def test_a_rounded_number_stays_on_its_side_of_the_limit(
    value: str, limit: str | None, rounded: str
):
    number = apart(Decimal(value), None if limit is None else Decimal(limit))
    assert number.value == Decimal(rounded)
    assert number.exact == (Decimal(value) == Decimal(rounded))


@pytest.mark.parametrize(("gap", "percent"), [(0.115, 12), (0.12, 12), (0.001, 1), (0.07, 7)])
def test_a_gap_is_never_said_smaller_than_it_is(gap: float, percent: int):
    assert ceiling_percent(gap) == percent


@pytest.mark.parametrize(
    ("share", "limit", "text"),
    [
        (0.93, None, "93.0 %"), (0.87654, None, "87.7 %"), (0.25, None, "25.0 %"),
        (0.0, None, "0.0 %"), (1.0, None, "100.0 %"),
        (0.99997, None, "99.997 %"), (0.9996, None, "99.96 %"), (0.0004, None, "0.04 %"),
        (0.49999, 0.5, "49.999 %"), (0.50001, 0.5, "50.001 %"), (0.5, 0.5, "50.0 %"),
        (1e-30, None, "< 0.001 %"), (0.999999, None, "> 99.999 %"), (0.99999, None, "99.999 %"),
        (0.00001, None, "0.001 %"), (0.000004, None, "< 0.001 %"), (0.999999, 0.45, "> 99.999 %"),
        (0.9999993, 0.9999995, "99.9999 %"), (0.9999997, 0.9999995, "99.99997 %"),
        (0.9999995, 0.9999995, "99.99995 %"), (2e-7, 1e-7, "0.00002 %"),
    ],
)  # fmt: skip
def test_a_share_is_never_shown_as_an_edge_that_it_has_not_reached(
    share: float, limit: float | None, text: str
):
    assert percentage(share, limit) == text


def test_a_declared_share_has_all_its_digits():
    assert [exact_percentage(x) for x in (0.6, 0.995, 1.0)] == ["60 %", "99.5 %", "100 %"]


@pytest.mark.parametrize(
    ("value", "text"),
    [(0.42391, "0.4239"), (12345.6, "12,350"), (2.0, "2"), (-0.5, "-0.5"), (1e-9, "1×10⁻⁹")],
)
def test_a_computed_number_has_the_digits_that_say_enough(value: float, text: str):
    assert figure(value) == text
    assert figure(value, signed=True) == (text if value < 0 else f"+{text}")


def test_a_number_that_was_meant_has_all_its_digits():
    assert [exactly(x) for x in (1282, 0.1, 60.73)] == ["1,282", "0.1", "60.73"]

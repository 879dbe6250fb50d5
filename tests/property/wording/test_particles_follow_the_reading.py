"""Particles against a reader of numbers that was written apart: 1,380 is 천삼백팔십."""

from __future__ import annotations

import unicodedata
from decimal import Decimal

from hypothesis import example, given, settings
from hypothesis import strategies as st

from ifonly.explainers.wording.ko.particles import OBJECT, SUBJECT, TO, TOPIC, attach
from ifonly.explainers.wording.numerals import write

DIGITS = {0: "영", 1: "일", 2: "이", 3: "삼", 4: "사", 5: "오", 6: "육", 7: "칠", 8: "팔", 9: "구"}
UNITS = {
    "Nm": "뉴턴미터",
    "rpm": "알피엠",
    "K": "켈빈",
    "°C": "도",
    "%": "퍼센트",
    "kW": "킬로와트",
    "bar": "바",
    "MPa": "메가파스칼",
    "Hz": "헤르츠",
    "mm/s": "밀리미터 퍼 세컨드",
    "mg/m³": "밀리그램 퍼 세제곱미터",
    "dB": "데시벨",
    "kg": "킬로그램",
    "L": "리터",
    "A": "암페어",
    "m²": "제곱미터",
    "분": "분",
    "시간": "시간",
    "J": "줄",
    "N": "뉴턴",
}


def read_group(number: int) -> str:
    """0 < number < 10,000: 1,282 is 천이백팔십이."""
    text = ""
    for power, name in ((1000, "천"), (100, "백"), (10, "십"), (1, "")):
        digit = number // power % 10
        if digit:
            text += ("" if digit == 1 and name else DIGITS[digit]) + name
    return text


def read_whole(number: int) -> str:
    if number == 0:
        return "영"
    text = ""
    for power, name in ((10**16, "경"), (10**12, "조"), (10**8, "억"), (10**4, "만"), (1, "")):
        group = number // power % 10_000
        if group:
            text += read_group(group) + name
    return text


def read(number: Decimal) -> str:
    whole, _, decimals = f"{abs(number):f}".partition(".")
    text = ("마이너스 " if number < 0 else "") + read_whole(int(whole))
    return text + (" 점 " + "".join(DIGITS[int(d)] for d in decimals) if decimals else "")


def final(spoken: str) -> str:
    """The conjoining jamo that ends the last syllable: the consonant, or nothing."""
    jamo = unicodedata.normalize("NFD", spoken[-1])
    return jamo[2:]


def expected(spoken: str) -> tuple[str, str, str, str]:
    """이/가, 은/는, 을/를, 으로/로."""
    consonant = final(spoken)
    if not consonant:
        return "가", "는", "를", "로"
    return "이", "은", "을", "로" if consonant == "ᆯ" else "으로"


def attached(text: str) -> tuple[str, ...]:
    return tuple(attach(text, p).removeprefix(text) for p in (SUBJECT, TOPIC, OBJECT, TO))


wholes = st.integers(-(10**15) + 1, 10**15 - 1)
round_ones = st.builds(lambda d, z: d * 10**z, st.integers(1, 99), st.integers(0, 13))
decimals = st.decimals(-100_000, 100_000, places=3, allow_nan=False)


@settings(deadline=None)
@given(st.one_of(wholes, round_ones))
@example(0)
@example(10)
@example(10_000)
@example(10**8)
@example(10**12)
def test_a_whole_number_is_followed_as_it_is_read(number: int):
    assert attached(str(number)) == expected(read(Decimal(number)))
    assert attached(f"{number:,}") == expected(read(Decimal(number)))


@settings(deadline=None)
@given(decimals)
def test_a_decimal_is_followed_as_it_is_read(number: Decimal):
    assert attached(str(number)) == expected(read(number))


@settings(deadline=None)
@given(decimals, st.sampled_from(sorted(UNITS)))
def test_a_quantity_is_followed_as_its_unit_is_read(number: Decimal, symbol: str):
    glue = "" if symbol in ("분", "시간") else " "
    assert attached(f"{write(number)}{glue}{symbol}") == expected(UNITS[symbol])


@settings(deadline=None)
@given(st.text(st.characters(min_codepoint=0xAC00, max_codepoint=0xD7A3), min_size=1))
def test_hangul_is_followed_as_its_last_syllable(word: str):
    assert attached(word) == expected(word)
    assert attached(f"'{word}'") == expected(word)
    assert attached(f"{word}(Nm)") == expected(word)


@settings(deadline=None)
@given(st.text(max_size=20))
def test_any_text_at_all_gets_some_form(text: str):
    assert attached(text) in {
        ("가", "는", "를", "로"),
        ("이", "은", "을", "로"),
        ("이", "은", "을", "으로"),
        ("이(가)", "은(는)", "을(를)", "(으)로"),
    }

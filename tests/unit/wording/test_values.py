"""Readings and changes of one feature."""

from __future__ import annotations

import math
from decimal import Decimal

import pytest

from ifonly.explainers.answer import Action
from ifonly.explainers.wording import Wording
from ifonly.models.schema import Category, Feature, Kind, Schema
from tests.unit.wording.plant import (
    AIR,
    BETTER_QUALITY,
    OIL,
    OIL_UP,
    QUALITY,
    SPEED,
    SPEED_FOLLOWS,
    SPEED_UP,
    TOOL_REPLACED,
    TORQUE,
    TORQUE_DOWN,
    TORQUE_EMPTIED,
    TORQUE_FILLED,
    VALVE,
    VALVE_DOWN,
    WEAR,
    binary,
    feature,
    wording,
)


@pytest.mark.parametrize(
    ("column", "value", "english", "korean"),
    [
        (TORQUE, 53.2, "53.2 Nm", "53.2 Nm"),
        (TORQUE, 53.0, "53 Nm", "53 Nm"),
        (TORQUE, 60.70000076293945, "about 60.7 Nm", "약 60.7 Nm"),
        (TORQUE, math.nan, "missing", "누락"),
        (SPEED, 1282.0, "1,282 rpm", "1,282 rpm"),
        (WEAR, 216.0, "216 min", "216분"),
        (AIR, 298.9, "298.9 K", "298.9 K"),
        (OIL, -5.0, "-5 °C", "-5 °C"),
        (VALVE, 40.0, "40 %", "40 %"),
        (QUALITY, 2.0, "H", "H"),
    ],
)
def test_a_reading_is_said_with_its_unit(column: int, value: float, english: str, korean: str):
    words = wording()
    assert (words.value(column, value, "en"), words.value(column, value, "ko")) == (english, korean)


@pytest.mark.parametrize(
    ("action", "english", "korean"),
    [
        (TORQUE_DOWN, "7.5 Nm lower", "7.5 Nm 더 낮음"),
        (SPEED_UP, "98 rpm higher", "98 rpm 더 높음"),
        (SPEED_FOLLOWS, "about 109 rpm higher", "약 109 rpm 더 높음"),
        (TOOL_REPLACED, "the tool replaced", "공구를 교체"),
        (BETTER_QUALITY, "H instead of L", "L 대신 H"),
        (VALVE_DOWN, "5 percentage points lower", "5 %p 더 낮음"),
        (OIL_UP, "10 °C higher", "10 °C 더 높음"),
        (TORQUE_FILLED, "53.2 Nm instead of missing", "누락 대신 53.2 Nm"),
        (TORQUE_EMPTIED, "missing instead of 60.7 Nm", "60.7 Nm 대신 누락"),
    ],
)
def test_a_change_is_said_for_a_table(action: Action, english: str, korean: str):
    assert (wording().change(action, "en"), wording().change(action, "ko")) == (english, korean)


@pytest.mark.parametrize(
    ("label", "unit", "lower", "higher"),
    [
        ("오일 온도", "°C", "낮음", "높음"), ("사이클 시간", "s", "짧음", "긺"),
        ("두께", "mm", "얇음", "두꺼움"), ("직경", "mm", "작음", "큼"), ("갭", "mm", "작음", "큼"),
        ("유량", "L/min", "적음", "많음"), ("중량", "kg", "가벼움", "무거움"),
        ("냉각수", "L", "적음", "많음"), ("공구 마모", "min", "적음", "많음"),
        ("대출 금액", "USD", "적음", "많음"), ("회전수", "rpm", "낮음", "높음"),
        ("간격", "mm", "좁음", "넓음"), ("깊이", "mm", "얕음", "깊음"),
        ("높이", "mm", "낮음", "높음"),
    ],
)  # fmt: skip
def test_the_korean_adjective_fits_the_quantity(label: str, unit: str, lower: str, higher: str):
    words = Wording(Schema((feature("x", label, unit, "1"),)), binary(), {})
    assert words.change(Action(0, 5.0, 4.0), "ko").endswith(f" 더 {lower}")
    assert words.change(Action(0, 5.0, 6.0), "ko").endswith(f" 더 {higher}")


@pytest.mark.parametrize(
    ("label", "unit", "higher"),
    [("torque", "Nm", "higher"), ("cycle time", "s", "longer"), ("gap", "mm", "larger")],
)
def test_the_english_comparative_fits_the_quantity(label: str, unit: str, higher: str):
    words = Wording(Schema((feature("x", "엑스", unit, "1", en=label),)), binary(), {})
    assert words.change(Action(0, 5.0, 6.0), "en").endswith(f" {higher}")


def test_the_range_in_which_it_stays_flipped_is_said():
    words = wording()
    assert words.sufficient_range(TORQUE_DOWN, "en") == "anywhere between 38 and 53.2 Nm"
    assert words.sufficient_range(TORQUE_DOWN, "ko") == "38~53.2 Nm 사이"
    assert words.sufficient_range(SPEED_UP, "en") is None
    assert words.sufficient_range(Action(TORQUE, 1.0, 2.0, (2.0, 2.0)), "en") == "2 Nm"


def test_a_label_is_one_line_of_visible_text():
    odd = Feature(
        "t\x00orque",
        Kind.CONTINUOUS,
        "N\nm",
        resolution=Decimal("0.1"),
        labels={"en": "tor\nque\u202e \u2028(main)\t ", "ko": "\x07"},
    )
    words = Wording(Schema((odd,)), binary(), {})
    assert words.label(0, "en") == "tor que (main)"
    assert words.label(0, "ko") == "t orque"
    assert words.value(0, 1.5, "en") == "1.5 N m"


def test_a_feature_without_labels_is_called_by_its_name():
    words = Wording(
        Schema((Feature("tool_wear", Kind.NOMINAL, categories=(Category("a_b"),)),)), binary(), {}
    )
    assert words.label(0, "ko") == "tool wear"
    assert words.value(0, 0.0, "ko") == "a_b"

"""The rule language: what it reads, and how it says no."""

from __future__ import annotations

from decimal import Decimal

import numpy as np
import pytest

from ifonly.explainers.constraints import Origin, Source
from ifonly.explainers.constraints.rule import read_rule
from ifonly.explainers.errors import InvalidRule
from ifonly.explainers.grammar import MAX_LENGTH
from ifonly.models.schema import Category, Feature, Kind, Schema

SCHEMA = Schema(
    (
        Feature("air", Kind.CONTINUOUS, "K", 0, 400, Decimal("0.1")),
        Feature("process", Kind.CONTINUOUS, "K", 0, 400, Decimal("0.1")),
        Feature("tool_wear", Kind.INTEGER, "min", 0, 300, Decimal(1)),
        Feature("quality", Kind.ORDINAL, categories=tuple(map(Category, "LMH"))),
        Feature("mode", Kind.NOMINAL, categories=(Category("auto"), Category("절전"))),
        Feature("토크 [Nm]", Kind.CONTINUOUS, "Nm", 0, 100, Decimal("0.1")),
    )
)
ORIGIN = Origin(Source.POLICY, "policy.rules.0")
BEFORE = np.array([300.4, 308.4, 216.0, 0.0, 0.0, 60.7])


def keeps(text: str, **values: float) -> bool:
    row = BEFORE.copy()
    for name, value in values.items():
        row[SCHEMA.index({"torque": "토크 [Nm]"}.get(name, name))] = value
    return bool(read_rule(text, SCHEMA, ORIGIN).holds(row[None, :], BEFORE)[0])


@pytest.mark.parametrize(
    ("text", "kept", "broken"),
    [
        ("process - air >= 8", {}, {"process": 308.3}),
        ("process - air > 8", {"process": 308.5}, {}),
        ("-air + 1*process + 2 == 10", {}, {"air": 300.5}),
        ("process != 308.4", {"process": 308.5}, {}),
        ("tool_wear / 4 < 54", {"tool_wear": 215}, {}),
        ("process' <= 1.01 * process", {"process": 311.4}, {"process": 311.5}),
        ("process' >= process", {}, {"process": 308.3}),
        ("if tool_wear changes then tool_wear == 0", {"tool_wear": 0}, {"tool_wear": 1}),
        ("if air stays then process < 309", {"air": 1, "process": 310}, {"process": 310}),
        ('if quality == "L" then `토크 [Nm]` <= 60', {"quality": 1}, {}),
        ('quality >= "M"', {"quality": 2}, {}),
        ('quality != "H"', {}, {"quality": 2}),
        ('mode in ["auto", "절전"]', {}, {"mode": np.nan}),
        ('mode not in ["auto"]', {"mode": 1}, {}),
        ("air >= 300 and process >= 308", {}, {"air": 299}),
        (
            'if quality == "L" and tool_wear > 200 then process < 308 and air < 300',
            {"process": 307, "air": 299},
            {"process": 307},
        ),
    ],
)
def test_a_rule_means_what_it_says(
    text: str, kept: dict[str, float], broken: dict[str, float]
) -> None:
    assert keeps(text, **kept)
    assert not keeps(text, **broken)


@pytest.mark.parametrize(
    ("text", "problem"),
    [
        ("process >", "at column 10: the end is not expected"),
        ("process ?? air", "at column 9: '?' is not expected"),
        ("", "at column 1: the end"),
        ("pressure > 3", "pressure is not a feature of this model (air, process,"),
        ("quality > 3", "quality is a category, not a number"),
        ('air == "L"', "air is a number, not a category"),
        ('quality == "X"', "'X' is not one of the categories of quality: 'L', 'M', 'H'"),
        ('mode < "절전"', "mode has no order"),
        ("air / 0 > 3", "divides by 0"),
        ("3 > 2", "compares nothing that could change"),
        ("air - air > 2", "compares nothing that could change"),
        ("if air changes then", "the end is not expected"),
        ("__import__('os')", "not expected"),
        ("air > " + "1" * MAX_LENGTH, f"above {MAX_LENGTH}"),
    ],
)
def test_a_rule_that_cannot_be_read_says_where_and_why(text: str, problem: str) -> None:
    with pytest.raises(InvalidRule) as caught:
        read_rule(text, SCHEMA, ORIGIN)
    assert problem in str(caught.value)


def test_decimal_sums_are_compared_as_decimals() -> None:
    assert 308.2 - 300.3 < 7.9  # what float64 says
    assert keeps("process - air >= 7.9", process=308.2, air=300.3)
    assert keeps("process - air <= 7.9", process=308.2, air=300.3)
    assert keeps("process - air == 7.9", process=308.2, air=300.3)
    assert not keeps("process - air < 7.9", process=308.2, air=300.3)


def test_a_rule_that_reads_a_missing_value_is_not_kept() -> None:
    assert not keeps("process - air >= 8", air=np.nan)
    assert not keeps("process - air < 8", air=np.nan)

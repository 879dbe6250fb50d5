"""Rules about channels of a window: the engines' reading and the checker's agree."""

from __future__ import annotations

import re

import numpy as np
import pytest

from ifonly.explainers.constraints.base import Origin, Source
from ifonly.explainers.constraints.rule import read_rule
from ifonly.explainers.errors import InvalidRule
from ifonly.explainers.verify.reading import Reading
from ifonly.explainers.verify.rules import read_statement
from ifonly.models.spec import parse_spec
from tests.unit.models.spec_example import WINDOW

SCHEMA = parse_spec(WINDOW.encode(), "spec.toml").schema
HERE = Origin(Source.POLICY, "policy.rules.0")

RULES = [
    "last(coolant) <= 72",
    "mean(coolant) >= 70.5",
    "highest(coolant) <= 75 and lowest(coolant) > 66",
    "greatest_change(coolant) < 3",
    "2 * greatest_change(flow) <= 19 - 0.1 * last(coolant)",
    "if flow changes then last(flow) >= 30",
    "if flow stays then mean(coolant) <= 71",
    "if greatest_change(coolant) <= 2 then highest(flow) <= 33",
    "last(coolant)' <= 1.02 * mean(coolant)",
    "mean(load) <= 3",
]


@pytest.mark.parametrize("text", RULES)
def test_both_readings_of_a_rule_agree(text: str) -> None:
    rule, statement = read_rule(text, SCHEMA, HERE), read_statement(text, SCHEMA)
    draw, seen = np.random.default_rng(0), set[bool]()
    for _ in range(60):
        before = np.concatenate(
            [draw.normal(70, 2, 5).round(1), draw.integers(28, 36, 5), draw.normal(3, 1, 5),
             np.zeros(4)]
        )  # fmt: skip
        after = before.copy()
        if draw.random() < 0.7:
            after[5:10] += draw.integers(-3, 4)
            after[:5] += draw.normal()
        if draw.random() < 0.2:
            after[12] = before[12] = np.nan
        kept = bool(np.all(rule.kept(after[:, None], before)))
        assert kept is statement.holds(Reading(tuple(after)), Reading(tuple(before)))
        seen.add(kept)
    assert seen == {False, True}


@pytest.mark.parametrize(
    ("text", "told"),
    [
        ("coolant <= 70", "coolant is a channel of a window: say last(coolant), mean(coolant)"),
        ("highest(coolant) >= 70", "highest(coolant) can only be held to be at most something"),
        ("lowest(coolant) <= 70", "lowest(coolant) can only be held to be at least something"),
        ("greatest_change(flow) == 0", "greatest_change(flow) can only be held to be at most"),
        ("median(flow) <= 3", "median() is none of last(), mean()"),
        ("last(pressure) <= 3", "pressure is not a feature of this model (coolant, flow, load)"),
        ("highest(flow)' <= highest(flow)", "highest(flow) of the factual cannot be held"),
    ],
)
def test_what_cannot_be_said_is_refused(text: str, told: str) -> None:
    with pytest.raises(InvalidRule, match=re.escape(told)):
        read_rule(text, SCHEMA, HERE)


def test_of_a_model_without_a_window_no_channel_is_spoken_of() -> None:
    plain = parse_spec(
        b'format = 1\nname = "a"\nversion = "1"\ntask = "regression"\n'
        b'[[features]]\nname = "flow"\nkind = "continuous"\n',
        "spec.toml",
    ).schema
    with pytest.raises(InvalidRule, match=re.escape("mean() is of a channel")):
        read_rule("mean(flow) <= 3", plain, HERE)

"""A spec's text with what a person set in a form: that, and nothing else."""

from __future__ import annotations

import tomllib
from decimal import Decimal
from typing import Any

import pytest

from ifonly.models.adding.fields import fields_of, guesses_left, with_values
from ifonly.models.errors import SpecError
from ifonly.models.spec import parse_spec
from tests.integration.small_models import PRESS, SORTER

TAGS = ("en", "ko", "ja")
SPEC = """\
# Written by hand.
format = 1
name = "mill"
version = "1"
task = "binary"

[decision]
classes = ["normal", "failure"]
positive = "failure"
threshold = 0.5  # guessed: the graph has no label
desired = "normal"  # guessed: what people want

[[features]]
name = "torque"
kind = "continuous"
unit = "Nm"  # guessed: the name says so
bounds = [0, 100]  # guessed: 20 to 80 in the sample
resolution = 0.1  # guessed: # is no end
label = {en = "Torque # 1"}  # guessed: the name

[[features]]
name = "odd.name"
kind = "nominal"
categories = ["a", "b"]
encoding = "one-hot"
# guessed: one of 2 columns is 1 in each row

[policy]

[policy.features.torque]
range = [20, 80]  # guessed: no further than the sample
"""


def changed(values: dict[str, Any], *checked: str, text: str = SPEC) -> str:
    return with_values(text.encode(), values, checked, TAGS).decode()


def test_what_was_guessed_is_listed_with_its_reason_and_its_value() -> None:
    found = {f.key: f for f in fields_of(SPEC.encode(), TAGS)}
    guessed = {key: f.guess for key, f in found.items() if f.guess is not None}
    assert guessed == {
        "decision.threshold": "the graph has no label",
        "decision.desired": "what people want",
        "features[0].unit": "the name says so",
        "features[0].bounds": "20 to 80 in the sample",
        "features[0].resolution": "# is no end",
        "features[0].label.en": "the name",
        "features[1].encoding": "one of 2 columns is 1 in each row",
        "policy.features.torque.range": "no further than the sample",
    }
    assert guesses_left(SPEC.encode()) == len(guessed)
    assert found["features[0].bounds"].value == [0, 100]
    assert found["features[0].label.ko"].value is None
    assert found["decision.positive"].choices == ("normal", "failure")
    assert found["features[1].encoding"].is_shown_only
    assert "features[1].bounds" not in found
    assert found["policy.features.odd.name.actionable"].feature == "odd.name"


def test_one_line_changes_and_its_guess_goes_the_rest_stays_to_the_letter() -> None:
    text = changed({"features[0].bounds": [Decimal("0.5"), 90]})
    before, after = SPEC.splitlines(), text.splitlines()
    differing = [(a, b) for a, b in zip(before, after, strict=True) if a != b]
    assert differing == [
        ("bounds = [0, 100]  # guessed: 20 to 80 in the sample", "bounds = [0.5, 90]")
    ]


@pytest.mark.parametrize(
    ("key", "value"),
    [
        ("title.ko", '밀링 "머신" # 7\n둘째'),
        ("features[0].label.ko", "토크"),
        ("features[0].label.en", None),
        ("features[0].unit", None),
        ("features[0].resolution", Decimal("1E-7")),
        ("features[1].label.ja", "名前"),
        ("decision.classes[1].label.ko", "고장"),
        ("decision.positive", "normal"),
        ("decision.threshold", Decimal("0.35")),
        ("policy.features.odd.name.actionable", False),
        ("policy.features.torque.range", None),
    ],
)
def test_the_text_says_what_was_set_and_else_what_it_said(key: str, value: Any) -> None:
    text = changed({key: value})
    found = {f.key: f.value for f in fields_of(text.encode(), TAGS)}
    was = {f.key: f.value for f in fields_of(SPEC.encode(), TAGS)}
    assert found[key] == value
    assert {k: v for k, v in found.items() if k != key} == {
        k: v for k, v in was.items() if k != key
    }
    parse_spec(text.encode(), "spec.toml")


def test_the_guessed_range_of_what_nobody_can_set_goes_and_one_that_was_meant_stays() -> None:
    lever, range_ = "policy.features.torque.actionable", "policy.features.torque.range"
    for values in ({lever: False}, {lever: False, range_: [20, 80]}):
        text = changed(values)
        assert tomllib.loads(text)["policy"]["features"]["torque"] == {"actionable": False}
        parse_spec(text.encode(), "spec.toml")
    meant = changed({lever: False}, text=changed({}, range_))
    for text in (changed({lever: False, range_: [30, 80]}), meant):
        with pytest.raises(SpecError, match="nothing can be set"):
            parse_spec(text.encode(), "spec.toml")
    assert changed({lever: True}) == SPEC


def test_what_is_checked_is_no_guess_any_more_and_stays() -> None:
    text = changed({}, "features[0].unit", "features[1].encoding", "features[0].label.en")
    assert tomllib.loads(text) == tomllib.loads(SPEC)
    left = {f.key for f in fields_of(text.encode(), TAGS) if f.guess is not None}
    assert left == {
        "decision.threshold", "decision.desired", "features[0].bounds", "features[0].resolution",
        "policy.features.torque.range",
    }  # fmt: skip


def test_every_key_that_is_none_is_told() -> None:
    with pytest.raises(SpecError) as caught:
        changed({"name": "other", "features[9].unit": "x", "features[1].encoding": "codes"}, "no")
    assert [p.key for p in caught.value.problems] == [
        "name", "features[9].unit", "features[1].encoding", "no"
    ]  # fmt: skip


def test_wrong_values_are_told_by_the_reader_of_specs_each_by_its_key() -> None:
    text = changed(
        {
            "features[0].unit": 5,
            "features[0].bounds": [9, 1],
            "features[0].resolution": "fine",
            "decision.threshold": 7,
        }
    )
    with pytest.raises(SpecError) as caught:
        parse_spec(text.encode(), "spec.toml")
    assert {p.key for p in caught.value.problems} == {
        "features[0].unit", "features[0].bounds", "features[0].resolution",
        "policy.features.torque.range", "decision.threshold",
    }  # fmt: skip


@pytest.mark.parametrize(
    "text",
    [
        SPEC.replace('label = {en = "Torque # 1"}', 'label.ja = "y"\nlabel.en = "x"'),
        SPEC.replace("bounds = [0, 100]", "bounds = [\n  0,\n  100,\n]"),
        SPEC.replace("[[features]]", "[[ features ]]"),
    ],
)
def test_a_spec_of_another_hand_is_changed_whole_or_not_at_all(text: str) -> None:
    found = []
    for key, value in [("features[0].label.ko", "토크"), ("features[0].bounds", [1, 2])]:
        try:
            new = changed({key: value}, text=text)
        except SpecError as error:
            found.append("send the folder" in error.problem)
            continue
        found.append({f.key: f.value for f in fields_of(new.encode(), TAGS)}[key] == value)
    assert found == [True, True]


def test_the_same_number_in_another_spelling_is_no_change() -> None:
    same = {"features[0].resolution": 0.1, "features[0].bounds": [0.0, 100]}
    assert changed(same) == SPEC


@pytest.mark.parametrize("text", [PRESS, SORTER])
def test_a_spec_without_guesses_has_fields_all_the_same(text: str) -> None:
    assert guesses_left(text.encode()) == 0
    keys = {f.key for f in fields_of(text.encode(), TAGS)}
    assert {"title.ko", "features[0].unit"} <= keys
    label = changed({"features[0].label.ko": "가"}, text=text)
    assert tomllib.loads(label)["features"][0]["label"] == {"ko": "가"}


@pytest.mark.parametrize("text", [b"\xff", b"a = ", b"features = 3", b"features = [1]", b""])
def test_what_is_no_spec_is_refused(text: bytes) -> None:
    with pytest.raises(SpecError):
        fields_of(text, TAGS)


def test_what_makes_no_sense_is_told_beside_what_is_not_of_the_right_shape() -> None:
    text = SPEC.replace('unit = "Nm"', "unit = 5").replace('kind = "nominal"', 'kind = "other"')
    text = text.replace("[20, 80]", "[20, 800]").replace("threshold = 0.5", "threshold = 5")
    text = text.replace('desired = "normal"', "desired = 3")
    with pytest.raises(SpecError) as caught:
        parse_spec(text.encode(), "spec.toml")
    assert {p.key for p in caught.value.problems} == {
        "features[0].unit", "features[1].kind", "policy.features.torque.range",
        "decision.threshold", "decision.desired",
    }  # fmt: skip

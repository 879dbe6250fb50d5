from __future__ import annotations

import pytest

from ifonly.explainers.answer import Action
from ifonly.explainers.errors import InvalidPolicy
from ifonly.explainers.wording import Wording
from tests.unit.wording.plant import (
    ALARM,
    BETTER_QUALITY,
    SCHEMA,
    TOOL_REPLACED,
    binary,
    found,
    wording,
)


@pytest.mark.parametrize(
    "english",
    [
        "the tool replaced",
        "replace the tool",
        "been replaced",
        "the tool been ",
        "the tool been new.",
    ],
)
def test_an_english_clause_must_have_been_in_it(english: str):
    phrases = {"tool_wear": {"0": {"en": english}}}
    with pytest.raises(InvalidPolicy, match="been") as caught:
        Wording(SCHEMA, binary(), phrases)
    assert caught.value.key == "policy.features.tool_wear.phrases.0.en"


@pytest.mark.parametrize(
    "korean",
    ["공구를 교체하다", "공구를 교체했다면", "공구를 교체하고", "tool", "되", "공구를 교체하면"],
)
def test_a_korean_clause_must_be_a_stem(korean: str):
    phrases = {"tool_wear": {"0": {"ko": korean}}}
    with pytest.raises(InvalidPolicy, match="stem") as caught:
        Wording(SCHEMA, binary(), phrases)
    assert caught.value.key == "policy.features.tool_wear.phrases.0.ko"


@pytest.mark.parametrize(
    ("phrases", "key"),
    [
        ({"wear": {"0": {}}}, "policy.features.wear"),
        ({"tool_wear": {"new": {}}}, "policy.features.tool_wear.phrases.new"),
        ({"quality": {"X": {}}}, "policy.features.quality.phrases.X"),
        ({"quality": {"H": {"de": "x"}}}, "policy.features.quality.phrases.H.de"),
        ({"quality": {"H": {"en": " "}}}, "policy.features.quality.phrases.H.en"),
    ],
)
def test_a_phrase_for_something_unknown_is_refused(phrases, key: str):
    with pytest.raises(InvalidPolicy) as caught:
        Wording(SCHEMA, binary(), phrases)
    assert caught.value.key == key


@pytest.mark.parametrize(
    ("phrases", "key"),
    [
        ({"alrm": {"en": "the alarm"}}, "decision.phrases.alrm"),
        ({"alarm": {"en": ""}}, "decision.phrases.alarm.en"),
        ({"normal": {"en": "the loan approved"}}, "decision.phrases.normal.en"),
        ({"normal": {"ko": "대출이 승인되었다면"}}, "decision.phrases.normal.ko"),
    ],
)
def test_a_decision_phrase_that_cannot_be_used_is_refused(phrases, key: str):
    with pytest.raises(InvalidPolicy) as caught:
        Wording(SCHEMA, binary(phrases), {})
    assert caught.value.key == key


def test_a_category_can_have_own_words():
    phrases = {"quality": {"H": {"en": "the best grade been made", "ko": "최고 등급을 생산"}}}
    words = Wording(SCHEMA, binary(), phrases)
    assert words.change(BETTER_QUALITY, "en") == "the best grade made"
    assert words.counterfactual(found(BETTER_QUALITY), "ko") == (
        "최고 등급을 생산한 것으로 모델에 입력되었다면(품질 L → H), "
        "모델은 경보를 울리지 않았을 것입니다."
    )


def test_own_words_given_in_one_language_leave_the_other_its_own():
    words = Wording(SCHEMA, binary(ALARM), {"tool_wear": {"0": {"en": "the tool been replaced"}}})
    assert words.change(TOOL_REPLACED, "en") == "the tool replaced"
    assert words.change(TOOL_REPLACED, "ko") == "216분 더 적음"


def test_own_words_are_used_only_for_their_value():
    assert wording().change(Action(4, 216.0, 10.0), "en") == "206 min lower"


def test_an_unknown_language_is_refused_by_name():
    with pytest.raises(ValueError, match="language is 'de', not one of ko, en"):
        wording().value(0, 1.0, "de")

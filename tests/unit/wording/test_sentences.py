"""Whole answers, word for word, in both languages: with and without a causal model."""

# ruff: noqa: E501  (Hangul counts double)
from __future__ import annotations

from dataclasses import replace
from typing import NamedTuple

import pytest

from ifonly.explainers.answer import (
    Action,
    AlreadyTarget,
    Answer,
    Counterfactual,
    Effect,
    Infeasible,
    Prediction,
    Relaxation,
    Unknown,
)
from ifonly.explainers.constraints import Direction, Immutable, MaxChanges, Sense
from ifonly.explainers.target import Target
from ifonly.explainers.wording import LANGUAGES, Grounds, Wording
from ifonly.models.schema import Category, Decision, Task
from tests.support.spoken import spoken
from tests.unit.wording.plant import (
    AIR,
    ALARM,
    BETTER_QUALITY,
    CUT_SHORT,
    FAILING,
    OIL_UP,
    PASSING,
    PROCESS,
    QUALITY,
    SCHEMA,
    SPEED_FOLLOWS,
    SPEED_UP,
    TOOL_REPLACED,
    TORQUE,
    TORQUE_DOWN,
    TORQUE_EMPTIED,
    TORQUE_FILLED,
    VALVE_DOWN,
    WORK,
    binary,
    declared,
    found,
    multiclass,
    recourse,
    regression,
    wording,
)


class Case(NamedTuple):
    actions: tuple[Action, ...]
    effects: tuple[Effect, ...]
    english: str
    korean: str


OF_THE_MODEL = [
    Case(
        (TORQUE_DOWN,), (),
        "Had the model read the torque as 7.5 Nm lower (53.2 instead of 60.7 Nm), "
        "it would not have raised the alarm.",
        "모델에 입력된 토크가 7.5 Nm 더 낮았다면(60.7 → 53.2 Nm), "
        "모델은 경보를 울리지 않았을 것입니다.",
    ),
    Case(
        (TORQUE_DOWN, SPEED_UP), (),
        "Had the model read the torque as 7.5 Nm lower (53.2 instead of 60.7 Nm) and the "
        "rotational speed as 98 rpm higher (1,380 instead of 1,282 rpm), it would not have raised "
        "the alarm.",
        "모델에 입력된 토크가 7.5 Nm 더 낮고(60.7 → 53.2 Nm), 회전 속도가 98 rpm 더 "
        "높았다면(1,282 → 1,380 rpm), 모델은 경보를 울리지 않았을 것입니다.",
    ),
    Case(
        (VALVE_DOWN, OIL_UP, BETTER_QUALITY), (),
        "Had the model read the valve opening as 5 percentage points lower (35 instead of 40 %), "
        "the oil temperature as 10 °C higher (35 instead of 25 °C), and the quality as H instead "
        "of L, it would not have raised the alarm.",
        "모델에 입력된 밸브 개도가 5 %p 더 낮고(40 → 35 %), 오일 온도가 10 °C 더 높고(25 → 35 °C), "
        "품질이 L이 아니라 H였다면, 모델은 경보를 울리지 않았을 것입니다.",
    ),
    Case(
        (BETTER_QUALITY, OIL_UP), (),
        "Had the model read the quality as H instead of L and the oil temperature as 10 °C higher "
        "(35 instead of 25 °C), it would not have raised the alarm.",
        "모델에 입력된 품질이 L이 아니라 H이고, 오일 온도가 10 °C 더 높았다면(25 → 35 °C), "
        "모델은 경보를 울리지 않았을 것입니다.",
    ),
    Case(
        (TOOL_REPLACED,), (),
        "Had the model read the tool as replaced (tool wear 0 instead of 216 min), it would not "
        "have raised the alarm.",
        "공구를 교체한 것으로 모델에 입력되었다면(공구 마모 216 → 0분), "
        "모델은 경보를 울리지 않았을 것입니다.",
    ),
    Case(
        (TOOL_REPLACED, BETTER_QUALITY), (),
        "Had the model read the tool as replaced (tool wear 0 instead of 216 min) and the quality "
        "as H instead of L, it would not have raised the alarm.",
        "모델에 입력된 품질이 L이 아니라 H이고, 공구를 교체한 것으로 입력되었다면(공구 마모 216 → 0분), "
        "모델은 경보를 울리지 않았을 것입니다.",
    ),
    Case(
        (TORQUE_FILLED, TOOL_REPLACED), (),
        "Had the model read the torque, which was missing, as 53.2 Nm and the tool as replaced "
        "(tool wear 0 instead of 216 min), it would not have raised the alarm.",
        "누락되었던 토크 값이 모델에 53.2 Nm로 입력되고, 공구를 교체한 것으로 "
        "입력되었다면(공구 마모 216 → 0분), 모델은 경보를 울리지 않았을 것입니다.",
    ),
    Case(
        (TORQUE_EMPTIED,), (),
        "Had the model read the torque as missing instead of 60.7 Nm, it would not have raised "
        "the alarm.",
        "토크 값이 모델에 입력되지 않았다면, 모델은 경보를 울리지 않았을 것입니다.",
    ),
    Case(
        (TORQUE_DOWN,), (SPEED_FOLLOWS,),
        "Had the model read the torque as 7.5 Nm lower (53.2 instead of 60.7 Nm) and the "
        "rotational speed as about 109 rpm higher (about 1,391 instead of 1,282 rpm), it would "
        "not have raised the alarm.",
        "모델에 입력된 토크가 7.5 Nm 더 낮고(60.7 → 53.2 Nm), 회전 속도가 약 109 rpm 더 "
        "높았다면(1,282 → 약 1,391 rpm), 모델은 경보를 울리지 않았을 것입니다.",
    ),
]  # fmt: skip

OF_THE_EQUIPMENT = [
    Case(
        (TORQUE_DOWN,), (),
        "Had the torque been 7.5 Nm lower (53.2 instead of 60.7 Nm), the alarm would not have "
        "sounded.",
        "토크가 7.5 Nm 더 낮았다면(60.7 → 53.2 Nm), 경보가 울리지 않았을 것입니다.",
    ),
    Case(
        (TORQUE_DOWN,), (SPEED_FOLLOWS,),
        "Had the torque been 7.5 Nm lower (53.2 instead of 60.7 Nm), the rotational speed would "
        "then have been about 109 rpm higher (about 1,391 instead of 1,282 rpm), and the alarm "
        "would not have sounded.",
        "토크가 7.5 Nm 더 낮았다면(60.7 → 53.2 Nm), 그에 따라 회전 속도는 약 109 rpm 더 "
        "높았을 것이고(1,282 → 약 1,391 rpm), 경보는 울리지 않았을 것입니다.",
    ),
    Case(
        (TORQUE_DOWN, TOOL_REPLACED), (SPEED_FOLLOWS, Effect(PROCESS, 308.4, 307.0)),
        "Had the torque been 7.5 Nm lower (53.2 instead of 60.7 Nm) and the tool replaced (tool "
        "wear 0 instead of 216 min), the rotational speed would then have been about 109 rpm "
        "higher (about 1,391 instead of 1,282 rpm) and the process temperature 1.4 K lower (307 "
        "instead of 308.4 K), and the alarm would not have sounded.",
        "토크가 7.5 Nm 더 낮고(60.7 → 53.2 Nm), 공구를 교체했다면(공구 마모 216 → 0분), 그에 따라 "
        "회전 속도는 약 109 rpm 더 높고(1,282 → 약 1,391 rpm), 공정 온도는 1.4 K 더 "
        "낮았을 것이고(308.4 → 307 K), 경보는 울리지 않았을 것입니다.",
    ),
    Case(
        (TOOL_REPLACED, BETTER_QUALITY), (),
        "Had the tool been replaced (tool wear 0 instead of 216 min) and the quality H instead of "
        "L, the alarm would not have sounded.",
        "공구를 교체하고(공구 마모 216 → 0분), 품질이 L이 아니라 H였다면, "
        "경보가 울리지 않았을 것입니다.",
    ),
    Case(
        (TOOL_REPLACED,), (Effect(QUALITY, 0.0, 2.0),),
        "Had the tool been replaced (tool wear 0 instead of 216 min), the quality would then have "
        "been H instead of L, and the alarm would not have sounded.",
        "공구를 교체했다면(공구 마모 216 → 0분), 그에 따라 품질은 L이 아니라 H였을 것이고, "
        "경보는 울리지 않았을 것입니다.",
    ),
    Case(
        (TORQUE_FILLED,), (),
        "Had the torque, which was missing, been 53.2 Nm, the alarm would not have sounded.",
        "토크가 누락이 아니라 53.2 Nm였다면, 경보가 울리지 않았을 것입니다.",
    ),
    Case(
        (TORQUE_DOWN,), (Effect(PROCESS, 308.4, 308.4),),
        "Had the torque been 7.5 Nm lower (53.2 instead of 60.7 Nm), the alarm would not have "
        "sounded.",
        "토크가 7.5 Nm 더 낮았다면(60.7 → 53.2 Nm), 경보가 울리지 않았을 것입니다.",
    ),
]  # fmt: skip


@pytest.mark.parametrize("case", OF_THE_MODEL)
def test_without_a_causal_model_a_sentence_speaks_of_the_model(case: Case):
    one = found(*case.actions, effects=case.effects)
    assert wording().counterfactual(one, "en") == case.english
    assert wording().counterfactual(one, "ko") == case.korean


@pytest.mark.parametrize("case", OF_THE_EQUIPMENT)
def test_with_a_causal_model_a_sentence_speaks_of_the_equipment(case: Case):
    words = wording(grounds=Grounds.CAUSAL)
    one = found(*case.actions, effects=case.effects)
    assert words.counterfactual(one, "en") == case.english
    assert words.counterfactual(one, "ko") == case.korean


def test_further_answers_begin_as_alternatives():
    one = found(TORQUE_DOWN)
    assert wording().counterfactual(one, "en", rank=2).startswith("Alternatively, had the model")
    assert wording().counterfactual(one, "ko", rank=3).startswith("또는 모델에 입력된 토크가")
    causal = wording(grounds=Grounds.CAUSAL)
    assert causal.counterfactual(one, "en", rank=2).startswith("Alternatively, had the torque")


# --- decisions ------------------------------------------------------------------------------------


class Deciding(NamedTuple):
    decision: Decision
    target: Target | None
    prediction: Prediction
    of_model: tuple[str, str]
    of_equipment: tuple[str, str]


LOAN = {"normal": {"en": "the loan been approved", "ko": "대출이 승인되"}}
GRANT = {"normal": {"en": "the loan been approved", "ko": "대출을 승인"}}
REFUSAL = {"failure": {"en": "the loan been refused", "ko": "대출이 거절되"}}
SILENT = regression({}, threshold=None)

DECISIONS = [
    Deciding(
        binary(), None, PASSING,
        ("it would not have raised the alarm.", "모델은 경보를 울리지 않았을 것입니다."),
        ("the alarm would not have sounded.", "경보가 울리지 않았을 것입니다."),
    ),
    Deciding(
        binary(), None, FAILING,
        ("it would have raised the alarm.", "모델은 경보를 울렸을 것입니다."),
        ("the alarm would have sounded.", "경보가 울렸을 것입니다."),
    ),
    Deciding(
        binary({}), None, PASSING,
        ("its decision would have been 'normal'.", "모델의 판정은 '정상'이었을 것입니다."),
        ("the decision would have been 'normal'.", "판정은 '정상'이었을 것입니다."),
    ),
    Deciding(
        binary(LOAN), None, PASSING,
        ("the loan would have been approved.", "대출이 승인되었을 것입니다."),
        ("the loan would have been approved.", "대출이 승인되었을 것입니다."),
    ),
    Deciding(
        binary(LOAN), None, FAILING,
        ("the loan would not have been approved.", "대출이 승인되지 않았을 것입니다."),
        ("the loan would not have been approved.", "대출이 승인되지 않았을 것입니다."),
    ),
    Deciding(
        binary(GRANT), None, PASSING,
        ("the loan would have been approved.", "모델은 대출을 승인했을 것입니다."),
        ("the loan would have been approved.", "대출을 승인했을 것입니다."),
    ),
    Deciding(
        binary(GRANT), None, FAILING,
        ("the loan would not have been approved.", "모델은 대출을 승인하지 않았을 것입니다."),
        ("the loan would not have been approved.", "대출을 승인하지 않았을 것입니다."),
    ),
    Deciding(
        binary({**ALARM, **REFUSAL}), None, PASSING,
        ("the loan would not have been refused.", "대출이 거절되지 않았을 것입니다."),
        ("the loan would not have been refused.", "대출이 거절되지 않았을 것입니다."),
    ),
    Deciding(
        binary(), Target(binary(), 0, 0.6), PASSING,
        (
            "it would not have raised the alarm, being at least 60 % sure of 'normal'.",
            "모델은 '정상' 확률을 60 % 이상으로 판단하여 경보를 울리지 않았을 것입니다.",
        ),
        (
            "the alarm would not have sounded, with the model at least 60 % sure of 'normal'.",
            "모델이 판단한 '정상' 확률이 60 % 이상이면서 경보가 울리지 않았을 것입니다.",
        ),
    ),
    Deciding(
        binary({}), Target(binary({}), 0, 0.6, 0.8), PASSING,
        (
            "its decision would have been 'normal' with a probability between 60 and 80 %.",
            "모델의 판정은 '정상'(확률 60 % 이상 80 % 이하)이었을 것입니다.",
        ),
        (
            "the decision would have been 'normal' with a probability between 60 and 80 %.",
            "판정은 '정상'(확률 60 % 이상 80 % 이하)이었을 것입니다.",
        ),
    ),
    Deciding(
        binary(LOAN), Target(binary(LOAN), 0, upper=0.9), PASSING,
        (
            "the loan would have been approved, with the model at most 90 % sure of 'normal'.",
            "모델이 판단한 '정상' 확률이 90 % 이하이면서 대출이 승인되었을 것입니다.",
        ),
        (
            "the loan would have been approved, with the model at most 90 % sure of 'normal'.",
            "모델이 판단한 '정상' 확률이 90 % 이하이면서 대출이 승인되었을 것입니다.",
        ),
    ),
    Deciding(
        binary(), Target(binary(), None, upper=0.2), PASSING,
        (
            "it would have put the probability of 'failure' at 20 % or less.",
            "모델이 예측한 '고장' 확률은 20 % 이하였을 것입니다.",
        ),
        (
            "the probability of 'failure' would have been 20 % or less.",
            "'고장' 확률은 20 % 이하였을 것입니다.",
        ),
    ),
    Deciding(
        regression(), None, Prediction((60.0,), 0),
        (
            "it would have put the NOx concentration below 65 mg/m³.",
            "모델이 예측한 NOx 농도는 65 mg/m³ 미만이었을 것입니다.",
        ),
        (
            "the NOx concentration would have been below 65 mg/m³.",
            "NOx 농도는 65 mg/m³ 미만이었을 것입니다.",
        ),
    ),
    Deciding(
        regression(), None, Prediction((70.0,), 1),
        (
            "it would have put the NOx concentration at 65 mg/m³ or more.",
            "모델이 예측한 NOx 농도는 65 mg/m³ 이상이었을 것입니다.",
        ),
        (
            "the NOx concentration would have been 65 mg/m³ or more.",
            "NOx 농도는 65 mg/m³ 이상이었을 것입니다.",
        ),
    ),
    Deciding(
        regression(), Target(regression(), None, 50.0, 65.0), Prediction((60.0,), 0),
        (
            "it would have put the NOx concentration between 50 and 65 mg/m³.",
            "모델이 예측한 NOx 농도는 50 mg/m³ 이상 65 mg/m³ 이하였을 것입니다.",
        ),
        (
            "the NOx concentration would have been between 50 and 65 mg/m³.",
            "NOx 농도는 50 mg/m³ 이상 65 mg/m³ 이하였을 것입니다.",
        ),
    ),
    Deciding(
        regression({}), None, Prediction((60.0,), 0),
        ("its decision would have been 'ok'.", "모델의 판정은 'ok'였을 것입니다."),
        ("the decision would have been 'ok'.", "판정은 'ok'였을 것입니다."),
    ),
    Deciding(
        SILENT, Target(SILENT, None, upper=65.0), Prediction((60.0,), -1),
        (
            "it would have predicted 65 mg/m³ or less.",
            "모델의 예측값은 65 mg/m³ 이하였을 것입니다.",
        ),
        (
            "the prediction would have been 65 mg/m³ or less.",
            "예측값은 65 mg/m³ 이하였을 것입니다.",
        ),
    ),
    Deciding(
        SILENT, None, Prediction((60.12345678901,), -1),
        (
            "it would have predicted about 60.1235 mg/m³.",
            "모델의 예측값은 약 60.1235 mg/m³였을 것입니다.",
        ),
        (
            "the prediction would have been about 60.1235 mg/m³.",
            "예측값은 약 60.1235 mg/m³였을 것입니다.",
        ),
    ),
    Deciding(
        multiclass(), None, Prediction((0.6, 0.3, 0.1), 0),
        ("its decision would have been 'fine'.", "모델의 판정은 '양호'였을 것입니다."),
        ("the decision would have been 'fine'.", "판정은 '양호'였을 것입니다."),
    ),
    Deciding(
        multiclass(), Target(multiclass(), 1, 0.5), Prediction((0.3, 0.6, 0.1), 1),
        (
            "its decision would have been 'scratch' with a probability of at least 50 %.",
            "모델의 판정은 '긁힘'(확률 50 % 이상)이었을 것입니다.",
        ),
        (
            "the decision would have been 'scratch' with a probability of at least 50 %.",
            "판정은 '긁힘'(확률 50 % 이상)이었을 것입니다.",
        ),
    ),
]  # fmt: skip


@pytest.mark.parametrize("case", DECISIONS)
def test_a_decision_is_said_the_way_people_say_it(case: Deciding):
    one = found(TORQUE_DOWN, prediction=case.prediction)
    for grounds, expected in (
        (Grounds.MODEL, case.of_model),
        (Grounds.CAUSAL, case.of_equipment),
    ):
        words = Wording(SCHEMA, case.decision, {}, grounds=grounds)
        for language, ending in zip(("en", "ko"), expected, strict=True):
            said = words.counterfactual(one, language, target=case.target)
            assert said.endswith(f"), {ending}")


# --- answers --------------------------------------------------------------------------------------

TORQUE_MODEL = (
    "Had the model read the torque as 7.5 Nm lower (53.2 instead of 60.7 Nm), it would not have "
    "raised the alarm. ",
    "모델에 입력된 토크가 7.5 Nm 더 낮았다면(60.7 → 53.2 Nm), 모델은 경보를 울리지 않았을 것입니다. ",
)
BLOCKERS = (
    Immutable(AIR, origin=declared({"en": "set by the weather", "ko": "날씨에 따라 정해짐"})),
    Direction(TORQUE, Sense.UP, origin=declared()),
)
ANSWERS: list[tuple[Answer, str, str]] = [
    (
        recourse(found(TORQUE_DOWN)),
        TORQUE_MODEL[0] + "This is proven to be the smallest such change that is allowed.",
        TORQUE_MODEL[1] + "허용된 변경 가운데 이보다 작은 변경은 없음이 증명되었습니다.",
    ),
    (
        recourse(found(TORQUE_DOWN, lower_bound=0.885)),
        TORQUE_MODEL[0] + "It is not proven to be the smallest: one up to 12 % smaller may exist.",
        TORQUE_MODEL[1]
        + "가장 작은 변경인지는 증명되지 않았으며, 이보다 최대 12 % 작은 변경이 있을 수 있습니다.",
    ),
    (
        recourse(found(TORQUE_DOWN, lower_bound=None)),
        TORQUE_MODEL[0] + "It is not proven to be the smallest: a smaller one may exist.",
        TORQUE_MODEL[1]
        + "가장 작은 변경인지는 증명되지 않았으며, 이보다 작은 변경이 있을 수 있습니다.",
    ),
    (
        recourse(found(TORQUE_DOWN, lower_bound=0.0)),
        TORQUE_MODEL[0] + "It is not proven to be the smallest: a smaller one may exist.",
        TORQUE_MODEL[1]
        + "가장 작은 변경인지는 증명되지 않았으며, 이보다 작은 변경이 있을 수 있습니다.",
    ),
    (
        recourse(found(TORQUE_DOWN, lower_bound=None), work=CUT_SHORT),
        TORQUE_MODEL[0]
        + "It is not proven to be the smallest, because the search ran out of time: "
        "a smaller one may exist.",
        TORQUE_MODEL[1]
        + "제한 시간 안에 탐색이 끝나지 않아, 가장 작은 변경인지는 증명되지 않았으며, "
        "이보다 작은 변경이 있을 수 있습니다.",
    ),
    (
        Infeasible(FAILING, BLOCKERS, WORK, Prediction((0.47000001,), 1)),
        "Whatever the model had read within what is allowed, it would still have raised the "
        "alarm; this is proven. What stands in the way: the air temperature cannot be changed "
        "(set by the weather); the torque may only go up. The closest prediction found is a "
        "probability of about 47 % for 'failure' (below 42 % is needed).",
        "허용된 범위에서 모델에 어떤 값이 입력되었더라도, 모델은 경보를 울렸을 것입니다. "
        "이는 증명된 결과입니다. 이를 막는 제약은 다음과 같습니다: 대기 온도는 변경할 수 "
        "없음(날씨에 따라 정해짐); 토크는 증가 방향으로만 변경할 수 있음. 찾은 것 가운데 가장 가까운 "
        "예측은 '고장' 확률 약 47 %(42 % 미만이어야 함)입니다.",
    ),
    (
        Infeasible(FAILING, (), WORK),
        "Whatever the model had read within what is allowed, it would still have raised the "
        "alarm; this is proven.",
        "허용된 범위에서 모델에 어떤 값이 입력되었더라도, 모델은 경보를 울렸을 것입니다. "
        "이는 증명된 결과입니다.",
    ),
    (
        Unknown(FAILING, CUT_SHORT),
        "No change with which the model would not have raised the alarm was found in the time "
        "allowed. It is not proven that there is none.",
        "제한 시간 안에 모델이 경보를 울리지 않았을 변경을 찾지 못했습니다. "
        "그런 변경이 없다고 증명된 것은 아닙니다.",
    ),
    (
        Unknown(FAILING, WORK, Prediction((0.4200001,), 1)),
        "No change with which the model would not have raised the alarm was found within the "
        "search budget (12,345 model rows scored). It is not proven that there is none. The "
        "closest prediction found is a probability of 42.00001 % for 'failure' (below 42 % is "
        "needed).",
        "탐색 한도(모델 계산 12,345건) 안에서 모델이 경보를 울리지 않았을 변경을 찾지 못했습니다. "
        "그런 변경이 없다고 증명된 것은 아닙니다. 찾은 것 가운데 가장 가까운 예측은 '고장' 확률 "
        "42.00001 %(42 % 미만이어야 함)입니다.",
    ),
    (
        AlreadyTarget(PASSING, WORK),
        "The model did not raise the alarm: there is nothing to change.",
        "모델이 경보를 울리지 않았으므로 바꿀 것이 없습니다.",
    ),
]


@pytest.mark.parametrize(("answer", "english", "korean"), ANSWERS)
def test_an_answer_says_what_is_claimed_and_how_sure_it_is(
    answer: Answer, english: str, korean: str
):
    assert wording().sentence(answer, "en") == english
    assert wording().sentence(answer, "ko") == korean


def test_what_is_surer_than_it_was_asked_to_be_is_told_from_what_is_not():
    demanded = Target(binary(), 0, 0.95, origin=declared())
    for scores, english, korean in (
        (
            0.2,
            "The alarm did not sound: there is nothing to change. The model gave 'normal' a "
            "probability of 80 %; 95 % or more is demanded of a change only.",
            "경보가 울리지 않았으므로 바꿀 것이 없습니다. 모델이 판단한 '정상' 확률은 80 %였으며, "
            "95 % 이상은 변경에 대해서만 요구됩니다.",
        ),
        (
            0.01,
            "The alarm did not sound, with the model at least 95 % sure of 'normal': there is "
            "nothing to change.",
            "모델이 판단한 '정상' 확률이 95 % 이상이면서 경보가 울리지 않았으므로 바꿀 것이 "
            "없습니다.",
        ),
    ):
        words, answer = (
            wording(grounds=Grounds.CAUSAL),
            AlreadyTarget(Prediction((scores,), 0), WORK),
        )
        assert words.sentence(answer, "en", target=demanded) == english
        assert words.sentence(answer, "ko", target=demanded) == korean


def test_a_demanded_probability_that_blocks_is_named_with_what_can_be_reached():
    target = Target(binary(), 0, 0.95, origin=declared())
    demand, reached = target.demand, replace(target, lower=0.87)
    assert demand is not None
    way_out = Relaxation(demand, found(TORQUE_DOWN), reached)
    answer = Infeasible(FAILING, (demand,), WORK, Prediction((0.13,), 0), way_out)
    words = wording(grounds=Grounds.CAUSAL)
    english = words.sentence(answer, "en", target=target)
    assert "stands in the way: a probability of at least 95 % for 'normal' is demanded." in english
    assert "a probability of 87 % for 'normal' (95 % or more is needed)" in english
    assert english.endswith("with the model at least 87 % sure of 'normal'.")
    korean = words.sentence(answer, "ko", target=target)
    assert "'정상' 확률 95 % 이상이 요구됨" in korean
    assert korean.endswith(
        "모델이 판단한 '정상' 확률이 87 % 이상이면서 경보가 울리지 않았을 것입니다."
    )


CAUSAL_ANSWERS: list[tuple[Answer, str, str]] = [
    (
        Infeasible(FAILING, (), WORK),
        "Whatever had been changed within what is allowed, the alarm would still have sounded; "
        "this is proven.",
        "허용된 범위에서 무엇을 바꾸었더라도, 경보는 울렸을 것입니다. 이는 증명된 결과입니다.",
    ),
    (
        Unknown(FAILING, CUT_SHORT),
        "No change with which the alarm would not have sounded was found in the time allowed. "
        "It is not proven that there is none.",
        "제한 시간 안에 경보가 울리지 않았을 변경을 찾지 못했습니다. "
        "그런 변경이 없다고 증명된 것은 아닙니다.",
    ),
    (
        AlreadyTarget(PASSING, WORK),
        "The alarm did not sound: there is nothing to change.",
        "경보가 울리지 않았으므로 바꿀 것이 없습니다.",
    ),
]


@pytest.mark.parametrize(("answer", "english", "korean"), CAUSAL_ANSWERS)
def test_a_causal_answer_speaks_of_the_equipment(answer: Answer, english: str, korean: str):
    words = wording(grounds=Grounds.CAUSAL)
    assert words.sentence(answer, "en") == english
    assert words.sentence(answer, "ko") == korean


@pytest.mark.parametrize(
    ("decision", "target", "prediction", "english", "korean"),
    [
        (
            binary(), Target(binary(), 0, 0.6), Prediction((0.93,), 1),
            "its decision would still not have been 'normal' with a probability of at least "
            "60 %; this is proven. The closest prediction found is a probability of 7 % for "
            "'normal' (60 % or more is needed).",
            "모델의 판정은 '정상'(확률 60 % 이상)이 아니었을 것입니다. 이는 증명된 결과입니다. "
            "찾은 것 가운데 가장 가까운 예측은 '정상' 확률 7 %(60 % 이상이어야 함)입니다.",
        ),
        (
            binary(), Target(binary(), 1), Prediction((0.41,), 0),
            "it would still not have raised the alarm; this is proven. The closest prediction "
            "found is a probability of 41 % for 'failure' (42 % or more is needed).",
            "모델은 경보를 울리지 않았을 것입니다. 이는 증명된 결과입니다. 찾은 것 가운데 가장 "
            "가까운 예측은 '고장' 확률 41 %(42 % 이상이어야 함)입니다.",
        ),
        (
            binary(), Target(binary(), None, upper=0.2), Prediction((0.25,), 0),
            "it would still not have put the probability of 'failure' at 20 % or less; this is "
            "proven. The closest prediction found is a probability of 25 % for 'failure' (20 % "
            "or less is needed).",
            "모델이 예측한 '고장' 확률은 20 % 이하가 되지 않았을 것입니다. 이는 증명된 결과입니다. "
            "찾은 것 가운데 가장 가까운 예측은 '고장' 확률 25 %(20 % 이하여야 함)입니다.",
        ),
        (
            binary(LOAN), None, Prediction((0.5,), 1),
            "the loan would still not have been approved; this is proven. The closest prediction "
            "found is a probability of 50 % for 'failure' (below 42 % is needed).",
            "대출이 승인되지 않았을 것입니다. 이는 증명된 결과입니다. 찾은 것 가운데 가장 가까운 "
            "예측은 '고장' 확률 50 %(42 % 미만이어야 함)입니다.",
        ),
        (
            regression(), None, Prediction((65.0000001,), 1),
            "it would still not have put the NOx concentration below 65 mg/m³; this is proven. "
            "The closest prediction found is 65.0000001 mg/m³ (below 65 mg/m³ is needed).",
            "모델이 예측한 NOx 농도는 65 mg/m³ 미만이 되지 않았을 것입니다. 이는 증명된 결과입니다. "
            "찾은 것 가운데 가장 가까운 예측은 65.0000001 mg/m³(65 mg/m³ 미만이어야 함)입니다.",
        ),
        (
            regression(), Target(regression(), None, 50.0), Prediction((47.123456789012,), 1),
            "it would still not have put the NOx concentration at 50 mg/m³ or more; this is "
            "proven. The closest prediction found is about 47.12 mg/m³ (50 mg/m³ or more is "
            "needed).",
            "모델이 예측한 NOx 농도는 50 mg/m³ 이상이 되지 않았을 것입니다. 이는 증명된 결과입니다. "
            "찾은 것 가운데 가장 가까운 예측은 약 47.12 mg/m³(50 mg/m³ 이상이어야 함)입니다.",
        ),
        (
            multiclass(), None, Prediction((0.3, 0.6, 0.1), 1),
            "its decision would still not have been 'fine'; this is proven. The closest "
            "prediction found is a probability of 30 % for 'fine'.",
            "모델의 판정은 '양호'가 아니었을 것입니다. 이는 증명된 결과입니다. 찾은 것 가운데 가장 "
            "가까운 예측은 '양호' 확률 30 %입니다.",
        ),
    ],
)  # fmt: skip
def test_an_infeasible_target_is_named_with_what_came_closest(
    decision: Decision, target: Target | None, prediction: Prediction, english: str, korean: str
):
    answer = Infeasible(FAILING, (), WORK, prediction)
    words = Wording(SCHEMA, decision, {})
    assert words.sentence(answer, "en", target=target).endswith(f"allowed, {english}")
    assert words.sentence(answer, "ko", target=target).endswith(f"입력되었더라도, {korean}")


@pytest.mark.parametrize("scores", [(float("nan"),), (float("inf"),), (-3.0,), (1.2,)])
def test_a_closest_score_that_is_no_probability_is_not_said_as_one(scores: tuple[float, ...]):
    answer = Infeasible(FAILING, (), WORK, Prediction(scores, 1))
    assert "closest" not in wording().sentence(answer, "en")


def test_an_undesired_binary_target_defaults_to_the_other_class():
    undecided = Decision(Task.BINARY, binary().classes, 1, 0.42, phrases=ALARM)
    said = Wording(SCHEMA, undecided, {}).sentence(Unknown(FAILING, CUT_SHORT), "en")
    assert "the model would not have raised the alarm" in said


def test_where_nothing_is_known_of_the_target_it_is_called_the_target():
    for grounds, english, korean in (
        (Grounds.MODEL, "it would still not have reached the target;", "모델의 예측은 목표에"),
        (Grounds.CAUSAL, "the target would still not have been reached;", "예측은 목표에"),
    ):
        words = Wording(SCHEMA, SILENT, {}, grounds=grounds)
        answer = Infeasible(Prediction((1.0,), -1), (), WORK)
        assert english in words.sentence(answer, "en")
        assert korean in words.sentence(answer, "ko")


def test_of_many_blocking_constraints_the_rest_is_counted():
    many = tuple(MaxChanges(n, origin=declared()) for n in range(2, 14))
    said = wording().sentence(Infeasible(FAILING, many, WORK), "en")
    assert said.endswith("at most 9 features may be changed; and 4 more.")
    assert wording().sentence(Infeasible(FAILING, many, WORK), "ko").endswith("; 그 밖에 4건.")


def test_only_a_proven_optimum_is_called_the_smallest():
    for lower_bound in (None, 0.0, 0.5, 0.999_999):
        answer = recourse(found(TORQUE_DOWN, lower_bound=lower_bound))
        assert "not proven" in wording().sentence(answer, "en")
        assert "증명되지 않았" in wording().sentence(answer, "ko")


def test_the_best_counterfactual_is_the_one_that_is_said():
    said = wording().sentence(recourse(found(TORQUE_DOWN), found(TOOL_REPLACED)), "en")
    assert "torque" in said
    assert "tool" not in said


@pytest.mark.parametrize("grounds", Grounds)
@pytest.mark.parametrize("language", LANGUAGES)
def test_no_sentence_gives_advice_or_a_guarantee(grounds: Grounds, language: str):
    words = wording(grounds=grounds)
    backtracking: Counterfactual = found(Action(AIR, 298.9, 296.9))
    sentences = [words.sentence(answer, language) for answer, _, _ in ANSWERS]
    sentences += [words.counterfactual(found(*c.actions), language) for c in OF_THE_MODEL]
    sentences.append(words.counterfactual(backtracking, language))
    for sentence in sentences:
        assert not [word for word in spoken(language).ADVICE if word in sentence.lower()]


def test_without_a_causal_model_every_sentence_names_the_model():
    for answer, _, _ in ANSWERS:
        assert "the model" in wording().sentence(answer, "en").lower()
        assert "모델" in wording().sentence(answer, "ko")


def test_a_class_label_without_korean_is_quoted_with_the_right_particle():
    decision = Decision(Task.BINARY, (Category("OK"), Category("NG")), 1, 0.5, desired=0)
    words = Wording(SCHEMA, decision, {})
    assert words.counterfactual(found(TORQUE_DOWN), "ko").endswith(
        "모델의 판정은 'OK'였을 것입니다."
    )

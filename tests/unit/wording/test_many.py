"""One change of many machines, said in every language."""

from __future__ import annotations

from decimal import Decimal

import pytest

from ifonly.explainers.answer import Prediction, Work
from ifonly.explainers.remedy import (
    CommonAnswer,
    CommonSetting,
    CoverageCurve,
    Remedy,
    RowOutcome,
    SettingKind,
    WhyLeftOut,
)
from ifonly.explainers.terms import Status
from ifonly.explainers.wording import Wording
from ifonly.explainers.wording.grounds import Grounds
from ifonly.models.schema import Category, Decision, Feature, Kind, Schema, Task

SCHEMA = Schema(
    (
        Feature("torque", Kind.CONTINUOUS, "Nm", 0.0, 100.0, Decimal("0.1"),
                labels={"ko": "토크", "ja": "トルク"}),
        Feature("coolant", Kind.CONTINUOUS, "°C", 0.0, 50.0, Decimal("0.5"),
                labels={"ko": "냉각수 온도", "ja": "冷却水温度"}),
        Feature("wear", Kind.INTEGER, "min", 0, 300, Decimal(1)),
    )
)  # fmt: skip
DECISION = Decision(
    Task.BINARY,
    (Category("normal"), Category("failure")),
    1,
    0.5,
    desired=0,
    phrases={"alarm": {"en": "the alarm", "ko": "경보", "ja": "警報"}},
)
OWN = {
    "wear": {
        "0": {"en": "the tool been replaced", "ko": "공구를 교체", "ja": "工具を交換"},
    }
}
TORQUE = CommonSetting(0, SettingKind.RELATIVE, -6.0)
COOLANT = CommonSetting(1, SettingKind.ABSOLUTE, 18.0)
TOOL = CommonSetting(2, SettingKind.ABSOLUTE, 0.0)


def wording(grounds: Grounds = Grounds.CAUSAL) -> Wording:
    return Wording(SCHEMA, DECISION, OWN, grounds=grounds)


def remedy(
    *settings: CommonSetting, cleared: int = 41, of: int = 50, status: Status = Status.OPTIMAL
) -> Remedy:
    outcomes = tuple(RowOutcome(i, i < cleared) for i in range(of))
    return Remedy(settings, cleared, 0.9, status, 0.9, outcomes)


def answer(*curves: CoverageCurve, of: int = 50, cut: bool = False) -> CommonAnswer:
    left_out = () if of else ((0, WhyLeftOut.ALREADY),)
    said = (Prediction((0.9,), 1),) * max(of, 1)
    work = Work("trees", 1, 1, cut)
    return CommonAnswer(tuple(range(of)), left_out, said, curves, (), work)


@pytest.mark.parametrize(
    ("settings", "tag", "said"),
    [
        ((TORQUE,), "en",
         "Had the torque been 6 Nm lower, 41 of the 50 alarms would not have sounded."),
        ((TORQUE, TOOL), "en", "Had the torque been 6 Nm lower and the tool replaced, 41 of the 50 "
         "alarms would not have sounded."),
        ((COOLANT,), "en",
         "Had the coolant been 18 °C, 41 of the 50 alarms would not have sounded."),
        ((TORQUE,), "ko",
         "토크가 6 Nm 더 낮았다면, 경보 50건 가운데 41건은 울리지 않았을 것입니다."),
        ((COOLANT, TOOL), "ko", "냉각수 온도가 18 °C이고, 공구를 교체했다면, "
         "경보 50건 가운데 41건은 울리지 않았을 것입니다."),
        ((TORQUE,), "ja", "トルクがあと6 Nm低ければ、警報50件のうち41件は出なかったはずです。"),
        ((COOLANT, TOOL), "ja",
         "冷却水温度が18 °Cであり、工具を交換していれば、警報50件のうち41件は出なかったはずです。"),
    ],
)  # fmt: skip
def test_a_common_change_in_one_sentence(
    settings: tuple[CommonSetting, ...], tag: str, said: str
) -> None:
    assert wording().common(remedy(*settings), 50, tag, are_alarms=True) == said


def test_of_the_model_alone_it_speaks_of_what_is_read() -> None:
    told = wording(Grounds.MODEL)
    one = remedy(TORQUE)
    assert told.common(one, 50, "en", are_alarms=True) == (
        "Had the model read the torque as 6 Nm lower, it would not have raised 41 of the 50 alarms."
    )
    assert told.common(one, 50, "ko", are_alarms=True) == (
        "모델에 입력된 토크가 6 Nm 더 낮았다면, "
        "모델은 경보 50건 가운데 41건을 울리지 않았을 것입니다."
    )
    assert told.common(one, 50, "ja", are_alarms=True) == (
        "モデルに入力されたトルクがあと6 Nm低ければ、"
        "モデルは警報50件のうち41件を出さなかったはずです。"
    )


@pytest.mark.parametrize("tag", ["en", "ko", "ja"])
def test_all_of_them_and_rows_that_are_no_alarms(tag: str) -> None:
    every = wording().common(remedy(TORQUE, cleared=50), 50, tag, are_alarms=True)
    rows = wording().common(remedy(TORQUE), 50, tag, are_alarms=False)
    assert {"en": "none of the 50 alarms", "ko": "50건은 모두", "ja": "50件はすべて"}[tag] in every
    assert {"en": "41 of the 50 rows", "ko": "50개 행 가운데 41개", "ja": "50行のうち41行"}[
        tag
    ] in rows


def test_a_claim_is_of_the_most_levers_of_which_it_is_proven() -> None:
    one = CoverageCurve(1, (remedy(TORQUE),), 41)
    same = CoverageCurve(2, (remedy(TORQUE),), 41)
    told = wording().common_answer(answer(one, same), "en", are_alarms=True)
    assert told.endswith("the most that at most two levers can clear, and the cheapest change that "
                         "does.")  # fmt: skip
    cheaper = CoverageCurve(2, (Remedy((TORQUE, TOOL), 41, 0.8, Status.OPTIMAL, 0.8, ()),), 41)
    told = wording().common_answer(answer(one, cheaper), "en", are_alarms=True)
    assert told.endswith("This is proven to be the most that at most two levers can clear.")


@pytest.mark.parametrize(
    ("tag", "part"),
    [("en", "at most two levers may clear up to 47"), ("ko", "47건까지"), ("ja", "最大47件まで")],
)
def test_what_is_not_proven_tells_its_bound(tag: str, part: str) -> None:
    curve = CoverageCurve(2, (remedy(TORQUE, status=Status.FEASIBLE),), 47)
    told = wording().common_answer(answer(curve, cut=True), tag, are_alarms=True)
    assert part in told


@pytest.mark.parametrize("tag", ["en", "ko", "ja"])
def test_none_is_told_as_proven_or_not_found(tag: str) -> None:
    proven = wording().common_answer(answer(CoverageCurve(2, (), 0)), tag, are_alarms=True)
    unknown = wording().common_answer(answer(CoverageCurve(2, (), 50)), tag, are_alarms=True)
    nothing = wording().common_answer(answer(of=0), tag, are_alarms=True)
    said = {
        "en": ("this is proven", "not proven that there is none", "nothing to change"),
        "ko": ("증명되었습니다", "증명된 것은 아닙니다", "바꿀 것이 없습니다"),
        "ja": ("証明されています", "証明されたわけではありません", "変えるものはありません"),
    }[tag]
    assert all(part in text for part, text in zip(said, (proven, unknown, nothing), strict=True))


def test_a_change_for_a_table() -> None:
    said = {
        tag: wording().common_change([TORQUE, COOLANT, TOOL], tag) for tag in ("en", "ko", "ja")
    }
    assert said == {
        "en": "torque 6 Nm lower, coolant to 18 °C, the tool replaced",
        "ko": "토크 6 Nm 더 낮음, 냉각수 온도 18 °C로, 공구를 교체",
        "ja": "トルク 6 Nm低い、冷却水温度を18 °Cに、工具を交換",
    }

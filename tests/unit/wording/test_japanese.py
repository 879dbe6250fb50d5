"""Japanese, with a plant's own labels and without."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace

import pytest

from ifonly.explainers.answer import Action, Answer, Counterfactual, Effect
from ifonly.explainers.constraints import Constraint
from ifonly.explainers.errors import InvalidPolicy
from ifonly.explainers.wording import Grounds, Wording
from ifonly.models.schema import Labels, Schema
from tests.unit.wording import test_constraints_in_words as constraints
from tests.unit.wording import test_sentences as sentences
from tests.unit.wording.plant import AIR, QUALITY, SCHEMA, SPEED, TORQUE, WEAR, binary, found

LABELS = {
    "air_temperature": "気温",
    "process_temperature": "プロセス温度",
    "rotational_speed": "回転速度",
    "torque": "トルク",
    "tool_wear": "工具摩耗",
    "quality": "品質",
    "valve_opening": "バルブ開度",
    "oil_temperature": "油温",
}
CLASSES = {"normal": "正常", "failure": "故障"}
OWN: Mapping[str, Mapping[str, Labels]] = {"tool_wear": {"0": {"ja": "工具を交換"}}}


def wording(grounds: Grounds = Grounds.MODEL) -> Wording:
    """Of the plant, with labels in Japanese."""
    schema = Schema(
        tuple(replace(f, labels={**f.labels, "ja": LABELS[f.name]}) for f in SCHEMA.features)
    )
    decision = binary()
    classes = tuple(
        replace(c, labels={**c.labels, "ja": CLASSES[c.name]}) for c in decision.classes
    )
    return Wording(schema, replace(decision, classes=classes), OWN, grounds=grounds)


TORQUE_DOWN = Action(TORQUE, 60.7, 53.2)
REPLACED = Action(WEAR, 216.0, 0.0)
FASTER = Effect(SPEED, 1_282.0, 1_391.0, (TORQUE,))


@pytest.mark.parametrize(
    ("grounds", "what", "said"),
    [
        (
            Grounds.CAUSAL,
            found(TORQUE_DOWN),
            "トルクがあと7.5 Nm低ければ（60.7 → 53.2 Nm）、警報は出なかったはずです。",
        ),
        (
            Grounds.MODEL,
            found(TORQUE_DOWN),
            "モデルに入力されたトルクがあと7.5 Nm低ければ（60.7 → 53.2 Nm）、"
            "モデルは警報を出さなかったはずです。",
        ),
        (
            Grounds.CAUSAL,
            found(TORQUE_DOWN, effects=(FASTER,)),
            "トルクがあと7.5 Nm低ければ（60.7 → 53.2 Nm）、それに伴って回転速度は109 rpm高くなり"
            "（1,282 → 1,391 rpm）、警報は出なかったはずです。",
        ),
        (
            Grounds.CAUSAL,
            found(REPLACED, Action(QUALITY, 0.0, 2.0)),
            "工具を交換し（工具摩耗 216 → 0分）、品質がLではなくHであれば、"
            "警報は出なかったはずです。",
        ),
        (
            Grounds.MODEL,
            found(Action(TORQUE, float("nan"), 53.2), REPLACED),
            "欠測していたトルクの値が53.2 Nmとしてモデルに入力され、工具を交換したとして入力されて"
            "いれば（工具摩耗 216 → 0分）、モデルは警報を出さなかったはずです。",
        ),
        (
            Grounds.HISTORY,
            found(Action(AIR, 298.9, 296.9)),
            "状況が異なり、気温があと2 K低ければ（298.9 → 296.9 K）、警報は出なかったはずです。"
            "これは実際とは異なる過去についての説明であり、処置を勧めるものではありません。",
        ),
    ],
)
def test_a_counterfactual_is_one_sentence(
    grounds: Grounds, what: Counterfactual, said: str
) -> None:
    assert wording(grounds).counterfactual(what, "ja") == said


ANSWERS = dict(
    zip(
        range(len(sentences.ANSWERS)),
        [
            "許された変更の中に、これより小さい変更がないことは証明されています。",
            "最小の変更であるとは証明されておらず、これより最大12 %小さい変更があるかもしれ",
            "最小の変更であるとは証明されておらず、これより小さい変更があるかもしれません。",
            "最小の変更であるとは証明されておらず、これより小さい変更があるかもしれません。",
            "制限時間内に探索が終わらなかったため、最小の変更であるとは証明されておらず、",
            "気温は変更できない；トルクは増加方向にのみ変更できる。見つかった中で最も近い予測は"
            "「故障」の確率約47 %（42 %未満が必要）です。",
            "モデルは警報を出したはずです。これは証明された結果です。",
            "モデルが警報を出さなかったはずの変更は、制限時間内に見つかりませんでした。",
            "探索の上限（モデル計算12,345件）の中で見つかりませんでした。",
            "モデルが警報を出さなかったため、変えるものはありません。",
        ],
        strict=False,
    )
)


@pytest.mark.parametrize("number", ANSWERS)
def test_an_answer_says_what_is_claimed_and_how_sure_it_is(number: int) -> None:
    answer: Answer = sentences.ANSWERS[number][0]
    assert ANSWERS[number] in wording().sentence(answer, "ja")


RULES = {
    "the torque may only go down": "トルクは減少方向にのみ変更できる",
    "the quality may only go up": "品質は上げる方向にのみ変更できる",
    "the torque must be between 20 and 65 Nm": "トルクは20 Nm以上65 Nm以下でなければならない",
    "the torque may change by at most 15 Nm": "トルクは最大15 Nmまでしか変更できない",
    "the tool wear can only be changed to 0 min": "工具摩耗は0分にのみ変更できる",
    "at most 3 features may be changed": "変更できる項目は最大3個である",
    "the process temperature must be above the air temperature": (
        "プロセス温度が気温より大きくなければならない"
    ),
    "the process temperature minus the air temperature must be at least 7 K": (
        "プロセス温度から気温を引いた値が7 K以上でなければならない"
    ),
    "the torque must be at most 1.1 times the present torque": (
        "トルクが現在のトルクの1.1倍以下でなければならない"
    ),
    "if the quality is neither L nor M and the tool wear does not change, the torque must be at "
    "most 50 Nm and the rotational speed must not change": (
        "品質がLでもMでもなく、工具摩耗が変更されなければ、トルクが50 Nm以下でなければならず、"
        "回転速度が変更されてはならない"
    ),
}


@pytest.mark.parametrize(
    ("constraint", "said"),
    [(c, RULES[english]) for c, english, _ in constraints.CASES if english in RULES],
)
def test_a_constraint_is_said_as_notes_are_written(constraint: Constraint, said: str) -> None:
    assert wording().constraint(constraint, "ja") == said


def test_every_constraint_above_was_found() -> None:
    assert set(RULES) <= {english for _, english, _ in constraints.CASES}


def test_without_labels_of_its_own_it_takes_the_english_ones_and_names_the_alarm() -> None:
    words = Wording(SCHEMA, binary(), {}, grounds=Grounds.CAUSAL)
    said = words.counterfactual(found(Action(SPEED, 1_282.0, 1_380.0)), "ja")
    assert said.startswith("rotational speedがあと98 rpm高ければ")
    assert said.endswith("警報は出なかったはずです。")


@pytest.mark.parametrize("text", ["工具を交換する", "工具を交換した", "承認された", "交換。", ""])
def test_a_clause_must_be_a_stem(text: str) -> None:
    with pytest.raises(InvalidPolicy):
        Wording(SCHEMA, binary(), {"tool_wear": {"0": {"ja": text}}})

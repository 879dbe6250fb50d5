from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
import pytest

from ifonly.explainers.constraints import (
    Changes,
    Comparison,
    Condition,
    Constraint,
    Direction,
    Immutable,
    IsIn,
    MaxChange,
    MaxChanges,
    NotMissing,
    OnlyTo,
    Plausible,
    Range,
    Relation,
    Rule,
    Sense,
    Settable,
)
from ifonly.explainers.wording import Grounds
from ifonly.models.predictor import Rows, Scores
from tests.unit.wording.plant import (
    AIR,
    OIL,
    PROCESS,
    QUALITY,
    SPEED,
    TORQUE,
    VALVE,
    WEAR,
    declared,
    wording,
)

HERE = declared()
L, M, H = 0, 1, 2


class Likeness:
    def score(self, rows: Rows) -> Scores:
        return np.zeros((len(rows), 1))


def rule(*then: Condition, when: tuple[Condition, ...] = (), text: str = "as declared") -> Rule:
    return Rule(text, then, when, origin=HERE)


def linear(relation: Relation, constant: float, *now: tuple[int, float]) -> Comparison:
    return Comparison(now, (), constant, relation)


def with_factual(
    relation: Relation, constant: float, now: tuple[int, float], before: tuple[int, float]
) -> Comparison:
    return Comparison((now,), (before,), constant, relation)


CASES: list[tuple[Constraint, str, str]] = [
    (
        Immutable(AIR, origin=HERE),
        "the air temperature cannot be changed",
        "대기 온도는 변경할 수 없음",
    ),
    (
        NotMissing(TORQUE, origin=HERE),
        "a missing reading of the torque cannot be filled in",
        "토크의 누락된 값은 채울 수 없음",
    ),
    (
        Direction(TORQUE, Sense.DOWN, origin=HERE),
        "the torque may only go down",
        "토크는 감소 방향으로만 변경할 수 있음",
    ),
    (
        Direction(QUALITY, Sense.UP, origin=HERE),
        "the quality may only go up",
        "품질은 올리는 쪽으로만 변경할 수 있음",
    ),
    (
        Range(TORQUE, 20.0, 65.0, origin=HERE),
        "the torque must be between 20 and 65 Nm",
        "토크는 20 Nm 이상 65 Nm 이하여야 함",
    ),
    (
        Range(TORQUE, 20.0, math.inf, origin=HERE),
        "the torque must be at least 20 Nm",
        "토크는 20 Nm 이상이어야 함",
    ),
    (
        Range(SPEED, -math.inf, 1380.0, origin=HERE),
        "the rotational speed must be at most 1,380 rpm",
        "회전 속도는 1,380 rpm 이하여야 함",
    ),
    (
        Range(SPEED, 1380.0, 1380.0, origin=HERE),
        "the rotational speed must be 1,380 rpm",
        "회전 속도는 1,380 rpm이어야 함",
    ),
    (
        Range(TORQUE, -math.inf, math.inf, origin=HERE),
        "the torque must be any value",
        "토크는 임의의 값이어야 함",
    ),
    (
        Range(QUALITY, 0.0, 1.0, origin=HERE),
        "the quality must be between L and M",
        "품질은 L 이상 M 이하여야 함",
    ),
    (
        Settable(TORQUE, 20.0, 70.0, origin=HERE),
        "the torque can only be set between 20 and 70 Nm",
        "토크는 20 Nm 이상 70 Nm 이하로만 설정할 수 있음",
    ),
    (
        Settable(TORQUE, -math.inf, 70.0, origin=HERE),
        "the torque can only be set to at most 70 Nm",
        "토크는 70 Nm 이하로만 설정할 수 있음",
    ),
    (
        MaxChange(TORQUE, 15.0, origin=HERE),
        "the torque may change by at most 15 Nm",
        "토크는 최대 15 Nm까지만 변경할 수 있음",
    ),
    (
        MaxChange(VALVE, 5.0, origin=HERE),
        "the valve opening may change by at most 5 percentage points",
        "밸브 개도는 최대 5 %p까지만 변경할 수 있음",
    ),
    (
        MaxChange(QUALITY, 1.0, origin=HERE),
        "the quality may change by at most 1 step",
        "품질은 최대 1단계까지만 변경할 수 있음",
    ),
    (
        OnlyTo(WEAR, (0.0,), origin=HERE),
        "the tool wear can only be changed to 0 min",
        "공구 마모는 0분으로만 변경할 수 있음",
    ),
    (
        OnlyTo(QUALITY, (0.0, 1.0), origin=HERE),
        "the quality can only be changed to L or M",
        "품질은 L 또는 M으로만 변경할 수 있음",
    ),
    (
        OnlyTo(WEAR, (), origin=HERE),
        "the tool wear cannot be changed",
        "공구 마모는 변경할 수 없음",
    ),
    (
        MaxChanges(3, origin=HERE),
        "at most 3 features may be changed",
        "변경할 수 있는 항목은 최대 3개임",
    ),
    (
        MaxChanges(1, origin=HERE),
        "at most 1 feature may be changed",
        "변경할 수 있는 항목은 최대 1개임",
    ),
    (MaxChanges(0, origin=HERE), "nothing may be changed", "어떤 항목도 변경할 수 없음"),
    (
        Plausible(Likeness(), origin=HERE),
        "the readings together must be like those seen before",
        "전체 값의 조합이 이전에 관측된 것과 비슷해야 함",
    ),
    (
        rule(linear(Relation.GE, -7.0, (PROCESS, 1.0), (AIR, -1.0))),
        "the process temperature minus the air temperature must be at least 7 K",
        "공정 온도에서 대기 온도를 뺀 값이 7 K 이상이어야 함",
    ),
    (
        rule(linear(Relation.LE, 7.0, (AIR, 1.0), (PROCESS, -1.0))),
        "the process temperature minus the air temperature must be at least 7 K",
        "공정 온도에서 대기 온도를 뺀 값이 7 K 이상이어야 함",
    ),
    (
        rule(linear(Relation.LE, -100.0, (PROCESS, 1.0), (AIR, 1.0))),
        "the process temperature plus the air temperature must be at most 100 K",
        "공정 온도에 대기 온도를 더한 값이 100 K 이하여야 함",
    ),
    (
        rule(linear(Relation.GT, 0.0, (PROCESS, 1.0), (AIR, -1.0))),
        "the process temperature must be above the air temperature",
        "공정 온도가 대기 온도보다 커야 함",
    ),
    (
        rule(linear(Relation.GE, 100.0, (TORQUE, -2.0))),
        "the torque must be at most 50 Nm",
        "토크가 50 Nm 이하여야 함",
    ),
    (
        rule(linear(Relation.LT, -1.0, (TORQUE, 3.0))),
        "3 times the torque must be below 1 Nm",
        "토크의 3배가 1 Nm 미만이어야 함",
    ),
    (
        rule(linear(Relation.LT, -100.0, (OIL, 1.0), (OIL, 1.0))),
        "the oil temperature plus the oil temperature must be below 100",
        "오일 온도에 오일 온도를 더한 값이 100 미만이어야 함",
    ),
    (
        rule(linear(Relation.LE, -5.0, (VALVE, 1.0), (VALVE, -1.0))),
        "the valve opening minus the valve opening must be at most 5 percentage points",
        "밸브 개도에서 밸브 개도를 뺀 값이 5 %p 이하여야 함",
    ),
    (
        rule(linear(Relation.LE, 0.0, (SPEED, 1.0), (TORQUE, 2.0), (AIR, -3.0))),
        "the rotational speed plus 2 times the torque must be at most 3 times the air temperature",
        "회전 속도에 토크의 2배를 더한 값이 대기 온도의 3배 이하여야 함",
    ),
    (
        rule(linear(Relation.LE, -10.0, (SPEED, 1.0), (TORQUE, 2.0), (AIR, -3.0))),
        "the rotational speed plus 2 times the torque minus 3 times the air temperature "
        "must be at most 10",
        "회전 속도 + 토크의 2배 − 대기 온도의 3배 값이 10 이하여야 함",
    ),
    (rule(linear(Relation.LE, 5.0)), "0 must be at most -5", "0이 -5 이하여야 함"),
    (
        rule(with_factual(Relation.GE, 0.0, (WEAR, 1.0), (WEAR, -1.0))),
        "the tool wear must be at least the present tool wear",
        "공구 마모가 현재 공구 마모 이상이어야 함",
    ),
    (
        rule(with_factual(Relation.LE, 0.0, (TORQUE, 1.0), (TORQUE, -1.1))),
        "the torque must be at most 1.1 times the present torque",
        "토크가 현재 토크의 1.1배 이하여야 함",
    ),
    (
        rule(with_factual(Relation.LE, -10.0, (OIL, 1.0), (OIL, -1.0))),
        "the oil temperature must be at most the present oil temperature plus 10 °C",
        "오일 온도가 현재 오일 온도 + 10 °C 이하여야 함",
    ),
    (
        rule(with_factual(Relation.GT, 10.0, (OIL, 1.0), (OIL, -1.0))),
        "the oil temperature must be above the present oil temperature minus 10 °C",
        "오일 온도가 현재 오일 온도 − 10 °C보다 커야 함",
    ),
    (
        rule(with_factual(Relation.LT, -5.0, (TORQUE, 1.0), (TORQUE, 1.0))),
        "the torque must be below 5 Nm minus the present torque",
        "토크가 5 Nm − 현재 토크보다 작아야 함",
    ),
    (
        rule(linear(Relation.GE, -1.0, (QUALITY, 1.0))),
        "the quality must be at least M",
        "품질이 M 이상이어야 함",
    ),
    (
        rule(linear(Relation.NE, -60.0, (OIL, 1.0))),
        "the oil temperature must not be 60 °C",
        "오일 온도가 60 °C가 아니어야 함",
    ),
    (
        rule(linear(Relation.EQ, 0.0, (WEAR, 1.0)), when=(Changes(WEAR),)),
        "if the tool wear changes, the tool wear must be 0 min",
        "공구 마모가 변경되면 공구 마모가 0분이어야 함",
    ),
    (
        rule(linear(Relation.LE, -60.0, (TORQUE, 1.0)), when=(IsIn(QUALITY, frozenset({L})),)),
        "if the quality is L, the torque must be at most 60 Nm",
        "품질이 L이면 토크가 60 Nm 이하여야 함",
    ),
    (
        rule(
            linear(Relation.LE, -50.0, (TORQUE, 1.0)),
            Changes(SPEED, False),
            when=(IsIn(QUALITY, frozenset({L, M}), False), Changes(WEAR, False)),
        ),
        "if the quality is neither L nor M and the tool wear does not change, "
        "the torque must be at most 50 Nm and the rotational speed must not change",
        "품질이 L 또는 M이 아니고 공구 마모가 변경되지 않으면 "
        "토크가 50 Nm 이하여야 하고 회전 속도가 변경되지 않아야 함",
    ),
    (
        rule(
            IsIn(QUALITY, frozenset({H}), False),
            Changes(SPEED),
            when=(linear(Relation.LT, -40.0, (TORQUE, 1.0)), linear(Relation.NE, 0.0, (WEAR, 1.0))),
        ),
        "if the torque is below 40 Nm and the tool wear is not 0 min, "
        "the quality must not be H and the rotational speed must change",
        "토크가 40 Nm 미만이고 공구 마모가 0분이 아니면 "
        "품질이 H가 아니어야 하고 회전 속도가 변경되어야 함",
    ),
    (
        rule(Changes(WEAR), when=(IsIn(QUALITY, frozenset({L, M}), of_factual=True),)),
        "if the present quality is L or M, the tool wear must change",
        "현재 품질이 L 또는 M이면 공구 마모가 변경되어야 함",
    ),
    (
        rule(Changes(WEAR), when=(linear(Relation.GT, 0.0, (PROCESS, 1.0), (AIR, -1.0)),)),
        "if the process temperature is above the air temperature, the tool wear must change",
        "공정 온도가 대기 온도보다 크면 공구 마모가 변경되어야 함",
    ),
]


@pytest.mark.parametrize(("constraint", "english", "korean"), CASES, ids=lambda c: str(c)[:40])
def test_a_constraint_is_said_in_both_languages(constraint: Constraint, english: str, korean: str):
    for grounds in Grounds:
        words = wording(grounds=grounds)
        assert words.constraint(constraint, "en") == english
        assert words.constraint(constraint, "ko") == korean


def test_the_reason_stands_in_brackets_without_its_period():
    why = declared({"en": "set by the weather.", "ko": "날씨에 따라\n정해짐."})
    constraint = Immutable(AIR, origin=why)
    assert wording().constraint(constraint, "en") == (
        "the air temperature cannot be changed (set by the weather)"
    )
    assert (
        wording().constraint(constraint, "ko") == "대기 온도는 변경할 수 없음(날씨에 따라 정해짐)"
    )


@dataclass(frozen=True)
class Unheard(Condition):
    """A condition of a kind that has no words yet."""


@dataclass(frozen=True)
class Foreign(Constraint):
    """A constraint of a kind that has no words yet."""


def test_a_rule_of_an_unknown_kind_is_said_as_it_was_declared():
    unheard = rule(Unheard(), text="torque\nwobbles")
    assert wording().constraint(unheard, "en") == 'the rule "torque wobbles" must hold'
    assert wording().constraint(unheard, "ko") == '규칙 "torque wobbles"를 지켜야 함'


def test_a_constraint_of_an_unknown_kind_is_said_by_its_key():
    foreign = Foreign(origin=declared(key="policy.causal"))
    assert wording().constraint(foreign, "en") == "the constraint policy.causal must hold"
    assert wording().constraint(foreign, "ko").startswith("제약 policy.causal")


@pytest.mark.parametrize("relation", Relation)
def test_every_relation_has_words(relation: Relation):
    said = {
        wording().constraint(rule(linear(relation, -1.0, (TORQUE, 1.0))), language)
        for language in ("en", "ko")
    }
    assert len(said) == 2

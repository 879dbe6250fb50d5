"""A small plant to speak of, and builders for its answers."""

from __future__ import annotations

import math
from collections.abc import Mapping
from decimal import Decimal

from ifonly.explainers.answer import Action, Counterfactual, Effect, Prediction, Recourse, Work
from ifonly.explainers.constraints import Origin, Source
from ifonly.explainers.wording import Grounds, Wording
from ifonly.models.schema import Category, Decision, Feature, Kind, Labels, Schema, Task

AIR, PROCESS, SPEED, TORQUE, WEAR, QUALITY, VALVE, OIL = range(8)


def feature(
    name: str,
    ko: str,
    unit: str = "",
    resolution: str | None = None,
    *,
    kind: Kind = Kind.CONTINUOUS,
    en: str = "",
    categories: tuple[Category, ...] = (),
    may_be_missing: bool = False,
) -> Feature:
    return Feature(
        name,
        kind,
        unit,
        resolution=None if resolution is None else Decimal(resolution),
        categories=categories,
        may_be_missing=may_be_missing,
        labels={"en": en or name.replace("_", " "), "ko": ko},
    )


SCHEMA = Schema(
    (
        feature("air_temperature", "대기 온도", "K"),
        feature("process_temperature", "공정 온도", "K", "0.1"),
        feature("rotational_speed", "회전 속도", "rpm", "1", kind=Kind.INTEGER),
        feature("torque", "토크", "Nm", "0.1", may_be_missing=True),
        feature("tool_wear", "공구 마모", "min", "1", kind=Kind.INTEGER),
        feature(
            "quality",
            "품질",
            kind=Kind.ORDINAL,
            categories=(Category("L"), Category("M"), Category("H")),
        ),
        feature("valve_opening", "밸브 개도", "%", "1"),
        feature("oil_temperature", "오일 온도", "°C", "1"),
    )
)
CLASSES = (
    Category("normal", {"en": "normal", "ko": "정상"}),
    Category("failure", {"en": "failure", "ko": "고장"}),
)
PHRASES = {"tool_wear": {"0": {"en": "the tool been replaced", "ko": "공구를 교체"}}}
ALARM = {"alarm": {"en": "the alarm", "ko": "경보"}}


def binary(phrases: Mapping[str, Labels] = ALARM) -> Decision:
    return Decision(Task.BINARY, CLASSES, 1, 0.42, desired=0, phrases=phrases)


def regression(
    phrases: Mapping[str, Labels] | None = None, threshold: float | None = 65.0
) -> Decision:
    noun = {"score": {"en": "the NOx concentration", "ko": "NOx 농도"}}
    return Decision(
        Task.REGRESSION,
        (Category("ok"), Category("over")) if threshold is not None else (),
        1,
        threshold,
        unit="mg/m³",
        desired=None if threshold is None else 0,
        phrases=noun if phrases is None else phrases,
    )


def multiclass() -> Decision:
    classes = (
        Category("fine", {"ko": "양호"}),
        Category("scratch", {"ko": "긁힘"}),
        Category("stain", {"ko": "얼룩"}),
    )
    return Decision(Task.MULTICLASS, classes, desired=0)


def wording(decision: Decision | None = None, grounds: Grounds = Grounds.MODEL) -> Wording:
    return Wording(SCHEMA, decision or binary(), PHRASES, grounds=grounds)


FAILING = Prediction((0.93,), 1)
PASSING = Prediction((0.3,), 0)
WORK = Work("trees", rows=12_345, runs=10)
CUT_SHORT = Work("trees", rows=12_345, runs=10, deadline_hit=True)

TORQUE_DOWN = Action(TORQUE, 60.7, 53.2, (38.0, 53.2))
SPEED_UP = Action(SPEED, 1282.0, 1380.0)
TOOL_REPLACED = Action(WEAR, 216.0, 0.0)
BETTER_QUALITY = Action(QUALITY, 0.0, 2.0)
VALVE_DOWN = Action(VALVE, 40.0, 35.0)
OIL_UP = Action(OIL, 25.0, 35.0)
TORQUE_FILLED = Action(TORQUE, math.nan, 53.2)
TORQUE_EMPTIED = Action(TORQUE, 60.7, math.nan)
SPEED_FOLLOWS = Effect(SPEED, 1282.0, 1391.28374, (TORQUE,))


def found(
    *actions: Action,
    effects: tuple[Effect, ...] = (),
    prediction: Prediction = PASSING,
    lower_bound: float | None = 1.0,
) -> Counterfactual:
    return Counterfactual((), actions, 1.0, prediction, lower_bound, effects)


def recourse(*counterfactuals: Counterfactual, work: Work = WORK) -> Recourse:
    return Recourse(FAILING, counterfactuals, work)


def declared(why: Labels | None = None, key: str = "policy.features.x") -> Origin:
    return Origin(Source.POLICY, key, why or {})

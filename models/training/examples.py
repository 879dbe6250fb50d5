"""A few parts to try an explanation on: one alarm of every kind, and a part without alarm."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

from ifonly.models.predictor import Predictor, Rows
from ifonly.models.schema import Decision, Labels, Schema
from ifonly.models.training.alarms import held_out_alarms
from ifonly.models.training.dataset import ALARM_CAMPAIGN
from ifonly.models.training.milling import (
    MODES,
    POWER_LIMITS_W,
    QUALITY,
    TORQUE,
    WEAR,
    Flags,
    Simulation,
    power,
    simulate,
)

_ALARMS_SEARCHED = 3000
_SURE = 0.9


@dataclass(frozen=True)
class ExampleKind:
    """What an example shows."""

    id: str
    note: Labels
    is_shown_by: Callable[[Simulation], Flags]


def _only(*modes: str) -> Callable[[Simulation], Flags]:
    """Parts that failed in exactly these modes."""
    wanted = np.array([m in modes for m in MODES])
    return lambda parts: (parts.modes == wanted).all(axis=1)


def _and(*conditions: Callable[[Simulation], Flags]) -> Callable[[Simulation], Flags]:
    return lambda parts: np.all([c(parts) for c in conditions], axis=0)


def _too_strong(parts: Simulation) -> Flags:
    return np.asarray(power(parts.rows) > POWER_LIMITS_W[1])


def _too_weak(parts: Simulation) -> Flags:
    return np.asarray(power(parts.rows) < POWER_LIMITS_W[0])


def _best_variant(parts: Simulation) -> Flags:
    return np.asarray(parts.rows[:, QUALITY] == 2)


ALARM_KINDS = (
    ExampleKind(
        "two-failures",
        {
            "en": "Overstrain and too much power at once.",
            "ko": "과부하와 과도한 동력이 함께 나타났습니다.",
            "ja": "過負荷と過大な動力が同時に起きています。",
        },
        _only("PWF", "OSF"),
    ),
    ExampleKind(
        "overpower",
        {
            "en": "The spindle takes more than 9 kW.",
            "ko": "주축 동력이 9 kW를 넘습니다.",
            "ja": "主軸の動力が9 kWを超えています。",
        },
        _and(_only("PWF"), _too_strong),
    ),
    ExampleKind(
        "heat",
        {
            "en": "Heat stays in the process: too little warmer than the hall, and a slow spindle.",
            "ko": "공정과 작업장의 온도 차가 작고 주축이 느려 열이 빠지지 않습니다.",
            "ja": "作業場との温度差が小さく主軸が遅いため、熱が逃げていません。",
        },
        _only("HDF"),
    ),
    ExampleKind(
        "underpower",
        {
            "en": "The spindle takes less than 3.5 kW: it hardly cuts.",
            "ko": "주축 동력이 3.5 kW보다 작아 거의 절삭하지 못합니다.",
            "ja": "主軸の動力が3.5 kW未満で、ほとんど切削していません。",
        },
        _and(_only("PWF"), _too_weak),
    ),
    ExampleKind(
        "overstrain-best-variant",
        {
            "en": "Overstrain on the best variant, which bears the most.",
            "ko": "가장 튼튼한 H 등급에서 일어난 과부하입니다.",
            "ja": "最も丈夫な等級Hで起きた過負荷です。",
        },
        _and(_only("OSF"), _best_variant),
    ),
    ExampleKind(
        "overstrain",
        {
            "en": "A worn tool under high torque: less torque or a new tool would do.",
            "ko": "마모된 공구에 큰 토크가 걸렸습니다. 토크를 낮추거나 공구를 교체하면 됩니다.",
            "ja": "摩耗した工具に大きなトルク。トルクを下げるか工具を交換すれば足ります。",
        },
        _only("OSF"),
    ),
    ExampleKind(
        "broken-tool",
        {
            "en": "The tool was at the end of its life, and broke.",
            "ko": "공구 수명이 다하여 파손되었습니다.",
            "ja": "工具が寿命に達し、破損しました。",
        },
        _only("TWF"),
    ),
    ExampleKind(
        "false-alarm",
        {
            "en": "A false alarm: the part was made without a failure.",
            "ko": "오경보입니다. 실제로는 고장 없이 가공되었습니다.",
            "ja": "誤報です。実際には故障なく加工されました。",
        },
        _only(),
    ),
)

NORMAL = ExampleKind(
    "normal",
    {
        "en": "A part without alarm.",
        "ko": "경보가 없는 정상 부품입니다.",
        "ja": "警報のない正常な部品です。",
    },
    _only(),
)


def choose_examples(
    predictor: Predictor, decision: Decision, schema: Schema, seed: int
) -> list[dict[str, Any]]:
    """One alarm of each of :data:`ALARM_KINDS` that occurs, and one part without alarm.

    All are held-out simulated parts, where possible such that the model is sure of the alarm. First
    comes one that less torque clears; the overstrain is one that a new tool clears as well.
    """
    # Parts that the model never saw: an example it was fitted to would flatter it.
    alarms = held_out_alarms(_ALARMS_SEARCHED, seed, predictor, decision)
    parts = simulate(100, seed, first_campaign=ALARM_CAMPAIGN)
    silent = decision.decide(predictor.score(parts.rows)) != decision.positive
    chosen: list[dict[str, Any]] = []
    for kind in ALARM_KINDS:
        fit = alarms[kind.is_shown_by(alarms)]
        if kind.id == "overstrain" and len(fit):
            fit = fit[_clears_either_way(fit.rows, predictor, decision)]
        if len(fit):
            sure = predictor.score(fit.rows)[:, 0] >= _SURE
            # A sure alarm explains better than one at the edge.
            fit = fit[sure] if sure.any() else fit
        chosen += _example(kind, fit, schema)
    return chosen + _example(NORMAL, parts[silent & NORMAL.is_shown_by(parts)], schema)


def _clears_either_way(rows: Rows, predictor: Predictor, decision: Decision) -> Flags:
    gentler, renewed = rows.copy(), rows.copy()
    gentler[:, TORQUE] -= 15.0
    renewed[:, WEAR] = 0.0

    def clears(tried: Rows) -> Flags:
        return np.asarray(decision.decide(predictor.score(tried)) != decision.positive)

    return clears(gentler) & clears(renewed)


def _example(kind: ExampleKind, parts: Simulation, schema: Schema) -> list[dict[str, Any]]:
    if not len(parts):
        return []
    return [{"id": kind.id, "note": dict(kind.note), "instance": schema.write(parts.rows[0])}]

"""Every kind of constraint that the design lists: as a policy or request declares it, and as a
predicate that was written apart from it."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from typing import Any

from tests.support.bruteforce import Predicate, Values, moved

PRESSURE, SPEED, MODE, GRADE, FLOW = range(5)
NEAR = 1e-7


@dataclass(frozen=True)
class ConstraintKind:
    """One kind, declared and defined."""

    name: str
    keeps: Predicate
    feature: Mapping[str, Mapping[str, Any]] = field(default_factory=dict)
    """Under ``policy.features``."""
    rule: str | None = None
    policy: Mapping[str, Any] = field(default_factory=dict)
    """Under ``policy``, of the whole row: what the request says of it, too."""
    request: Mapping[str, Any] = field(default_factory=dict)


def _if_moved(column: int, then: Callable[[Values], bool]) -> Predicate:
    return lambda row, before: not moved(row, before)[column] or then(row)


KINDS: tuple[ConstraintKind, ...] = (
    ConstraintKind(
        "immutable",
        lambda row, before: not moved(row, before)[PRESSURE],
        feature={"pressure": {"actionable": False}},
    ),
    ConstraintKind(
        "only up",
        lambda row, before: row[SPEED] >= before[SPEED],
        feature={"speed": {"direction": "up"}},
    ),
    ConstraintKind(
        "only down",
        lambda row, before: row[GRADE] <= before[GRADE],
        feature={"grade": {"direction": "down"}},
    ),
    ConstraintKind(
        "what may be set",
        _if_moved(PRESSURE, lambda row: 0.5 - NEAR <= row[PRESSURE] <= 1.5 + NEAR),
        feature={"pressure": {"range": [0.5, 1.5]}},
    ),
    ConstraintKind(
        "max change",
        lambda row, before: abs(row[SPEED] - before[SPEED]) <= 30 + NEAR,
        feature={"speed": {"max_change": 30}},
    ),
    ConstraintKind(
        "only to",
        _if_moved(PRESSURE, lambda row: row[PRESSURE] in (0.0, 2.0)),
        feature={"pressure": {"only_to": [0, 2]}},
    ),
    ConstraintKind(
        "only to a category",
        _if_moved(MODE, lambda row: row[MODE] == 1.0),
        feature={"mode": {"only_to": ["eco"]}},
    ),
    ConstraintKind(
        "requested freeze",
        lambda row, before: not moved(row, before)[MODE] and not moved(row, before)[SPEED],
        request={"freeze": ["mode", "speed"]},
    ),
    ConstraintKind(
        "requested range",
        lambda row, before: 20 - NEAR <= row[SPEED] <= 80 + NEAR,
        request={"ranges": {"speed": [20, 80]}},
    ),
    ConstraintKind(
        "linear of two",
        lambda row, before: row[SPEED] - 20 * row[PRESSURE] >= 25 - NEAR,
        rule="speed - 20 * pressure >= 25",
    ),
    ConstraintKind(
        "linear of three",
        lambda row, before: row[PRESSURE] + 0.02 * row[SPEED] + row[FLOW] <= 2.5 + NEAR,
        rule="pressure + 0.02 * speed + flow <= 2.5",
    ),
    ConstraintKind(
        "against the factual",
        lambda row, before: row[SPEED] <= 1.3 * before[SPEED] + NEAR,
        rule="speed' <= 1.3 * speed",
    ),
    ConstraintKind(
        "cyclic",
        lambda row, before: (
            row[PRESSURE] * 40 >= row[SPEED] - 30 - NEAR
            and row[SPEED] >= row[PRESSURE] * 40 - 30 - NEAR
        ),
        rule="pressure * 40 >= speed - 30 and speed >= pressure * 40 - 30",
    ),
    ConstraintKind(
        "if it changes",
        _if_moved(SPEED, lambda row: row[MODE] == 2.0),
        rule='if speed changes then mode == "boost"',
    ),
    ConstraintKind(
        "if a category",
        lambda row, before: row[GRADE] != 0.0 or row[PRESSURE] <= 1.25 + NEAR,
        rule='if grade == "L" then pressure <= 1.25',
    ),
    ConstraintKind(
        "if two then two",
        lambda row, before: (
            not (row[PRESSURE] > 1.0 + NEAR and row[GRADE] in (0.0, 1.0))
            or (row[MODE] != 2.0 and row[SPEED] <= 70 + NEAR)
        ),
        rule='if pressure > 1 and grade in ["L", "M"] then mode != "boost" and speed <= 70',
    ),
    ConstraintKind(
        "at most two changes",
        lambda row, before: sum(moved(row, before)) <= 2,
        policy={"max_changes": 2},
        request={"max_changes": 2},
    ),
    ConstraintKind(
        "ordered categories",
        lambda row, before: row[GRADE] >= 1.0,
        rule='grade >= "M"',
    ),
    ConstraintKind(
        "may be filled",
        lambda row, before: True,
        feature={"flow": {"fillable": True}},
    ),
)
"""A missing flow stays missing unless "may be filled" is among the kinds; the test adds that."""


def missing_stays(row: Values, before: Values) -> bool:
    return math.isnan(row[FLOW]) == math.isnan(before[FLOW])

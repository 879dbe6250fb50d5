"""What kind of suggestion an answer is."""

from __future__ import annotations

from typing import Any

import pytest

from ifonly.service.audit.review_groups import typical
from ifonly.service.audit.suggestions import MEMBER, marks, suggestion_of, survives
from ifonly.service.store.chain import MAX_WHOLE, Facts, Record, canonical
from ifonly.service.store.kinds import RecordKind
from ifonly.service.store.listings import is_listed
from ifonly.service.store.terms import RecordList


def action(feature: str, to: Any, delta: float | None = None) -> dict[str, Any]:
    return {"feature": feature, "to": to} | ({} if delta is None else {"delta": delta})


def answer(*actions: dict[str, Any], cost: float = 1.5, **more: Any) -> dict[str, Any]:
    found = [{"cost": cost, "actions": [*actions], **more.pop("first", {})}] if actions else []
    return {"counterfactuals": found, **more}


def facts(said: dict[str, Any], **more: Any) -> Facts:
    given = {"kind": RecordKind.EXPLANATION, "actor": "a", "model": "m", "status": "optimal"}
    return Facts(**{**given, "detail": {MEMBER: marks(said)}, **more})


def test_answers_with_the_same_levers_and_directions_are_of_one_kind() -> None:
    one = facts(answer(action("b", 3, -1), action("a", 5, 2)))
    same = facts(answer(action("a", 9, 0.5), action("b", 1, -7), cost=9.0))
    assert suggestion_of(one).key == suggestion_of(same).key
    assert suggestion_of(one).sets == (("a", "+"), ("b", "-"))
    for other in (
        answer(action("a", 5, -2), action("b", 3, -1)),
        answer(action("a", 5, 2)),
        answer(action("a", "high"), action("b", 3, -1)),
        answer(action("a", 5, 2), action("b", 3, -1), target={"robust": True}),
    ):
        assert suggestion_of(facts(other)).key != suggestion_of(one).key
    assert suggestion_of(facts(answer(action("b", 3, -1), action("a", 5, 2)), model="n")).key != (
        suggestion_of(one).key
    )


def test_rules_of_a_request_are_the_same_wherever_they_stand_in_its_list() -> None:
    def blocked(key: str, source: str = "request") -> dict[str, Any]:
        return answer(blocked_by=[{"source": source, "key": key}])

    at = [facts(blocked(key)) for key in ("constraints.rules[0]", "constraints.rules[3]")]
    assert len({suggestion_of(each).key for each in at}) == 1
    frozen = [
        facts(answer(blocked_by=[{"source": "request", "key": "freeze", "features": each}]))
        for each in (["a"], ["a"], ["b"])
    ]
    assert len({suggestion_of(each).key for each in frozen}) == 2
    policy = [facts(blocked(key, "policy")) for key in ("rules[0]", "rules[1]")]
    assert len({suggestion_of(each).key for each in policy}) == 2


@pytest.mark.parametrize(
    ("said", "known"),
    [
        ({}, None),
        ({"target": {"robust": True}}, True),
        ({"target": {"robust": False}}, None),
        ({"ways": [{"name": "smallest", "survives": 0.75}]}, False),
        ({"ways": [{"name": "smallest", "survives": 1.0}]}, True),
        ({"ways": [{"name": "smallest", "survives": None}]}, None),
        ({"first": {"assurance": {"survives_sensor_errors": 0.99}}}, False),
        ({"first": {"assurance": {"survives_sensor_errors": 1.0}}}, None),
    ],
)
def test_survival_is_told_where_it_is_known(said: dict[str, Any], known: bool | None) -> None:
    found = answer(action("a", 1, 1), **said)
    assert survives(found) is known
    assert is_listed(facts(found), RecordList.FRAGILE) is (known is False)


def test_nothing_found_is_neither_robust_nor_fragile() -> None:
    assert survives(answer(target={"robust": True})) is None


@pytest.mark.parametrize("cost", [0.0, 1e-9, 3.25, 1e300])
def test_any_cost_can_be_recorded(cost: float) -> None:
    said = marks(answer(action("a", 1, 1), cost=cost))
    canonical(said)
    assert said["cost"] == min(round(cost * 1e6), MAX_WHOLE)


@pytest.mark.parametrize(
    "detail",
    [
        None,
        {},
        {MEMBER: 3},
        {MEMBER: {"sets": 7, "blocked": None, "cost": "x", "robust": "?"}},
        "x",
    ],
)
def test_what_a_tampered_or_an_old_record_says_breaks_nothing(detail: Any) -> None:
    assert len(suggestion_of(facts(answer(), detail=detail)).key) == 16


def test_the_typical_one_has_the_cost_in_the_middle() -> None:
    costs = [9.0, 1.0, 4.0, 2.0, 4.0]
    members = [
        (Record("w", k, "", None, each, ""), suggestion_of(each))
        for k, each in enumerate(facts(answer(action("a", 1, 1), cost=c)) for c in costs)
    ]
    assert typical(members).sequence == 2
    without = [(record, suggestion_of(facts(answer()))) for record, _ in members]
    assert typical(without).sequence == 0

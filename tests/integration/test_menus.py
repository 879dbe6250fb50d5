"""Joint boxes and menus of levers over HTTP: asked for, told, confirmed, recorded, asked again."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from tests.integration.test_api import MODEL, explain
from tests.integration.test_confirmed import (
    FOLDER,
    NATIVE,
    asked,
    explained,
    explainer,
    milling,
)
from tests.support.answered import example
from tests.support.predictor import predicting

__all__ = ["milling"]  # a fixture

BESIDE: dict[str, Any] = {"joint_box": True, "menu": {"max_levers": 2}}


def test_they_are_confirmed_recorded_and_the_same_when_asked_again(milling: Any) -> None:
    question = {"instance": example("false-alarm"), "languages": ["ko", "en", "ja"], **BESIDE}
    with predicting(FOLDER, "shares") as host, explainer(milling, host) as client:
        told = explained(asked(client, question, NATIVE))
        kept = client.get(f"/api/v1/explanations/{told['id']}").json()["explanation"]
        again = client.post(f"/api/v1/audit/events/{told['id']}/replay").raise_for_status().json()
    assert kept["menu"] == told["menu"]
    assert (again["changes"], again["answer"]["holds"]) == ([], True)
    (found,) = told["counterfactuals"]
    box, menu = found["joint_box"], told["menu"]
    assert [side["feature"] for side in box["sides"]] == [a["feature"] for a in found["actions"]]
    assert box["proof"] == "proven"
    assert set(box["text"]) == set(menu["text"]) == {"ko", "en", "ja"}
    assert len(menu["sets"]) == 10
    assert {some["status"] for some in menu["sets"]} == {"optimal", "infeasible"}
    own = [s["counterfactual"] for s in menu["sets"] if "counterfactual" in s]
    assert {one["confirmation"]["by"] for one in own} == {"predictor"}
    # What it is asked for is no more than that.
    assert [s["levers"] for s in menu["sets"] if s.get("same_as") == ["torque"]] == [
        ["torque", "tool_wear"]
    ]


def test_only_named_levers_make_sets(client: httpx.Client, alarm: dict[str, Any]) -> None:
    told = explain(client, alarm, menu={"max_levers": 3, "levers": ["tool_wear", "torque"]})
    assert [s["levers"] for s in told["menu"]["sets"]] == [
        ["torque"], ["tool_wear"], ["torque", "tool_wear"],
    ]  # fmt: skip
    assert "joint_box" not in told["counterfactuals"][0]


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"menu": {"max_levers": 4}}, "/menu/max_levers"),
        ({"menu": {"levers": ["speed"]}}, "/menu/levers/0"),
        ({"menu": {}, "semantics": "backtracking"}, "/menu"),
        ({"joint_box": True, "semantics": "backtracking"}, "/joint_box"),
        ({"joint_box": "yes"}, "/joint_box"),
    ],
)
def test_what_cannot_be_told_is_refused_by_its_place(
    client: httpx.Client, alarm: dict[str, Any], body: dict[str, Any], pointer: str
) -> None:
    refused = client.post(f"{MODEL}/explanations", json={"instance": alarm, **body})
    assert refused.status_code == 422
    assert [fault["pointer"] for fault in refused.json()["errors"]] == [pointer]


def test_both_keep_to_the_deadline_of_the_whole(
    client: httpx.Client, alarm: dict[str, Any]
) -> None:
    told = explain(client, alarm, deadline_ms=1, **BESIDE)
    # Whatever the time allowed: nothing is claimed that was not proven.
    for some in told["menu"]["sets"]:
        if some["status"] == "unknown":
            assert told["deadline_hit"]
            assert "counterfactual" not in some


def test_what_needs_nothing_has_no_menu(client: httpx.Client) -> None:
    told = explain(client, example("normal"), **BESIDE)
    assert told["status"] == "already_target"
    assert "menu" not in told


def test_nothing_can_where_the_whole_question_is_impossible(
    client: httpx.Client, alarm: dict[str, Any]
) -> None:
    frozen = {"freeze": ["torque", "rotational_speed", "process_temperature"]}
    told = explain(client, alarm, constraints=frozen, **BESIDE)
    assert told["status"] == "infeasible"
    assert [(s["levers"], s["status"]) for s in told["menu"]["sets"]] == [
        (["tool_wear"], "infeasible")
    ]

"""Named ways over HTTP: asked for, told, confirmed, recorded, and asked again."""

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

NAMES = ["smallest", "fewest_levers", "most_robust", "other_levers"]


def test_ways_are_confirmed_recorded_and_the_same_when_asked_again(milling: Any) -> None:
    question = {"instance": example("false-alarm"), "ways": True, "languages": ["ko", "en", "ja"]}
    with predicting(FOLDER, "shares") as host, explainer(milling, host) as client:
        told = explained(asked(client, question, NATIVE))
        kept = client.get(f"/api/v1/explanations/{told['id']}").json()["explanation"]
        again = client.post(f"/api/v1/audit/events/{told['id']}/replay").raise_for_status().json()
    assert [way["name"] for way in told["ways"]] == NAMES
    assert kept["ways"] == told["ways"]
    assert (again["changes"], again["answer"]["holds"]) == ([], True)
    further = [way["counterfactual"] for way in told["ways"][1:]]
    assert {found["confirmation"]["by"] for found in further} == {"predictor"}
    for way in told["ways"]:
        assert set(way["text"]) == {"ko", "en", "ja"}
        assert way["status"] == "optimal"


def test_a_model_without_tolerances_says_why_no_way_is_the_most_robust(
    client: httpx.Client,
) -> None:
    told = explain(
        client,
        {"pressure": 10.0, "speed": 100},
        "/api/v1/models/press",
        target={"score": {"min": 50.0}},
        ways=True,
    )
    robust = told["ways"][2]
    assert (robust["status"], robust["why"]) == ("unknown", "no_tolerances")
    assert "counterfactual" not in robust
    assert told["ways"][0]["survives"] is None


def test_of_another_past_there_are_no_ways(client: httpx.Client, alarm: dict[str, Any]) -> None:
    body = {"instance": alarm, "ways": True, "semantics": "backtracking"}
    refused = client.post(f"{MODEL}/explanations", json=body)
    assert refused.status_code == 422
    assert [fault["pointer"] for fault in refused.json()["errors"]] == ["/ways"]


@pytest.mark.parametrize("deadline_ms", [1])
def test_ways_keep_to_the_deadline_of_the_whole(
    client: httpx.Client, alarm: dict[str, Any], deadline_ms: int
) -> None:
    told = explain(client, alarm, ways=True, deadline_ms=deadline_ms)
    # Whatever the time allowed: nothing is claimed that was not proven.
    for way in told.get("ways", []):
        assert way["status"] != "infeasible" or told["status"] == "optimal"
        if way["status"] == "unknown":
            assert "counterfactual" not in way
            assert told["deadline_hit"]

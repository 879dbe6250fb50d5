"""``semantics: backtracking``: another past, told to explain and never as advice."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import httpx
import pytest

from ifonly.service.ask import read_request
from ifonly.service.errors import InvalidRequest
from ifonly.service.served.registry import Registry
from ifonly.service.settings import shipped_models
from tests.integration.test_causal_answers import MODEL, explained


def asked(client: httpx.Client, instance: Any, **keys: Any) -> dict[str, Any]:
    return explained(client, instance, semantics="backtracking", **keys)


def test_it_is_told_as_another_past_in_both_languages(
    client: httpx.Client, alarm: dict[str, Any]
) -> None:
    reply = asked(client, alarm)
    assert reply["semantics"] == "backtracking"
    (found,) = reply["counterfactuals"]
    for text in (reply["text"], found["text"]):
        assert text["en"].startswith("Had circumstances been other, so that the ")
        assert "This tells of a past that was not, and is no advice." in text["en"]
        assert text["ko"].startswith("상황이 달라 ")
        assert "조치에 대한 권고가 아닙니다." in text["ko"]
    assert "another past" in reply["assumptions"][0]["en"]
    assert any("not the real outcome" in a["en"] for a in reply["assumptions"])
    assert reply["causal"]["accepted_by"]


def test_what_is_published_flips_when_it_is_asked_again(
    client: httpx.Client, alarm: dict[str, Any]
) -> None:
    (found,) = asked(client, alarm)["counterfactuals"]
    again = client.post(f"{MODEL}/predictions", json={"instance": found["instance"]}).json()
    assert again["predictions"][0] == found["prediction"]
    assert found["prediction"]["class"] == "normal"


def test_what_nobody_can_set_may_have_been_otherwise_unless_the_request_freezes_it(
    client: httpx.Client, alarm: dict[str, Any]
) -> None:
    examples = {e["id"]: e["instance"] for e in client.get(MODEL).json()["examples"]}
    strained = examples["overstrain"]
    alone = {"class": "normal", "probability": {"min": 0}}
    keeping = {"freeze": ["torque", "tool_wear"]}
    reply = asked(client, strained, constraints=keeping, target=alone)
    (found,) = reply["counterfactuals"]
    moved = {a["feature"] for a in found["actions"]}
    assert "quality" in moved
    assert not moved & {"torque", "tool_wear"}
    frozen = {"freeze": [a for a in alarm if a != "air_temperature"]}
    refused = client.post(
        f"{MODEL}/explanations",
        json={"instance": alarm, "semantics": "backtracking", "constraints": frozen},
    )
    assert refused.status_code == 200
    assert refused.json()["status"] == "infeasible"
    assert refused.json()["text"]["en"].startswith("Whatever had been otherwise, the laws being")


def test_a_feature_whose_cause_is_otherwise_too_is_told_by_its_own_part(
    client: httpx.Client,
) -> None:
    described = client.get(MODEL).json()
    instance = described["examples"][1]["instance"]
    reply = asked(client, instance)
    (found,) = reply["counterfactuals"]
    actions = {a["feature"]: a for a in found["actions"]}
    effects = {e["feature"]: e for e in found["effects"]}
    assert set(actions) == {"torque", "rotational_speed"}
    assert set(effects) == {"rotational_speed"}
    assert effects["rotational_speed"]["via"] == ["torque"]
    assert found["instance"]["rotational_speed"] == effects["rotational_speed"]["to"]
    assert found["instance"]["rotational_speed"] != actions["rotational_speed"]["to"]
    assert "rotational speed was of itself" in found["text"]["en"]
    assert "회전 속도가 그 자체로" in found["text"]["ko"]


def test_without_an_accepted_graph_it_is_refused() -> None:
    registry = Registry(shipped_models())
    registry.load()
    bare = replace(registry.get("milling-machine"), causal=None)
    with pytest.raises(InvalidRequest, match="needs an accepted causal model"):
        read_request.semantics("backtracking", bare)

"""What KServe's clients ask and are answered, and the predictor that is explained."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from service.settings import Settings, shipped_models
from tests.integration.conftest import serving
from tests.support.predictor import flipped, predicting

NAME = "milling-machine"
FOLDER = shipped_models() / NAME / "1"
EXPLAIN = f"/v1/models/{NAME}:explain"
PREDICT = f"/v1/models/{NAME}:predict"


@contextmanager
def explainer(repository: Path, host: str) -> Iterator[httpx.Client]:
    with (
        serving(Settings(models=repository, predictor_host=host)) as base,
        httpx.Client(base_url=base, timeout=300, trust_env=False) as client,
    ):
        yield client


def test_the_models_are_listed_and_ready(client: httpx.Client) -> None:
    assert NAME in client.get("/v1/models").json()["models"]
    assert client.get(f"/v1/models/{NAME}").json() == {"name": NAME, "ready": True}


def test_instances_are_predicted_by_name_or_in_order(
    client: httpx.Client, alarm: dict[str, Any]
) -> None:
    reply = client.post(PREDICT, json={"instances": [alarm, [*alarm.values()]]})
    assert reply.json() == {"predictions": ["failure", "failure"]}
    value = client.post("/v1/models/press:predict", json={"instances": [[10.0, 100]]}).json()
    assert isinstance(value["predictions"][0], float)


@pytest.mark.parametrize(("path", "methods"), [(EXPLAIN, "POST"), (f"/v1/models/{NAME}", "GET")])
def test_a_method_that_is_not_there_says_which_are(
    client: httpx.Client, path: str, methods: str
) -> None:
    reply = client.delete(path)
    assert (reply.status_code, reply.headers["allow"]) == (405, methods)


def test_explanations_are_those_of_the_native_api_each_with_its_record(
    client: httpx.Client, alarm: dict[str, Any]
) -> None:
    body = {"instances": [alarm, [*alarm.values()]], "semantics": "independent"}
    found = client.post(EXPLAIN, json=body).raise_for_status().json()["explanations"]
    native = client.post(
        f"/api/v1/models/{NAME}/explanations",
        json={"instance": alarm, "semantics": "independent"},
    ).json()
    for explanation in found:
        assert explanation["counterfactuals"] == native["counterfactuals"]
        kept = client.get(f"/api/v1/explanations/{explanation['id']}").json()
        assert kept["explanation"]["counterfactuals"] == native["counterfactuals"]
        assert kept["request"]["instance"] == alarm
    assert len({e["audit"]["sequence"] for e in found}) == 2


@pytest.mark.parametrize(
    ("path", "body", "status", "said"),
    [
        (EXPLAIN, {"instances": [[1, 2]]}, 422, "instances[0] has 2 values"),
        (EXPLAIN, {"instances": []}, 422, "instances"),
        (EXPLAIN, {"instances": ["text"]}, 422, "instance"),
        (EXPLAIN, {"instances": [{"torque": 1}]}, 422, "air_temperature is missing"),
        (PREDICT, {}, 422, "instances"),
        ("/v1/models/nobody:explain", {"instances": [[1]]}, 404, "nobody"),
    ],
)
def test_what_cannot_be_asked_is_refused_in_their_words(
    client: httpx.Client, path: str, body: dict[str, Any], status: int, said: str
) -> None:
    reply = client.post(path, json=body)
    assert reply.status_code == status
    assert said in reply.json()["error"]
    assert reply.headers["content-type"] == "application/json"


@pytest.mark.parametrize("how", ["names", "shares"])
def test_a_predictor_of_the_same_model_confirms_each_answer(
    repository: Path, alarm: dict[str, Any], how: str
) -> None:
    body = {"instances": [alarm, [*alarm.values()]], "semantics": "independent"}
    with predicting(FOLDER, how) as host, explainer(repository, host) as client:
        found = client.post(EXPLAIN, json=body).raise_for_status().json()["explanations"]
    assert [e["status"] for e in found] == ["optimal", "optimal"]


def test_a_predictor_of_another_model_stops_the_answer(
    repository: Path, alarm: dict[str, Any]
) -> None:
    body = {"instances": [alarm], "semantics": "independent"}
    with (
        predicting(FOLDER, "places", change=flipped) as host,
        explainer(repository, host) as client,
    ):
        reply = client.post(EXPLAIN, json=body)
        events = client.get("/api/v1/audit/events", params={"kind": "failure"}).json()
    assert reply.status_code == 502
    assert "not the same model" in reply.json()["error"]
    assert [e["status"] for e in events["events"]] == ["predictor-disagrees"]


def test_a_predictor_that_does_not_answer_stops_the_answer(
    repository: Path, alarm: dict[str, Any]
) -> None:
    with explainer(repository, "127.0.0.1:9") as client:
        reply = client.post(EXPLAIN, json={"instances": [alarm], "semantics": "independent"})
    assert reply.status_code == 503
    assert "retry-after" in reply.headers

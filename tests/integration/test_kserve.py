"""What KServe's clients ask and are answered, and the predictor that is explained."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from models.schema import Category, Decision, Task
from service.served.predictor_host import agrees
from service.settings import Settings, shipped_models
from tests.integration.conftest import serving
from tests.support.predictor import predicting

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


@pytest.mark.parametrize("accept", ["*/*", "application/json", ""])
def test_it_says_that_it_is_alive_to_whoever_is_no_browser(
    client: httpx.Client, accept: str
) -> None:
    assert client.get("/", headers={"Accept": accept}).json() == {"status": "alive"}


def test_a_browser_reaches_its_first_page_where_programs_hear_that_we_live(
    client: httpx.Client,
) -> None:
    html = "text/html,application/xhtml+xml,application/xml;q=0.9,*/*;q=0.8"
    reply = client.get("/", headers={"Accept": html})
    assert (reply.status_code, reply.headers["location"]) == (303, "/alarms")


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
        predicting(FOLDER, "places", flipped=True) as host,
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


BINARY = Decision(Task.BINARY, (Category("good"), Category("bad")), positive=1, threshold=0.4)
MANY = Decision(Task.MULTICLASS, (Category("a"), Category("b"), Category("c")))
VALUE = Decision(Task.REGRESSION)


@pytest.mark.parametrize(
    ("decision", "ours", "said", "agree"),
    [
        (BINARY, [0.5], "bad", True), (BINARY, [0.5], "good", False), (BINARY, [0.5], 1, True),
        (BINARY, [0.5], 0, False), (BINARY, [0.5], [0.55, 0.45], True), (BINARY, [0.5], 0.45, True),
        (BINARY, [0.5], 0.3, False), (BINARY, [0.5], [0.5], True), (BINARY, [0.5], None, False),
        (MANY, [0.2, 0.5, 0.3], [0.1, 0.8, 0.1], True), (MANY, [0.2, 0.5, 0.3], "c", False),
        (MANY, [0.2, 0.5, 0.3], ["a", "b", "c"], False),
        (VALUE, [10.0], 10.0000004, True), (VALUE, [10.0], 10.1, False),
        (VALUE, [10.0], [10], True),
    ],
)  # fmt: skip
def test_a_predictors_word_is_read_in_whichever_form_it_has(
    decision: Decision, ours: list[float], said: object, agree: bool
) -> None:
    assert agrees(said, ours, decision) is agree

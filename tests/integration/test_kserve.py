"""What KServe's clients ask and are answered, and the predictor that is explained."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from ifonly.service.settings import Settings, shipped_models
from tests.integration.conftest import serving
from tests.support.predictor import flipped, predicting

NAME = "milling-machine"
FOLDER = shipped_models() / NAME / "1"
EXPLAIN = f"/v1/models/{NAME}:explain"
PREDICT = f"/v1/models/{NAME}:predict"


@contextmanager
def explainer(repository: Path, host: str) -> Iterator[httpx.Client]:
    with (
        serving(
            Settings(models=repository, predictor_host=host, predictor_compare_seconds=0)
        ) as base,
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


# --- many rows, wrong rows, the same request again ----------------------------------------

INDEPENDENT = {"semantics": "independent"}
PRESS = "/v1/models/press"


def records(client: httpx.Client, request: str, kind: str | None = None) -> list[dict[str, Any]]:
    asked = {"request_id": request, "limit": "500"} | ({"kind": kind} if kind else {})
    found: list[dict[str, Any]] = client.get("/api/v1/audit/events", params=asked).json()["events"]
    return found


def test_rows_may_be_called_inputs(client: httpx.Client, alarm: dict[str, Any]) -> None:
    rows = [alarm, [*alarm.values()]]
    assert client.post(PREDICT, json={"inputs": rows}).json() == {"predictions": ["failure"] * 2}
    found = client.post(EXPLAIN, json={"inputs": rows, **INDEPENDENT}).json()["explanations"]
    assert [e["status"] for e in found] == ["optimal", "optimal"]
    both = client.post(PREDICT, json={"inputs": rows, "instances": rows})
    assert (both.status_code, "not both" in both.json()["error"]) == (422, True)


def test_a_wrong_row_does_not_lose_the_others(client: httpx.Client, alarm: dict[str, Any]) -> None:
    rows = [alarm, {**alarm, "torque": 9e9}, [1, 2], "text", None, [*alarm.values()]]
    headers = {"X-Request-ID": "kserve-wrong-rows"}
    said = client.post(PREDICT, json={"instances": rows}, headers=headers).json()["predictions"]
    assert [said[0], said[5]] == ["failure", "failure"]
    assert [s["status"] for s in said[1:5]] == [422] * 4
    assert "torque is 9000000000.0" in said[1]["error"]
    assert said[1]["errors"][0]["pointer"] == "/instances/1/torque"
    assert "instances[3] is 'text' (text), not an object or a list" in said[3]["error"]
    # One record of the rows that were predicted, one of those that were refused.
    kinds = {e["kind"]: e["id"] for e in records(client, "kserve-wrong-rows")}
    assert {*kinds} == {"prediction", "refusal"}
    assert {s["audit"]["id"] for s in said[1:5]} == {kinds["refusal"]}


def test_an_explanation_that_fails_does_not_lose_the_others(
    client: httpx.Client, alarm: dict[str, Any]
) -> None:
    examples = client.get("/api/v1/models/milling-machine").json()["examples"]
    rows = [example["instance"] for example in examples]
    said = client.post(PREDICT, json={"instances": rows}).json()["predictions"]
    normal = rows[said.index("normal")]
    other = {**alarm, "torque": 61.5}
    body = {"instances": [alarm, {"torque": 1}, normal, other], "target": {"class": "failure"}}
    headers = {"X-Request-ID": "kserve-failed-rows"}
    refused = client.post(EXPLAIN, json={**body, "instances": [alarm]} | INDEPENDENT)
    assert "nothing to change" in refused.json()["error"]  # of a row alone, the request is refused
    found = client.post(EXPLAIN, json=body | INDEPENDENT, headers=headers).json()["explanations"]
    told = [e.get("status") for e in found]
    assert told[1] == 422
    assert "air_temperature is missing" in found[1]["error"]
    assert {"optimal", 422} <= {*told}
    assert [e["type"] for e in found if e["status"] == 422 and "nothing to change" in e["error"]]
    kinds = [e["kind"] for e in records(client, "kserve-failed-rows")]
    assert kinds.count("explanation") == len([s for s in told if s != 422])
    assert kinds.count("refusal") == told.count(422)


def test_more_rows_than_64_are_explained(client: httpx.Client) -> None:
    rows = [[float(10 + k % 40), 100] for k in range(70)]
    body = {"instances": rows, "target": {"score": {"min": 150}}}
    found = client.post(f"{PRESS}:explain", json=body).raise_for_status().json()["explanations"]
    assert [e["status"] for e in found] == ["optimal"] * 70
    assert len({e["audit"]["id"] for e in found}) == 70


@pytest.mark.parametrize("what", ["predict", "explain"])
def test_a_request_that_its_client_has_named_is_answered_once(
    client: httpx.Client, what: str
) -> None:
    rows: list[Any] = [[10.0, 100], [20.0, 200], ["x", 1]]
    target = {} if what == "predict" else {"target": {"score": {"min": 150}}}
    named = {"Idempotency-Key": f"kserve-{what}", "X-Request-ID": f"kserve-once-{what}"}

    def ask(rows: list[Any]) -> httpx.Response:
        return client.post(f"{PRESS}:{what}", json={"instances": rows} | target, headers=named)

    one, two = ask(rows), ask(rows)
    assert one.status_code == two.status_code == 200
    (good,) = (part[:2] for part in one.json().values())
    assert [part[:2] for part in two.json().values()] == [good]
    assert "idempotency-replayed" not in one.headers
    assert two.headers["idempotency-replayed"] == "true"
    kind = "prediction" if what == "predict" else "explanation"
    assert len(records(client, named["X-Request-ID"], kind)) == (1 if what == "predict" else 2)
    other = ask([[11.0, 100]])
    assert other.status_code == 422
    assert f"'kserve-{what}' was used for another request" in other.json()["error"]


@pytest.mark.parametrize(
    ("method", "path", "status"),
    [
        ("GET", "/v1/nothing", 404),
        ("PUT", PREDICT, 405),
        ("GET", "/v1/models/nobody", 404),
        ("POST", PREDICT, 400),
    ],
)
def test_every_refusal_has_the_key_that_their_clients_read(
    client: httpx.Client, method: str, path: str, status: int
) -> None:
    json_type = {"Content-Type": "application/json"}
    reply = client.request(method, path, content=b"{", headers=json_type)
    assert reply.status_code == status
    assert reply.json()["error"]
    assert reply.headers["content-type"] == "application/json"
    long = client.post(PREDICT, content=b" " * 2_000_000, headers=json_type)
    assert (long.status_code, bool(long.json()["error"])) == (413, True)

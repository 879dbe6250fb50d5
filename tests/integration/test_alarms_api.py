"""Alarms over HTTP: equipment is named in every protocol, grouped, acted on, and recorded."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from ifonly.service.settings import Settings
from tests.integration.conftest import serving
from tests.integration.small_models import SORTER, linear

NAME = "sorter"
MODEL = f"/api/v1/models/{NAME}"
BAD = {"size": 5.0, "colour/shade": "red", "dirt": 0.0}
GOOD = {"size": 0.0, "colour/shade": "red", "dirt": 0.0}
DECLARED = """
[attributes.machine]
label = {en = "machine", ko = "기계"}
identity = true
max_length = 20
[attributes.line]
values = ["a", "b"]
[attributes.shift]
varies = true
[alarm]
owner = "shift leader"
class = {en = "quality", ko = "품질"}
priority = "high"
chattering_minutes = 0
"""

LISTED = """
[attributes.machine]
identity = true
values = ["Mill 7"]
"""


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    root: Path = tmp_path_factory.mktemp("alarms")
    graph = linear([[-2.0, 0.0, 2.0], [0.0, 0.5, 0.0], [0.0, 0.0, 0.1]], [0, 0.4, 0], softmax=True)
    for name, more in ((NAME, DECLARED), ("plain", ""), ("listed", LISTED)):
        folder = root / name / "1"
        folder.mkdir(parents=True)
        spec = SORTER.replace('"sorter"', f'"{name}"') + more
        (folder / "spec.toml").write_text(spec, "utf-8")
        (folder / "model.onnx").write_bytes(graph.SerializeToString())
    settings = Settings.model_validate({"models": root, "refresh_seconds": 0, "mlflow_model": NAME})
    with serving(settings) as url, httpx.Client(base_url=url, timeout=300, trust_env=False) as api:
        yield api


def predicted(api: httpx.Client, machine: str, row: Any = BAD, **said: str) -> httpx.Response:
    body = {"instance": row, "attributes": {"machine": machine} | said}
    reply = api.post(f"{MODEL}/predictions", json=body)
    assert reply.status_code == 200, reply.text
    return reply


def one(api: httpx.Client, machine: str, **query: Any) -> dict[str, Any]:
    found = api.get("/api/v1/alarms", params={"search": machine} | query).json()
    assert found["total"] == len(found["alarms"]) == 1, found
    alarm: dict[str, Any] = found["alarms"][0]
    return alarm


def acted(api: httpx.Client, alarm: dict[str, Any], **said: Any) -> httpx.Response:
    headers = {"Idempotency-Key": said.pop("key")} if "key" in said else {}
    return api.post(f"/api/v1/alarms/{alarm['id']}/actions", json=said, headers=headers)


def test_a_model_lists_what_requests_may_say(api: httpx.Client) -> None:
    told = api.get(MODEL).json()
    assert [a["name"] for a in told["attributes"]] == ["machine", "line", "shift"]
    assert told["attributes"][0] == {
        "name": "machine", "label": {"en": "machine", "ko": "기계"},
        "identity": True, "varies": False, "values": [],
    }  # fmt: skip
    assert told["alarm"]["priority"] == "high"
    (only,) = api.get("/api/v1/models/plain").json()["attributes"]
    assert (only["name"], only["identity"]) == ("equipment", True)


WRONG = {
    "unknown": ({"machin": "Mill 7"}, "machin is no attribute"),
    "too long": ({"machine": "M" * 21}, "machine has 21 characters; the most is 20"),
    "of none that are known": ({"line": "c"}, "line is 'c', not one of 'a', 'b'"),
    "of odd characters": ({"machine": "Mill\n7"}, "a control character"),
}


@pytest.mark.parametrize("case", WRONG)
def test_what_is_wrong_is_refused_by_name_in_every_protocol(api: httpx.Client, case: str) -> None:
    said, problem = WRONG[case]
    name = next(iter(said))
    values = [
        {
            "name": key,
            "shape": [1],
            "datatype": "BYTES" if isinstance(value, str) else "FP64",
            "data": [value],
        }
        for key, value in BAD.items()
    ]
    asked: dict[str, Any] = {
        f"{MODEL}/predictions": {"instance": BAD, "attributes": said},
        f"{MODEL}/what-if": {"instance": BAD, "set": {"size": 1.0}, "attributes": said},
        f"{MODEL}/explanations": {"instance": BAD, "attributes": said},
        f"/v1/models/{NAME}:predict": {"instances": [BAD], "attributes": said},
        f"/v2/models/{NAME}/infer": {
            "inputs": values,
            "parameters": {f"attribute.{name}": said[name]},
        },
    }
    for path, body in asked.items():
        reply = api.post(path, json=body)
        assert reply.status_code in (400, 422), (path, reply.text)
        assert problem in reply.text, path
    native = api.post(f"{MODEL}/predictions", json={"instance": BAD, "attributes": said}).json()
    assert native["errors"][0]["pointer"] == f"/attributes/{name}"


def test_every_protocol_and_kind_of_question_tells_of_one_alarm(api: httpx.Client) -> None:
    said = {"machine": "Mill 1", "line": "a"}
    values = [
        {
            "name": key,
            "shape": [1],
            "datatype": "BYTES" if isinstance(value, str) else "FP64",
            "data": [value],
        }
        for key, value in BAD.items()
    ]
    first = api.post(f"{MODEL}/predictions", json={"instance": BAD, "attributes": said}).json()
    explained = api.post(f"{MODEL}/explanations", json={"instance": BAD, "attributes": said}).json()
    for path, body in {
        f"/v1/models/{NAME}:predict": {"instances": [BAD], "attributes": said},
        f"/v2/models/{NAME}/infer": {
            "inputs": values,
            "parameters": {f"attribute.{name}": value for name, value in said.items()},
        },
        f"{MODEL}/predictions": {"instances": [GOOD, BAD], "attributes": said | {"shift": "x"}},
    }.items():
        reply = api.post(path, json=body)
        assert reply.status_code == 200, (path, reply.text)
    assert one(api, "Mill 1")["state"] == "active_unacknowledged"
    # That it stands is counted some seconds later, or with what clears it.
    predicted(api, "Mill 1", GOOD, line="a")
    alarm = one(api, "Mill 1")
    assert alarm["id"] == first["audit"]["id"]
    assert (alarm["count"], alarm["row"], alarm["explanation"]) == (4, 1, explained["id"])
    assert alarm["attributes"] == {"line": "a", "machine": "Mill 1"}
    assert (alarm["state"], alarm["active"]) == ("cleared_unacknowledged", False)
    assert (alarm["priority"], alarm["owner"]["ko"]) == ("high", "shift leader")
    assert alarm["class"] == {"en": "quality", "ko": "품질"}


def test_rows_of_a_job_are_explained_and_raise_nothing(api: httpx.Client) -> None:
    lines = [{"instance": BAD, "attributes": {"machine": "Mill 2"}}]
    job = api.post(
        f"{MODEL}/explanations/bulk",
        content="\n".join(map(json.dumps, lines)),
        headers={"Content-Type": "application/jsonl"},
    ).json()
    while api.get(f"/api/v1/jobs/{job['id']}").json()["state"] != "done":
        time.sleep(0.05)
    (told,) = api.get(f"/api/v1/jobs/{job['id']}/result").text.splitlines()
    assert json.loads(told)["explanation"]["status"] == "optimal", told
    assert api.get("/api/v1/alarms", params={"search": "Mill 2"}).json()["total"] == 0


def test_whoever_names_no_equipment_raises_nothing(api: httpx.Client) -> None:
    before = api.get("/api/v1/alarms").json()["total"]
    api.post(f"{MODEL}/predictions", json={"instance": BAD, "attributes": {"line": "a"}})
    api.post(f"{MODEL}/predictions", json={"instance": BAD})
    predicted(api, "Mill 3", GOOD)
    assert api.get("/api/v1/alarms").json()["total"] == before


def test_an_alarm_lives_as_the_standard_says(api: httpx.Client) -> None:
    predicted(api, "Mill 4")
    alarm = one(api, "Mill 4")
    steps: list[tuple[dict[str, Any], str]] = [
        ({"action": "shelve", "minutes": 30, "comment": "cleaning"}, "shelved"),
        ({"action": "unshelve"}, "active_unacknowledged"),
        ({"action": "take_out_of_service"}, "out_of_service"),
        ({"action": "return_to_service"}, "active_unacknowledged"),
        ({"action": "comment", "comment": "해머 소리"}, "active_unacknowledged"),
        ({"action": "done_as_suggested", "returns": 0}, "active_acknowledged"),
    ]
    for body, state in steps:
        reply = acted(api, alarm, **body).json()
        assert (reply["alarm"]["state"], reply["action"]["action"]) == (state, body["action"])
        assert reply["action"]["audit"]["durable"]
    again = acted(api, alarm, action="acknowledge").json()
    assert again["action"] is None
    predicted(api, "Mill 4", GOOD)
    over = one(api, "Mill 4", state="normal")
    assert (over["state"], over["cleared"] is not None) == ("normal", True)
    told = api.get(f"/api/v1/alarms/{alarm['id']}").json()
    assert [a["action"] for a in told["actions"]] == [body["action"] for body, _ in steps]
    assert told["actions"][0]["comment"] == "cleaning"
    assert told["actions"][0]["until"] > told["actions"][0]["time"]
    predicted(api, "Mill 4")
    assert one(api, "Mill 4")["id"] != alarm["id"]
    moved = acted(api, alarm, action="acknowledge")
    assert (moved.status_code, moved.json()["type"]) == (409, "urn:ifonly:problem:alarm-moved")
    assert api.get("/api/v1/audit/verify").json()["holds"]
    kinds = {"kind": "alarm", "about": alarm["id"]}
    events = api.get("/api/v1/audit/events", params=kinds).json()["events"]
    assert [e["status"] for e in events][::-1] == [body["action"] for body, _ in steps]


def test_what_returned_since_is_not_acknowledged_and_a_named_request_is_done_once(
    api: httpx.Client,
) -> None:
    for row in (BAD, GOOD, BAD):
        predicted(api, "Mill 5", row)
    alarm = one(api, "Mill 5")
    assert (alarm["returns"], alarm["count"]) == (1, 2)
    assert acted(api, alarm, action="acknowledge", returns=0).status_code == 409
    named = {"action": "comment", "comment": "x", "returns": 1, "key": "once"}
    first, second = acted(api, alarm, **named), acted(api, alarm, **named)
    assert second.headers["Idempotency-Replayed"] == "true"
    assert first.json()["action"] == second.json()["action"]
    assert len(api.get(f"/api/v1/alarms/{alarm['id']}").json()["actions"]) == 1


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"action": "shelve"}, "minutes"),
        ({"action": "shelve", "minutes": 0}, "minutes"),
        ({"action": "shelve", "minutes": 10_081}, "minutes"),
        ({"action": "acknowledge", "minutes": 5}, "minutes"),
        ({"action": "comment"}, "comment"),
        ({"action": "ignore"}, "action"),
        ({"action": "acknowledge", "returns": -1}, "returns"),
    ],
)
def test_an_action_that_makes_no_sense_is_refused(
    api: httpx.Client, body: dict[str, Any], pointer: str
) -> None:
    predicted(api, "Mill 6")
    reply = acted(api, one(api, "Mill 6"), **body)
    assert reply.status_code == 422
    assert pointer in reply.text
    assert acted(api, {"id": "nothing"}, action="acknowledge").status_code == 404


def test_metrics_name_only_what_a_spec_lists(api: httpx.Client) -> None:
    """Of the equipment: here the model lists no names of machines."""
    predicted(api, "Secret mill")
    text = api.get("/metrics").text
    assert "Secret" not in text
    key = 'ifonly_alarms_open{equipment="other",model_name="sorter",state="active_unacknowledged"}'
    assert float(text.split(key)[1].split()[0]) >= 1
    listed = api.post(
        "/api/v1/models/listed/predictions",
        json={"instance": BAD, "attributes": {"machine": "Mill 7"}},
    )
    assert listed.status_code == 200
    assert 'equipment="Mill 7",model_name="listed"' in api.get("/metrics").text


def test_pages_of_the_list_follow_one_another(api: httpx.Client) -> None:
    for k in range(7):
        predicted(api, f"Saw {k}")
    query: dict[str, Any] = {"search": "Saw", "limit": 3, "sort": "equipment"}
    pages = [api.get("/api/v1/alarms", params=query | {"page": k}).json() for k in (1, 2, 3, 4)]
    assert [a["equipment"] for p in pages for a in p["alarms"]] == [f"Saw {k}" for k in range(7)]
    assert {(p["total"], p["pages"]) for p in pages} == {(7, 3)}
    assert sum(pages[0]["counts"].values()) >= 7

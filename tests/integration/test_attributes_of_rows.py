"""What is said of each row of a request: in every protocol, in scopes, in the life of alarms."""

from __future__ import annotations

import json
from typing import Any

import httpx
import pytest

from ifonly.client import Client
from tests.integration.test_alarms_api import BAD, GOOD, MODEL, NAME, acted, api, one

__all__ = ["api"]

MILLS = [{"machine": "Row 1", "line": "a"}, {}, {"machine": "Row 2"}, {"machine": "Row 3"}]
ROWS = [BAD, BAD, GOOD, BAD]


def tensors(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [
        {
            "name": key,
            "shape": [len(rows)],
            "datatype": "BYTES" if key == "colour/shade" else "FP64",
            "data": [row[key] for row in rows],
        }
        for key in BAD
    ]


def test_one_request_raises_an_alarm_of_each_of_its_machines(api: httpx.Client) -> None:
    body = {"instances": ROWS, "attributes": MILLS}
    record = api.post(f"{MODEL}/predictions", json=body).json()["audit"]["id"]
    alarms = {name: one(api, name) for name in ("Row 1", "Row 3")}
    assert [(a["raised_by"], a["row"]) for a in alarms.values()] == [(record, 0), (record, 3)]
    assert len({record, *(a["id"] for a in alarms.values())}) == 3, "each has an id of its own"
    assert api.get("/api/v1/alarms", params={"search": "Row 2"}).json()["total"] == 0
    # What is done about one is about the record, and of that one.
    reply = acted(api, alarms["Row 3"], action="acknowledge", comment="seen", key="rows-1").json()
    assert reply["alarm"]["state"] == "active_acknowledged"
    again = acted(api, alarms["Row 3"], action="acknowledge", comment="seen", key="rows-1").json()
    assert again["action"]["id"] == reply["action"]["id"]
    for name, done in (("Row 1", []), ("Row 3", ["acknowledge"])):
        told = api.get(f"/api/v1/alarms/{alarms[name]['id']}").json()["actions"]
        assert [action["action"] for action in told] == done
    assert one(api, "Row 1")["state"] == "active_unacknowledged"
    # One of them clears.
    said = [{"machine": "Row 1", "line": "a"}, {"machine": "Row 3"}]
    api.post(f"{MODEL}/predictions", json={"instances": [GOOD, BAD], "attributes": said})
    assert one(api, "Row 1")["state"] == "cleared_unacknowledged"
    assert one(api, "Row 3")["state"] == "active_acknowledged"
    verified = api.get("/api/v1/audit/verify").json()
    assert verified["holds"], verified["findings"]


def test_an_explanation_from_the_page_of_a_row_belongs_to_its_machine(api: httpx.Client) -> None:
    said = [{"machine": "Row 4"}, {"machine": "Row 5"}]
    record = api.post(
        f"{MODEL}/predictions", json={"instances": [GOOD, BAD], "attributes": said}
    ).json()["audit"]["id"]
    body = {"instance": BAD, "attributes": said[1], "ways": True}
    told = api.post(f"{MODEL}/explanations", json=body).json()
    alarm = one(api, "Row 5")
    assert (alarm["record"], alarm["explanation"]) == (record, told["id"])
    levers = [action["feature"] for action in told["counterfactuals"][0]["actions"]]
    assert alarm["levers"] == levers
    found = api.get("/api/v1/alarms", params={"lever": levers[0], "equipment": "Row 5"}).json()
    assert [each["id"] for each in found["alarms"]] == [alarm["id"]]
    assert api.get("/api/v1/alarms", params={"lever": levers[0][:-1]}).json()["total"] == 0
    # What was done is one of its ways.
    for wrong, status in (
        ({"action": "done_as_suggested", "way": "most_robust"}, 422),  # no tolerance is declared
        ({"action": "acknowledge", "way": "smallest"}, 422),
        ({"action": "done_as_suggested", "explanation": told["id"]}, 422),
        ({"action": "done_as_suggested", "way": "smallest", "explanation": record}, 409),
    ):
        assert acted(api, alarm, **wrong).status_code == status, wrong
    done = {"action": "done_as_suggested", "way": "smallest", "explanation": told["id"]}
    reply = acted(api, alarm, **done).json()
    assert reply["alarm"]["last_action"]["way"] == "smallest"
    assert (reply["action"]["way"], reply["action"]["explanation"]) == ("smallest", told["id"])
    event = api.get(f"/api/v1/audit/events/{reply['action']['id']}").json()["event"]
    assert event["detail"] | {"alarm": ""} == {
        "returns": 0, "way": "smallest", "explanation": told["id"], "alarm": "",
    }  # fmt: skip
    verdicts = api.get("/api/v1/audit/report", params={"model": NAME})
    assert verdicts.json()["verdicts"]["acted_smallest"] >= 1, verdicts.text


def test_a_review_names_one_of_the_ways(api: httpx.Client) -> None:
    asked = {"instance": BAD, "ways": True}
    told = api.post(f"{MODEL}/explanations", json=asked).json()
    path = f"/api/v1/explanations/{told['id']}/reviews"
    body = {"verdict": "acted", "outcome": "as_predicted", "way": "smallest"}
    assert api.post(path, json=body).json()["way"] == "smallest"
    refused = api.post(path, json=body | {"way": "most_robust"})
    assert refused.status_code == 422
    (error,) = refused.json()["errors"]
    assert error["pointer"] == "/way"
    assert "smallest" in error["limit"]
    assert api.post(path, json=body | {"rank": 1}).status_code == 422
    (review,) = api.get(path).json()["reviews"]
    assert (review["way"], review["outcome"]) == ("smallest", "as_predicted")


@pytest.mark.parametrize(
    ("said", "names"),
    [
        ([{"machine": "x"}], "list of 1"),
        ([{}, {"shape": "x"}, {}, {}], "row 1: shape"),
        ([{}, {}, {"line": "c"}, {}], "row 2: line is 'c'"),
        ([{}, {}, {"line": 5}, {}], "line is 5, not text"),
        ([{}, "Mill", {}, {}], "attributes[1] is 'Mill'"),
        ("Mill", "attributes is 'Mill'"),
    ],
)
def test_what_is_wrong_with_what_is_said_of_a_row_names_the_row(
    api: httpx.Client, said: Any, names: str
) -> None:
    for path, body in {
        f"{MODEL}/predictions": {"instances": ROWS, "attributes": said},
        f"/v1/models/{NAME}:predict": {"instances": ROWS, "attributes": said},
        "/invocations": {"dataframe_records": ROWS, "params": {"attributes": said}},
    }.items():
        reply = api.post(path, json=body)
        assert reply.status_code in (400, 422), (path, reply.text)
        assert names in json.dumps(reply.json(), ensure_ascii=False), (path, reply.text)


def test_every_protocol_says_something_of_each_row(api: httpx.Client) -> None:
    rows = [BAD, GOOD]

    def said(kind: str) -> list[dict[str, str]]:
        return [{"machine": f"{kind} 1"}, {"machine": f"{kind} 2"}]

    v2 = {"name": "attribute.machine", "shape": [2], "datatype": "BYTES"}
    for kind, path, body in (
        ("V1", f"/v1/models/{NAME}:predict", {"instances": rows, "attributes": said("V1")}),
        ("V1e", f"/v1/models/{NAME}:explain", {"instances": rows, "attributes": said("V1e")}),
        ("ML", "/invocations", {"instances": rows, "params": {"attributes": said("ML")}}),
        (
            "MLe",
            "/invocations",
            {"instances": rows, "params": {"attributes": said("MLe"), "explain": True}},
        ),
        (
            "V2",
            f"/v2/models/{NAME}/infer",
            {"inputs": [v2 | {"data": ["V2 1", "V2 2"]}, *tensors(rows)]},
        ),
    ):
        reply = api.post(path, json=body)
        assert reply.status_code == 200, (kind, reply.text)
        assert one(api, f"{kind} 1")["equipment"] == f"{kind} 1"
        assert api.get("/api/v1/alarms", params={"search": f"{kind} 2"}).json()["total"] == 0
    for tensor, status, names in (
        (v2 | {"data": ["x"], "shape": [1]}, 422, "/inputs/0/shape"),
        (v2 | {"data": [1.0, 2.0], "datatype": "FP64"}, 422, "no text"),
        (v2 | {"data": ["", "y" * 21]}, 422, "row 1: machine has 21"),
    ):
        reply = api.post(f"/v2/models/{NAME}/infer", json={"inputs": [tensor, *tensors(rows)]})
        assert reply.status_code == status, reply.text
        assert names in reply.text
    both = {"inputs": [v2 | {"data": ["x", "y"]}, *tensors(rows)]}
    both["parameters"] = {"attribute.machine": "z"}
    assert "a parameter and a tensor" in api.post(f"/v2/models/{NAME}/infer", json=both).text


def test_the_python_client_says_what_is_of_each_row_and_acts_on_alarms(api: httpx.Client) -> None:
    said = [{"machine": "Client 1"}, {"machine": "Client 2"}]
    with Client(str(api.base_url)) as client:
        client.predict(NAME, [BAD, GOOD], attributes=said)
        (alarm,) = client.alarms(equipment="Client 1").alarms
        found = [*client.explain_many(NAME, [BAD, BAD, BAD], attributes=said, ways=True)]
        assert [each.error is None for each in found] == [True, True, False]
        assert "none for row 2" in str(found[2].error)
        (jobs,) = {*[each.row for each in client.explain_many(
            NAME, [BAD], attributes=said, rows_per_job=1
        )]}  # fmt: skip
        assert jobs == 0
        done = client.act(alarm.id, "done_as_suggested", way="smallest")
        assert done.alarm.last_action is not None
        assert done.alarm.last_action.way == "smallest"
        assert [each.way for each in client.alarm(alarm.id).actions] == ["smallest"]
        identity = client.alarms(equipment="Client 1").alarms[0].explanation
        assert identity is not None
        review = client.review(identity, "acted", outcome="not_known", way="smallest")
        assert review.way == "smallest"

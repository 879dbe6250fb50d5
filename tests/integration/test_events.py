"""CloudEvents of deployed models: joined, and alarms explained."""

from __future__ import annotations

import base64
import json
import shutil
import struct
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from ifonly.service.access import Role
from ifonly.service.doors.events import sorting
from ifonly.service.jobs.workers import JobWorkers
from ifonly.service.settings import Settings
from tests.integration.conftest import serving
from tests.integration.test_sign_in import new_key
from tests.support import logged
from tests.support.receiver import waiting_until

LARGE = {"size": 5.0, "colour/shade": "red", "dirt": 0.0}
MEDIUM = {"size": 0.0, "colour/shade": "red", "dirt": 0.0}
BATCH = {"Content-Type": "application/cloudevents-batch+json"}


@pytest.fixture(scope="session")
def sorter(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("sorter")
    shutil.copytree(repository / "sorter", root / "sorter")
    return root


@pytest.fixture(scope="module")
def api(sorter: Path) -> Iterator[httpx.Client]:
    settings = Settings(models=sorter, event_models={"line-a/grading": "sorter"})
    with serving(settings) as base, httpx.Client(base_url=base, timeout=60, trust_env=False) as api:
        yield api


def send(api: httpx.Client, half: str, identity: str, body: bytes, **more: str) -> dict[str, int]:
    told = logged.headers(half, identity, "grading", **more)
    reply = api.post("/", content=body, headers=told)
    assert reply.status_code == 202, reply.text
    counts: dict[str, int] = reply.json()
    return counts


def explained(api: httpx.Client, count: int, **filters: str) -> list[dict[str, Any]]:
    """The newest records of explanations, once there are so many."""
    for _ in range(1_200):
        asked = {"kind": "explanation", **filters}
        found: list[dict[str, Any]] = api.get("/api/v1/audit/events", params=asked).json()["events"]
        if len(found) >= count:
            return found
        time.sleep(0.05)
    pytest.fail("no explanation came of it")


def seen_to(api: httpx.Client) -> dict[str, float]:
    """What became of events so far."""
    lines = api.get("/metrics").text.splitlines()
    told = [x.removeprefix('ifonly_events_total{outcome="').split('"} ') for x in lines]
    return {x[0]: float(x[1]) for x in told if len(x) == 2}


def until(api: httpx.Client, outcome: str, count: float) -> None:
    for _ in range(1_200):
        if seen_to(api).get(outcome, 0.0) >= count:
            return
        time.sleep(0.05)
    pytest.fail(f"{outcome}: {seen_to(api)}")


def test_an_alarm_of_a_deployed_model_is_explained_whatever_half_comes_first(
    api: httpx.Client,
) -> None:
    before = len(explained(api, 0))
    halves = list(logged.v1([LARGE, MEDIUM], ["large", "medium"]))
    for identity, order in (("a", halves), ("b", halves[::-1])):
        for half, body in order:
            assert send(api, half, identity, body) == {
                "accepted": 1, "duplicates": 0, "ignored": 0
            }  # fmt: skip
        for half, body in order:  # sent again, before and after it was seen to
            assert send(api, half, identity, body)["duplicates"] == 1
    found = explained(api, before + 2)
    for half, body in halves:
        assert send(api, half, "a", body)["duplicates"] == 1
    assert len(explained(api, 0)) == before + 2  # one row of each is an alarm, and is once
    whole = api.get(f"/api/v1/explanations/{found[0]['id']}").json()
    assert whole["request"]["instance"] == LARGE
    assert whole["request"]["attributes"] == {"inferenceservice": "grading", "namespace": "line-a"}
    assert whole["explanation"]["counterfactuals"][0]["verified"] is True


def test_one_object_and_a_list_of_them_are_events_too(api: httpx.Client) -> None:
    before = len(explained(api, 0))
    asked, said = {"instances": [LARGE]}, {"predictions": [2]}
    one = logged.structured("request", "c", "grading", asked)
    kind = {"Content-Type": "application/cloudevents+json; charset=utf-8"}
    reply = api.post("/api/v1/events", content=json.dumps(one), headers=kind)
    assert reply.json() == {"accepted": 1, "duplicates": 0, "ignored": 0}
    other = logged.structured("response", "c", "grading", None) | {
        "data_base64": base64.b64encode(json.dumps(said).encode()).decode()
    }
    del other["data"]
    feedback = {**one, "type": "org.kubeflow.serving.inference.feedback"}
    reply = api.post("/", content=json.dumps([other, one, feedback]), headers=BATCH)
    assert reply.json() == {"accepted": 1, "duplicates": 1, "ignored": 1}
    explained(api, before + 1)


def tensors(rows: list[dict[str, Any]]) -> bytes:
    """A request of the Open Inference Protocol, one feature in bytes."""
    n = len(rows)
    sizes = struct.pack(f"<{n}d", *[row["size"] for row in rows])
    told = {
        "inputs": [
            {"name": "colour/shade", "datatype": "BYTES", "shape": [n],
             "data": [row["colour/shade"] for row in rows]},
            {"name": "size", "datatype": "FP64", "shape": [n],
             "parameters": {"binary_data_size": len(sizes), "other": "ignored"}},
            {"name": "dirt", "datatype": "FP64", "shape": [n, 1],
             "data": [row["dirt"] for row in rows]},
        ]
    }  # fmt: skip
    return json.dumps(told).encode() + sizes


def test_binary_tensors_are_read_though_nobody_says_where_the_json_ends(api: httpx.Client) -> None:
    before = len(explained(api, 0))
    send(
        api,
        "request",
        "d",
        tensors([MEDIUM, LARGE]),
        **{"Content-Type": "application/octet-stream"},
    )
    said = {
        "model_name": "sorter",
        "outputs": [
            {"name": "scores", "datatype": "FP32", "shape": [2, 3],
             "parameters": {"binary_data_size": 24}},
            {"name": "predict", "datatype": "INT64", "shape": [2, 1],
             "parameters": {"binary_data_size": 16, "content_type": "np"}},
        ],
    }  # fmt: skip
    scores = struct.pack("<6f", 0.1, 0.8, 0.1, 0.0, 0.1, 0.9)
    raw = json.dumps(said).encode() + scores + struct.pack("<2q", 1, 2)
    send(api, "response", "d", raw, **{"Content-Type": "application/octet-stream"})
    found = explained(api, before + 1)
    assert len(found) == before + 1
    whole = api.get(f"/api/v1/explanations/{found[0]['id']}").json()
    assert whole["request"]["instance"] == LARGE


def test_where_the_response_says_nothing_that_can_be_read_our_own_model_decides(
    api: httpx.Client,
) -> None:
    before, quiet = len(explained(api, 0)), seen_to(api).get("quiet", 0.0)
    for identity, row in (("e", LARGE), ("f", MEDIUM)):
        send(api, "request", identity, json.dumps({"inputs": [row]}).encode())
        send(api, "response", identity, b'{"predictions": ["gigantic"]}')
    until(api, "quiet", quiet + 1)
    assert len(explained(api, before + 1)) == before + 1


@pytest.mark.parametrize(
    ("body", "headers", "status", "names"),
    [
        (b"{}", {"Content-Type": "application/json"}, 422, "no CloudEvent"),
        (b"{}", {"Content-Type": "application/cloudevents+avro"}, 415, "JSON"),
        (b"{", {"Content-Type": "application/cloudevents+json"}, 400, "JSON"),
        (b"[]", {"Content-Type": "application/cloudevents+json"}, 422, "object"),
        (b"{}", BATCH, 422, "a list of events"),
        (json.dumps([{}] * 1_001).encode(), BATCH, 422, "1,000"),
        (b"{}", logged.headers("request", "", "grading"), 422, "id is"),
        (b"{}", logged.headers("request", "x" * 257, "grading"), 422, "256"),
        (b"{}", logged.headers("request", "x", "grading") | {"Ce-Specversion": "0.3"}, 422, "1.0"),
        (b"{}", logged.headers("request", "x", "grading") | {"Ce-A_b": "1"}, 422, "a-z"),
        (b"{}", logged.headers("request", "x%0Ay", "grading"), 422, "control"),
        (b"{}", logged.headers("request", "x", ""), 422, "inferenceservicename"),
        (b"{}", logged.headers("request", "x", "unheard"), 404, "unheard"),
    ],
)
def test_what_is_no_event_is_refused_by_name(
    api: httpx.Client, body: bytes, headers: dict[str, str], status: int, names: str
) -> None:
    reply = api.post("/", content=body, headers=headers)
    assert reply.status_code == status, reply.text
    assert names in json.dumps(reply.json(), ensure_ascii=False)


def test_one_wrong_event_of_a_list_refuses_the_list_and_says_which(api: httpx.Client) -> None:
    good = logged.structured("request", "g", "grading", {})
    reply = api.post("/", content=json.dumps([good, good | {"source": 1}]), headers=BATCH)
    assert (reply.status_code, reply.json()["errors"][0]["pointer"]) == (422, "/1/source")
    again = api.post("/", content=json.dumps([good]), headers=BATCH)
    assert again.json()["accepted"] == 1  # nothing of the refused list was kept


def test_too_many_that_nobody_has_looked_at_are_refused(sorter: Path) -> None:
    settings = Settings(models=sorter, job_threads=0, max_waiting_events=2, max_body_bytes=500)
    with serving(settings) as base, httpx.Client(base_url=base, timeout=60) as api:
        replies = [
            api.post("/", content=b"{}", headers=logged.headers("request", str(k), "sorter"))
            for k in range(3)
        ]
        assert [reply.status_code for reply in replies] == [202, 202, 503]
        assert replies[2].headers["retry-after"] == "5"
        # The other half of one that is there is taken all the same.
        half = logged.headers("response", "0", "sorter")
        assert api.post("/", content=b"{}", headers=half).json()["accepted"] == 1
        long = api.post("/", content=b" " * 501, headers=half)
        assert long.status_code == 413


def test_one_whose_rows_wait_already_does_not_keep_others_from_theirs(
    sorter: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """No thread answers rows: they wait for ever."""
    monkeypatch.setattr(sorting, "AT_ONCE", 1)
    monkeypatch.setattr(sorting, "FULL_US", 600_000_000)
    settings = Settings(models=sorter, max_waiting_rows=2, event_models={"grading": "sorter"})
    for name in ("start", "stop"):
        monkeypatch.setattr(JobWorkers, name, lambda self: None)
    with serving(settings) as base, httpx.Client(base_url=base, timeout=60) as api:
        for k in range(3):
            for half, content in logged.v1([LARGE], ["large"]):
                send(api, half, f"full-{k}", content)
        until(api, "explained", 2)
        for half, content in logged.v1([LARGE] * 3, ["large"] * 3):
            send(api, half, "too-many", content)
        for half, content in logged.v1([MEDIUM], ["medium"]):
            send(api, half, "quiet", content)
        until(api, "quiet", 1)
        until(api, "unreadable", 1)
        assert seen_to(api)["explained"] == 2
        (letter,) = api.get("/api/v1/events/dead-letters").json()["letters"]
        assert letter["reason"] == "3 rows are to be explained, and 2 may wait"


def test_two_processes_with_one_store_join_what_comes_to_either(
    sorter: Path, tmp_path: Path
) -> None:
    store = f"sqlite:///{tmp_path / 'store.sqlite3'}"
    told = {"models": sorter, "database_url": store, "event_models": {"grading": "sorter"}}
    with (
        serving(Settings.model_validate(told)) as first,
        serving(Settings.model_validate(told)) as second,
        httpx.Client(base_url=first, timeout=60, trust_env=False) as one,
        httpx.Client(base_url=second, timeout=60, trust_env=False) as other,
    ):
        for k in range(10):
            (_, asked), (_, said) = logged.v1([LARGE], ["large"])
            send(one, "request", str(k), asked)
            send(other, "response", str(k), said)
            send(one, "response", str(k), said)
        assert len(explained(other, 10)) == 10
        # Counted a moment after the records are there.
        waiting_until(lambda: sum(seen_to(x).get("explained", 0.0) for x in (one, other)) == 10)


def test_senders_send_and_read_nothing(sorter: Path, tmp_path: Path) -> None:
    store = f"sqlite:///{tmp_path / 'store.sqlite3'}"
    settings = Settings.model_validate({"models": sorter, "database_url": store})
    with serving(settings, no_auth=False) as base, httpx.Client(base_url=base, timeout=60) as api:
        token = new_key(store, Role.SENDER)
        reader = new_key(store, Role.AUDITOR)
        head = logged.headers("request", "a", "sorter")
        assert api.post("/", content=b"{}", headers=head).status_code == 401
        mine = {"Authorization": f"Bearer {token}"}
        assert api.post("/", content=b"{}", headers=head | mine).status_code == 202
        # What a URL of KServe's logger becomes: http://sender:KEY@ifonly/
        assert api.post("/", content=b"{}", headers=head, auth=("sender", token)).status_code == 202
        assert api.post("/", content=b"{}", headers=head, auth=("sender", "x")).status_code == 401
        theirs = {"Authorization": f"Bearer {reader}"}
        assert api.post("/", content=b"{}", headers=head | theirs).status_code == 403
        for path in ("/api/v1/models", "/metrics", "/api/v1/jobs/x", "/api/v1/audit/events"):
            assert api.get(path, headers=mine).status_code == 403
        # Elsewhere a browser would send it again by itself.
        assert api.get("/api/v1/models", auth=("auditor", reader)).status_code == 401


# --- equipment ----------------------------------------------------------------------------


def alarm_of(api: httpx.Client, name: str, **wanted: Any) -> dict[str, Any]:
    """The alarm of one machine, once it is as wanted."""
    found: list[dict[str, Any]] = []
    for _ in range(1_200):
        found = api.get("/api/v1/alarms", params={"equipment": name}).json()["alarms"]
        if len(found) == 1 and found[0] | wanted == found[0]:
            return found[0]
        time.sleep(0.05)
    pytest.fail(f"{name} is never {wanted}: {found}")


def logged_rows(
    api: httpx.Client, identity: str, rows: list[Any], attributes: Any, **headers: str
) -> None:
    words = ["large" if row is LARGE else "medium" for row in rows]
    body = {"instances": rows, **({"attributes": attributes} if attributes else {})}
    send(api, "request", identity, json.dumps(body).encode(), **headers)
    send(api, "response", identity, json.dumps({"predictions": words}).encode(), **headers)


def test_an_alarm_of_an_event_comes_onto_the_list_with_its_equipment_and_goes_again(
    api: httpx.Client,
) -> None:
    # Whoever asks a service does not say whose it is.
    mills = [{"equipment": "Event 1", "namespace": "line-b"}, {"equipment": "Event 2"}, {}]
    logged_rows(api, "q1", [LARGE, MEDIUM, LARGE], mills)
    alarm = alarm_of(api, "Event 1", active=True)
    assert alarm["attributes"] == {
        "equipment": "Event 1", "inferenceservice": "grading", "namespace": "line-a",
    }  # fmt: skip
    page = api.get(f"/alarms/{alarm['record']}?row={alarm['row']}")
    assert "Event 1" in page.text
    for _ in range(1_200):  # the job that explains it ends a moment later
        if alarm_of(api, "Event 1")["explanation"] is not None:
            break
        time.sleep(0.05)
    assert alarm_of(api, "Event 1")["levers"]
    # Quiet readings are recorded where they turn something, and nowhere else.
    before = len(events_of(api, "prediction"))
    logged_rows(api, "q2", [MEDIUM], {"equipment": "Event 1"})
    assert alarm_of(api, "Event 1", active=False)["state"] == "cleared_unacknowledged"
    quiet = seen_to(api).get("quiet", 0.0)
    logged_rows(api, "q3", [MEDIUM, MEDIUM], [{"equipment": "Event 1"}, {"equipment": "Event 2"}])
    until(api, "quiet", quiet + 1)
    assert len(events_of(api, "prediction")) == before + 1
    assert api.get("/api/v1/alarms", params={"equipment": "Event 2"}).json()["total"] == 0
    assert api.get("/api/v1/audit/verify").json()["holds"] is True


def events_of(api: httpx.Client, kind: str) -> list[Any]:
    found: list[Any] = api.get("/api/v1/audit/events", params={"kind": kind, "limit": 500}).json()[
        "events"
    ]
    return found


def test_equipment_is_read_from_headers_extensions_parameters_and_tensors(
    sorter: Path,
) -> None:
    settings = Settings(
        models=sorter,
        event_models={"line-a/grading": "sorter"},
        event_attributes={"X-Machine": "equipment"},
    )
    with serving(settings) as base, httpx.Client(base_url=base, timeout=60, trust_env=False) as api:
        metadata = json.dumps({"X-Machine": ["By header"], "X-Other": ["no"]})
        logged_rows(api, "r1", [LARGE], None, **{"Ce-Metadata": metadata})
        logged_rows(api, "r2", [LARGE], None, **{"Ce-Equipment": "By extension"})
        parameters = {"attribute.equipment": "By parameter", "attribute.9": 5}
        body: dict[str, Any] = {
            "parameters": parameters,
            "inputs": [
                {"name": name, "shape": [1], "data": [value],
                 "datatype": "BYTES" if isinstance(value, str) else "FP64"}
                for name, value in LARGE.items()
            ],
        }  # fmt: skip
        said = b'{"predictions": ["large"]}'
        send(api, "request", "r3", json.dumps(body).encode())
        send(api, "response", "r3", said)
        del body["parameters"]
        body["inputs"].append(
            {"name": "attribute.equipment", "shape": [1], "datatype": "BYTES",
             "data": ["By tensor"]}
        )  # fmt: skip
        send(api, "request", "r4", json.dumps(body).encode())
        send(api, "response", "r4", said)
        for name in ("By header", "By extension", "By parameter", "By tensor"):
            assert alarm_of(api, name)["state"] == "active_unacknowledged"


def test_a_spec_that_lists_its_attributes_takes_those_alone_from_events(
    sorter: Path, tmp_path: Path
) -> None:
    shutil.copytree(sorter / "sorter", tmp_path / "sorter")
    spec = tmp_path / "sorter" / "1" / "spec.toml"
    spec.write_text(spec.read_text("utf-8") + "[attributes.machine]\nidentity = true\n", "utf-8")
    settings = Settings(models=tmp_path, event_models={"line-a/grading": "sorter"})
    with serving(settings) as base, httpx.Client(base_url=base, timeout=60, trust_env=False) as api:
        said = [{"machine": "Strict 1", "line": "a"}, {"machine": "x" * 200}]
        logged_rows(api, "s1", [LARGE, LARGE], said)
        assert alarm_of(api, "Strict 1")["attributes"] == {"machine": "Strict 1"}
        assert len(explained(api, 2)) == 2, "neither is refused for what events say beside it"

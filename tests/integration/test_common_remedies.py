"""One change for many over HTTP: of rows, of records, of a time; recorded, and asked again."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from ifonly.service.settings import Settings, shipped_models
from ifonly.service.wire import examples
from tests.integration.conftest import serving

PATH = "/api/v1/models/milling-machine"
ROWS: list[dict[str, Any]] = examples.COMMON.request["instances"]
FINE = {**ROWS[0], "torque": 40.0, "rotational_speed": 1500, "tool_wear": 20}
ONE = {"max_levers": 1, "languages": ["en"]}


@pytest.fixture(scope="module")
def api() -> Iterator[httpx.Client]:
    """A store of its own: what is recorded in it is known."""
    with (
        serving(Settings(models=shipped_models())) as url,
        httpx.Client(base_url=url, timeout=300, trust_env=False) as api,
    ):
        yield api


def remedies(api: httpx.Client, **body: Any) -> httpx.Response:
    return api.post(f"{PATH}/common-remedies", json={**ONE, **body})


@pytest.fixture(scope="module")
def found(api: httpx.Client) -> dict[str, Any]:
    reply = remedies(api, instances=[*ROWS, FINE])
    assert reply.status_code == 200, reply.text
    answer: dict[str, Any] = reply.json()
    return answer


def test_a_row_that_is_no_alarm_is_left_out(found: dict[str, Any]) -> None:
    assert (found["rows"], found["alarms"]) == (7, 6)
    assert found["left_out"] == [{"row": 6, "why": "already_target"}]


def test_what_is_told_is_cleared_row_by_row(api: httpx.Client, found: dict[str, Any]) -> None:
    best = found["best"]
    assert (found["status"], best["coverage"], found["bound"]) == ("optimal", 3, 3)
    (setting,) = best["settings"]
    for row in best["cleared"]:
        moved = round(ROWS[row][setting["feature"]] + setting["delta"], 6)
        asked = {"instance": ROWS[row], "set": {setting["feature"]: moved}}
        after = api.post(f"{PATH}/what-if", json=asked).json()
        assert after["allowed"]
        assert after["prediction"]["after"]["class"] == "normal"
        assert after["prediction"]["after"]["probability"] >= 0.95
    whys = {each["row"]: each["why"] for each in best["uncleared"]}
    assert set(whys) == set(range(6)) - {*best["cleared"]}
    (curve,) = found["curves"]
    costs = [point["cost"] for point in curve["points"]]
    assert costs == sorted(costs)
    assert [point["coverage"] for point in curve["points"]] == [1, 2, 3]
    assert found["text"]["en"].endswith("the most that one lever can clear, and the cheapest "
                                        "change that does.")  # fmt: skip


def test_it_is_recorded_verified_and_replayed(api: httpx.Client, found: dict[str, Any]) -> None:
    identity = found["id"]
    event = api.get(f"/api/v1/audit/events/{identity}").json()["event"]
    assert (event["kind"], event["status"]) == ("common", "optimal")
    kept = {key: event["detail"][key] for key in ("alarms", "coverage", "bound")}
    assert kept == {"alarms": 6, "coverage": 3, "bound": 3}
    replayed = api.post(f"/api/v1/audit/events/{identity}/replay").json()
    assert replayed["same"], replayed
    assert replayed["answer"]["holds"], replayed["answer"]
    assert api.get("/api/v1/audit/verify").json()["holds"]


def test_the_record_has_a_page(api: httpx.Client, found: dict[str, Any]) -> None:
    page = api.get(f"/records/{found['id']}", headers={"Accept-Language": "en"})
    assert page.status_code == 200
    assert "One change for many" in page.text
    assert found["text"]["en"].split(",")[0] in page.text
    assert api.get("/records", params={"kind": "common"}).status_code == 200


def test_records_and_times_stand_for_their_rows(api: httpx.Client, found: dict[str, Any]) -> None:
    ids = []
    for k, row in enumerate(ROWS):
        body = {"instance": row, "attributes": {"equipment": f"mill-{k}"}}
        ids.append(api.post(f"{PATH}/predictions", json=body).json()["audit"]["id"])
    by_id = remedies(api, records=ids).json()
    assert by_id["records"] == ids
    assert by_id["curves"] == found["curves"]
    by_time = remedies(api, recorded={}).json()
    assert sorted(by_time["records"]) == sorted(ids)
    assert by_time["bound"] == 3
    one = remedies(api, recorded={"attributes": {"equipment": "mill-3"}}).json()
    assert (one["records"], one["alarms"]) == ([ids[3]], 1)
    # What is recorded has the rows: asked again, it is the same.
    replayed = api.post(f"/api/v1/audit/events/{by_id['id']}/replay").json()
    assert replayed["same"], replayed


def test_one_record_of_several_machines_is_told_apart(api: httpx.Client) -> None:
    machines = [{"equipment": f"press-{k}"} for k in range(3)]
    asked = {"instances": [ROWS[3], FINE, ROWS[4]], "attributes": machines}
    identity = api.post(f"{PATH}/predictions", json=asked).json()["audit"]["id"]
    whole = remedies(api, records=[identity]).json()
    assert (whole["rows"], whole["alarms"]) == (2, 2)
    listed = api.get("/api/v1/alarms", params={"search": "press-2"}).json()["alarms"]
    (alarm,) = listed
    one = remedies(api, records=[alarm["id"]]).json()
    assert one["records"] == [identity]
    assert remedies(api, instances=[ROWS[4]]).json()["best"] == one["best"]
    by_time = remedies(api, recorded={"attributes": {"equipment": "press-2"}}).json()
    assert by_time["best"] == one["best"]


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({}, ""),
        ({"instances": ROWS, "recorded": {}}, ""),
        ({"instances": ROWS[:1], "records": ["x"]}, "/records"),
        ({"records": ["nobody-knows-it"]}, "/records/0"),
        ({"instances": [{**ROWS[0], "torque": "much"}]}, "/instances/0/torque"),
        ({"instances": ROWS, "levers": ["torc"]}, "/levers/0"),
        ({"instances": ROWS, "max_levers": 4}, "/max_levers"),
        ({"instances": ROWS, "change": "sideways"}, "/change"),
        ({"instances": ROWS, "semantics": "backtracking"}, "/semantics"),
        ({"recorded": {"since": "yesterday"}}, "/recorded/since"),
        ({"recorded": {"since": "2026-01-02T00:00:00Z", "until": "2026-01-01T00:00:00Z"}},
         "/recorded/since"),
    ],
)  # fmt: skip
def test_what_cannot_be_asked_is_refused_by_its_place(
    api: httpx.Client, body: dict[str, Any], pointer: str
) -> None:
    refused = remedies(api, **body)
    assert refused.status_code == 422, refused.text
    assert pointer in [error["pointer"] for error in refused.json()["errors"]]


def test_no_alarm_is_no_question(api: httpx.Client) -> None:
    reply = remedies(api, instances=[FINE]).json()
    assert (reply["status"], reply["best"], reply["bound"]) == ("already_target", None, 0)


def test_a_deadline_leaves_what_was_proven_by_then(api: httpx.Client) -> None:
    reply = remedies(api, instances=ROWS, max_levers=3, deadline_ms=1).json()
    assert reply["deadline_hit"]
    assert reply["bound"] >= (0 if reply["best"] is None else reply["best"]["coverage"])
    assert reply["status"] in ("feasible", "unknown")

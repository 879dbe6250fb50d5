"""A model that reads a window, asked through every door."""

from __future__ import annotations

import io
import json
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
import pytest

import ifonly
from ifonly.models.errors import InvalidInstance
from ifonly.service.settings import Settings
from tests.integration.conftest import serving
from tests.integration.shop import Shop
from tests.support.windows import NAMES, STEPS, Limits, folder

API = "/api/v1/models/window"
ALARM = {
    "coolant": [5.3, 8.0, 7.0, 7.7],
    "flow": [2.0, 2.0, 3.0, 1.0],
    "load": [8.6, 5.7, 7.9, 7.6],
}
"""Made for a network of seed 5; see :func:`tests.support.windows.instance`."""


@pytest.fixture(scope="module")
def models(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("windows")
    made = folder(root, 5, "gemm", Limits(slope=0.4, lag=1))
    (made / "examples.json").write_text(json.dumps([{"id": "one", "instance": ALARM}]))
    return root


@pytest.fixture(scope="module")
def client(models: Path) -> Iterator[httpx.Client]:
    with (
        serving(Settings(models=models)) as base,
        httpx.Client(base_url=base, timeout=120, trust_env=False) as client,
    ):
        yield client


@pytest.fixture(scope="module")
def answer(client: httpx.Client) -> dict[str, Any]:
    body = {"instance": ALARM, "ways": True}
    reply: dict[str, Any] = client.post(f"{API}/explanations", json=body).json()
    return reply


def told(client: httpx.Client, path: str, body: object, status: int = 200) -> Any:
    reply = client.post(path, json=body)
    assert reply.status_code == status, reply.text
    return reply.json()


def test_an_answer_says_when_of_the_equipment(answer: dict[str, Any]) -> None:
    assert answer["status"] == "optimal"
    assert answer["semantics"] == "interventional"
    found = answer["counterfactuals"][0]
    assert re.fullmatch(
        r"Had the coolant temperature been .* degC lower from 4 minutes before on and the flow .* "
        r"L/min higher from 1 minute before on, the alarm would not have sounded\.",
        found["text"]["en"],
    )
    assert "냉각수 온도가 4분 전부터" in found["text"]["ko"]
    profile = found["actions"][0]["profile"]
    assert profile == {"channel": "coolant", "shape": "constant", "from": "4 min", "steps": 4}
    by = found["actions"][0]["to"]
    moved = [v + by for v in ALARM["coolant"]]
    assert found["instance"]["coolant"] == pytest.approx(moved)
    assert found["instance"]["load"] == ALARM["load"]


def test_what_follows_arrives_as_late_as_its_edge_takes(client: httpx.Client) -> None:
    body = {"instance": ALARM, "set": {"flow@step-3": 2}}
    found = told(client, f"{API}/what-if", body)
    assert found["rung"] == "counterfactual"
    assert found["instance"]["flow"] == [2.0, 4.0, 5.0, 3.0]
    # A slope of 0.4, one minute later.
    assert found["instance"]["load"] == pytest.approx([8.6, 5.7, 8.7, 8.4])


def test_a_what_if_may_set_a_whole_channel(client: httpx.Client) -> None:
    body = {"instance": ALARM, "set": {"coolant": [1, 2, 3, 4]}, "rung": "association"}
    assert told(client, f"{API}/what-if", body)["instance"]["coolant"] == [1, 2, 3, 4]
    body["set"] = {"coolant": -4}
    problem = told(client, f"{API}/what-if", body, 422)["detail"]
    assert "a list of 4 readings sets it, or a profile such as coolant@constant" in problem


def test_the_model_is_described_by_channel(client: httpx.Client) -> None:
    said = client.get(API).json()
    assert [f["name"] for f in said["features"]] == list(NAMES)
    window = said["window"]
    assert (window["steps"], window["period"], window["layout"]) == (4, "1 min", "steps-channels")
    assert [p["name"] for p in window["profiles"]][:2] == ["coolant@constant", "coolant@ramp-2"]


def test_errors_name_the_channel_and_the_step(client: httpx.Client) -> None:
    wrong = {**ALARM, "coolant": [1, 2, 3], "flow": [1, 2, 3, 99]}
    errors = told(client, f"{API}/explanations", {"instance": wrong}, 422)["errors"]
    assert [e["pointer"] for e in errors] == ["/instance/coolant", "/instance/flow/3"]
    assert errors[1]["value"] == 99


def test_constraints_speak_of_channels(client: httpx.Client) -> None:
    limits = {"freeze": ["flow"], "ranges": {"coolant": [1.0, 9.5]}, "rules": ["last(load) <= 9"]}
    body = {"instance": ALARM, "constraints": limits}
    found = told(client, f"{API}/explanations", body)
    used = {a["profile"]["channel"] for c in found["counterfactuals"] for a in c["actions"]}
    assert used <= {"coolant"}
    for c in found["counterfactuals"]:
        assert 1.0 <= min(c["instance"]["coolant"]) <= max(c["instance"]["coolant"]) <= 9.5
    body["constraints"] = {"freeze": ["coolant", "flow"]}
    assert told(client, f"{API}/explanations", body)["status"] == "infeasible"
    body["constraints"] = {"freeze": ["valve"]}
    problem = told(client, f"{API}/explanations", body, 422)["detail"]
    assert problem.startswith("valve is not a feature of this model (coolant, flow, load, coolant@")
    body["constraints"], limits["rules"] = limits, ["load <= 9"]
    problem = told(client, f"{API}/explanations", body, 422)
    assert problem["errors"][0]["pointer"] == "/constraints/rules/0"
    assert "say last(load), mean(load)" in problem["detail"]


def test_an_answer_is_checked_without_an_engine(
    answer: dict[str, Any], models: Path, tmp_path: Path, shop: Shop
) -> None:
    (tmp_path / "a.json").write_text(json.dumps(answer))
    (tmp_path / "q.json").write_text(json.dumps({"instance": ALARM, "ways": True}))
    place = ("--model", str(models / "window" / "1"), "--question", str(tmp_path / "q.json"))
    found = shop.command("verify", str(tmp_path / "a.json"), *place)
    assert found.code == 0, found.out
    # A reading that does not follow from what is set.
    answer["counterfactuals"][0]["instance"]["load"][3] += 0.5
    (tmp_path / "a.json").write_text(json.dumps(answer))
    assert shop.command("verify", str(tmp_path / "a.json"), *place).code == 1


def test_other_services_clients_send_windows(client: httpx.Client) -> None:
    as_taken = np.array([ALARM[n] for n in NAMES]).T.tolist()
    for rows in ([ALARM], [as_taken]):
        said = told(client, "/v1/models/window:predict", {"instances": rows})
        assert said == {"predictions": ["alarm"]}
    metadata = client.get("/v2/models/window").json()["inputs"]
    assert [m["shape"] for m in metadata] == [[-1, STEPS]] * 3
    whole = {"name": "x", "shape": [1, STEPS, 3], "datatype": "FP32", "data": [as_taken]}
    each = [{"name": n, "shape": [1, STEPS], "datatype": "FP64", "data": ALARM[n]} for n in NAMES]
    for inputs in ([whole], each):
        outputs = told(client, "/v2/models/window/infer", {"inputs": inputs})["outputs"]
        assert outputs[0]["data"] == ["alarm"]


def test_many_windows_come_as_lines_and_as_lists_in_tables(client: httpx.Client) -> None:
    rows = [ALARM, {**ALARM, "coolant": [1.0] * 4}, {**ALARM, "flow": [1.0, 2.0]}]
    lines = "\n".join(map(json.dumps, rows))
    path, lined = f"{API}/explanations/stream", {"Content-Type": "application/x-ndjson"}
    reply = client.post(path, content=lines, headers=lined)
    found = [json.loads(x) for x in reply.text.split("\n") if x]
    assert found[0]["status"] == "optimal"
    assert "flow has 2 readings; a window has 4" in str(found[2]["problem"])
    table = pa.table({name: [row[name] for row in rows[:2]] for name in NAMES})
    sink = io.BytesIO()
    pq.write_table(table, sink)
    headers = {
        "Content-Type": "application/vnd.apache.parquet",
        "Accept": "application/x-ndjson",
    }
    reply = client.post(path, content=sink.getvalue(), headers=headers)
    assert reply.status_code == 200, reply.text
    from_table = [json.loads(x) for x in reply.text.split("\n") if x]
    assert [x["status"] for x in from_table[:2]] == [x["status"] for x in found[:2]]


def test_pages_show_the_series(client: httpx.Client, answer: dict[str, Any]) -> None:
    page = client.get(f"/alarms/{answer['audit']['id']}").text
    assert 'class="course series"' in page
    assert "3 minutes before" in page
    form = client.get("/readings?example=one").text
    assert 'value="5.3 8 7 7.7"' in form
    assert client.get("/models/window").status_code == 200


def test_a_notebook_asks_by_mapping_by_array_and_by_table(models: Path) -> None:
    place = models / "window" / "1"
    window = np.array([ALARM[n] for n in NAMES]).T
    asked = [ALARM, window, np.stack([window]), {n: [ALARM[n]] for n in NAMES}]
    found = [ifonly.explain(str(place), rows, seconds=None)[0] for rows in asked]
    assert len({each.sentence for each in found}) == 1
    assert found[0].counterfactual is not None
    with pytest.raises(InvalidInstance, match="coolant has 3 readings"):
        ifonly.explain(str(place), {**ALARM, "coolant": [1, 2, 3]})

"""What a version would change, told before it is activated: counted by hand."""

from __future__ import annotations

import io
import zipfile
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from ifonly.service.settings import Settings
from tests.integration.conftest import serving
from tests.integration.small_models import linear, write_all
from tests.integration.test_upload import ZIP

MILL = """
format = 1
name = "mill"
version = "1"
task = "binary"
[decision]
classes = ["normal", "failure"]
positive = "failure"
threshold = 0.5
desired = "normal"
[[features]]
name = "torque"
kind = "continuous"
unit = "Nm"
bounds = [0.0, 100.0]
resolution = 1
[policy.features.torque]
scale = 10.0
"""


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    root = write_all(tmp_path_factory.mktemp("models"))
    folder = root / "mill" / "1"
    folder.mkdir(parents=True)
    (folder / "spec.toml").write_text(MILL, encoding="utf-8")
    (folder / "model.onnx").write_bytes(GRAPH)
    with (
        serving(Settings(models=root, refresh_seconds=0)) as url,
        httpx.Client(base_url=url, timeout=300, trust_env=False) as client,
    ):
        yield client


# The probability of a failure is the torque's share of 100 Nm.
GRAPH = linear([[0.01]], [0.0]).SerializeToString()


def zipped(spec: str, graph: bytes = GRAPH) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("spec.toml", spec)
        archive.writestr("model.onnx", graph)
    return file.getvalue()


def stage(api: httpx.Client, version: str, spec: str = MILL, graph: bytes = GRAPH) -> None:
    text = spec.replace('version = "1"', f'version = "{version}"')
    reply = api.post("/api/v1/staged", content=zipped(text, graph), headers=ZIP)
    assert reply.status_code == 201, reply.text


def compare(api: httpx.Client, version: str, **more: Any) -> dict[str, Any]:
    path = "/api/v1/models/mill/comparisons"
    reply = api.post(path, json={"version": version, **more})
    assert reply.status_code == 200, reply.text
    told: dict[str, Any] = reply.json()
    return told


@pytest.fixture(scope="module")
def decided(api: httpx.Client) -> list[int]:
    """Torques in the order in which they were decided: from 50 on an alarm."""
    torques = [10, 45, 49, 50, 55, 60, 80, 100]
    path = "/api/v1/models/mill/predictions"
    rows = [{"torque": torque} for torque in torques]
    for row in rows[:4]:
        assert api.post(path, json={"instance": row}).status_code == 200
    assert api.post(path, json={"instances": rows[4:7]}).status_code == 200
    explained = api.post("/api/v1/models/mill/explanations", json={"instance": rows[7]})
    assert explained.status_code == 200
    # What it would answer about a record of its own is none of its decisions.
    other = {"instance": {"pressure": 20.0, "speed": 1000}}
    assert api.post("/api/v1/models/press/predictions", json=other).status_code == 200
    return torques


def test_a_higher_threshold_clears_alarms_and_each_is_listed(
    api: httpx.Client, decided: list[int]
) -> None:
    stage(api, "2", MILL.replace("threshold = 0.5", "threshold = 0.58").replace('"Nm"', '"N m"'))
    told = compare(api, "2")
    assert (told["active"], told["compared"], told["changed"]) == ("1", 5, 2)
    assert (told["cleared"], told["raised"], told["refused"], told["unreadable"]) == (2, 0, 0, 0)
    assert told["ways"] == [{"was": "failure", "now": "normal", "count": 2}]
    changed = [
        api.get(f"/api/v1/audit/events/{c['record']}").json()["request"] for c in told["changes"]
    ]
    # The newest first: of the record of three rows the first, then the one before.
    assert [c["row"] for c in told["changes"]] == [0, 0]
    assert changed[0]["instances"][0] == {"torque": 55}
    assert changed[1]["instance"] == {"torque": 50}
    assert told["spec"] == [
        {"key": "version", "was": "1", "now": "2"},
        {"key": "decision.threshold", "was": "0.5", "now": "0.58"},
        {"key": "features[torque].unit", "was": "Nm", "now": "N m"},
    ]
    model, spec = told["digests"]
    assert model["was"] == model["now"]
    assert spec["was"] != spec["now"]
    assert compare(api, "2", only="all")["compared"] == 8
    # The newest is the explanation of 100 Nm, then the record of 55, 60 and 80 Nm.
    newest = [compare(api, "2", last=k) for k in (1, 4)]
    assert [(told["compared"], told["changed"]) for told in newest] == [(1, 0), (4, 1)]


def test_another_graph_raises_alarms_and_bounds_refuse_rows(
    api: httpx.Client, decided: list[int]
) -> None:
    graph = linear([[0.01]], [0.05]).SerializeToString()
    narrow = MILL.replace("[0.0, 100.0]", "[0.0, 90.0]")
    stage(api, "3", narrow, graph)
    told = compare(api, "3", only="all")
    assert (told["compared"], told["refused"], told["raised"], told["cleared"]) == (7, 1, 2, 0)
    assert "100" in told["refusals"][0]["problem"]
    assert told["ways"] == [{"was": "normal", "now": "failure", "count": 2}]


def test_what_other_digests_have_decided_is_not_held_against_it(
    api: httpx.Client, decided: list[int]
) -> None:
    path = "/api/v1/models/mill/activations"
    assert api.post(path, json={"version": "2", "why": "fewer"}).status_code == 201
    assert compare(api, "1", only="all")["compared"] == 0
    row = {"instance": {"torque": 55}}
    assert api.post("/api/v1/models/mill/predictions", json=row).status_code == 200
    told = compare(api, "1", only="all")
    assert (told["active"], told["compared"], told["raised"]) == ("2", 1, 1)


def test_what_decides_nothing_is_compared_by_its_score(api: httpx.Client) -> None:
    spec = (
        'format = 1\nname = "press"\nversion = "2"\ntask = "regression"\n'
        '[[features]]\nname = "pressure"\nkind = "continuous"\n'
    )
    graph = linear([[2.0]], [1.0]).SerializeToString()
    reply = api.post("/api/v1/staged", content=zipped(spec, graph), headers=ZIP)
    assert reply.status_code == 201, reply.text
    path = "/api/v1/models/press/comparisons"
    told = api.post(path, json={"version": "2", "only": "all"}).json()
    assert (told["compared"], told["refused"]) == (0, 1)
    assert "speed" in told["refusals"][0]["problem"]


def test_without_two_versions_there_is_nothing_to_compare(api: httpx.Client) -> None:
    path = "/api/v1/models/{}/comparisons"
    cases = [("mill", "2", 409), ("mill", "9", 404), ("none", "1", 404), ("mill", "../1", 404)]
    for name, version, status in cases:
        reply = api.post(path.format(name), json={"version": version})
        assert reply.status_code == status, (name, version, reply.text)
    for wrong in ({"last": 0}, {"last": 5001}, {"only": "some"}):
        reply = api.post(path.format("mill"), json={"version": "1", **wrong})
        assert reply.status_code == 422

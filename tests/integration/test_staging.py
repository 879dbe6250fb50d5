"""A version is staged over HTTP: made where it can do no harm, set in place, asked by stewards
only, and served once somebody has decided so."""

from __future__ import annotations

import io
import json
import os
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import pytest
from xgboost import XGBClassifier

from ifonly.service.access import EVERYTHING, Role, Scope
from ifonly.service.served import staging
from ifonly.service.settings import Settings
from tests.integration.conftest import serving
from tests.integration.small_models import linear, write_all
from tests.integration.test_access import bearer
from tests.integration.test_scopes import made
from tests.integration.test_upload import ZIP, left_behind, zipped

STAGED = "/api/v1/staged"
Files = dict[str, tuple[str, bytes]]


def sample() -> tuple[bytes, bytes]:
    """Of a small booster: its file, and its rows with their labels."""
    rng = np.random.default_rng(0)
    rows = np.column_stack([rng.uniform(20, 80, 120).round(1), rng.integers(900, 3000, 120)])
    hot = (rows[:, 0] > 60).astype(int)
    model = XGBClassifier(n_estimators=4, max_depth=2).fit(rows, hot)
    lines = [
        f"{torque},{int(speed)},{label}" for (torque, speed), label in zip(rows, hot, strict=True)
    ]
    table = "torque_nm,speed_rpm,failed\n" + "\n".join(lines) + "\n"
    return bytes(model.get_booster().save_raw("json")), table.encode()


BOOSTER, TABLE = sample()


def files(model: bytes = BOOSTER, name: str = "mill.json", table: bytes = TABLE) -> Files:
    return {"file": (name, model), "sample": ("rows.csv", table)}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_all(tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="module")
def tokens(tmp_path_factory: pytest.TempPathFactory) -> dict[str, str]:
    url = f"sqlite:///{tmp_path_factory.mktemp('store') / 'store.sqlite3'}"
    found = {role.value: made(url, role, EVERYTHING) for role in Role}
    found["other"] = made(url, Role.ADMIN, Scope(("line-*",)))
    found["here"] = made(url, Role.ADMIN, Scope(attributes=(("line", ("a",)),)))
    return found | {"store": url}


@pytest.fixture(scope="module")
def service(root: Path, tokens: dict[str, str]) -> Iterator[str]:
    settings = Settings.model_validate(
        {
            "models": root,
            "database_url": tokens["store"],
            "refresh_seconds": 0,
            "max_upload_bytes": 400_000,
        }
    )
    with serving(settings, no_auth=False) as url:
        yield url


@pytest.fixture(scope="module")
def api(service: str, tokens: dict[str, str]) -> Iterator[httpx.Client]:
    with httpx.Client(
        base_url=service, timeout=300, trust_env=False, headers=bearer(tokens["admin"])
    ) as client:
        yield client


def events(api: httpx.Client, limit: int = 1) -> list[dict[str, Any]]:
    query = {"kind": "model", "limit": str(limit)}
    found: list[dict[str, Any]] = api.get("/api/v1/audit/events", params=query).json()["events"]
    return found


def problem(reply: httpx.Response, status: int = 422) -> dict[str, str]:
    """Details by pointer."""
    assert reply.status_code == status, reply.text
    return {each["pointer"]: each["detail"] for each in reply.json()["errors"]}


@pytest.fixture(scope="module")
def mill(api: httpx.Client) -> dict[str, Any]:
    """The booster, staged as the first version of a model."""
    reply = api.post(STAGED, files=files(), data={"label": "failed"})
    assert reply.status_code == 201, reply.text
    assert reply.headers["location"] == f"{STAGED}/mill/1"
    told: dict[str, Any] = reply.json()
    return told


def test_a_file_and_a_sample_become_a_version_whose_guesses_are_listed(
    api: httpx.Client, mill: dict[str, Any], root: Path
) -> None:
    assert (mill["name"], mill["version"], mill["active"], mill["revision"]) == (
        "mill",
        "1",
        None,
        1,
    )
    fields = {each["key"]: each for each in mill["fields"]}
    assert fields["features[0].unit"]["value"] == "Nm"
    assert fields["features[0].unit"]["guess"]
    assert fields["features[0].unit"]["feature"] == "torque_nm"
    assert fields["features[0].bounds"]["value"] == [0.0, pytest.approx(110, abs=2)]
    assert fields["features[0].label.ko"]["value"] is None
    assert fields["policy.features.torque_nm.actionable"]["value"] is True
    assert fields["decision.desired"]["choices"] == ["0", "1"]
    guessed = sum(each["guess"] is not None for each in mill["fields"])
    assert mill["guesses"] == guessed + sum(q["is_guess"] for q in mill["questions"]) > 5
    assert any("XGBoost was converted" in line for line in mill["told"])
    assert mill["reading"] == ""
    assert set(mill["first"]) == {"torque_nm", "speed_rpm"}
    event = next(e for e in events(api, 50) if e["id"] == mill["audit"]["id"])
    assert (event["status"], event["model"], event["version"]) == ("staged", "mill", "1")
    assert event["model_sha256"] == mill["model_sha256"]
    assert left_behind(root) == [staging.FOLDER]


def test_nobody_asks_it_but_those_who_decide(
    api: httpx.Client, mill: dict[str, Any], tokens: dict[str, str], service: str
) -> None:
    asked = {"instance": mill["first"]}
    for query in ("", "?version=1"):
        reply = api.post(f"/api/v1/models/mill/explanations{query}", json=asked)
        assert reply.status_code == 404, reply.text
    assert "mill" not in api.get("/api/v1/models").text
    answer = api.post(f"{STAGED}/mill/1/explanations", json=asked)
    assert answer.status_code == 200, answer.text
    assert answer.json()["status"] == "optimal"
    assert "audit" not in answer.json() or answer.json()["audit"] is None
    kinds = api.get("/api/v1/audit/events", params={"kind": "explanation"}).json()["events"]
    assert kinds == []
    expected = {"operator": 403, "pipeline": 403, "auditor": 403, "other": 404, "here": 403}
    for who, status in expected.items():
        replies = [
            httpx.request(method, service + path, headers=bearer(tokens[who]), json=body)
            for method, path, body in (
                ("POST", f"{STAGED}/mill/1/explanations", asked),
                ("GET", f"{STAGED}/mill/1", None),
                ("PATCH", f"{STAGED}/mill/1", {"checked": ["features[0].unit"]}),
                ("DELETE", f"{STAGED}/mill/1", None),
                ("POST", "/api/v1/models/mill/activations", {"version": "1", "why": "x"}),
            )
        ]
        assert {reply.status_code for reply in replies} == {status}, who
    listed = httpx.get(service + STAGED, headers=bearer(tokens["other"]))
    assert listed.json() == {"staged": []}
    sent = httpx.post(
        service + STAGED,
        headers=bearer(tokens["here"]),
        files=files(name="m2.json"),
        timeout=300,
        data={"label": "failed"},
    )
    assert sent.status_code == 403
    assert "m2" not in api.get(STAGED).text


def test_every_wrong_field_is_told_and_nothing_is_set(
    api: httpx.Client, mill: dict[str, Any]
) -> None:
    wrong = {
        "features[0].unit": 5,
        "features[0].resolution": -1,
        "features[1].bounds": [9, 1],
        "decision.threshold": 7,
        "decision.desired": "2",
        "policy.features.torque_nm.range": [1, "high"],
    }
    found = problem(api.patch(f"{STAGED}/mill/1", json={"values": wrong}))
    # And what follows: a range and a step that the reversed bounds leave no room for.
    assert set(found) == {f"/values/{key}" for key in wrong} | {
        "/values/features[1].resolution", "/values/policy.features.speed_rpm.range"
    }  # fmt: skip
    assert found["/values/features[0].unit"] == "is 5 (int), not text"
    unknown = problem(
        api.patch(f"{STAGED}/mill/1", json={"values": {"name": "x"}, "checked": ["no"]})
    )
    assert set(unknown) == {"/values/name", "/values/no"}
    assert api.get(f"{STAGED}/mill/1").json()["revision"] == 1
    assert events(api)[0]["status"] == "refused"


def test_what_is_set_is_read_again_and_what_is_checked_is_no_guess(
    api: httpx.Client, mill: dict[str, Any]
) -> None:
    change = {
        "revision": 1,
        "values": {
            "features[0].label.ko": "토크",
            "features[1].label.ja": "回転数",
            "features[1].resolution": 10,
            "decision.classes[1].label.ko": "고장",
            "policy.features.speed_rpm.actionable": False,
            "title.en": "Mill",
        },
        "checked": ["decision.desired", "features[0].unit"],
    }
    reply = api.patch(f"{STAGED}/mill/1", json=change)
    assert reply.status_code == 200, reply.text
    told = reply.json()
    fields = {each["key"]: each for each in told["fields"]}
    assert told["revision"] == 2
    assert fields["features[0].label.ko"]["value"] == "토크"
    assert fields["features[0].unit"]["guess"] is None
    assert fields["policy.features.speed_rpm.range"]["value"] is None
    assert told["guesses"] < mill["guesses"]
    assert told["spec_sha256"] != mill["spec_sha256"]
    assert events(api)[0]["status"] == "edited"
    stale = api.patch(f"{STAGED}/mill/1", json=change)
    assert (stale.status_code, stale.json()["type"]) == (409, "urn:ifonly:problem:cannot-upload")
    asked = {"instance": told["first"], "languages": ["ko"]}
    answer = api.post(f"{STAGED}/mill/1/explanations", json=asked).json()
    assert "토크" in json.dumps(answer["text"], ensure_ascii=False)
    assert [a["feature"] for a in answer["counterfactuals"][0]["actions"]] == ["torque_nm"]


def test_other_answers_make_it_anew_and_keep_what_was_set(api: httpx.Client) -> None:
    graph = linear([[0.01], [0.0]], [0.0]).SerializeToString()
    reply = api.post(
        STAGED, files=files(graph, "lathe.onnx"), data={"columns": "torque_nm,speed_rpm"}
    )
    assert reply.status_code == 201, reply.text
    path = f"{STAGED}/lathe/1"
    (question,) = reply.json()["questions"]
    assert (question["key"], question["is_guess"]) == ("limit", True)
    keep = {"values": {"features[0].label.ko": "토크"}, "checked": ["features[0].unit"]}
    assert api.patch(path, json=keep).status_code == 200
    wrong = problem(api.patch(path, json={"answers": {"colour": "red"}}))
    assert wrong == {"/answers/colour": "is no question that was asked"}
    wrong = problem(api.patch(path, json={"answers": {"limit": "low"}}))
    assert set(wrong) == {"/answers/limit"}
    both = {"answers": {"limit": "<=0.5"}, "values": {"title.en": "Lathe", "features[0].unit": 5}}
    assert set(problem(api.patch(path, json=both))) == {"/values/features[0].unit"}
    both["values"] = {"title.en": "Lathe"}
    reply = api.patch(path, json=both)
    assert reply.status_code == 200, reply.text
    told = reply.json()
    (question,) = told["questions"]
    assert (question["answer"], question["is_guess"]) == ("<=0.5", False)
    fields = {each["key"]: each for each in told["fields"]}
    assert fields["features[0].label.ko"]["value"] == "토크"
    assert fields["title.en"]["value"] == "Lathe"
    assert fields["features[0].unit"]["guess"] is None
    assert fields["decision.desired"]["value"] == "below"
    assert api.delete(path).status_code == 200


def test_it_is_served_once_its_guesses_are_taken_and_to_everybody(
    api: httpx.Client, mill: dict[str, Any], root: Path, tokens: dict[str, str], service: str
) -> None:
    path = "/api/v1/models/mill/activations"
    refused = api.post(path, json={"version": "1", "why": "new"})
    assert (refused.status_code, refused.json()["type"]) == (
        409, "urn:ifonly:problem:cannot-activate"
    )  # fmt: skip
    assert "guesses are not checked" in refused.json()["detail"]
    reply = api.post(path, json={"version": "1", "why": "new", "accept_guesses": True})
    assert reply.status_code == 201, reply.text
    assert reply.json()["previous"] is None
    assert events(api)[0]["status"] == "activated"
    asked = {"instance": mill["first"]}
    answer = httpx.post(
        f"{service}/api/v1/models/mill/explanations",
        json=asked,
        headers=bearer(tokens["operator"]),
        timeout=300,
    )
    assert answer.status_code == 200
    assert api.get(f"{STAGED}/mill/1").status_code == 404
    assert api.get(STAGED).json() == {"staged": []}
    assert sorted(p.name for p in (root / "mill" / "1").iterdir()) == [
        "model.onnx", "parity.json", "reference.csv", "spec.toml", "validation.csv"
    ]  # fmt: skip
    # Its name is taken, for a zip as for a file.
    again = api.post(STAGED, files=files(), data={"version": "1", "label": "failed"})
    assert again.status_code == 409


def test_a_zip_is_staged_and_the_next_version_is_numbered_after_it(
    api: httpx.Client, root: Path
) -> None:
    reply = api.post(STAGED, content=zipped("2"), headers=ZIP)
    assert reply.status_code == 201, reply.text
    assert (reply.json()["guesses"], reply.json()["active"]) == (0, "1")
    assert not (root / "press" / "2").exists()
    assert api.get("/api/v1/models/press").json()["version"] == "1"
    assert api.post(STAGED, content=zipped("2"), headers=ZIP).status_code == 409
    form = {"folder": ("press.zip", zipped("3"))}
    assert api.post(STAGED, files=form).status_code == 201
    graph = linear([[2.0], [0.01]], [1.0]).SerializeToString()
    table = b"pressure,speed\n" + b"".join(b"%d,%d\n" % (i, 10 * i) for i in range(30))
    reply = api.post(STAGED, files=files(graph, "press.onnx", table), data={"name": "press"})
    assert (reply.status_code, reply.json()["version"]) == (201, "4")
    assert [s["version"] for s in api.get(STAGED).json()["staged"]] == ["2", "3", "4"]
    # What was put by hand meanwhile stays, and what could not come takes nothing back.
    (root / "press" / "3").mkdir()
    (root / "press" / "3" / "note").write_text("by hand")
    path = "/api/v1/models/press/activations"
    assert api.post(path, json={"version": "3", "why": "x"}).status_code == 409
    assert (root / "press" / "3" / "note").exists()
    (root / "press" / "3" / "note").unlink()
    (root / "press" / "3").rmdir()
    assert api.post(path, json={"version": "2", "why": "x", "previous": "1"}).status_code == 201
    assert api.get("/api/v1/models/press").json()["version"] == "2"
    for version in ("3", "4"):
        assert api.delete(f"{STAGED}/press/{version}").status_code == 200
        assert events(api)[0]["status"] == "discarded"
        assert api.delete(f"{STAGED}/press/{version}").status_code == 404
    assert os.listdir(root / staging.FOLDER) == []


@pytest.mark.parametrize(
    ("sent", "data", "pointers"),
    [
        ({}, {}, {"/file", "/sample"}),
        (files(name="m.pkl"), {}, {"/file"}),
        (files(name="m.onnx", model=b"\x80\x04K\x01."), {}, {"/file"}),
        (files(model=b"{}"), {}, {"/file"}),
        (files(table=b"a,b\n1\n"), {}, {"/sample"}),
        (files(table=b"other,failed\nx,y\n"), {}, {"/sample"}),
        (files(), {"label": "nothing"}, {"/label"}),
        (files(), {"name": "../x", "version": "/etc"}, {"/name", "/version"}),
        (files(), {"answers": "[1]"}, {"/answers"}),
        (files(), {"label": "failed", "answers": '{"desired": "maybe"}'}, {"/answers/desired"}),
        ({"folder": ("x.zip", b"no zip")}, {}, {"/zip"}),
    ],
)
def test_what_cannot_be_made_is_refused_by_its_place_and_leaves_nothing(
    api: httpx.Client, root: Path, sent: Files, data: dict[str, str], pointers: set[str]
) -> None:
    before = api.get(STAGED).json()
    reply = api.post(STAGED, files=sent or {"other": ("x", b"y")}, data={"name": "forged"} | data)
    assert set(problem(reply)) == pointers, reply.text
    assert api.get(STAGED).json() == before
    assert set(left_behind(root)) <= {staging.FOLDER, ".activations"}
    assert api.get("/healthz/ready").status_code == 200


def test_bodies_of_other_kinds_and_too_long_ones_are_refused(api: httpx.Client) -> None:
    assert api.post(STAGED, json={}).status_code == 415
    form = {"Content-Type": "multipart/form-data; boundary=x"}
    assert api.post(STAGED, content=b"nothing of a form", headers=form).status_code in (400, 422)
    assert api.post(STAGED, files=files(table=bytes(400_001))).status_code == 413


def test_a_folder_that_was_forged_by_hand_is_not_found(api: httpx.Client, root: Path) -> None:
    for entry in ("press@8/1", "..@1/1", "no-at/1", "press@9/x", "@/1"):
        folder = root / staging.FOLDER / entry
        folder.mkdir(parents=True)
        (folder / staging.ABOUT).write_text("[]")
    assert api.get(STAGED).json() == {"staged": []}
    assert api.get(f"{STAGED}/press/8").status_code == 404
    assert io.BytesIO(zipped("8")).read()
    assert api.post(STAGED, content=zipped("9"), headers=ZIP).status_code == 201
    assert api.delete(f"{STAGED}/press/9").status_code == 200

"""A model arrives as a zip: tried as any folder is, served at once or not at all, recorded."""

from __future__ import annotations

import io
import json
import os
import shutil
import time
import zipfile
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from ifonly.service.served import uploads
from ifonly.service.settings import Settings
from tests.integration.conftest import serving
from tests.integration.small_models import PRESS, linear, write_all

PATIENCE = 600.0
ZIP = {"Content-Type": "application/zip"}


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_all(tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="module")
def api(root: Path) -> Iterator[httpx.Client]:
    settings = Settings(models=root, max_upload_bytes=200_000, refresh_seconds=0)
    with (
        serving(settings) as url,
        httpx.Client(base_url=url, timeout=300, trust_env=False) as client,
    ):
        yield client


def zipped(version: str, spec: str = PRESS, **files: bytes) -> bytes:
    """A zip of a folder of the model ``press``."""
    content = {
        "spec.toml": spec.replace('version = "1"', f'version = "{version}"').encode(),
        "model.onnx": linear([[2.0], [0.01]], [1.0]).SerializeToString(),
        **{name.replace("__", "."): data for name, data in files.items()},
    }
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        for name, data in content.items():
            archive.writestr(f"press/{name}", data)
    return file.getvalue()


def last_event(api: httpx.Client) -> dict[str, Any]:
    query = {"kind": "model", "limit": "1"}
    event: dict[str, Any] = api.get("/api/v1/audit/events", params=query).json()["events"][0]
    return event


def left_behind(root: Path) -> list[str]:
    return [p.name for p in root.iterdir() if p.name.startswith(".")]


def test_a_sound_model_is_served_at_once_and_recorded(api: httpx.Client, root: Path) -> None:
    reply = api.post("/api/v1/models", content=zipped("2"), headers=ZIP)
    assert reply.status_code == 201, reply.text
    told = reply.json()
    assert reply.headers["location"] == "/api/v1/models/press?version=2"
    described = api.get(reply.headers["location"]).json()
    assert described["versions"] == ["1", "2"]
    assert described["provenance"]["model_sha256"] == told["model_sha256"]
    assert (root / "press" / "2" / "spec.toml").exists()
    event = last_event(api)
    assert event["id"] == told["audit"]["id"]
    assert (event["status"], event["model"], event["version"]) == ("uploaded", "press", "2")
    assert event["spec_sha256"] == told["spec_sha256"]
    assert event["detail"]["zip_sha256"] == told["zip_sha256"]
    assert left_behind(root) == []
    asked = {"instance": {"pressure": 20.0, "speed": 1000}}
    assert api.post("/api/v1/models/press/predictions", json=asked).status_code == 200


def test_a_version_that_is_there_is_never_replaced(api: httpx.Client, root: Path) -> None:
    before = (root / "press" / "1" / "spec.toml").read_bytes()
    reply = api.post("/api/v1/models", content=zipped("1"), headers=ZIP)
    assert (reply.status_code, reply.json()["type"]) == (409, "urn:ifonly:problem:cannot-upload")
    assert (root / "press" / "1" / "spec.toml").read_bytes() == before
    assert left_behind(root) == []


@pytest.mark.parametrize(
    ("archive", "pointer", "words"),
    [
        (zipped("9", PRESS.replace("scale = 10.0", "scale = -1")), "/spec.toml/", "scale"),
        (zipped("9", PRESS.replace('unit = "bar"', "unit = 5")), "/spec.toml/", "unit"),
        (zipped("9", model__onnx=b"no graph"), "/model.onnx", ""),
        (zipped("9", reference__csv=b"pressure\n1\n"), "/reference.csv", "speed"),
        (zipped("9", causal__toml=b"format = 2"), "/causal.toml", ""),
        (b"no zip", "/zip", "cannot be unpacked"),
    ],
)
def test_a_broken_model_is_refused_with_every_reason_and_leaves_nothing(
    api: httpx.Client, root: Path, archive: bytes, pointer: str, words: str
) -> None:
    reply = api.post("/api/v1/models", content=archive, headers=ZIP)
    problem = reply.json()
    assert (reply.status_code, problem["type"]) == (422, "urn:ifonly:problem:invalid-model")
    assert problem["errors"][0]["pointer"].startswith(pointer)
    assert words in json.dumps(problem["errors"])
    assert not (root / "press" / "9").exists()
    assert left_behind(root) == []
    event = last_event(api)
    assert (event["status"], event["detail"]) == ("refused", {"why": "invalid-model"})


def test_what_a_crash_left_of_an_upload_is_swept_and_a_running_one_is_not(tmp_path: Path) -> None:
    models = write_all(tmp_path / "models")
    left, running = models / f"{uploads.HIDDEN}left", models / f"{uploads.HIDDEN}running"
    for folder in (left, running):
        (folder / "press" / "9").mkdir(parents=True)
    an_hour_ago = time.time() - uploads.STALE_SECONDS - 1
    os.utime(left, (an_hour_ago, an_hour_ago))
    before = set(models.iterdir()) - {left}
    with serving(Settings(models=models, refresh_seconds=0)):
        last = time.monotonic() + PATIENCE
        while left.exists() and time.monotonic() < last:
            time.sleep(0.05)
    assert set(models.iterdir()) == before


def test_too_long_a_body_is_not_read(api: httpx.Client) -> None:
    reply = api.post("/api/v1/models", content=bytes(200_001), headers=ZIP)
    assert (reply.status_code, reply.json()["errors"][0]["limit"]) == (413, 200_000)


def test_only_a_zip_is_taken(api: httpx.Client) -> None:
    reply = api.post("/api/v1/models", json={})
    assert reply.status_code == 415


def test_a_folder_that_cannot_be_written_says_so(tmp_path: Path) -> None:
    models = write_all(tmp_path / "models")
    with (
        serving(Settings(models=models, refresh_seconds=0)) as url,
        httpx.Client(base_url=url, timeout=300, trust_env=False) as client,
    ):
        shutil.rmtree(models)
        models.write_bytes(b"a file now")
        reply = client.post("/api/v1/models", content=zipped("2"), headers=ZIP)
    assert reply.status_code == 409
    assert "IFONLY_MODELS" in reply.json()["detail"]

"""A model whose graph takes too much harms nobody: it is refused, or taken out of service."""

from __future__ import annotations

import contextlib
import io
import os
import signal
import subprocess
import sys
import threading
import zipfile
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path

import httpx
import pytest
from onnx import ModelProto

from ifonly.models.onnx import Guard, GuardLimits
from ifonly.models.onnx.watchdog import Watched, watchdog
from ifonly.service.served.sandbox import Sandbox
from ifonly.service.settings import Settings
from tests.integration.conftest import serving
from tests.integration.small_models import write_all
from tests.integration.test_hot_reload import until
from tests.support.endless import TRIGGER, endless, growing, slow, vast
from tests.unit.models.graphs import REGRESSION, number, spec_text

HARMLESS = {"instance": {"a": 1.0, "b": 0.0, "c": 0.0}}
FATAL = {"instance": {"a": TRIGGER, "b": 0.0, "c": 0.0}}
PRESS = {"instance": {"pressure": 40.0, "speed": 1000}}
BOUND = 10.0
"""Of every feature: what a trial asks first."""


def put(root: Path, name: str, model: ModelProto) -> Path:
    """A folder of a model of three numbers, there at once and whole."""
    draft, place = root / f".draft-{name}", root / name / "1"
    draft.mkdir()
    spec = spec_text(REGRESSION, number("a"), number("b"), number("c"), name=name)
    (draft / "spec.toml").write_bytes(spec)
    (draft / "model.onnx").write_bytes(model.SerializeToString())
    place.parent.mkdir()
    draft.rename(place)
    return place


@pytest.fixture
def root(tmp_path: Path) -> Path:
    write_all(tmp_path)
    put(tmp_path, "spin", endless(0))
    return tmp_path


@pytest.fixture
def api(root: Path) -> Iterator[httpx.Client]:
    settings = Settings(
        models=root, refresh_seconds=0.1, model_run_seconds=1.0, model_memory_bytes=3 << 30
    )
    with (
        serving(settings) as url,
        httpx.Client(base_url=url, timeout=300, trust_env=False) as client,
    ):
        yield client


def predicted(api: httpx.Client, model: str, body: object) -> httpx.Response:
    return api.post(f"/api/v1/models/{model}/predictions", json=body)


def test_a_graph_that_never_ends_is_taken_out_of_service_and_the_others_go_on(
    api: httpx.Client,
) -> None:
    assert predicted(api, "spin", HARMLESS).status_code == 200
    for body in (FATAL, HARMLESS):
        reply = predicted(api, "spin", body)
        problem = reply.json()
        assert reply.status_code == 503
        assert problem["type"] == "urn:ifonly:problem:model-out-of-service"
        assert problem["model"] == "spin/1"
        assert "longer than 1 s" in problem["detail"]
        assert predicted(api, "press", PRESS).status_code == 200
    for path in ("/api/v1/models/spin", "/api/v1/models/spin/spec"):
        assert api.get(path).status_code == 503
    explained = api.post("/api/v1/models/spin/explanations", json=HARMLESS)
    assert explained.status_code == 503

    listed = api.get("/api/v1/models").json()["refused"]
    assert [(r["folder"], r["still_served"]) for r in listed] == [("spin/1", False)]
    assert "longer than 1 s" in listed[0]["reason"]
    assert api.get("/healthz/ready").json()["models"] == 3  # brittle, press, sorter
    assert 'ifonly_models_out_of_service{model_name="spin"} 1.0' in api.get("/metrics").text
    events = api.get("/api/v1/audit/events", params={"model": "spin"}).json()["events"]
    assert [e.get("status") for e in events].count("model-out-of-service") == 3


def test_the_same_model_sent_again_as_another_version_is_served(
    api: httpx.Client, root: Path
) -> None:
    assert predicted(api, "spin", FATAL).status_code == 503
    spec = (root / "spin/1/spec.toml").read_text().replace('version = "1"', 'version = "2"')
    archive = zipped(spec.encode(), endless(1))
    assert api.post("/api/v1/models", content=archive, headers=ZIP).status_code == 201
    assert predicted(api, "spin", HARMLESS).status_code == 200


def test_an_explanation_that_meets_the_reading_is_a_problem_that_names_the_model(
    api: httpx.Client,
) -> None:
    reply = api.post(
        "/api/v1/models/spin/explanations", json=FATAL | {"target": {"score": {"min": 9.0}}}
    )
    assert reply.status_code == 503
    assert reply.json()["model"] == "spin/1"


def test_the_service_is_not_ready_while_a_thread_hears_nothing(api: httpx.Client) -> None:
    run = Watched(Guard("deaf/1"), 0.0, lambda: None)
    watchdog.enter(run)
    try:
        until(lambda: api.get("/healthz/ready").status_code == 503)
        assert "a run of deaf/1 does not end" in api.get("/healthz/ready").json()["detail"]
        assert api.get("/healthz/live").status_code == 200
    finally:
        watchdog.leave(run)
    assert api.get("/healthz/ready").status_code == 200


def test_a_model_is_asked_again_once_its_folder_was_touched(api: httpx.Client, root: Path) -> None:
    assert predicted(api, "spin", FATAL).status_code == 503
    assert predicted(api, "spin", HARMLESS).status_code == 503
    (root / "spin/1/spec.toml").touch()
    until(lambda: predicted(api, "spin", HARMLESS).status_code == 200)


ZIP = {"Content-Type": "application/zip"}


def zipped(spec: bytes, model: ModelProto) -> bytes:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("spec.toml", spec)
        archive.writestr("model.onnx", model.SerializeToString())
    return file.getvalue()


def sent(api: httpx.Client, model: ModelProto) -> httpx.Response:
    spec = spec_text(REGRESSION, number("a"), number("b"), number("c"), name="sent")
    return api.post("/api/v1/models", content=zipped(spec, model), headers=ZIP)


@pytest.mark.slow
def test_an_upload_that_takes_too_much_is_refused_and_says_which_limit(
    api: httpx.Client, root: Path
) -> None:
    for model, limit in (
        (vast(), "3 GiB of memory"),
        (growing(BOUND), "3 GiB of memory"),
        (endless(1, BOUND), "longer than 1 s"),
        (slow(), "longer than 1 s"),  # with the 4,096 rows of a run, which no other trial has
    ):
        reply = sent(api, model)
        assert reply.status_code == 422, reply.text
        assert limit in reply.json()["detail"]
    assert not (root / "sent").exists()
    assert predicted(api, "press", PRESS).status_code == 200


def test_a_folder_that_takes_too_much_is_refused_when_it_is_reloaded(
    api: httpx.Client, root: Path
) -> None:
    put(root, "vast", vast())
    until(lambda: "vast/1" in {r["folder"] for r in api.get("/api/v1/models").json()["refused"]})
    (told,) = api.get("/api/v1/models").json()["refused"]
    assert "3 GiB of memory" in told["reason"]
    assert api.get("/api/v1/models/vast").status_code == 404
    assert predicted(api, "press", PRESS).status_code == 200


def test_what_was_found_sound_is_not_tried_again_within_the_same_limits(
    api: httpx.Client, root: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    assert predicted(api, "spin", HARMLESS).status_code == 200
    monkeypatch.setattr(sys, "executable", str(root / "no-such-program"))
    limits = GuardLimits(run_seconds=1.0, memory_bytes=3 << 30)
    Sandbox(limits).check(root / "spin" / "1", root)
    for other in (replace(limits, run_seconds=0.5), replace(limits, memory_bytes=2 << 30)):
        with pytest.raises(FileNotFoundError):
            Sandbox(other).check(root / "spin" / "1", root)
    (root / "spin/1/notes.txt").write_text("another folder")
    with pytest.raises(FileNotFoundError):
        Sandbox(limits).check(root / "spin" / "1", root)


@pytest.mark.slow
def test_a_trial_that_hears_nothing_is_ended(root: Path) -> None:
    """A loop without nodes cannot be told to stop: the process that tries it is killed."""
    put(root, "deaf", endless(0, BOUND))
    settings = Settings(models=root, refresh_seconds=0, model_trial_seconds=4.0)
    with (
        serving(settings) as url,
        httpx.Client(base_url=url, timeout=300, trust_env=False) as client,
    ):
        (told,) = client.get("/api/v1/models").json()["refused"]
    assert told["folder"] == "deaf/1"
    assert "4 s" in told["reason"]
    assert "which is the limit" in told["reason"]


@pytest.mark.slow
def test_sigterm_ends_the_service_while_a_graph_spins(root: Path, tmp_path: Path) -> None:
    environment = os.environ | {
        "IFONLY_DATA": str(tmp_path / "data"),
        "IFONLY_SHUTDOWN_SECONDS": "1",
        "IFONLY_MODEL_RUN_SECONDS": "100000",
    }
    command = [sys.executable, "-m", "ifonly", "serve", "--no-auth", "--port", "0"]
    with subprocess.Popen(
        [*command, "--models", str(root)], env=environment, stderr=subprocess.PIPE, text=True
    ) as process:
        assert process.stderr is not None
        url = ""
        while " at http" not in url:
            url = process.stderr.readline()
            assert url, "the service did not start"
        url = url.rpartition(" ")[2].strip()
        threading.Thread(target=process.stderr.read, daemon=True).start()
        asking = threading.Thread(target=ask_in_vain, args=(f"{url}/api/v1/models/spin",))
        asking.start()
        until(lambda: is_spinning(process.pid))
        process.send_signal(signal.SIGTERM)
        process.wait(timeout=300)
        asking.join()


def ask_in_vain(url: str) -> None:
    with contextlib.suppress(httpx.HTTPError):
        httpx.post(f"{url}/predictions", json=FATAL, timeout=300, trust_env=False)


def is_spinning(parent: int) -> bool:
    """Whether a process below ``parent`` has used more of a processor than it takes to start."""
    told = subprocess.run(
        ["ps", "-o", "times=", "--ppid", str(parent)], capture_output=True, text=True, check=False
    )
    return any(int(seconds) >= 3 for seconds in told.stdout.split())

"""A service that runs sees new, changed and broken model folders."""

from __future__ import annotations

import os
import shutil
import signal
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import httpx
import pytest

from ifonly.service.errors import ModelsNotFound
from ifonly.service.served.registry import Registry
from ifonly.service.settings import Settings
from tests.integration.conftest import serving


def until(holds: Callable[[], bool]) -> None:
    """Wait for something that another thread or process does; fail if it never does."""
    for _ in range(600):
        if holds():
            return
        time.sleep(0.05)
    pytest.fail("it did not happen")


@pytest.fixture
def folder(repository: Path, tmp_path: Path) -> Path:
    shutil.copytree(repository / "press", tmp_path / "press")
    return tmp_path


def test_a_new_version_is_served_and_a_broken_one_is_refused_with_its_reason(folder: Path) -> None:
    with (
        serving(Settings(models=folder, refresh_seconds=0.05)) as url,
        httpx.Client(base_url=f"{url}/api/v1", timeout=300, trust_env=False) as client,
    ):
        assert client.get("/models/press").json()["version"] == "1"

        spec = (folder / "press/1/spec.toml").read_text()
        draft = folder / ".draft"
        shutil.copytree(folder / "press" / "1", draft)
        (draft / "spec.toml").write_text(spec.replace('version = "1"', 'version = "2"'))
        draft.rename(folder / "press" / "2")
        until(lambda: client.get("/models/press").json()["version"] == "2")
        assert client.get("/models/press", params={"version": "1"}).json()["version"] == "1"

        (folder / "press/2/spec.toml").write_text("format = 2")
        until(lambda: bool(client.get("/models").json()["refused"]))
        (refused,) = client.get("/models").json()["refused"]
        assert refused["folder"] == "press/2"
        assert refused["still_served"] is True
        assert "spec.toml" in refused["reason"]
        assert client.get("/models/press").json()["version"] == "2"

        shutil.rmtree(folder / "press/2")
        until(lambda: client.get("/models/press").json()["version"] == "1")


def test_a_policy_that_cannot_be_kept_refuses_the_folder(folder: Path) -> None:
    spec = folder / "press/1/spec.toml"
    spec.write_text(spec.read_text() + '\n[[policy.rules]]\nrule = "pressure >"\n')
    with pytest.raises(ModelsNotFound, match=r"press/1: .*policy\.rules\.0.*pressure >"):
        Registry(folder).load()


@pytest.mark.skipif(not hasattr(signal, "SIGHUP"), reason="no such signal here")
@pytest.mark.slow
def test_a_hangup_signal_refreshes_at_once(folder: Path) -> None:
    environment = os.environ | {
        "IFONLY_REFRESH_SECONDS": "0",
        "IFONLY_MODELS": str(folder),
        "IFONLY_DATA": str(folder / ".data"),
        "IFONLY_NO_AUTH": "1",
    }
    command = [sys.executable, "-m", "ifonly", "serve", "--port", "0"]
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stderr is not None
            url = next(line for line in process.stderr if "http://" in line).split()[-1]
            with httpx.Client(base_url=url, timeout=300, trust_env=False) as client:
                until(lambda: _ready(client))
                shutil.rmtree(folder / "press")
                process.send_signal(signal.SIGHUP)
                until(lambda: client.get("/healthz/ready").status_code == 503)
                problem = client.get("/healthz/ready").json()
                assert problem["type"] == "urn:ifonly:problem:not-ready"
                assert client.get("/healthz/live").status_code == 200
        finally:
            process.terminate()
            process.communicate()
    assert process.returncode == 0


def _ready(client: httpx.Client) -> bool:
    try:
        return client.get("/healthz/ready").is_success
    except httpx.TransportError:
        return False

"""A real service: uvicorn in a thread, on a free port, over the shipped and some small models."""

from __future__ import annotations

import contextlib
import logging
import shutil
import sys
import tempfile
import threading
import time
from collections.abc import Iterator
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest
import uvicorn

from ifonly.service.ask.warming import warm
from ifonly.service.doors import app
from ifonly.service.doors.cli import main
from ifonly.service.doors.cli.connections import PatientOnlySoLong
from ifonly.service.doors.cli.serve import listen, url_of
from ifonly.service.served.registry import ServedModel
from ifonly.service.settings import MAX_DEADLINE_MS, Settings, shipped_models
from tests.integration.shop import Shop
from tests.integration.small_models import write_all


@contextlib.contextmanager
def serving(settings: Settings, *, no_auth: bool = True) -> Iterator[str]:
    """The URL of a service that answers until the block ends; without accounts, unless asked.

    Its questions have all the time there is, unless the settings say how long: a test of what is
    answered is none of how fast the machine is.

    Its store is a file that goes with it, unless the settings say where; so is the log's key.

    A model that a service of this process has warmed is warm enough: what that imports and reads is
    there, and what it builds is built by the first question.
    """
    with (
        tempfile.TemporaryDirectory(prefix="ifonly-store-") as folder,
        pytest.MonkeyPatch.context() as patch,
    ):
        patch.setattr(app, "warm", _warm_once)
        given: dict[str, Any] = {"no_auth": no_auth}
        if "default_deadline_ms" not in settings.model_fields_set:
            given["default_deadline_ms"] = min(MAX_DEADLINE_MS, settings.max_deadline_ms)
        if "data" not in settings.model_fields_set:
            given["data"] = Path(folder)
        with _served(settings.model_copy(update=given)) as url:
            yield url


_WARMED: set[tuple[str, ...]] = set()


def _warm_once(model: ServedModel) -> None:
    of = model.deployed
    if (found := (of.model_sha256, of.spec_sha256, of.causal_sha256)) not in _WARMED:
        _WARMED.add(found)
        warm(model)


@pytest.fixture(autouse=True)
def log_level() -> Iterator[None]:
    """Commands that end in this process say how much they log: that ends with their test."""
    root = logging.getLogger()
    level = root.level
    yield
    root.setLevel(level)


def free_port() -> int:
    """Of what listens at a port that it is told."""
    with listen("127.0.0.1", 0) as listener:
        port: int = listener.getsockname()[1]
        return port


@contextlib.contextmanager
def _served(settings: Settings) -> Iterator[str]:
    config = uvicorn.Config(
        app.create_app(settings),
        http=PatientOnlySoLong,
        lifespan="on",
        log_config=None,
        access_log=False,
    )
    server = uvicorn.Server(config)
    with listen("127.0.0.1", 0) as listener:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        while thread.is_alive() and not server.started:
            time.sleep(0.01)
        assert server.started, "the service did not start"
        try:
            yield url_of(listener)
        finally:
            server.should_exit = True
            thread.join()


@pytest.fixture(scope="session")
def repository(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("repository")
    shutil.copytree(shipped_models() / "milling-machine", root / "milling-machine")
    return write_all(root)


@pytest.fixture(scope="session")
def press(repository: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A repository of one small model, to be read only: a service starts at once. That of the
    default model asks it the questions of a warm-up, half a CPU second."""
    root = tmp_path_factory.mktemp("one")
    shutil.copytree(repository / "press", root / "press")
    return root


@pytest.fixture(scope="session")
def service_url(repository: Path) -> Iterator[str]:
    with serving(Settings(models=repository, workers=2, max_waiting=64)) as url:
        yield url


@pytest.fixture(scope="session")
def client(service_url: str) -> Iterator[httpx.Client]:
    with httpx.Client(base_url=service_url, timeout=300, trust_env=False) as client:
        yield client


@pytest.fixture(scope="session")
def alarm(client: httpx.Client) -> dict[str, object]:
    """A shipped example for which the shipped model raises the alarm."""
    described = client.get("/api/v1/models/milling-machine").json()
    instance: dict[str, object] = described["examples"][0]["instance"]
    return instance


@pytest.fixture
def shop(
    tmp_path: Path, capfd: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> Iterator[Shop]:
    monkeypatch.setenv("IFONLY_DATA", str(tmp_path / "data"))

    def run(*arguments: str) -> Any:
        monkeypatch.setattr(sys, "argv", ["ifonly", *arguments])
        with pytest.raises(SystemExit) as end:
            main()
        told = capfd.readouterr()
        return SimpleNamespace(code=end.value.code, out=told.out, err=told.err)

    return Shop(tmp_path, run)

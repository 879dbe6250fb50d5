"""Shares over HTTP, with keys: whoever has spent theirs is told until when, others are answered,
and a service that is told to stop ends in time whatever it is asked."""

from __future__ import annotations

import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from ifonly.service.access import Role
from ifonly.service.settings import Settings
from ifonly.service.store.database import connect
from ifonly.service.store.tables import job_rows
from tests.integration.conftest import serving
from tests.integration.test_faults import BODY, until, until_ready
from tests.integration.test_sign_in import new_key
from tests.support import hard_network

NETWORK = f"/api/v1/models/{hard_network.NAME}/explanations"
PRESS = "/api/v1/models/press"
HARD = {"instance": hard_network.ROW, "target": hard_network.TARGET}
EASY = BODY | {"target": {"score": {"min": 40.0}}}
ENDLESS_MS = 60_000


@pytest.fixture(scope="module")
def models(press: Path, tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = tmp_path_factory.mktemp("shares")
    shutil.copytree(press / "press", root / "press")
    hard_network.write(root)
    return root


def client(url: str, token: str) -> httpx.Client:
    headers = {"Authorization": f"Bearer {token}"}
    return httpx.Client(base_url=url, headers=headers, timeout=300, trust_env=False)


def test_whose_searches_have_taken_their_share_is_told_when_to_come_back(
    models: Path, tmp_path: Path
) -> None:
    store = f"sqlite:///{tmp_path / 'store.sqlite3'}"
    settings = Settings.model_validate(
        {
            "models": models,
            "database_url": store,
            "share_search_per_second": 0.001,
            "share_search_burst": 0.01,
        }
    )
    much, other = (new_key(store, Role.OPERATOR) for _ in range(2))
    with (
        serving(settings, no_auth=False) as one,
        serving(settings, no_auth=False) as two,
        client(one, much) as hog,
        client(two, much) as elsewhere,
        client(one, other) as another,
    ):
        answered = hog.post(NETWORK, json=HARD | {"deadline_ms": 1_000})
        assert answered.status_code == 200, answered.text
        # It is paid for once it is answered, and another process believes for a moment what it saw.
        for asking in (hog, elsewhere):
            refused = until_refused(asking)
            problem = refused.json()
            assert problem["type"] == "urn:ifonly:problem:share-spent"
            assert problem["share"] == "CPU-seconds of search"
            assert problem["used"] > problem["limit"] == 0.01
            assert int(refused.headers["retry-after"]) >= 1
            # What is not a search is answered, and so is everybody else.
            assert asking.post(f"{PRESS}/predictions", json=BODY).status_code == 200
        assert another.post(f"{PRESS}/explanations", json=EASY).status_code == 200


def until_refused(asking: httpx.Client) -> httpx.Response:
    for _ in range(600):
        reply = asking.post(f"{PRESS}/explanations", json=EASY)
        if reply.status_code == 429:
            return reply
        assert reply.status_code == 200, reply.text
        time.sleep(0.05)
    pytest.fail("it was never refused")


def test_a_job_of_one_row_is_done_while_another_key_s_row_takes_a_minute(
    models: Path, tmp_path: Path
) -> None:
    store = f"sqlite:///{tmp_path / 'store.sqlite3'}"
    settings = Settings.model_validate({"models": models, "database_url": store})
    much, other = (new_key(store, Role.OPERATOR) for _ in range(2))
    with (
        serving(settings, no_auth=False) as url,
        client(url, much) as hog,
        client(url, other) as another,
    ):
        long = job(hog, NETWORK, [HARD | {"deadline_ms": ENDLESS_MS}] * 4)
        until(lambda: state(hog, long)["state"] == "running")
        short = job(another, f"{PRESS}/explanations", [EASY])
        until(lambda: state(another, short)["state"] == "done")
        assert state(hog, long)["answered"] == 0
        assert hog.delete(f"/api/v1/jobs/{long}").is_success


def job(asking: httpx.Client, path: str, bodies: list[dict[str, Any]]) -> str:
    lines = "\n".join(json.dumps(body) for body in bodies)
    headers = {"Content-Type": "application/jsonl"}
    reply = asking.post(f"{path}/bulk", content=lines, headers=headers)
    assert reply.status_code == 202, reply.text
    return str(reply.json()["id"])


def state(asking: httpx.Client, identity: str) -> dict[str, Any]:
    found: dict[str, Any] = asking.get(f"/api/v1/jobs/{identity}").raise_for_status().json()
    return found


@contextmanager
def served(
    models: Path, store: str, processes: int, lines: list[str]
) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A service in processes of its own that has six seconds to stop; ``lines``: its words."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith(("IFONLY_", "PROM"))}
    environment |= {"IFONLY_DATABASE_URL": store, "IFONLY_MODELS": str(models)}
    environment |= {"IFONLY_SHUTDOWN_SECONDS": "6"}
    command = [sys.executable, "-m", "ifonly", "serve", "--port", "0"]
    command += ["--processes", str(processes)]
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        base = next(line for line in process.stderr if "http://" in line).split()[-1]
        reading = threading.Thread(target=lines.extend, args=(process.stderr,))
        reading.start()
        try:
            until_ready(base)
            yield process, base
        finally:
            process.kill()
            reading.join()


class Siege:
    """Clients who ask again as soon as they are answered, until nobody answers any more."""

    def __init__(self, base: str, token: str) -> None:
        self.answers: Counter[tuple[str, int | str]] = Counter()
        self.cut = 0
        """Hard questions that were answered, before their own time was over."""
        self._base, self._token = base, token
        self._lock = threading.Lock()
        self._threads: list[threading.Thread] = []

    def begin(self, what: str, path: str, body: dict[str, Any], clients: int) -> None:
        asking = [
            threading.Thread(target=self._ask, args=(what, path, body)) for _ in range(clients)
        ]
        for thread in asking:
            thread.start()
        self._threads += asking

    def _ask(self, what: str, path: str, body: dict[str, Any]) -> None:
        with client(self._base, self._token) as api:
            while True:
                try:
                    reply = api.post(path, json=body)
                except httpx.HTTPError as error:
                    self._note(what, type(error).__name__)
                    return
                self._note(what, reply.status_code)
                if what == "hard" and reply.status_code == 200:
                    with self._lock:
                        self.cut += bool(reply.json()["deadline_hit"])

    def _note(self, what: str, status: int | str) -> None:
        with self._lock:
            self.answers[what, status] += 1

    def end(self) -> None:
        for thread in self._threads:
            thread.join()


@pytest.mark.slow
@pytest.mark.long
@pytest.mark.parametrize("processes", [1, 2])
def test_sigterm_ends_the_service_in_time_while_it_searches(
    models: Path, tmp_path: Path, processes: int
) -> None:
    """A minute's searches, what-ifs and a job are under way: the searches are cut, their answers
    are sent, what is left of the job goes back, and nothing has to be broken off."""
    store = f"sqlite:///{tmp_path / 'store.sqlite3'}"
    token = new_key(store, Role.OPERATOR)
    lines: list[str] = []
    hard = HARD | {"deadline_ms": ENDLESS_MS}
    with served(models, store, processes, lines) as (process, base):
        siege = Siege(base, token)
        with client(base, token) as api:
            job(api, NETWORK, [hard] * 4)
        siege.begin("hard", NETWORK, hard, 6)
        siege.begin("what-if", f"{PRESS}/what-if", BODY | {"set": {"speed": 200}}, 3)
        until(lambda: siege.answers["what-if", 200] >= 60)  # the hard ones were sent before them
        process.send_signal(signal.SIGTERM)
        assert process.wait() == 0
        siege.end()
    said = "".join(lines)
    assert "Cancel " not in said, "requests were broken off"
    assert "threads are still busy" not in said
    assert siege.answers["what-if", 200] > 0
    statuses = {status for (what, status) in siege.answers if isinstance(status, int)}
    assert statuses <= {200, 503}, siege.answers
    assert siege.cut == siege.answers["hard", 200] == 6
    database = connect(store)
    with database.reading() as connection:
        rows = connection.execute(job_rows.select()).all()
    database.close()
    assert [(row.worker, row.record) for row in rows] == [("", None)] * 4

"""Who listens hears no more once they may not; who asks again does not keep auditors waiting."""

from __future__ import annotations

import json
import threading
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from ifonly.service.access import Role
from ifonly.service.audit.replay import replay
from ifonly.service.doors.http import authentication, jobs
from ifonly.service.doors.pages.operator import alarms
from ifonly.service.settings import Settings
from ifonly.service.store import keys
from tests.integration.conftest import serving
from tests.integration.test_access import bearer
from tests.integration.test_rejections import BODY, PRESS
from tests.integration.test_sign_in import new_key, revoke, sign_in

PATIENCE = 120.0
"""Seconds after which a stream that should have ended fails the test by its read."""


@pytest.fixture(scope="module")
def store_url(tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"sqlite:///{tmp_path_factory.mktemp('streams') / 'store.sqlite3'}"


@pytest.fixture(autouse=True)
def what_ends_is_known_soon(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(keys, "RELOAD_SECONDS", 0.0)
    monkeypatch.setattr(keys, "FRESH_SECONDS", 0.0)
    monkeypatch.setattr(authentication, "CHECK_SECONDS", 0.1)
    monkeypatch.setattr(jobs, "LOOK_SECONDS", 0.05)
    monkeypatch.setattr(alarms, "LOOK_SECONDS", 0.05)


@pytest.fixture(scope="module")
def idle(press: Path, store_url: str) -> Iterator[str]:
    """A service with accounts that answers no rows of jobs."""
    given = {"models": press, "database_url": store_url, "job_threads": 0}
    with serving(Settings.model_validate(given), no_auth=False) as url:
        yield url


def test_a_jobs_events_end_with_the_key(idle: str, store_url: str) -> None:
    asks, listens = new_key(store_url, Role.OPERATOR), new_key(store_url, Role.PIPELINE)
    with httpx.Client(base_url=idle, timeout=PATIENCE, trust_env=False) as api:
        kind = {"Content-Type": "application/jsonl"}
        job = api.post(f"{PRESS}/bulk", content=json.dumps(BODY), headers=bearer(asks) | kind)
        path = job.json()["links"]["events"]
        with api.stream("GET", path, headers=bearer(listens)) as reply:
            heard = reply.iter_lines()
            assert next(heard) == "event: queued"
            revoke(store_url, listens)
            assert not [line for line in heard if line.startswith("event: done")]
        assert api.get(path, headers=bearer(listens)).status_code == 401


def test_a_pages_signs_end_with_the_session(idle: str, store_url: str) -> None:
    key = new_key(store_url, Role.OPERATOR)
    with httpx.Client(base_url=idle, timeout=PATIENCE, trust_env=False) as browser:
        assert sign_in(browser, key).status_code == 303
        with browser.stream("GET", "/alarms/events") as reply:
            heard = reply.iter_lines()
            assert next(heard) == "retry: 2000"
            revoke(store_url, key)
            assert not [line for line in heard if line.startswith("event")]


def test_an_answer_that_is_asked_again_does_not_take_the_auditors_thread(
    press: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    began, go_on = threading.Event(), threading.Event()

    def slow(*given: object) -> object:
        began.set()
        assert go_on.wait(PATIENCE)
        return replay(*given)  # type: ignore[arg-type]

    monkeypatch.setattr("ifonly.service.doors.http.audit.replay", slow)
    with (
        serving(Settings(models=press)) as url,
        httpx.Client(base_url=url, timeout=PATIENCE, trust_env=False) as api,
    ):
        asked = api.post(PRESS, json=BODY).json()["id"]
        path = f"/api/v1/audit/events/{asked}/replay"
        replies: list[httpx.Response] = []
        thread = threading.Thread(
            target=lambda: replies.append(
                httpx.post(f"{url}{path}", timeout=PATIENCE, trust_env=False)
            )
        )
        thread.start()
        try:
            assert began.wait(PATIENCE)
            assert api.get("/api/v1/audit/verify").json()["holds"]
        finally:
            go_on.set()
            thread.join()
        assert replies[0].status_code == 200

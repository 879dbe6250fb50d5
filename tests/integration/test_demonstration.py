"""Simulated machines: a plant in alarm within a minute, and marked wherever it is seen."""

from __future__ import annotations

import re
import threading
import time
from collections import Counter
from collections.abc import Iterator
from html import unescape
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import httpx
import pytest

from ifonly.explainers.wording import LANGUAGES
from ifonly.models.spec.attributes import SIMULATED
from ifonly.service.doors import demonstration
from ifonly.service.doors.by_settings import demonstration_of
from ifonly.service.doors.demonstration import Demonstration
from ifonly.service.settings import Settings, shipped_models
from ifonly.service.words.catalogue import say
from tests.integration.conftest import serving

A_MINUTE = round(60 * demonstration.READINGS_PER_SECOND)
"""Readings, as many as a newcomer waits for."""
WANTED = {"active_unacknowledged", "cleared_unacknowledged"}
PATIENCE_SECONDS = 240.0
PAGES = ("/alarms", "/records", "/reviews", "/report", "/models", "/models/milling-machine")


@pytest.fixture(scope="module")
def quick() -> Iterator[None]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(demonstration, "READINGS_PER_SECOND", 100.0)
        patch.setattr(demonstration, "MOST_READINGS", A_MINUTE)
        yield


@pytest.fixture(scope="module")
def url(quick: None) -> Iterator[str]:
    with serving(Settings(models=shipped_models(), refresh_seconds=0, workers=2)) as url:
        yield url


@pytest.fixture(scope="module")
def browser(url: str) -> Iterator[httpx.Client]:
    with httpx.Client(
        base_url=url, timeout=300, trust_env=False, headers={"Accept": "text/html"}
    ) as client:
        yield client


def send(browser: httpx.Client, path: str, **fields: str) -> httpx.Response:
    token = re.search(r'name="csrf" value="([^"]+)"', browser.get("/alarms").text)
    assert token is not None
    return browser.post(path, data=fields | {"csrf": token[1]}, follow_redirects=True)


@pytest.fixture(scope="module")
def plant(browser: httpx.Client) -> dict[str, Any]:
    """A minute's readings, begun with the button."""
    first = unescape(browser.get("/alarms").text)
    # A first, empty page says what can be done.
    assert 'href="/readings"' in first
    assert 'href="/readings?model=milling-machine&example=two-failures"' in first
    assert f'value="start">{say("demonstration.start", "en")}' in browser.get("/alarms").text
    assert send(browser, "/demonstration", action="start").status_code == 200
    assert send(browser, "/demonstration", action="start").status_code == 200  # twelve, not more
    last = time.monotonic() + PATIENCE_SECONDS
    while is_running(browser) and time.monotonic() < last:
        time.sleep(0.1)
    found: dict[str, Any] = browser.get("/api/v1/alarms").json()
    return found


def is_running(browser: httpx.Client) -> bool:
    return say("demonstration.stop", "en") in browser.get("/models").text


def test_there_are_open_alarms_in_several_states(plant: dict[str, Any]) -> None:
    assert plant["counts"].keys() >= WANTED
    assert any(alarm["chattering"] for alarm in plant["alarms"])
    names = [alarm["equipment"] for alarm in plant["alarms"]]
    assert len(names) == len(set(names)) <= 12
    assert all(alarm["attributes"][SIMULATED] == "true" for alarm in plant["alarms"])
    assert all(name.startswith("Simulated ") for name in names)
    # What would clear it is there before anybody asks.
    assert any(alarm["explanation"] for alarm in plant["alarms"])


def test_every_page_says_that_it_is_simulated(browser: httpx.Client, plant: dict[str, Any]) -> None:
    alarm = plant["alarms"][0]
    pages = [*PAGES, f"/alarms/{alarm['record']}", f"/records/{alarm['record']}"]
    for path in pages:
        for language in LANGUAGES:
            reply = browser.get(path, headers={"Cookie": f"ifonly_language={language}"})
            assert reply.status_code == 200, path
            assert say("demonstration.text", language) in reply.text, path


def test_no_record_of_it_is_without_the_mark(browser: httpx.Client, plant: dict[str, Any]) -> None:
    found = browser.get("/api/v1/audit/events", params={"limit": 500}).json()["events"]
    kinds = Counter(event["kind"] for event in found)
    assert kinds["prediction"] == A_MINUTE  # twice begun, once sent
    assert kinds["explanation"]
    assert not kinds["refusal"] + kinds["failure"]
    for event in found:
        if event["kind"] in ("prediction", "explanation"):
            kept = browser.get(f"/api/v1/audit/events/{event['id']}").json()
            assert kept["request"]["attributes"][SIMULATED] == "true"


def test_a_button_on_every_page_stops_it(browser: httpx.Client, plant: dict[str, Any]) -> None:
    send(browser, "/demonstration", action="start")
    assert is_running(browser)
    send(browser, "/demonstration", action="stop")
    assert not is_running(browser)
    assert say("demonstration.text", "en") in browser.get("/models").text  # it is still shown


def test_a_service_with_accounts_or_of_several_processes_has_no_simulated_machines() -> None:
    # Their readings have no place among those of a plant; and only one process would know of them.
    wanted = {(True, 1): True, (False, 1): False, (True, 2): False}
    for (no_auth, processes), is_there in wanted.items():
        settings = Settings(no_auth=no_auth, processes=processes)
        assert (demonstration_of(settings, lambda: False) is not None) == is_there


def test_a_service_without_that_model_says_so(press: Path) -> None:
    with (
        serving(Settings(models=press, refresh_seconds=0)) as url,
        httpx.Client(base_url=url, timeout=300, trust_env=False) as browser,
    ):
        assert say("demonstration.start", "en") not in browser.get("/alarms").text
        reply = send(browser, "/demonstration", action="start")
        assert reply.status_code == 403
        assert "milling-machine" in reply.text
        assert say("demonstration.mark", "en") not in reply.text


def test_the_machines_stop_with_the_service(url: str) -> None:
    over = threading.Event()
    machines = Demonstration(over.is_set)
    registry = SimpleNamespace(names=lambda: [demonstration.MODEL])
    machines.start(url, registry)  # type: ignore[arg-type]
    assert (machines.has_begun, machines.is_running) == (True, True)
    over.set()
    last = time.monotonic() + PATIENCE_SECONDS
    while machines.is_running and time.monotonic() < last:
        time.sleep(0.01)
    assert (machines.has_begun, machines.is_running) == (True, False)

"""A real service in a process of its own, and Debian's Chromium to look at it."""

from __future__ import annotations

import os
import re
import shutil
import signal
import subprocess
import sys
import threading
from collections.abc import Callable, Iterator, Mapping
from contextlib import ExitStack, contextmanager
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from ifonly.service.access import Role
from ifonly.service.settings import shipped_models
from ifonly.service.store import keys
from ifonly.service.store.journal import JournalOptions
from ifonly.service.store.opened import opened
from tests.support.spoken import spoken

MODEL = "milling-machine"
CHROMIUM = ("chromium", "chromium-browser", "google-chrome")
START_SECONDS = 600
TIMEOUT_MS = 20_000


def pytest_collection_modifyitems(items: list[pytest.Item]) -> None:
    for item in items:
        if "tests/browser" in str(item.path):
            item.add_marker(pytest.mark.browser)


@dataclass(frozen=True)
class Service:
    """Where it is, and a key for each role."""

    url: str
    keys: dict[str, str]

    def client(self, role: Role = Role.ADMIN) -> httpx.Client:
        headers = {"Authorization": f"Bearer {self.keys[role]}"}
        return httpx.Client(base_url=self.url, headers=headers, timeout=300, trust_env=False)


@dataclass
class Watched:
    """What a browser must never do."""

    complaints: list[str] = field(default_factory=list)


@pytest.fixture(scope="session")
def chromium() -> str:
    found = next(filter(None, map(shutil.which, CHROMIUM)), None)
    if found is None:
        pytest.skip("no Chromium here: apt-get install chromium fonts-noto-cjk")
    return found


@pytest.fixture(scope="session")
def service(chromium: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    # Many alarms of one test are no flood on another's page: floods have a service of their own.
    given = {"IFONLY_FLOOD_ALARMS": "100000"}
    with started(tmp_path_factory.mktemp("browser"), given) as (process, running):
        yield running
        _stop_while_somebody_listens(process, running)


@contextmanager
def started(
    folder: Path, given: Mapping[str, str]
) -> Iterator[tuple[subprocess.Popen[str], Service]]:
    """A service of its own, with a key for each role; ``given``: settings."""
    made: dict[str, str] = {}
    with opened(f"sqlite:///{folder / 'ifonly.sqlite3'}", JournalOptions("test")) as store:
        for role in Role:
            made[role], work = keys.create(role, "", None, "test")
            store.journal.append(work).result(30)
    models = folder / "models"  # a copy: models are sent there
    shutil.copytree(shipped_models() / MODEL, models / MODEL)
    environment = os.environ | {
        "IFONLY_DATA": str(folder),
        "IFONLY_MODELS": str(models),
        "IFONLY_LOG_LEVEL": "WARNING",
        **given,
    }
    process = subprocess.Popen(
        [sys.executable, "-m", "ifonly", "serve", "--port", "0"],
        env=environment,
        cwd=Path(__file__).parents[2],
        stderr=subprocess.PIPE,
        stdout=subprocess.DEVNULL,
        text=True,
    )
    try:
        yield process, Service(_url_of(process), made)
    finally:
        process.kill()
        process.wait()
        assert process.stderr is not None
        process.stderr.close()


def _stop_while_somebody_listens(process: subprocess.Popen[str], service: Service) -> None:
    """A stream of events has no end of its own: it must not keep the service from stopping."""
    with httpx.Client(base_url=service.url, trust_env=False, timeout=300) as client:
        token = re.search(r'name="csrf" value="([^"]+)"', client.get("/sign-in").text)
        assert token is not None
        form = {"csrf": token[1], "key": service.keys[Role.OPERATOR]}
        client.post("/sign-in", data=form)
        with client.stream("GET", "/alarms/events") as stream:
            lines = stream.iter_lines()
            assert next(lines).startswith("retry")
            process.send_signal(signal.SIGINT)
            assert process.wait() == 0


def _url_of(process: subprocess.Popen[str]) -> str:
    """Where it says that it listens, once it answers there."""
    assert process.stderr is not None
    said: list[str] = []
    for line in process.stderr:
        said.append(line)
        found = re.search(r"at (http://\S+)", line)
        if found is not None:
            threading.Thread(target=process.stderr.read, daemon=True).start()
            _wait(found[1])
            return found[1]
    raise AssertionError("".join(said))


def _wait(url: str) -> None:
    transport = httpx.HTTPTransport(retries=5)
    with httpx.Client(transport=transport, trust_env=False, timeout=START_SECONDS) as client:
        assert client.get(f"{url}/healthz/ready").is_success


@pytest.fixture(scope="session")
def browser(chromium: str) -> Iterator[Any]:
    api = pytest.importorskip("playwright.sync_api", reason="playwright is not installed")
    with api.sync_playwright() as playwright:
        arguments = ["--no-sandbox"] if os.geteuid() == 0 else []
        launched = playwright.chromium.launch(executable_path=chromium, args=arguments)
        yield launched
        launched.close()


Visit = Callable[..., Any]


@pytest.fixture(scope="session")
def signed_in(browser: Any, service: Service) -> Callable[[Role], Any]:
    """What a browser keeps once somebody has signed in there; done once for each role."""
    kept: dict[Role, Any] = {}

    def state(role: Role) -> Any:
        if role not in kept:
            context = browser.new_context(base_url=service.url)
            page = context.new_page()
            page.goto("/sign-in")
            page.fill("#key", service.keys[role])
            page.click("form.stack button")
            page.wait_for_selector(".who")
            kept[role] = context.storage_state()
            context.close()
        return kept[role]

    return state


@pytest.fixture
def visit(browser: Any, service: Service, signed_in: Callable[[Role], Any]) -> Iterator[Visit]:
    """Opens a page as somebody, in a browser of their own; afterwards nothing may have been
    complained of: no error, no report of the policy, no request to elsewhere."""
    watched = Watched()
    with ExitStack() as stack:

        def opened_page(
            path: str, role: Role | None = Role.OPERATOR, *, language: str = "en", **given: Any
        ) -> Any:
            locale = spoken(language).LOCALE
            state = None if role is None else signed_in(role)
            context = browser.new_context(
                base_url=service.url, locale=locale, storage_state=state, **given
            )
            stack.callback(context.close)
            context.set_default_timeout(TIMEOUT_MS)
            page = context.new_page()
            watch(page, service.url, watched)
            page.goto(path)
            if given.get("java_script_enabled", True):
                alive(page)
            return page

        yield opened_page
    assert watched.complaints == []


def alive(page: Any) -> None:
    """Waits until htmx answers for the forms: it is fetched after the first paint, and a click
    before that sends the form as a browser does, whose reply is another page."""
    page.wait_for_selector("[data-htmx-powered]", state="attached")


def send(page: Any, button: str) -> None:
    """Click what leads to another page, and wait until that is read whole. A click alone returns
    once the page is on its way, and what is then counted may be of half a page."""
    with page.expect_navigation():
        page.click(button)


def watch(page: Any, url: str, watched: Watched) -> None:
    host = urlsplit(url).netloc

    def on_console(message: Any) -> None:
        # What a browser says of a reply that is an error is meant.
        if message.type == "error" and "Failed to load resource" not in message.text:
            watched.complaints.append(message.text)

    def on_request(request: Any) -> None:
        if urlsplit(request.url).netloc != host and not request.url.startswith("data:"):
            watched.complaints.append(f"a request to {request.url}")

    page.on("console", on_console)
    page.on("pageerror", lambda error: watched.complaints.append(str(error)))
    page.on("request", on_request)
    page.on("dialog", lambda dialog: watched.complaints.append(f"a dialog: {dialog.message}"))


@pytest.fixture(scope="session")
def api(service: Service) -> Iterator[httpx.Client]:
    with service.client() as client:
        yield client


@pytest.fixture(scope="session")
def instance(api: httpx.Client) -> dict[str, Any]:
    """A shipped alarm whose suggestion sets the torque alone."""
    described = api.get(f"/api/v1/models/{MODEL}").json()
    found: dict[str, Any] = described["examples"][0]["instance"]
    return found


@pytest.fixture(scope="session")
def alarm(api: httpx.Client, instance: dict[str, Any]) -> str:
    """Id of the record of an alarm that was predicted."""
    path = f"/api/v1/models/{MODEL}/predictions"
    reply = api.post(path, json={"instance": instance}).raise_for_status().json()
    assert reply["predictions"][0]["class"] == "failure"
    identity: str = reply["audit"]["id"]
    return identity

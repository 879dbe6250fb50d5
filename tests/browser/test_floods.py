"""Five hundred alarms of twelve machines: the worst of them, acknowledged; one change for many."""

from __future__ import annotations

import random
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from typing import Any

import httpx
import pytest

from ifonly.explainers.wording import LANGUAGES, Language
from ifonly.service.access import Role
from ifonly.service.words.catalogue import say
from tests.browser.conftest import MODEL, TIMEOUT_MS, Service, Watched, alive, started, watch
from tests.browser.test_every_page import violations
from tests.support.spoken import spoken

ALARMS, MACHINES = 500, 12
MOST_CLICKS = 4
COUNTS = """
() => document.addEventListener('click', (event) => { if (event.isTrusted)
  sessionStorage.clicks = 1 + Number(sessionStorage.clicks ?? 0); }, true)
"""
CLICKS = "() => Number(sessionStorage.clicks ?? 0)"
Opened = Callable[..., Any]


@pytest.fixture(scope="module")
def plant(chromium: str, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Service]:
    """A service with five hundred alarms of twelve machines, sent over the API."""
    # Little time for each search: it is the way there that is tested.
    given = {"IFONLY_MAX_DEADLINE_MS": "2000"}
    with started(tmp_path_factory.mktemp("floods"), given) as (_, running):
        with running.client() as api:
            filled(api)
        yield running


def filled(api: httpx.Client) -> None:
    """Mill 1 has the most alarms, each of a spindle of its own; what is read varies about the
    alarms that the model ships."""
    examples = [e["instance"] for e in api.get(f"/api/v1/models/{MODEL}").json()["examples"]]
    chance, sent = random.Random(7), 0
    weights = range(MACHINES, 0, -1)
    while sent < ALARMS:
        row = dict(chance.choice(examples))
        row["torque"] = round(row["torque"] + chance.uniform(-5, 5), 1)
        mill = chance.choices(range(MACHINES), weights)[0] + 1
        said = {"equipment": f"Mill {mill}", "line": "ab"[mill % 2], "spindle": str(sent)}
        body = {"instance": row, "attributes": said}
        reply = api.post(f"/api/v1/models/{MODEL}/predictions", json=body).raise_for_status()
        sent += reply.json()["predictions"][0]["class"] == "failure"


@pytest.fixture(scope="module")
def signed_in(browser: Any, plant: Service) -> dict[Role, Any]:
    kept = {}
    for role in (Role.OPERATOR, Role.PIPELINE, Role.AUDITOR):
        context = browser.new_context(base_url=plant.url)
        page = context.new_page()
        page.goto("/sign-in")
        page.fill("#key", plant.keys[role])
        page.click("form.stack button")
        page.wait_for_selector(".who")
        kept[role] = context.storage_state()
        context.close()
    return kept


@pytest.fixture
def look(browser: Any, plant: Service, signed_in: dict[Role, Any]) -> Iterator[Opened]:
    """Opens a page; afterwards nothing may have been complained of."""
    watched = Watched()
    with ExitStack() as stack:

        def opened(
            path: str, language: str = "en", role: Role = Role.OPERATOR, **given: Any
        ) -> Any:
            context = browser.new_context(
                base_url=plant.url,
                locale=spoken(language).LOCALE,
                storage_state=signed_in[role],
                **given,
            )
            stack.callback(context.close)
            context.set_default_timeout(TIMEOUT_MS)
            page = context.new_page()
            watch(page, plant.url, watched)
            page.add_init_script(f"({COUNTS})()")
            page.goto(path)
            if given.get("java_script_enabled", True):
                alive(page)
            return page

        yield opened
    assert watched.complaints == []


def waiting(plant: Service) -> Counter[str]:
    """Alarms that nobody has acknowledged, by machine."""
    found: Counter[str] = Counter()
    with plant.client() as api:
        for number in range(1, 7):
            query: dict[str, Any] = {"state": "active_unacknowledged", "limit": 100, "page": number}
            listed = api.get("/api/v1/alarms", params=query).json()["alarms"]
            found.update(alarm["equipment"] for alarm in listed)
    return found


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_worst_machine_its_alarms_acknowledged_and_its_remedy_within_four_clicks(
    look: Opened, plant: Service, language: Language
) -> None:
    before = waiting(plant)
    page = look("/", language)
    # It is the first line: no click.
    first = page.locator(".groups tbody tr").first
    machine = first.locator(".title").inner_text()
    assert before[machine] == max(before.values()) > 20
    acknowledge = first.locator("button[name=group]")
    assert say("together.acknowledge_all", language, count=before[machine]) in (
        acknowledge.inner_text()
    )
    acknowledge.click()
    page.wait_for_selector(".notice.good")
    done = say("together.done", language, count=before[machine])
    assert done in page.locator(".notice.good").inner_text()
    after = waiting(plant)
    assert before - after == Counter({machine: before[machine]})
    line = page.locator(".groups tbody tr").filter(
        has=page.get_by_role("link", name=machine, exact=True)
    )
    line.locator(".go a").click()
    page.wait_for_selector("#remedy .sentence")
    assert machine in page.locator(".remedy-question").inner_text()
    of = say("remedies.of", language, count=before[machine], total=before[machine])
    assert of in page.locator("#remedy-of").inner_text()
    assert page.evaluate(CLICKS) <= MOST_CLICKS
    assert page.evaluate(CLICKS) == 2


def test_the_flood_says_what_would_clear_most_of_it(look: Opened, plant: Service) -> None:
    page = look("/alarms")
    assert str(ALARMS) in page.locator("#flood-title").inner_text()
    page.wait_for_selector(".flood-remedy .sentence")
    told = page.locator(".flood-remedy .sentence").first.inner_text()
    # The same alarms, so nothing is sought, nor recorded, anew.
    before = events(plant)
    page.reload()
    assert page.locator(".flood-remedy .sentence").first.inner_text() == told
    assert events(plant) == before


def test_another_line_of_the_table_shows_its_alarms(look: Opened) -> None:
    page = look("/remedies?span=open&by=equipment&group=Mill+12")
    page.wait_for_selector("#remedy-alarms")
    assert page.locator("#remedy .coverage .curve").count() >= 1
    lines = page.locator(".remedies-table tbody a")
    with page.expect_navigation():
        lines.last.click()
    assert page.locator(".remedies-table tr[aria-current]").count() == 1
    assert "show=" in page.url
    page.click("#remedy-alarms summary >> nth=0")
    page.click("#remedy-alarms li a >> nth=0")
    page.wait_for_selector(".verdict")
    assert page.locator("h1").inner_text().startswith("Mill 12")


def events(plant: Service) -> int:
    with plant.client() as api:
        return len(api.get("/api/v1/audit/events", params={"kind": "common"}).json()["events"])


@pytest.mark.parametrize(
    ("language", "scheme", "width"),
    [("en", "light", 1280), ("ko", "dark", 390), ("ja", "dark", 390)],
)
def test_axe_finds_nothing(look: Opened, language: str, scheme: str, width: int) -> None:
    size = {"width": width, "height": 800}
    for path, there in (
        ("/alarms", ".flood-remedy .sentence"),
        ("/remedies?span=open&by=equipment&group=Mill+12", "#remedy-alarms"),
    ):
        page = look(path, language, color_scheme=scheme, viewport=size)
        page.wait_for_selector(there)
        for summary in page.locator("#remedy summary, .remedy-question summary").all():
            summary.click()
        assert violations(page) == [], path
        assert page.evaluate("() => document.documentElement.scrollWidth <= window.innerWidth")


def test_without_scripts_and_without_the_right_to_act(look: Opened) -> None:
    page = look("/remedies?by=equipment&group=Mill+12&levers=1", java_script_enabled=False)
    with page.expect_navigation():
        page.click("#remedy button")
    assert page.locator("#remedy-alarms").count() == 1
    page = look("/alarms", role=Role.PIPELINE)
    assert page.locator(".groups tbody tr").count() == MACHINES
    assert page.locator("#together-form, .groups button").count() == 0

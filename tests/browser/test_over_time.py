"""A what-if over time on an alarm's page: drawn where the causal model says when, and not where
it does not."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import httpx
import pytest

from ifonly.explainers.wording import LANGUAGES, Language
from ifonly.service.settings import Settings
from ifonly.service.words.catalogue import say
from tests.browser.conftest import TIMEOUT_MS, Watched, watch
from tests.browser.test_operator import move
from tests.integration.conftest import serving
from tests.support.spoken import spoken
from tests.support.timed_folder import NAME, timed_folder

axe_api = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is missing")

INSTANCE = {
    "air_temperature": 301.4, "process_temperature": 310.2, "rotational_speed": 1306,
    "torque": 58.6, "tool_wear": 223, "quality": "L",
}  # fmt: skip
COURSE = "#outcome .course svg[role=img]"
Opened = Callable[..., Any]


@pytest.fixture(scope="module")
def url(tmp_path_factory: pytest.TempPathFactory, chromium: str) -> Iterator[str]:
    root = tmp_path_factory.mktemp("timed")
    timed_folder(root)
    with serving(Settings(models=root)) as found:
        yield found


@pytest.fixture(scope="module")
def alarm(url: str) -> str:
    body = {"instance": INSTANCE}
    reply = httpx.post(f"{url}/api/v1/models/{NAME}/predictions", json=body, trust_env=False)
    identity: str = reply.json()["audit"]["id"]
    return identity


@pytest.fixture
def opened(browser: Any, url: str, alarm: str) -> Iterator[Opened]:
    watched, contexts = Watched(), list[Any]()

    def page_of(language: str = "en", **given: Any) -> Any:
        context = browser.new_context(base_url=url, locale=spoken(language).LOCALE, **given)
        contexts.append(context)
        context.set_default_timeout(TIMEOUT_MS)
        page = context.new_page()
        watch(page, url, watched)
        page.goto(f"/alarms/{alarm}")
        page.wait_for_selector("#answer .sentence")
        return page

    yield page_of
    for context in contexts:
        context.close()
    # No style and no script of its own: the page's policy would have complained.
    assert watched.complaints == []


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_chart_follows_the_slider(opened: Opened, url: str, language: Language) -> None:
    page = opened(language)
    move(page, "torque", 45.0)
    page.wait_for_selector(COURSE)
    body = {"instance": INSTANCE, "set": {"torque": 45.0}, "over": {"minutes": 7}}
    asked = httpx.post(
        f"{url}/api/v1/models/{NAME}/what-if", json={**body, "languages": [language]}
    ).json()["trajectory"]
    assert page.locator(".course-text").inner_text() == asked["text"][language]
    # The curve is a stair of as many steps as were asked about.
    curve = page.locator(f"{COURSE} .curve").get_attribute("d")
    assert curve.count("H") == len(asked["moments"]) - 1
    assert page.locator(f"{COURSE} .arrival").count() == 2
    assert page.locator(f"{COURSE} .cleared").count() == 1
    label = page.locator(COURSE).get_attribute("aria-label")
    assert say("course.title", language) in page.locator("#outcome h3").all_inner_texts()
    low = min(
        1 - m["prediction"]["probability"]
        if m["prediction"]["class"] == "normal"
        else m["prediction"]["probability"]
        for m in asked["moments"]
    )
    assert f"{100 * low:.1f} %" in label
    page.click(".course summary")
    rows = page.locator(".course tbody tr").all_inner_texts()
    assert say("time.minutes", language, amount=2) in rows[1]
    assert say("verdict.no_alarm", language) in rows[1]


def test_nothing_is_drawn_where_nobody_says_when(opened: Opened) -> None:
    page = opened()
    move(page, "rotational_speed", 1400)
    page.wait_for_selector("#outcome .outcome")
    # The speed is reached at once, and nothing follows from it.
    assert page.locator(".course").count() == 0


@pytest.mark.parametrize(
    ("scheme", "width"), [("light", 1280), ("dark", 390)], ids=["light, wide", "dark, narrow"]
)
def test_axe_finds_nothing_in_the_chart(opened: Opened, scheme: str, width: int) -> None:
    page = opened(color_scheme=scheme, viewport={"width": width, "height": 900})
    move(page, "torque", 45.0)
    page.wait_for_selector(COURSE)
    page.wait_for_selector(".plane svg")
    page.click(".course summary")
    found = axe_api.Axe().run(page).response["violations"]
    assert [f"{v['id']}: {node['html']}" for v in found for node in v["nodes"]] == []
    assert page.evaluate("document.documentElement.scrollWidth") <= width


def test_what_is_kept_was_asked_over_time(opened: Opened, url: str) -> None:
    page = opened()
    move(page, "torque", 45.0)
    page.wait_for_selector(COURSE)
    page.click("#keep")
    page.wait_for_selector("#outcome [role=status] code")
    identity = page.locator("#outcome [role=status] code").inner_text()
    record = httpx.get(f"{url}/api/v1/audit/events/{identity}", trust_env=False).json()
    assert record["request"]["over"] == {"minutes": 7.0}
    assert page.locator(COURSE).count() == 1

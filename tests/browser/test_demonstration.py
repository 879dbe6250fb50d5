"""The first, empty page of a service that somebody tries: a demonstration, and readings by hand."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import pytest

from ifonly.service.settings import Settings, shipped_models
from ifonly.service.words.catalogue import say
from tests.browser.conftest import TIMEOUT_MS, Watched, send, watch
from tests.browser.test_every_page import violations
from tests.integration.conftest import serving
from tests.support.spoken import spoken

START, STOP, PREDICT, PASTE = (
    f"button[name=action][value={action}]" for action in ("start", "stop", "predict", "paste")
)
ALIVE_MS = 120_000


@pytest.fixture(scope="module")
def tried() -> Iterator[str]:
    """Without accounts, as `ifonly run` serves."""
    with serving(Settings(models=shipped_models(), refresh_seconds=0)) as url:
        yield url


def opened(browser: Any, url: str, language: str, watched: Watched, width: int) -> Any:
    size = {"width": width, "height": 800}
    locale = spoken(language).LOCALE
    context = browser.new_context(base_url=url, locale=locale, viewport=size)
    context.set_default_timeout(TIMEOUT_MS)
    page = context.new_page()
    watch(page, url, watched)
    page.goto("/alarms")
    return page


def test_an_empty_page_comes_alive_with_one_click(browser: Any, tried: str) -> None:
    watched = Watched()
    page = opened(browser, tried, "en", watched, 1280)
    assert violations(page) == []
    send(page, START)
    # The first machine in alarm comes by itself: the page is not loaded again.
    page.wait_for_selector("#episodes tbody tr", timeout=ALIVE_MS)
    assert page.locator("#episodes .title").first.inner_text().startswith("Simulated mill ")
    assert page.locator(".demonstration").inner_text().startswith("Simulated.")
    assert violations(page) == []
    send(page, STOP)
    assert page.locator(STOP).count() == 0
    assert page.locator(".demonstration").is_visible()
    page.context.close()
    assert watched.complaints == []


def test_readings_are_pasted_mended_and_answered(
    browser: Any, tried: str, instance: dict[str, Any]
) -> None:
    watched = Watched()
    page = opened(browser, tried, "ko", watched, 390)
    send(page, "a[href='/readings']")
    page.click("details > summary")
    values = [str(value) for value in (instance | {"torque": 620}).values()]
    page.fill("#row", ",".join(instance) + "\n" + ",".join(values))
    send(page, PASTE)
    torque = page.locator("[name='reading:torque']")
    assert torque.get_attribute("aria-invalid") == "true"
    assert say("enter.wrong", "ko", count=1) in page.locator("[role=alert]").inner_text()
    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    torque.fill(str(instance["torque"]))
    send(page, PREDICT)
    page.wait_for_selector("#answer .sentence")
    page.context.close()
    assert watched.complaints == []

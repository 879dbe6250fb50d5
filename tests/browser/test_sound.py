"""A sound for new alarms: off at first, kept by the browser, blocked until the page is touched."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from ifonly.explainers.wording import Language
from ifonly.service.words.catalogue import say
from tests.browser.conftest import Visit
from tests.browser.test_alarm_list import NORMAL, predicted

WAIT = 20_000


def state(page: Any, wanted: str) -> None:
    page.wait_for_selector(f"#sound[data-state={wanted}]", timeout=WAIT)


@pytest.mark.parametrize("language", ["ko"])
def test_new_alarms_are_heard_by_who_wants_to_until_they_are_silenced(
    visit: Visit, api: httpx.Client, instance: dict[str, Any], language: Language
) -> None:
    page = visit("/alarms", language=language)
    state(page, "off")
    assert page.locator("#sound").inner_text().strip() == say("sound.off", language)
    page.wait_for_selector("#live.on")
    raised = [predicted(api, instance, "Siren 1")]
    page.wait_for_selector("#episodes:has-text('Siren 1')", timeout=WAIT)
    assert page.locator("#sound").get_attribute("data-sounded") is None
    page.click("#sound")
    state(page, "on")
    page.wait_for_selector("#sound[data-sounded='1']")  # once, so that it is known to be heard
    raised.append(predicted(api, instance, "Siren 2"))
    page.wait_for_selector("#sound[data-sounded='2']", timeout=WAIT)
    assert page.locator("#sound").get_attribute("data-priority") == "medium"
    page.click("#silence")
    assert page.locator("#silence").is_hidden()
    raised.append(predicted(api, instance, "Siren 3"))
    page.wait_for_selector("#silence:not([hidden])", timeout=WAIT)
    # What somebody has seen to is silent by itself.
    for identity in raised:
        api.post(f"/api/v1/alarms/{identity}/actions", json={"action": "acknowledge"})
    page.wait_for_selector("#silence", state="hidden", timeout=WAIT)
    # The browser keeps it; nothing is played before the page is touched, and it says so.
    page.goto(page.url)
    page.wait_for_selector("#sound[data-state=blocked], #sound[data-state=on]", timeout=WAIT)
    if page.locator("#sound").get_attribute("data-state") == "blocked":
        assert page.locator("#sound").inner_text().strip() == say("sound.blocked", language)
        page.click("h1")
    state(page, "on")
    page.click("#sound")
    state(page, "off")
    for name in ("Siren 1", "Siren 2", "Siren 3"):
        predicted(api, NORMAL, name)

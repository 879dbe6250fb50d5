"""Why was it decided so? Asked on the alarm's page; the sheet for the person concerned."""

from __future__ import annotations

import os
from typing import Any

import pytest

from tests.browser.conftest import Visit

axe_api = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is missing")


def violations(page: Any) -> list[str]:
    found = axe_api.Axe().run(page).response["violations"]
    return [f"{v['id']}: {node['html']}" for v in found for node in v["nodes"]]


def shot(page: Any, name: str) -> None:
    folder = os.environ.get("SHOTS")
    if folder:
        page.screenshot(path=f"{folder}/{name}.png", full_page=True)


def test_reasons_are_asked_for_shown_and_printed(visit: Visit, alarm: str) -> None:
    page = visit(f"/alarms/{alarm}", viewport={"width": 390, "height": 800}, color_scheme="dark")
    page.wait_for_selector("#answer .sentence")
    page.wait_for_selector(".plane svg")
    page.click("#reasons form button")
    page.wait_for_selector("#reasons .sentence")
    assert "alone force" in page.locator("#reasons .sentence").inner_text()
    page.locator("#reasons summary").click()
    shot(page, "alarm-reasons")
    assert violations(page) == []
    page.click("#reasons a.button")
    page.wait_for_selector(".sheet")
    shot(page, "sheet")
    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= 390
    # Whoever comes back finds them where they were.
    page.go_back()
    page.reload()
    page.wait_for_selector("#reasons .sentence")


def test_they_are_asked_for_without_scripts_too(visit: Visit, alarm: str) -> None:
    page = visit(f"/alarms/{alarm}?row=0", java_script_enabled=False, language="ko")
    if page.locator("#reasons form").count():
        page.click("#reasons form button")
    else:
        page.click("#reasons a.button")
    page.wait_for_selector(".sheet")
    assert "판정" in page.locator(".sheet h1").inner_text()
    shot(page, "sheet-ko")

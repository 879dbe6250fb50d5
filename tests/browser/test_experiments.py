"""Pages of experiments: who sees what of them, planned, begun and stopped with keys alone."""

from __future__ import annotations

from typing import Any

import httpx

from ifonly.service.access import Role
from tests.browser.conftest import MODEL, Visit, send
from tests.browser.test_every_page import NARROW, violations


def design(name: str) -> dict[str, Any]:
    return {
        "name": name,
        "model": MODEL,
        "salt": name,
        "control": {"name": "smallest", "way": "smallest"},
        "treatment": {"name": "robust", "way": "most_robust"},
        "metric": {"name": "success", "better": "up"},
        "guards": [{"name": "minutes", "better": "down"}],
    }


def test_the_design_is_for_operators_and_what_it_found_for_auditors(
    visit: Visit, api: httpx.Client
) -> None:
    made = api.post("/api/v1/experiments", json=design("seen-by-whom")).json()
    path = f"/experiments/{made['id']}"
    try:
        page = visit(path, Role.OPERATOR, language="ko", color_scheme="dark", viewport=NARROW)
        assert page.locator("#design").count() == 1
        assert page.locator("#results").count() == 0
        assert violations(page) == []
        assert page.evaluate("document.documentElement.scrollWidth") <= NARROW["width"]
        page = visit(path, Role.AUDITOR)
        page.wait_for_selector("#results #assigned")
        assert "Nothing can be said yet" in page.inner_text("#results")
        assert violations(page) == []
        page = visit(path, Role.AUDITOR, java_script_enabled=False)
        send(page, "#results a.button")
        assert page.locator("#assigned").count() == 1
        page.goto(f"/records/{made['id']}")
        assert page.locator(f"a[href='{path}']").count() == 1
    finally:
        api.post(f"/api/v1/experiments/{made['id']}/stop", json={})


def test_an_experiment_is_planned_begun_and_stopped(visit: Visit) -> None:
    page = visit(f"/models/{MODEL}", Role.ADMIN, language="ja", viewport=NARROW)
    page.click("a[href^='/experiments?model=']")
    page.click("a[href^='/experiments/new']")
    page.fill("#f-name", "planned-here")
    page.select_option("#f-treatment_advice", "withheld")
    page.fill("#f-difference", "10")
    page.fill("#f-baseline", "50")
    send(page, "button[name=plan]")
    assert "785" in page.inner_text("main")
    assert violations(page) == []
    assert page.evaluate("document.documentElement.scrollWidth") <= NARROW["width"]
    page.focus("#why")
    with page.expect_navigation():
        page.keyboard.press("Enter")
    assert page.inner_text("h1") == "planned-here"
    send(page, "form[action$='/stop'] button")
    assert page.locator("form[action$='/stop']").count() == 0
    page.goto("/experiments?state=stopped")
    assert page.get_by_text("planned-here").count() == 1
    assert violations(page) == []

"""What a few levers can do alone, and between what all settings may be: read and sorted by keys."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from ifonly.explainers.wording import Language
from ifonly.service.words.catalogue import say
from tests.browser.conftest import Visit
from tests.browser.test_ways import asked

axe_api = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is missing")


@pytest.fixture(scope="module")
def told(api: httpx.Client) -> dict[str, Any]:
    beside = {"joint_box": True, "menu": {"max_levers": 2}, "languages": ["ko", "en", "ja"]}
    reply = asked(api, **beside)
    assert "joint_box" in reply["counterfactuals"][0]
    return reply


@pytest.mark.parametrize(("language", "width"), [("ja", 390), ("en", 1280)])
def test_a_menu_unfolds_and_is_sorted_by_keys(
    visit: Visit, told: dict[str, Any], language: Language, width: int
) -> None:
    page = visit(
        f"/alarms/{told['id']}", language=language, viewport={"width": width, "height": 800}
    )
    summary = page.locator("#menu > summary")
    summary.focus()
    page.keyboard.press("Enter")
    assert page.locator("#menu-summary").inner_text() == told["menu"]["text"][language]
    rows = page.locator("#menu tbody tr")
    sets = told["menu"]["sets"]
    assert rows.count() == len(sets)
    # Those that are enough first, the cheapest of them at the top.
    cheapest = min((s for s in sets if "counterfactual" in s), key=_cost)
    assert rows.locator("th").first.inner_text() == cheapest["label"][language]
    assert say("menu.cannot", language) in rows.last.inner_text()

    page.click("#ways .in-detail > summary")
    sides = told["counterfactuals"][0]["joint_box"]
    assert page.locator(".box + .hint").first.inner_text() == sides["text"][language]
    assert page.evaluate("document.documentElement.scrollWidth") <= width
    found = axe_api.Axe().run(page).response["violations"]
    assert [v["id"] for v in found] == []

    by = page.locator("#menu .sort", has_text=say("menu.set", language))
    by.focus()
    page.keyboard.press("Enter")
    assert page.locator("#menu [aria-sort]").get_attribute("aria-sort") == "ascending"
    assert rows.locator("th").all_inner_texts() == [s["label"][language] for s in sets]
    page.keyboard.press("Enter")
    assert rows.locator("th").first.inner_text() == sets[-1]["label"][language]


def _cost(some: dict[str, Any]) -> float:
    return float(some["counterfactual"]["cost"])

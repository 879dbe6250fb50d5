"""The named ways out of an alarm: one matrix, read with eyes, keys and a screen reader's rules."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from ifonly.explainers.wording import Language
from ifonly.service.words.catalogue import say
from tests.browser.conftest import MODEL, Visit

axe_api = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is missing")

NAMES = ("smallest", "fewest_levers", "most_robust", "other_levers")


def asked(api: httpx.Client, **more: Any) -> dict[str, Any]:
    """Ways out of a shipped alarm, as a pipeline asks for them."""
    described = api.get(f"/api/v1/models/{MODEL}").json()
    (row,) = (e["instance"] for e in described["examples"] if e["id"] == "false-alarm")
    body = {"instance": row, "ways": True, **more}
    reply = api.post(f"/api/v1/models/{MODEL}/explanations", json=body).raise_for_status()
    found: dict[str, Any] = reply.json()
    return found


@pytest.fixture(scope="module")
def told(api: httpx.Client) -> dict[str, Any]:
    """Four ways that differ."""
    reply = asked(api, languages=["ko", "en"])
    assert [way["name"] for way in reply["ways"]] == list(NAMES)
    assert all("same_as" not in way for way in reply["ways"])
    return reply


@pytest.mark.parametrize(("language", "width"), [("ko", 390), ("en", 1280)])
def test_four_ways_stand_side_by_side_and_each_can_be_tried(
    visit: Visit, told: dict[str, Any], language: Language, width: int
) -> None:
    page = visit(
        f"/alarms/{told['id']}", language=language, viewport={"width": width, "height": 800}
    )
    page.wait_for_selector("#ways .matrix")
    heads = page.locator("#ways .way-name").all_inner_texts()
    assert heads == [say(f"ways.{name}", language) for name in NAMES]
    page.click("#ways .in-detail summary")
    claims = page.locator("#ways .claims dd").all_inner_texts()
    assert claims == [way["text"][language] for way in told["ways"]]
    margins = page.locator("#ways tr", has_text=say("ways.margin", language)).locator("td")
    robust = f"{told['ways'][2]['survives']:g}"
    assert robust in margins.nth(2).inner_text()
    wide = page.evaluate("document.documentElement.scrollWidth")
    assert wide <= width, "only the matrix may be wider than the screen"
    found = axe_api.Axe().run(page).response["violations"]
    assert [v["id"] for v in found] == []

    # By keys: the matrix scrolls, and the third way is put on the sliders.
    page.locator("#ways > .scroll").focus()
    page.keyboard.press("ArrowRight")
    page.wait_for_selector("#what-if")
    setting = told["ways"][2]["counterfactual"]["actions"][-1]
    button = page.locator("#ways button[data-settings]").nth(2)
    button.focus()
    page.keyboard.press("Enter")
    page.wait_for_function(
        "([id, to]) => Number(document.getElementById(id).value) === to",
        arg=[f"set-{setting['feature']}", setting["to"]],
    )


def test_an_answer_that_does_not_survive_the_sensors_says_so_first(
    visit: Visit, api: httpx.Client
) -> None:
    reply = asked(api, constraints={"robust": False})
    assert reply["ways"][0]["survives"] < 1.0
    page = visit(f"/alarms/{reply['id']}")
    page.wait_for_selector("#ways .matrix")
    told_first = page.locator("#answer p").first
    assert told_first.inner_text() == say("ways.fragile", "en")
    assert "warn" in str(told_first.get_attribute("class"))
    heads = page.locator("#ways .matrix thead th").all_inner_texts()[1:]
    shown = [reply["ways"][0], *(way for way in reply["ways"] if "counterfactual" in way)]
    assert len(heads) == len(shown) > 1
    for head, way in zip(heads, shown, strict=True):
        assert (say("ways.fragile_badge", "en") in head) is (way["survives"] < 1.0), head

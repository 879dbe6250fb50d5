"""The list of equipment in alarm: read, searched, worked with by click and by key."""

from __future__ import annotations

import re
from collections.abc import Iterator
from typing import Any

import httpx
import pytest

from ifonly.explainers.wording import LANGUAGES, Language
from ifonly.service.access import Role
from ifonly.service.words.catalogue import say
from tests.browser.conftest import MODEL, Service, Visit, send
from tests.browser.test_every_page import violations

NORMAL = {
    "air_temperature": 300.0,
    "process_temperature": 310.0,
    "rotational_speed": 1500,
    "torque": 40.0,
    "tool_wear": 20,
    "quality": "M",
}
ROWS = "#episodes tbody tr"


def predicted(api: httpx.Client, row: dict[str, Any], equipment: str, line: str = "a") -> str:
    body = {"instance": row, "attributes": {"equipment": equipment, "line": line}}
    reply = api.post(f"/api/v1/models/{MODEL}/predictions", json=body).raise_for_status().json()
    identity: str = reply["audit"]["id"]
    return identity


def explained(api: httpx.Client, row: dict[str, Any], equipment: str) -> dict[str, Any]:
    body = {"instance": row, "attributes": {"equipment": equipment, "line": "a"}}
    reply = api.post(f"/api/v1/models/{MODEL}/explanations", json=body).raise_for_status()
    found: dict[str, Any] = reply.json()
    return found


@pytest.fixture(scope="module")
def plant(api: httpx.Client, instance: dict[str, Any]) -> Iterator[dict[str, str]]:
    """Thirty presses in alarm, one of them explained; what tells them from other tests' is their
    name."""
    found = {f"Press {k}": predicted(api, instance, f"Press {k}", "ab"[k % 2]) for k in range(30)}
    explained(api, instance, "Press 0")
    yield found
    for identity in found.values():  # others look at a list without them
        api.post(f"/api/v1/alarms/{identity}/actions", json={"action": "acknowledge"})
    for name in found:
        predicted(api, NORMAL, name, "ab"[int(name.split()[1]) % 2])


def titles(page: Any) -> list[str]:
    return [text.split(":")[0] for text in page.locator(f"{ROWS} .title").all_inner_texts()]


@pytest.mark.parametrize("language", LANGUAGES)
def test_an_entry_tells_the_machine_and_what_would_have_cleared_it(
    visit: Visit, plant: dict[str, str], api: httpx.Client, language: Language
) -> None:
    page = visit("/alarms?search=press+0", language=language)
    (action,) = explained_of(api, plant["Press 0"])["counterfactuals"][0]["actions"]
    assert titles(page) == ["Press 0"]
    title = page.locator(f"{ROWS} .title").inner_text()
    numbers = [f"{action[end]:g}" for end in ("from", "to")]
    assert re.search(rf"{numbers[0]} → {numbers[1]} Nm$", title), title
    text = page.locator(ROWS).inner_text()
    assert say("alarm_state.active_unacknowledged", language) in text
    assert "line a" in text
    assert page.locator(f"{ROWS} .unusual").count() >= 1
    page.click(f"{ROWS} .title")
    page.wait_for_selector(".verdict")
    assert page.locator("h1").inner_text().startswith("Press 0 · ")
    assert page.locator("#equipment").get_attribute("data-state") == "active_unacknowledged"


def test_the_way_that_was_done_is_said_with_one_click(
    visit: Visit, plant: dict[str, str], api: httpx.Client
) -> None:
    """On one screen: verdict, sentence, ways, state and what can be done."""
    page = visit(f"/alarms/{plant['Press 6']}", viewport={"width": 1280, "height": 800})
    page.wait_for_selector("#ways .matrix")
    for part in (".verdict .said", "#answer .sentence", "#ways .to-do", "#equipment .deeds"):
        box = page.locator(part).bounding_box()
        assert box["y"] + box["height"] <= 800, part
    chosen = page.locator("#ways button[value=done_as_suggested]").last
    name = chosen.locator("..").locator("input[name=way]").get_attribute("value")
    with page.expect_navigation():
        chosen.click()
    assert page.locator("#equipment").get_attribute("data-state") == "active_acknowledged"
    assert say(f"ways.{name}", "en") in page.locator("#equipment li").inner_text()
    (done,) = api.get(f"/api/v1/alarms/{plant['Press 6']}").json()["actions"]
    assert (done["action"], done["way"]) == ("done_as_suggested", name)


def test_the_list_is_narrowed_to_a_lever_and_a_machine_and_the_address_keeps_it(
    visit: Visit, plant: dict[str, str]
) -> None:
    page = visit("/alarms?search=press")
    with page.expect_navigation():
        page.select_option("#e-lever", "torque")
        page.click(".episode-filters button")
    assert "lever=torque" in page.url
    assert set(titles(page)) <= {"Press 0", "Press 6"}
    assert "Press 0" in titles(page)
    with page.expect_navigation():
        page.click(f"{ROWS}:has-text('Press 0') a:has-text('{say('episodes.only', 'en')}')")
    assert "equipment=Press+0" in page.url
    assert "lever=torque" in page.url
    assert titles(page) == ["Press 0"]
    hours = page.locator(".hours figcaption").inner_text()
    assert hours == say("episodes.hours_of", "en", raised=1, most=1)
    with page.expect_navigation():
        page.click(".chip")
    assert "equipment" not in page.url


def test_an_alarms_page_has_what_people_did_and_can_do(
    visit: Visit, plant: dict[str, str], api: httpx.Client
) -> None:
    page = visit(f"/alarms/{plant['Press 4']}")
    page.click("#equipment summary")
    page.fill("#equipment input[name=comment]", "belt <b>slips</b>")
    send(page, "#equipment button[value=done_otherwise]")
    assert page.locator("#equipment").get_attribute("data-state") == "active_acknowledged"
    assert "belt <b>slips</b>" in page.locator("#equipment li").inner_text()
    (done,) = api.get(f"/api/v1/alarms/{plant['Press 4']}").json()["actions"]
    assert (done["action"], done["comment"]) == ("done_otherwise", "belt <b>slips</b>")


def explained_of(api: httpx.Client, alarm: str) -> dict[str, Any]:
    identity = api.get(f"/api/v1/alarms/{alarm}").json()["alarm"]["explanation"]
    found: dict[str, Any] = api.get(f"/api/v1/explanations/{identity}").json()["explanation"]
    return found


def test_filters_order_and_pages_are_in_the_address(visit: Visit, plant: dict[str, str]) -> None:
    page = visit("/alarms?search=press&sort=equipment")
    first = titles(page)
    assert len(first) == 25
    assert first == sorted(plant)[:25]
    assert page.locator(".hours rect").count() >= 1
    send(page, "a[rel=next]")
    assert titles(page) == sorted(plant)[25:]
    assert "page=2" in page.url
    assert "30" in page.locator(".pager [role=status]").inner_text()
    page.fill("#e-search", "press 7")
    send(page, ".episode-filters button")
    assert titles(page) == ["Press 7"]
    assert page.locator("#e-sort").input_value() == "equipment"
    page.goto("/alarms?search=nothing-of-the-kind")
    assert page.locator(ROWS).count() == 0
    assert page.locator("#e-search").input_value() == "nothing-of-the-kind"
    page.goto("/alarms?state=nonsense&sort=nonsense&page=99999999&search=press")
    assert page.locator(".episode-filters").count() + page.locator("[role=alert]").count() > 0


def test_acknowledged_by_click_and_shelved_by_key_without_a_page_anew(
    visit: Visit, plant: dict[str, str], api: httpx.Client
) -> None:
    page = visit("/alarms?search=press+1&sort=equipment")
    page.evaluate("() => { window.same = true }")
    one, ten = plant["Press 1"], plant["Press 10"]
    page.click(f"#e-{one} button[value=acknowledge]")
    page.wait_for_selector(f"#e-{one}[data-state=active_acknowledged]")
    page.locator(f"#e-{one} .title").focus()
    page.keyboard.press("j")
    page.keyboard.press("s")
    page.wait_for_selector(f"#e-{ten}[data-state=shelved]")
    page.locator(f"#e-{ten} .title").focus()
    page.keyboard.press("k")
    assert page.evaluate("() => document.activeElement.closest('tr').id") == f"e-{one}"
    # Keys are letters where somebody writes.
    page.click(f"#e-{one} summary")
    page.fill(f"#e-{one} input[name=comment]", "")
    page.locator(f"#e-{one} input[name=comment]").press_sequentially("as")
    page.click(f"#e-{one} button[value=comment]")
    page.wait_for_function("() => !document.querySelector('#episodes details[open]')")
    assert page.evaluate("() => window.same")
    done = {
        name: [a["action"] for a in api.get(f"/api/v1/alarms/{plant[name]}").json()["actions"]]
        for name in ("Press 1", "Press 10")
    }
    assert done == {"Press 1": ["acknowledge", "comment"], "Press 10": ["shelve"]}


def test_without_scripts_a_button_does_the_same(visit: Visit, plant: dict[str, str]) -> None:
    page = visit("/alarms?search=press+2&sort=equipment", java_script_enabled=False)
    two = plant["Press 2"]
    send(page, f"#e-{two} button[value=acknowledge]")
    assert page.locator(f"#e-{two}").get_attribute("data-state") == "active_acknowledged"
    assert page.url.endswith("/alarms?search=press+2&sort=equipment")


def test_what_returned_since_is_not_acknowledged_unseen(
    visit: Visit, plant: dict[str, str], api: httpx.Client, instance: dict[str, Any]
) -> None:
    three = plant["Press 3"]
    page = visit("/alarms?search=press+3", java_script_enabled=False)
    for row in (NORMAL, instance):
        predicted(api, row, "Press 3", "b")
    send(page, f"#e-{three} button[value=acknowledge]")
    assert say("episodes.moved", "en") in page.locator(".notice.warn").inner_text()
    assert page.locator(f"#e-{three}").get_attribute("data-state") == "active_unacknowledged"


def test_a_new_alarm_is_counted_in_the_title_and_told(
    visit: Visit, plant: dict[str, str], api: httpx.Client, instance: dict[str, Any]
) -> None:
    page = visit("/alarms?search=saw&sort=raised")
    page.wait_for_selector(".live.on")
    before = api.get("/api/v1/alarms").json()["counts"]
    count = before.get("active_unacknowledged", 0) + before.get("cleared_unacknowledged", 0)
    identity = predicted(api, instance, "Saw 1")
    page.wait_for_selector(f"#e-{identity}")
    assert "Saw 1" in page.locator("#news").text_content()
    assert page.title().startswith(f"({count + 1}) ")
    api.post(f"/api/v1/alarms/{identity}/actions", json={"action": "acknowledge"})
    page.wait_for_selector(f"#e-{identity}[data-state=active_acknowledged]")
    predicted(api, NORMAL, "Saw 1")
    page.wait_for_selector(f"#e-{identity}", state="detached")


def test_a_lost_connection_cannot_be_missed(visit: Visit, plant: dict[str, str]) -> None:
    page = visit("/alarms?search=press")
    page.wait_for_selector(".live.on")
    assert page.locator("#stale").is_hidden()
    page.context.set_offline(True)
    # What is open already stays open in a browser that is offline: end it as a server would.
    page.evaluate("() => window.dispatchEvent(new Event('offline'))")
    page.wait_for_selector("#stale", state="visible")
    assert page.locator("#stale-since").inner_text()
    page.context.set_offline(False)


@pytest.mark.parametrize(
    ("language", "scheme", "width"), [("en", "light", 1280), ("ko", "dark", 390)]
)
def test_axe_finds_nothing_with_a_menu_open(
    visit: Visit, plant: dict[str, str], language: str, scheme: str, width: int
) -> None:
    size = {"width": width, "height": 800}
    page = visit("/alarms?search=press", language=language, color_scheme=scheme, viewport=size)
    page.locator("#episodes summary").first.click()
    assert violations(page) == []
    assert page.evaluate("() => document.documentElement.scrollWidth <= window.innerWidth")


def test_who_may_only_look_has_no_buttons(
    visit: Visit, plant: dict[str, str], service: Service
) -> None:
    page = visit("/alarms?search=press", role=Role.PIPELINE)
    assert page.locator(ROWS).count() == 25
    assert page.locator("#episodes form").count() == 0

"""Curves along the sliders, numbers beside them, and the plane that reads and sets."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from ifonly.explainers.wording import LANGUAGES, Language
from ifonly.service.words.catalogue import say
from tests.browser.conftest import MODEL, Visit

NARROW, WIDE = {"width": 390, "height": 800}, {"width": 1280, "height": 800}
AREA = """
() => { const s = document.querySelector('.plane > svg'); const b = s.getBoundingClientRect();
  const [l, t, w, h] = JSON.parse(s.dataset.frame); const k = b.width / s.viewBox.baseVal.width;
  return [b.x + k * l, b.y + k * t, k * w, k * h]; }
"""


def ready(page: Any) -> None:
    page.wait_for_selector("#answer .sentence")
    page.wait_for_selector(".plane svg .there")
    page.wait_for_selector(".curve-place svg")


def count(page: Any, name: str) -> int:
    return int(page.locator("#what-if").get_attribute(f"data-{name}") or 0)


def settled(page: Any, act: Any) -> None:
    """Once what-if and curves have both been asked again."""
    before = count(page, "asked"), count(page, "drawn")
    act()
    page.wait_for_function(
        "([a, d]) => { const s = document.getElementById('what-if').dataset;"
        " return Number(s.asked || 0) > a && Number(s.drawn || 0) > d; }",
        arg=[*before],
    )


def number(page: Any, feature: str) -> Any:
    return page.locator(f"[data-feature={feature}] input[type=number]")


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_slider_has_its_curve_in_words_too(
    visit: Visit, alarm: str, language: Language
) -> None:
    page = visit(f"/alarms/{alarm}", language=language, viewport=NARROW)
    ready(page)
    sliders = page.locator(".lever input[type=range]").count()
    assert sliders == 3
    curves = page.locator(".curve-place svg[role=img]")
    assert curves.count() == sliders
    for curve in curves.all():
        assert curve.locator(".curve").get_attribute("d").startswith("M")
        assert curve.locator(".limit").count() == curve.locator(".demanded").count() == 1
        assert curve.get_attribute("aria-label")
    assert say("curve.works", language) in page.locator("#what-if-legend").inner_text()
    assert page.evaluate("document.documentElement.scrollWidth") <= NARROW["width"]


def test_a_number_sets_its_slider_and_moves_the_other_curves(visit: Visit, alarm: str) -> None:
    page = visit(f"/alarms/{alarm}")
    ready(page)
    speed = page.locator("#curve-rotational_speed .curve")
    before = speed.get_attribute("d")
    number(page, "torque").fill("50")
    settled(page, lambda: number(page, "torque").press("Enter"))
    assert page.locator("#set-torque").input_value() == "50"
    assert page.locator("[data-feature=torque]").get_attribute("class") == "lever set"
    assert speed.get_attribute("d") != before, "the others are as they are set"
    assert page.url.endswith(f"/alarms/{alarm}#torque=50"), "no form was sent"
    # What follows is in its number; what is beyond the end stands at the end; nothing is undone.
    assert float(number(page, "rotational_speed").input_value()) > 1_384
    number(page, "torque").fill("9999")
    settled(page, lambda: number(page, "torque").press("Tab"))
    assert number(page, "torque").input_value() == "76.6"
    number(page, "torque").fill("")
    number(page, "torque").press("Tab")
    assert number(page, "torque").input_value() == "62.7"
    assert "#" not in page.url


def test_the_plane_is_read_and_sets_both_levers(
    visit: Visit, alarm: str, api: httpx.Client, instance: dict[str, Any]
) -> None:
    page = visit(f"/alarms/{alarm}", viewport=WIDE)
    ready(page)
    page.locator(".plane > svg").scroll_into_view_if_needed()
    x, y, width, height = page.evaluate(AREA)
    page.mouse.move(x + width / 2, y + height / 2)
    read = page.locator(".plane-reading").inner_text()
    assert read.startswith("torque ")
    assert "%" in read
    assert page.url.endswith(alarm), "reading sets nothing"
    settled(page, lambda: page.mouse.click(x + width / 2, y + height / 2))
    values = {
        name: float(number(page, name).input_value()) for name in ("torque", "rotational_speed")
    }
    assert f"torque {values['torque']:g} Nm" in read
    body = {"instance": instance, "set": values}
    said = api.post(f"/api/v1/models/{MODEL}/what-if", json=body).json()["prediction"]["after"]
    is_alarm = said["class"] == "failure"
    assert (say("plane.clear", "en") in read) != is_alarm
    shown = page.locator("#outcome .outcome").get_attribute("data-alarm")
    assert shown == ("true" if is_alarm else "false")
    assert float(page.locator(".plane > svg > .set-here").get_attribute("cx")) > 0
    # By keys: one cell to the right, and set.
    page.locator(".plane > svg").focus()
    page.keyboard.press("ArrowRight")
    settled(page, lambda: page.keyboard.press("Enter"))
    assert float(number(page, "torque").input_value()) > values["torque"]
    assert float(number(page, "rotational_speed").input_value()) == values["rotational_speed"]


def test_the_plane_holds_what_else_is_suggested(
    visit: Visit, api: httpx.Client, instance: dict[str, Any]
) -> None:
    body = {"instance": instance, "constraints": {"freeze": ["torque"]}}
    reply = api.post(f"/api/v1/models/{MODEL}/explanations", json=body).json()
    targets = {a["feature"]: a["to"] for a in reply["counterfactuals"][0]["actions"]}
    assert targets.keys() == {"rotational_speed", "tool_wear"}
    page = visit(f"/alarms/{reply['id']}")
    ready(page)
    assert page.locator("#plane-x").input_value() == "rotational_speed", "what it sets comes first"
    assert "tool wear 0 min" in page.locator("#plane-keys").inner_text()
    settled(page, lambda: page.click("#to-suggestion"))
    place = page.locator(".plane > svg > .set-here")
    x, y = (float(place.get_attribute(name)) for name in ("cx", "cy"))
    there = page.locator(".plane > svg > .there").get_attribute("d")
    assert there.startswith("M")
    at = [float(v) for v in there[1:].split("l")[0].split()]
    assert abs(at[0] - x) < 1
    assert abs(at[1] + 9 - y) < 1, "the sliders stand where the suggestion is"
    page.check("[name=set-tool_wear][value='196']")
    page.wait_for_function(
        "() => Number(document.querySelector('.plane > svg > .set-here').getAttribute('cx')) < 0"
    )


def test_the_readings_have_the_hour_before_where_the_equipment_is_named(
    visit: Visit, api: httpx.Client, instance: dict[str, Any]
) -> None:
    said = {"attributes": {"equipment": "Mill 7"}}
    path = f"/api/v1/models/{MODEL}/predictions"
    for torque in (41.0, 52.5, 62.7):
        reply = api.post(path, json={"instance": instance | {"torque": torque}} | said).json()
    page = visit(f"/alarms/{reply['audit']['id']}")
    page.wait_for_selector("#readings .past")
    tile = page.locator("#readings .tile", has_text="torque")
    assert "above" in tile.inner_text()
    assert tile.locator(".past").get_attribute("aria-label").endswith("41 Nm to 62.7 Nm.")
    assert page.locator("#readings .tile").count() == 6

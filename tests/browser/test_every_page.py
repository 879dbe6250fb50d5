"""What holds on every page: for those who cannot see colours, use no mouse, or mean harm."""

from __future__ import annotations

from typing import Any

import httpx
import pytest

from ifonly.service.access import Role
from tests.browser.conftest import Visit, send

axe_api = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is missing")

SCRIPT = "<img src=x onerror=alert(1)><script>alert(2)</script>"
NARROW, WIDE = {"width": 390, "height": 800}, {"width": 1280, "height": 900}

FOCUSABLE = (
    "a[href], button:not([disabled]), input:not([type=hidden]):not([disabled]), "
    "select:not([disabled]), textarea, summary"
)
REACHED = """
() => { const e = document.activeElement;
  if (!e || e === document.body) return null;
  e.dataset.reached = ''; return e.outerHTML.slice(0, 200); }
"""
MISSED = """
selector => [...document.querySelectorAll(selector)]
  .filter(e => !('reached' in e.dataset) && e.checkVisibility({visibilityProperty: true})
    && !(e.type === 'radio' && !e.checked))
  .map(e => e.outerHTML.slice(0, 200))
"""
PAINTED_AND_FETCHED = """
() => [performance.getEntriesByName('first-contentful-paint')[0].startTime,
  performance.getEntriesByType('resource')
    .filter(e => e.name.includes('.js?') && !e.name.includes('/page.js')).map(e => e.startTime)]
"""


def violations(page: Any) -> list[str]:
    found = axe_api.Axe().run(page).response["violations"]
    return [f"{v['id']}: {node['html']}" for v in found for node in v["nodes"]]


def settled(page: Any, path: str) -> None:
    if path.startswith("/alarms/"):
        page.wait_for_selector("#answer .sentence")
        page.wait_for_selector(".plane svg")


@pytest.mark.parametrize(("light", "language"), [("light", "en"), ("dark", "ko")])
def test_axe_finds_nothing_on_the_operators_pages(
    visit: Visit, alarm: str, light: str, language: str
) -> None:
    size = NARROW if light == "dark" else WIDE
    shown: dict[str, Any] = {"language": language, "color_scheme": light, "viewport": size}
    for path, role in {
        "/sign-in": None,
        "/not-there": None,
        "/alarms": Role.OPERATOR,
        f"/alarms/{alarm}": Role.OPERATOR,
        "/readings?example=two-failures": Role.OPERATOR,
    }.items():
        page = visit(path, role, **shown)
        settled(page, path)
        for summary in page.locator("summary").all():
            summary.click()
        assert violations(page) == [], path
        width = page.evaluate("document.documentElement.scrollWidth")
        assert width <= size["width"], f"{path} is wider than the screen"


def test_axe_finds_nothing_while_rules_are_broken(visit: Visit, alarm: str) -> None:
    page = visit(f"/alarms/{alarm}#torque=15&rotational_speed=1200")
    page.wait_for_selector(".rule")
    settled(page, f"/alarms/{alarm}")
    assert violations(page) == []


@pytest.mark.parametrize("path", ["/sign-in", "/alarms", "alarm"])
def test_everything_is_reached_by_keyboard(visit: Visit, alarm: str, path: str) -> None:
    path = f"/alarms/{alarm}" if path == "alarm" else path
    page = visit(path, None if path == "/sign-in" else Role.OPERATOR)
    settled(page, path)
    page.evaluate("document.activeElement.blur()")
    for _ in range(page.locator(FOCUSABLE).count() + 20):
        page.keyboard.press("Tab")
        if page.evaluate(REACHED) is None:
            break
    assert page.evaluate(MISSED, FOCUSABLE) == []


def test_a_page_can_be_left_by_its_first_link(visit: Visit) -> None:
    page = visit("/alarms")
    page.keyboard.press("Tab")
    assert page.evaluate("document.activeElement.getAttribute('href')") == "#main"


@pytest.mark.parametrize(
    "path", ["/sign-in?next=", "/alarms?alarms=", "/alarms/", "/not-there/", "/alarms/x/plane?x="]
)
def test_script_in_an_address_stays_text(visit: Visit, path: str) -> None:
    page = visit(path + SCRIPT, Role.OPERATOR)
    assert page.locator("img").count() == 0


def test_script_in_a_field_stays_text(visit: Visit) -> None:
    page = visit("/sign-in", None)
    page.fill("#key", SCRIPT)
    page.click("form.stack button")
    page.wait_for_selector("[role=alert]")
    assert page.locator("img").count() == 0


def test_the_light_that_was_chosen_stays(visit: Visit) -> None:
    page = visit("/alarms", color_scheme="light")
    page.click("button[value=dark]")
    page.wait_for_selector("html[data-theme=dark]")
    ground = page.evaluate("getComputedStyle(document.body).backgroundColor")
    assert ground == "rgb(20, 23, 28)"
    page.goto("/alarms")
    assert page.locator("html").get_attribute("data-theme") == "dark"


def test_a_page_works_without_its_scripts_as_far_as_it_can(
    visit: Visit, alarm: str, api: httpx.Client
) -> None:
    page = visit(f"/alarms/{alarm}", java_script_enabled=False)
    assert page.locator(".verdict .said").count() == 1
    send(page, "button[value=ko]")
    assert page.locator("html").get_attribute("lang") == "ko"


def test_a_page_is_painted_before_its_scripts_are_fetched(visit: Visit, alarm: str) -> None:
    for path in ("/alarms", f"/alarms/{alarm}"):
        page = visit(path)
        settled(page, path)
        page.wait_for_function("() => window.htmx !== undefined")
        painted, fetched = page.evaluate(PAINTED_AND_FETCHED)
        assert len(fetched) >= 2, "htmx and the page's own"
        assert all(painted <= start for start in fetched)

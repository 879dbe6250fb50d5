"""What an auditor does: find a record, check it, judge it, report on many."""

from __future__ import annotations

import csv
import io
from typing import Any

import httpx
import pytest

from ifonly.explainers.wording.numerals import percentage
from ifonly.service.access import Role
from ifonly.service.words.catalogue import say
from ifonly.service.words.typography import percents
from tests.browser.conftest import MODEL, Visit, send
from tests.browser.test_every_page import FOCUSABLE, MISSED, NARROW, REACHED, SCRIPT, WIDE

axe = pytest.importorskip("axe_playwright_python.sync_playwright", reason="axe is missing")


def explain(api: httpx.Client, instance: dict[str, Any], **more: Any) -> str:
    path = f"/api/v1/models/{MODEL}/explanations"
    body = {"instance": instance, "deadline_ms": 30_000, **more}
    identity: str = api.post(path, json=body).raise_for_status().json()["id"]
    return identity


def reviews(api: httpx.Client, identity: str) -> list[dict[str, Any]]:
    path = f"/api/v1/explanations/{identity}/reviews"
    found: list[dict[str, Any]] = api.get(path).raise_for_status().json()["reviews"]
    return found


@pytest.fixture(scope="module")
def explained(api: httpx.Client, instance: dict[str, Any]) -> str:
    """Id of an explanation of a shipped alarm, with an attribute that means harm."""
    return explain(api, instance, alternatives=2, attributes={"shift": SCRIPT})


@pytest.fixture(scope="module")
def infeasible(api: httpx.Client, instance: dict[str, Any]) -> str:
    frozen = {"freeze": list(instance)}
    return explain(api, instance, constraints=frozen, attributes={"shift": "night"})


def test_a_record_is_found_by_its_kind_and_the_beginning_of_its_id(
    visit: Visit, explained: str
) -> None:
    page = visit("/records", Role.AUDITOR)
    page.click("summary")
    page.select_option("#f-kind", "explanation")
    page.fill("#f-begins", explained[:13])
    send(page, "form.fields .button:not(.second)")
    links = page.locator("tbody a")
    assert links.count() == 1
    links.first.click()
    page.wait_for_selector("#claim")
    assert explained in page.inner_text("main")


@pytest.mark.parametrize(
    ("language", "holds", "same", "word"),
    [
        ("en", "Record intact", "The same answer", "Had "),
        ("ko", "기록이 온전합니다", "같은 답입니다", "경보는"),
    ],
)
def test_a_record_is_verified_and_asked_again(
    visit: Visit, explained: str, language: str, holds: str, same: str, word: str
) -> None:
    page = visit(f"/records/{explained}", Role.AUDITOR, language=language)
    assert word in page.inner_text(".sentence")
    page.click("form[action$='/verify'] button")
    page.click("form[action$='/replay'] button")
    page.wait_for_selector("#checked-chain .notice.good")
    page.wait_for_selector("#checked-answer .notice.good")
    assert holds in page.inner_text("#checked-chain")
    assert same in page.inner_text("#checked-answer")


def test_every_chain_is_verified_from_the_list(visit: Visit, explained: str) -> None:
    page = visit("/records", Role.AUDITOR)
    page.click("form[action='/records/verify'] button")
    page.wait_for_selector("#chains .notice.good")
    assert "All chains intact" in page.inner_text("#chains")


def test_an_auditor_approves_with_a_comment_that_stays_text(
    visit: Visit, api: httpx.Client, explained: str
) -> None:
    page = visit(f"/records/{explained}", Role.AUDITOR)
    page.select_option("#rank", "1")
    page.fill("#comment", SCRIPT)
    page.click("button[value=approve]")
    page.wait_for_selector(".comment")
    assert page.inner_text(".comment") == SCRIPT
    assert page.locator("main img").count() == 0
    (review,) = reviews(api, explained)
    assert (review["verdict"], review["rank"], review["comment"]) == ("approve", 1, SCRIPT)
    assert review["by"].startswith("key:")


def test_what_is_judged_in_the_queue_leaves_it(
    visit: Visit, api: httpx.Client, infeasible: str
) -> None:
    page = visit("/reviews?status=infeasible", Role.AUDITOR)
    entry = page.locator(f"li:has(form[action='/records/{infeasible}/reviews'])")
    entry.locator("input[name=comment]").fill("cannot be")
    entry.locator("button[value=reject]").click()
    page.wait_for_selector("li.judged")
    assert [(r["verdict"], r["comment"]) for r in reviews(api, infeasible)] == [
        ("reject", "cannot be")
    ]
    page.goto("/reviews")
    assert page.locator(f"form.judge[action='/records/{infeasible}/reviews']").count() == 0
    assert page.is_visible("#session [data-key=u]")


@pytest.mark.parametrize(
    ("language", "progress"), [("en", "{k} of 4 judged"), ("ko", "4건 중 {k}건 판정")]
)
def test_a_sample_is_judged_by_keys_and_what_was_said_is_taken_back(
    visit: Visit, api: httpx.Client, instance: dict[str, Any], language: str, progress: str
) -> None:
    for k in range(4):
        explain(api, {**instance, "tool_wear": 190 + k}, attributes={"shift": language})
    body = {"size": 4, "seed": language, "since": _just_now(api, 4)}
    made = api.post("/api/v1/audit/samples", json=body).raise_for_status().json()
    here = f"/reviews/samples/{made['id']}"
    page = visit(here, Role.AUDITOR, language=language, timezone_id="Asia/Seoul")
    assert progress.format(k=0) in page.inner_text("#progress-title")
    assert "(+9)" in page.locator("time .here").first.inner_text()
    page.keyboard.press("a")  # nothing has the focus: nothing is judged
    page.keyboard.press("j")
    page.keyboard.press("j")
    page.keyboard.press("k")
    first = page.evaluate("document.activeElement.id")
    page.keyboard.press("c")
    page.keyboard.type("a r j k u")  # while somebody types, keys are letters
    page.keyboard.press("Enter")  # and Enter judges nothing
    page.keyboard.press("Escape")
    assert page.evaluate("document.activeElement.id") == first
    page.keyboard.press("a")
    page.wait_for_selector("li.judged")
    assert progress.format(k=1) in page.inner_text("#progress-title")
    page.wait_for_function(
        "id => document.activeElement.matches('#waiting > li') && document.activeElement.id !== id",
        arg=first,
    )
    page.keyboard.press("r")
    page.wait_for_selector("li.judged ~ li.judged")
    assert progress.format(k=2) in page.inner_text("#progress-title")
    with page.expect_navigation():
        page.keyboard.press("u")
    assert progress.format(k=1) in page.inner_text("#progress-title")
    assert page.evaluate("document.activeElement.id").startswith("e-")
    told = [(r["verdict"], r.get("comment")) for r in reviews(api, first.removeprefix("e-"))]
    assert told == [("approve", "a r j k u")]
    page.keyboard.press("?")
    assert page.is_visible("#keys dl")
    page.uncheck("#keys-on")
    page.goto("/reviews")  # it stays so
    page.keyboard.press("j")
    assert page.evaluate("document.activeElement === document.body")


def _just_now(api: httpx.Client, count: int) -> str:
    """When the ``count`` newest explanations began."""
    query: dict[str, str | int] = {"kind": "explanation", "limit": count}
    events = api.get("/api/v1/audit/events", params=query).raise_for_status().json()["events"]
    since: str = events[-1]["time"]
    return since


def test_what_waits_is_looked_through_by_kind(visit: Visit, explained: str) -> None:
    page = visit("/reviews", Role.AUDITOR)
    send(page, ".kinds tbody a >> nth=0")
    assert "group=" in page.url
    assert page.locator("#waiting > li").first.locator("text=typical").count() == 1


def test_a_report_by_group_says_what_the_api_says(
    visit: Visit, api: httpx.Client, explained: str, infeasible: str
) -> None:
    page = visit("/report", Role.AUDITOR)  # of the only model, at once
    page.select_option("#f-by", "attribute:shift")
    send(page, "form.fields .button")
    page.wait_for_selector("#groups")
    query = {"model": MODEL, "by": "attribute:shift"}
    told = api.get("/api/v1/audit/report", params=query).raise_for_status().json()
    rows = page.locator("section:has(#groups) tbody tr")
    assert rows.count() == len(told["groups"]) >= 2
    for group in told["groups"]:
        row = rows.filter(has=page.get_by_role("rowheader", name=group["label"]["en"], exact=True))
        share = percents(percentage(group["success"]["share"]), "en")
        assert share in row.inner_text()
    compared = told["comparison"]
    said = page.locator("section:has(#groups) .notice").inner_text()
    differ = any(pair["shown"] for pair in compared["pairs"])
    key = "report.differ" if differ else "report.not_shown"
    assert say(key, "en", tests=compared["tests"]) in said
    assert f"{100 * compared['pairs'][0]['difference']:+.3g} percentage points" in said
    assert page.locator("main img").count() == 0
    assert page.is_visible("[data-print]")
    with page.expect_download() as download:
        page.click("a[href^='/report/table']")
    text = download.value.path().read_text("utf-8-sig")
    names = {row["name"] for row in csv.DictReader(io.StringIO(text)) if row["section"] == "group"}
    assert "night" in names


def test_the_report_prints_without_what_only_a_screen_needs(visit: Visit, explained: str) -> None:
    page = visit("/report", Role.AUDITOR)
    page.wait_for_selector("#outcomes")
    page.emulate_media(media="print")
    assert not page.is_visible("form.fields")
    assert not page.is_visible("nav")
    assert not page.is_visible("[data-print]")
    assert page.is_visible("#outcomes")


def test_an_operator_sees_no_auditors_page(visit: Visit, explained: str) -> None:
    page = visit("/alarms", Role.OPERATOR)
    assert page.locator("nav a[href='/records']").count() == 0
    page.goto(f"/records/{explained}")
    assert "Needs the role: administrator, auditor" in page.inner_text("main")


@pytest.mark.parametrize("field", ["actor", "begins", "request_id"])
def test_script_in_a_filter_stays_text(visit: Visit, field: str) -> None:
    page = visit("/records", Role.AUDITOR)
    page.click("summary")
    page.fill(f"#f-{field}", SCRIPT)
    send(page, "form.fields .button:not(.second)")
    page.wait_for_selector("form.fields")
    assert page.locator("main img").count() == 0
    assert page.input_value(f"#f-{field}") in (SCRIPT, SCRIPT.lower(), SCRIPT[:36].lower())


@pytest.mark.parametrize(("light", "language"), [("light", "en"), ("dark", "ko")])
def test_axe_finds_nothing_on_auditors_and_stewards_pages(
    visit: Visit, api: httpx.Client, explained: str, infeasible: str, light: str, language: str
) -> None:
    made = api.post("/api/v1/audit/samples", json={"size": 2}).raise_for_status().json()
    sample = f"/reviews/samples/{made['id']}"
    size = NARROW if light == "dark" else WIDE
    page = visit("/records", Role.ADMIN, language=language, color_scheme=light, viewport=size)
    for path in (
        "/records?begins=no",
        f"/records/{explained}",
        f"/records/{infeasible}",
        "/reviews",
        "/reviews/samples?size=2",
        sample,
        f"/report?model={MODEL}&by=feature:torque",
        f"/report/follow-up?model={MODEL}&by=lever",
        f"/report/fairness?model={MODEL}&by=feature:torque&by=feature:quality&least=2",
        "/models",
        f"/models/{MODEL}",
    ):
        page.goto(path)
        for summary in page.locator("main summary").all():
            summary.click()
        found = axe.Axe().run(page).response["violations"]
        assert [f"{v['id']}: {n['html']}" for v in found for n in v["nodes"]] == [], path
        width = page.evaluate("document.documentElement.scrollWidth")
        assert width <= size["width"], f"{path} is wider than the screen"


@pytest.mark.parametrize("path", ["/records", "record", "/reviews", "/report", "/models"])
def test_everything_on_these_pages_is_reached_by_keyboard(
    visit: Visit, explained: str, path: str
) -> None:
    path = f"/records/{explained}" if path == "record" else path
    page = visit(path, Role.ADMIN)
    page.evaluate("document.activeElement.blur()")
    for _ in range(page.locator(FOCUSABLE).count() + 20):
        page.keyboard.press("Tab")
        if page.evaluate(REACHED) is None:
            break
    assert page.evaluate(MISSED, FOCUSABLE) == []

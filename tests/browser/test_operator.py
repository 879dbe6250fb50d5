"""What an operator does: open an alarm, read it, try what would clear it."""

from __future__ import annotations

import re
from typing import Any

import httpx
import pytest

from ifonly.explainers.wording import LANGUAGES, Language
from ifonly.service.access import Role
from ifonly.service.words.catalogue import say
from ifonly.service.words.typography import percents
from tests.browser.conftest import MODEL, Visit
from tests.support.spoken import spoken

SENTENCE = "#answer .sentence"


def answered(page: Any) -> None:
    """The explanation is there, and htmx has seen to what it brought."""
    page.wait_for_selector(SENTENCE)


def asked(page: Any) -> int:
    return int(page.locator("#what-if").get_attribute("data-asked") or 0)


def move(page: Any, feature: str, value: float) -> None:
    """Put a slider somewhere, as a hand would, and wait for what follows."""
    before = asked(page)
    slider = page.locator(f"#set-{feature}")
    slider.evaluate(
        "(e, v) => { e.value = v; e.dispatchEvent(new Event('input', {bubbles: true})); }",
        str(value),
    )
    wait_for_more(page, before)


def press(page: Any, feature: str, key: str) -> None:
    before = asked(page)
    page.locator(f"#set-{feature}").press(key)
    wait_for_more(page, before)


def wait_for_more(page: Any, before: int) -> None:
    page.wait_for_function(
        "n => Number(document.getElementById('what-if').dataset.asked || 0) > n", arg=before
    )


def is_alarm(page: Any) -> bool:
    said = page.locator("#outcome .outcome").get_attribute("data-alarm")
    assert said in ("true", "false")
    return bool(said == "true")


def what_if(api: httpx.Client, instance: dict[str, Any], **settings: float) -> dict[str, Any]:
    body = {"instance": instance, "set": settings}
    reply = api.post(f"/api/v1/models/{MODEL}/what-if", json=body).raise_for_status()
    found: dict[str, Any] = reply.json()
    return found


def test_an_alarm_is_opened_from_the_list_and_explained_in_every_language(
    visit: Visit, alarm: str, api: httpx.Client
) -> None:
    page = visit("/alarms")
    page.click(f"a[href='/alarms/{alarm}']")
    assert "99.9" in page.locator(".verdict .said").inner_text()
    answered(page)
    kept = api.get("/api/v1/audit/events", params={"about": alarm, "kind": "explanation"}).json()
    record = api.get(f"/api/v1/explanations/{kept['events'][0]['id']}").json()["explanation"]
    assert page.locator(SENTENCE).inner_text() == percents(record["text"]["en"], "en")
    for language in LANGUAGES:
        page.click(f"button[value={language}]")
        page.wait_for_selector(f"html[lang={language}]")
        answered(page)
        assert page.locator(SENTENCE).inner_text() == percents(record["text"][language], language)
        assert say("answer.never_done", language) in page.locator("#answer").inner_text()
    again = api.get("/api/v1/audit/events", params={"about": alarm, "kind": "explanation"}).json()
    assert len(again["events"]) == len(kept["events"]), "read again, it is not asked again"


def test_the_verdict_flips_under_the_slider_where_the_api_says(
    visit: Visit, alarm: str, api: httpx.Client, instance: dict[str, Any]
) -> None:
    page = visit(f"/alarms/{alarm}")
    answered(page)
    alone = {"class": "normal", "probability": {"min": 0}}  # where the verdict flips
    asked = {"instance": instance, "target": alone, "constraints": {"robust": False}}
    explained = api.post(f"/api/v1/models/{MODEL}/explanations", json=asked).json()
    action = explained["counterfactuals"][0]["actions"][0]
    assert action["feature"] == "torque"
    move(page, "torque", round(action["to"] + 0.5, 1))
    assert is_alarm(page)
    for _ in range(8):
        press(page, "torque", "ArrowLeft")
        if not is_alarm(page):
            break
    value = float(page.locator("#set-torque").input_value())
    reply = what_if(api, instance, torque=value)
    assert reply["changed"] is True
    assert what_if(api, instance, torque=round(value + 0.1, 1))["changed"] is False
    shown = page.locator("#outcome .said").inner_text()
    share = 1 - reply["prediction"]["after"]["probability"]
    assert f"{share * 100:.1f}" in shown
    follows = page.locator("#outcome [data-follows=rotational_speed]")
    assert float(follows.get_attribute("data-value")) == reply["effects"][0]["to"]
    assert page.locator("[data-feature=rotational_speed] .state").inner_text() == "follows"


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_rule_that_breaks_is_named_as_it_breaks(visit: Visit, alarm: str, language: str) -> None:
    page = visit(f"/alarms/{alarm}", language=language)
    move(page, "torque", 15.0)
    assert page.locator(".rule").count() == 0
    move(page, "rotational_speed", 1_300)
    assert any(spoken(language).BROKEN in text for text in page.locator(".rule").all_inner_texts())
    page.click("[data-feature=rotational_speed] .release")
    page.wait_for_selector(".rule", state="detached")


def test_the_suggestion_is_applied_kept_and_taken_back(
    visit: Visit, alarm: str, api: httpx.Client, instance: dict[str, Any]
) -> None:
    page = visit(f"/alarms/{alarm}")
    answered(page)
    page.click("#to-suggestion")
    page.wait_for_selector(".outcome[data-alarm=false][data-allowed=true]")
    wanted = {"about": alarm, "kind": "what_if"}
    before = api.get("/api/v1/audit/events", params=wanted).json()["events"]
    page.click("#keep")
    page.wait_for_selector(".outcome code")
    after = api.get("/api/v1/audit/events", params=wanted).json()["events"]
    assert len(after) == len(before) + 1, "kept: a record; moved: none"
    assert page.locator(".outcome code").inner_text() == after[0]["id"]
    assert after[0]["role"] == "operator"
    page.reload()
    page.wait_for_selector(".outcome[data-alarm=false]")  # what is set is in the address
    page.click("#reset")
    page.wait_for_selector(".outcome", state="detached")
    assert page.locator("#set-torque").input_value() == str(instance["torque"])


def test_what_was_done_is_put_on_record(visit: Visit, api: httpx.Client, alarm: str) -> None:
    page = visit(f"/alarms/{alarm}")
    answered(page)
    page.click("#acted summary")
    page.check("#acted [value=acted]")
    page.select_option("#acted-outcome", "as_predicted")
    page.fill("#acted-comment", "<b>alarm off</b>")
    page.click("#acted button")
    page.wait_for_selector("#acted li")
    said = page.locator("#acted li").last.inner_text()
    assert "<b>alarm off</b>" in said
    assert "as predicted" in said
    of = page.locator(".grounds code").text_content()
    (review,) = api.get(f"/api/v1/explanations/{of}/reviews").json()["reviews"]
    assert (review["verdict"], review["outcome"]) == ("acted", "as_predicted")


def test_a_choice_is_a_lever_too(
    visit: Visit, alarm: str, api: httpx.Client, instance: dict[str, Any]
) -> None:
    page = visit(f"/alarms/{alarm}")
    page.check("[name=set-tool_wear][value='0']")
    page.wait_for_selector(".outcome")
    after = what_if(api, instance, tool_wear=0)["prediction"]["after"]
    assert is_alarm(page) == (after["class"] == "failure")


def test_what_cannot_be_changed_says_why(visit: Visit, alarm: str) -> None:
    page = visit(f"/alarms/{alarm}")
    text = page.locator(".locked").inner_text()
    assert "nobody can set it" in text
    assert "what was ordered" in text
    assert page.locator("[data-feature=air_temperature] input").count() == 0
    assert "2 to 5 minutes" in page.locator(".document").inner_text()


def test_the_plane_of_two_levers_has_a_picture_and_a_table(visit: Visit, alarm: str) -> None:
    page = visit(f"/alarms/{alarm}")
    answered(page)
    page.wait_for_selector(".plane svg .there")
    assert page.locator(".plane svg .now").count() >= 1
    page.locator(".plane summary").click()
    assert page.locator("table.coarse tbody tr").count() == 6
    with page.expect_response(lambda reply: "/plane" in reply.url):
        page.select_option("#plane-y", "process_temperature")
    page.wait_for_selector(".plane text.name")
    names = page.locator(".plane text.name").all_text_contents()
    assert names == ["torque →", "process temperature →"], "both axes are labelled"
    assert page.locator("#plane-y").input_value() == "process_temperature"


def test_a_new_alarm_comes_by_itself(
    visit: Visit, api: httpx.Client, instance: dict[str, Any]
) -> None:
    page = visit("/alarms")
    page.wait_for_selector("#live.on")
    assert page.locator("#live .icon:visible").count() == 1
    assert page.locator("#live .icon:visible .filled").count() == 1, "live is no clock"
    body = {"instance": instance | {"torque": 58.9}}
    reply = api.post(f"/api/v1/models/{MODEL}/predictions", json=body).json()
    page.wait_for_selector(f"a[href='/alarms/{reply['audit']['id']}']")


def test_rows_that_were_asked_together_are_opened_one_by_one(
    visit: Visit, api: httpx.Client, instance: dict[str, Any]
) -> None:
    calm = instance | {"torque": 30.0, "tool_wear": 1, "rotational_speed": 1_700}
    body = {"instances": [calm, instance]}
    reply = api.post(f"/api/v1/models/{MODEL}/predictions", json=body).json()
    page = visit(f"/alarms/{reply['audit']['id']}")
    signs = page.locator("tbody .badge").all_inner_texts()
    assert signs == ["Alarm", "No alarm"]
    page.locator("tbody a").nth(1).click()
    page.wait_for_selector("#what-if")
    assert (
        "nothing" in page.locator(".lead").inner_text()
        or "no alarm" in page.locator(".lead").inner_text()
    )
    page.wait_for_selector(".plane svg")


def test_an_explanation_that_a_pipeline_asked_for_is_shown_as_it_was_given(
    visit: Visit, api: httpx.Client, instance: dict[str, Any]
) -> None:
    body = {"instance": instance, "languages": ["ko"]}
    reply = api.post(f"/api/v1/models/{MODEL}/explanations", json=body).json()
    page = visit(f"/alarms/{reply['id']}")
    assert page.locator(SENTENCE).inner_text() == percents(reply["text"]["ko"], "en")
    page.click("#answer form button")
    page.wait_for_selector("#ways .matrix")


@pytest.fixture(scope="module")
def frozen(api: httpx.Client, instance: dict[str, Any]) -> str:
    """Id of an explanation of an alarm of which nothing may be set: nothing clears it."""
    names = ["torque", "rotational_speed", "process_temperature", "tool_wear"]
    body = {"instance": instance, "constraints": {"freeze": names}}
    reply = api.post(f"/api/v1/models/{MODEL}/explanations", json=body).json()
    assert reply["status"] == "infeasible"
    identity: str = reply["id"]
    return identity


@pytest.mark.parametrize("language", LANGUAGES)
def test_another_past_is_told_as_one_and_offers_nothing_to_set(
    visit: Visit, api: httpx.Client, instance: dict[str, Any], language: Language
) -> None:
    body = {"instance": instance, "semantics": "backtracking"}
    reply = api.post(f"/api/v1/models/{MODEL}/explanations", json=body).json()
    page = visit(f"/alarms/{reply['id']}", language=language)
    answer = page.locator("#answer").inner_text()
    assert say("answer.no_advice", language) in answer
    assert say("answer.otherwise", language) in answer
    heads = page.locator("#answer thead th").all_inner_texts()
    assert say("answer.to", language) not in heads
    assert say("answer.lever", language) not in heads
    document = page.locator("#document").inner_text()
    assert say("document.no_change", language) in document
    assert spoken(language).NOTHING_CLEARS not in document
    for offer in ("#answer [data-settings]", "#to-suggestion", "#acted", "#answer .lever-bar"):
        assert page.locator(offer).count() == 0, offer
    # What can be set is what could be set of any alarm: the air's temperature is not.
    assert page.locator(".locked li").count() >= 2
    assert page.locator("[data-feature=air_temperature] input").count() == 0
    move(page, "torque", 40.0)
    assert page.locator("#outcome [data-follows=rotational_speed]").count() == 1
    page.wait_for_selector(".plane svg .now")
    assert page.locator(".plane svg .there").count() == 0
    record = visit(f"/records/{reply['id']}", Role.AUDITOR, language=language)
    said = record.locator(".recorded tbody").inner_text()
    assert say("record.otherwise", language) in said
    assert say("record.set", language) not in record.locator(".recorded th .hint").all_inner_texts()


@pytest.mark.parametrize("language", LANGUAGES)
def test_where_nothing_clears_it_nothing_is_said_of_changes(
    visit: Visit, frozen: str, language: Language
) -> None:
    page = visit(f"/alarms/{frozen}", language=language)
    response = page.locator("#document").inner_text()
    assert spoken(language).NOTHING_CLEARS in response
    assert spoken(language).CHANGES not in response
    outcome = page.locator("#outcome").inner_text()
    assert say("what_if.nothing", language) in outcome
    assert say("what_if.move", language) not in outcome
    assert page.locator("#what-if button").count() == 0


def test_the_response_comes_with_the_answer_and_only_what_was_set_is_kept(
    visit: Visit, alarm: str
) -> None:
    page = visit(f"/alarms/{alarm}")
    answered(page)
    assert "one of the changes shown" in page.locator("#document").inner_text()
    assert page.locator("#document").count() == 1, "it came with the answer, in place of the first"
    assert page.locator("#keep").is_disabled()
    move(page, "torque", 40.0)
    assert page.locator("#keep").is_enabled()
    page.click("#reset")
    assert page.locator("#keep").is_disabled()


def test_a_comment_grows_and_is_sent_without_an_inline_style(visit: Visit, alarm: str) -> None:
    """A field that a hand has made larger has a style of its own, and htmx carries it over to the
    field that takes its place: the policy forbids that, and the fixture would say so."""
    page = visit(f"/alarms/{alarm}")
    answered(page)
    page.click("#acted summary")
    field = page.locator("#acted-comment")
    small = field.bounding_box()
    page.mouse.move(small["x"] + small["width"] - 4, small["y"] + small["height"] - 4)
    page.mouse.down()
    page.mouse.move(small["x"] + small["width"] - 4, small["y"] + small["height"] + 90)
    page.mouse.up()
    field.fill("\n".join("abcdefgh"))
    assert field.bounding_box()["height"] > small["height"]
    page.check("#acted [value=not_acted]")
    said = page.locator("#acted li").count()
    page.click("#acted button")
    page.wait_for_function("n => document.querySelectorAll('#acted li').length > n", arg=said)


def test_looking_for_other_options_says_that_it_looks(
    visit: Visit, api: httpx.Client, instance: dict[str, Any]
) -> None:
    body = {"instance": instance}
    reply = api.post(f"/api/v1/models/{MODEL}/explanations", json=body).json()
    page = visit(f"/alarms/{reply['id']}")
    held: list[Any] = []
    page.route("**/explanation?*", lambda route: held.append(route))
    page.click("#answer form button")
    page.wait_for_selector("#more-wait", state="visible")
    assert page.locator("#answer > form button").is_disabled()
    held[0].continue_()
    page.wait_for_selector("#ways .matrix")


@pytest.mark.parametrize("language", LANGUAGES)
def test_an_alarm_fits_a_screen_and_is_printed_on_two_pages(
    visit: Visit, alarm: str, language: Language
) -> None:
    page = visit(f"/alarms/{alarm}", language=language, viewport={"width": 1280, "height": 800})
    answered(page)
    for part in (".verdict .said", SENTENCE, "#ways .matrix", "#ways .to-do"):
        box = page.locator(part).first.bounding_box()
        assert box["y"] + box["height"] <= 800, part
    page.wait_for_selector(".plane svg .there")
    margin = dict.fromkeys(("top", "bottom", "left", "right"), "12mm")
    printed = page.pdf(format="A4", margin=margin)
    assert 1 <= len(re.findall(rb"/Type\s*/Page\b", printed)) <= 2
    page.emulate_media(media="print")
    for kept in ("#answer .sentence", "#document", ".locked", ".plane svg"):
        assert page.is_visible(kept), kept
    for pressed in ("#what-if", "button", "#acted form", ".plane-levers"):
        assert page.locator(f"{pressed}:visible").count() == 0, pressed


def test_whoever_may_not_is_told_so_on_a_page(visit: Visit, alarm: str) -> None:
    page = visit(f"/alarms/{alarm}", Role.AUDITOR)
    assert "No access" in page.locator("h1").inner_text()
    assert "Needs the role: administrator, operator" in page.locator("main").inner_text()

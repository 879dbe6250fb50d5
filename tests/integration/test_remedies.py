"""One change for many alarms, from its page and from the auditors' report, without a browser."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path

import httpx
import pytest

from ifonly.explainers.wording import LANGUAGES
from ifonly.service.settings import Settings
from ifonly.service.words.catalogue import say
from tests.integration.conftest import serving
from tests.integration.small_models import write_all
from tests.integration.test_alarms_together import GOOD, predicted
from tests.integration.test_oversight_pages import token

ALARMS = [{"size": 2.0 + k / 2, "colour/shade": "red", "dirt": 0.0} for k in range(8)]
PART = {"HX-Request": "true"}


@pytest.fixture(scope="module")
def pages(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    root: Path = write_all(tmp_path_factory.mktemp("models"))
    settings = Settings.model_validate({"models": root, "refresh_seconds": 0, "flood_alarms": 6})
    with serving(settings) as url, httpx.Client(base_url=url, timeout=300, trust_env=False) as api:
        for k, row in enumerate(ALARMS):
            predicted(api, f"Mill {k % 2}", row, spindle=str(k))
        yield api


def recorded(pages: httpx.Client) -> int:
    return len(pages.get("/api/v1/audit/events", params={"kind": "common"}).json()["events"])


def sought(pages: httpx.Client, address: str) -> str:
    """The part that a page asks for once it is there."""
    form = {"csrf": token(pages, address)}
    reply = pages.post(address, data=form, headers=PART)
    assert reply.status_code == 200, reply.text
    return reply.text


def cleared(part: str) -> list[int]:
    return [int(n) for n in re.findall(r'<td class="number">(\d+) <span', part)]


def test_it_is_sought_recorded_and_remembered_once(pages: httpx.Client) -> None:
    address, before = "/remedies?span=open&levers=1", recorded(pages)
    page = pages.get(address).text
    assert 'hx-trigger="load"' in page
    assert recorded(pages) == before  # a look alone records nothing
    part = sought(pages, address)
    assert cleared(part)
    assert cleared(part) == sorted(cleared(part), reverse=True)
    assert "Mill 0" in part
    assert 'class="coverage' not in part
    assert "<svg" in part
    assert cleared(sought(pages, address)) == cleared(part)
    again = pages.get(address).text
    assert 'hx-trigger="load"' not in again
    assert cleared(again) == cleared(part)
    assert recorded(pages) == before + 1
    (event, *_) = pages.get("/api/v1/audit/events", params={"kind": "common"}).json()["events"]
    told = pages.get(f"/api/v1/audit/events/{event['id']}").json()
    assert told["answer"]["alarms"] == len(ALARMS)
    assert len(set(told["request"]["records"])) == len(ALARMS)
    # Another reading is another question.
    predicted(pages, "Mill 1", ALARMS[0], spindle="new")
    assert 'hx-trigger="load"' in pages.get(address).text


def test_the_question_is_in_the_address(pages: httpx.Client) -> None:
    one = sought(pages, "/remedies?span=hour&by=equipment&group=Mill+0")
    assert "Mill 0" in one
    assert "Mill 1" not in one
    for nothing in (
        "span=hour&by=line&group=z",
        "search=nobody",
        "model=affine",
        "since=2031-01-01",
    ):
        page = pages.get(f"/remedies?{nothing}").text
        assert say("remedies.none", "en") in page, nothing
    for wrong in (
        "since=soon",
        "until=99999-01-01",
        "span=custom&since=0001-01-01T00:00:00%2B23:00",
    ):
        reply = pages.get(f"/remedies?{wrong}")
        assert (reply.status_code, 'role="alert"' in reply.text) == (200, True), wrong
    odd = "span=x&levers=99&change=x&show=-1&by=%22&group=%27%3B--&model=%00"
    assert pages.get(f"/remedies?{odd}").status_code in (200, 422)


def test_another_line_of_the_table_shows_its_alarms(pages: httpx.Client) -> None:
    address = "/remedies?span=open&change=either"
    sought(pages, address)
    lines = pages.get(address).text.split('<tr aria-current="true">')
    links = re.findall(r'<a href="(/remedies[^"]+show=\d+)#remedy-alarms">', lines[0] + lines[1])
    assert links
    page = pages.get(links[-1].replace("&amp;", "&")).text
    assert page.count('aria-current="true"') == 1


def test_of_what_has_cleared_since_the_span_tells_and_what_is_open_does_not(
    pages: httpx.Client,
) -> None:
    predicted(pages, "Saw", ALARMS[3])
    predicted(pages, "Saw", GOOD)
    alarm = pages.get("/api/v1/alarms?search=Saw").json()["alarms"][0]
    pages.post(f"/api/v1/alarms/{alarm['id']}/actions", json={"action": "acknowledge"})
    assert say("remedies.none", "en") in pages.get("/remedies?search=Saw").text
    assert "Saw" in sought(pages, "/remedies?span=today&search=Saw")


def test_of_a_record_of_several_machines_each_alarm_has_its_own_row(pages: httpx.Client) -> None:
    sizes = {"Lathe 1": 4.0, "Lathe 2": 9.0}
    body = {
        "instances": [
            {"size": size, "colour/shade": "red", "dirt": 0.0} for size in sizes.values()
        ],
        "attributes": [{"equipment": name} for name in sizes],
    }
    pages.post("/api/v1/models/sorter/predictions", json=body).raise_for_status()
    for name in sizes:  # newer readings: the span asks about those that raised the alarms
        predicted(pages, name, ALARMS[2])
    sought(pages, "/remedies?span=hour&search=Lathe")
    (event, *_) = pages.get("/api/v1/audit/events", params={"kind": "common"}).json()["events"]
    told = pages.get(f"/api/v1/audit/events/{event['id']}").json()["request"]
    assert sorted(row["size"] for row in told["instances"]) == sorted(sizes.values())


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_flood_has_its_change_on_the_list(pages: httpx.Client, language: str) -> None:
    pages.cookies.set("ifonly_language", language)
    assert 'id="flood"' in pages.get("/alarms").text
    form = {"csrf": token(pages, "/alarms")}
    part = pages.post("/remedies/flood", data=form, headers=PART).text
    assert 'class="sentence"' in part
    assert 'class="sentence"' in pages.get("/alarms").text
    pages.cookies.set("ifonly_language", "en")


def test_the_report_tells_what_was_sought_and_seeks(pages: httpx.Client) -> None:
    pages.post("/api/v1/models/sorter/explanations", json={"instance": ALARMS[0]})
    before = recorded(pages)
    form = {"csrf": token(pages, "/report?model=sorter"), "model": "sorter"}
    reply = pages.post("/report/common", data=form)
    assert (reply.status_code, recorded(pages)) == (303, before + 1), reply.text
    page = pages.get(reply.headers["location"].partition("#")[0]).text
    section = page.split('id="common"', 1)[1].split("</section>", 1)[0]
    assert section.count("<tr><th") == before + 1 + 1  # and the head
    told = pages.get("/api/v1/audit/report", params={"model": "sorter"}).json()["common"]
    assert len(told) == before + 1
    assert told[0]["cleared"] <= told[0]["bound"] <= told[0]["alarms"]
    assert f"/records/{told[0]['id']}" in section
    table = pages.get("/report/table?model=sorter").text
    assert "one change for many" in table
    wrong = pages.post("/report/common", data=form | {"since": "soon"})
    assert wrong.status_code == 422

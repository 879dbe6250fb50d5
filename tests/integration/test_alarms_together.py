"""Alarms that are acted on together: over HTTP, and from the list's page without a browser."""

from __future__ import annotations

import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import parse_qs, urlsplit

import httpx
import pytest

from ifonly.client import Client
from ifonly.explainers.wording import LANGUAGES, Language
from ifonly.service.settings import Settings
from ifonly.service.words.catalogue import say
from tests.integration.conftest import serving
from tests.integration.small_models import write_all

MODEL = "/api/v1/models/sorter"
BAD = {"size": 5.0, "colour/shade": "red", "dirt": 0.0}
GOOD = {"size": 0.0, "colour/shade": "red", "dirt": 0.0}


@pytest.fixture(scope="module")
def api(tmp_path_factory: pytest.TempPathFactory) -> Iterator[httpx.Client]:
    root: Path = write_all(tmp_path_factory.mktemp("models"))
    settings = Settings.model_validate({"models": root, "refresh_seconds": 0, "flood_alarms": 6})
    with serving(settings) as url, httpx.Client(base_url=url, timeout=300, trust_env=False) as api:
        yield api


def predicted(api: httpx.Client, equipment: str, row: Any = BAD, **said: str) -> str:
    body = {"instance": row, "attributes": {"equipment": equipment} | said}
    reply = api.post(f"{MODEL}/predictions", json=body).raise_for_status()
    identity: str = reply.json()["audit"]["id"]
    return identity


def states(api: httpx.Client, ids: list[str]) -> list[str]:
    return [api.get(f"/api/v1/alarms/{i}").json()["alarm"]["state"] for i in ids]


def acted(api: httpx.Client, *looked: dict[str, Any], **said: Any) -> httpx.Response:
    return api.post("/api/v1/alarms/actions", json={"alarms": looked} | said)


def test_each_is_done_recorded_and_told_once(api: httpx.Client) -> None:
    ids = [predicted(api, "Mill 1", spindle=str(k)) for k in range(3)]
    predicted(api, "Mill 1", GOOD, spindle="2")
    predicted(api, "Mill 1", spindle="2")  # it has returned
    looked = [{"id": each, "returns": 0} for each in (*ids, ids[0], "nothing")]
    told = acted(api, *looked, action="acknowledge", comment="seen").raise_for_status().json()
    assert told == {"done": ids[:2], "unchanged": [], "moved": ids[2:], "unknown": ["nothing"]}
    assert states(api, ids) == ["active_acknowledged"] * 2 + ["active_unacknowledged"]
    again = acted(api, *looked[:2], action="acknowledge").json()
    assert (again["done"], again["unchanged"]) == ([], ids[:2])
    for each in ids[:2]:
        (action,) = api.get(f"/api/v1/alarms/{each}").json()["actions"]
        assert (action["action"], action["comment"]) == ("acknowledge", "seen")
    assert acted(api, {"id": ids[2]}, action="shelve", minutes=5).json()["done"] == [ids[2]]
    assert states(api, ids[2:]) == ["shelved"]
    assert api.get("/api/v1/audit/verify").json()["holds"]


def test_the_client_acts_on_what_it_has_listed(api: httpx.Client) -> None:
    ids = [predicted(api, f"Lathe {k}") for k in range(3)]
    with Client(str(api.base_url), transport=httpx.HTTPTransport()) as client:
        listed = client.alarms(search="Lathe").alarms
        predicted(api, "Lathe 1", GOOD)
        predicted(api, "Lathe 1")  # it has returned since
        came = client.act_together(listed, "acknowledge", comment="seen")
    assert sorted(came.done) == sorted([ids[0], ids[2]])
    assert (came.moved, came.unknown) == ([ids[1]], [])


@pytest.mark.parametrize(
    ("body", "pointer"),
    [
        ({"action": "acknowledge", "alarms": []}, "alarms"),
        ({"action": "acknowledge", "alarms": [{"id": "x"}] * 2_001}, "alarms"),
        ({"action": "acknowledge"}, "alarms"),
        ({"action": "acknowledge", "alarms": [{"id": "x", "returns": -1}]}, "/alarms/0/returns"),
        ({"action": "shelve", "alarms": [{"id": "x"}]}, "minutes"),
        ({"action": "ignore", "alarms": [{"id": "x"}]}, "action"),
        ({"action": "comment", "alarms": [{"id": "x"}]}, "comment"),
    ],
)
def test_what_makes_no_sense_is_refused_by_name(
    api: httpx.Client, body: dict[str, Any], pointer: str
) -> None:
    reply = api.post("/api/v1/alarms/actions", json=body)
    assert (reply.status_code, pointer in reply.text) == (422, True), reply.text


# --- the page -----------------------------------------------------------------------------


def form(page: str) -> dict[str, str]:
    found = re.search(r'<form id="together-form".*?</form>', page, re.DOTALL)
    assert found is not None
    return dict(re.findall(r'name="(\w+)" value="([^"]*)"', found[0]))


def sent(api: httpx.Client, page: str, **button: str) -> dict[str, list[str]]:
    """What the address then tells."""
    reply = api.post("/alarms/actions", data=form(page) | button)
    assert reply.status_code == 303, reply.text
    return parse_qs(urlsplit(reply.headers["location"]).query)


def groups(page: str) -> list[str]:
    section = page.split('id="together"', 1)[1]
    return re.findall(r'<a class="title" href="/alarms\?[^"]*by=[^"]*">([^<]*)</a>', section)


def test_the_worst_machine_is_first_and_what_comes_later_is_not_acknowledged(
    api: httpx.Client,
) -> None:
    few = [predicted(api, "Saw 1", spindle=str(k)) for k in range(2)]
    many = [predicted(api, "Saw 2", spindle=str(k), line="b") for k in range(4)]
    page = api.get("/alarms").text
    assert groups(page)[:2] == ["Saw 2", "Saw 1"]
    predicted(api, "Saw 2", GOOD, spindle="3", line="b")
    predicted(api, "Saw 2", spindle="3", line="b")  # it returns
    later = predicted(api, "Saw 2", spindle="9", line="b")
    assert sent(api, page, group="Saw 2") == {"done": ["3"], "left": ["2"]}
    waiting = "active_unacknowledged"
    assert states(api, many) == ["active_acknowledged"] * 3 + [waiting]
    assert states(api, [later, *few]) == [waiting] * 3
    # A forged or broken list of what was seen acknowledges nothing.
    for seen in ("", "x", "AAAA", "é" * 12, "A" * 12 * 2_500):
        reply = api.post("/alarms/actions", data=form(page) | {"seen": seen, "group": "Saw 1"})
        assert reply.status_code == 303
    assert states(api, few) == [waiting] * 2


def test_groups_are_of_whatever_is_said_of_equipment(api: httpx.Client) -> None:
    for k in range(3):
        predicted(api, f"Drill {k}", line="c")
    page = api.get("/alarms?by=line").text
    assert "c" in groups(page)
    chosen = api.get("/alarms?by=line&group=c").text
    titles = re.findall(r'class="title" href="/alarms/[^"]+">([^<]+)</a>', chosen)
    assert sorted(titles) == ["Drill 0", "Drill 1", "Drill 2"]
    assert sent(api, page, group="c") == {"by": ["line"], "done": ["3"], "left": ["0"]}
    # What makes no sense is no group, and no error.
    for odd in ("?by=nothing", "?by=%22&group=%27", "?group=x", "?by=line&group=", "?state=normal"):
        assert api.get(f"/alarms{odd}").status_code == 200


@pytest.mark.parametrize("language", LANGUAGES)
def test_a_flood_is_told_and_acknowledged_whole(api: httpx.Client, language: Language) -> None:
    of = [predicted(api, f"Press {language} {k}") for k in range(7)]
    api.cookies.set("ifonly_language", language)
    page = api.get("/alarms").text
    assert 'id="flood"' in page
    since = re.search(r'name="flood" value="(\d+)"', page)
    assert since is not None
    assert say("together.acknowledge_all", language, count="")[:3] in page
    told = sent(api, page, flood=since[1])
    assert int(told["done"][0]) >= 7
    assert states(api, of) == ["active_acknowledged"] * 7
    back = api.get(f"/alarms?done={told['done'][0]}&left=0").text
    assert say("together.done", language, count=told["done"][0]) in back
    assert 'hx-get="/alarms"' in back  # told once

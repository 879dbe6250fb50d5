"""Readings that a person enters: all that is wrong is said at once; rows are pasted; recorded."""

from __future__ import annotations

import json
import re
from html import unescape
from typing import Any

import httpx
import pytest

from ifonly.explainers.wording import LANGUAGES, Language
from ifonly.service.words.catalogue import say

MODEL = "milling-machine"
NOBODY_ELSES = "Lathe of the readings"
HTML = {"Accept": "text/html"}


def form(client: httpx.Client, **query: str) -> str:
    reply = client.get("/readings", params={"model": MODEL} | query, headers=HTML)
    assert reply.status_code == 200
    return unescape(reply.text)


def send(
    client: httpx.Client, action: str, values: dict[str, Any], language: str = "en", **fields: str
) -> httpx.Response:
    token = re.search(r'name="csrf" value="([^"]+)"', form(client))
    assert token is not None
    said = {f"reading:{name}": str(value) for name, value in values.items()}
    return client.post(
        "/readings",
        data={"model": MODEL} | said | fields | {"csrf": token[1], "action": action},
        headers=HTML | {"Cookie": f"ifonly_language={language}; {cookies(client)}"},
    )


def cookies(client: httpx.Client) -> str:
    return "; ".join(f"{name}={value}" for name, value in client.cookies.items())


def filled(page: str) -> dict[str, str]:
    """What the form has in its fields."""
    page = unescape(page)
    found = dict(re.findall(r'name="reading:(\w+)" value="([^"]*)"', page))
    for name, options in re.findall(r'<select[^>]* name="reading:(\w+)"(.*?)</select>', page, re.S):
        chosen = re.search(r'value="([^"]*)" selected', options)
        found[name] = "" if chosen is None else chosen[1]
    return found


@pytest.mark.parametrize("language", LANGUAGES)
def test_the_form_has_each_reading_with_its_unit_range_and_categories(
    client: httpx.Client, language: Language
) -> None:
    described = client.get(f"/api/v1/models/{MODEL}").json()
    reply = client.get("/readings", params={"model": MODEL}, headers={
        **HTML, "Cookie": f"ifonly_language={language}"})  # fmt: skip
    page = unescape(reply.text)
    for feature in described["features"]:
        assert feature["label"].get(language, feature["label"]["en"]) in page
        for category in feature.get("categories") or []:
            assert f'<option value="{category["name"]}"' in page
    assert "(Nm)" in page
    assert re.search(r"0(\.0)? (Nm )?(to|~) 100(\.0)? Nm", page)
    assert set(filled(page).values()) == {""}


def test_an_example_fills_it_in_and_is_answered(client: httpx.Client, alarm: Any) -> None:
    shown = filled(form(client, example="two-failures"))
    assert {k: v if k == "quality" else float(v) for k, v in shown.items()} == alarm
    reply = send(client, "predict", shown)
    assert reply.status_code == 303
    page = client.get(reply.headers["location"], headers=HTML)
    assert page.status_code == 200
    identity = reply.headers["location"].removeprefix("/alarms/")
    kept = client.get(f"/api/v1/audit/events/{identity}").json()
    assert kept["event"]["kind"] == "prediction"
    assert kept["request"] == {"instance": alarm, "attributes": {}}


@pytest.mark.parametrize("language", LANGUAGES)
def test_all_that_is_wrong_is_told_at_its_field_and_nothing_is_asked(
    client: httpx.Client, alarm: dict[str, Any], language: Language
) -> None:
    newest = client.get("/api/v1/audit/events").json()["events"][0]["id"]
    wrong = alarm | {"torque": "100.1", "tool_wear": "many", "quality": "X", "air_temperature": ""}
    reply = send(client, "predict", wrong, language)
    assert reply.status_code == 422
    page = unescape(reply.text)
    assert page.count('aria-invalid="true"') == 4
    for key in ("missing", "not_listed", "no_number"):
        assert say(f"enter.{key}", language) in page
    assert say("enter.outside", language, range="").partition(":")[0] in page
    assert say("enter.wrong", language, count=4) in page
    # What was written stays; a choice that there is not cannot be shown.
    kept = {k: str(v) for k, v in wrong.items()} | {"quality": ""}
    assert filled(page) == kept
    assert client.get("/api/v1/audit/events").json()["events"][0]["id"] == newest


@pytest.mark.parametrize("text", ["nan", "inf", "1e400", "0x10", "1_0", "", " ", "true", "10 Nm"])
def test_what_is_no_number_is_none(client: httpx.Client, alarm: dict[str, Any], text: str) -> None:
    assert send(client, "predict", alarm | {"torque": text}).status_code == 422


def test_digits_of_full_width_are_digits(client: httpx.Client, alarm: dict[str, Any]) -> None:
    reply = send(client, "predict", alarm | {"torque": "６２．７"})
    assert reply.status_code == 303
    identity = reply.headers["location"].removeprefix("/alarms/")
    assert client.get(f"/api/v1/audit/events/{identity}").json()["request"]["instance"] == alarm


def test_readings_of_a_named_machine_raise_its_alarm(
    client: httpx.Client, alarm: dict[str, Any]
) -> None:
    said = {"attribute:equipment": f" {NOBODY_ELSES} "}
    identity = send(client, "predict", alarm, **said).headers["location"].removeprefix("/alarms/")
    (found,) = client.get("/api/v1/alarms", params={"search": NOBODY_ELSES}).json()["alarms"]
    assert (found["record"], found["equipment"]) == (identity, NOBODY_ELSES)
    too_long = {"attribute:equipment": "x" * 200}
    assert 'id="a1-hint"><p class="wrong"' in send(client, "predict", alarm, **too_long).text


def test_a_pasted_row_fills_the_form_and_asks_nothing(
    client: httpx.Client, alarm: dict[str, Any]
) -> None:
    newest = client.get("/api/v1/audit/events").json()["events"][0]["id"]
    wanted = {name: str(value) for name, value in alarm.items()}
    lines = [",".join(wanted), ",".join(wanted.values())]
    rows = [
        json.dumps(alarm),
        json.dumps({"instance": alarm, "attributes": {"equipment": "Mill 7"}}),
        json.dumps({"instances": [alarm]}),
        json.dumps([alarm]),
        "\n".join(lines),
        "\r\n\r\n".join(lines).replace(",", ";"),
        "\ufeff" + "\n".join(lines).replace(",", "\t") + "\n",
        "\n".join(lines).replace("torque", '"Torque"'),
    ]
    for row in rows:
        reply = send(client, "paste", {"torque": "1"}, row=row)
        assert reply.status_code == 200, row
        assert filled(reply.text) == wanted, row
    assert client.get("/api/v1/audit/events").json()["events"][0]["id"] == newest


def test_columns_that_are_no_readings_are_named_and_left_out(
    client: httpx.Client, alarm: dict[str, Any]
) -> None:
    reply = send(client, "paste", {}, row=json.dumps(alarm | {"<b>colour</b>": "red"}))
    assert "&lt;b&gt;colour" in reply.text
    assert "<b>colour" not in reply.text
    assert filled(reply.text)["torque"] == str(alarm["torque"])
    assert 'aria-invalid="true"' not in reply.text
    half = {k: v for k, v in alarm.items() if k != "torque"} | {"tool_wear": None}
    shown = send(client, "paste", {}, row=json.dumps(half)).text
    assert shown.count('aria-invalid="true"') == 2


@pytest.mark.parametrize("row", [
    "", "{", "[]", "[1, 2]", "torque,tool_wear", "a,b\n1,2\n3,4", "a,b\n1", "a,a\n1,2",
    '{"torque": NaN}', '{"instance": 3}', '[{"torque": 1}, {"torque": 2}]', 'a\n"1',
])  # fmt: skip
def test_what_is_not_one_row_is_refused_and_the_form_stays(client: httpx.Client, row: str) -> None:
    reply = send(client, "paste", {"torque": "12"}, row=row)
    assert reply.status_code == 422
    assert 'role="alert"' in reply.text
    assert filled(reply.text)["torque"] == "12"


def test_a_model_that_is_not_served_is_not_found(client: httpx.Client) -> None:
    for path in ("/readings?model=nothing", "/readings?model=%00"):
        assert client.get(path, headers=HTML).status_code == 404


def test_a_form_of_a_stranger_is_refused(client: httpx.Client, alarm: dict[str, Any]) -> None:
    body = {f"reading:{name}": str(value) for name, value in alarm.items()}
    reply = client.post("/readings", data=body | {"action": "predict", "model": MODEL})
    assert reply.status_code == 403


def test_a_reading_that_may_be_missing_may_be_left_empty(client: httpx.Client) -> None:
    values = {"size": "5", "colour/shade": "red", "dirt": ""}
    assert say("enter.may_be_missing", "en") in form(client, model="sorter")
    reply = send(client, "predict", values, model="sorter")
    assert reply.status_code == 303
    identity = reply.headers["location"].removeprefix("/alarms/")
    kept = client.get(f"/api/v1/audit/events/{identity}").json()["request"]["instance"]
    assert kept == {"size": 5, "colour/shade": "red", "dirt": None}


def test_the_form_of_every_model_is_shown(client: httpx.Client) -> None:
    for summary in client.get("/api/v1/models").json()["models"]:
        assert "reading:" in form(client, model=summary["name"])

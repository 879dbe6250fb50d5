"""The sheet for the person concerned: asked from the alarm's page, as page and as file."""

from __future__ import annotations

import re
from html import unescape
from typing import Any

import httpx
import pytest

from ifonly.explainers.wording import LANGUAGES, Language
from ifonly.models.errors import SpecError
from ifonly.models.spec import parse_spec
from ifonly.models.spec.card import SystemRole, said
from ifonly.service.doors.pages.operator import sheet_pdf
from ifonly.service.wire import examples
from ifonly.service.words.catalogue import say
from ifonly.service.words.sheets import PersonSheet, SheetSection, sheet

PATH = "/api/v1/models/milling-machine"
SPEC = """
format = 1
name = "press"
version = "1"
task = "binary"
decision.classes = ["normal", "alarm"]
[[features]]
name = "torque"
kind = "continuous"
bounds = [0.0, 1.0]
resolution = 0.1
"""


def page(client: httpx.Client, path: str, tag: str) -> httpx.Response:
    return client.get(path, headers={"Accept-Language": tag})


@pytest.fixture(scope="module")
def address(client: httpx.Client) -> str:
    """Of the sheet of a prediction that was explained, asked for without scripts."""
    row = {"instance": examples.ROW, "attributes": {"equipment": "mill <7>"}}
    alarm = client.post(f"{PATH}/predictions", json=row).json()["audit"]["id"]
    shown = page(client, f"/alarms/{alarm}", "en")
    assert say("why.ask", "en") in shown.text
    token = re.search(r'name="csrf" value="([^"]+)"', shown.text)
    assert token is not None
    headers = {"HX-Request": "true", "X-CSRF-Token": token[1]}
    assert client.post(f"/alarms/{alarm}/explanation", headers=headers).status_code == 200
    asked = client.post(f"/alarms/{alarm}/reasons?row=0", data={"csrf": token[1]})
    assert asked.status_code == 303
    # From then on they are on the alarm's page.
    again = page(client, f"/alarms/{alarm}", "en").text
    assert asked.headers["location"] in again
    assert say("why.ask", "en") not in again
    return asked.headers["location"]


@pytest.mark.parametrize("tag", LANGUAGES)
def test_a_sheet_says_what_must_be_told(client: httpx.Client, address: str, tag: Language) -> None:
    text = unescape(page(client, address, tag).text)
    for key in ("result", "elements", "recourse", "role", "contact_title"):
        assert say(f"sheet.{key}", tag) in text, key
    assert say("system_role.proposes", tag) in text
    # Of the model's folder: codes, and whom to ask.
    assert "M1" in text
    served = client.get(PATH).json()
    assert served["card"]["contact"][tag] in text
    assert served["reason_codes"]["torque"]["text"][tag] in text
    assert say("sheet.no_recourse_asked", tag) not in text


def test_what_is_no_record_of_reasons_has_no_sheet(client: httpx.Client) -> None:
    explained = client.post(f"{PATH}/explanations", json={"instance": examples.ROW}).json()["id"]
    for identity in (explained, "nobody"):
        assert client.get(f"/sheets/{identity}").status_code == 404


def test_the_file_is_the_same_each_time(client: httpx.Client, address: str) -> None:
    if not sheet_pdf.is_available():
        assert client.get(f"{address}/file").status_code == 404
        assert f"{address}/file" not in client.get(address).text
        pytest.skip("reportlab is not installed")
    for tag in LANGUAGES:
        files = [page(client, f"{address}/file", tag) for _ in range(2)]
        assert files[0].content == files[1].content
        assert files[0].content.startswith(b"%PDF-")
        assert files[0].headers["content-type"] == "application/pdf"


@pytest.mark.parametrize("tag", LANGUAGES)
def test_markup_of_strangers_stays_text_in_a_file(tag: Language) -> None:
    pytest.importorskip("reportlab", reason="the extra pdf is not installed")
    evil = "<b>&<script>" + "x" * 200
    section = SheetSection("result", evil, (evil,), (evil,), ((evil, evil),), evil)
    made = sheet_pdf.pdf(PersonSheet(evil, evil, evil, (section,) * 9, evil), tag)
    assert made.startswith(b"%PDF-")


def test_a_sheet_of_a_model_that_is_gone_says_what_the_record_does() -> None:
    answer: dict[str, Any] = {**examples.REASONS.reply, "reasons": [], "principal": []}
    made = sheet(answer, None, examples.ROW, None, "2026-01-31 08:00 UTC", "en")
    told = {section.key: section for section in made.sections}
    assert made.model == "milling-machine"
    assert told["role"].paragraphs == (say("sheet.role_unknown", "en"),)
    assert told["recourse"].paragraphs == (say("sheet.no_recourse_asked", "en"),)
    assert ("torque", str(examples.ROW["torque"])) in told["readings"].pairs


def test_the_card_is_on_the_models_page(client: httpx.Client) -> None:
    text = page(client, "/models/milling-machine", "ja").text
    for key in ("title", "owner", "contact", "tier", "training_data", "codes"):
        assert say(f"card.{key}", "ja") in text, key


def test_a_card_is_read_and_what_is_wrong_is_named() -> None:
    card = (
        '[card]\nowner = "us"\ntier = {ko = "상"}\nvalidated = "2026-01-31"\nrole = "informs"\n'
        '[reasons.torque]\ncode = "P1"\ntext = {en = "Torque"}\n'
    )
    spec = parse_spec((SPEC + card).encode(), "s")
    assert (spec.card.role, str(spec.card.validated)) == (SystemRole.INFORMS, "2026-01-31")
    assert [said(spec.card.owner, tag) for tag in LANGUAGES] == ["us"] * len(LANGUAGES)
    assert said(spec.card.tier, "en") == "상"
    assert spec.reason_codes["torque"].code == "P1"
    assert parse_spec(SPEC.encode(), "s").card.is_empty
    for wrong, named in (
        (card.replace("01-31", "02-31"), "card.validated: is '2026-02-31', not a date"),
        (card.replace("informs", "rules"), "card.role"),
        (card.replace("reasons.torque", "reasons.speed"), "reasons.speed: is not a feature"),
        (card.replace("owner", "ovner"), "ovner"),
        (card.replace('code = "P1"\n', ""), "code"),
    ):
        with pytest.raises(SpecError, match=re.escape(named)):
            parse_spec((SPEC + wrong).encode(), "s")

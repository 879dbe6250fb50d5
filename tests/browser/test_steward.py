"""What a model steward does: read what is served, send what is new, see what is wrong with it."""

from __future__ import annotations

import io
import zipfile
from typing import Any

import httpx
import pytest

from ifonly.service.access import Role
from tests.browser.conftest import MODEL, Visit, alive
from tests.integration.small_models import PRESS, linear

SCRIPT = "<img src=x onerror=alert(1)>"


def zipped(spec: str) -> dict[str, Any]:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("press/spec.toml", spec)
        model = linear([[2.0], [0.01]], [1.0])
        archive.writestr("press/model.onnx", model.SerializeToString())
    return {"name": "press.zip", "mimeType": "application/zip", "buffer": file.getvalue()}


def send(page: Any, archive: dict[str, Any]) -> None:
    page.set_input_files("#folder", archive)
    page.click("form.upload button")


@pytest.mark.parametrize(
    ("language", "words"),
    [("en", ["torque", "Accepted by", "Cause"]), ("ko", ["토크", "승인", "원인"])],
)
def test_a_model_is_readable(visit: Visit, language: str, words: list[str]) -> None:
    page = visit(f"/models/{MODEL}", Role.AUDITOR, language=language)
    text = page.inner_text("main")
    assert all(word in text for word in words)
    assert page.locator(".graph svg .edge").count() == 2
    if language != "en":  # evidence and tests are said in the reader's language, too
        assert page.locator("section:has(#causes) [lang=en]").all_inner_texts() == []
        assert "잡음의 독립성" in page.inner_text("section:has(#causes)")
    assert page.locator("section:has(#parity) tbody tr").count() > 3
    assert page.locator("section:has(#rules) tbody tr").count() > 5


@pytest.mark.parametrize(
    ("language", "reason"),
    [("en", "is 5 (int), not text"), ("ko", "값은 5 (int)입니다. 필요한 것: 텍스트")],
)
def test_a_broken_zip_is_refused_with_the_reasons_in_place(
    visit: Visit, api: httpx.Client, language: str, reason: str
) -> None:
    page = visit("/models", Role.ADMIN, language=language)
    broken = PRESS.replace('unit = "bar"', "unit = 5").replace("[0, 5000]", '"none"')
    send(page, zipped(broken))
    page.wait_for_selector("#upload-outcome .notice.bad")
    said = page.inner_text("#upload-outcome")
    assert "spec.toml" in said
    assert "features[0].unit" in said
    assert reason in said
    assert api.get("/api/v1/models/press").status_code == 404


def test_a_sound_zip_is_served_at_once(visit: Visit, api: httpx.Client) -> None:
    page = visit("/models", Role.ADMIN)
    sound = PRESS.replace("Press force", SCRIPT)
    send(page, zipped(sound))
    page.wait_for_selector("#upload-outcome .notice.good")
    assert api.get("/api/v1/models/press").json()["version"] == "1"
    page.click("#upload-outcome a")
    page.wait_for_selector("#features")
    assert page.inner_text("h1") == SCRIPT
    assert page.locator("main img").count() == 0
    page.goto("/models")
    alive(page)
    send(page, zipped(sound))
    page.wait_for_selector("#upload-outcome .notice.bad")
    assert "is there already" in page.inner_text("#upload-outcome")


def test_only_an_admin_is_asked_for_models(visit: Visit) -> None:
    for role in (Role.OPERATOR, Role.AUDITOR):
        page = visit("/models", role)
        assert page.locator("#folder").count() == 0

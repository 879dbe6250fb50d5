"""What a model steward does: read what is served, send what is new, see what is wrong with it,
check it, compare it, have it asked, and go back."""

from __future__ import annotations

import io
import re
import zipfile
from typing import Any

import httpx
import pytest

from ifonly.service.access import Role
from tests.browser.conftest import MODEL, Visit, alive
from tests.browser.conftest import send as sent
from tests.browser.test_every_page import violations
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
    page.click("#send-zip button")


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
    # Two of the wrong shape, and two that make no sense: all of them are shown.
    broken = broken.replace("max_change = 40.0", "range = [0, 500]") + "[policy.features.spead]\n"
    send(page, zipped(broken))
    page.wait_for_selector("#upload-outcome .notice.bad")
    said = page.inner_text("#upload-outcome")
    assert "spec.toml" in said
    for key in ("[0].unit", "[1].bounds", "pressure.range", "policy.features.spead"):
        assert key in said
    assert page.locator("#upload-outcome tbody tr").count() == 4
    assert reason in said
    assert api.get("/api/v1/models/press").status_code == 404
    assert api.get("/api/v1/staged/press/1").status_code == 404


def test_a_sound_zip_is_staged_and_served_once_somebody_says_so(
    visit: Visit, api: httpx.Client
) -> None:
    page = visit("/models", Role.ADMIN)
    sound = PRESS.replace("Press force", SCRIPT)
    with page.expect_navigation():
        send(page, zipped(sound))
    page.wait_for_selector("#fields")
    assert api.get("/api/v1/models/press").status_code == 404
    page.goto("/models")
    alive(page)
    assert "press 1" in page.inner_text("#staged ~ table")
    send(page, zipped(sound))
    page.wait_for_selector("#upload-outcome .notice.bad")
    assert "is there already" in page.inner_text("#upload-outcome")
    page.goto("/models/press/comparison?version=1")
    page.fill("#why", SCRIPT)
    with page.expect_navigation():
        page.click("section:has(#decide) button")
    assert page.inner_text("h1") == SCRIPT
    assert page.locator("main img").count() == 0
    assert api.get("/api/v1/models/press").json()["version"] == "1"
    page.goto("/models")
    assert page.locator("#staged").count() == 0


ROWS = [(torque, 900 + 20 * torque) for torque in range(10, 90)]
TABLE = "torque_nm,speed_rpm\n" + "".join(f"{t},{s}\n" for t, s in ROWS)


@pytest.mark.parametrize(
    ("language", "words"),
    [
        (
            "en",
            ["the name says so", "is 'soft' (str), not a number", "Would change 1 of the last 2"],
        ),
        ("ko", ["이름에 그렇게 적혀 있음", "필요한 것: 수", "최근 경보 2건 중 1건"]),
    ],
)
def test_from_a_file_to_a_version_that_is_asked_and_back(
    visit: Visit, api: httpx.Client, language: str, words: list[str]
) -> None:
    name, (why, wrong, changes) = f"mill-{language}", words
    graph = linear([[0.01], [0.0]], [0.0]).SerializeToString()
    page = visit("/models", Role.ADMIN, language=language)
    page.set_input_files("#file", {"name": f"{name}.onnx", "mimeType": "", "buffer": graph})
    page.set_input_files("#sample", {"name": "r.csv", "mimeType": "", "buffer": TABLE.encode()})
    with page.expect_navigation():
        page.click("#send-file button")
    page.wait_for_selector("#fields")
    assert why in page.inner_text("#fields")
    assert violations(page) == []
    # Of each field its own fault, and what else was filled in stays.
    page.fill('[name="answer:limit"]', "soft")
    sent(page, "#fields > .row button")
    assert page.locator("[aria-invalid=true]").count() == 1
    page.fill('[name="answer:limit"]', "<=0.5")
    sent(page, "#fields > .row button")
    page.fill('[name="features[0].resolution"]', "soft")
    page.fill('[name="features[1].bounds"] >> nth=0', "5000")
    page.fill('[name="features[0].label.ko"]', "토크")
    sent(page, "#fields > .row button")
    assert page.locator("[aria-invalid=true]").count() >= 3
    assert wrong in page.inner_text("div:has(> input[name='features[0].resolution'])")
    assert page.input_value('[name="features[0].label.ko"]') == "토크"
    assert violations(page) == []
    page.fill('[name="features[0].resolution"]', "1")
    page.fill('[name="features[1].bounds"] >> nth=0', "0")
    for box in page.locator("[name=checked]").all():
        box.check()
    sent(page, "#fields > .row button")
    assert page.locator("[name=checked]").count() == 0
    assert page.locator(".wrong").count() == 0
    alive(page)
    page.click("section:has(#first) button")
    page.wait_for_selector("#first-answer p")
    assert ("토크" if language == "ko" else "torque") in page.inner_text("#first-answer")
    first = activate(page, name, "1", "the first one")
    assert "aria-invalid" not in first
    assert api.get(f"/api/v1/models/{name}").json()["version"] == "1"
    compared(page, api, name, changes)


def compared(page: Any, api: httpx.Client, name: str, changes: str) -> None:
    """The next version, by a zip of the active one whose threshold is another; then back."""
    described = api.get(f"/api/v1/models/{name}").json()
    assert described["decision"]["desired"] == "below"
    for torque in (20, 52, 88):
        asked = {"instance": {"torque_nm": torque, "speed_rpm": 1000}}
        api.post(f"/api/v1/models/{name}/predictions", json=asked).raise_for_status()
    spec = api.get(f"/api/v1/models/{name}/spec", params={"format": "toml"}).text
    spec = spec.replace('version = "1"', 'version = "2"')
    spec = re.sub("threshold = .*", "threshold = 0.6", spec)
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("spec.toml", spec)
        archive.writestr("model.onnx", linear([[0.01], [0.0]], [0.0]).SerializeToString())
    form = {"folder": ("next.zip", file.getvalue())}
    assert api.post("/api/v1/staged", files=form).status_code == 201
    page.goto(f"/models/{name}/staged/2")
    page.click("section:has(#next) a.button")
    page.wait_for_selector("#changes")
    assert changes in page.inner_text("#changes")
    specs = page.inner_text("section:has(#specs)")
    assert all(part in specs for part in ("decision.threshold", "0.5", "0.6"))
    assert violations(page) == []
    page.fill("#why", "fewer alarms")
    sent(page, "section:has(#decide) button")
    assert api.get(f"/api/v1/models/{name}").json()["version"] == "2"
    activate(page, name, "1", "too few")
    assert api.get(f"/api/v1/models/{name}").json()["version"] == "1"
    page.goto(f"/models/{name}?version=2")
    assert page.locator(".notice.warn a").count() == 1
    assert violations(page) == []
    events = api.get("/api/v1/audit/events", params={"kind": "model", "model": name}).json()
    assert [e["status"] for e in events["events"]] == [
        "rolled_back", "activated", "staged", "activated", "edited", "edited", "staged"
    ]  # fmt: skip


def activate(page: Any, name: str, version: str, why: str) -> str:
    page.goto(f"/models/{name}/comparison?version={version}")
    page.fill("#why", why)
    sent(page, "section:has(#decide) button")
    text: str = page.content()
    return text


def test_only_an_admin_is_asked_for_models(visit: Visit) -> None:
    for role in (Role.OPERATOR, Role.AUDITOR):
        page = visit("/models", role)
        assert page.locator("#folder, #file").count() == 0
        page.goto("/models/press/staged/1")
        assert page.locator("#fields").count() == 0


@pytest.mark.parametrize(
    ("light", "language", "width"), [("light", "en", 1280), ("dark", "ko", 390)]
)
def test_how_good_it_is_how_often_it_alarms_and_what_a_version_changes(
    visit: Visit,
    api: httpx.Client,
    instance: dict[str, Any],
    light: str,
    language: str,
    width: int,
) -> None:
    """Drawn for those who see it, told in tables for those who do not, on any screen."""
    asked = {"instances": [instance, instance]}
    api.post(f"/api/v1/models/{MODEL}/predictions", json=asked).raise_for_status()
    size = {"width": width, "height": 900}
    shown: dict[str, Any] = {"language": language, "color_scheme": light, "viewport": size}
    for path in (f"/models/{MODEL}?rate=days", f"/models/{MODEL}/differences"):
        page = visit(path, Role.ADMIN, **shown)
        for summary in page.locator("section.card summary").all():
            summary.click()
        assert violations(page) == [], path
        assert page.evaluate("document.documentElement.scrollWidth") <= width, path
    page = visit(f"/models/{MODEL}", Role.ADMIN, **shown)
    # The deployed threshold stands on the curve, within the drawing.
    dot = page.locator("circle.at")
    assert 0 <= float(dot.get_attribute("cx")) <= 200
    assert page.locator("section:has(#quality) table").count() == 2

"""Auditors' and stewards' pages as a browser gets them, without one."""

from __future__ import annotations

import io
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx
import pytest

from ifonly.explainers.wording import LANGUAGES, Language
from ifonly.explainers.wording.conventions import conventions
from ifonly.service.doors.pages.auditor.record import is_other_way
from ifonly.service.settings import Settings
from ifonly.service.wire.inspection import ChangeReply, ReplayReply
from tests.integration.conftest import serving
from tests.integration.small_models import write_all
from tests.integration.test_upload import zipped
from tests.support.spoken import spoken

SCRIPT = "<script>alert(1)</script>"


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return write_all(tmp_path_factory.mktemp("models"))


@pytest.fixture(scope="module")
def pages(root: Path) -> Iterator[httpx.Client]:
    with (
        serving(Settings(models=root, refresh_seconds=0)) as url,
        httpx.Client(base_url=url, timeout=300, trust_env=False) as client,
    ):
        yield client


@pytest.fixture(scope="module")
def explained(pages: httpx.Client) -> str:
    body = {
        "instance": {"size": 3.0, "colour/shade": "red", "dirt": 0.0},
        "attributes": {"line": SCRIPT},
    }
    reply = pages.post("/api/v1/models/sorter/explanations", json=body)
    identity: str = reply.raise_for_status().json()["id"]
    return identity


def token(pages: httpx.Client, path: str) -> str:
    found = re.search(r'name="csrf" value="([^"]+)"', pages.get(path).text)
    assert found is not None
    return found[1]


@pytest.mark.parametrize("language", LANGUAGES)
def test_every_page_is_shown_in_every_language(
    pages: httpx.Client, explained: str, language: str
) -> None:
    pages.post("/api/v1/staged", files={"folder": ("press.zip", zipped("6"))})  # once
    records = pages.get("/records", headers={"Accept-Language": language})
    assert spoken(language).CLAIM in records.text
    for path in (
        f"/records/{explained}",
        "/reviews",
        "/report?model=sorter&by=attribute:line",
        "/report?model=press&by=feature:pressure",
        "/models",
        "/models/sorter",
        "/models/press",
        "/models/brittle?version=2",
        "/models/press/staged/6",
        "/models/press/staged/6/explanation",
        "/models/press/comparison?version=6",
        "/models/press/comparison?version=6&last=x&only=all",
        "/models/brittle/comparison?version=2",
    ):
        reply = pages.get(path, headers={"Accept-Language": language})
        assert reply.status_code == 200, path
        assert SCRIPT not in reply.text
        assert f'lang="{language}"' in reply.text


@pytest.mark.parametrize(
    "query",
    [
        {"begins": "zz"},
        {"since": "yesterday"},
        {"cursor": "x"},
        {"kind": "rumour"},
        {"language": "fr"},
    ],
)
def test_what_cannot_be_searched_for_is_said_on_the_page(
    pages: httpx.Client, query: dict[str, str]
) -> None:
    reply = pages.get("/records", params=query)
    assert reply.status_code == 200
    assert 'role="alert"' in reply.text


@pytest.mark.parametrize("language", LANGUAGES)
@pytest.mark.parametrize(
    ("path", "status"),
    [
        ("/records?begins=zz", 200),
        ("/records/export?begins=zz", 422),
        ("/records?since=yesterday", 200),
        ("/report?model=press&by=feature:nobody", 200),
        ("/records/nothing", 404),
        ("/alarms/nothing", 404),
        ("/not-there", 404),
    ],
)
def test_what_is_refused_is_said_in_the_readers_language(
    pages: httpx.Client, path: str, status: int, language: Language
) -> None:
    asked = {"Accept": "text/html", "Accept-Language": language}
    reply = pages.get(path, headers=asked)
    assert reply.status_code == status
    found = re.search(r'<p class="detail" lang="(\w+)">(.+?)</p>', reply.text)
    assert found is not None
    assert found[1] == language
    assert "match pattern" not in found[2], "that is a word for programs"
    script = conventions(language).letters
    assert not script or re.search("[" + "".join(f"{a}-{b}" for a, b in script) + "]", found[2])


def test_a_filtered_list_has_only_what_fits_and_leads_on(
    pages: httpx.Client, explained: str
) -> None:
    for k in range(45):
        pages.post("/api/v1/models/press/predictions", json={"instance": {"pressure": k}})
    first = pages.get("/records", params={"kind": "refusal", "model": "press"}).text
    assert explained not in first
    assert first.count("<tr>") == 41
    older = re.search(r'href="(/records\?[^"]*cursor=[^"]+)"', first)
    assert older is not None
    assert pages.get(older[1].replace("&amp;", "&")).text.count("<tr>") == 6


def test_without_a_script_everything_still_works(pages: httpx.Client, explained: str) -> None:
    here = f"/records/{explained}"
    csrf = token(pages, here)
    assert "Record intact" in pages.post(f"{here}/verify", data={"csrf": csrf}).text
    assert "The same answer" in pages.post(f"{here}/replay", data={"csrf": csrf}).text
    assert "All chains intact" in pages.post("/records/verify", data={"csrf": csrf}).text
    said = {"csrf": csrf, "verdict": "comment", "comment": SCRIPT}
    reply = pages.post(f"{here}/reviews", data=said)
    assert (reply.status_code, reply.headers["location"]) == (303, f"{here}#reviews")
    shown = pages.get(here).text
    assert SCRIPT not in shown
    assert "&lt;script&gt;alert(1)" in shown
    nothing = pages.post(f"{here}/reviews", data={"csrf": csrf, "verdict": "comment"})
    assert "needs a comment" in nothing.text


def test_a_form_of_another_site_changes_nothing(pages: httpx.Client, explained: str) -> None:
    for path in (f"/records/{explained}/reviews", f"/records/{explained}/replay", "/models"):
        reply = pages.post(path, data={"verdict": "approve", "csrf": "forged"})
        assert reply.status_code == 403, path


def test_the_filtered_trail_and_the_report_download(pages: httpx.Client, explained: str) -> None:
    lines = pages.get("/records/export", params={"begins": explained[:8]})
    assert explained in lines.text
    assert "attachment" in lines.headers["content-disposition"]
    sheet = pages.get("/report/table", params={"model": "sorter", "by": "attribute:line"})
    assert sheet.headers["content-type"].startswith("text/csv")
    assert SCRIPT in sheet.text


def test_a_zip_is_sent_by_a_plain_form(pages: httpx.Client, root: Path) -> None:
    csrf = {"csrf": token(pages, "/models")}

    def send(archive: bytes) -> httpx.Response:
        file = ("press.zip", io.BytesIO(archive), "application/zip")
        return pages.post("/models", data=csrf, files={"folder": file})

    broken = send(zipped("7").replace(b"PK", b"KP"))
    assert (broken.status_code, "cannot be unpacked" in broken.text) == (422, True)
    sent = send(zipped("7"))
    assert (sent.status_code, sent.headers["location"]) == (303, "/models/press/staged/7")
    assert not (root / "press" / "7").exists()
    # Whoever has no script fills in the form, decides, and is led on.
    here = "/models/press/staged/7"
    wrong = pages.post(here, data=csrf | {"revision": "1", "features[0].bounds": ["9", "x"]})
    assert wrong.status_code == 422
    assert 'aria-invalid="true"' in wrong.text
    assert 'value="x"' in wrong.text
    set_ = csrf | {"revision": "1", "features[0].label.ja": SCRIPT, "features[0].unit": "bar"}
    assert pages.post(here, data=set_).headers["location"] == here
    assert pages.post(here, data=set_).status_code == 409
    assert SCRIPT not in pages.get(here).text
    choice = csrf | {"version": "7", "previous": "1"}
    assert pages.post("/models/press/activation", data=choice).status_code == 422
    other = choice | {"why": "better", "previous": "5"}
    assert pages.post("/models/press/activation", data=other).status_code == 409
    done = pages.post("/models/press/activation", data=choice | {"why": "better"})
    assert (done.status_code, done.headers["location"]) == (303, "/models/press")
    assert (root / "press" / "7").is_dir()
    assert pages.get(here).status_code == 404
    gone = pages.post("/models/press/staged/6/discard", data=csrf)
    assert (gone.status_code, gone.headers["location"]) == (303, "/models")
    assert send(zipped("7")).status_code == 409
    assert pages.post("/models", data=csrf).status_code == 422


def replayed(*pointers: str) -> ReplayReply:
    changes = [ChangeReply(pointer=p, was=1, now=2) for p in pointers]
    told: dict[str, Any] = {"versions": [], "was_cut": False}
    return ReplayReply(id="x", same=not changes, changes=changes, **told)


def test_only_the_search_may_differ_where_the_answer_is_called_the_same() -> None:
    assert is_other_way(replayed("/work/rows", "/provenance/engine"))
    assert not is_other_way(replayed("/work/rows", "/counterfactuals/0/cost"))
    assert not is_other_way(replayed("/provenance/seed"))
    assert not is_other_way(replayed())

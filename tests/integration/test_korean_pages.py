"""No English sentence on a Korean or a Japanese page, nor in what is refused: pages are walked, and
every kind of request is spoilt."""

from __future__ import annotations

import html
import io
import re
import shutil
from collections.abc import Iterator
from pathlib import Path
from typing import Any
from urllib.parse import urljoin, urlsplit

import httpx
import pytest

from ifonly.explainers.wording.conventions import conventions
from ifonly.service.settings import Settings, shipped_models
from tests.integration.conftest import serving
from tests.integration.small_models import PRESS, write_all
from tests.integration.test_upload import zipped
from tests.support.english import english_in, is_english

MODEL = "milling-machine"
ALARM = {
    "air_temperature": 303.3, "process_temperature": 312.8, "rotational_speed": 1384,
    "torque": 62.7, "tool_wear": 196, "quality": "L",
}  # fmt: skip
OURS = re.compile("ifonly maintainers|simulator truth|^if .+ then ")
"""What whoever made the model wrote in no language but English; rules, as they are written."""
MOST_PAGES = 70
FILES = ("/static", "/records/export", "/report/table")


@pytest.fixture(scope="module")
def root(tmp_path_factory: pytest.TempPathFactory) -> Path:
    root = write_all(tmp_path_factory.mktemp("models"))
    shutil.copytree(shipped_models() / MODEL, root / MODEL)
    # A folder that is refused, and one whose labels say nothing.
    (root / "broken" / "1").mkdir(parents=True)
    (root / "broken" / "1" / "spec.toml").write_text(PRESS.replace('"bar"', "5"))
    return root


@pytest.fixture(scope="module")
def pages(root: Path) -> Iterator[httpx.Client]:
    with (
        serving(Settings(models=root, refresh_seconds=0)) as url,
        httpx.Client(base_url=url, timeout=300, trust_env=False) as client,
    ):
        asked = {"instance": ALARM, "attributes": {"equipment": "M7"}, "languages": ["ko", "ja"]}
        said = {name: asked[name] for name in ("instance", "attributes")}
        client.post(f"/api/v1/models/{MODEL}/predictions", json=said).raise_for_status()
        client.post(f"/api/v1/models/{MODEL}/explanations", json=asked).raise_for_status()
        files = {"folder": ("press.zip", zipped("6"))}
        client.post("/api/v1/staged", files=files).raise_for_status()
        yield client


def english(page: str) -> list[str]:
    return [said for said in english_in(page) if not OURS.search(said)]


def links(page: str, path: str) -> Iterator[str]:
    for found in re.findall(r'<a [^>]*href="([^"#]+)', page):
        to = urljoin(path, html.unescape(found))
        if to.startswith("/") and not to.startswith(
            ("/static", "/records/export", "/report/table")
        ):
            yield to


def of(path: str) -> str:
    """The page, whichever record or filter it is of."""
    return re.sub(r"[0-9a-f]{8}-[0-9a-f-]{27}", "ID", urlsplit(path).path)


def test_no_page_has_an_english_sentence(pages: httpx.Client) -> None:
    asked = {"Accept": "text/html", "Accept-Language": "ko"}
    waiting = [
        "/alarms", "/readings", "/models", "/records", "/reviews", f"/report?model={MODEL}",
        f"/models/{MODEL}/differences", "/models/press/staged/6",
        "/models/press/staged/6/explanation", "/models/press/comparison?version=6",
        "/models/press/differences?before=1&version=6", "/models/brittle/differences",
    ]  # fmt: skip
    seen: dict[str, int] = {}
    found: dict[str, list[str]] = {}
    while waiting and sum(seen.values()) < MOST_PAGES:
        path = waiting.pop(0)
        # Two of each kind: of records there are as many as questions.
        if seen.get(of(path), 0) >= 2:
            continue
        seen[of(path)] = seen.get(of(path), 0) + 1
        reply = pages.get(path, headers=asked)
        if "text/html" not in reply.headers.get("content-type", ""):
            continue
        assert reply.status_code < 500, path
        if left := english(reply.text):
            found[path] = left
        waiting += links(reply.text, path)
    assert {"/alarms", "/records/ID", "/alarms/ID", f"/models/{MODEL}"} <= seen.keys()
    assert found == {}


def token(pages: httpx.Client, path: str) -> str:
    found = re.search(r'name="csrf" value="([^"]+)"', pages.get(path).text)
    assert found is not None
    return found[1]


@pytest.mark.parametrize("tag", ["ko", "ja"])
def test_what_is_done_on_a_page_answers_in_its_language(pages: httpx.Client, tag: Any) -> None:
    asked = {"Accept": "text/html", "Accept-Language": tag}
    listed = pages.get("/api/v1/audit/events", params={"kind": "explanation"}).json()
    identity = listed["events"][0]["id"]
    form = {"csrf": token(pages, f"/records/{identity}")}
    sound = {"folder": ("press.zip", io.BytesIO(zipped("1")))}
    sent: dict[str, dict[str, Any]] = {
        f"/records/{identity}/verify": {},
        f"/records/{identity}/replay": {},
        "/records/verify": {},
        "/models": {"files": sound},
        f"/alarms/{identity}/explanation": {},
        f"/alarms/{identity}/what-if": {"data": {"set": '{"torque": 9999}'}},
    }
    for path, body in sent.items():
        said = body | {"data": {**form, **body.get("data", {})}}
        reply = pages.post(path, headers=asked | {"HX-Request": "true"}, **said)
        assert reply.status_code < 500, path
        assert english(reply.text) == [], path


API = "/api/v1/models"
WRONG: dict[str, tuple[str, dict[str, Any]]] = {
    "no JSON": (f"{API}/{MODEL}/explanations", {"content": b"{"}),
    "empty": (f"{API}/{MODEL}/explanations", {"content": b""}),
    "not UTF-8": (f"{API}/{MODEL}/explanations", {"content": b"\xff"}),
    "a list": (f"{API}/{MODEL}/explanations", {"json": []}),
    "no instance": (f"{API}/{MODEL}/explanations", {"json": {}}),
    "an unknown key": (f"{API}/{MODEL}/explanations", {"json": {"instance": ALARM, "x": 1}}),
    "an unknown feature": (f"{API}/{MODEL}/explanations", {"json": {"instance": ALARM | {"x": 1}}}),
    "a missing one": (f"{API}/{MODEL}/explanations", {"json": {"instance": {"torque": 3.0}}}),
    "out of range": (f"{API}/{MODEL}/predictions", {"json": {"instance": ALARM | {"torque": 1e4}}}),
    "no number": (f"{API}/{MODEL}/predictions", {"json": {"instance": ALARM | {"torque": "x"}}}),
    "null": (f"{API}/{MODEL}/predictions", {"json": {"instance": ALARM | {"torque": None}}}),
    "no category": (f"{API}/{MODEL}/predictions", {"json": {"instance": ALARM | {"quality": "Z"}}}),
    "an infinite one": (
        f"{API}/{MODEL}/predictions",
        {"content": b'{"instance": {"torque": 1e999}}'},
    ),
    "no class": (
        f"{API}/{MODEL}/explanations",
        {"json": {"instance": ALARM, "target": {"class": "perfect"}}},
    ),
    "met already": (
        f"{API}/{MODEL}/explanations",
        {"json": {"instance": ALARM, "target": {"class": "failure"}}},
    ),
    "no language": (
        f"{API}/{MODEL}/explanations",
        {"json": {"instance": ALARM, "languages": ["fr"]}},
    ),
    "too many": (
        f"{API}/{MODEL}/explanations",
        {"json": {"instance": ALARM, "max_alternatives": 10**6, "count": 10**6}},
    ),
    "a rule that is none": (
        f"{API}/{MODEL}/explanations",
        {"json": {"instance": ALARM, "constraints": {"freeze": ["nothing"]}}},
    ),
    "contradicting": (
        f"{API}/{MODEL}/explanations",
        {"json": {"instance": ALARM, "constraints": {"range": {"torque": [90.0, 10.0]}}}},
    ),
    "no model": (f"{API}/nothing/explanations", {"json": {"instance": ALARM}}),
    "no version": (f"{API}/{MODEL}/explanations?version=99", {"json": {"instance": ALARM}}),
    "no parameter": (f"{API}/{MODEL}/explanations?x=1", {"json": {"instance": ALARM}}),
    "no media type": (
        f"{API}/{MODEL}/explanations",
        {"content": b"x", "headers": {"Content-Type": "text/plain"}},
    ),
    "what-if of nothing": (
        f"{API}/{MODEL}/what-if",
        {"json": {"instance": ALARM, "set": {"nothing": 1}}},
    ),
    "over": (
        f"{API}/press/what-if",
        {"json": {"instance": {"pressure": 1.0, "speed": 1}, "set": {}, "over": {"s": 1}}},
    ),
    "an activation of nothing": (f"{API}/{MODEL}/activations", {"json": {"version": "7"}}),
    "no score": (f"{API}/brittle/predictions", {"json": {"instance": {"level": 50.0}}}),
    "no target": (f"{API}/press/explanations", {"json": {"instance": {"pressure": 1, "speed": 1}}}),
}


@pytest.mark.parametrize("tag", ["ko", "ja"])
@pytest.mark.parametrize("name", WRONG)
def test_what_is_refused_is_told_in_both(pages: httpx.Client, name: str, tag: Any) -> None:
    path, sent = WRONG[name]
    headers = sent.get("headers", {}) | {"Accept-Language": tag}
    said = {k: v for k, v in sent.items() if k != "headers"}
    if "content" in said and "Content-Type" not in headers:
        headers["Content-Type"] = "application/json"
    reply = pages.post(path, headers=headers, **said)
    assert 400 <= reply.status_code <= 500, reply.text
    problem = reply.json()
    told = problem["localized"]
    assert told["language"] == tag
    assert len(told["errors"]) == len(problem.get("errors", []))
    script = "".join(f"{a}-{b}" for a, b in conventions(tag).letters)
    for sentence in (told["title"], told["detail"], *told["errors"]):
        assert re.search(f"[{script}]", sentence), sentence
        # What Python's reader of JSON found is its own.
        assert not is_english(re.sub("Expecting .*", "", sentence)), sentence
    # For programs it is as it was.
    plain = pages.post(path, headers={k: v for k, v in headers.items() if k != "Accept-Language"},
                       **said).json()  # fmt: skip
    assert "localized" not in plain
    assert plain["detail"] == problem["detail"]


@pytest.mark.parametrize(
    "path",
    [
        "/api/v1/audit/events/nothing", "/api/v1/audit/events?begins=zz", "/api/v1/jobs/nothing",
        "/api/v1/alarms/nothing", "/api/v1/nothing", "/api/v1/models/nothing/spec",
        f"{API}/{MODEL}/alarm-rate?since=x", "/api/v1/audit/report?model=press&by=feature:x",
        "/api/v1/audit/events?limit=0", "/api/v1/audit/events?cursor=x",
    ],
)  # fmt: skip
def test_what_cannot_be_looked_at_is_told_in_both(pages: httpx.Client, path: str) -> None:
    reply = pages.get(path, headers={"Accept-Language": "ko"})
    assert reply.status_code in (404, 422)
    told = reply.json()["localized"]
    for sentence in (told["title"], told["detail"], *told["errors"]):
        assert re.search("[가-힣]", sentence), sentence
        assert not is_english(sentence), sentence

"""Who looked at what others asked is a record, before they see it; and what nobody recorded is
shown to nobody as if it had been."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest

from ifonly.service.access import Role
from ifonly.service.audit.recent_accesses import (
    LISTED,
    MOST_REMEMBERED,
    READ,
    SAME_SECONDS,
    RecentAccesses,
)
from ifonly.service.doors.http.access_records import LOOKS
from ifonly.service.doors.http.permissions import ALLOWED, PAGES
from ifonly.service.settings import Settings
from ifonly.service.store import keys
from ifonly.service.store.journal import JournalOptions
from ifonly.service.store.opened import opened
from tests.integration.conftest import serving

MODEL = "/api/v1/models/milling-machine"
SHOWS_NOTHING = {
    "/metrics",
    "/api/v1/models",
    "/api/v1/models/{model}",
    "/api/v1/models/{model}/spec",
    "/api/v1/models/{model}/quality",
    "/api/v1/models/{model}/alarm-rate",
    "/api/v1/models/{model}/differences",
    "/v1/models",
    "/v1/models/{model}",
    "/v2/models/{model}",
    "/v2/models/{model}/config",
    "/v2/models/{model}/ready",
    "/v2/models/{model}/versions/{version}",
    "/v2/models/{model}/versions/{version}/config",
    "/v2/models/{model}/versions/{version}/ready",
    "/api/v1/jobs",
    "/api/v1/jobs/{id}",
    "/api/v1/jobs/{id}/events",
    "/api/v1/audit/verify",
    "/api/v1/events/dead-letters",
    "/api/v1/audit/log/checkpoint",
    "/api/v1/audit/log/consistency",
    "/",
    "/models",
    "/models/{model}",
    "/models/{model}/differences",
    "/readings",
    "/api/v1/staged",
    "/api/v1/staged/{model}/{version}",
    "/models/{model}/staged/{version}",
    "/models/{model}/staged/{version}/explanation",
    "/alarms/events",
    "/alarms/{id}/plane",
}
"""Routes that show models, counts of alarms, how far something is, ids and reasons without
readings, the log's size and hashes, or what was looked at already."""


def test_every_route_that_shows_what_was_recorded_is_recorded() -> None:
    reads = {(method, path) for method, path in (*ALLOWED, *PAGES) if method == "GET"}
    assert {path for _, path in reads - set(LOOKS)} == SHOWS_NOTHING
    assert set(LOOKS) <= set(ALLOWED) | set(PAGES)


def test_the_same_look_within_a_minute_is_the_same_look() -> None:
    looks = RecentAccesses()
    assert looks.is_new("key:a", "GET /records", 100.0)
    assert not looks.is_new("key:a", "GET /records", 100.0 + SAME_SECONDS / 2)
    assert looks.is_new("key:b", "GET /records", 100.0)
    assert looks.is_new("key:a", "GET /records?kind=review", 100.0)
    assert looks.is_new("key:a", "GET /records", 100.0 + SAME_SECONDS)
    looks.forget("key:a", "GET /records")
    assert looks.is_new("key:a", "GET /records", 100.0 + SAME_SECONDS)
    for k in range(MOST_REMEMBERED):
        looks.is_new("key:a", str(k), 0.0)
    assert looks.is_new("key:b", "GET /records", 100.0), "forgotten: recorded once more"


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("looks")


@pytest.fixture(scope="module")
def tokens(folder: Path) -> dict[Role, str]:
    made = {}
    with opened(f"sqlite:///{folder / 'ifonly.sqlite3'}", JournalOptions("test")) as store:
        for role in Role:
            made[role], work = keys.create(role, "", None, "test")
            store.journal.append(work).result()
    return made


@pytest.fixture(scope="module")
def url(repository: Path, folder: Path, tokens: dict[Role, str]) -> Iterator[str]:
    with serving(Settings(models=repository, data=folder), no_auth=False) as served:
        yield served


def client(url: str, token: str) -> httpx.Client:
    headers = {"Authorization": f"Bearer {token}"}
    return httpx.Client(base_url=url, headers=headers, timeout=300, trust_env=False)


@pytest.fixture
def auditor(url: str, tokens: dict[Role, str]) -> Iterator[httpx.Client]:
    with client(url, tokens[Role.AUDITOR]) as api:
        yield api


@pytest.fixture
def operator(url: str, tokens: dict[Role, str]) -> Iterator[httpx.Client]:
    with client(url, tokens[Role.OPERATOR]) as api:
        yield api


@pytest.fixture
def explained(operator: httpx.Client, alarm: dict[str, Any]) -> str:
    reply = operator.post(f"{MODEL}/explanations", json={"instance": alarm})
    return str(reply.json()["id"])


def looks(auditor: httpx.Client, **query: str) -> list[dict[str, Any]]:
    asked = {"kind": "access", "limit": "500", **query}
    found: list[dict[str, Any]] = auditor.get("/api/v1/audit/events", params=asked).json()["events"]
    return found


def actor(token: str) -> str:
    return f"key:{token.split('_')[1]}"


def test_a_look_at_one_record_says_who_and_at_which(
    auditor: httpx.Client, operator: httpx.Client, explained: str, tokens: dict[Role, str]
) -> None:
    assert operator.get(f"/api/v1/explanations/{explained}").status_code == 200
    assert looks(auditor, about=explained) == [], "one's own"
    for path in (f"explanations/{explained}", f"audit/events/{explained}"):
        for _ in range(2):
            assert auditor.get(f"/api/v1/{path}").status_code == 200
    found = looks(auditor, about=explained, actor=actor(tokens[Role.AUDITOR]))
    assert [look["detail"]["by"] for look in found] == [
        "GET /api/v1/audit/events/{id}",
        "GET /api/v1/explanations/{id}",
    ]
    assert {(look["status"], look["role"]) for look in found} == {(READ, "auditor")}


def test_a_list_is_one_record_whatever_it_holds_and_says_what_was_asked(
    auditor: httpx.Client, explained: str
) -> None:
    looks(auditor)  # itself a look, the next one within a minute is the same
    before = len(looks(auditor))
    reply = auditor.get("/api/v1/audit/events", params={"actor": "key:nobody", "limit": 7})
    assert reply.json()["events"] == []
    found = looks(auditor)
    assert len(found) == before + 1
    assert (found[0]["status"], found[0]["detail"]) == (
        LISTED,
        {"by": "GET /api/v1/audit/events"},
    )
    whole = auditor.get(f"/api/v1/audit/events/{found[0]['id']}").json()
    assert whole["request"] == {"query": "actor=key%3Anobody&limit=7"}
    assert auditor.get("/api/v1/audit/verify").json()["holds"] is True


def test_ones_own_sample_shows_what_others_asked(auditor: httpx.Client, explained: str) -> None:
    made = auditor.post("/api/v1/audit/samples", json={"size": 1}).raise_for_status().json()
    looks(auditor)
    before = len(looks(auditor))
    auditor.get(f"/api/v1/audit/samples/{made['id']}").raise_for_status()
    found = looks(auditor)
    assert len(found) == before + 1
    assert (found[0]["status"], found[0]["about"]) == (LISTED, made["id"])


def test_what_is_refused_is_no_look(auditor: httpx.Client, operator: httpx.Client) -> None:
    looks(auditor)
    before = len(looks(auditor))
    assert operator.get("/api/v1/audit/queue").status_code == 403
    assert auditor.get("/api/v1/explanations/nothing").status_code == 404
    assert len(looks(auditor)) == before


def test_a_forged_approval_changes_nothing_over_http(
    auditor: httpx.Client, explained: str, folder: Path
) -> None:
    """As it was done: a row beyond the head, with no hash of its own."""
    copied = (
        "INSERT INTO audit_records SELECT writer, sequence + 1000, previous, hash, NULL, "
        "'00000000-0000-4000-8000-000000000000', 'review', time_us, actor, 'auditor', NULL, id, "
        "'approve', NULL, model, version, NULL, NULL, NULL, NULL, NULL, NULL, NULL, '{}' "
        "FROM audit_records WHERE id = ?"
    )
    forged = "00000000-0000-4000-8000-000000000000"
    with closing(sqlite3.connect(folder / "ifonly.sqlite3", timeout=30)) as connection:
        connection.execute(copied, [explained])
        connection.commit()
        try:
            queue = auditor.get("/api/v1/audit/queue", params={"limit": 500}).json()["waiting"]
            assert explained in [each["event"]["id"] for each in queue]
            (each,) = [each for each in queue if each["event"]["id"] == explained]
            assert each["said"] == {}
            reviews = auditor.get(f"/api/v1/explanations/{explained}/reviews").json()
            assert reviews == {"reviews": []}
            verified = auditor.get("/api/v1/audit/verify").json()
            assert verified["holds"] is False
            (finding,) = verified["findings"]
            assert (finding["trouble"], finding["where"]) == ("forged", "audit_records")
            event = auditor.get(f"/api/v1/audit/events/{forged}").json()["event"]
            assert {f["trouble"] for f in event["findings"]} >= {"forged"}
            page = auditor.get("/api/v1/audit/events", params={"kind": "review"}).json()["events"]
            assert [bool(e.get("findings")) for e in page if e["id"] == forged] == [True]
            alone = auditor.get(f"/api/v1/audit/events/{forged}/verify").json()
            assert alone["holds"] is False
            report = auditor.get("/api/v1/audit/report", params={"model": "milling-machine"})
            assert report.json()["verdicts"]["approved"] == 0
            exported = auditor.get("/api/v1/audit/export", params={"kind": "review"}).text
            assert '"findings":["what stands as record' in exported
        finally:
            connection.execute("DELETE FROM audit_records WHERE id = ?", [forged])
            connection.commit()
    assert auditor.get("/api/v1/audit/verify").json()["holds"] is True


def test_an_explanation_that_was_altered_is_refused_by_name(
    auditor: httpx.Client, operator: httpx.Client, explained: str, folder: Path
) -> None:
    change = "UPDATE audit_records SET seed = seed + ? WHERE id = ?"
    with closing(sqlite3.connect(folder / "ifonly.sqlite3", timeout=30)) as connection:
        connection.execute(change, [1, explained])
        connection.commit()
        refused = operator.get(f"/api/v1/explanations/{explained}")
        connection.execute(change, [-1, explained])
        connection.commit()
    assert refused.status_code == 409
    problem = refused.json()
    assert problem["type"] == "urn:ifonly:problem:not-as-sealed"
    assert [f["where"] for f in problem["findings"]] == ["audit_records"]
    assert "sequence" in problem["detail"]
    assert operator.get(f"/api/v1/explanations/{explained}").status_code == 200

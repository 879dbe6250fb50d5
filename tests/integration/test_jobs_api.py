"""Jobs over HTTP: many rows in, followed, cancelled, read; and a worker that is killed."""

from __future__ import annotations

import gzip
import json
import signal
import time
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest

from ifonly.service.settings import Settings
from ifonly.service.store import archive, jobs
from ifonly.service.store.database import connect
from ifonly.service.store.kinds import RecordKind
from ifonly.service.store.tables import job_rows
from ifonly.service.store.verification import verify
from tests.integration.conftest import serving
from tests.integration.test_faults import process, until, url

__all__ = ["url"]  # a fixture

MILLING = "/api/v1/models/milling-machine/explanations"
PRESS = "/api/v1/models/press/explanations"
LINES = {"Content-Type": "application/jsonl"}
REACH = {"score": {"max": 50.0}}


def lines(*rows: Any) -> bytes:
    return b"".join(json.dumps(row).encode() + b"\n" for row in rows)


def submit(client: httpx.Client, path: str, body: bytes, **headers: str) -> dict[str, Any]:
    reply = client.post(f"{path}/bulk", content=body, headers=LINES | headers)
    assert reply.status_code == 202, reply.text
    job: dict[str, Any] = reply.json()
    assert reply.headers["location"] == job["links"]["self"] == f"/api/v1/jobs/{job['id']}"
    return job


def ended(client: httpx.Client, job: dict[str, Any]) -> dict[str, Any]:
    for _ in range(1_200):
        now: dict[str, Any] = client.get(job["links"]["self"]).raise_for_status().json()
        if now["state"] in ("done", "cancelled"):
            return now
        time.sleep(0.05)
    pytest.fail(f"the job does not end: {now}")


def result(client: httpx.Client, job: dict[str, Any]) -> list[dict[str, Any]]:
    reply = client.get(job["links"]["result"]).raise_for_status()
    assert reply.headers["content-type"] == "application/jsonl"
    return [json.loads(line) for line in reply.text.splitlines()]


def test_each_line_is_answered_as_it_would_be_alone(
    client: httpx.Client, alarm: dict[str, Any]
) -> None:
    wrong = {"instance": alarm | {"torque": "much"}}
    body = lines({"instance": alarm}, wrong) + b'{"instance":\n\n[1]\n'
    job = submit(client, MILLING, body)
    assert (job["state"], job["rows"], job["answered"]) == ("queued", 4, 0)
    assert job["audit"]["durable"] is True
    now = ended(client, job)
    assert (now["state"], now["answered"], now["refused"]) == ("done", 4, 3)
    told = result(client, job)
    # The blank line asks nothing, and has its place.
    assert [line["row"] for line in told] == [0, 1, 2, 4]
    alone = client.post(MILLING, json={"instance": alarm}).json()
    explained = told[0]["explanation"]
    assert explained["counterfactuals"] == alone["counterfactuals"]
    types = [line["problem"]["type"].rpartition(":")[2] for line in told[1:]]
    assert types == ["invalid-instance", "invalid-json", "invalid-request"]
    for line in told:  # each has its record
        told_of = line["explanation"] if "explanation" in line else line["problem"]
        assert told_of["audit"]["sequence"] > 0
    again = client.get(f"/api/v1/explanations/{explained['id']}").json()
    assert again["explanation"]["counterfactuals"] == explained["counterfactuals"]


def test_an_explanation_may_be_asked_for_later(client: httpx.Client, alarm: dict[str, Any]) -> None:
    for prefer in ("respond-async", "wait=5, Respond-Async; x=1"):
        reply = client.post(MILLING, json={"instance": alarm}, headers={"Prefer": prefer})
        assert reply.status_code == 202
        assert reply.headers["preference-applied"] == "respond-async"
        job = reply.json()
        ended(client, job)
        (line,) = result(client, job)
        assert line["explanation"]["counterfactuals"]
    reply = client.post(MILLING, json={"instance": alarm}, headers={"Prefer": "return=minimal"})
    assert reply.status_code == 200
    wrong = client.post(MILLING, json={"instance": 1}, headers={"Prefer": "respond-async"})
    assert wrong.status_code == 422  # what is no question at all is no job


def events(client: httpx.Client, job: dict[str, Any]) -> list[tuple[str, dict[str, Any]]]:
    with client.stream("GET", job["links"]["events"]) as reply:
        assert reply.headers["content-type"].startswith("text/event-stream")
        text = "".join(reply.iter_text())
    found = []
    for block in text.strip().split("\n\n"):
        name, data = block.split("\n")
        found.append((name.removeprefix("event: "), json.loads(data.removeprefix("data: "))))
    return found


def test_progress_is_told_until_the_end(client: httpx.Client, alarm: dict[str, Any]) -> None:
    job = submit(client, MILLING, lines(*[{"instance": alarm}] * 20))
    told = events(client, job)
    assert told[-1][0] == "done"
    assert told[-1][1]["answered"] == 20
    counts = [data["answered"] for _, data in told]
    assert counts == sorted(counts)
    assert [name for name, _ in events(client, job)] == ["done"]


@pytest.fixture
def idle(press: Path) -> Iterator[httpx.Client]:
    """A service whose jobs nobody answers, with small limits."""
    settings = Settings(
        models=press,
        job_threads=0,
        max_job_rows=5,
        max_waiting_rows=8,
        max_body_bytes=400,
        max_job_bytes=2_000,
    )
    with (
        serving(settings) as base,
        httpx.Client(base_url=base, timeout=300, trust_env=False) as client,
    ):
        yield client


ROW = {"instance": {"pressure": 10.0, "speed": 100}}


def test_a_job_can_be_cancelled_once(idle: httpx.Client) -> None:
    job = submit(idle, PRESS, lines(ROW, ROW))
    waits = idle.get(job["links"]["result"])
    assert waits.status_code == 409
    assert waits.json()["type"] == "urn:ifonly:problem:job-not-finished"
    cancelled = idle.delete(job["links"]["self"])
    assert (cancelled.status_code, cancelled.json()["state"]) == (200, "cancelled")
    assert result(idle, job) == []
    assert idle.delete(job["links"]["self"]).status_code == 404
    assert [name for name, _ in events(idle, job)] == ["cancelled"]
    trail = idle.get("/api/v1/audit/events", params={"kind": "job"}).json()["events"]
    assert [record["status"] for record in trail] == ["cancelled", "queued"]


def test_too_much_at_once_is_refused(idle: httpx.Client) -> None:
    def refused(body: bytes, **headers: str) -> tuple[int, str, str | None]:
        reply = idle.post(f"{PRESS}/bulk", content=body, headers=LINES | headers)
        slug = reply.json()["type"].rpartition(":")[2]
        return reply.status_code, slug, reply.headers.get("retry-after")

    assert refused(lines(*[ROW] * 6)) == (413, "too-many-rows", None)
    assert refused(lines(ROW) * 5 + b" " * 2_000) == (413, "body-too-large", None)
    assert refused(lines(ROW | {"x": "y" * 500})) == (413, "body-too-large", None)
    bomb = gzip.compress(b" " * 10_000_000)
    assert refused(bomb[:1_900], **{"Content-Encoding": "gzip"})[:2] == (413, "body-too-large")
    assert refused(b"\n \n")[:2] == (400, "invalid-json")
    wrong = idle.post(f"{PRESS}/bulk", content=lines(ROW))
    assert wrong.status_code == 415
    submit(idle, PRESS, gzip.compress(lines(*[ROW] * 5)), **{"Content-Encoding": "gzip"})
    assert refused(lines(*[ROW] * 4)) == (503, "queue-full", "5")
    submit(idle, PRESS, lines(ROW, ROW, ROW))


def test_a_service_that_is_stopped_hands_back_what_it_has_not_answered(
    press: Path, tmp_path: Path
) -> None:
    """Slow rows (as many alternatives as there may be) so that it is stopped in their midst."""
    settings = Settings.model_validate(
        {"models": press, "database_url": f"sqlite:///{tmp_path / 'store.sqlite3'}"}
    )
    body = lines(*[ROW | {"target": REACH, "deadline_ms": 60_000, "alternatives": 3}] * 200)
    with (
        serving(settings) as base,
        httpx.Client(base_url=base, timeout=300, trust_env=False) as client,
    ):
        job = submit(client, PRESS, body)
        until(lambda: client.get(job["links"]["self"]).json()["state"] != "queued")
    with closing(connect(settings.store_url)) as database, database.reading() as connection:
        open_rows = job_rows.select().where(job_rows.c.record.is_(None))
        for row in connection.execute(open_rows):
            assert (row.worker, row.leased_until_us, row.attempts) == ("", 0, 0)
    with (
        serving(settings) as base,
        httpx.Client(base_url=base, timeout=300, trust_env=False) as client,
    ):
        assert ended(client, job)["answered"] == 200
        assert [line["row"] for line in result(client, job)] == list(range(200))


@pytest.mark.slow
def test_a_worker_that_is_killed_loses_no_row_and_answers_none_twice(
    press: Path, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("IFONLY_JOB_LEASE_SECONDS", "1")
    rows = 300
    body = lines(*[ROW | {"target": REACH}] * rows)
    with process(press, url) as (service, base), httpx.Client(base_url=base) as client:
        job = submit(client, PRESS, body)
        until(lambda: client.get(job["links"]["self"]).json()["answered"] > 0)
        service.send_signal(signal.SIGKILL)
        service.wait()
    with closing(connect(url)) as database:
        left = jobs.find(database, job["id"])
        assert 0 < left.answered < rows, "it was to be killed in the midst"
    settings = Settings.model_validate({"models": press, "database_url": url, "job_threads": 2})
    with (
        serving(settings) as base,
        httpx.Client(base_url=base, timeout=300, trust_env=False) as client,
    ):
        assert ended(client, job)["answered"] == rows
        told = result(client, job)
    assert [line["row"] for line in told] == list(range(rows))
    with closing(connect(url)) as database:
        assert verify(database).holds
        wanted = archive.Filter({"about": job["id"]})
        kinds = [s.record.facts.kind for s in archive.everything(database, wanted)]
    assert kinds.count(RecordKind.JOB) == 1
    assert len(kinds) == rows + 1

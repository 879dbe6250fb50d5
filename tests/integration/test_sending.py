"""Explained alarms for a sink, and ends of jobs for webhooks: at least once, whoever is killed."""

from __future__ import annotations

import base64
import hashlib
import hmac
import json
import signal
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest
from typer.testing import CliRunner

from ifonly.service.doors.cli.commands import app
from ifonly.service.sending import sender
from ifonly.service.settings import Settings
from ifonly.service.store import inbox, outbox
from ifonly.service.store.database import connect
from ifonly.service.store.verification import verify
from tests.integration.conftest import serving
from tests.integration.test_events import LARGE, MEDIUM, sorter
from tests.integration.test_faults import process, until, url
from tests.support import logged
from tests.support.pages import Page
from tests.support.receiver import Receiver, receiving, waiting_until

__all__ = ["sorter", "url"]  # fixtures

SECRET = b"0123456789abcdef0123456789abcdef"
WHSEC = f"whsec_{base64.b64encode(SECRET).decode()}"
LINES = {"Content-Type": "application/jsonl"}
BULK = "/api/v1/models/sorter/explanations/bulk"


def body(*rows: Any) -> bytes:
    return b"".join(json.dumps({"instance": row}).encode() + b"\n" for row in rows)


def alarm(api: httpx.Client, identity: str, *rows: Any, **more: str) -> None:
    words = ["large" if row == LARGE or row == [1] else "medium" for row in rows]
    for half, content in logged.v1(list(rows), words):
        head = logged.headers(half, identity, "sorter", **more)
        assert api.post("/", content=content, headers=head).status_code == 202


@pytest.fixture(autouse=True)
def waits_are_short(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sender, "FIRST_WAIT_SECONDS", 0.01)


@pytest.fixture(scope="module")
def sink() -> Iterator[Receiver]:
    with receiving() as receiver:
        yield receiver


@pytest.fixture(scope="module")
def store(tmp_path_factory: pytest.TempPathFactory) -> str:
    return f"sqlite:///{tmp_path_factory.mktemp('store') / 'store.sqlite3'}"


@pytest.fixture(scope="module")
def api(sorter: Path, sink: Receiver, store: str) -> Iterator[httpx.Client]:
    settings = Settings.model_validate(
        {
            "models": sorter,
            "database_url": store,
            "event_sink": f"{sink.url}/told",
            "event_attempts": 3,
            "webhook_hosts": f"hooks.example, {sink.url}",
            "webhook_secret": WHSEC,
            "public_url": "https://ifonly.plant.example",
        }
    )
    with serving(settings) as base, httpx.Client(base_url=base, timeout=60, trust_env=False) as api:
        yield api


@pytest.fixture(autouse=True)
def forgetful(sink: Receiver) -> None:
    sink.told.clear()
    sink.answers.clear()
    sink.then = (204, {})


def test_each_explained_alarm_is_told_to_the_sink(api: httpx.Client, sink: Receiver) -> None:
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    alarm(api, "told-1", MEDIUM, LARGE, [1], **{"Ce-Traceparent": trace})
    told = sink.until(2)
    assert {each.path for each in told} == {"/told"}
    kind = "application/cloudevents+json; charset=utf-8"
    assert {each.headers["content-type"] for each in told} == {kind}
    by_row = {
        event["data"]["request"]["row"]: event for event in (json.loads(t.body) for t in told)
    }
    event, wrong = by_row[1], by_row[2]
    assert event["specversion"] == "1.0"
    assert event["type"] == "ifonly.inference.explanation"
    assert event["source"] == "https://ifonly.plant.example"
    assert (event["requestid"], event["traceparent"]) == ("told-1", trace)
    assert (event["inferenceservicename"], event["namespace"]) == ("sorter", "line-a")
    assert event["data"]["request"]["instance"] == LARGE
    assert event["data"]["prediction"] == "large"
    record = event["data"]["record"]["id"]
    kept = api.get(f"/api/v1/explanations/{record}").json()["explanation"]
    assert event["data"]["explanation"] == {k: v for k, v in kept.items() if k != "audit"}
    assert event["subject"] == record
    # A row that cannot be explained is told, too.
    assert wrong["type"] == "ifonly.inference.explanation.refused"
    assert wrong["data"]["problem"]["type"] == "urn:ifonly:problem:invalid-request"
    assert wrong["id"] != event["id"]


def test_what_fails_is_sent_again_under_the_same_id(api: httpx.Client, sink: Receiver) -> None:
    sink.answers = [(503, {"Retry-After": "0"}), (404, {})]
    trace = "00-0af7651916cd43dd8448eb211c80319c-b7ad6b7169203331-01"
    alarm(api, "told-2", LARGE, **{"Ce-Metadata": json.dumps({"Traceparent": [trace]})})
    told = sink.until(3)
    assert len({each.body for each in told}) == 1
    assert json.loads(told[0].body)["traceparent"] == trace  # of the headers that KServe logs
    waiting_until(lambda: "ifonly_waiting_messages 0.0" in api.get("/metrics").text)


def dead(store: str) -> list[outbox.Message]:
    with closing(connect(store)) as database:
        return outbox.dead(database)


def test_what_is_refused_for_good_or_too_often_is_kept_as_a_dead_letter(
    api: httpx.Client, sink: Receiver, store: str
) -> None:
    sink.then = (500, {})
    alarm(api, "told-3", LARGE)
    waiting_until(lambda: len(dead(store)) == 1)
    assert len(sink.told) == 3  # IFONLY_EVENT_ATTEMPTS
    sink.then = (422, {})
    alarm(api, "told-4", LARGE)
    waiting_until(lambda: len(dead(store)) == 2)
    assert len(sink.told) == 4  # the receiver has read it, and would say so again
    told = api.get("/api/v1/events/dead-letters").json()
    assert [each["reason"] for each in told["letters"]] == ["answered 500", "answered 422"]
    assert [each["kind"] for each in told["letters"]] == ["explanation"] * 2
    assert "ifonly_dead_letters 2.0" in api.get("/metrics").text
    first, second = (each["id"] for each in told["letters"])
    sink.then = (204, {})
    assert api.post(f"/api/v1/events/dead-letters/{first}/retry").status_code == 204
    assert json.loads(sink.until(5)[4].body)["id"] == first
    assert api.delete(f"/api/v1/events/dead-letters/{second}").status_code == 204
    assert api.delete(f"/api/v1/events/dead-letters/{second}").status_code == 404
    waiting_until(lambda: api.get("/api/v1/events/dead-letters").json()["total"] == 0)


def test_a_pair_of_which_nothing_can_be_made_is_a_dead_letter_until_somebody_sees_to_it(
    api: httpx.Client, store: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    for k, request in enumerate((b"[", b'{"instances": []}', b'{"instances": ["x"]}')):
        for half, content in (("request", request), ("response", b"{}")):
            head = logged.headers(half, f"unread-{k}", "sorter")
            assert api.post("/", content=content, headers=head).status_code == 202
    waiting_until(lambda: api.get("/api/v1/events/dead-letters").json()["total"] == 3)
    told = {
        each["about"]: each for each in api.get("/api/v1/events/dead-letters").json()["letters"]
    }
    assert told["unread-0"]["reason"] == "a body is no JSON"
    assert "list of 1 to 1000 rows" in told["unread-1"]["reason"]
    assert "neither the response nor the row" in told["unread-2"]["reason"]
    monkeypatch.setenv("IFONLY_DATABASE_URL", store)
    listed = json.loads(CliRunner().invoke(app, ["events", "list", "--json"]).stdout)
    assert {each["about"] for each in listed} == set(told)
    assert CliRunner().invoke(app, ["events", "retry", told["unread-0"]["id"]]).exit_code == 0
    waiting_until(lambda: api.get("/api/v1/events/dead-letters").json()["total"] == 3)
    assert CliRunner().invoke(app, ["events", "discard"]).exit_code == 1
    done = CliRunner().invoke(app, ["events", "discard", "--all"])
    assert done.stdout.strip() == "3 removed"
    assert api.get("/api/v1/events/dead-letters").json() == {"letters": [], "total": 0}


def test_the_end_of_a_job_is_told_and_signed(api: httpx.Client, sink: Receiver) -> None:
    hook = {"webhook": f"{sink.url}/hook?of=plant"}
    jobs = [
        api.post(BULK, content=body(*rows), headers=LINES, params=hook).json()
        for rows in ([LARGE, [1]], [[1], [2]])
    ]
    asked: dict[str, Any] = {"json": {"instance": LARGE}, "headers": {"Prefer": "respond-async"}}
    jobs.append(api.post("/api/v1/models/sorter/explanations", params=hook, **asked).json())
    told = sink.until(3)
    verified: dict[str, Any] = {}
    exec(Page("events.md").of("python")[0], verified)
    found = {}
    for each in told:
        assert verified["is_ours"](each.headers, each.body, WHSEC)
        assert not verified["is_ours"](each.headers, each.body + b" ", WHSEC)
        assert not verified["is_ours"](each.headers, each.body, f"whsec_{'A' * 32}")
        old = {**each.headers, "webhook-timestamp": "1700000000"}
        assert not verified["is_ours"](old, each.body, WHSEC)
        said = json.loads(each.body)
        found[said["data"]["id"]] = said
        assert each.path == "/hook?of=plant"
        parts = (each.headers["webhook-id"], each.headers["webhook-timestamp"])
        signed = ".".join(parts).encode() + b"." + each.body
        code = base64.b64encode(hmac.new(SECRET, signed, hashlib.sha256).digest()).decode()
        assert each.headers["webhook-signature"] == f"v1,{code}"
    types = [found[job["id"]]["type"] for job in jobs]
    assert types == ["job.done", "job.failed", "job.done"]
    assert found[jobs[0]["id"]]["data"]["answered"] == 2
    assert len({each.headers["webhook-id"] for each in told}) == 3


@pytest.mark.parametrize(
    "hook",
    [
        "http://169.254.169.254/latest/meta-data",
        "https://hooks.example.evil.example/",
        "https://hooks.example@127.0.0.1/",
        "http://hooks.example/",
        "https://hooks.example:8443/",
        "https://hooks.example/#x",
        "file:///etc/passwd",
        "//hooks.example/",
        "https://[::1",
    ],
)
def test_a_webhook_to_any_other_host_is_refused(api: httpx.Client, hook: str) -> None:
    reply = api.post(BULK, content=body(LARGE), headers=LINES, params={"webhook": hook})
    assert reply.status_code == 422, reply.text
    assert reply.json()["errors"][0]["parameter"] == "webhook"


def test_a_webhook_that_may_not_be_sent_there_any_more_is_a_dead_letter(
    sorter: Path, sink: Receiver, tmp_path: Path
) -> None:
    store = f"sqlite:///{tmp_path / 'store.sqlite3'}"
    told = {"models": sorter, "database_url": store, "webhook_secret": WHSEC}
    allowing = Settings.model_validate(told | {"webhook_hosts": sink.url, "job_threads": 0})
    with serving(allowing) as base, httpx.Client(base_url=base, timeout=60) as api:
        reply = api.post(BULK, content=body([1]), headers=LINES, params={"webhook": sink.url})
        assert reply.status_code == 202
    with serving(Settings.model_validate(told | {"webhook_hosts": "hooks.example"})):
        waiting_until(lambda: len(dead(store)) == 1)
    assert "not among the hosts" in (dead(store)[0].reason or "")
    assert sink.told == []


def test_a_webhook_without_a_job_is_refused(api: httpx.Client, sink: Receiver) -> None:
    asked = {"webhook": sink.url}
    reply = api.post("/api/v1/models/sorter/explanations", params=asked, json={"instance": LARGE})
    assert (reply.status_code, "respond-async" in reply.text) == (422, True)


@pytest.mark.slow
@pytest.mark.parametrize(
    "url", ["sqlite", pytest.param("postgresql", marks=pytest.mark.long)], indirect=True
)
def test_a_service_that_is_killed_between_explaining_and_sending_loses_no_message(
    sorter: Path, url: str
) -> None:
    """Killed twice: before its joined events are looked at, and with answers not told yet."""
    with receiving() as sink:
        told = {"IFONLY_EVENT_SINK": sink.url, "IFONLY_WEBHOOK_HOSTS": sink.url}
        told |= {"IFONLY_WEBHOOK_SECRET": WHSEC, "IFONLY_JOB_LEASE_SECONDS": "1"}
        away = told | {"IFONLY_EVENT_SINK": "http://127.0.0.1:9/"}
        with process(sorter, url, IFONLY_JOB_THREADS="0", **away) as (service, base):
            with httpx.Client(base_url=base, timeout=60, trust_env=False) as api:
                for k in range(5):
                    alarm(api, f"killed-{k}", LARGE)
            service.send_signal(signal.SIGKILL)
        with closing(connect(url)) as database:
            assert inbox.count(database, inbox.PairState.JOINED) == 5
        with process(sorter, url, **away) as (service, base):
            with httpx.Client(base_url=base, timeout=60, trust_env=False) as api:
                api.post(BULK, content=body(LARGE), headers=LINES, params={"webhook": sink.url})
            with closing(connect(url)) as database:
                until(lambda: outbox.count(database, outbox.MessageState.AWAITED) == 0)
                until(lambda: outbox.count(database, outbox.MessageState.QUEUED) >= 5)
            service.send_signal(signal.SIGKILL)
        with process(sorter, url, **told):
            received = sink.until(6)
        ids = {json.loads(each.body).get("requestid") for each in received}
        assert ids >= {f"killed-{k}" for k in range(5)}
    with closing(connect(url)) as database:
        assert verify(database).holds

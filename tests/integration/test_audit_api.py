"""What is asked and answered over HTTP is in the trail, word for word, before the reply leaves."""

from __future__ import annotations

import json
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from ifonly.service.settings import Settings
from ifonly.service.store import archive
from ifonly.service.store.chain import Payload
from ifonly.service.store.database import Database, connect
from ifonly.service.store.kinds import RecordKind
from ifonly.service.store.tables import payloads, records
from ifonly.service.store.verification import verify
from tests.integration.conftest import serving
from tests.integration.test_faults import ASK, BODY
from tests.support.postgres import Server
from tests.support.replies import same_for_all

MODEL = "/api/v1/models/milling-machine"


@pytest.fixture(scope="module", params=["sqlite", "postgresql"])
def url(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path_factory.mktemp('store') / 'store.sqlite3'}"
    server: Server = request.getfixturevalue("postgres_server")
    return server.new_database()


@pytest.fixture(scope="module")
def api(repository: Path, url: str) -> Iterator[httpx.Client]:
    settings = Settings.model_validate({"models": repository, "database_url": url, "workers": 2})
    with (
        serving(settings) as base,
        httpx.Client(base_url=base, timeout=300, trust_env=False) as api,
    ):
        yield api


@pytest.fixture(scope="module")
def database(url: str, api: httpx.Client) -> Iterator[Database]:
    database = connect(url)
    yield database
    database.close()


@pytest.fixture
def explained(api: httpx.Client, alarm: dict[str, Any]) -> dict[str, Any]:
    reply = api.post(f"{MODEL}/explanations", json={"instance": alarm, "alternatives": 2})
    assert reply.status_code == 200, reply.text
    body: dict[str, Any] = reply.json()
    return body


def kept(database: Database, identity: str) -> tuple[Any, dict[str, Any]]:
    record, payload = archive.get(database, identity)
    assert isinstance(payload, Payload)
    return record, json.loads(payload.content)


# --- questions ----------------------------------------------------------------------------


def test_a_reply_names_its_record_which_holds_it_word_for_word(
    api: httpx.Client, database: Database, alarm: dict[str, Any]
) -> None:
    asked: dict[str, dict[str, Any]] = {
        "predictions": {"instances": [alarm]},
        "what-if": {"instance": alarm, "set": {"torque": 40.0}, "languages": ["ko"]},
        "explanations": {"instance": alarm, "seed": 7, "languages": ["en", "ko"]},
    }
    for path, body in asked.items():
        sent = api.post(f"{MODEL}/{path}", json=body, headers={"X-Request-ID": f"ask-{path}"})
        reply = sent.json()
        audit = reply.pop("audit")
        record, content = kept(database, audit["id"])
        assert content == {"answer": reply, "request": body}
        assert (record.writer, record.sequence, record.hash) == (
            audit["writer"],
            audit["sequence"],
            audit["hash"],
        )
        assert audit["durable"] is True
        assert audit["id"] == reply.get("id", audit["id"])
        facts = record.facts
        assert facts.kind.value.replace("_", "-") == path.removesuffix("s")
        assert (facts.actor, facts.role) == ("anonymous", None)
        assert facts.request_id == f"ask-{path}"
        assert facts.model_sha256 == reply["provenance"]["model_sha256"]
        assert facts.spec_sha256 == reply["provenance"]["spec_sha256"]
        assert facts.causal_sha256 == reply["provenance"]["causal_sha256"]
        assert facts.latency_us > 0
    assert (facts.status, facts.seed, facts.languages) == (reply["status"], 7, "en,ko")
    suggested = {
        "sets": [["torque", "-"]],
        "cost": round(reply["counterfactuals"][0]["cost"] * 1e6),
        "robust": 1,
    }
    work = same_for_all(reply)["work"]
    assert facts.detail == work | {"gap_ppm": 0, "suggestion": suggested}


def test_a_refusal_is_recorded_and_says_where(
    api: httpx.Client, database: Database, alarm: dict[str, Any]
) -> None:
    bodies = {
        "invalid-instance": json.dumps({"instance": {"torque": 1}}),
        "invalid-request": json.dumps({"instance": alarm, "colour": 1}),
        "target-already-met": json.dumps({"instance": alarm, "target": {"class": "failure"}}),
        "invalid-json": "{",
    }
    for slug, body in bodies.items():
        reply = api.post(
            f"{MODEL}/explanations", content=body, headers={"Content-Type": "application/json"}
        )
        problem = reply.json()
        assert problem["type"].endswith(slug)
        audit = problem.pop("audit")
        record, content = kept(database, audit["id"])
        assert (record.facts.kind, record.facts.status) == ("refusal", slug)
        assert record.facts.detail == {"asked": "explanations"}
        assert content["answer"] == problem
        is_json = slug != "invalid-json"
        assert content["request"] == (json.loads(body) if is_json else {"unreadable_bytes": 1})


def test_a_failure_is_recorded(api: httpx.Client, database: Database) -> None:
    path = "/api/v1/models/brittle/predictions"
    reply = api.post(path, json={"instance": {"level": 50.0}})
    assert reply.status_code == 500
    record, _ = kept(database, reply.json()["audit"]["id"])
    assert (record.facts.kind, record.facts.status) == ("failure", "score-not-finite")
    assert record.facts.model == "brittle"


def test_what_is_about_no_model_is_not_recorded(api: httpx.Client, database: Database) -> None:
    with database.reading() as connection:
        before = connection.scalar(sa.select(sa.func.count()).select_from(records))
    assert api.post("/api/v1/models/none/predictions", json={}).status_code == 422
    known = {"instance": {"torque": 1}}
    assert api.post("/api/v1/models/none/predictions", json=known).status_code == 404
    assert api.get(MODEL).status_code == 200
    assert api.get("/nothing").status_code == 404
    with database.reading() as connection:
        assert connection.scalar(sa.select(sa.func.count()).select_from(records)) == before


def test_records_of_many_questions_at_once_are_one_chain_that_holds(
    api: httpx.Client, database: Database, alarm: dict[str, Any]
) -> None:
    def ask(k: int) -> dict[str, Any]:
        body = {"instance": alarm | {"torque": 50 + k / 10}}
        audit: dict[str, Any] = api.post(f"{MODEL}/predictions", json=body).json()["audit"]
        return audit

    with ThreadPoolExecutor(8) as pool:
        audits = list(pool.map(ask, range(60)))
    assert len({a["sequence"] for a in audits}) == 60
    assert len({a["writer"] for a in audits}) == 1
    assert verify(database).holds
    assert api.get("/api/v1/audit/verify").json()["holds"] is True


def test_eventual_durability_answers_first_and_says_so(press: Path, tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'store.sqlite3'}"
    given = {"models": press, "database_url": url, "audit_durability": "eventual"}
    with serving(Settings.model_validate(given)) as base:
        audit = httpx.post(f"{base}{ASK}", json=BODY, timeout=300, trust_env=False).json()["audit"]
    assert audit["durable"] is False
    assert audit.keys() == {"id", "writer", "durable"}
    database = connect(url)
    record, _ = archive.get(database, audit["id"])  # written by the time the service has ended
    database.close()
    assert record.writer == audit["writer"]


# --- explanations and reviews -------------------------------------------------------------


def test_an_explanation_can_be_read_again_as_it_was_given(
    api: httpx.Client, explained: dict[str, Any], alarm: dict[str, Any]
) -> None:
    again = api.get(f"/api/v1/explanations/{explained['id']}").json()
    assert again["explanation"] == explained
    assert again["request"] == {"instance": alarm, "alternatives": 2}
    assert again["reviews"] == []


def test_reviews_are_chained_records_shown_with_the_explanation(
    api: httpx.Client, database: Database, explained: dict[str, Any]
) -> None:
    path = f"/api/v1/explanations/{explained['id']}/reviews"
    said: list[dict[str, Any]] = [
        {"verdict": "approve"},
        {"verdict": "reject", "rank": 2, "comment": "이 공구는 바꿀 수 없습니다"},
        {"verdict": "comment", "comment": "seen"},
        {"verdict": "acted", "rank": 1, "outcome": "as_predicted"},
        {"verdict": "not_acted"},
    ]
    posted = []
    for body in said:
        reply = api.post(path, json=body)
        assert reply.status_code == 201, reply.text
        posted.append(reply.json())
        assert body.items() <= posted[-1].items()
        assert posted[-1]["by"] == "anonymous"
    assert api.get(path).json()["reviews"] == posted
    again = api.get(f"/api/v1/explanations/{explained['id']}").json()
    assert again["reviews"] == posted
    found = archive.about(database, explained["id"], RecordKind.REVIEW)
    assert [r.hash for r, _ in found] == [p["audit"]["hash"] for p in posted]


@pytest.mark.parametrize(
    ("body", "words"),
    [
        ({"verdict": "acted"}, "outcome"),
        ({"verdict": "approve", "outcome": "not_known"}, "outcome"),
        ({"verdict": "comment"}, "needs a comment"),
        ({"verdict": "approve", "rank": 9}, "2 counterfactuals"),
        ({"verdict": "perhaps"}, "verdict"),
        ({}, "verdict"),
    ],
)
def test_a_review_that_says_nothing_or_too_much_is_refused(
    api: httpx.Client, explained: dict[str, Any], body: dict[str, Any], words: str
) -> None:
    reply = api.post(f"/api/v1/explanations/{explained['id']}/reviews", json=body)
    assert reply.status_code == 422
    assert words in reply.json()["detail"]


def test_what_is_no_explanation_is_not_found_as_one(
    api: httpx.Client, alarm: dict[str, Any]
) -> None:
    audit = api.post(f"{MODEL}/predictions", json={"instance": alarm}).json()["audit"]
    for identity in (audit["id"], "nothing"):
        for path in (
            f"/api/v1/explanations/{identity}",
            f"/api/v1/explanations/{identity}/reviews",
        ):
            reply = api.get(path)
            assert reply.status_code == 404
            assert reply.json()["type"] == "urn:ifonly:problem:unknown-record"


def test_an_erased_explanation_is_gone_and_its_record_is_not(
    api: httpx.Client, database: Database, explained: dict[str, Any]
) -> None:
    record, _ = archive.get(database, explained["id"])
    with database.writer.begin() as connection:
        here = sa.and_(payloads.c.writer == record.writer, payloads.c.sequence == record.sequence)
        row = connection.execute(sa.select(payloads).where(here)).one()._mapping
        connection.execute(sa.delete(payloads).where(here))
    reply = api.get(f"/api/v1/explanations/{explained['id']}")
    assert (reply.status_code, reply.json()["type"]) == (410, "urn:ifonly:problem:erased")
    assert api.get(f"/api/v1/explanations/{explained['id']}/reviews").status_code == 200
    with database.writer.begin() as connection:
        connection.execute(sa.insert(payloads).values(**row))


# --- the trail ----------------------------------------------------------------------------


def test_events_come_in_pages_by_filter_the_newest_first(
    api: httpx.Client, explained: dict[str, Any]
) -> None:
    path = f"/api/v1/explanations/{explained['id']}/reviews"
    ids = [api.post(path, json={"verdict": "approve"}).json()["id"] for _ in range(3)]
    query = {"kind": "review", "about": explained["id"], "limit": "2"}
    first = api.get("/api/v1/audit/events", params=query).json()
    second = api.get("/api/v1/audit/events", params=query | {"cursor": first["next"]}).json()
    assert [e["id"] for e in first["events"] + second["events"]] == ids[::-1]
    assert second["next"] is None
    (event,) = second["events"]
    assert (event["status"], event["actor"], event["format"]) == ("approve", "anonymous", 1)
    assert "seed" not in event
    times = {"since": event["time"], "until": first["events"][0]["time"]}
    between = api.get("/api/v1/audit/events", params=query | times).json()
    assert [e["id"] for e in between["events"]] == ids[1::-1]


def test_an_event_is_found_by_its_language_and_how_its_id_begins(
    api: httpx.Client, alarm: dict[str, Any]
) -> None:
    body = {"instance": alarm, "languages": ["ko"]}
    made = api.post(f"{MODEL}/explanations", json=body).json()["id"]
    query = {"begins": made[:13], "language": "ko", "kind": "explanation"}
    found = api.get("/api/v1/audit/events", params=query).json()["events"]
    assert [e["id"] for e in found] == [made]
    other = api.get("/api/v1/audit/events", params=query | {"language": "en"}).json()["events"]
    assert other == []


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ({"limit": "501"}, "limit"),
        ({"since": "yesterday"}, "since"),
        ({"until": "2026-01-01T00:00:00"}, "until"),
        ({"cursor": "x"}, "cursor"),
        ({"kind": "rumour"}, "kind"),
        ({"colour": "red"}, "colour"),
        ({"begins": "1a2"}, "begins"),
        ({"begins": "%"}, "begins"),
        ({"language": "fr"}, "language"),
    ],
)
def test_a_query_that_means_nothing_is_refused(
    api: httpx.Client, query: dict[str, str], words: str
) -> None:
    reply = api.get("/api/v1/audit/events", params=query)
    assert reply.status_code == 422
    assert reply.json()["errors"][0]["parameter"] == words


def test_the_trail_is_exported_as_lines_and_as_parquet(api: httpx.Client) -> None:
    lines = api.get("/api/v1/audit/export", params={"kind": "explanation"})
    assert lines.headers["content-type"] == "application/jsonl"
    exported = [json.loads(line) for line in lines.text.splitlines()]
    assert exported
    assert {line["kind"] for line in exported} == {"explanation"}
    assert all(json.loads(line["payload"])["answer"]["id"] == line["id"] for line in exported)
    pytest.importorskip("pyarrow")
    table = api.get("/api/v1/audit/export", params={"format": "parquet"})
    assert table.content[:4] == table.content[-4:] == b"PAR1"


# --- one record ---------------------------------------------------------------------------


def test_one_record_is_shown_whole(
    api: httpx.Client, explained: dict[str, Any], alarm: dict[str, Any]
) -> None:
    path = f"/api/v1/explanations/{explained['id']}/reviews"
    said = api.post(path, json={"verdict": "approve", "comment": "<b>좋음</b>"}).json()
    shown = api.get(f"/api/v1/audit/events/{explained['id']}").json()
    assert shown["event"]["hash"] == explained["audit"]["hash"]
    assert shown["request"] == {"instance": alarm, "alternatives": 2}
    assert shown["answer"] == {k: v for k, v in explained.items() if k != "audit"}
    assert shown["content"] == "kept"
    assert shown["reviews"] == [said]
    after = api.get(f"/api/v1/audit/events/{shown['after']}").json()
    assert after["before"] == explained["id"]
    assert after["event"]["previous"] == explained["audit"]["hash"]
    words = " ".join(text["en"] for text in shown["claim"])
    proven = [found for found in explained["counterfactuals"] if found["gap"] == 0]
    assert words.count("gap 0") == len(proven)
    assert all(text["ko"] for text in shown["claim"])


def test_one_record_is_verified_in_its_chain(
    api: httpx.Client, database: Database, explained: dict[str, Any]
) -> None:
    path = f"/api/v1/audit/events/{explained['id']}/verify"
    found = api.get(path).json()
    assert found["holds"] is True
    place = explained["audit"]["sequence"]
    assert found["since"]["sequence"] < place <= found["until"]["sequence"]
    here = sa.and_(records.c.writer == explained["audit"]["writer"], records.c.sequence == place)
    with database.writer.begin() as connection:
        connection.execute(sa.update(records).where(here).values(status="infeasible"))
    found = api.get(path).json()
    with database.writer.begin() as connection:
        connection.execute(sa.update(records).where(here).values(status=explained["status"]))
    assert found["holds"] is False
    assert [(f["sequence"], f["trouble"]) for f in found["findings"]] == [(place, "altered")]


def test_one_record_is_asked_again(
    api: httpx.Client, database: Database, explained: dict[str, Any]
) -> None:
    path = f"/api/v1/audit/events/{explained['id']}/replay"
    came = api.post(path).json()
    assert (came["same"], came["changes"]) == (True, [])
    record, _ = archive.get(database, explained["id"])
    here = sa.and_(payloads.c.writer == record.writer, payloads.c.sequence == record.sequence)
    with database.reading() as connection:
        content = connection.execute(sa.select(payloads.c.content).where(here)).scalar_one()
    lie = bytes(content).replace(b'"verified":true', b'"verified":null', 1)
    with database.writer.begin() as connection:
        connection.execute(sa.update(payloads).where(here).values(content=lie))
    came = api.post(path).json()
    with database.writer.begin() as connection:
        connection.execute(sa.update(payloads).where(here).values(content=bytes(content)))
    assert came["same"] is False
    assert came["changes"] == [{"pointer": "/counterfactuals/0/verified", "was": None, "now": True}]


def test_what_was_no_question_is_not_asked_again(
    api: httpx.Client, explained: dict[str, Any]
) -> None:
    path = f"/api/v1/explanations/{explained['id']}/reviews"
    review = api.post(path, json={"verdict": "approve", "comment": "seen"}).json()
    reply = api.post(f"/api/v1/audit/events/{review['id']}/replay")
    assert (reply.status_code, reply.json()["type"]) == (409, "urn:ifonly:problem:cannot-replay")
    for path in ("", "/verify"):
        assert api.get(f"/api/v1/audit/events/nothing{path}").status_code == 404


# --- many explanations --------------------------------------------------------------------


def test_the_queue_has_what_no_auditor_judged(api: httpx.Client, alarm: dict[str, Any]) -> None:
    ids = [
        api.post(f"{MODEL}/explanations", json={"instance": alarm, "seed": k}).json()["id"]
        for k in range(3)
    ]
    api.post(f"/api/v1/explanations/{ids[0]}/reviews", json={"verdict": "approve"})
    api.post(f"/api/v1/explanations/{ids[1]}/reviews", json={"verdict": "not_acted"})
    reply = api.get("/api/v1/audit/queue", params={"model": "milling-machine", "limit": 2}).json()
    assert [w["event"]["id"] for w in reply["waiting"]] == [ids[2], ids[1]]
    assert [w["said"] for w in reply["waiting"]] == [{}, {"not_acted": 1}]
    every = api.get("/api/v1/audit/queue", params={"limit": 500}).json()["waiting"]
    assert ids[0] not in [w["event"]["id"] for w in every]
    assert {ids[1], ids[2]} <= {w["event"]["id"] for w in every}


def test_a_report_counts_recourse_by_attribute_and_by_feature(
    api: httpx.Client, alarm: dict[str, Any]
) -> None:
    since = api.get("/api/v1/audit/events", params={"limit": "1"}).json()["events"][0]["time"]
    asked = [("day", {}), ("day", {}), ("night", {"freeze": list(alarm)})]
    for shift, constraints in asked:
        body = {"instance": alarm, "attributes": {"shift": shift}, "constraints": constraints}
        reply = api.post(f"{MODEL}/explanations", json=body)
        assert reply.status_code == 200, reply.text
    query = {"model": "milling-machine", "since": since, "by": "attribute:shift"}
    told = api.get("/api/v1/audit/report", params=query).json()
    day, night = told["groups"]
    assert (day["key"], day["asked"], day["success"]["share"]) == ("day", 2, 1.0)
    assert (night["key"], night["infeasible"]["share"]) == ("night", 1.0)
    assert told["attributes"] == ["shift"]
    assert told["levers"][0]["use"]["of"] == 2
    assert told["blockers"]
    assert 0.0 < day["success"]["low"] < 1.0
    by_quality = api.get("/api/v1/audit/report", params=query | {"by": "feature:quality"}).json()
    assert sum(g["asked"] for g in by_quality["groups"]) == told["total"]["asked"]
    sheet = api.get("/api/v1/audit/report", params=query | {"format": "csv", "language": "ko"})
    assert sheet.headers["content-type"].startswith("text/csv")
    assert "group,night,infeasible,1.0," in sheet.text


@pytest.mark.parametrize(
    ("query", "words"),
    [
        ({"model": "milling-machine", "by": "feature:colour"}, "by"),
        ({"model": "milling-machine", "by": "colour"}, "by"),
        ({"model": "milling-machine", "since": "yesterday"}, "since"),
        ({}, "model"),
    ],
)
def test_a_report_of_nothing_is_refused(
    api: httpx.Client, query: dict[str, str], words: str
) -> None:
    reply = api.get("/api/v1/audit/report", params=query)
    assert reply.status_code == 422
    assert reply.json()["errors"][0]["parameter"] == words

"""What an older version has written is read, verified and replayed: tests/fixtures/old_store."""

from __future__ import annotations

import hashlib
import json
import re
import shutil
import tarfile
from collections import Counter
from collections.abc import Iterator
from contextlib import closing
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
import pytest
import rfc8785
import sqlalchemy as sa

from ifonly.service.audit.trust_root import verified
from ifonly.service.errors import OnHold
from ifonly.service.settings import Settings
from ifonly.service.store import erasure
from ifonly.service.store.chain import canonical
from ifonly.service.store.database import Database, connect
from ifonly.service.store.kinds import KINDS as DECLARED
from ifonly.service.store.kinds import RecordKind
from ifonly.service.store.logcheck import KeptHead, check_export
from ifonly.service.store.migrate import newest, upgrade
from ifonly.service.store.tables import metadata
from ifonly.service.store.verification import VerificationReport
from ifonly.service.transparency.verifier import VerifierKey, check_bundle, read_bundle
from tests.contract.store.conftest import STORES, journal_of, new_url
from tests.integration.conftest import serving
from tests.support.postgres import Server

FIXTURE = Path(__file__).resolve().parents[2] / "fixtures" / "old_store"
FOR_EVER = 36_500.0
"""Days: nothing of the fixture is too old."""
KINDS = Counter(
    {
        RecordKind.PREDICTION: 8,
        RecordKind.WHAT_IF: 5,
        RecordKind.EXPLANATION: 28,
        RecordKind.REFUSAL: 6,
        RecordKind.FAILURE: 3,
        RecordKind.REVIEW: 7,
        RecordKind.ERASURE: 2,
        RecordKind.ANCHOR: 25,
        RecordKind.KEY: 9,
        RecordKind.JOB: 6,
        RecordKind.MODEL: 2,
        RecordKind.SIGN_IN: 4,
        RecordKind.ACCESS: 8,
        RecordKind.HOLD: 4,
    }
)
"""Of each at least so many; every kind that there was."""
LATER = {"alarm_rates", "episodes", "inference_events", "outbox"}
"""Tables that the version which has written the fixture had not."""
QUESTIONS = (RecordKind.PREDICTION, RecordKind.WHAT_IF, RecordKind.EXPLANATION)
pytestmark = pytest.mark.timeout(900)
ALIKE = pytest.mark.parametrize(
    "old",
    ["sqlite", pytest.param("postgresql", marks=[pytest.mark.slow, pytest.mark.long])],
    indirect=True,
)
"""What is computed from records: from the same ones, wherever they were kept."""


@dataclass(frozen=True)
class OldStore:
    """One of the two, unpacked."""

    url: str
    folder: Path
    told: dict[str, Any]
    """What make.py knows of it: ids, keys, the log's key."""

    @property
    def log(self) -> VerifierKey:
        return VerifierKey.parse(self.told["log"])

    @property
    def erased(self) -> set[str]:
        """Questions that are."""
        names = ("pruned prediction", "pruned explanation", "explanation: underpower")
        return {self.told["ids"][name] for name in names}

    @property
    def head(self) -> KeptHead:
        return KeptHead.read(self.folder / "head.txt", self.log)

    @property
    def settings(self) -> Settings:
        return Settings.model_validate(
            {
                "database_url": self.url,
                "data": self.folder,
                "models": self.folder / "models",
                "audit_log_key": self.told["log_key"],
                "audit_witnesses": {"http://127.0.0.1:9": self.told["witness"]},
                "audit_witness_seconds": 3_600,
                "audit_tsa_roots": self.folder / "roots.pem",
                "keep_jobs_days": FOR_EVER,
                "keep_idempotency_days": FOR_EVER,
                "audit_keep_days": FOR_EVER,
                "job_threads": 0,
                "refresh_seconds": 0,
            }
        )


@pytest.fixture(scope="module", params=STORES)
def old(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> OldStore:
    folder = tmp_path_factory.mktemp("old")
    for name in (request.param, "models"):
        with tarfile.open(FIXTURE / f"{name}.tar.xz") as packed:
            packed.extractall(folder, filter="data")
    url = new_url(request, folder)
    if request.param == "sqlite":
        shutil.move(folder / "store", url.removeprefix("sqlite:///"))
    else:
        server: Server = request.getfixturevalue("postgres_server")
        server.restore(url, (folder / "store").read_text(encoding="utf-8"))
    return OldStore(url, folder, json.loads((folder / "told.json").read_bytes()))


@pytest.fixture(scope="module")
def database(old: OldStore) -> Iterator[Database]:
    with closing(connect(old.url)) as database:
        assert upgrade(database) == newest()
        yield database


@pytest.fixture(scope="module")
def before(old: OldStore, database: Database) -> VerificationReport:
    """What `audit verify` says before anything is added."""
    return verified(old.settings, database, kept=[old.head])


@pytest.fixture(scope="module")
def api(old: OldStore, before: VerificationReport) -> Iterator[httpx.Client]:
    """Without accounts: looking leaves no record."""
    assert before.holds
    with (
        serving(old.settings) as url,
        httpx.Client(base_url=url, timeout=600, trust_env=False) as client,
    ):
        yield client


@pytest.fixture(scope="module")
def events(api: httpx.Client) -> list[dict[str, Any]]:
    """Every record of the old store, the newest first."""
    found: list[dict[str, Any]] = []
    page: dict[str, Any] = {"next": ""}
    while page["next"] is not None:
        cursor = {"cursor": page["next"]} if page["next"] else {}
        reply = api.get("/api/v1/audit/events", params={"limit": 50, **cursor})
        page = reply.raise_for_status().json()
        found += page["events"]
    return found


def test_the_chains_and_the_signed_log_hold(before: VerificationReport) -> None:
    assert before.findings == []
    assert before.notes == []
    assert before.writers >= 10
    assert before.anchors >= KINDS[RecordKind.ANCHOR]
    assert before.logged > 90
    assert before.erased == 10  # nine by their age, one because it was asked for


def test_it_has_a_row_in_every_table_and_a_record_of_every_kind(
    database: Database, events: list[dict[str, Any]]
) -> None:
    with database.reading() as connection:
        rows = {
            table.name: connection.execute(
                sa.select(sa.func.count()).select_from(table)
            ).scalar_one()
            for table in metadata.sorted_tables
            if table.name not in LATER
        }
    assert min(rows.values()) > 0, rows
    assert Counter(RecordKind(event["kind"]) for event in events) >= KINDS


def test_a_record_has_a_status_that_its_kind_declares(events: list[dict[str, Any]]) -> None:
    """But of a refusal and of a failure: theirs is the problem's."""
    said = {
        (kind, told["status"])
        for told in events
        if "status" in told
        and (kind := RecordKind(told["kind"])) not in (RecordKind.REFUSAL, RecordKind.FAILURE)
    }
    assert said <= {(kind, status) for kind, each in DECLARED.items() for status in each.statuses}
    assert len(said) > 15


def test_every_record_is_read_and_holds_in_its_chain(
    api: httpx.Client, events: list[dict[str, Any]]
) -> None:
    for told in events:
        where = f"/api/v1/audit/events/{told['id']}"
        found = api.get(where).raise_for_status().json()
        assert found["event"] == told
        assert "findings" not in told
        if told["kind"] in QUESTIONS and found["content"] == "kept":
            assert found["request"]
            assert found["answer"]
            assert bool(found["claim"]) is (told["kind"] == RecordKind.EXPLANATION)
        stretch = api.get(f"{where}/verify").raise_for_status().json()
        assert stretch["holds"], stretch
        assert stretch["answer"] is None or stretch["answer"]["holds"], stretch


@ALIKE
def test_every_question_is_answered_as_it_was(
    api: httpx.Client, old: OldStore, events: list[dict[str, Any]]
) -> None:
    replayed = 0
    for told in events:
        if told["kind"] not in QUESTIONS:
            continue
        reply = api.post(f"/api/v1/audit/events/{told['id']}/replay")
        if told["id"] in old.erased:
            assert reply.status_code == 410
            continue
        found = reply.raise_for_status().json()
        assert found["findings"] == []
        assert found["answer"] is None or found["answer"]["holds"], found
        if not found["was_cut"]:
            changed = [change["pointer"] for change in found["changes"]]
            # That an answer survives the sensors' tolerances is said in words since decision 0115.
            request = api.get(f"/api/v1/audit/events/{told['id']}").json()["request"]
            survives = (request.get("constraints") or {}).get("robust")
            assert all(survives and at.startswith("/text/") for at in changed), (told, changed)
            replayed += 1
    assert replayed > 35


def test_every_explanation_is_read_as_it_was_given(
    api: httpx.Client, old: OldStore, events: list[dict[str, Any]]
) -> None:
    lines = (old.folder / "export.jsonl").read_text(encoding="utf-8").splitlines()
    exported = {line["id"]: line for line in map(json.loads, lines)}
    statuses = set()
    for told in events:
        if told["kind"] != RecordKind.EXPLANATION:
            continue
        reply = api.get(f"/api/v1/explanations/{told['id']}")
        if told["id"] in old.erased:
            assert reply.status_code == 410
            continue
        found = reply.raise_for_status().json()
        kept = json.loads(exported[told["id"]]["payload"])
        assert found["request"] == kept["request"]
        assert {k: v for k, v in found["explanation"].items() if k != "audit"} == kept["answer"]
        statuses.add(found["explanation"]["status"])
    assert statuses >= {"optimal", "feasible", "infeasible"}


def test_reviews_and_jobs_are_read(api: httpx.Client, old: OldStore) -> None:
    ids = old.told["ids"]
    reviews = api.get(f"/api/v1/explanations/{ids['explanation: optimal']}/reviews").json()
    assert [r["verdict"] for r in reviews["reviews"]] == ["approve", "acted"]
    assert reviews["reviews"][1]["outcome"] == "as_predicted"
    for name, state in (("job", "done"), ("failed job", "done"), ("cancelled job", "cancelled")):
        job = api.get(f"/api/v1/jobs/{ids[name]}").raise_for_status().json()
        assert job["state"] == state
        rows = api.get(job["links"]["result"]).raise_for_status().text.splitlines()
        assert len(rows) == job["answered"]
        assert all("explanation" in row or "problem" in row for row in map(json.loads, rows))


@ALIKE
@pytest.mark.parametrize("language", ["ko", "en"])
def test_every_record_has_its_page(
    api: httpx.Client, old: OldStore, events: list[dict[str, Any]], language: str
) -> None:
    wanted = {"accept-language": language}
    for told in events:
        page = api.get(f"/records/{told['id']}", headers=wanted)
        assert page.status_code == 200, told
        assert told["hash"] in page.text
        if told["kind"] in (RecordKind.PREDICTION, RecordKind.EXPLANATION):
            status = 410 if told["id"] in old.erased else 200
            assert api.get(f"/alarms/{told['id']}", headers=wanted).status_code == status, told
    report = {"model": "milling-machine", "by": "attribute:line"}
    for path, query in (
        ("/records", {}),
        ("/alarms", {}),
        ("/reviews", {}),
        ("/report", report),
        ("/models/press", {}),
    ):
        shown = api.get(path, params=query, headers=wanted)
        assert shown.status_code == 200, (path, re.sub(r"<[^>]*>", "", shown.text)[-900:])


def test_what_was_exported_still_proves_itself(old: OldStore) -> None:
    roots = (old.folder / "roots.pem").read_bytes()
    checks = check_bundle(read_bundle(old.folder / "bundle.zip"), old.log, roots)
    assert [check for check in checks if not check.holds] == []
    assert {"cosignatures", "time stamp", "reviews"} <= {check.name for check in checks}
    with (old.folder / "export.jsonl").open("rb") as lines:
        assert list(check_export(lines, [old.head])) == []


def test_its_records_are_hashed_as_rfc_8785_has_it(old: OldStore) -> None:
    """By a library that shares nothing with this service."""
    for line in (old.folder / "export.jsonl").read_bytes().splitlines():
        said = json.loads(line)
        document = {k: v for k, v in said.items() if k not in ("hash", "salt", "payload", "proof")}
        written = rfc8785.dumps(document)
        assert canonical(document) == written
        assert hashlib.sha256(written).hexdigest() == said["hash"]
        assert rfc8785.dumps(said) == line


def test_it_is_exported_as_it_was(
    api: httpx.Client, old: OldStore, events: list[dict[str, Any]], tmp_path: Path
) -> None:
    file = tmp_path / "export.jsonl"
    file.write_bytes(api.get("/api/v1/audit/export").raise_for_status().content)
    with file.open("rb") as lines:
        assert list(check_export(lines, [old.head])) == []
    now, then = (
        {
            line["id"]: {k: v for k, v in line.items() if k != "proof"}
            for line in map(json.loads, name.read_text(encoding="utf-8").splitlines())
        }
        for name in (file, old.folder / "export.jsonl")
    )
    assert {identity: now[identity] for identity in then} == then
    assert len(events) >= len(then) > 90


@ALIKE
def test_every_explanation_makes_a_bundle(
    api: httpx.Client, old: OldStore, events: list[dict[str, Any]], tmp_path: Path
) -> None:
    roots = (old.folder / "roots.pem").read_bytes()
    for told in events:
        if told["kind"] != RecordKind.EXPLANATION:
            continue
        file = tmp_path / "bundle.zip"
        reply = api.get(f"/api/v1/audit/events/{told['id']}/bundle").raise_for_status()
        file.write_bytes(reply.content)
        checks = check_bundle(read_bundle(file), old.log, roots)
        assert [check for check in checks if not check.holds] == [], told


def test_what_is_on_hold_is_not_erased(old: OldStore, database: Database) -> None:
    held = old.told["ids"]
    with journal_of(database) as journal:
        for name in ("explanation: optimal", "explanation: medium"):
            with pytest.raises(OnHold):
                journal.append(erasure.erase(held[name], "test", "a wish")).result(30)


def test_its_keys_open_it_a_named_request_is_known_and_the_chains_go_on(
    old: OldStore, database: Database, api: httpx.Client
) -> None:
    """The last of all, for it adds records."""
    keys, repeated = old.told["keys"], old.told["repeated"]
    with serving(old.settings, no_auth=False) as url:

        def ask(key: str, method: str, path: str, **given: Any) -> httpx.Response:
            sent = {"Authorization": f"Bearer {keys[key]}"} | given.pop("headers", {})
            return httpx.request(
                method, f"{url}{path}", headers=sent, timeout=600, trust_env=False, **given
            )

        assert ask("revoked", "GET", "/api/v1/audit/events").status_code == 401
        for key in ("admin", "auditor"):
            assert ask(key, "GET", "/api/v1/audit/events").status_code == 200
        again = ask(
            "pipeline", "POST", repeated["path"], json=repeated["body"], headers=repeated["headers"]
        )
        assert again.json() == repeated["reply"]
        body = {"instance": {"pressure": 20.0, "speed": 1000}}
        path = "/api/v1/models/press/predictions"
        assert ask("operator", "POST", path, json=body).status_code == 200
        attributes = {"attributes": {"line": "a"}}
        assert ask("scoped", "POST", path, json=body).status_code == 403
        assert ask("scoped", "POST", path, json=body | attributes).status_code == 200
    report = verified(old.settings, database, kept=[old.head])
    assert report.findings == []
    assert report.records > 90

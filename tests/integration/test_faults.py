"""What may go wrong around the store: no record that was acknowledged is lost, and it is said."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager, suppress
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from ifonly.service.doors.cli.store import prepare
from ifonly.service.errors import StoreDamaged, StoreUnavailable
from ifonly.service.settings import Settings
from ifonly.service.store import archive
from ifonly.service.store import journal as journals
from ifonly.service.store.chain import Facts
from ifonly.service.store.database import connect
from ifonly.service.store.journal import Draft, Journal, JournalOptions
from ifonly.service.store.kinds import RecordKind
from ifonly.service.store.logcheck import KeptHead
from ifonly.service.store.migrate import upgrade
from ifonly.service.store.opened import opened
from ifonly.service.store.verification import verify
from ifonly.service.transparency.verifier import Checkpoint, Note
from tests.integration.conftest import serving
from tests.support.postgres import Server

ASK = "/api/v1/models/press/predictions"
BODY = {"instance": {"pressure": 10.0, "speed": 100}}
PATIENCE = 2_400
"""Looks, a twentieth of a second apart: processes start slowly beside other tests' searches."""


@pytest.fixture(params=["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)])
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    if request.param == "sqlite":
        return f"sqlite:///{tmp_path / 'store.sqlite3'}"
    server: Server = request.getfixturevalue("postgres_server")
    return server.new_database()


@contextmanager
def process(
    models: Path, url: str, *, port: str = "0", **settings: str
) -> Iterator[tuple[subprocess.Popen[str], str]]:
    """A service in a process of its own, and where it is."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("IFONLY_")}
    environment |= {"IFONLY_DATABASE_URL": url, "IFONLY_MODELS": str(models)}
    environment |= {"IFONLY_DATA": str(models.parent / "data")} | settings
    command = [sys.executable, "-m", "ifonly", "serve", "--no-auth", "--port", port]
    with subprocess.Popen(command, env=environment, stderr=subprocess.PIPE, text=True) as started:
        assert started.stderr is not None
        base = next(line for line in started.stderr if "http://" in line).split()[-1]
        threading.Thread(target=started.stderr.read, daemon=True).start()
        try:
            until_ready(base)
            yield started, base
        finally:
            started.kill()


def until_ready(base: str) -> None:
    for _ in range(PATIENCE):
        with suppress(httpx.TransportError):
            if httpx.get(f"{base}/healthz/ready", timeout=300, trust_env=False).is_success:
                return
        time.sleep(0.05)
    pytest.fail("the service is not ready")


def until(holds: Callable[[], bool]) -> None:
    for _ in range(PATIENCE):
        if holds():
            return
        time.sleep(0.05)
    pytest.fail("it did not happen")


class Load:
    """Threads that ask until they are told to stop; remembers what was answered, and how."""

    def __init__(self, base: str, threads: int = 6) -> None:
        self.acknowledged: list[dict[str, Any]] = []
        self.refused: list[httpx.Response] = []
        self._base = base
        self._stop = threading.Event()
        self._threads = [threading.Thread(target=self._ask) for _ in range(threads)]

    def _ask(self) -> None:
        with httpx.Client(base_url=self._base, timeout=300, trust_env=False) as client:
            while not self._stop.is_set():
                try:
                    reply = client.post(ASK, json=BODY)
                except httpx.TransportError:
                    time.sleep(0.01)
                    continue
                if reply.status_code == 200:
                    self.acknowledged.append(reply.json()["audit"])
                else:
                    self.refused.append(reply)

    def __enter__(self) -> Load:
        for thread in self._threads:
            thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._stop.set()
        for thread in self._threads:
            thread.join()

    def until(self, count: int) -> None:
        last = time.monotonic() + 600
        while len(self.acknowledged) < count:
            assert time.monotonic() < last, [r.text for r in self.refused[-3:]]
            time.sleep(0.005)


def assert_all_are_there(url: str, acknowledged: list[dict[str, Any]]) -> None:
    with closing(connect(url)) as database:
        assert verify(database).holds
        for audit in acknowledged:
            record, payload = archive.get(database, audit["id"])
            assert (record.sequence, record.hash) == (audit["sequence"], audit["hash"])
            assert payload is not None
            assert json.loads(payload.content)["request"] == BODY


@pytest.mark.slow
def test_a_service_that_is_killed_under_load_has_lost_nothing_that_it_answered(
    press: Path, url: str
) -> None:
    with process(press, url) as (service, base), Load(base) as load:
        load.until(200)
        service.send_signal(signal.SIGKILL)
        service.wait()
    assert service.returncode == -signal.SIGKILL
    assert_all_are_there(url, load.acknowledged)
    settings = Settings.model_validate({"models": press, "database_url": url})
    with serving(settings) as base, Load(base) as again:  # and it goes on without hands
        again.until(20)
    assert_all_are_there(url, load.acknowledged + again.acknowledged)


@pytest.mark.slow
@pytest.mark.parametrize("times", [2, pytest.param(6, marks=pytest.mark.long)])
def test_heads_that_were_handed_out_hold_whenever_the_service_is_killed(
    press: Path, url: str, times: int
) -> None:
    """Whoever appends to the log is stopped anywhere: between leaves, signature and commit."""
    kept: list[KeptHead] = []
    answered: list[dict[str, Any]] = []
    for number in range(times):
        fast = {"IFONLY_AUDIT_LOG_SECONDS": "0.001", "IFONLY_PROCESSES": str(1 + number % 2)}
        with process(press, url, **fast) as (service, base), Load(base) as load:
            load.until(60)
            # Who wrote the log before was killed, and its lease runs out first.
            kept.append(KeptHead(newer_head(base, kept), f"head {number}"))
            load.until(len(load.acknowledged) + 20)
            service.send_signal(signal.SIGKILL)
            service.wait()
        answered += load.acknowledged
    assert_all_are_there(url, answered)
    sizes = [Checkpoint.parse(head.note.text).size for head in kept]
    assert sizes == sorted(set(sizes))
    with closing(connect(url)) as database:
        report = verify(database, kept=kept)
        assert report.findings == []
        assert report.logged >= sizes[-1]


def newer_head(base: str, kept: list[KeptHead]) -> Note:
    """A signed head of more records than those that are kept."""
    most = max((Checkpoint.parse(head.note.text).size for head in kept), default=0)
    while True:
        reply = httpx.get(f"{base}/api/v1/audit/log/checkpoint", trust_env=False, timeout=60)
        note = Note.parse(reply.raise_for_status().content)
        if Checkpoint.parse(note.text).size > most:
            return note
        time.sleep(0.05)


@pytest.mark.slow
def test_a_postgresql_that_is_restarted_under_load_loses_nothing(
    press: Path, postgres_server: Server
) -> None:
    url = postgres_server.new_database()
    settings = Settings.model_validate({"models": press, "database_url": url})
    with serving(settings) as base, Load(base) as load:
        load.until(50)
        postgres_server.stop()
        time.sleep(0.3)
        postgres_server.start()
        load.until(len(load.acknowledged) + 50)
        until_ready(base)
    assert {r.status_code for r in load.refused} <= {503}
    assert_all_are_there(url, load.acknowledged)


def test_a_postgresql_that_is_away_is_said_and_found_again(
    press: Path, postgres_server: Server, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("ifonly.service.store.journal.PROBE_SECONDS", 0.05)
    url = postgres_server.new_database()
    with closing(connect(url)) as database:
        upgrade(database)
        journal = Journal(database, JournalOptions("test", retry_seconds=0.2))
        journal.start()
        journal.append(draft()).result(30)
        postgres_server.stop()
        try:
            with pytest.raises(StoreUnavailable, match="does not answer"):
                journal.append(draft()).result(30)
            assert journal.is_well is False
            with pytest.raises(StoreUnavailable):
                archive.page(database, archive.Filter({}), None, 1)
        finally:
            postgres_server.start()
        until(lambda: journal.is_well)  # nobody has to send anything
        assert journal.append(draft()).result(30).sequence == 2
        journal.close()
        assert verify(database).holds


def draft() -> Draft:
    return Draft(
        Facts(kind=RecordKind.PREDICTION, actor="test"), b'{"request":%b}' % (b"1" * 2_000)
    )


def big() -> Draft:
    return Draft(Facts(kind=RecordKind.PREDICTION, actor="test"), b" " * 100_000)


def test_a_full_disk_refuses_and_what_was_written_holds(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'store.sqlite3'}"
    with opened(url, JournalOptions("test")) as store:
        with store.database.writer.connect() as connection:
            pages = connection.exec_driver_sql("PRAGMA page_count").scalar_one()
            # What SQLite says of a disk without room, on the one connection that writes.
            connection.exec_driver_sql(f"PRAGMA max_page_count = {pages + 20}")
        futures = [store.journal.append(draft()) for _ in range(5)]
        futures += [store.journal.append(big()) for _ in range(5)]
        failed = [future.exception(30) for future in futures]
        written = failed.count(None)
        refused = next(error for error in failed if error is not None)
        assert isinstance(refused, StoreUnavailable)
        assert "full" in str(refused)
        ill = store.journal.is_well
        with store.database.writer.connect() as connection:
            connection.exec_driver_sql("PRAGMA max_page_count = 1000000")
        assert store.journal.append(draft()).result(30).sequence == written + 1
        assert (ill, store.journal.is_well) == (False, True)
        report = verify(store.database)
    assert report.holds
    assert report.records == written + 1


def test_a_store_that_cannot_write_answers_503_and_tells_the_client_nothing_else(
    press: Path, tmp_path: Path
) -> None:
    url = f"sqlite:///{tmp_path / 'store.sqlite3'}"
    settings = Settings.model_validate({"models": press, "database_url": url})
    with (
        serving(settings) as base,
        httpx.Client(base_url=base, timeout=300, trust_env=False) as client,
    ):
        assert client.post(ASK, json=BODY).status_code == 200
        with closing(connect(url)) as other, other.writer.begin() as connection:
            connection.execute(sa.text("DROP TABLE audit_payloads"))
        reply = client.post(ASK, json=BODY)
        assert reply.status_code == 503
        assert reply.json()["type"] == "urn:ifonly:problem:store-unavailable"
        assert reply.headers["retry-after"] == "5"
        assert "audit_payloads" not in reply.text
        # The trail is whole up to there, and says what is wrong with it.
        assert client.get("/api/v1/audit/verify").status_code == 503


@pytest.mark.parametrize("left", [0.5, 0.0])
def test_a_truncated_database_is_called_damaged_at_the_start(
    press: Path, tmp_path: Path, left: float
) -> None:
    file = tmp_path / "store.sqlite3"
    with opened(f"sqlite:///{file}", JournalOptions("test")) as store:
        for _ in range(50):
            store.journal.append(draft()).result(30)
    content = file.read_bytes()
    file.write_bytes(content[: int(len(content) * left)] or b"not a database at all" * 100)
    settings = Settings.model_validate({"database_url": f"sqlite:///{file}", "models": press})
    with pytest.raises(StoreDamaged, match="restore it from a backup"):
        prepare(settings)  # what `ifonly serve` does before it listens


def test_a_clock_that_is_set_back_changes_no_order(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    with opened(f"sqlite:///{tmp_path / 'store.sqlite3'}", JournalOptions("test")) as store:
        for time_us in (5_000_000, 1_000_000, 3_000_000):
            facts = Facts(kind=RecordKind.PREDICTION, actor="test", time_us=time_us)
            store.journal.append(Draft(facts)).result(30)
        assert verify(store.database).holds
        written = archive.everything(store.database, archive.Filter({}))
        assert [seen.record.facts.time_us for seen in written] == [5_000_000, 1_000_000, 3_000_000]


def test_no_record_waits_for_that_of_a_question_that_failed(
    press: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(journals, "COMPANY_SECONDS", 3_600.0)
    with (
        serving(Settings(models=press)) as base,
        httpx.Client(base_url=base, timeout=300, trust_env=False) as client,
    ):
        unknown = {"instance": BODY["instance"] | {"unknown": 1}}
        for body, status in ((BODY, 200), (unknown, 422), (BODY, 200)):
            assert client.post(ASK, json=body).status_code == status

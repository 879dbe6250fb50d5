"""Every test of this folder runs twice: against SQLite and, in `make test-all`, PostgreSQL."""

from __future__ import annotations

import shutil
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import pytest

from ifonly.service.store.chain import Facts
from ifonly.service.store.database import Database, connect
from ifonly.service.store.journal import Draft, Journal, JournalOptions
from ifonly.service.store.kinds import RecordKind
from ifonly.service.store.migrate import upgrade
from tests.support.postgres import Server

STORES = ["sqlite", pytest.param("postgresql", marks=pytest.mark.slow)]


def new_url(request: pytest.FixtureRequest, folder: Path) -> str:
    """Of an empty store of the kind that a fixture with the params ``STORES`` is made for."""
    if request.param == "sqlite":
        return f"sqlite:///{folder / 'store.sqlite3'}"
    new: str = request.getfixturevalue("postgres_server").new_database()
    return new


@pytest.fixture(params=STORES)
def url(request: pytest.FixtureRequest, tmp_path: Path) -> str:
    return new_url(request, tmp_path)


@pytest.fixture
def empty(url: str) -> Iterator[Database]:
    with closing(connect(url)) as database:
        yield database


@pytest.fixture(scope="session")
def sqlite_tables(tmp_path_factory: pytest.TempPathFactory) -> Path:
    file = tmp_path_factory.mktemp("tables") / "store.sqlite3"
    with closing(connect(f"sqlite:///{file}")) as database:
        upgrade(database)
    return file


@pytest.fixture(scope="session")
def postgres_tables(postgres_server: Server) -> str:
    url = postgres_server.new_database()
    with closing(connect(url)) as database:
        upgrade(database)
    return postgres_server.dump(url)


@pytest.fixture
def database(request: pytest.FixtureRequest, url: str) -> Iterator[Database]:
    """With the tables of this version, copied: migrations take ten times as long."""
    if url.startswith("sqlite"):
        copied: Path = request.getfixturevalue("sqlite_tables")
        shutil.copy(copied, url.removeprefix("sqlite:///"))
    else:
        server: Server = request.getfixturevalue("postgres_server")
        server.restore(url, request.getfixturevalue("postgres_tables"))
    with closing(connect(url)) as database:
        yield database


OPTIONS: dict[str, Any] = {
    "engine_version": "test",
    "anchor_seconds": 3_600,
    "standing_seconds": 0,
}


@contextmanager
def journal_of(database: Database, **options: Any) -> Iterator[Journal]:
    journal = Journal(database, JournalOptions(**(OPTIONS | options)))
    journal.start()
    try:
        yield journal
    finally:
        journal.close()


@pytest.fixture
def journal(database: Database) -> Iterator[Journal]:
    with journal_of(database) as opened:
        yield opened


def draft(number: int = 0, **facts: Any) -> Draft:
    """A prediction with everything a record can say."""
    said: dict[str, Any] = {
        "kind": RecordKind.PREDICTION,
        "actor": "key:12345678",
        "role": "operator",
        "request_id": f"request-{number}",
        "status": "optimal",
        "languages": "ko,en",
        "model": "milling-machine",
        "version": "1",
        "model_sha256": "a" * 64,
        "spec_sha256": "b" * 64,
        "engine": "trees",
        "engine_version": "0.1.0",
        "seed": 2**53 - 1,
        "latency_us": 1_234,
        "detail": {"note": "토크", "list": [1, None, True]},
    }
    return Draft(Facts(**(said | facts)), f'{{"torque": {number}}}'.encode())


@pytest.fixture
def filled(journal: Journal) -> Callable[[int], list[str]]:
    """Appends so many predictions and gives their ids."""

    def fill(count: int) -> list[str]:
        done = [journal.append(draft(k)) for k in range(count)]
        return [future.result(30).id for future in done]

    return fill

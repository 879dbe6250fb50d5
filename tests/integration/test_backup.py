"""The runbook's backup and restore, tried."""

from __future__ import annotations

import os
import subprocess
import sys
from collections.abc import Callable
from contextlib import closing
from pathlib import Path

import pytest

from ifonly.service.store.chain import Facts
from ifonly.service.store.database import connect
from ifonly.service.store.journal import Draft, JournalOptions
from ifonly.service.store.kinds import RecordKind
from ifonly.service.store.opened import opened
from ifonly.service.store.verification import verify
from tests.integration.test_faults import Load, process, until
from tests.support.postgres import Server


def command(url: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "ifonly", *arguments],
        env=os.environ | {"IFONLY_DATABASE_URL": url},
        capture_output=True,
        text=True,
    )


def back_up_under_load(models: Path, url: str, back_up: Callable[[], None]) -> set[str]:
    """Ids of what was answered before the backup began, while more was being asked."""
    with process(models, url) as (_, base), Load(base, threads=2) as load:
        until(lambda: len(load.acknowledged) > 20)
        before = {audit["id"] for audit in load.acknowledged}
        back_up()
    return before


def holds_and_has(url: str, wanted: set[str]) -> None:
    with closing(connect(url)) as database:
        outcome = verify(database)
        assert not outcome.findings
        with database.reading() as connection:
            found = set(connection.exec_driver_sql("SELECT id FROM audit_records").scalars())
    assert wanted <= found
    with opened(url, JournalOptions(engine_version="test")) as store:  # and goes on
        store.journal.append(Draft(Facts(kind=RecordKind.PREDICTION, actor="t"))).result()
        assert not verify(store.database).findings


@pytest.mark.slow
def test_a_sqlite_store_is_backed_up_while_it_is_used(press: Path, tmp_path: Path) -> None:
    url, copy = f"sqlite:///{tmp_path / 'store.sqlite3'}", tmp_path / "copy.sqlite3"

    def back_up() -> None:
        done = command(url, "db", "backup", str(copy))
        assert done.returncode == 0, done.stderr

    before = back_up_under_load(press, url, back_up)
    holds_and_has(f"sqlite:///{copy}", before)
    assert copy.stat().st_mode & 0o077 == 0
    again = command(url, "db", "backup", str(copy))
    assert again.returncode == 1
    assert "exists" in again.stderr


@pytest.mark.slow
def test_a_postgresql_store_is_dumped_while_it_is_used_and_restored(
    press: Path, postgres_server: Server
) -> None:
    url, dump = postgres_server.new_database(), postgres_server.folder / "ifonly.dump"
    schema = url.rpartition("%3D")[2]
    where = f"postgresql://ifonly@127.0.0.1:{postgres_server.port}/postgres"

    def back_up() -> None:
        said = ["--format=custom", f"--file={dump}", f"--schema={schema}", where]
        postgres_server.run_program("pg_dump", *said)

    before = back_up_under_load(press, url, back_up)
    postgres_server.run_program("psql", "-q", where, "-c", f'DROP SCHEMA "{schema}" CASCADE')
    postgres_server.run_program("pg_restore", "--no-owner", f"--dbname={where}", str(dump))
    holds_and_has(url, before)

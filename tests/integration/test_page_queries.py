"""Every query of the pages that a shift looks at first is answered from an index: what they cost
must not grow with the trail (``python -m bench.first_paint`` measures it)."""

from __future__ import annotations

import re
import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest
import sqlalchemy as sa

from ifonly.service.settings import Settings
from tests.integration.conftest import serving
from tests.integration.test_alarms_api import BAD, GOOD

LARGE = ("audit_records", "audit_payloads", "episodes", "job_rows", "inference_events", "outbox")
"""Tables that grow with what is asked."""


@pytest.fixture(scope="module")
def asked() -> Iterator[list[tuple[str, Any]]]:
    """Statements of this process, as they are sent."""
    heard: list[tuple[str, Any]] = []

    def hear(
        connection: Any, cursor: Any, statement: str, parameters: Any, context: Any, many: bool
    ) -> None:
        if not many:
            heard.append((statement, parameters))

    sa.event.listen(sa.Engine, "before_cursor_execute", hear)
    yield heard
    sa.event.remove(sa.Engine, "before_cursor_execute", hear)


@pytest.fixture(scope="module")
def file(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("queries") / "store.sqlite3"


@pytest.fixture(scope="module")
def api(file: Path, repository: Path, asked: list[Any]) -> Iterator[httpx.Client]:
    settings = Settings.model_validate(
        {"models": repository, "database_url": f"sqlite:///{file}", "refresh_seconds": 0}
    )
    with serving(settings) as url, httpx.Client(base_url=url, timeout=300, trust_env=False) as api:
        path = "/api/v1/models/sorter"
        for k in range(4):
            said = {"equipment": f"Mill {k}"}
            rows = [BAD, GOOD] if k < 2 else [BAD]
            for row in rows:
                api.post(f"{path}/predictions", json={"instance": row, "attributes": said})
        said = {"equipment": "Mill 3"}
        api.post(f"{path}/explanations", json={"instance": BAD, "attributes": said, "ways": True})
        yield api


@pytest.mark.parametrize(
    "path",
    [
        "/alarms",
        "/alarms?state=normal&lever=size&sort=equipment",
        "/alarms?equipment=Mill+3&search=mill&sort=count&page=2",
        "/alarms/{id}",
        "/alarms/{id}/readings",
        "/records",
        "/records?kind=prediction&model=sorter&status=alarm",
        "/records/{id}",
        "/models",
        "/metrics",
    ],
)
def test_no_page_scans(
    api: httpx.Client, asked: list[tuple[str, Any]], file: Path, path: str
) -> None:
    (alarm,) = api.get("/api/v1/alarms", params={"equipment": "Mill 3"}).json()["alarms"]
    del asked[:]
    reply = api.get(path.replace("{id}", alarm["record"]))
    assert reply.status_code == 200, reply.text
    heard = [each for each in asked if each[0].lstrip().upper().startswith(("SELECT", "WITH"))]
    assert heard or path == "/models", "nothing was asked of the store"
    with closing(sqlite3.connect(file)) as connection:
        for statement, parameters in heard:
            plan = "\n".join(
                row[3] for row in connection.execute(f"EXPLAIN QUERY PLAN {statement}", parameters)
            )
            for table in LARGE:
                scanned = re.search(rf"SCAN {table}(?! USING)", plan)
                assert scanned is None, (plan, statement)
                walked = re.search(rf"SCAN {table} USING .*INDEX (\w+)", plan)
                # An index is walked where only some of its entries are wanted, or it has only what
                # is open.
                is_bounded = " LIMIT " in statement.upper() or "ix_episodes_open" in plan
                assert walked is None or is_bounded, (plan, statement)

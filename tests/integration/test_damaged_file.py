"""What SQLite takes and no service writes: values of other types, text that is none, zeros."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from contextlib import closing
from pathlib import Path
from typing import Any

import httpx
import pytest

from service.settings import Settings
from service.store.chain import Trouble
from service.store.database import connect
from service.store.verification import Report, verify
from tests.integration.conftest import serving


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    return tmp_path


@pytest.fixture
def api(repository: Path, folder: Path) -> Iterator[httpx.Client]:
    settings = Settings(models=repository, data=folder)
    with (
        serving(settings) as url,
        httpx.Client(base_url=f"{url}/api/v1", timeout=300, trust_env=False) as client,
    ):
        yield client


def explained(api: httpx.Client, pressure: float = 10.0) -> str:
    reply = api.post("/models/press/explanations", json={"instance": {"pressure": pressure, "speed": 100}})
    assert reply.status_code == 200, reply.text
    return str(reply.json()["audit"]["id"])


def change(folder: Path, text: str, *values: Any) -> None:
    with closing(sqlite3.connect(folder / "ifonly.sqlite3")) as connection:
        connection.execute(text, values)
        connection.commit()


def checked(folder: Path) -> Report:
    with closing(connect(f"sqlite:///{folder / 'ifonly.sqlite3'}")) as database:
        return verify(database)


LIES = {
    "text for a payload": ("UPDATE audit_payloads SET content = ?", "no bytes"),
    "a number for a salt": ("UPDATE audit_payloads SET salt = ?", 2**40),
    "bytes for text": (
        "UPDATE audit_records SET actor = ? WHERE kind = 'explanation'",
        b"\xff\xfe",
    ),
    "text for a time": (
        "UPDATE audit_records SET time_us = ? WHERE kind = 'explanation'",
        "2026-01-01T00:00:00.000000Z",
    ),
    "a fraction": ("UPDATE audit_records SET seed = ? WHERE kind = 'explanation'", 1.5),
    "a list": ("UPDATE audit_records SET detail = ? WHERE kind = 'explanation'", "[1]"),
    "no kind": ("UPDATE audit_records SET kind = ? WHERE kind = 'explanation'", "wish"),
    "not UTF-8": ("UPDATE audit_records SET actor = CAST(? AS TEXT)", b"key:\xff"),
    "no head": ("UPDATE audit_writers SET head_sequence = ?", "much"),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_value_that_no_record_has_is_a_finding_and_no_failure(
    api: httpx.Client, folder: Path, lie: str
) -> None:
    identity = explained(api)
    change(folder, *LIES[lie])
    report = checked(folder)
    assert not report.holds
    over_http = api.get("/audit/verify")
    assert (over_http.status_code, over_http.json()["holds"]) == (200, False)
    refused = api.get(f"/explanations/{identity}").status_code
    assert refused in (404, 409) or (refused == 503 and lie == "not UTF-8")
    for path in ("/audit/events", f"/audit/events/{identity}", f"/audit/events/{identity}/verify"):
        reply = api.get(path)
        assert reply.status_code == 200 or (reply.status_code == 503 and lie == "not UTF-8"), path


def test_zeros_in_any_page_are_found_and_end_no_reading(api: httpx.Client, folder: Path) -> None:
    for k in range(4):
        explained(api, 10.0 + k)
    copy = folder / "copy.sqlite3"
    with (
        closing(sqlite3.connect(folder / "ifonly.sqlite3")) as source,
        closing(sqlite3.connect(copy)) as target,
    ):
        source.backup(target)
        (size,) = target.execute("PRAGMA page_size").fetchone()
    content = copy.read_bytes()
    read = set()
    for page in range(1, len(content) // size):
        broken = folder / f"page-{page}.sqlite3"
        broken.write_bytes(content[: page * size] + bytes(size) + content[(page + 1) * size :])
        with closing(connect(f"sqlite:///{broken}")) as database:
            report = verify(database)
        assert Trouble.UNREADABLE in {f.trouble for f in report.findings}, page
        read.add(report.records)
    assert max(read) >= 4, "what is not damaged is read"

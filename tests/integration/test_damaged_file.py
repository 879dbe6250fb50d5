"""What SQLite takes and no service writes: values of other types, text that is none, zeros."""

from __future__ import annotations

import sqlite3
import time
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path
from typing import Any

import httpx
import pytest

from ifonly.service.settings import Settings
from ifonly.service.store.chain import Trouble
from ifonly.service.store.database import connect
from ifonly.service.store.verification import VerificationReport, verify
from tests.integration.conftest import serving


@pytest.fixture(scope="module")
def folder(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return tmp_path_factory.mktemp("damaged")


@pytest.fixture(scope="module")
def api(repository: Path, folder: Path) -> Iterator[httpx.Client]:
    with (
        serving(Settings(models=repository, data=folder)) as url,
        httpx.Client(base_url=f"{url}/api/v1", timeout=300, trust_env=False) as client,
    ):
        yield client


@pytest.fixture(scope="module")
def explained(api: httpx.Client, alarm: dict[str, Any]) -> str:
    """The last of some explanations."""
    for seed in range(4):
        asked = {"instance": alarm, "seed": seed}
        reply = api.post("/models/milling-machine/explanations", json=asked)
        assert reply.status_code == 200, reply.text
    identity = str(reply.json()["id"])
    while api.get(f"/explanations/{identity}").json()["proof"] is None:
        time.sleep(0.05)  # for a head that has it
    return identity


def checked(file: Path) -> VerificationReport:
    with closing(connect(f"sqlite:///{file}")) as database:
        return verify(database)


@contextmanager
def lying(folder: Path, table: str, column: str, cast: str, value: Any) -> Iterator[None]:
    """Another value in the last row of a table, while the block lasts."""
    with closing(sqlite3.connect(folder / "ifonly.sqlite3")) as connection:
        connection.execute("CREATE TEMP TABLE kept AS SELECT * FROM main." + table)
        last = f"rowid = (SELECT max(rowid) FROM {table})"
        connection.execute(f"UPDATE {table} SET {column} = {cast} WHERE {last}", [value])
        connection.commit()
        try:
            yield
        finally:
            same = f"(SELECT {column} FROM kept ORDER BY rowid DESC LIMIT 1)"
            connection.execute(f"UPDATE {table} SET {column} = {same} WHERE {last}")
            connection.commit()


LIES = {
    "text for a payload": ("audit_payloads", "content", "?", "no bytes"),
    "a number for a salt": ("audit_payloads", "salt", "?", 2**40),
    "bytes for text": ("audit_records", "actor", "?", b"\xff"),
    "text for a time": ("audit_records", "time_us", "?", "2026-01-01T00:00:00.000000Z"),
    "a fraction": ("audit_records", "seed", "?", 1.5),
    "a list": ("audit_records", "detail", "?", "[1]"),
    "no kind": ("audit_records", "kind", "?", "wish"),
    "not UTF-8": ("audit_records", "actor", "CAST(? AS TEXT)", b"key:\xff"),
    "no head": ("audit_writers", "head_sequence", "?", "much"),
}


@pytest.mark.parametrize("lie", LIES)
def test_a_value_that_no_record_has_is_a_finding_and_no_failure(
    api: httpx.Client, folder: Path, explained: str, lie: str
) -> None:
    # Text that is none ends the reading of a page, with a reason; a single record's too.
    cannot_be_read = 503 if lie == "not UTF-8" else 200
    with lying(folder, *LIES[lie]):
        assert not checked(folder / "ifonly.sqlite3").holds
        over_http = api.get("/audit/verify")
        assert (over_http.status_code, over_http.json()["holds"]) == (200, False)
        assert api.get(f"/explanations/{explained}").status_code in (409, 404, cannot_be_read)
        for path in ("", f"/{explained}", f"/{explained}/verify"):
            assert api.get(f"/audit/events{path}").status_code in (200, cannot_be_read), path
        exported = api.get("/audit/export")
        assert '"findings":' in exported.text or lie in ("not UTF-8", "no head")
    assert checked(folder / "ifonly.sqlite3").holds


LIES_OF_THE_LOG = {
    "a number for a note": ("audit_log_heads", "note", "?", 5),
    "bytes for a note": ("audit_log_heads", "note", "?", b"\xff"),
    "no note": ("audit_log_heads", "note", "?", "no head"),
    "text for a size": ("audit_log_heads", "size", "?", "much"),
    "a number for cosignatures": ("audit_log_heads", "cosignatures", "?", 7),
    "text for a stamp": ("audit_log_heads", "stamp", "?", "no bytes"),
    "text for the size of the log": ("audit_log", "size", "?", "much"),
    "a number for the key": ("audit_log", "key", "?", 5),
    "text for a length": ("audit_log_runs", "length", "?", "much"),
    "text for a tile": ("audit_log_tiles", "hashes", "?", "no bytes"),
    "a short tile": ("audit_log_tiles", "hashes", "?", b"short"),
}


LOG_PATHS = (
    *("/audit/log/checkpoint", "/audit/log/consistency?from=1", "/audit/verify", "/audit/export"),
    *("/explanations/{}", "/audit/events/{}", "/audit/events/{}/bundle"),
)


FEW = ("bytes for a note", "text for a size", "a short tile")
# Each waits for the service to give up on what it cannot read.
LONG = (pytest.mark.slow, pytest.mark.long)


@pytest.mark.parametrize(
    "lie",
    [lie if lie in FEW else pytest.param(lie, marks=LONG) for lie in LIES_OF_THE_LOG],
)
def test_a_value_that_no_log_has_ends_in_a_problem_and_no_failure(
    api: httpx.Client, folder: Path, explained: str, lie: str
) -> None:
    with lying(folder, *LIES_OF_THE_LOG[lie]):
        assert not checked(folder / "ifonly.sqlite3").holds
        for path in LOG_PATHS:
            reply = api.get(path.format(explained))
            # What rests on the log is refused with a reason; the rest is told, without proofs.
            rests_on_log = "/log/" in path or path.endswith("/bundle")
            assert reply.status_code in ((200, 503) if rests_on_log else (200,)), path
            if reply.status_code == 503:
                assert reply.json()["type"].endswith(":store-unavailable")
        assert len(api.get("/audit/export").text.splitlines()) >= 5
    assert checked(folder / "ifonly.sqlite3").holds


def rows(file: Path) -> list[str]:
    """Everything that a file has: pages that no table uses are none of it."""
    with closing(sqlite3.connect(file)) as connection:
        return list(connection.iterdump())


def test_zeros_in_any_page_are_found_and_end_no_reading(
    api: httpx.Client, folder: Path, explained: str
) -> None:
    copy = folder / "copy.sqlite3"
    with (
        closing(sqlite3.connect(folder / "ifonly.sqlite3")) as source,
        closing(sqlite3.connect(copy)) as target,
    ):
        source.backup(target)
        (size,) = target.execute("PRAGMA page_size").fetchone()
    content = copy.read_bytes()
    read, seen = set[int](), set[Trouble]()
    for page in range(1, len(content) // size):
        broken = folder / f"page-{page}.sqlite3"
        broken.write_bytes(content[: page * size] + bytes(size) + content[(page + 1) * size :])
        report = checked(broken)
        seen |= {f.trouble for f in report.findings}
        assert not report.holds or rows(broken) == rows(copy), page
        read.add(report.records)
    assert max(read) >= 4, "what is not damaged is read"
    assert {Trouble.UNREADABLE, Trouble.PAYLOAD_ALTERED} <= seen

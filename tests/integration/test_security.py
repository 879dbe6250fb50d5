"""Tricks with names, headers and keys, each with what comes of it."""

from __future__ import annotations

import gzip
import hmac
import secrets
import socket
from contextlib import closing
from pathlib import Path
from urllib.parse import urlsplit

import httpx
import pytest

from ifonly.service.access import Role
from ifonly.service.store import keys
from ifonly.service.store.database import connect
from ifonly.service.store.journal import JournalOptions
from ifonly.service.store.keys import Keyring
from ifonly.service.store.opened import opened

TRICKS = [
    "..", "%2e%2e", "..%2f..%2fetc%2fpasswd", "..%5c..%5cwindows", "%2fetc%2fpasswd", "a%00b",
    "milling-machine%00", "milling-machine%2f1", "milling-machine%0d%0aX-Injected:%201", "%ff%fe",
    "milling-machine%20", "%3Cscript%3Ealert(1)%3C%2Fscript%3E", "=cmd|'%20%2FC%20calc'!A0",
    "a" * 5_000, "con", "milling-machine;x=1", "%u002e%u002e", "file:%2f%2f%2fetc%2fpasswd",
]  # fmt: skip
PATHS = ["/api/v1/models/{}", "/api/v1/models/{}/spec", "/v1/models/{}", "/static/{}"]


def said_by(base: str, request: bytes) -> bytes:
    """The reply to ``request``, byte for byte as it is written here: clients tidy them up."""
    where = urlsplit(base)
    with socket.create_connection((where.hostname, where.port), timeout=300) as connection:
        connection.sendall(request)
        return b"".join(iter(lambda: connection.recv(65_536), b""))


@pytest.mark.parametrize("trick", TRICKS)
def test_a_name_leads_nowhere_but_to_a_model(service_url: str, trick: str) -> None:
    for path in PATHS:
        line = f"GET {path.format(trick)} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
        reply = said_by(service_url, line.encode())
        head, _, body = reply.partition(b"\r\n\r\n")
        assert int(head.split()[1]) in (400, 404, 422), (path, head)
        assert b"x-injected" not in head.lower()
        assert b"root:" not in body
        assert b"text/html" not in head.lower() or b"<script>alert" not in body


@pytest.mark.parametrize("trick", TRICKS[:12])
def test_a_question_about_such_a_name_is_refused_too(service_url: str, trick: str) -> None:
    for end in ("/explanations", "/predictions", "/what-if"):
        line = (
            f"POST /api/v1/models/{trick}{end} HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n"
        )
        line += "Content-Type: application/json\r\nContent-Length: 2\r\n\r\n{}"
        status = int(said_by(service_url, line.encode()).split()[1])
        assert 400 <= status < 500


@pytest.mark.parametrize(
    "header",
    [
        b"X-Request-ID: a\r\n X-Injected: 1",
        b"X-Request-ID: a\x00b",
        b"X-Request-ID: \xff\xfe",
        b"X-Request-ID: " + b"a" * 5_000,
        b"X-Request-ID: <script>",
        b"X-Request-ID: =1+1",
        b"X-Request-ID: a\rX-Injected: 1",
    ],
)
def test_a_request_id_that_is_no_plain_word_is_not_repeated(
    service_url: str, header: bytes
) -> None:
    request = (
        b"GET /healthz/live HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n%b\r\n\r\n" % header
    )
    head, _, _ = said_by(service_url, request).partition(b"\r\n\r\n")
    assert int(head.split()[1]) in (200, 400)
    given = header.partition(b": ")[2]
    assert given not in head
    assert b"x-injected" not in head.lower()


def test_two_requests_cannot_be_smuggled_in_one(service_url: str) -> None:
    """A length and chunks together: one of two readers would see a second request."""
    request = (
        b"POST /api/v1/models/press/predictions HTTP/1.1\r\nHost: localhost\r\n"
        b"Content-Type: application/json\r\nContent-Length: 6\r\nTransfer-Encoding: chunked\r\n"
        b"\r\n0\r\n\r\nGET /healthz/live HTTP/1.1\r\nHost: localhost\r\nConnection: close\r\n\r\n"
    )
    reply = said_by(service_url, request)
    assert reply.startswith(b"HTTP/1.1 400")
    assert reply.count(b"HTTP/1.1 ") == 1


def test_a_bomb_of_lines_is_unpacked_no_further_than_a_job_may_be_long(
    client: httpx.Client,
) -> None:
    bomb = gzip.compress(b"{}\n" * 60_000_000, compresslevel=1)
    assert len(bomb) < 1_000_000
    reply = client.post(
        "/api/v1/models/press/explanations/bulk",
        content=bomb,
        headers={"Content-Type": "application/jsonl", "Content-Encoding": "gzip"},
    )
    assert reply.status_code == 413
    assert reply.json()["type"] == "urn:ifonly:problem:body-too-large"


def test_whatever_is_wrong_with_a_key_one_comparison_in_constant_time_decides(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    url = f"sqlite:///{tmp_path / 'store.sqlite3'}"
    with opened(url, JournalOptions(engine_version="test")) as store:
        token, work = keys.create(Role.PIPELINE, "", None, "system")
        store.journal.append(work).result()
    compared: list[tuple[int, int]] = []

    def compare(a: str, b: str) -> bool:
        compared.append((len(a), len(b)))
        return hmac_compare(a, b)

    hmac_compare = hmac.compare_digest
    monkeypatch.setattr(hmac, "compare_digest", compare)
    right, wrong = token, token[:-43] + secrets.token_urlsafe(32)
    stranger = f"ifonly_00000000_{secrets.token_urlsafe(32)}"
    with closing(connect(url)) as database:
        keyring = Keyring(database)
        keyring.load()
        assert keyring.find(right) is not None
        for other in (wrong, stranger, "ifonly_", "", token[:-1], token + "a"):
            assert keyring.find(other) is None
    assert compared == [(64, 64)] * 7

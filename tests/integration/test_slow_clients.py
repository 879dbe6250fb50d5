"""Whoever holds a connection and says next to nothing (slow loris) is let go."""

from __future__ import annotations

import contextlib
import json
import socket
import threading
import time
from collections.abc import Iterator
from http.client import HTTPResponse
from pathlib import Path
from typing import Any
from urllib.parse import urlsplit

import httpx
import pytest

from ifonly.service.doors.cli.connections import MAX_HEAD_BYTES, PatientOnlySoLong
from ifonly.service.settings import Settings
from tests.integration.conftest import serving
from tests.integration.test_faults import ASK, BODY

REQUEST = json.dumps(BODY).encode()
START = f"POST {ASK} HTTP/1.1\r\nHost: localhost\r\nContent-Type: application/json\r\n".encode()
HEAD = START + f"Content-Length: {len(REQUEST)}\r\n\r\n".encode()


@pytest.fixture
def address(
    press: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> Iterator[tuple[str, int]]:
    """A service that waits 0.3 s for a head, and as long for a body."""
    monkeypatch.setattr(PatientOnlySoLong, "head_seconds", 0.3)
    given = {"models": press, "body_seconds": 0.3, "data": tmp_path / "store"}
    with serving(Settings.model_validate(given)) as url:
        parts = urlsplit(url)
        assert parts.hostname
        assert parts.port
        yield parts.hostname, parts.port


def said_until_closed(connection: socket.socket) -> bytes:
    """What the service says until it closes; a test that waits for ever here fails by time."""
    connection.settimeout(60)
    return b"".join(iter(lambda: connection.recv(65_536), b""))


@contextlib.contextmanager
def dripping(connection: socket.socket, drops: bytes) -> Iterator[None]:
    """One byte after the other, each in time for those that count from the last."""
    stop = threading.Event()

    def drip() -> None:
        for i in range(len(drops)):
            if stop.wait(0.05):
                return
            with contextlib.suppress(OSError):
                connection.send(drops[i : i + 1])

    thread = threading.Thread(target=drip)
    thread.start()
    try:
        yield
    finally:
        stop.set()
        thread.join()


def test_a_connection_without_a_request_is_closed(address: tuple[str, int]) -> None:
    with socket.create_connection(address) as connection:
        assert said_until_closed(connection) == b""


def test_a_head_that_drips_is_not_waited_for(address: tuple[str, int]) -> None:
    with socket.create_connection(address) as connection:
        connection.send(START)
        with dripping(connection, b"X-Slow: " + b"a" * 1_000), contextlib.suppress(OSError):
            assert said_until_closed(connection) == b""


def test_a_second_request_has_no_more_time_than_the_first(address: tuple[str, int]) -> None:
    with socket.create_connection(address) as connection:
        connection.send(HEAD + REQUEST)
        reply = HTTPResponse(connection)
        reply.begin()
        assert reply.status == 200
        assert json.loads(reply.read())
        drops = dripping(connection, START + b"X-Slow: " + b"a" * 1_000)
        with drops, contextlib.suppress(ConnectionResetError):
            assert said_until_closed(connection) == b""


def test_a_body_that_drips_is_refused_and_the_connection_closed(address: tuple[str, int]) -> None:
    with socket.create_connection(address) as connection:
        connection.send(HEAD.replace(str(len(REQUEST)).encode(), b"5000"))
        with dripping(connection, b" " * 1_000):
            said = said_until_closed(connection)
        assert said.startswith(b"HTTP/1.1 408")
        assert b"urn:ifonly:problem:body-too-slow" in said


def test_a_body_that_is_too_large_is_not_drained_for_ever(address: tuple[str, int]) -> None:
    with socket.create_connection(address) as connection:
        connection.send(START + b"Content-Length: 99000000\r\n\r\n")
        assert said_until_closed(connection).startswith(b"HTTP/1.1 408")


@pytest.mark.parametrize("line", [b"X-More: " + b"a" * 200 + b"\r\n", b"a" * 200])
def test_a_head_without_end_is_not_kept(address: tuple[str, int], line: bytes) -> None:
    with socket.create_connection(address) as connection:
        connection.send(START + b"X-First: ")
        with contextlib.suppress(OSError):
            for _ in range(2 * MAX_HEAD_BYTES // len(line)):
                connection.send(line)
        with contextlib.suppress(ConnectionResetError):
            assert said_until_closed(connection).startswith(b"HTTP/1.1 400")


def test_there_are_so_many_connections_and_no_more(
    press: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    class OfTwo(PatientOnlySoLong):
        def __init__(self, *arguments: Any, **options: Any) -> None:
            super().__init__(*arguments, most=2, **options)

    monkeypatch.setattr("tests.integration.conftest.PatientOnlySoLong", OfTwo)
    with serving(Settings(models=press)) as url, contextlib.ExitStack() as stack:
        parts = urlsplit(url)
        where = (str(parts.hostname), int(parts.port or 0))
        held = [stack.enter_context(socket.create_connection(where)) for _ in range(2)]
        for connection in held:
            connection.sendall(b"GET /healthz/live HTTP/1.1\r\nHost: localhost\r\n\r\n")
            assert connection.recv(65_536).startswith(b"HTTP/1.1 200")
        with socket.create_connection(where) as third:
            assert said_until_closed(third).startswith(b"HTTP/1.1 503")
        held[0].close()
        for _ in range(100):
            with contextlib.suppress(httpx.HTTPError):
                if httpx.get(f"{url}/healthz/live", trust_env=False).status_code == 200:
                    return
            time.sleep(0.05)
        pytest.fail("a connection that has ended is counted for ever")


def test_slow_clients_do_not_keep_quick_ones_waiting(address: tuple[str, int]) -> None:
    with contextlib.ExitStack() as stack:
        for _ in range(200):
            slow = stack.enter_context(socket.create_connection(address))
            slow.send(START)
        url = f"http://{address[0]}:{address[1]}{ASK}"
        assert httpx.post(url, json=BODY, trust_env=False, timeout=300).status_code == 200

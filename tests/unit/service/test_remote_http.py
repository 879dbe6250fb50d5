"""Servers that drip, break off, redirect or say who asked: what a call to them comes to."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import closing, contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any

import pytest

from ifonly.service.served.remote.failures import CallFailed, FailureKind
from ifonly.service.served.remote.http import HttpPool
from ifonly.service.served.remote.remotes import Remotes
from ifonly.service.settings import Settings
from tests.support.predictor import running
from tests.unit.service.test_remote_words import ROWS, spec_of


@contextmanager
def talking(talk: Callable[[socket.socket, int], None]) -> Iterator[str]:
    """A server that says whatever ``talk`` sends, given the connection and its number from 1."""
    listener = socket.create_server(("127.0.0.1", 0))
    is_over = threading.Event()

    def serve() -> None:
        count = 0
        while not is_over.is_set():
            try:
                connection, _ = listener.accept()
            except OSError:
                return
            count += 1
            with connection:
                connection.recv(65_536)
                try:
                    talk(connection, count)
                except OSError:  # whoever asked has gone
                    continue

    thread = threading.Thread(target=serve, daemon=True)
    thread.start()
    try:
        yield f"http://127.0.0.1:{listener.getsockname()[1]}"
    finally:
        is_over.set()
        # Closing alone does not wake `accept`.
        listener.shutdown(socket.SHUT_RDWR)
        listener.close()
        thread.join(5)


def words(*said: Any) -> bytes:
    body = json.dumps({"predictions": said}).encode()
    return b"HTTP/1.1 200 OK\r\nconnection: close\r\ncontent-length: %d\r\n\r\n%b" % (
        len(body),
        body,
    )


def said_by(url: str, **more: str) -> list[Any]:
    spec = spec_of(f'[predictor]\nurl = "{url}"\nprotocol = "v1"\ntimeout_ms = 5000\n')
    allowed: Any = {url: more}
    with closing(Remotes(Settings(predictors=allowed))) as remotes:
        predictor = remotes.of(spec)
        assert predictor is not None
        return predictor.say(ROWS)


def test_one_that_drips_is_left_when_its_time_is_over() -> None:
    """Each part comes in time, and the whole never would."""

    def drip(connection: socket.socket, count: int) -> None:
        connection.sendall(b"HTTP/1.1 200 OK\r\ncontent-length: 100000\r\n\r\n")
        for _ in range(100_000):
            connection.sendall(b" ")
            time.sleep(0.01)

    with (
        talking(drip) as url,
        closing(HttpPool()) as pool,
        pytest.raises(CallFailed, match="answers without end") as failed,
    ):
        pool.post(url, b"{}", {}, 0.1)
    assert failed.value.how is FailureKind.LATE


def test_one_that_restarts_is_asked_again() -> None:
    """Its connection breaks in the middle of an answer, then nothing comes, then words do."""

    def restart(connection: socket.socket, count: int) -> None:
        if count == 1:
            connection.sendall(words("good", "bad")[:-10])
        elif count == 3:
            connection.sendall(words("good", "bad"))

    with talking(restart) as url:
        assert said_by(url) == ["good", "bad"]


def test_who_breaks_off_every_time_is_away() -> None:
    with (
        talking(lambda connection, count: None) as url,
        pytest.raises(CallFailed, match="RemoteProtocolError") as failed,
    ):
        said_by(url)
    assert failed.value.how is FailureKind.AWAY


def test_readings_and_tokens_go_nowhere_else() -> None:
    """A redirect is an answer like any other that has no words."""
    seen: list[str] = []

    class Elsewhere(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            seen.append(self.path)

        def log_message(self, *_: object) -> None:
            return None

    with running(Elsewhere, ThreadingHTTPServer) as other:
        moved = (
            f"HTTP/1.1 307 Moved\r\nlocation: http://{other}/x\r\nconnection: close\r\n"
            "content-length: 0\r\n\r\n"
        ).encode()
        with (
            talking(lambda connection, count: connection.sendall(moved)) as url,
            pytest.raises(CallFailed, match="answered 307"),
        ):
            said_by(url, Authorization="Bearer x")
    assert seen == []


def test_each_server_is_sent_its_own_headers_and_one_connection_serves_many_calls() -> None:
    seen: list[tuple[str | None, int]] = []

    class Listening(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            seen.append((self.headers["authorization"], self.client_address[1]))
            body = json.dumps({"predictions": ["good", "bad"]}).encode()
            self.send_response(200)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            return None

    with (
        running(Listening, ThreadingHTTPServer) as one,
        running(Listening, ThreadingHTTPServer) as two,
    ):
        allowed: Any = {
            f"http://{one}": {"Authorization": "Bearer one"},
            f"http://{two}": {},
        }
        with closing(Remotes(Settings(predictors=allowed))) as remotes:
            for host in (one, one, two):
                spec = spec_of(f'[predictor]\nurl = "http://{host}"\nprotocol = "v1"\n')
                predictor = remotes.of(spec)
                assert predictor is not None
                assert predictor.say(ROWS) == ["good", "bad"]
    assert [token for token, _ in seen] == ["Bearer one", "Bearer one", None]
    assert seen[0][1] == seen[1][1]


def test_a_password_of_the_setting_is_sent_and_not_shown() -> None:
    seen: list[bytes] = []

    class Recording(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            seen.append(self.headers["authorization"].encode())
            self.rfile.read(int(self.headers["content-length"]))
            self.send_response(401)
            self.end_headers()

        def log_message(self, *_: object) -> None:
            return None

    with running(Recording, ThreadingHTTPServer) as host:
        settings = Settings(predictor_host=f"me:s%40cret@{host}")
        with closing(Remotes(settings)) as remotes:
            predictor = remotes.of(spec_of())
            assert predictor is not None
            with pytest.raises(CallFailed, match="answered 401") as failed:
                predictor.say(ROWS)
    assert seen == [b"Basic bWU6c0BjcmV0"]
    assert "cret" not in str(failed.value)

"""Somebody who is told of events and jobs over HTTP, and answers as a test says."""

from __future__ import annotations

import contextlib
import threading
import time
from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

PATIENCE = 1_200
"""Looks, a twentieth of a second apart."""


@dataclass(frozen=True)
class Told:
    """One request."""

    path: str
    headers: Mapping[str, str]
    """By name in lower case."""
    body: bytes


@dataclass
class Receiver:
    """What it was told, and what it answers next."""

    url: str
    told: list[Told] = field(default_factory=list)
    answers: list[tuple[int, dict[str, str]]] = field(default_factory=list)
    """Status and headers of the next answers; then 204."""
    then: tuple[int, dict[str, str]] = (204, {})

    def until(self, count: int) -> list[Told]:
        """All that it was told, once that is so much."""
        for _ in range(PATIENCE):
            if len(self.told) >= count:
                return list(self.told)
            time.sleep(0.05)
        raise AssertionError(f"told {len(self.told)} of {count}")


def waiting_until(holds: Callable[[], bool]) -> None:
    for _ in range(PATIENCE):
        if holds():
            return
        time.sleep(0.05)
    raise AssertionError("it did not happen")


@contextlib.contextmanager
def receiving() -> Iterator[Receiver]:
    """A receiver that listens until the block ends."""

    class Handler(BaseHTTPRequestHandler):
        protocol_version = "HTTP/1.1"

        def do_POST(self) -> None:
            body = self.rfile.read(int(self.headers["content-length"]))
            named = {name.lower(): value for name, value in self.headers.items()}
            receiver.told.append(Told(self.path, named, body))
            status, headers = receiver.answers.pop(0) if receiver.answers else receiver.then
            self.send_response(status)
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("content-length", "0")
            self.end_headers()

        def log_message(self, *_: object) -> None:
            pass

    with ThreadingHTTPServer(("127.0.0.1", 0), Handler) as server:
        receiver = Receiver(f"http://127.0.0.1:{server.server_port}")
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield receiver
        finally:
            server.shutdown()
            thread.join()

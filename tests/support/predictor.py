"""A predictor as KServe runs one, speaking protocol V1: not the service, and with its own copy of
the model."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer, ThreadingHTTPServer
from pathlib import Path
from typing import Any

import numpy as np

from ifonly.models.predictor import Rows, Scores
from ifonly.models.repository import load_folder

Change = Callable[[Rows, Scores], Scores]


class _Answering(BaseHTTPRequestHandler):
    def answer(self, status: int, body: bytes) -> None:
        self.send_response(status)
        self.send_header("content-length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, *_: object) -> None:
        return None


def as_scored(rows: Rows, scores: Scores) -> Scores:
    return scores


def flipped(rows: Rows, scores: Scores) -> Scores:
    """Another model than the folder's."""
    return 1.0 - scores


def speaker(folder: Path, how: str, change: Change) -> Callable[[Any], list[Any]]:
    model = load_folder(folder)
    schema, decision = model.spec.schema, model.spec.decision

    def predictions(instances: Any) -> list[Any]:
        named = [
            row if isinstance(row, dict) else dict(zip(schema.names, row, strict=True))
            for row in instances
        ]
        rows = np.array([schema.read(row) for row in named])
        scores = change(rows, model.predictor.score(rows))
        places = decision.decide(scores)
        if how == "names":
            return [decision.class_names[k] for k in places]
        if how == "places":
            return [int(k) for k in places]
        if how == "odd labels":
            return [{"label": f"class-{k}"} for k in places]
        # Whole ones as other languages write them: 1 for 1.0.
        shares = [int(s) if s in (0.0, 1.0) else float(s) for s in scores[:, 0]]
        if how == "alone":
            return shares
        if how == "in a list":
            return [[s] for s in shares]
        if how == "both":
            return [s if s < 0.5 else decision.class_names[decision.positive] for s in shares]
        if how == "half a share":
            return [[np.nan, s] if decision.positive else [s, np.nan] for s in shares]
        return [[1 - s, s] if decision.positive else [s, 1 - s] for s in shares]

    return predictions


@contextmanager
def predicting(
    folder: Path,
    how: str,
    *,
    change: Change = as_scored,
    asked: list[Any] | None = None,
) -> Iterator[str]:
    """Where it is, until the block ends. It says of each instance the class's ``names``, its
    ``places``, ``odd labels`` that nobody declared, the ``shares`` of both, that of the positive
    one ``alone``, ``in a list`` or beside a NaN (``half a share``), or ``both`` classes and
    shares; ``change``: what it makes of the folder's scores; ``asked`` collects the instances of
    each request."""
    say = speaker(folder, how, change)

    class Handler(_Answering):
        def do_POST(self) -> None:
            instances = json.loads(self.rfile.read(int(self.headers["content-length"])))[
                "instances"
            ]
            if asked is not None:
                asked.append(instances)
            said = json.dumps({"predictions": say(instances)}).encode()
            self.answer(200 if self.path.endswith(":predict") else 404, said)

    with running(Handler) as host:
        yield host


@contextmanager
def answering(status: int, body: bytes) -> Iterator[str]:
    """Something else at a predictor's place, which answers whatever it is asked like this."""

    class Handler(_Answering):
        def do_POST(self) -> None:
            self.rfile.read(int(self.headers["content-length"]))
            self.answer(status, body)

    with running(Handler) as host:
        yield host


@contextmanager
def silent(asked: list[Any]) -> Iterator[str]:
    """It takes requests, which ``asked`` collects, and answers none."""
    is_over = threading.Event()

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked.append(self.path)
            is_over.wait(60)

        def log_message(self, *_: object) -> None:
            return None

    with running(Handler, ThreadingHTTPServer) as host:
        try:
            yield host
        finally:
            is_over.set()


@contextmanager
def running(
    handler: type[BaseHTTPRequestHandler], kind: type[HTTPServer] = HTTPServer
) -> Iterator[str]:
    with kind(("127.0.0.1", 0), handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()

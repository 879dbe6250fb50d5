"""A predictor as KServe runs one, speaking protocol V1: not the service, and with its own copy of
the model."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, HTTPServer
from pathlib import Path
from typing import Any

import numpy as np

from models.repository import load_folder


def speaker(folder: Path, how: str, *, flipped: bool) -> Callable[[Any], list[Any]]:
    model = load_folder(folder)
    schema, decision = model.spec.schema, model.spec.decision

    def predictions(instances: Any) -> list[Any]:
        named = [
            row if isinstance(row, dict) else dict(zip(schema.names, row, strict=True))
            for row in instances
        ]
        scores = model.predictor.score(np.array([schema.read(row) for row in named]))
        scores = 1.0 - scores if flipped else scores
        places = decision.decide(scores)
        if how == "names":
            return [decision.class_names[k] for k in places]
        if how == "places":
            return [int(k) for k in places]
        shares = [float(s) for s in scores[:, 0]]
        return [[1 - s, s] if decision.positive else [s, 1 - s] for s in shares]

    return predictions


@contextmanager
def predicting(folder: Path, how: str, *, flipped: bool = False) -> Iterator[str]:
    """Where it is, until the block ends. It says of each instance the class's ``names``, its
    ``places``, or the ``shares`` of both; ``flipped``: it is another model than the folder's."""
    say = speaker(folder, how, flipped=flipped)

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            asked = json.loads(self.rfile.read(int(self.headers["content-length"])))
            body = json.dumps({"predictions": say(asked["instances"])}).encode()
            self.send_response(200 if self.path.endswith(":predict") else 404)
            self.send_header("content-length", str(len(body)))
            self.end_headers()
            self.wfile.write(body)

        def log_message(self, *_: object) -> None:
            return None

    with HTTPServer(("127.0.0.1", 0), Handler) as server:
        thread = threading.Thread(target=server.serve_forever, daemon=True)
        thread.start()
        try:
            yield f"127.0.0.1:{server.server_port}"
        finally:
            server.shutdown()
            thread.join()

"""A predictor as KServe runs one: a process of its own that speaks protocol V1.

    python -m tests.support.predictor FOLDER (names|places|shares) [FLIPPED]

Prints its port. Says of each instance the class's name, its place, or the shares of both; with
FLIPPED it is another model than the folder's.
"""

from __future__ import annotations

import json
import sys
from collections.abc import Callable
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


def main(folder: str, how: str, *flipped: str) -> None:
    say = speaker(Path(folder), how, flipped=bool(flipped))

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

    server = HTTPServer(("127.0.0.1", 0), Handler)
    print(server.server_port, flush=True)
    server.serve_forever()


if __name__ == "__main__":
    main(*sys.argv[1:])

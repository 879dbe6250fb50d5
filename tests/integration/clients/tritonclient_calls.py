"""Run by tritonclient's own interpreter: every call that Triton's users make of a server.

``python tritonclient_calls.py HOST:PORT``; prints what came back as JSON.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import numpy as np
import tritonclient.http as triton
from tritonclient.utils import InferenceServerException

NAME = "milling-machine"


def inputs(rows: list[dict[str, Any]], *, binary: bool) -> list[Any]:
    made = []
    for name in rows[0]:
        texts = isinstance(rows[0][name], str)
        values = np.array([[row[name]] for row in rows], dtype=object if texts else np.float32)
        tensor = triton.InferInput(name, [len(rows), 1], "BYTES" if texts else "FP32")
        tensor.set_data_from_numpy(values, binary_data=binary)
        made.append(tensor)
    return made


def labels(found: Any) -> list[str]:
    return [v.decode() if isinstance(v, bytes) else v for v in found.as_numpy("label").tolist()]


def told(found: Any) -> dict[str, Any]:
    return {
        "label": labels(found),
        "probability": found.as_numpy("probability").tolist(),
        "scores": found.as_numpy("scores").tolist(),
    }


def error_of(call: Any, *args: Any, **kwargs: Any) -> list[str | None]:
    try:
        call(*args, **kwargs)
    except InferenceServerException as error:
        return [error.status(), error.message()]
    return [None, None]


def main(address: str, rows: list[dict[str, Any]]) -> dict[str, Any]:
    client = triton.InferenceServerClient(address, concurrency=2, network_timeout=300.0)
    wanted = [
        triton.InferRequestedOutput("label", binary_data=False),
        triton.InferRequestedOutput("probability", binary_data=True),
        triton.InferRequestedOutput("scores", binary_data=False),
    ]
    wrong = [{**rows[0], "torque": 1e9}]
    many = (rows * 500)[:500]
    named = {"Idempotency-Key": "triton-once"}
    matrix = triton.InferInput("input-0", [1, 2], "FP64")
    matrix.set_data_from_numpy(np.array([[10.0, 100.0]]))
    asynchronous = client.async_infer(NAME, inputs(rows, binary=True)).get_result()

    def infer(rows: list[dict[str, Any]], **more: Any) -> Any:
        return client.infer(NAME, inputs(rows, binary=True), **more)

    return {
        "live": client.is_server_live(),
        "ready": client.is_server_ready(),
        "model_ready": client.is_model_ready(NAME),
        "version_ready": client.is_model_ready(NAME, "1"),
        "unknown_ready": client.is_model_ready("nobody"),
        "server": client.get_server_metadata(),
        "index": client.get_model_repository_index(),
        "metadata": client.get_model_metadata(NAME),
        "config": client.get_model_config(NAME, "1"),
        "binary": told(infer(rows)),
        "json": told(client.infer(NAME, inputs(rows, binary=False), outputs=wanted)),
        "version": told(infer(rows, model_version="1")),
        "async": told(asynchronous),
        "packed": [
            told(
                client.infer(
                    NAME,
                    inputs(many, binary=binary),
                    request_compression_algorithm=coding,
                    response_compression_algorithm=coding,
                )
            )["label"]
            for coding in ("gzip", "deflate")
            for binary in (True, False)
        ],
        "matrix": client.infer("press", [matrix]).as_numpy("score").tolist(),
        "id": infer(rows, request_id="seven").get_response()["id"],
        "once": [infer(rows, headers=named).get_response()["parameters"] for _ in range(2)],
        "wrong": error_of(client.infer, NAME, inputs(wrong, binary=True)),
        "nobody": error_of(client.infer, "nobody", inputs(rows, binary=True)),
        "statistics": error_of(client.get_inference_statistics),
        "unload": error_of(client.unload_model, NAME),
    }


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], json.loads(sys.argv[2]))))

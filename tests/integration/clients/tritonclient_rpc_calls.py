"""Run by tritonclient's own interpreter: the same calls over gRPC.

``python tritonclient_rpc_calls.py HOST:PORT ROWS``; prints what came back as JSON.
"""

from __future__ import annotations

import json
import sys
from typing import Any

import numpy as np
import tritonclient.grpc as triton
from tritonclient.utils import InferenceServerException

NAME = "milling-machine"


def inputs(rows: list[dict[str, Any]]) -> list[Any]:
    made = []
    for name in rows[0]:
        texts = isinstance(rows[0][name], str)
        values = np.array([row[name] for row in rows], dtype=object if texts else np.float32)
        tensor = triton.InferInput(name, [len(rows)], "BYTES" if texts else "FP32")
        tensor.set_data_from_numpy(values)
        made.append(tensor)
    return made


def told(found: Any) -> dict[str, Any]:
    labels = found.as_numpy("label").tolist()
    return {
        "label": [v.decode() if isinstance(v, bytes) else v for v in labels],
        "probability": found.as_numpy("probability").tolist(),
        "scores": found.as_numpy("scores").tolist(),
    }


def error_of(call: Any, *args: Any) -> list[str | None]:
    try:
        call(*args)
    except InferenceServerException as error:
        return [error.status(), error.message()]
    return [None, None]


def main(address: str, rows: list[dict[str, Any]]) -> dict[str, Any]:
    client = triton.InferenceServerClient(address)
    wanted = [triton.InferRequestedOutput(name) for name in ("scores", "label", "probability")]
    wrong = [{**rows[0], "torque": 1e9}]
    named = {"idempotency-key": "triton-rpc-once"}

    def infer(rows: list[dict[str, Any]], **more: Any) -> Any:
        return client.infer(NAME, inputs(rows), **more)

    return {
        "live": client.is_server_live(),
        "ready": client.is_server_ready(),
        "model_ready": client.is_model_ready(NAME),
        "version_ready": client.is_model_ready(NAME, "1"),
        "unknown_ready": client.is_model_ready("nobody"),
        "server": client.get_server_metadata(as_json=True),
        "index": client.get_model_repository_index(as_json=True)["models"],
        "metadata": client.get_model_metadata(NAME, as_json=True),
        "config": client.get_model_config(NAME, as_json=True)["config"],
        "infer": told(infer(rows)),
        "outputs": told(infer(rows, outputs=wanted)),
        "packed": told(infer(rows, compression_algorithm="gzip")),
        "id": infer(rows, request_id="seven").get_response().id,
        "once": [
            infer(rows, headers=named).get_response().parameters["record"].string_param
            for _ in range(2)
        ],
        "wrong": error_of(infer, wrong),
        "nobody": error_of(client.infer, "nobody", inputs(rows)),
        "statistics": error_of(client.get_inference_statistics),
    }


if __name__ == "__main__":
    print(json.dumps(main(sys.argv[1], json.loads(sys.argv[2]))))

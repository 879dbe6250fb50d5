"""Run by KServe's own interpreter: its SDK's client over gRPC.

``python kserve_rpc_calls.py HOST:PORT ROWS``; prints what came back as JSON.
"""

from __future__ import annotations

import asyncio
import json
import sys
from typing import Any

import grpc
import numpy as np
from kserve import InferenceGRPCClient, InferInput, InferRequest

NAME = "milling-machine"


def request(rows: list[dict[str, Any]], *, raw: bool) -> InferRequest:
    made = []
    for name in rows[0]:
        texts = isinstance(rows[0][name], str)
        values = np.array([row[name] for row in rows], dtype=object if texts else np.float64)
        tensor = InferInput(name, [len(rows)], "BYTES" if texts else "FP64")
        tensor.set_data_from_numpy(values, binary_data=raw)
        made.append(tensor)
    return InferRequest(NAME, made, request_id="seven")


def told(found: Any) -> dict[str, Any]:
    outputs = {output.name: output for output in found.outputs}
    labels = outputs["label"].as_numpy().tolist()
    return {
        "id": found.id,
        "label": [v.decode() if isinstance(v, bytes) else v for v in labels],
        "probability": outputs["probability"].as_numpy().tolist(),
        "scores": outputs["scores"].as_numpy().tolist(),
    }


async def main(address: str, rows: list[dict[str, Any]]) -> dict[str, Any]:
    client = InferenceGRPCClient(address, timeout=300)
    try:
        await client.infer(request([{**rows[0], "torque": 1e9}], raw=True))
        error = ["", ""]
    except grpc.RpcError as refused:
        error = [refused.code().name, refused.details()]
    return {
        "live": await client.is_server_live(),
        "ready": await client.is_server_ready(),
        "model_ready": await client.is_model_ready(NAME),
        "unknown_ready": await client.is_model_ready("nobody"),
        "raw": told(await client.infer(request(rows, raw=True))),
        "contents": told(await client.infer(request(rows, raw=False))),
        "error": error,
    }


if __name__ == "__main__":
    print(json.dumps(asyncio.run(main(sys.argv[1], json.loads(sys.argv[2])))))

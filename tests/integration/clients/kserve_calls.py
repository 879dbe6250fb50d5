"""Run by KServe's own interpreter: every call of its SDK's REST client, both protocols.

``python kserve_calls.py URL ROWS``; prints what came back as JSON.
"""

from __future__ import annotations

import asyncio
import json
import sys
from collections.abc import Awaitable
from typing import Any

import httpx
import numpy as np
from kserve import InferenceRESTClient, InferInput, InferRequest, RESTConfig

NAME = "milling-machine"
QUESTION = {"semantics": "independent"}


def request(rows: list[dict[str, Any]], *, binary: bool) -> InferRequest:
    made = []
    for name in rows[0]:
        texts = isinstance(rows[0][name], str)
        values = np.array([row[name] for row in rows], dtype=object if texts else np.float64)
        tensor = InferInput(name, [len(rows)], "BYTES" if texts else "FP64")
        tensor.set_data_from_numpy(values, binary_data=binary)
        made.append(tensor)
    more = {"binary_data_output": True} if binary else {}
    return InferRequest(NAME, made, request_id="seven", parameters=more)


def told(found: Any) -> dict[str, Any]:
    outputs = {output.name: output for output in found.outputs}
    # As JSON it is text, from bytes it is bytes.
    label = [v.decode() if isinstance(v, bytes) else v for v in outputs["label"].data]
    return {
        "id": found.id,
        "label": label,
        "probability": outputs["probability"].as_numpy().tolist(),
        "scores": outputs["scores"].as_numpy().tolist(),
    }


async def error_of(call: Awaitable[Any]) -> list[Any]:
    try:
        await call
    except httpx.HTTPStatusError as error:
        return [error.response.status_code, str(error)]
    return [None, None]


async def main(url: str, rows: list[dict[str, Any]]) -> dict[str, Any]:
    v1 = InferenceRESTClient(RESTConfig(protocol="v1", retries=1, timeout=300))
    v2 = InferenceRESTClient(RESTConfig(protocol="v2", retries=1, timeout=300))
    listed = [[*row.values()] for row in rows]
    wrong = [{**rows[0], "torque": 1e9}]
    mixed = [rows[0], *wrong, listed[0]]
    presses = [[float(10 + k % 40), 100] for k in range(80)]
    more_force = {"target": {"score": {"min": 150}}}
    named = {"Idempotency-Key": "kserve-sdk-once"}
    said: dict[str, str] = {}

    async def explained(body: dict[str, Any], name: str = NAME, **more: Any) -> Any:
        return (await v1.explain(url, name, body, **more))["explanations"]

    once = [await explained({"instances": rows[:1], **QUESTION}, headers=named) for _ in range(2)]
    return {
        "v1_live": await v1.is_server_live(url),
        "v1_model_ready": await v1.is_model_ready(url, NAME),
        "v1_infer": await v1.infer(url, {"instances": rows}, NAME),
        "v1_lists": await v1.infer(url, {"inputs": listed}, NAME, response_headers=said),
        "v1_mixed": await v1.infer(url, {"instances": mixed}, NAME),
        "v1_many": len((await v1.infer(url, {"instances": rows * 100}, NAME))["predictions"]),
        "explain": await explained({"instances": rows[:1], **QUESTION}),
        "explain_inputs": await explained({"inputs": listed[:1], **QUESTION}),
        "explain_mixed": [e["status"] for e in await explained({"instances": mixed, **QUESTION})],
        "explain_many": [
            e["status"] for e in await explained({"instances": presses, **more_force}, "press")
        ],
        "once": once,
        "v2_live": await v2.is_server_live(url),
        "v2_ready": await v2.is_server_ready(url),
        "v2_model_ready": await v2.is_model_ready(url, NAME),
        "v2_unknown_ready": await v2.is_model_ready(url, "nobody"),
        "v2_json": told(await v2.infer(url, request(rows, binary=False), NAME)),
        "v2_binary": told(await v2.infer(url, request(rows, binary=True), NAME)),
        "v1_wrong": await error_of(v1.infer(url, {"instances": wrong}, NAME)),
        "v2_wrong": await error_of(v2.infer(url, request(wrong, binary=True), NAME)),
        "v1_nobody": await error_of(v1.infer(url, {"instances": rows}, "nobody")),
    }


if __name__ == "__main__":
    print(json.dumps(asyncio.run(main(sys.argv[1], json.loads(sys.argv[2])))))

"""Events as KServe's agent sends them.

``pkg/logger/worker.go`` and ``handler.go`` of https://github.com/kserve/kserve (read at commit
0217bda, of 2026): binary mode, written by the Go SDK, whose headers are ``Ce-Id`` and so on; a
response has the content type of its *request*; ``endpoint`` is empty but for a canary; ``metadata``
has the headers that ``logger.metadataHeaders`` names; nothing tells the length of the JSON before
binary tensors.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from typing import Any

KIND = "org.kubeflow.serving.inference"


def headers(half: str, identity: str, service: str, **more: str) -> dict[str, str]:
    """Of a ``request`` or ``response``."""
    return {
        "Content-Type": "application/json",
        "Ce-Specversion": "1.0",
        "Ce-Id": identity,
        "Ce-Source": "http://localhost:9081/",
        "Ce-Type": f"{KIND}.{half}",
        "Ce-Time": "2026-11-30T01:02:03.456789Z",
        "Ce-Inferenceservicename": service,
        "Ce-Namespace": "line-a",
        "Ce-Component": "predictor",
        "Ce-Endpoint": "",
        "Ce-Metadata": "{}",
    } | more


def structured(half: str, identity: str, service: str, data: Any) -> dict[str, Any]:
    """The same in one object."""
    told = {
        name[3:].lower(): value
        for name, value in headers(half, identity, service).items()
        if name.startswith("Ce-")
    }
    return told | {"datacontenttype": "application/json", "data": data}


def v1(rows: list[Any], words: list[Any]) -> Iterator[tuple[str, bytes]]:
    """A request and its response, protocol V1."""
    yield "request", json.dumps({"instances": rows}).encode()
    yield "response", json.dumps({"predictions": words}).encode()

"""KServe's protocol V1: ``POST /v1/models/NAME:predict``."""

from __future__ import annotations

import json
from collections.abc import Mapping, Sequence
from typing import Any

from ifonly.service.served.remote.failures import MISSHAPEN, unclear
from ifonly.service.served.remote.http import HttpAnswer

JSON = {"content-type": "application/json"}


def path(model: str) -> str:
    return f"/v1/models/{model}:predict"


def written(instances: Sequence[Any]) -> tuple[bytes, Mapping[str, str]]:
    return as_json({"instances": list(instances)}), JSON


def as_json(value: Any) -> bytes:
    return json.dumps(value, ensure_ascii=False, separators=(",", ":"), allow_nan=False).encode()


def words(reply: HttpAnswer, count: int, output: str | None) -> list[Any]:
    """One word a row; of objects, the member ``output``.

    Raises
    ------
    PredictorUnclear
        If it is not that.
    """
    wanted = f'{{"predictions": […]}} with {count} of them'
    try:
        found = json.loads(reply.body)["predictions"]
    except MISSHAPEN as error:
        raise unclear(reply.url, reply.status, reply.text, wanted) from error
    if not isinstance(found, list) or len(found) != count:
        raise unclear(reply.url, reply.status, reply.text, wanted)
    return [member(word, output) for word in found]


def member(word: Any, output: str | None) -> Any:
    """Of an object the member that is the word; whatever else there is is left to be refused."""
    return word[output] if isinstance(word, dict) and output in word else word

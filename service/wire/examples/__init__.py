"""Requests and replies that the OpenAPI document and ``docs/api.md`` show: real ones.

``UPDATE_EXAMPLES=1 python -m pytest tests/integration/test_examples.py`` asks the shipped model
again and rewrites the replies.
"""

from __future__ import annotations

import json
from dataclasses import dataclass
from importlib.resources import files
from typing import Any

MODEL = "milling-machine"


@dataclass(frozen=True)
class ExampleExchange:
    """One question that was asked, and the reply."""

    path: str
    """Below ``/api/v1/models/{model}/``."""
    status: int
    request: dict[str, Any]
    reply: dict[str, Any]


def read(name: str) -> ExampleExchange:
    text = (files(__package__) / f"{name}.json").read_text(encoding="utf-8")
    return ExampleExchange(**json.loads(text))


PREDICTIONS = read("predictions")
WHAT_IF = read("what_if")
EXPLANATION = read("explanation")
COMMON = read("common")
REASONS = read("reasons")
PROBLEM = read("problem")

ROW: dict[str, Any] = EXPLANATION.request["instance"]
LINES = "".join(f"{json.dumps(EXPLANATION.request)}\n" for _ in range(2))
"""A job's."""
TENSORS: list[Any] = [
    {
        "name": name,
        "datatype": "BYTES" if isinstance(value, str) else "FP64",
        "shape": [1],
        "data": [value],
    }
    for name, value in ROW.items()
]

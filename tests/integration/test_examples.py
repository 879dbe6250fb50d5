"""The examples that are shown are real: asked again, they hold, and the replies are well formed.

``UPDATE_EXAMPLES=1`` rewrites them, and the same blocks of ``docs/api.md``.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import subprocess
from pathlib import Path
from typing import Any

import httpx
import pytest
from pydantic import BaseModel

from ifonly.service.wire import common_replies, examples, problem, reasons_replies, replies

NAMES = ("predictions", "what_if", "explanation", "common", "reasons", "problem")
WIRE: dict[str, type[BaseModel]] = {
    "predictions": replies.PredictionsReply,
    "what_if": replies.WhatIfReply,
    "explanation": replies.ExplanationReply,
    "common": common_replies.CommonReply,
    "reasons": reasons_replies.ReasonsReply,
    "problem": problem.ProblemDetails,
}
ROOT = Path(__file__).resolve().parents[2]
FOLDER = Path(examples.__file__).parent
API = ROOT / "docs" / "api.md"
OWN = {"id", "audit", "request_id", "ifonly_version", "engine_version", "times"}
"""Members that no two replies share, or no two installations."""
UPDATE = os.environ.get("UPDATE_EXAMPLES") == "1"
HINT = "the examples are out of date: UPDATE_EXAMPLES=1 python -m pytest " + __file__


def ask(client: httpx.Client, example: examples.ExampleExchange) -> httpx.Response:
    path = f"/api/v1/models/{examples.MODEL}/{example.path}"
    return client.post(path, json=example.request, headers={"X-Request-ID": "example"})


@pytest.mark.skipif(not UPDATE, reason="rewrites files; set UPDATE_EXAMPLES=1")
@pytest.mark.parametrize("name", NAMES)
def test_rewrite(client: httpx.Client, name: str) -> None:
    file = FOLDER / f"{name}.json"
    example = examples.ExampleExchange(**json.loads(file.read_text(encoding="utf-8")))
    written = vars(example) | {"reply": steady(example.reply, ask(client, example).json())}
    file.write_text(json.dumps(written, ensure_ascii=False, indent=2) + "\n", encoding="utf-8")
    text = API.read_text(encoding="utf-8")
    for part in ("request", "reply"):
        block = f"<!-- {name}.{part} -->\n```json\n{pretty(written[part])}\n```"
        pattern = rf"<!-- {name}\.{part} -->\n```json\n.*?\n```"
        parts = re.split(pattern, text, flags=re.DOTALL)
        assert len(parts) == 2, f"docs/api.md shows {name}.{part} {len(parts) - 1} times"
        text = block.join(parts)
    API.write_text(text, encoding="utf-8")


def steady(was: Any, now: Any) -> Any:
    """``now``, but with the ids, times and last digits of ``was``: what did not change shows no
    difference."""
    if isinstance(was, dict) and isinstance(now, dict):
        return {
            key: was[key] if key in OWN and key in was else steady(was.get(key), value)
            for key, value in now.items()
        }
    if isinstance(was, list) and isinstance(now, list) and len(was) == len(now):
        return [steady(*pair) for pair in zip(was, now, strict=True)]
    if isinstance(was, float) and isinstance(now, float) and was == pytest.approx(now, rel=1e-4):
        return was
    return now


def pretty(value: object) -> str:
    """Indented JSON with short lists and objects on one line."""
    text = json.dumps(value, ensure_ascii=False, indent=2)

    def joined(match: re.Match[str]) -> str:
        line = re.sub(r"\s*\n\s*", " ", match[0])
        return line if len(line) <= 90 else match[0]

    for _ in range(2):
        text = re.sub(r"[\[{][^\[\]{}]*[\]}]", joined, text)
    return text


@pytest.mark.parametrize("name", NAMES)
@pytest.mark.skipif(UPDATE, reason="they are being rewritten")
def test_a_shown_reply_is_what_the_service_says(client: httpx.Client, name: str) -> None:
    example = examples.read(name)
    response = ask(client, example)
    assert response.status_code == example.status
    WIRE[name].model_validate_json(json.dumps(example.reply))
    assert without_figures(response.json()) == about(without_figures(example.reply)), HINT


def without_figures(value: Any) -> Any:
    """What a better engine or another processor leaves as it is: no ids, digests, counts."""
    if isinstance(value, dict):
        return {k: without_figures(v) for k, v in value.items() if k not in CHANGING}
    if isinstance(value, list):
        return [without_figures(item) for item in value]
    return value


def about(value: Any) -> Any:
    """The same with every float good to four digits."""
    if isinstance(value, dict):
        return {k: about(v) for k, v in value.items()}
    if isinstance(value, list):
        return [about(item) for item in value]
    return pytest.approx(value, rel=1e-4) if isinstance(value, float) else value


CHANGING = {
    "audit",
    "id",
    "request_id",
    "ifonly_version",
    "engine",
    "engine_version",
    "work",
    "counterfactuals",
    "status",
    "text",
}


@pytest.mark.skipif(UPDATE, reason="they are being rewritten")
def test_the_shown_counterfactuals_flip(client: httpx.Client) -> None:
    reply = examples.EXPLANATION.reply
    assert reply["counterfactuals"]
    for counterfactual in reply["counterfactuals"]:
        path = f"/api/v1/models/{examples.MODEL}/predictions"
        said = client.post(path, json={"instance": counterfactual["instance"]}).json()
        assert said["predictions"][0]["class"] == "normal", HINT


@pytest.mark.skipif(UPDATE, reason="they are being rewritten")
@pytest.mark.parametrize("name", NAMES)
def test_the_documentation_shows_the_same_examples(name: str) -> None:
    text = API.read_text(encoding="utf-8")
    example = examples.read(name)
    for part in ("request", "reply"):
        shown = re.search(rf"<!-- {name}\.{part} -->\n```json\n(.*?)\n```", text, flags=re.DOTALL)
        assert shown is not None
        assert json.loads(shown[1]) == getattr(example, part), HINT


ONE_REPLY = sorted(p for p in (ROOT / "examples").glob("*.sh") if p.name != "bulk.sh")
"""The other has lines and a table: see test_job_forms."""


@pytest.mark.skipif(shutil.which("curl") is None, reason="needs curl")
@pytest.mark.parametrize("script", ONE_REPLY, ids=lambda p: p.name)
def test_every_curl_example_is_answered(service_url: str, script: Path) -> None:
    process = subprocess.run(
        ["sh", str(script)],
        env=os.environ | {"URL": service_url, "no_proxy": "127.0.0.1"},
        capture_output=True,
        text=True,
        encoding="utf-8",
        timeout=300,
    )
    assert process.returncode == 0, process.stdout + process.stderr
    reply = json.loads(process.stdout)
    assert reply["provenance"]["model"] == "milling-machine"
    assert reply.get("counterfactuals", [True])

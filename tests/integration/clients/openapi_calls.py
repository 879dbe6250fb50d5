"""Run by openapi-python-client's own interpreter: makes a client of the document, and asks by it.

``python openapi_calls.py URL ROWS FOLDER``; prints what came back as JSON.
"""

from __future__ import annotations

import importlib
import io
import json
import os
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

NAME = "milling-machine"


def made(url: str, folder: Path) -> str:
    """What the generator says, which may be nothing that warns."""
    output = folder / "client"
    generator = Path(sys.executable).with_name("openapi-python-client")
    command = [str(generator), "generate", "--url", f"{url}/openapi.json"]
    done = subprocess.run(
        [*command, "--output-path", str(output), "--fail-on-warning"],
        capture_output=True,
        text=True,
        env={**os.environ, "PATH": f"{generator.parent}:{os.environ['PATH']}"},  # its formatter
    )
    assert done.returncode == 0, done.stdout + done.stderr
    sys.path.insert(0, str(output))
    return done.stdout + done.stderr


def main(url: str, rows: list[dict[str, Any]], folder: Path) -> dict[str, Any]:
    said = made(url, folder)
    package = importlib.import_module("ifonly_client")
    models = importlib.import_module("ifonly_client.models")

    def call(tag: str, operation: str, *args: Any, **kwargs: Any) -> Any:
        module = importlib.import_module(f"ifonly_client.api.{tag}.{operation}")
        with package.Client(base_url=url, timeout=300) as client:
            return module.sync_detailed(*args, client=client, **kwargs)

    question = {"instance": rows[0], "semantics": "independent"}
    instance = models.ExplanationRequest.from_dict(question)
    explained = call("questions", "explain", NAME, body=instance).parsed
    predicted = call(
        "questions", "predict", NAME, body=models.PredictionsRequest.from_dict({"instances": rows})
    ).parsed
    wrong = call(
        "questions", "predict", NAME, body=models.PredictionsRequest.from_dict({"instances": []})
    )
    inferred = call(
        "open_inference",
        "v2_infer",
        "press",
        body=models.InferRequest.from_dict(
            {"inputs": [{"name": "x", "datatype": "FP64", "shape": [1, 2], "data": [10.0, 100]}]}
        ),
    ).parsed
    lines = "".join(json.dumps({**question, "instance": row}) + "\n" for row in rows)
    file = importlib.import_module("ifonly_client.types").File(io.BytesIO(lines.encode()))
    job = call("jobs", "submit_job", NAME, body=file).parsed
    while job.state not in ("done", "cancelled"):
        time.sleep(0.05)
        job = call("jobs", "read_job", job.id).parsed
    result = call("jobs", "read_result", job.id).parsed.payload.read()
    return {
        "said": said,
        "result": [json.loads(line) for line in result.splitlines()],
        "models": [m.name for m in call("models", "list_models").parsed.models],
        "explained": explained.to_dict(),
        "predicted": predicted.to_dict(),
        "wrong": [int(wrong.status_code), wrong.parsed.to_dict() if wrong.parsed else None],
        "inferred": inferred.to_dict(),
    }


if __name__ == "__main__":
    url, rows, folder = sys.argv[1:]
    print(json.dumps(main(url, json.loads(rows), Path(folder))))

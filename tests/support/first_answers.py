"""A process that serves models of every kind and is asked every kind of question, once.

``python -m tests.support.first_answers OUT``: what it answered, and what it imported or built
inside requests, as JSON.
"""

from __future__ import annotations

import json
import shutil
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import httpx

from ifonly.explainers.search.trees import ensemble_targets
from ifonly.models.schema import Task
from ifonly.service.settings import Settings, shipped_models
from tests.integration.conftest import serving
from tests.integration.small_models import write_all
from tests.support.generated import SCHEMA, factual
from tests.support.onnx_layers import layered_model
from tests.support.onnx_trees import spec_text, tree_model
from tests.support.replies import same_for_all

Body = dict[str, Any]
_targets: Any = ensemble_targets
MILLING = "milling-machine"
SEMANTICS = ["interventional", "independent", "backtracking"]
AMPLE_MS = 60_000
GENERATED = {
    "kinds": (Task.MULTICLASS, tree_model(3, Task.MULTICLASS)),
    "amounts": (Task.REGRESSION, tree_model(4, Task.REGRESSION)),
    "network": (Task.BINARY, layered_model(5, Task.BINARY, (4,))),
}


def repository(root: Path) -> Path:
    """Binary, multi-class and regression; trees, linear, ReLU, and one that only blackbox reads."""
    shutil.copytree(shipped_models() / MILLING, root / MILLING)
    for name, (task, model) in GENERATED.items():
        (root / name / "1").mkdir(parents=True)
        (root / name / "1" / "model.onnx").write_bytes(model)
        spec = spec_text(task).replace('name = "generated"', f'name = "{name}"', 1)
        (root / name / "1" / "spec.toml").write_text(spec, encoding="utf-8")
    return write_all(root)


def questions(alarm: Body) -> Iterator[tuple[str, Body]]:
    """Path below ``/api/v1/models`` and body. First that of the README."""
    yield f"{MILLING}/explanations", {"instance": alarm}
    yield f"{MILLING}/predictions", {"instance": alarm}
    for semantics in SEMANTICS:
        kinds: list[Body] = [
            {"alternatives": 3},
            {"target": {"class": "normal", "probability": {"min": 0}}},
            {"target": {"class": "normal", "probability": {"min": 0.99}}},
            {"constraints": {"robust": True}},
            {"constraints": {"freeze": ["torque"], "ranges": {"rotational_speed": [1380, 1390]}}},
            {"constraints": {"rules": ["torque >= 50"], "max_changes": 1}},
            {"constraints": {"ranges": {"torque": [62, 63], "rotational_speed": [1380, 1390]}}},
        ]
        # Of another past nothing is proven: where there is no answer, `blackbox` looks at a million
        # rows before it says so.
        short = (kinds[1], kinds[2], kinds[3], kinds[5])
        for asked in short if semantics == "backtracking" else kinds:
            yield f"{MILLING}/explanations", {"instance": alarm, "semantics": semantics} | asked
    for rung in ("association", "intervention", "counterfactual"):
        yield f"{MILLING}/what-if", {"instance": alarm, "set": {"torque": 55.1}, "rung": rung}
    row = SCHEMA.write(factual(1))
    targets_of: dict[str, list[dict[str, Any]]] = {
        "kinds": [{"class": c} for c in ("good", "worn", "broken")],
        "amounts": [{"score": {"min": 0.5}}, {"score": {"max": -0.5}}],
        "network": [{"class": "normal"}, {"class": "alarm"}],
    }
    for name, targets in targets_of.items():
        for target in targets:
            yield f"{name}/explanations", {"instance": row, "target": target, "alternatives": 2}
    press, sorter = {"pressure": 50, "speed": 1000}, {"size": 1, "colour/shade": "red", "dirt": 0}
    yield "press/explanations", {"instance": press, "target": {"score": {"max": 100}}}
    yield "press/explanations", {"instance": press, "target": {"score": {"max": -100}}}
    for name in ("small", "medium", "large"):
        yield "sorter/explanations", {"instance": sorter, "target": {"class": name}}
    far = {"instance": {"level": 90}, "constraints": {"ranges": {"level": [60, 100]}}}
    yield "brittle/explanations", far | {"target": {"score": {"max": 0.022}}}


class Guard:
    """Notes what is imported and built from now on."""

    def __init__(self) -> None:
        self.tables = 0
        self._modules = set(sys.modules)
        build = _targets.build_tables

        def counted(*given: Any) -> Any:
            self.tables += 1
            return build(*given)

        _targets.build_tables = counted

    def found(self) -> Body:
        return {
            "imported": sorted(set(sys.modules) - self._modules),
            "tables": self.tables,
        }


def ask_all(client: httpx.Client) -> Iterator[Body]:
    """Every question with what was answered."""
    described = client.get(f"/api/v1/models/{MILLING}").raise_for_status().json()
    alarm = described["examples"][0]["instance"]
    for path, body in questions(alarm):
        if path.endswith("/explanations"):
            body = {"deadline_ms": AMPLE_MS} | body
        reply = client.post(f"/api/v1/models/{path}", json=body)
        yield _told(path, body, reply)
    rows = {"instances": [alarm], "deadline_ms": AMPLE_MS}
    for verb, body in (("predict", {"instances": [alarm]}), ("explain", rows)):
        reply = client.post(f"/v1/models/{MILLING}:{verb}", json=body)
        yield _told(verb, body, reply)
    yield _job(client, alarm)
    yield from _pages(client, alarm)


def _told(path: str, body: Body, reply: httpx.Response) -> Body:
    answer = reply.json()
    if "explanations" in answer:
        answer = {"explanations": [same_for_all(one) for one in answer["explanations"]]}
    return {"path": path, "asked": body, "status": reply.status_code, "said": same_for_all(answer)}


def _job(client: httpx.Client, alarm: Body) -> Body:
    line = json.dumps({"instance": alarm, "deadline_ms": AMPLE_MS}) + "\n"
    path = f"/api/v1/models/{MILLING}/explanations/bulk"
    headers = {"Content-Type": "application/jsonl"}
    job = client.post(path, content=line.encode(), headers=headers).raise_for_status().json()
    while client.get(job["links"]["self"]).json()["state"] != "done":
        time.sleep(0.05)
    (answer,) = client.get(job["links"]["result"]).text.splitlines()
    said = json.loads(answer)
    return {"path": "bulk", "asked": line, "status": 200, "said": _without_ids(said)}


def _without_ids(line: Body) -> Body:
    return {k: same_for_all(v) for k, v in same_for_all(line).items()}


def _pages(client: httpx.Client, alarm: Body) -> Iterator[Body]:
    """An alarm's page, its readings and the plane of its levers; tested elsewhere."""
    asked = {"instance": alarm, "deadline_ms": AMPLE_MS}
    made = client.post(f"/api/v1/models/{MILLING}/explanations", json=asked).json()["id"]
    plane = f"/alarms/{made}/plane?x=torque&y=rotational_speed"
    for path in ("/alarms", f"/alarms/{made}", f"/alarms/{made}/readings", plane):
        reply = client.get(path)
        yield {"path": path.replace(made, "ID"), "asked": {}, "status": reply.status_code}


def main() -> None:
    with tempfile.TemporaryDirectory() as folder:
        settings = Settings(models=repository(Path(folder)), workers=2)
        with (
            serving(settings) as url,
            httpx.Client(base_url=url, timeout=600, trust_env=False) as client,
        ):
            client.get("/healthz/ready").raise_for_status()
            guard = Guard()
            answers = list(ask_all(client))
            found = {"answers": answers, "guard": guard.found()}
    Path(sys.argv[1]).write_text(json.dumps(found, ensure_ascii=False), encoding="utf-8")


if __name__ == "__main__":
    main()

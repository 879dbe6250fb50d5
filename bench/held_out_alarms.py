"""Held-out alarms of the default model, asked over HTTP and checked by other hands.

    python -m bench.held_out_alarms [--alarms 1000] [--url http://...]

Every counterfactual is read back from the JSON text of the reply and scored in a fresh ONNX
Runtime session on the shipped file, its values are checked in decimal arithmetic, the plant's
rules by predicates written out here, and its cost is compared with the cheapest row of a coarse
grid that is walked completely.
"""

from __future__ import annotations

import argparse
import contextlib
import itertools
import json
import subprocess
import sys
import time
from collections import Counter
from collections.abc import Iterator, Sequence
from decimal import Decimal
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import onnxruntime
from rich.console import Console
from rich.table import Table

from ifonly.models.repository import Repository
from ifonly.models.training.alarms import held_out_alarms

ROOT = Path(__file__).resolve().parent.parent
ARTIFACTS = ROOT / "models" / "artifacts"
QUALITIES = ("L", "M", "H")
SCALES = {"process_temperature": 1.6, "rotational_speed": 90.0, "torque": 6.7}
STEPS = {"process_temperature": "0.1", "rotational_speed": "1", "torque": "0.1", "tool_wear": "1"}
DECISION_ALONE = {"class": "normal", "probability": {"min": 0}}
"""Asked for by name: the policy of the default model demands more."""


@contextlib.contextmanager
def service(url: str | None) -> Iterator[str]:
    """The URL of a running service; one of our own, in its own process, if none is given."""
    if url is not None:
        yield url
        return
    command = [sys.executable, "-m", "ifonly", "serve", "--no-auth", "--port", "0"]
    with subprocess.Popen(command, stderr=subprocess.PIPE, text=True, cwd=ROOT) as process:
        assert process.stderr is not None
        line = next(line for line in process.stderr if "http://" in line)
        threading_drain(process)
        try:
            yield line[line.index("http://") :].split()[0]
        finally:
            process.terminate()


def threading_drain(process: subprocess.Popen[str]) -> None:
    """Read the log so that the service never waits for a full pipe."""
    import threading

    assert process.stderr is not None
    threading.Thread(target=process.stderr.read, daemon=True).start()


def cost(before: dict[str, Any], after: dict[str, Any]) -> float:
    """The design's formula with the policy of the default model, written out."""
    total = sum(abs(float(after[n]) - float(before[n])) / s for n, s in SCALES.items())
    if after["tool_wear"] != before["tool_wear"]:
        total += 2.0 + abs(after["tool_wear"] - before["tool_wear"]) / 300.0
    return total


def broken_rules(before: dict[str, Any], after: dict[str, Any]) -> list[str]:
    """What the plant's policy forbids and the row does, by predicates of this file."""
    gap = after["process_temperature"] - after["air_temperature"]
    moved = {name for name in after if after[name] != before[name]}
    torque, speed = after["torque"], after["rotational_speed"]
    checks = {
        "air temperature is immutable": "air_temperature" not in moved,
        "quality is immutable": "quality" not in moved,
        "at most three changes": len(moved) <= 3,
        "process 6 K above air": gap >= 6 - 1e-9,
        "process at most 12 K above air": "process_temperature" not in moved or gap <= 12 + 1e-9,
        "wear only to 0": "tool_wear" not in moved or after["tool_wear"] == 0,
        "process range": "process_temperature" not in moved
        or 304 <= after["process_temperature"] <= 316,
        "speed range": "rotational_speed" not in moved or 1168 <= speed <= 2886,
        "torque range": "torque" not in moved or 3.8 <= torque <= 76.6,
        "drive line": speed + 12.5 * torque >= 1750 - 1e-9,
        "light load": torque >= 20 or speed >= 1750,
        "heavy load": torque <= 65 or speed <= 1550,
    }
    off_grid = [
        f"{name} off its grid"
        for name in moved
        if name in STEPS and Decimal(str(after[name])) % Decimal(STEPS[name]) != 0
    ]
    return [name for name, kept in checks.items() if not kept] + off_grid


class AlarmJudge:
    """A fresh session on the shipped file; nothing of the service's own scoring."""

    def __init__(self, folder: Path, threshold: float) -> None:
        self._session = onnxruntime.InferenceSession(str(folder / "model.onnx"))
        self._input = self._session.get_inputs()[0].name
        self._threshold = threshold

    def failure(self, instances: list[dict[str, Any]]) -> np.ndarray:
        columns = [
            [float(QUALITIES.index(v)) if k == "quality" else float(v) for k, v in i.items()]
            for i in instances
        ]
        (scores,) = self._session.run(
            ["probabilities"], {self._input: np.array(columns, dtype=np.float32)}
        )
        return np.asarray(scores)[:, 1]

    def is_normal(self, instances: list[dict[str, Any]]) -> np.ndarray:
        return self.failure(instances).astype(np.float64) < self._threshold


def coarse_optimum(judge: AlarmJudge, before: dict[str, Any]) -> float:
    """Cheapest row of a coarse grid: every combination is scored and checked."""
    torques = np.append(np.round(np.linspace(3.8, 76.6, 27), 1), before["torque"])
    speeds = np.append(np.round(np.linspace(1168, 2886, 27)), before["rotational_speed"])
    heats = np.append(np.linspace(304.0, 316.0, 7), before["process_temperature"])
    wears = sorted({before["tool_wear"], 0})
    rows = [
        before | {"torque": t, "rotational_speed": s, "process_temperature": h, "tool_wear": w}
        for t, s, h, w in itertools.product(torques, speeds, heats, wears)
    ]
    costs = np.array([cost(before, row) for row in rows])
    normal = judge.is_normal(rows)
    for i in np.argsort(costs):
        if normal[i] and not broken_rules(before, rows[i]):
            return float(costs[i])
    return float("inf")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--alarms", type=int, default=1000)
    parser.add_argument("--url")
    parser.add_argument("--coarse", type=int, default=200, help="alarms to walk a coarse grid for")
    options = parser.parse_args()
    repository: Repository[Any] = Repository(ARTIFACTS)
    repository.load()
    model = repository.get("milling-machine")
    threshold = model.spec.decision.threshold
    assert threshold is not None
    alarms = held_out_alarms(options.alarms, 20_26, model.predictor, model.spec.decision)
    judge = AlarmJudge(model.folder, threshold)
    instances = [model.spec.schema.write(row) for row in alarms.rows]

    statuses: Counter[str] = Counter()
    wrong: Counter[str] = Counter()
    costs: list[float] = []
    ratios: list[float] = []
    rows: list[int] = []
    per_run: list[float] = []
    seconds: list[float] = []
    with service(options.url) as url, httpx.Client(base_url=url, timeout=120.0) as client:
        for before in instances:
            began = time.perf_counter()
            reply = client.post(
                f"/api/v1/models/{model.name}/explanations",
                json={"instance": before, "semantics": "independent", "target": DECISION_ALONE},
            )
            seconds.append(time.perf_counter() - began)
            answer = json.loads(reply.text)
            statuses[f"{reply.status_code} {answer['status']}"] += 1
            rows.append(answer["work"]["rows"])
            per_run.append(answer["work"]["rows"] / answer["work"]["runs"])
            for found in answer["counterfactuals"]:
                after = found["instance"]
                if not judge.is_normal([after])[0]:
                    wrong["does not flip"] += 1
                wrong.update(broken_rules(before, after))
                if abs(cost(before, after) - found["cost"]) > 1e-9:
                    wrong["costs something else"] += 1
            if answer["counterfactuals"]:
                costs.append(answer["counterfactuals"][0]["cost"])
                if len(ratios) < options.coarse:
                    ratios.append(costs[-1] / coarse_optimum(judge, before))
    table = Table(title=f"{len(instances)} held-out alarms of {model.name} {model.version}")
    table.add_column("what")
    table.add_column("figure", justify="right")
    for name, count in sorted(statuses.items()):
        table.add_row(name, str(count))
    table.add_row("counterfactuals that are wrong in any way", str(sum(wrong.values())))
    for name, count in wrong.items():
        table.add_row(f"  {name}", str(count))
    columns: dict[str, Sequence[float]] = {
        "cost": costs,
        f"cost / coarse optimum ({len(ratios)} alarms)": ratios,
        "model rows an explanation": rows,
        "rows a Run": per_run,
        "milliseconds over HTTP": [1e3 * s for s in seconds],
    }
    for name, values in columns.items():
        median, p90 = np.median(values), np.quantile(values, 0.9)
        table.add_row(f"{name}: median, p90", f"{median:.3f}, {p90:.3f}")
    table.add_row("dearer than the coarse optimum", str(sum(r > 1 + 1e-9 for r in ratios)))
    Console(width=100).print(table)
    if wrong:
        raise SystemExit(1)


if __name__ == "__main__":
    main()

"""An experiment on the demonstration's model, end to end, and what its watch over arms is worth.

    python -m bench.experiments [--machines 600] [--draws 400]

A real service over HTTP, with a clock that a simulation of two weeks moves: machines raise alarms,
each is explained in its arm, operators follow some advice (readings come back as it was set) or do
not, and the plant tells an outcome whose probabilities are known. One experiment compares advice
with none, one is A/A. Printed: what each concludes, beside the truth; then how often a mismatch of
a hundredth is caught at 100,000 units, and how often right shares are called wrong in 60 looks.
"""

from __future__ import annotations

import argparse
import tempfile
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from datetime import datetime, timedelta
from pathlib import Path
from typing import Any

import httpx
import numpy as np
import uvicorn

from ifonly.service.doors.app import create_app
from ifonly.service.doors.cli.serve import listen, url_of
from ifonly.service.experiments.ratio import ratio_p_value
from ifonly.service.settings import Settings, shipped_models
from ifonly.service.store import chain

MODEL = "milling-machine"
ALARM = {
    "air_temperature": 298.2,
    "process_temperature": 308.5,
    "rotational_speed": 1282.0,
    "torque": 65.0,
    "tool_wear": 200.0,
    "quality": "L",
}
DAYS = 14
FOLLOWS = 0.6
HELPED, ALONE = 0.8, 0.4
"""Success of who follows advice, and of who does not."""


class MovedClock(datetime):
    """The time that records get: the real one, moved."""

    moved = timedelta()

    @classmethod
    def now(cls, tz: Any = None) -> Any:
        return datetime.now(tz) + cls.moved


@contextmanager
def served(folder: Path) -> Iterator[httpx.Client]:
    settings = Settings.model_validate(
        {"models": shipped_models(), "data": folder, "no_auth": True, "log_level": "ERROR"}
    )
    config = uvicorn.Config(create_app(settings), lifespan="on", log_config=None, access_log=False)
    server = uvicorn.Server(config)
    with listen("127.0.0.1", 0) as listener:
        thread = threading.Thread(target=server.run, kwargs={"sockets": [listener]}, daemon=True)
        thread.start()
        while not server.started:
            time.sleep(0.01)
        with httpx.Client(base_url=url_of(listener), timeout=60, trust_env=False) as client:
            yield client
        server.should_exit = True
        thread.join()


@dataclass(frozen=True)
class Plant:
    """Machines whose truth is known."""

    api: httpx.Client
    machines: int
    generator: np.random.Generator

    def weeks(self, *, has_effect: bool) -> None:
        """Two weeks: each machine raises an alarm on one day or two."""
        days = [(self.generator.integers(DAYS), m) for m in range(self.machines)]
        days += [(self.generator.integers(DAYS), m) for m in range(self.machines // 3)]
        today = 0
        for day, machine in sorted(days):
            MovedClock.moved += timedelta(days=int(day) - today)
            today = int(day)
            self._alarm(int(machine), has_effect=has_effect)
        MovedClock.moved += timedelta(days=1)  # the last windows end

    def _alarm(self, machine: int, *, has_effect: bool) -> None:
        row = ALARM | {"torque": float(self.generator.integers(600, 680)) / 10}
        said = {"equipment": f"Mill {machine}"}
        path = f"/api/v1/models/{MODEL}"
        given = self.api.post(f"{path}/explanations", json={"instance": row, "attributes": said})
        given.raise_for_status()
        answer = given.json()
        is_shown = "advice=withheld" not in given.headers.get("ifonly-experiment", "")
        follows = bool(answer["counterfactuals"]) and is_shown
        follows = follows and self.generator.random() < FOLLOWS
        moved = {}
        if follows:
            first = answer["counterfactuals"][0]
            moved = {a["feature"]: a["to"] for a in (*first["actions"], *first["effects"])}
        later = {"instance": {**row, **moved}, "attributes": said}
        self.api.post(f"{path}/predictions", json=later).raise_for_status()
        chance = HELPED if follows and has_effect else ALONE
        came = "success" if self.generator.random() < chance else "failure"
        outcomes = f"/api/v1/explanations/{answer['id']}/outcomes"
        self.api.post(outcomes, json={"result": came}).raise_for_status()


def experiment(plant: Plant, name: str, *, is_aa: bool) -> dict[str, Any]:
    arms = {"control": {"name": "none", "advice": "withheld"}, "treatment": {"name": "shown"}}
    if is_aa:
        arms["control"] = {"name": "as-well"}
    design = {
        "name": name,
        "model": MODEL,
        "salt": name,
        "metric": {"name": "success", "better": "up"},
        "guards": [],
        "units": max(100, plant.machines),
        "within_minutes": 480,
        "aa": is_aa,
        **arms,
    }
    plant.api.post("/api/v1/experiments", json=design).raise_for_status()
    plant.weeks(has_effect=True)
    found: dict[str, Any] = plant.api.get(f"/api/v1/experiments/{name}").json()["result"]
    plant.api.post(f"/api/v1/experiments/{name}/stop", json={}).raise_for_status()
    return found


def told(name: str, found: dict[str, Any], truth: str) -> str:
    of, compliers = found["metric"]["difference"], found["metric"]["compliers"]
    spans = [
        "–" if each is None or each["low"] is None else
        f"{each['value']:.3f} ({each['low']:.3f} to {each['high']:.3f})"
        for each in (of, compliers)
    ]  # fmt: skip
    return (
        f"{name}: {found['verdict']}; units {found['units']}, "
        f"mismatch p {found['mismatch_p']:.2f}; "
        f"difference {spans[0]}, of those who follow {spans[1]}; truth {truth}"
    )


def mismatches(draws: int) -> tuple[float, float]:
    """Share of mismatches of a hundredth that are caught at 100,000 units, and of right shares
    that are called wrong in 60 looks."""
    generator = np.random.default_rng(0)
    shares, off = (0.5, 0.5), (0.51, 0.49)
    caught = wrong = 0
    for _ in range(draws):
        counts = generator.multinomial(100_000, off).tolist()
        caught += ratio_p_value(counts, shares) <= 0.01
        days = generator.multinomial(100_000 // 60, shares, size=60).cumsum(axis=0)
        wrong += any(ratio_p_value(day.tolist(), shares) <= 0.01 for day in days)
    return caught / draws, wrong / draws


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.experiments")
    parser.add_argument("--machines", type=int, default=600)
    parser.add_argument("--draws", type=int, default=400)
    options = parser.parse_args()
    vars(chain)["datetime"] = MovedClock
    MovedClock.moved = -timedelta(days=40)
    with tempfile.TemporaryDirectory() as folder, served(Path(folder)) as api:
        plant = Plant(api, options.machines, np.random.default_rng(1))
        effect = (HELPED - ALONE) * FOLLOWS
        found = experiment(plant, "advice-or-none", is_aa=False)
        print(
            told("advice or none", found, f"{effect:.3f}, of those who follow {HELPED - ALONE:.3f}")
        )
        found = experiment(plant, "twice-the-same", is_aa=True)
        print(told("A/A", found, "0"))
    caught, wrong = mismatches(options.draws)
    print(
        f"mismatch of a hundredth, 100,000 units: caught {caught:.1%}; 60 looks: wrong {wrong:.1%}"
    )


if __name__ == "__main__":
    main()

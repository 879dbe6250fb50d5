"""What one key's predictions wait for while others take all that they can.

    python -m bench.attack.starvation [--seconds 10] [--processes 2] [--row alone --row hard …]

A service of its own on loopback, with the default model and two keys. One key asks for one
prediction after the other; the median is measured alone and beside each attack: hard questions of
one operator, about the default model and about a network, what-ifs, planes of the pages, strangers
at the door. Last, a job of one row of that
key beside a long one of the other. Times are wall-clock: compare them with the row ``alone`` of
the same run, and two states of the program in turns.

It uses the public interface only: copied beside an older state, it measures that one.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import multiprocessing
import os
import re
import shutil
import statistics
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import partial
from pathlib import Path
from typing import Any

import httpx
from rich.console import Console
from rich.table import Table

from bench.load import FOLDER, ROOT, ServiceUnderLoad, service
from ifonly.models.repository import load_folder
from ifonly.models.training.alarms import held_out_alarms
from tests.support import hard_network

MODEL = "/api/v1/models/milling-machine"
ALARMS = 50
HARD_AT_ONCE, CLIENTS, STRANGERS, JOB_ROWS = 8, 30, 80, 64
HARD: dict[str, Any] = {
    "semantics": "backtracking",
    "alternatives": 10,
    "target": {"class": "normal", "probability": {"min": 0.999}},
    "deadline_ms": 20_000,
}
"""Makes of an alarm a question of half a CPU-second or more: with eight at once, and each asked
again as it is answered, there is always one."""
ROWS = ("alone", "hard", "network", "what-if", "plane", "strangers")
WARM_SECONDS = 2.0
MOST_TIMES = 3.0
"""The median beside an attack is to be no more than so many times the one alone."""


@dataclass
class Seen:
    """What one client, or many, were answered."""

    ms: list[float] = field(default_factory=list)
    statuses: dict[str, int] = field(default_factory=dict)

    def note(self, status: str, seconds: float) -> None:
        self.ms.append(1e3 * seconds)
        self.statuses[status] = self.statuses.get(status, 0) + 1


@dataclass(frozen=True)
class StarvingAttack:
    """Some clients, each of whom asks again as soon as it is answered."""

    clients: int
    method: str
    path: str
    headers: dict[str, str]
    bodies: tuple[Any, ...] = (None,)


class Field:
    """A service, its keys, and rows to ask about."""

    def __init__(self, of: ServiceUnderLoad, url: str) -> None:
        self.base = of.base
        self.victim = _bearer(_key(url, "pipeline"))
        self.hog = _bearer(_key(url, "operator"))
        model = load_folder(FOLDER)
        found = held_out_alarms(ALARMS, 7, model.predictor, model.spec.decision)
        self.rows = [model.spec.schema.write(row) for row in found.rows]

    def client(self, headers: dict[str, str], **options: Any) -> httpx.Client:
        options = {"timeout": 120, "trust_env": False} | options
        return httpx.Client(base_url=self.base, headers=headers, **options)

    def predict(self, client: httpx.Client, k: int) -> httpx.Response:
        return client.post(f"{MODEL}/predictions", json={"instances": [self._row(k)]})

    def attack(self, name: str) -> StarvingAttack | None:
        """None: nobody but the key whose predictions are watched."""
        match name:
            case "hard":
                hard = tuple({"instance": row} | HARD for row in self.rows)
                return StarvingAttack(HARD_AT_ONCE, "POST", f"{MODEL}/explanations", self.hog, hard)
            case "network":
                path = f"/api/v1/models/{hard_network.NAME}/explanations"
                asked = {"instance": hard_network.ROW, "target": hard_network.TARGET}
                body = asked | {"deadline_ms": HARD["deadline_ms"]}
                return StarvingAttack(HARD_AT_ONCE, "POST", path, self.hog, (body,))
            case "what-if":
                set_ = tuple({"instance": row, "set": {"torque": 40.0}} for row in self.rows)
                return StarvingAttack(CLIENTS, "POST", f"{MODEL}/what-if", self.hog, set_)
            case "plane":
                return StarvingAttack(CLIENTS, "GET", plane_of(self), signed_in(self))
            case "strangers":
                return StarvingAttack(STRANGERS, "GET", "/sign-in", {})
            case _:
                return None

    def _row(self, k: int) -> Any:
        return self.rows[k % len(self.rows)]


def _key(url: str, role: str) -> str:
    command = [sys.executable, "-m", "ifonly", "keys", "create", "--role", role]
    environment = {k: v for k, v in os.environ.items() if not k.startswith("IFONLY_")}
    done = subprocess.run(
        command,
        env=environment | {"IFONLY_DATABASE_URL": url},
        capture_output=True,
        text=True,
        check=True,
        cwd=ROOT,
    )
    found = re.search(r"ifonly_\S+", done.stdout + done.stderr)
    assert found is not None
    return found[0]


def _bearer(key: str) -> dict[str, str]:
    return {"Authorization": f"Bearer {key}"}


def signed_in(of: Field) -> dict[str, str]:
    """The cookie of a browser in which the operator is signed in."""
    with of.client({}) as client:
        text = client.get("/sign-in").text
        found = re.search(r'name="csrf" value="([^"]+)"', text)
        assert found is not None
        key = of.hog["Authorization"].partition(" ")[2]
        client.post("/sign-in", data={"csrf": found[1], "key": key, "next": "/"})
        return {"Cookie": "; ".join(f"{c.name}={c.value}" for c in client.cookies.jar)}


def plane_of(of: Field) -> str:
    """Where the plane of one alarm is."""
    with of.client(of.hog) as client:
        identity = of.predict(client, 0).raise_for_status().json()["audit"]["id"]
    return f"/alarms/{identity}/plane"


@contextlib.contextmanager
def under(attack: StarvingAttack | None, of: Field) -> Iterator[dict[str, int]]:
    """The attack goes on until the block ends; then it is told what the attackers were answered.

    They are a process of their own: who watches is not to wait for them."""
    answers: dict[str, int] = {}
    if attack is None:
        yield answers
        return
    apart = multiprocessing.get_context("spawn")
    over, told = apart.Event(), apart.Queue()
    process = apart.Process(target=_besiege, args=(attack, of.base, over, told), daemon=True)
    process.start()
    told.get()
    time.sleep(WARM_SECONDS)
    try:
        yield answers
    finally:
        over.set()
        answers |= told.get()
        process.join()


def _besiege(attack: StarvingAttack, base: str, over: Any, told: Any) -> None:
    seen, lock = Seen(), threading.Lock()

    def ask(own: int) -> None:
        options: dict[str, Any] = {"timeout": 120, "trust_env": False}
        with httpx.Client(base_url=base, headers=attack.headers, **options) as client:
            for k in range(own, 1_000_000_000, attack.clients):
                if over.is_set():
                    return
                body = attack.bodies[k % len(attack.bodies)]
                client.cookies.clear()  # each visit of a stranger is their first
                status, seconds = _timed(
                    partial(client.request, attack.method, attack.path, json=body)
                )
                with lock:
                    seen.note(status, seconds)
                if status != "200":
                    over.wait(0.05)

    threads = [threading.Thread(target=ask, args=(k,)) for k in range(attack.clients)]
    for thread in threads:
        thread.start()
    told.put("begun")
    for thread in threads:
        thread.join()
    told.put(seen.statuses)


def _timed(ask: Callable[[], httpx.Response]) -> tuple[str, float]:
    began = time.perf_counter()
    try:
        status = str(ask().status_code)
    except httpx.HTTPError as error:
        status = type(error).__name__
    return status, time.perf_counter() - began


def watched(of: Field, seconds: float) -> Seen:
    """One prediction after the other."""
    seen = Seen()
    with of.client(of.victim) as client:
        until, k = time.monotonic() + seconds, 0
        while time.monotonic() < until or len(seen.ms) < 3:
            seen.note(*_timed(partial(of.predict, client, k)))
            k += 1
    return seen


def one_row_beside(of: Field, rows: int) -> float:
    """Seconds until a job of one easy row is done, beside a long one of another key if ``rows``."""
    body = b"".join(
        json.dumps({"instance": of.rows[k % ALARMS]} | HARD).encode() + b"\n" for k in range(rows)
    )
    lines = {"Content-Type": "application/jsonl"}
    with of.client(of.hog | lines) as hog, of.client(of.victim | lines) as victim:
        if rows:
            long = hog.post(f"{MODEL}/explanations/bulk", content=body).raise_for_status().json()
            time.sleep(WARM_SECONDS)
        began = time.monotonic()
        one = json.dumps({"instance": of.rows[0]}).encode()
        job = victim.post(f"{MODEL}/explanations/bulk", content=one).raise_for_status().json()
        while victim.get(job["links"]["self"]).raise_for_status().json()["state"] != "done":
            time.sleep(0.02)
        took = time.monotonic() - began
        if rows:
            hog.delete(long["links"]["self"])
    return took


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--seconds", type=float, default=10.0)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--row", action="append", help="hard, what-if, …")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(prefix="ifonly-starvation-") as folder:
        url = f"sqlite:///{Path(folder) / 'store.sqlite3'}"
        models = Path(folder) / "models"
        shutil.copytree(FOLDER.parent, models / FOLDER.parent.name)
        hard_network.write(models)
        with service(url, options.processes, {"IFONLY_MODELS": str(models)}) as running:
            Console(width=120).print(table_of(Field(running, url), options))


def table_of(of: Field, options: argparse.Namespace) -> Table:
    table = Table(title=f"another key's predictions, {options.processes} processes")
    for column in ("beside", "median ms", "p95 ms", "times", "answers", "attackers' answers"):
        table.add_column(column, justify="left" if column == "beside" else "right")
    watched(of, WARM_SECONDS)
    alone = 0.0
    for name in ROWS:
        if name != "alone" and options.row and name not in options.row:
            continue
        with under(of.attack(name), of) as theirs:
            seen = watched(of, options.seconds)
        middle = statistics.median(seen.ms)
        alone = alone or middle
        high = statistics.quantiles(seen.ms, n=20)[-1]
        times = middle / alone
        mark = "" if times <= MOST_TIMES else " !"
        table.add_row(
            name,
            f"{middle:.1f}",
            f"{high:.1f}",
            f"{times:.1f}{mark}",
            str(seen.statuses),
            str(theirs),
        )
    if not options.row or "jobs" in options.row:
        table.add_section()
        table.add_row("a job of one row, alone", f"{1e3 * one_row_beside(of, 0):.0f}")
        table.add_row(f"… beside {JOB_ROWS} rows", f"{1e3 * one_row_beside(of, JOB_ROWS):.0f}")
    return table


if __name__ == "__main__":
    main()

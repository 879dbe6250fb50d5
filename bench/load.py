"""What the service stands: explained requests a second on loopback, each record on the disk first.

    python -m bench.load [--store sqlite|postgresql] [--seconds 20] [--connections 8]
                         [--processes 2] [--semantics independent|interventional]
                         [--probability 0]         the decision alone, whatever the policy demands
    python -m bench.load --soak 10          ten minutes: does anything grow?
    python -m bench.load --starve           two hard proofs, again and again: do the others wait?

Needs ``wrk`` (Debian's package). A service of its own is started for each store, with the default
model and a key of its own; the questions are held-out alarms, none asked twice until all were.
Times are wall-clock and mean something on an idle machine only; CPU milliseconds a request, of all
processes of the service together, mean something on a busy one too. PostgreSQL's are not in them.
"""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import shutil
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import httpx
from prometheus_client.parser import text_string_to_metric_families
from rich.console import Console
from rich.table import Table

from ifonly.models.repository import load_folder
from ifonly.models.training.alarms import held_out_alarms
from tests.support.postgres import server

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "models/artifacts/milling-machine/1"
PATH = "/api/v1/models/milling-machine/explanations"
ALARMS = 3_000
START_SECONDS = 180
WARM_SECONDS = 3
TICKS = os.sysconf("SC_CLK_TCK")
STAGES = ("search", "verify", "complete", "words", "record")

HARD = {"semantics": "backtracking", "alternatives": 10, "deadline_ms": 60_000}
"""Makes of an alarm a question that takes the default model's engine a second of CPU or so."""
HARD_AT_ONCE = 2
EASY_AT_ONCE = 2

SCRIPT = """
local bodies, n = {}, 0
for line in io.lines(os.getenv("BODIES")) do bodies[#bodies + 1] = line end
wrk.method, wrk.path = "POST", os.getenv("ASKED")
wrk.headers["Content-Type"] = "application/json"
wrk.headers["Authorization"] = "Bearer " .. os.getenv("KEY")
request = function()
  n = n % #bodies + 1
  return wrk.format(nil, nil, nil, bodies[n])
end
done = function(summary, latency)
  local e = summary.errors
  io.write(string.format(
    '{"requests":%d,"seconds":%f,"p50":%f,"p99":%f,"max":%f,"refused":%d,"broken":%d}\\n',
    summary.requests, summary.duration / 1e6, latency:percentile(50) / 1e3,
    latency:percentile(99) / 1e3, latency.max / 1e3, e.status,
    e.connect + e.read + e.write + e.timeout))
end
"""


@dataclass(frozen=True)
class ServiceUnderLoad:
    """One that runs: where, by which key, in which processes."""

    base: str
    key: str
    parent: int

    @property
    def processes(self) -> list[int]:
        """The parent, and those that answer."""
        tree = Path(f"/proc/{self.parent}/task/{self.parent}/children").read_text().split()
        return [self.parent, *map(int, tree)]

    def cpu_seconds(self) -> float:
        total = 0
        for process in self.processes:
            fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
            total += int(fields[11]) + int(fields[12])
        return total / TICKS

    def resident_mib(self) -> float:
        pages = sum(int(Path(f"/proc/{p}/statm").read_text().split()[1]) for p in self.processes)
        return pages * os.sysconf("SC_PAGE_SIZE") / 2**20

    def descriptors(self) -> int:
        """Open files and connections."""
        return sum(len(list(Path(f"/proc/{p}/fd").iterdir())) for p in self.processes)

    def told(self) -> dict[str, float]:
        """Seconds so far by stage, and of whole requests; 5xx so far."""
        headers = {"Authorization": f"Bearer {self.key}"}
        reply = httpx.get(f"{self.base}/metrics", headers=headers, trust_env=False, timeout=30)
        told = dict.fromkeys((*STAGES, "whole", "5xx"), 0.0)
        for family in text_string_to_metric_families(reply.raise_for_status().text):
            for sample in family.samples:
                labels = sample.labels
                if sample.name == "ifonly_stage_seconds_sum":
                    told[labels["stage"]] = sample.value
                elif sample.name == "ifonly_http_request_seconds_sum":
                    told["whole"] += sample.value * (labels["route"].endswith("/explanations"))
                elif sample.name == "ifonly_http_request_seconds_count":
                    told["5xx"] += sample.value * labels["status"].startswith("5")
        return told


@contextlib.contextmanager
def service(url: str, processes: int, given: Mapping[str, str] = {}) -> Iterator[ServiceUnderLoad]:
    """The default model behind ``processes`` processes, until the block ends; ``given``: settings,
    as the environment has them."""
    environment = {k: v for k, v in os.environ.items() if not k.startswith("IFONLY_")}
    environment |= {"IFONLY_DATABASE_URL": url, "IFONLY_LOG_LEVEL": "WARNING", **given}
    command = [sys.executable, "-m", "ifonly", "serve", "--port", "0"]
    command += ["--processes", str(processes)]
    with subprocess.Popen(
        command, env=environment, stderr=subprocess.PIPE, text=True, cwd=ROOT
    ) as process:
        assert process.stderr is not None
        key = base = ""
        for line in process.stderr:
            key = line.strip() if line.startswith("ifonly_") else key
            if "http://" in line:
                base = line.split()[-1]
                break
        threading.Thread(target=process.stderr.read, daemon=True).start()
        try:
            started = ServiceUnderLoad(base, key, process.pid)
            _until_all_answer(started, processes)
            yield started
        finally:
            process.terminate()


def _until_all_answer(started: ServiceUnderLoad, processes: int) -> None:
    """Each process answers as soon as it can; connections go to whoever takes them."""
    last = time.monotonic() + START_SECONDS
    in_a_row = 0
    while in_a_row < 10 * processes:
        with contextlib.suppress(httpx.TransportError):
            reply = httpx.get(f"{started.base}/healthz/ready", trust_env=False, timeout=30)
            in_a_row = in_a_row + 1 if reply.is_success else 0
        if time.monotonic() > last:
            raise SystemExit("the service does not become ready")
        time.sleep(0.2)


@contextlib.contextmanager
def store(kind: str, folder: Path) -> Iterator[str]:
    """The URL of an empty store that writes to the disk as in earnest."""
    if kind == "sqlite":
        yield f"sqlite:///{folder / 'store.sqlite3'}"
        return
    with server(durable=True) as running:
        yield running.new_database()


def write_bodies(file: Path, semantics: str, probability: float | None) -> None:
    model = load_folder(FOLDER)
    alarms = held_out_alarms(ALARMS, 7, model.predictor, model.spec.decision)
    rows = [model.spec.schema.write(row) for row in alarms.rows]
    asked: dict[str, Any] = {"semantics": semantics}
    if probability is not None:
        asked["target"] = {"class": "normal", "probability": {"min": probability}}
    lines = [json.dumps({"instance": row} | asked) for row in rows]
    file.write_text("\n".join(lines) + "\n", encoding="utf-8")


def load(of: ServiceUnderLoad, folder: Path, connections: int, seconds: int) -> dict[str, Any]:
    """What ``wrk`` says of so many seconds."""
    script = folder / "load.lua"
    script.write_text(SCRIPT, encoding="utf-8")
    environment = os.environ | {"BODIES": str(folder / "bodies"), "ASKED": PATH, "KEY": of.key}
    command = ["wrk", "-t1", f"-c{connections}", f"-d{seconds}s", "--timeout", "30s"]
    done = subprocess.run(
        [*command, "-s", str(script), of.base],
        env=environment,
        capture_output=True,
        text=True,
        check=True,
    )
    found: dict[str, Any] = json.loads(done.stdout.splitlines()[-1])
    return found


def measure(kind: str, options: argparse.Namespace, folder: Path) -> dict[str, Any]:
    """One store: rates, latencies, errors, CPU and where the time went."""
    with store(kind, folder) as url, service(url, options.processes) as running:
        load(running, folder, options.connections, WARM_SECONDS)
        cpu, told = running.cpu_seconds(), running.told()
        found = load(running, folder, options.connections, options.seconds)
        spent = {name: value - told[name] for name, value in running.told().items()}
        found["cpu"] = 1e3 * (running.cpu_seconds() - cpu) / found["requests"]
    found["5xx"] = spent.pop("5xx")
    whole = spent.pop("whole")
    shares = {name: seconds / whole for name, seconds in spent.items()}
    return found | {"shares": shares | {"rest": 1.0 - sum(shares.values())}}


def soak(kind: str, options: argparse.Namespace, folder: Path) -> Iterator[tuple[float, ...]]:
    """Minute after minute: requests a second, p99, resident MiB, open descriptors, refused."""
    with store(kind, folder) as url, service(url, options.processes) as running:
        load(running, folder, options.connections, WARM_SECONDS)
        for minute in range(options.soak):
            found = load(running, folder, options.connections, 60)
            rate = found["requests"] / found["seconds"]
            grown = running.resident_mib(), running.descriptors()
            yield minute + 1, rate, found["p99"], *grown, found["refused"] + found["broken"]


def starve(kind: str, options: argparse.Namespace, folder: Path) -> dict[str, float]:
    """Milliseconds of easy questions, alone and beside hard ones; how many hard ones came back."""
    with store(kind, folder) as url, service(url, options.processes) as running:
        load(running, folder, EASY_AT_ONCE, WARM_SECONDS)
        alone = load(running, folder, EASY_AT_ONCE, options.seconds)
        with hard_ones(running, folder) as answered:
            beside = load(running, folder, EASY_AT_ONCE, options.seconds)
    ratio = beside["p50"] / alone["p50"]
    found = {"p50 ms alone": alone["p50"], "p50 ms beside": beside["p50"], "ratio": ratio}
    found |= {"p99 ms alone": alone["p99"], "p99 ms beside": beside["p99"]}
    return found | {"hard ones answered": len(answered)}


@contextlib.contextmanager
def hard_ones(of: ServiceUnderLoad, folder: Path) -> Iterator[list[str]]:
    """Some at once, asked again as soon as they are answered, until the block ends; it is given
    what they were answered with so far."""
    answered: list[str] = []
    over = threading.Event()
    headers = {"Authorization": f"Bearer {of.key}"}
    bodies = [json.loads(line) | HARD for line in (folder / "bodies").open(encoding="utf-8")]

    def ask(own: list[dict[str, Any]]) -> None:
        with httpx.Client(headers=headers, trust_env=False, timeout=90) as client:
            for body in own:
                if over.is_set():
                    return
                reply = client.post(f"{of.base}{PATH}", json=body).raise_for_status()
                answered.append(reply.json()["status"])

    own = [bodies[k::HARD_AT_ONCE] for k in range(HARD_AT_ONCE)]
    threads = [threading.Thread(target=ask, args=(mine,)) for mine in own]
    for thread in threads:
        thread.start()
    try:
        yield answered
    finally:
        over.set()
        for thread in threads:
            thread.join()


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("--store", choices=("sqlite", "postgresql"), action="append")
    parser.add_argument("--seconds", type=int, default=20)
    parser.add_argument("--connections", type=int, default=8)
    parser.add_argument("--processes", type=int, default=2)
    parser.add_argument("--semantics", default="independent")
    parser.add_argument("--probability", type=float)
    parser.add_argument("--soak", type=int, default=0, metavar="MINUTES")
    parser.add_argument("--starve", action="store_true")
    options = parser.parse_args()
    if shutil.which("wrk") is None:
        raise SystemExit("wrk is missing: apt-get install wrk")
    out = Console()
    for kind in options.store or ("sqlite", "postgresql"):
        with tempfile.TemporaryDirectory(prefix="ifonly-load-") as name:
            write_bodies(Path(name) / "bodies", options.semantics, options.probability)
            if options.soak:
                columns = ("minute", "requests/s", "p99 ms", "MiB", "descriptors", "errors")
                table = Table(*columns, title=f"{kind}, {options.connections} connections")
                for row in soak(kind, options, Path(name)):
                    table.add_row(*(f"{value:.0f}" for value in row))
                out.print(table)
            elif options.starve:
                table = Table("what", "value", title=f"{kind}, {options.processes} processes")
                for what, value in starve(kind, options, Path(name)).items():
                    table.add_row(what, f"{value:.1f}")
                out.print(table)
            else:
                out.print(_as_table(kind, options, measure(kind, options, Path(name))))


def _as_table(kind: str, options: argparse.Namespace, found: dict[str, Any]) -> Table:
    title = f"{kind}, {options.semantics}, {options.processes} processes"
    table = Table("what", "value", title=title)
    table.add_row("requests/s", f"{found['requests'] / found['seconds']:.0f}")
    for name in ("p50", "p99", "max"):
        table.add_row(f"{name} ms", f"{found[name]:.1f}")
    table.add_row("CPU ms/request", f"{found['cpu']:.2f}")
    for name in ("refused", "5xx", "broken"):
        table.add_row(name, f"{found[name]:.0f}")
    for name, share in found["shares"].items():
        table.add_row(f"time in {name}", f"{share:.0%}")
    return table


if __name__ == "__main__":
    main()

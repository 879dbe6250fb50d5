"""What starting costs, and what a process then holds: CPU seconds, resident memory, modules.

    python -m bench.start [--answers 1000]

Every process is one of its own, its modules compiled beforehand as an installer leaves them, its
data in a folder of its own. CPU seconds are those of the process and of what it started, until it
ended, or until ``/healthz/ready`` said so. Memory is what is resident: at most, or at that moment,
then with how much of it is anonymous (the rest are pages of files, shared by processes). "Answers"
are replies to questions of every kind (``ifonly.service.ask.warming``: explanations, predictions,
what-ifs) about held-out alarms, asked over HTTP one after the other.
"""

from __future__ import annotations

import argparse
import contextlib
import os
import subprocess
import sys
import tempfile
import threading
import time
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from itertools import islice
from pathlib import Path
from typing import Any

import httpx
from rich.console import Console
from rich.table import Table

from ifonly.models.repository import load_folder
from ifonly.models.training.alarms import held_out_alarms
from ifonly.service.ask import warming
from ifonly.service.ask.question import Rung
from ifonly.service.served.registry import ServedModel, prepare

ROOT = Path(__file__).resolve().parent.parent
FOLDER = ROOT / "models/artifacts/milling-machine/1"
ONCE = ("run", "--once", "--port", "0")
SERVE = ("-m", "ifonly", "serve", "--no-auth", "--port", "0")
TOLD = """
import atexit, os, sys

def tell():
    status = open("/proc/self/status").read().split()
    used = os.times()
    print(sum(used[:4]), status[status.index("VmHWM:") + 1], len(sys.modules), file=sys.stderr)

atexit.register(tell)
from ifonly.service.doors.cli import main
main()
"""
"""``ifonly``, and at its end its CPU seconds, its peak in KiB and how many modules it imported."""
SECONDS = 300.0
TICKS = os.sysconf("SC_CLK_TCK")
SEED = 11


@dataclass(frozen=True)
class Measured:
    """One process at one moment; None: not measured."""

    what: str
    cpu_seconds: float
    resident_mib: float
    anonymous_mib: float | None = None
    modules: int | None = None


def environment(folder: Path) -> dict[str, str]:
    """Of a process: the caller's, its data and its compiled modules in ``folder``."""
    own = {k: v for k, v in os.environ.items() if not k.startswith("IFONLY_")}
    # Installers compile modules; a checkout may be told not to keep them.
    own.pop("PYTHONDONTWRITEBYTECODE", None)
    return own | {
        "IFONLY_DATA": str(folder / "data"),
        "PYTHONPYCACHEPREFIX": str(folder / "modules"),
        "PYTHONPATH": str(ROOT),
    }


def ended(what: str, arguments: tuple[str, ...], env: Mapping[str, str]) -> Measured:
    """``ifonly`` with these arguments, as it is when it ends."""
    process = subprocess.run(
        [sys.executable, "-c", TOLD, *arguments],
        env=env, cwd=ROOT, stdout=subprocess.DEVNULL, stderr=subprocess.PIPE, text=True,
        check=False,
    )  # fmt: skip
    if process.returncode:
        raise SystemExit(f"`ifonly {' '.join(arguments)}` failed: {process.stderr}")
    cpu_seconds, peak, modules = process.stderr.split()[-3:]
    return Measured(what, float(cpu_seconds), int(peak) / 1024, modules=int(modules))


def now(what: str, process: int) -> Measured:
    """A process that runs."""
    fields = Path(f"/proc/{process}/stat").read_text().rpartition(")")[2].split()
    used = sum(map(int, fields[11:13])) / TICKS
    sizes = {}
    for line in Path(f"/proc/{process}/smaps_rollup").read_text().splitlines()[1:]:
        name, size = line.split()[:2]
        sizes[name] = int(size) / 1024
    return Measured(what, used, sizes["Rss:"], sizes["Anonymous:"])


@contextlib.contextmanager
def serving(env: Mapping[str, str]) -> Iterator[tuple[int, httpx.Client]]:
    """A service that is ready: its process, and who asks it."""
    command = [sys.executable, *SERVE]
    with subprocess.Popen(command, env=env, cwd=ROOT, stderr=subprocess.PIPE, text=True) as process:
        assert process.stderr is not None
        base = next((line.split()[-1] for line in process.stderr if "http://" in line), "")
        threading.Thread(target=process.stderr.read, daemon=True).start()
        try:
            with httpx.Client(base_url=base, timeout=SECONDS, trust_env=False) as client:
                _await_ready(client)
                yield process.pid, client
        finally:
            process.terminate()


def _await_ready(client: httpx.Client) -> None:
    last = time.monotonic() + SECONDS
    while time.monotonic() < last:
        with contextlib.suppress(httpx.TransportError):
            if client.get("/healthz/ready").is_success:
                return
        time.sleep(0.02)
    raise SystemExit("the service is not ready")


def questions(model: ServedModel, alarms: int) -> Iterator[tuple[str, dict[str, Any]]]:
    """Every kind of question about one alarm, then about the next: where it is sent, its body."""
    deployed = model.deployed
    for row in held_out_alarms(alarms, SEED, deployed.predictor, model.decision).rows:
        instance = model.schema.write(row)
        for body in warming.bodies(model, row):
            yield "explanations", body
        yield "predictions", {"instance": instance}
        for rung in Rung:
            changed = warming.changes(model, row)
            yield "what-if", {"instance": instance, "set": changed, "rung": rung.value}


def ask(client: httpx.Client, answers: int) -> None:
    model = prepare(load_folder(FOLDER))
    for kind, body in islice(questions(model, answers), answers):
        reply = client.post(f"/api/v1/models/{model.name}/{kind}", json=body)
        if reply.status_code not in (200, 422):  # 422: of this row it cannot be asked
            raise SystemExit(f"{kind} answered {reply.status_code}: {reply.text}")


def measured(answers: int, folder: Path) -> Iterator[Measured]:
    env = environment(folder)
    ended("", ONCE, env)  # compiles the modules
    env |= {"IFONLY_DATA": str(folder / "new")}
    yield ended("--help", ("--help",), env)
    yield ended("models", ("models",), env)
    yield ended("run --once, new store", ONCE, env)
    yield ended("run --once, later", ONCE, env)
    with serving(env) as (process, client):
        yield now("serve, ready", process)
        ask(client, answers)
        yield now(f"after {answers:,} answers", process)


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--answers", type=int, default=1_000)
    chosen = parser.parse_args()
    table = Table("process", "CPU s", "MiB", "anonymous", "modules")
    with tempfile.TemporaryDirectory(prefix="ifonly-start-") as folder:
        for m in measured(chosen.answers, Path(folder)):
            anonymous = "" if m.anonymous_mib is None else f"{m.anonymous_mib:.0f}"
            modules = "" if m.modules is None else f"{m.modules:,}"
            table.add_row(
                m.what, f"{m.cpu_seconds:.2f}", f"{m.resident_mib:.0f}", anonymous, modules
            )
    Console().print(table)


if __name__ == "__main__":
    main()

"""What `ifonly bulk --engine ray` costs beside the processes of this machine, on the same file.

    python -m bench.bulk_engines [--normal 19500] [--alarms 500]

Needs Ray (extra ``ray``). Simulated parts, answered by one and by two processes, and on a cluster
of real processes with one machine of one core, and with two. The rate is from the first slice kept
to the last one, without the start of either (which is told apart); CPU seconds are those of all its
processes, of Ray's own machinery too; whether the bytes are the same. Ratios are of one run;
where cores are shared the wall clock says little.
"""

from __future__ import annotations

import argparse
import hashlib
import os
import tempfile
import threading
import time
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.parquet as pq
from rich.console import Console
from rich.table import Table

from ifonly.models.repository import load_folder
from ifonly.models.training import milling
from ifonly.service.bulk import BulkOptions
from ifonly.service.bulk_runs.engines import BulkEngine
from ifonly.service.bulk_runs.planning import Plan
from ifonly.service.bulk_runs.run import run
from ifonly.service.served.registry import ServedModel, prepare
from ifonly.service.settings import shipped_models

NAME, SEED, SLICE = "milling-machine", 20_271, 256
MEMORY = 200 << 20
"""Bytes of each machine's store of objects."""


@dataclass
class Clock:
    """Told by the run: when its parts came."""

    began: float = field(default_factory=time.monotonic)
    parts: list[tuple[float, int]] = field(default_factory=list)

    def begun(self, total: int | None, resumed: int, counts: Mapping[str, int]) -> None:
        self.began = time.monotonic()

    def answered(self, rows: int, counts: Mapping[str, int], share: float) -> None:
        self.parts.append(
            (time.monotonic(), sum(counts.values()) - counts.get("already_target", 0))
        )

    def writing(self) -> None: ...

    @property
    def start(self) -> float:
        """Until the first part was there."""
        return self.parts[0][0] - self.began

    @property
    def rate(self) -> float:
        """Alarms a second from the first part to the last."""
        (first, _), *rest = self.parts
        return sum(alarms for _, alarms in rest) / (rest[-1][0] - first)


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.bulk_engines")
    parser.add_argument("--normal", type=int, default=19_500)
    parser.add_argument("--alarms", type=int, default=500)
    given = parser.parse_args()
    model = prepare(load_folder(shipped_models() / NAME / "1"))
    table = Table("", "start s", "alarms/s", "wall s", "CPU s", "same bytes")
    digests: list[str] = []
    with tempfile.TemporaryDirectory(prefix="ifonly-engines-") as folder:
        source = Path(folder) / "in.parquet"
        pq.write_table(parts(model, given.normal, given.alarms), source)

        def measure(what: str, **how: Any) -> None:
            out, clock = Path(folder) / f"{len(digests)}.parquet", Clock()
            plan = Plan(
                str(source), str(out), model, BulkOptions(deadline_ms=None), slice_rows=SLICE, **how
            )
            began = time.monotonic()
            with CpuMeter() as meter:
                run(plan, clock, None)
            wall = time.monotonic() - began
            digests.append(hashlib.sha256(out.read_bytes()).hexdigest())
            table.add_row(
                what, f"{clock.start:.1f}", f"{clock.rate:.0f}", f"{wall:.1f}",
                f"{meter.seconds:.1f}", "yes" if digests[-1] == digests[0] else "NO",
            )  # fmt: skip

        for workers in (1, 2):
            measure(f"{workers} processes", workers=workers)
        for machines in (1, 2):
            on_cluster(machines, measure)
    Console(width=120).print(table)


def on_cluster(machines: int, measure: Callable[..., None]) -> None:
    os.environ |= {"RAY_USAGE_STATS_ENABLED": "0", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0"}
    from ray.cluster_utils import Cluster

    head = {"num_cpus": 0, "object_store_memory": MEMORY}
    cluster = Cluster(initialize_head=True, head_node_args=head)
    try:
        for _ in range(machines):
            cluster.add_node(num_cpus=1, object_store_memory=MEMORY)
        cluster.wait_for_nodes()
        how = {"workers": None, "engine": BulkEngine.RAY, "address": cluster.address}
        measure(f"Ray, machines: {machines}", **how)
    finally:
        cluster.shutdown()


class CpuMeter:
    """CPU seconds of this process, its children and all Ray's, looked at while they run: an actor
    that has ended is in nobody's account."""

    def __init__(self) -> None:
        self._last: dict[tuple[str, str], float] = {}
        self._over = threading.Event()
        self._thread = threading.Thread(target=self._run)

    def __enter__(self) -> CpuMeter:
        self._first = self._look()
        self._thread.start()
        return self

    def __exit__(self, *_: object) -> None:
        self._over.set()
        self._thread.join()
        self._last |= self._look()

    @property
    def seconds(self) -> float:
        return sum(self._last.values()) - sum(self._first.values())

    def _run(self) -> None:
        while not self._over.wait(0.1):
            self._last |= self._look()

    @staticmethod
    def _look() -> dict[tuple[str, str], float]:
        ticks, found = os.sysconf("SC_CLK_TCK"), {}
        for stat in Path("/proc").glob("[0-9]*/stat"):
            try:
                name, _, numbers = stat.read_text().partition("(")[2].rpartition(")")
                command = (stat.parent / "cmdline").read_bytes()
            except OSError:
                continue
            pid, words = stat.parent.name, numbers.split()
            own = str(os.getpid())
            if own in (pid, words[1]) or "ray" in name or b"ray" in command.partition(b"\0")[0]:
                found[pid, words[19]] = (int(words[11]) + int(words[12])) / ticks
        return found


def parts(model: ServedModel, normal: int, alarms: int) -> pa.Table:
    """So many simulated parts that are none, and so many alarms, in the order they were made in."""
    made = milling.simulate(40 * (normal + alarms), SEED, first_campaign=9_000).rows
    is_alarm = model.decision.decide(model.deployed.predictor.score(made)) == 1
    chosen = sorted([*evenly(is_alarm, alarms), *evenly(~is_alarm, normal)])
    columns: dict[str, Any] = {name: made[chosen, j] for j, name in enumerate(milling.FEATURES)}
    columns["quality"] = [milling.QUALITIES[int(q)] for q in columns["quality"]]
    return pa.table(columns)


def evenly(which: Any, count: int) -> Any:
    """So many places at which ``which`` is true, from one end to the other."""
    places = which.nonzero()[0]
    return places[np.linspace(0, len(places) - 1, count).astype(int)]


if __name__ == "__main__":
    main()

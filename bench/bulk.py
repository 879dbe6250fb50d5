"""What `ifonly bulk IN OUT` costs beside the function that it is made of, and what it writes.

    python -m bench.bulk [--rows 100000] [--no-alarms 1000000] [--workers 2]

Three files of simulated parts: as the machine makes them (some 2.8 % are alarms), as many times a
tenth of that (does memory grow?), and parts that are no alarms. CPU seconds of the command and all
its processes, its greatest resident memory a process, bytes that came out; and the ratio to the
CPU that the function alone takes for the same rows, in the same run. Wall clock is of this machine
and whoever else is on it.
"""

from __future__ import annotations

import argparse
import os
import resource
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pyarrow as pa
import pyarrow.compute as pc
import pyarrow.parquet as pq
from rich.console import Console
from rich.table import Table

from ifonly.models.repository import load_folder
from ifonly.models.training import milling
from ifonly.service.bulk import BulkExplainer
from ifonly.service.bulk_runs.planning import SLICE
from ifonly.service.served.registry import ServedModel, prepare
from ifonly.service.settings import shipped_models

NAME, SEED = "milling-machine", 20_271
CAMPAIGNS = 50
"""Simulated at once: memory of the bench is not what is measured."""


@dataclass(frozen=True)
class CommandCost:
    """One run of the command."""

    rows: int
    alarms: int
    cpu: float
    wall: float
    resident_mb: float
    bytes_out: int
    bytes_of_alarms: int
    function_cpu: float
    """Of the function alone, in this process; NaN: not measured."""


def main() -> None:
    parser = argparse.ArgumentParser(prog="python -m bench.bulk")
    parser.add_argument("--rows", type=int, default=100_000)
    parser.add_argument("--no-alarms", type=int, default=1_000_000)
    parser.add_argument("--workers", type=int, default=2)
    given = parser.parse_args()
    model = prepare(load_folder(shipped_models() / NAME / "1"))
    with tempfile.TemporaryDirectory(prefix="ifonly-bulk-") as folder:
        at = Path(folder)
        made = {
            "a tenth of the rows": (given.rows // 10, False, True),
            "as the machine makes them": (given.rows, False, True),
            "no alarms": (given.no_alarms, True, True),
        }
        found = {
            what: measured(model, at, rows, given.workers, calm=calm, beside=beside)
            for what, (rows, calm, beside) in made.items()
            if rows
        }
    show(found, given.workers)


def measured(
    model: ServedModel, at: Path, rows: int, workers: int, *, calm: bool, beside: bool
) -> CommandCost:
    source, out, alarms = at / "in.parquet", at / "out.parquet", at / "alarms.parquet"
    with pq.ParquetWriter(source, next(parts(model, 1, calm=False)).schema) as writer:
        for table in parts(model, rows, calm=calm):
            writer.write_table(table)
    before, began = resource.getrusage(resource.RUSAGE_CHILDREN), time.monotonic()
    resident = watched([*command(source, out), "--workers", str(workers)])
    wall, after = time.monotonic() - began, resource.getrusage(resource.RUSAGE_CHILDREN)
    cpu = after.ru_utime + after.ru_stime - before.ru_utime - before.ru_stime
    written = pq.read_table(out)
    is_alarm = pc.not_equal(written.column("status"), "already_target")
    explained = written.filter(is_alarm)
    pq.write_table(explained, alarms, compression="zstd")
    cost = CommandCost(
        rows,
        explained.num_rows,
        cpu,
        wall,
        resident,
        out.stat().st_size,
        alarms.stat().st_size,
        function_cpu(model, source) if beside else float("nan"),
    )
    for path in at.iterdir():
        path.unlink()
    return cost


def command(source: Path, out: Path) -> list[str]:
    return [sys.executable, "-m", "ifonly", "bulk", str(source), str(out), "--quiet", "--no-record"]


def watched(how: list[str]) -> float:
    """Run it; MB of the largest of its processes, looked at while they run."""
    process = subprocess.Popen(how)
    most = 0
    while process.poll() is None:
        most = max([most, *(_resident(pid) for pid in _family(process.pid))])
        time.sleep(0.05)
    if process.returncode != 0:
        raise SystemExit(f"{' '.join(how)} ended with {process.returncode}")
    return most / 1e6


def _family(pid: int) -> Iterator[int]:
    yield pid
    try:
        children = Path(f"/proc/{pid}/task/{pid}/children").read_text()
        threads = [t for t in os.listdir(f"/proc/{pid}/task") if t != str(pid)]
        children += "".join(
            Path(f"/proc/{pid}/task/{thread}/children").read_text() for thread in threads
        )
    except OSError:
        return
    yield from map(int, children.split())


def _resident(pid: int) -> int:
    try:
        pages = int(Path(f"/proc/{pid}/statm").read_text().split()[1])
    except (OSError, IndexError):
        return 0
    return pages * os.sysconf("SC_PAGE_SIZE")


def function_cpu(model: ServedModel, source: Path) -> float:
    """CPU of the function alone for the same rows, read beforehand."""
    explainer = BulkExplainer(model)
    batches = list(pq.ParquetFile(source).iter_batches(SLICE))
    began, first = time.process_time(), 0
    for batch in batches:
        explainer(batch, first)
        first += batch.num_rows
    return time.process_time() - began


def parts(model: ServedModel, rows: int, *, calm: bool) -> Iterator[Any]:
    """``rows`` simulated parts as tables; ``calm``: no alarms among them."""
    campaign = 5_000
    while rows > 0:
        made = milling.simulate(
            CAMPAIGNS * milling.CAMPAIGN_ROWS, SEED, first_campaign=campaign
        ).rows
        campaign += CAMPAIGNS
        if calm:
            scores = model.deployed.predictor.score(made)
            made = made[model.decision.decide(scores) != model.decision.positive]
        made = made[:rows]
        rows -= len(made)
        columns: dict[str, Any] = {name: made[:, j] for j, name in enumerate(milling.FEATURES)}
        for name in ("rotational_speed", "tool_wear"):
            columns[name] = columns[name].astype(np.int64)
        codes = made[:, milling.QUALITY].astype(int)
        columns["quality"] = pa.array(milling.QUALITIES).take(pa.array(codes))
        yield pa.table(columns)


def show(found: dict[str, CommandCost], workers: int) -> None:
    table = Table(
        "", "rows", "alarms", "CPU s", "µs a row", "rows/s", "÷ function", "MB a process",
        "B a row", "B an alarm", title=f"ifonly bulk --workers {workers}",
    )  # fmt: skip
    for what, cost in found.items():
        others = cost.rows - cost.alarms
        table.add_row(
            what,
            f"{cost.rows:,}",
            f"{cost.alarms:,}",
            f"{cost.cpu:.1f}",
            f"{1e6 * cost.cpu / cost.rows:.1f}",
            f"{cost.rows / cost.wall:,.0f}",
            f"{cost.cpu / cost.function_cpu:.2f}",
            f"{cost.resident_mb:.0f}",
            f"{max(0, cost.bytes_out - cost.bytes_of_alarms) / max(1, others):.1f}",
            f"{cost.bytes_of_alarms / cost.alarms:.0f}" if cost.alarms else "–",
        )
    Console(width=160).print(table)


if __name__ == "__main__":
    main()

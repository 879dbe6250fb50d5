"""Runs of `ifonly bulk` on Ray, by Ray's own interpreter: a cluster of real processes, a head and
two machines of one core, of which one is killed in mid-run."""

from __future__ import annotations

import hashlib
import json
import os
import secrets
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

# What machines of a cluster have in their environment, before Ray reads it.
os.environ |= {
    "RAY_USAGE_STATS_ENABLED": "0", "RAY_ACCEL_ENV_VAR_OVERRIDE_ON_ZERO": "0",
    "RAY_AUTH_MODE": "token", "RAY_AUTH_TOKEN": secrets.token_hex(32),
}  # fmt: skip

import pyarrow as pa
import pyarrow.parquet as pq
from ray.cluster_utils import Cluster

from ifonly.models.repository import load_folder
from ifonly.service.bulk import BulkExplainer, BulkOptions
from ifonly.service.bulk_runs import ray_actors
from ifonly.service.bulk_runs.answering import Answering
from ifonly.service.bulk_runs.engines import BulkEngine, pool
from ifonly.service.bulk_runs.planning import Plan
from ifonly.service.bulk_runs.reading.source import RowSlice
from ifonly.service.bulk_runs.run import run
from ifonly.service.errors import CannotBulk
from ifonly.service.served.registry import prepare
from ifonly.service.settings import shipped_models

MEMORY = 100 << 20
SLICE = 4
"""Rows: the file is small."""


class After:
    """Does something once so many slices are answered."""

    def __init__(self, slices: int = -1, do: Callable[[], None] = lambda: None) -> None:
        self.slices, self.do = slices, do
        self.resumed = 0

    def begun(self, total: int | None, resumed: int, counts: Mapping[str, int]) -> None:
        self.resumed = resumed

    def answered(self, rows: int, counts: Mapping[str, int], share: float) -> None:
        self.slices -= 1
        if self.slices == 0:
            self.do()

    def writing(self) -> None: ...


class Stopped(Exception):
    """The run is ended from outside."""


class Poisoned(Answering):
    """Ends its process at one row, as a fault of a library would."""

    def __call__(self, slice_: RowSlice) -> Any:
        if 199.0 in slice_.batch.column("tool_wear").to_pylist():
            os._exit(9)
        return super().__call__(slice_)


def main() -> None:
    given, folder = Path(sys.argv[1]), Path(sys.argv[2])
    model = prepare(load_folder(shipped_models() / "milling-machine" / "1"))
    options = BulkOptions(id="part", deadline_ms=None)
    cluster = Cluster(
        initialize_head=True, head_node_args={"num_cpus": 0, "object_store_memory": MEMORY}
    )
    first, _ = (cluster.add_node(num_cpus=1, object_store_memory=MEMORY) for _ in range(2))
    cluster.wait_for_nodes()
    told: dict[str, Any] = {}

    def bulk(
        name: str, tell: After, engine: BulkEngine = BulkEngine.RAY, **how: Any
    ) -> dict[str, Any]:
        out = folder / f"{name}.parquet"
        if engine is BulkEngine.RAY:
            how = {"workers": None, "address": cluster.address} | how
        plan = Plan(str(given), str(out), model, options, slice_rows=SLICE, engine=engine, **how)
        try:
            outcome = run(plan, tell, None)
        except Stopped:
            return {"is_there": out.exists()}
        digest = hashlib.sha256(out.read_bytes()).hexdigest()
        return {
            "sha256": digest, "replaced": outcome.replaced, "resumed": outcome.resumed,
            "counts": outcome.manifest["counts"],
        }  # fmt: skip

    with power_cut(cluster, first) as machines:
        told["killed"] = bulk("killed", After())
    told["machines"] = len(machines)
    # Ended, and gone on with by the engine of this machine; and the other way round.
    told["ended"] = bulk("ended", After(3, stop))
    told["went_on"] = bulk("ended", After(), BulkEngine.LOCAL, workers=0)
    told["ended_here"] = bulk("here", After(3, stop), BulkEngine.LOCAL, workers=0)
    told["went_on_there"] = bulk("here", After())

    explainer = BulkExplainer(model, BulkOptions(deadline_ms=None))
    told["poisoned"] = poisoned(explainer, given, cluster.address)
    told["other"] = refused(bulk, "_packages", lambda: {"onnxruntime": "0.1"})
    told["rounds"] = refused(bulk, "arithmetic", lambda _: "of another processor")
    cluster.shutdown()
    try:
        bulk("other", After(), address="127.0.0.1:9")  # a port to which nobody listens
    except CannotBulk as error:
        told["nobody"] = str(error)
    print(json.dumps(told))


@contextmanager
def power_cut(cluster: Cluster, machine: Any) -> Iterator[Counter[str]]:
    """Takes ``machine`` away while an actor there answers its second slice; how many slices went
    to each machine. Meanwhile the others get no more than three."""
    asked, is_cut, got = Counter[str](), threading.Event(), ray_actors.RayWorker._got

    def cutting(worker: ray_actors.RayWorker, reply: Any) -> Any:
        if (where := worker._machine) is not None:
            asked[where] += 1
            if where == machine.node_id and asked[where] == 2:
                cluster.remove_node(machine, allow_graceful=False)
                # Here a process outlives its machine for a moment, and would go on answering.
                while worker._cluster.has(where):
                    time.sleep(0.1)
                is_cut.set()
            elif asked[where] > 3:
                is_cut.wait(60)
        return got(worker, reply)

    ray_actors.RayWorker._got = cutting
    try:
        yield asked
    finally:
        ray_actors.RayWorker._got = got


def poisoned(explainer: BulkExplainer, given: Path, address: str) -> dict[str, Any]:
    """A row that ends each process that answers it, as a fault of a library would."""
    rows = pq.read_table(given).slice(0, 2).combine_chunks().to_batches()[0]
    wear = rows.schema.get_field_index("tool_wear")
    batch = rows.set_column(wear, "tool_wear", pa.array([5.0, 199.0]))
    with pool(BulkEngine.RAY, Poisoned(explainer), 1, address) as workers:
        ((_, part),) = workers.answered(iter([RowSlice(0, 100, batch)]))
    return {
        "status": part.output.column("status").to_pylist(),
        "problem": part.problems.column("problem").to_pylist(),
    }


def refused(bulk: Callable[..., Any], what: str, here: Callable[..., Any]) -> str:
    """Of a run whose asking machine is unlike the cluster's."""
    own = getattr(ray_actors, what)
    setattr(ray_actors, what, here)
    try:
        bulk("other", After())
    except CannotBulk as error:
        return str(error)
    finally:
        setattr(ray_actors, what, own)
    return "nothing"


def stop() -> None:
    raise Stopped


if __name__ == "__main__":
    main()

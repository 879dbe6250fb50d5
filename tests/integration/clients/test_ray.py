"""`ifonly bulk --engine ray` on a cluster of real processes: the bytes of this machine's own."""

from __future__ import annotations

import hashlib
import json
import os
import subprocess
import sysconfig
from typing import Any

import pytest

pytest.importorskip("pyarrow")
import pyarrow as pa
import pyarrow.parquet as pq

from ifonly.models.repository import load_folder
from ifonly.models.training import milling
from ifonly.service.bulk import BulkOptions
from ifonly.service.bulk_runs.engines import BulkEngine
from ifonly.service.bulk_runs.planning import Plan
from ifonly.service.bulk_runs.run import run
from ifonly.service.served.registry import prepare
from ifonly.service.settings import shipped_models
from tests.integration.clients.conftest import HERE, interpreter

pytestmark = pytest.mark.clients

ROWS, ALARMS = 60, 4
ROOT = HERE.parents[2]


class Quiet:
    def begun(self, *_: Any) -> None: ...

    def answered(self, *_: Any) -> None: ...

    def writing(self) -> None: ...


@pytest.fixture(scope="module")
def told(tmp_path_factory: pytest.TempPathFactory) -> dict[str, Any]:
    """What the runs on Ray came to, and ``expected``, the digest of this machine's."""
    python, folder = interpreter("ray"), tmp_path_factory.mktemp("ray")
    model = prepare(load_folder(shipped_models() / "milling-machine" / "1"))
    rows = milling.simulate(2_000, 5, first_campaign=900).rows
    alarm = model.decision.decide(model.deployed.predictor.score(rows)) == 1
    chosen = sorted([*alarm.nonzero()[0][:ALARMS], *(~alarm).nonzero()[0][:ROWS]])
    columns: dict[str, Any] = {name: rows[chosen, j] for j, name in enumerate(milling.FEATURES)}
    columns["quality"] = [milling.QUALITIES[int(q)] for q in columns["quality"]]
    columns["part"] = [f"p{i:03d}" for i in range(len(chosen))]
    pq.write_table(pa.table(columns), folder / "in.parquet")
    options = BulkOptions(id="part", deadline_ms=None)
    run(Plan(str(folder / "in.parquet"), str(folder / "o.parquet"), model, options), Quiet(), None)
    done = subprocess.run(
        [python, HERE / "ray_calls.py", folder / "in.parquet", folder],
        capture_output=True,
        text=True,
        timeout=600,
        # Ray is what that environment has; the rest, which is the same on all machines, is
        # ours, and so is which of its kernels BLAS takes.
        env={key: os.environ[key] for key in os.environ if key.startswith(("OPENBLAS", "NPY_"))}
        | {
            "PATH": os.environ["PATH"], "HOME": os.environ.get("HOME", "/"), "NO_PROXY": "*",
            "PYTHONPATH": os.pathsep.join([str(ROOT), sysconfig.get_path("purelib")]),
        },
    )  # fmt: skip
    assert done.returncode == 0, done.stderr[-4_000:]
    expected = hashlib.sha256((folder / "o.parquet").read_bytes()).hexdigest()
    return {"expected": expected, **json.loads(done.stdout.splitlines()[-1])}


def test_a_machine_that_goes_in_mid_run_changes_no_byte(told: dict[str, Any]) -> None:
    assert told["killed"]["sha256"] == told["expected"]
    assert told["killed"]["replaced"] >= 1
    assert told["killed"]["counts"] == {"already_target": ROWS, "optimal": ALARMS}
    assert told["machines"] == 2


def test_either_engine_goes_on_with_what_the_other_has_begun(told: dict[str, Any]) -> None:
    assert told["ended"] == told["ended_here"] == {"is_there": False}
    for gone_on in (told["went_on"], told["went_on_there"]):
        assert gone_on["sha256"] == told["expected"]
        assert gone_on["resumed"] > 0


def test_a_row_that_ends_every_actor_is_told_and_the_others_are_answered(
    told: dict[str, Any],
) -> None:
    assert told["poisoned"]["status"][1] == "invalid"
    assert told["poisoned"]["status"][0] != "invalid"
    assert told["poisoned"]["problem"] == ["the process that answered it ended, each time"]


def test_machines_of_other_packages_and_clusters_that_are_not_there_are_named(
    told: dict[str, Any],
) -> None:
    assert "has onnxruntime" in told["other"]
    assert told["other"].endswith("and not 0.1")
    assert "rounds otherwise than the one that asks" in told["rounds"]
    assert told["nobody"].startswith("the Ray cluster at 127.0.0.1:9 cannot be reached")


def test_the_engine_of_this_machine_has_no_address() -> None:
    from ifonly.service.bulk_runs.engines import check
    from ifonly.service.errors import InvalidRequest

    with pytest.raises(InvalidRequest, match="--address is a cluster's"):
        check(BulkEngine.LOCAL, 1, "127.0.0.1:6379")
    with pytest.raises(InvalidRequest, match="--workers is 0"):
        check(BulkEngine.RAY, 0, None)

"""A run that takes too long is ended, its model is asked nothing any more, and others go on."""

from __future__ import annotations

import os
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from onnx import ModelProto, TensorProto, helper

from ifonly.models.errors import GraphError, OutOfService
from ifonly.models.onnx import Guard, GuardLimits, load_predictor
from ifonly.models.onnx.bounded import unbounded
from ifonly.models.onnx.box import box_of
from ifonly.models.onnx.sessions import open_here, open_session
from tests.support.endless import TRIGGER, endless, growing, slow
from tests.unit.models.graphs import REGRESSION, graph_of, sum_graph, three_numbers, value

SPEC = three_numbers(REGRESSION)
SOON = GuardLimits(run_seconds=0.5)
HARMLESS = np.zeros((1, 3))
FATAL = np.full((1, 3), TRIGGER)


@pytest.mark.parametrize("steps", [0, 1], ids=["empty body", "body with nodes"])
def test_a_loop_that_never_ends_takes_its_model_out_of_service(steps: int) -> None:
    guard = Guard("press/2", SOON)
    predictor = load_predictor(endless(steps).SerializeToString(), SPEC, guard=guard)
    assert predictor.score(HARMLESS).tolist() == [[0.0]]
    with pytest.raises(OutOfService, match=r"press/2 is out of service: .* longer than 0\.5 s"):
        predictor.score(FATAL)
    with pytest.raises(OutOfService, match="press/2 is out of service"):
        predictor.score(HARMLESS)
    assert guard.fault is not None
    other = load_predictor(sum_graph().SerializeToString(), SPEC, guard=Guard("other/1", SOON))
    assert other.score(HARMLESS).tolist() == [[0.0]]


def test_the_process_of_a_graph_that_never_ends_is_gone() -> None:
    guard = Guard("press/2", SOON)
    predictor = load_predictor(endless(0).SerializeToString(), SPEC, guard=guard)
    child = box_of(guard).process
    assert child is not None
    assert child.poll() is None
    with pytest.raises(OutOfService):
        predictor.score(FATAL)
    assert child.poll() is not None


def test_a_run_in_this_process_is_ended_between_two_nodes() -> None:
    guard = Guard("deep/1", GuardLimits(run_seconds=0.2))
    session = open_session(slow(), guard)
    assert unbounded(slow()) is None
    with pytest.raises(OutOfService, match=r"deep/1 .* longer than 0\.2 s"):
        session.run(["y"], {"x": np.ones((4000, 3), np.float32)})
    with pytest.raises(OutOfService):
        session.run(["y"], {"x": np.ones((1, 3), np.float32)})


def test_more_memory_than_allowed_is_refused_by_the_process_of_the_graph() -> None:
    guard = Guard("big/1", GuardLimits(memory_bytes=2 << 30))
    predictor = load_predictor(growing().SerializeToString(), SPEC, guard=guard)
    assert predictor.score(HARMLESS).tolist() == [[0.0]]
    with pytest.raises(GraphError, match="it may use 2 GiB of memory"):
        predictor.score(FATAL)


def test_a_process_that_dies_takes_the_model_out_of_service() -> None:
    guard = Guard("press/2", GuardLimits())
    predictor = load_predictor(endless(1).SerializeToString(), SPEC, guard=guard)
    child = box_of(guard).process
    assert child is not None
    child.kill()
    with pytest.raises(OutOfService, match="the process that ran its graph ended"):
        predictor.score(HARMLESS)


def test_scores_of_a_process_are_those_of_a_session_here() -> None:
    model, rows = endless(1), np.random.default_rng(0).normal(size=(100, 3))
    boxed = load_predictor(model.SerializeToString(), SPEC)
    here = load_predictor(
        model.SerializeToString(), SPEC, guard=Guard(limits=GuardLimits(boxed=False))
    )
    assert box_of(boxed.guard).process is not None
    assert box_of(here.guard).process is None
    assert (boxed.score(rows) == here.score(rows)).all()


def test_the_process_ends_with_its_model() -> None:
    predictor = load_predictor(endless(1).SerializeToString(), SPEC)
    child = box_of(predictor.guard).process
    assert child is not None
    del predictor
    assert child.poll() is not None


def test_the_process_ends_with_the_service_while_its_graph_spins() -> None:
    """Also where nobody has the time to kill it."""
    code = f"""
import os, sys, threading, numpy as np
sys.path[:0] = {sys.path!r}
from tests.unit.models.test_guarded_runs import SPEC, FATAL, endless, load_predictor, box_of
predictor = load_predictor(endless(0).SerializeToString(), SPEC)
print(box_of(predictor.guard).process.pid, flush=True)
threading.Thread(target=predictor.score, args=(FATAL,), daemon=True).start()
sys.stdin.read()
os._exit(0)
"""
    with subprocess.Popen(
        [sys.executable, "-c", code], stdin=subprocess.PIPE, stdout=subprocess.PIPE
    ) as parent:
        assert parent.stdin is not None
        assert parent.stdout is not None
        child = int(parent.stdout.readline())
        parent.stdin.close()
        parent.wait()
    until_gone(child)


def test_the_process_knows_nothing_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    """No address and no password of a store; no file, an empty folder, limits, the first to go."""
    monkeypatch.setenv("IFONLY_DATABASE_URL", "postgresql://ifonly:secret@store/ifonly")
    predictor = load_predictor(endless(1).SerializeToString(), SPEC)
    child = box_of(predictor.guard).process
    assert child is not None
    of = Path(f"/proc/{child.pid}")
    if not of.exists():
        pytest.skip("this system does not tell of processes")
    assert b"secret" not in (of / "environ").read_bytes()
    assert list((of / "cwd").iterdir()) == []
    kinds = {(of / "fd" / name).readlink().as_posix() for name in os.listdir(of / "fd")}
    assert not [kind for kind in kinds if kind.startswith("/") and not kind.startswith("/dev/")]
    limits = (of / "limits").read_text()
    assert str(predictor.guard.limits.memory_bytes) in limits
    assert (of / "oom_score_adj").read_text().strip() == "1000"


def until_gone(process: int) -> None:
    for _ in range(600):
        try:
            os.kill(process, 0)
        except ProcessLookupError:
            return
        time.sleep(0.05)
    pytest.fail(f"process {process} is still there")


def model(*nodes: object, **constants: object) -> ModelProto:
    return graph_of(list(nodes), [value("x", [None, 3])], [value("y", [None, 1])], constants)


node = helper.make_node
SHAPE = node("Shape", ["x"], ["shape"])


@pytest.mark.parametrize(
    ("made", "operator"),
    [
        (sum_graph, None),
        (lambda: endless(1), "Loop"),
        (growing, "Expand"),
        (lambda: model(node("Frob", ["x"], ["y"], domain="com.acme")), "Frob"),
        (lambda: model(node("NonZero", ["x"], ["y"])), "NonZero"),
        (lambda: model(node("RandomNormal", [], ["y"], shape=[1])), "RandomNormal"),
        (lambda: model(SHAPE, node("ConstantOfShape", ["shape"], ["y"])), "ConstantOfShape"),
        (lambda: model(SHAPE, node("Reshape", ["x", "shape"], ["y"])), "Reshape"),
        (lambda: model(node("Reshape", ["x", "s"], ["y"]), s=np.array([-1, 3])), None),
        (
            lambda: model(
                node("Constant", [], ["a"], value_ints=[-1]),
                node("Concat", ["a", "s"], ["b"], axis=0),
                node("Reshape", ["x", "b"], ["y"]),
                s=np.array([3]),
            ),
            None,
        ),
    ],
)
def test_what_a_run_costs_follows_from_the_rows_or_it_runs_elsewhere(
    made: Callable[[], ModelProto], operator: str | None
) -> None:
    assert unbounded(made()) == operator


def test_a_shape_that_a_caller_may_give_is_no_constant() -> None:
    made = model(node("Reshape", ["x", "s"], ["y"]), s=np.array([-1, 3]))
    made.graph.input.append(value("s", [2], TensorProto.INT64))
    assert unbounded(made) == "Reshape"


def test_a_session_finds_no_file(tmp_path, monkeypatch) -> None:
    """Were a graph that names a file ever opened, nothing would be where it looks."""
    from tests.unit.models.test_no_tensor_elsewhere import STORE, sparse_values

    monkeypatch.chdir(tmp_path)
    (tmp_path / STORE).write_bytes(b"SQLite format 3\0")
    with pytest.raises(GraphError, match="ONNX Runtime refuses the graph"):
        open_here(sparse_values().SerializeToString(), 1, True)

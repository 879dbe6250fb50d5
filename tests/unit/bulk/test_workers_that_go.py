"""The pool's word on workers that end: what is asked again, of whom, and what is laid to a row."""

from __future__ import annotations

import io
from collections.abc import Callable
from pathlib import Path

import pytest

pytest.importorskip("pyarrow")
import pyarrow as pa

from ifonly.models.repository import load_folder
from ifonly.models.repository.parcel import pack, unpack
from ifonly.service.bulk import BulkExplainer, BulkOptions
from ifonly.service.bulk_runs.answering import Answering
from ifonly.service.bulk_runs.exchange import WorkerEnded
from ifonly.service.bulk_runs.parts import AnsweredPart
from ifonly.service.bulk_runs.reading.source import RowSlice
from ifonly.service.bulk_runs.workers import MOST_LOST, STARTS, AnsweringPool
from ifonly.service.errors import CannotBulk
from ifonly.service.served.registry import prepare
from ifonly.service.settings import shipped_models

FOLDER = shipped_models() / "milling-machine" / "1"


class Worker:
    """Answers here, after what ``goes`` does."""

    def __init__(self, answering: Answering, goes: Callable[[RowSlice], None]) -> None:
        self._answering, self._goes = answering, goes
        self.is_alive = True

    def is_ready(self, seconds: float) -> bool:
        return True

    def ask(self, slice_: RowSlice) -> AnsweredPart:
        self._goes(slice_)
        return self._answering(slice_)

    def end(self) -> None:
        self.is_alive = False


@pytest.fixture(scope="module")
def answering() -> Answering:
    return Answering(BulkExplainer(prepare(load_folder(FOLDER)), BulkOptions(deadline_ms=None)))


def rows(answering: Answering) -> RowSlice:
    """Two that are no alarms."""
    row = {
        "air_temperature": 300.1, "process_temperature": 310.0, "rotational_speed": 1550,
        "torque": 38.2, "tool_wear": 40, "quality": "M",
    }  # fmt: skip
    return RowSlice(0, 0, pa.RecordBatch.from_pylist([row, row | {"tool_wear": 41}]))


@pytest.mark.parametrize(("lost", "is_blamed"), [(MOST_LOST, False), (1_000, True)])
def test_machines_that_go_are_not_laid_to_a_slice_until_many_have(
    answering: Answering, lost: int, is_blamed: bool
) -> None:
    left = [lost]

    def goes(slice_: RowSlice) -> None:
        if 41 in slice_.batch.column("tool_wear").to_pylist() and left[0]:
            left[0] -= 1
            raise WorkerEnded("its machine went", is_lost=True)

    with AnsweringPool(answering, 1, lambda a: Worker(a, goes)) as pool:
        ((_, part),) = pool.answered(iter([rows(answering)]))
    second = "invalid" if is_blamed else "already_target"
    assert part.output.column("status").to_pylist() == ["already_target", second]
    assert pool.replaced == (1_000 - left[0] if is_blamed else MOST_LOST)


def test_workers_that_never_have_the_model_end_the_run(answering: Answering) -> None:
    class Never(Worker):
        def is_ready(self, seconds: float) -> bool:
            raise WorkerEnded("no room for it")

    opened = []

    def opening(a: Answering) -> Never:
        opened.append(Never(a, lambda _: None))
        return opened[-1]

    with (
        AnsweringPool(answering, 1, opening) as pool,
        pytest.raises(CannotBulk, match=r"could not be started \(no room for it\)"),
    ):
        list(pool.answered(iter([rows(answering)])))
    assert len(opened) == STARTS
    assert not any(worker.is_alive for worker in opened)


def test_whoever_waits_for_a_new_worker_takes_one_that_is_free(answering: Answering) -> None:
    class Waiting(Worker):
        def is_ready(self, seconds: float) -> bool:
            return self is opened[0]  # the cluster has room for one

    opened: list[Waiting] = []

    def opening(a: Answering) -> Waiting:
        opened.append(Waiting(a, lambda _: None))
        return opened[-1]

    slices = [RowSlice(i, 2 * i, rows(answering).batch) for i in range(6)]
    with AnsweringPool(answering, 3, opening) as pool:
        found = sorted(part.number for _, part in pool.answered(iter(slices)))
    assert found == [*range(6)]
    assert len(opened) <= 3


def test_a_model_that_is_sent_is_the_model(tmp_path: Path) -> None:
    data = pack(FOLDER)
    folder = unpack(io.BytesIO(data), tmp_path, len(data)).folder
    there = {p.relative_to(folder): p.read_bytes() for p in folder.rglob("*") if p.is_file()}
    here = {p.relative_to(FOLDER): p.read_bytes() for p in FOLDER.rglob("*") if p.is_file()}
    assert there == here

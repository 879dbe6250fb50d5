"""Workers of jobs that are told to stop: what is cut short is no answer, and goes back."""

from __future__ import annotations

import json
import threading
from collections.abc import Callable, Iterator
from contextlib import ExitStack
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
import sqlalchemy as sa

from ifonly.service.jobs.workers import JobWorkers
from ifonly.service.scheduling.time_slices import Turns
from ifonly.service.served.registry import Registry
from ifonly.service.settings import Settings
from ifonly.service.store import jobs
from ifonly.service.store.chain import Facts
from ifonly.service.store.kinds import RecordKind
from ifonly.service.store.opened import Store, opened_by
from ifonly.service.store.tables import job_rows
from ifonly.service.tracing import Tracing
from tests.integration.test_faults import until
from tests.support import hard_network

HARD = {"instance": hard_network.ROW, "target": hard_network.TARGET, "deadline_ms": 60_000}
ROWS = 3


@dataclass(frozen=True)
class Work:
    """A job of rows that take a minute each, and who answers them."""

    store: Store
    turns: Turns
    workers: JobWorkers

    def rows(self) -> list[Any]:
        with self.store.database.reading() as connection:
            return list(connection.execute(sa.select(job_rows)))

    def has_begun(self) -> bool:
        return any(row.worker for row in self.rows())


@pytest.fixture
def work(tmp_path: Path) -> Iterator[Work]:
    hard_network.write(tmp_path / "models")
    given = {"models": tmp_path / "models", "shutdown_seconds": 10, "job_threads": 1}
    given |= {"database_url": f"sqlite:///{tmp_path / 'store.sqlite3'}"}
    settings = Settings.model_validate(given)
    registry = Registry.of(settings)
    registry.load()
    with ExitStack() as stack:
        stack.callback(registry.close)
        store = stack.enter_context(opened_by(settings))
        facts = Facts(kind=RecordKind.JOB, actor="key:1", model=hard_network.NAME, version="1")
        submitted = jobs.submit(facts, [json.dumps(HARD).encode()] * ROWS, 100)[1]
        store.journal.append(submitted).result(30)
        turns = Turns()
        workers = JobWorkers(store, registry, settings, turns, Tracing())
        stack.callback(workers.stop)
        yield Work(store, turns, workers)


def handed_back(work: Work) -> bool:
    left = [(row.worker, row.leased_until_us, row.attempts, row.record) for row in work.rows()]
    return left == [("", 0, 0, None)] * ROWS


def test_a_row_whose_search_is_ended_goes_back_and_is_not_answered(work: Work) -> None:
    """Searches end a while before the workers: their clients' replies are to be sent."""
    work.workers.start()
    until(work.has_begun)
    work.turns.stop()
    until(lambda: handed_back(work))
    work.workers.stop()
    assert handed_back(work)


@pytest.mark.parametrize("first", ["searches", "workers"])
def test_a_row_that_is_claimed_while_the_service_stops_goes_back_at_once(
    work: Work, first: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    stopping = threading.Thread(target=work.workers.stop)
    terms_of: Callable[..., Any] = jobs.terms_of

    def late(*given: Any) -> Any:
        """Between claim and search."""
        if first == "searches":
            work.turns.stop()
        else:
            stopping.start()
            until(lambda: work.workers.is_stopping)
        return terms_of(*given)

    monkeypatch.setattr(jobs, "terms_of", late)
    work.workers.start()
    until(lambda: work.workers.is_stopping)
    work.workers.stop()
    assert handed_back(work), "it was not ended within what a stop may take"

"""Experiments that are started and stopped at the same moment: one is, wherever that was asked."""

from __future__ import annotations

import multiprocessing
import threading
import time
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from contextlib import ExitStack, closing
from functools import partial
from typing import Any

import pytest

from ifonly.service.audit.experiments import started
from ifonly.service.audit.registered_experiments import STOPPED, registered
from ifonly.service.errors import InvalidRequest
from ifonly.service.store.chain import Facts
from ifonly.service.store.database import Database, connect
from ifonly.service.store.journal import Journal
from ifonly.service.wire import experiments as wire
from tests.contract.store.conftest import journal_of

RACERS, ROUNDS = 4, 3


def design(name: str) -> wire.ExperimentRequest:
    return wire.ExperimentRequest(
        name=name,
        model="press",
        salt=name,
        control=wire.ArmRequest(name="shown"),
        treatment=wire.ArmRequest(name="withheld", advice="withheld"),
        metric=wire.MetricRequest(name="success", better="up"),
    )


def begin(database: Database, journal: Journal, name: str) -> str:
    """Its id; empty: it was refused."""
    facts = Facts(actor="key:1", engine_version="test", **started.said(design(name)))
    try:
        journal.append(started.starting(database, design(name), facts)).result(30)
    except InvalidRequest:
        return ""
    return facts.id


def end(database: Database, journal: Journal, identity: str) -> str:
    known = next(each for each in registered(database) if each.id == identity)
    facts = Facts(actor="key:1", engine_version="test", **started.stopped(known, STOPPED))
    try:
        journal.append(started.stopping(database, identity, facts)).result(30)
    except InvalidRequest:
        return ""
    return facts.id


def at_once(racers: list[Callable[[], str]]) -> list[str]:
    """What each returns that was not refused."""
    line = threading.Barrier(len(racers))

    def run(racer: Callable[[], str]) -> str:
        line.wait()
        return racer()

    with ThreadPoolExecutor(len(racers)) as pool:
        return [found for found in pool.map(run, racers) if found]


def test_of_many_at_once_one_begins_and_of_many_stops_one_ends_it(
    database: Database, url: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    looked = started.check_free

    def slowly(*given: Any) -> None:
        looked(*given)
        time.sleep(0.01)  # between the look and the record, where another would come in

    monkeypatch.setattr(started, "check_free", slowly)
    with ExitStack() as stack:
        # Engine, connection and journal of its own: as a process has.
        stores = [stack.enter_context(closing(connect(url))) for _ in range(RACERS)]
        journals = [stack.enter_context(journal_of(each)) for each in stores]
        pairs = [*zip(stores, journals, strict=True)]
        for k in range(ROUNDS):
            begun = at_once([partial(begin, *pair, f"e-{k}-{n}") for n, pair in enumerate(pairs)])
            assert len(begun) == 1
            assert [each.id for each in registered(database) if each.is_running] == begun
            ended = at_once([partial(end, *pair, begun[0]) for pair in pairs])
            assert len(ended) == 1
            (known,) = [each for each in registered(database) if each.id == begun[0]]
            assert known.stopped is not None
            assert known.stopped.facts.id == ended[0]


def _racer(url: str, name: str, line: Any, told: Any) -> None:
    with closing(connect(url)) as database, journal_of(database) as journal:
        line.wait(120)
        told.put(begin(database, journal, name))


@pytest.mark.long
def test_of_many_processes_one_begins(database: Database, url: str) -> None:
    apart = multiprocessing.get_context("spawn")
    line, told = apart.Barrier(3), apart.Queue()
    racers = [apart.Process(target=_racer, args=(url, f"p-{k}", line, told)) for k in range(3)]
    for racer in racers:
        racer.start()
    found = [told.get(timeout=180) for _ in racers]
    for racer in racers:
        racer.join(60)
    assert len([each for each in found if each]) == 1
    assert len(registered(database)) == 1

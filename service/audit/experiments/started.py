"""Experiments are started and stopped, by records; a guard stops one by itself."""

from __future__ import annotations

import asyncio
from collections.abc import Iterable
from contextlib import suppress
from functools import partial
from typing import Any

import sqlalchemy as sa

from ifonly.service.audit.experiments.results import found, state_of
from ifonly.service.audit.recorder import Recorder
from ifonly.service.audit.registered_experiments import (
    BY_GUARD,
    STARTED,
    STOPPED,
    RegisteredExperiment,
    meant,
    named,
    one,
    registered,
    registered_in,
)
from ifonly.service.errors import Fault, InvalidRequest, RequestPart
from ifonly.service.experiments.analysis import ExperimentVerdict
from ifonly.service.served.registry import Registry
from ifonly.service.settings import ifonly_version
from ifonly.service.store.chain import Facts
from ifonly.service.store.database import Database, lock
from ifonly.service.store.journal import Draft, Journal, RecordedWrite
from ifonly.service.store.kinds import RecordKind
from ifonly.service.wire import experiments as wire

SYSTEM = "system"
_BEGINNING_OR_ENDING = 0x69666578706572  # "ifexper"


async def start(request: wire.ExperimentRequest, recorder: Recorder) -> wire.ExperimentState:
    """Seal the design; from then on alarms are assigned.

    Raises
    ------
    UnknownModel
        If there is no such model.
    InvalidRequest
        If it is no design, or one of that name or salt was started before.
    JournalFull, StoreUnavailable
        If it cannot be recorded.
    """
    runtime = recorder.runtime
    check(runtime.registry, request)
    work = starting(runtime.experiments.database, request, recorder.drafting.plain(**said(request)))
    # Waited for whatever the durability: whether it may begin is known once it is recorded.
    receipt = await asyncio.wrap_future(recorder.append(work))
    runtime.experiments.forget()
    made = await runtime.readers.run(partial(one, runtime.store.database, receipt.id))
    return state_of(made)


def check(registry: Registry, request: wire.ExperimentRequest) -> None:
    """What can be told of a request alone; raises as :func:`start`."""
    registry.get(request.model)
    meant(request)


def starting(database: Database, request: wire.ExperimentRequest, facts: Facts) -> RecordedWrite:
    """The work that seals a design.

    Raises, when it is done:

    InvalidRequest
        If name or salt are another's, or one runs on its model. Of two at once, wherever they were
        started, one is: they are looked at and written in one transaction, one after the other.
    """

    def work(connection: sa.Connection) -> Draft:
        lock(connection, _BEGINNING_OR_ENDING)
        check_free(registered_in(database, connection), request)
        return Draft(facts, comment(request))

    return work


def check_free(others: Iterable[RegisteredExperiment], request: wire.ExperimentRequest) -> None:
    """Raises :class:`InvalidRequest` if one of ``others`` stands in its way."""
    for known in others:
        for name, ours, theirs in (
            ("name", request.name, known.asked.name),
            ("salt", request.salt, known.asked.salt),
        ):
            if ours == theirs:
                raise _refused(name, f"{name} is {ours!r}, that of the experiment {known.id}", ours)
        if known.is_running and known.asked.model == request.model:
            problem = f"model is {request.model!r}, on which the experiment {known.id} runs"
            raise _refused("model", problem, request.model)


def said(request: wire.ExperimentRequest) -> dict[str, Any]:
    """What its record has that nothing erases."""
    # As text: records hold no fractions. Without the comment, which can be erased.
    design = request.model_dump_json(exclude={"comment"})
    return {
        "kind": RecordKind.EXPERIMENT,
        "status": STARTED,
        "model": request.model,
        "detail": {"design": design},
    }


def comment(request: wire.ExperimentRequest | wire.StopRequest) -> bytes:
    """Payload of its record: what can be erased."""
    kept = request.model_dump_json(include={"comment"}, exclude_none=True)
    return b'{"request":%b}' % kept.encode()


async def stop(
    identity: str, request: wire.StopRequest, recorder: Recorder
) -> wire.ExperimentState:
    """Assign no more. What is stopped stays so.

    Raises
    ------
    UnknownRecord
        If there is none.
    InvalidRequest
        If it was stopped before.
    """
    runtime = recorder.runtime
    database = runtime.store.database
    known = await runtime.readers.run(partial(one, database, identity))
    facts = recorder.drafting.plain(**stopped(known, STOPPED))
    work = stopping(runtime.experiments.database, identity, facts, comment(request))
    await asyncio.wrap_future(recorder.append(work))
    runtime.experiments.forget()
    again = await runtime.readers.run(partial(one, database, known.id))
    return state_of(again)


def stopping(
    database: Database, identity: str, facts: Facts, content: bytes | None = None
) -> RecordedWrite:
    """The work that ends one; raises as :func:`stop`, when it is done."""

    def work(connection: sa.Connection) -> Draft:
        lock(connection, _BEGINNING_OR_ENDING)
        # Again under the lock: of a person and a guard one ends it.
        if not named(registered_in(database, connection), identity).is_running:
            raise _refused("id", f"id is {identity!r}, an experiment that was stopped", identity)
        return Draft(facts, content)

    return work


def stopped(known: RegisteredExperiment, status: str) -> dict[str, Any]:
    """Facts of the record that ends it."""
    return {
        "kind": RecordKind.EXPERIMENT,
        "status": status,
        "model": known.experiment.model,
        "about": known.id,
    }


def stop_by_guards(database: Database, registry: Registry, journal: Journal) -> list[str]:
    """End each experiment of which a guard has become worse; ids of those.

    Raises
    ------
    StoreUnavailable, StoreDamaged, JournalFull
        If the store cannot be read or written.
    """
    ended = []
    for known in registered(database):
        if not known.is_running or not known.experiment.design.guards:
            continue
        if found(database, registry, known).result.verdict is ExperimentVerdict.GUARD:
            facts = Facts(actor=SYSTEM, engine_version=ifonly_version(), **stopped(known, BY_GUARD))
            with suppress(InvalidRequest):  # somebody stopped it meanwhile
                journal.append(stopping(database, known.id, facts)).result()
                ended.append(known.id)
    return ended


def _refused(name: str, problem: str, value: object) -> InvalidRequest:
    return InvalidRequest(RequestPart.REQUEST, [Fault((name,), problem, value)])

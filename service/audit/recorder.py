"""Every question leaves a record: what was asked, what was answered, by which model, for whom.

A reply leaves once its record is durable (or, by the settings, before; it then says so). What
is kept is the reply byte for byte, less its member ``audit``.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Mapping
from concurrent.futures import Future
from contextlib import nullcontext
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

from ifonly.service import logs
from ifonly.service.access import Principal
from ifonly.service.ask import problem_types as kinds
from ifonly.service.ask.problems import RequestProblem
from ifonly.service.audit import proofs
from ifonly.service.audit.drafts import Drafting
from ifonly.service.audit.runtime import Runtime
from ifonly.service.errors import JournalFull, ServiceError
from ifonly.service.served.registry import ServedModel
from ifonly.service.store.idempotency import Named, once
from ifonly.service.store.journal import Draft, Receipt, RecordedWrite
from ifonly.service.store.kinds import RecordKind
from ifonly.service.wire.base import Wire
from ifonly.service.wire.replies import Audit, Proof

R = TypeVar("R", bound=Wire)
LONG = (RecordKind.EXPLANATION, RecordKind.COMMON, RecordKind.REASONS)
"""Kinds of answers that are searched for."""


@dataclass(frozen=True, slots=True)
class Recorded(Generic[R]):
    """What was answered, as it was recorded, and where."""

    reply: R
    content: bytes
    """The reply as JSON, as the record has it."""
    audit: Audit
    proof: Proof | None = None
    """That the record is in the log, if that was asked for and a head has it."""

    def written(self) -> bytes:
        """The reply with both, as JSON."""
        body = with_member(self.content, "audit", self.audit)
        return body if self.proof is None else with_member(body, "proof", self.proof)


@dataclass(frozen=True, slots=True)
class Recorder:
    """Records for one request."""

    runtime: Runtime
    drafting: Drafting
    named: Named | None = None
    """By what its client calls it, if it is to be answered once."""

    @property
    def principal(self) -> Principal:
        return self.drafting.principal

    async def answer(
        self,
        kind: RecordKind,
        model: ServedModel,
        request: Wire,
        work: Callable[[], R],
        patience: float = math.inf,
        *,
        proof: bool = False,
    ) -> Recorded[R]:
        """Do ``work`` in a worker thread, for which it waits no longer than ``patience`` seconds,
        and record what it says; ``proof``: wait until that is in the log.

        Raises
        ------
        Forbidden
            If it says of another machine than whoever asks is here for.
        JournalFull, StoreUnavailable
            If it cannot be recorded: then it is not answered either.
        Overloaded
            If no thread is free.
        ShareSpent
            If whoever asks has had their share of the searches.
        """
        runtime, journal = self.runtime, self.runtime.store.journal
        if self.drafting.about is None:  # else it is about what they may see
            said = getattr(request, "attributes", {})
            for each in [said] if isinstance(said, Mapping) else said:
                self.principal.scope.check(each)
        if journal.waiting >= runtime.settings.audit_queue:
            raise JournalFull(journal.waiting)  # before the work, not after
        asked = time.perf_counter()
        arrived = journal.expect()

        def answered() -> tuple[R, bytes, Draft, Future[Receipt]]:
            """Given to the journal here: the thread does not wait for the event loop."""
            try:
                runtime.metrics.stage("queue", time.perf_counter() - asked)
                reply = work()
                content, draft = self.drafting.answered(kind, model, request, reply)
            finally:
                arrived()
            return reply, content, draft, self.append(draft)

        # Explanations say themselves that they are short, until they are hard.
        is_brief = kind not in LONG
        try:
            if not is_brief:
                # Asked before the queue: whoever has spent their share takes no place in it.
                await runtime.shares.admit(self.principal.actor, runtime.readers.run)
            with runtime.turns.brief() if is_brief else nullcontext():
                reply, content, draft, done = await runtime.lane(kind).run(answered, patience)
        finally:
            arrived()  # also where it was refused before it had a thread
        audit = await self._stands(draft, done)
        # With eventual durability there is no sequence yet, so no place to prove.
        if not proof or audit.sequence is None:
            return Recorded(reply, content, audit)
        found = await proofs.wait(runtime, audit.writer, audit.sequence)
        return Recorded(reply, content, audit, found)

    async def record(self, draft: Draft) -> Audit:
        """Where ``draft`` stands now, or (eventual durability) that it will.

        Raises
        ------
        JournalFull, StoreUnavailable
            If it cannot be recorded.
        """
        return await self._stands(draft, self.append(draft))

    async def failure(
        self,
        model: ServedModel | None,
        asked: str,
        body: bytes,
        problem: RequestProblem | None,
        path: str,
    ) -> Audit | None:
        """What went wrong with a question about a model that is served, as a record. ``asked``:
        which question; ``body``: as it was sent; ``problem``: None for a failure that nobody
        foresaw.

        Not recorded: who was not admitted, and that nobody had time (503); neither is about a
        model, unless the checker had rejected something by then.
        """
        if model is None or (problem is not None and not _is_about_a_model(problem)):
            return None
        unnamed = replace(self, named=None)  # sent again, it is looked at again
        draft = self.drafting.refused(model, problem, path, asked, body)
        try:
            return await unnamed.record(draft)
        except ServiceError:
            if problem is None:  # two failures at once: the first one is the news
                return None
            raise

    async def _stands(self, draft: Draft, done: Future[Receipt]) -> Audit:
        journal = self.runtime.store.journal
        if self.runtime.settings.audit_durability == "eventual":
            done.add_done_callback(_complain)
            return Audit(id=draft.facts.id, writer=journal.writer, durable=False)
        with self.runtime.watch("record"):
            return durable(await asyncio.wrap_future(done))

    def append(self, work: Draft | RecordedWrite) -> Future[Receipt]:
        """Have it recorded: once, if the client has named its request.

        Raises
        ------
        JournalFull
            If too many records wait already.
        """
        journal = self.runtime.store.journal
        return journal.append(work if self.named is None else once(self.named, work))


def _is_about_a_model(problem: RequestProblem) -> bool:
    status = problem.kind.status
    if status == 503:
        return problem.kind is kinds.OUT_OF_SERVICE or problem.rejected > 0
    return status not in (401, 403, 404)


def durable(receipt: Receipt) -> Audit:
    """Where a record stands that is on the disk."""
    return Audit(
        id=receipt.id,
        writer=receipt.writer,
        sequence=receipt.sequence,
        hash=receipt.hash,
        durable=True,
    )


def _complain(done: Future[Receipt]) -> None:
    error = done.exception()
    if error is not None:
        logs.logger.error("an answer that was given is not recorded: %s", error)


def with_member(body: bytes, name: str, value: Wire) -> bytes:
    """``body``, an object with members, with one more at its end."""
    # Spliced, not parsed: before the member the reply is byte for byte what was recorded.
    return b'%b,"%b":%b}' % (body[:-1], name.encode(), value.model_dump_json().encode())

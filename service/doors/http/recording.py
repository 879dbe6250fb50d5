"""Every question leaves a record: what was asked, what was answered, by which model, for whom.

A reply leaves once its record is durable (or, by the settings, before; it then says so). What
is kept is the reply byte for byte, less its member ``audit``.
"""

from __future__ import annotations

import asyncio
import math
import time
from collections.abc import Callable, Coroutine
from concurrent.futures import Future
from contextlib import nullcontext
from typing import Annotated, Any

from fastapi import Depends, Request, Response
from starlette.requests import ClientDisconnect

from models.errors import UnknownModel
from service import logs
from service.access import Principal, Scope
from service.audit import proofs
from service.audit.drafts import Drafting
from service.doors.http import errors
from service.doors.http.body import JsonRoute, read_json
from service.doors.http.state import AppState, state_of
from service.errors import Forbidden, JournalFull, ServiceError
from service.scheduling.worker_pools import Workers
from service.served.registry import ServedModel
from service.store.chain import Kind
from service.store.idempotency import Named, once
from service.store.journal import Draft, Receipt, RecordedWrite
from service.wire.base import Wire
from service.wire.replies import Audit

MAX_REFUSED = 65_536
"""Bytes of a refused request that are kept word for word."""


class Recorder:
    """Records for one request."""

    def __init__(self, request: Request, about: str | None = None) -> None:
        self._state: AppState = request.app.state.ifonly
        self._named: Named | None = getattr(request.state, "named", None)
        self.drafting = Drafting(request.state.principal, request.state.started, about)

    @property
    def principal(self) -> Principal:
        return self.drafting.principal

    async def answer(
        self,
        kind: Kind,
        model: ServedModel,
        request: Wire,
        work: Callable[[], Wire],
        patience: float = math.inf,
        *,
        proof: bool = False,
    ) -> Response:
        """Do ``work`` in a worker thread, for which it waits no longer than ``patience`` seconds;
        record what it says, and reply with both; ``proof``: and that the record is in the log.

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
        if self.drafting.about is None:  # else it is about what they may see
            check_attributes(self.principal.scope, request)
        if self._state.store.journal.waiting >= self._state.settings.audit_queue:
            raise JournalFull(self._state.store.journal.waiting)  # before the work, not after
        asked, metrics = time.perf_counter(), self._state.metrics

        def answered() -> tuple[bytes, Draft, Future[Receipt]]:
            metrics.stage("queue", time.perf_counter() - asked)
            return self._answered(kind, model, request, work())

        is_brief = kind is not Kind.EXPLANATION  # those say so themselves, until they are hard
        if not is_brief:
            await self._state.shares.admit(self.principal.actor, self._state.readers.run)
        with self._state.turns.brief() if is_brief else nullcontext():
            body, draft, done = await self._lane(kind).run(answered, patience)
        audit = await self._stands(draft, done)
        body = with_member(body, "audit", audit)
        if proof and audit.sequence is not None:
            found = await proofs.wait(self._state, audit.writer, audit.sequence)
            body = body if found is None else with_member(body, "proof", found)
        return Response(body, media_type="application/json")

    def _lane(self, kind: Kind) -> Workers:
        """What takes seconds does not keep what takes milliseconds."""
        match kind:
            case Kind.PREDICTION:
                return self._state.quick
            case Kind.WHAT_IF:
                return self._state.previews
            case _:
                return self._state.workers

    def _answered(
        self, kind: Kind, model: ServedModel, request: Wire, reply: Wire
    ) -> tuple[bytes, Draft, Future[Receipt]]:
        """Given to the journal from the worker's thread: that does not wait for the event loop."""
        body, draft = self.drafting.answered(kind, model, request, reply)
        return body, draft, self.append(draft)

    async def record(self, draft: Draft) -> Audit:
        """Where ``draft`` stands now, or (eventual durability) that it will.

        Raises
        ------
        JournalFull, StoreUnavailable
            If it cannot be recorded.
        """
        return await self._stands(draft, self.append(draft))

    async def _stands(self, draft: Draft, done: Future[Receipt]) -> Audit:
        if self._state.settings.audit_durability == "eventual":
            done.add_done_callback(_complain)
            return Audit(id=draft.facts.id, writer=self._state.store.journal.writer, durable=False)
        with self._state.watch("record"):
            return durable(await asyncio.wrap_future(done))

    def append(self, work: Draft | RecordedWrite) -> Future[Receipt]:
        """Have it recorded: once, if the client has named its request.

        Raises
        ------
        JournalFull
            If too many records wait already.
        """
        journal = self._state.store.journal
        if self._named is None:
            return journal.append(work)
        return journal.append(once(self._named, work))


def check_attributes(scope: Scope, request: Wire) -> None:
    """Raises
    ------
    Forbidden
        If what the request says in ``attributes`` is out of scope, or it does not say enough.
    """
    if not scope.has(getattr(request, "attributes", {})):
        wanted = ", ".join(f"{name} = {' or '.join(v)}" for name, v in scope.attributes)
        raise Forbidden(f"this key or account is for requests whose attributes say {wanted}")


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
    return b'%b,"%b":%b}' % (body[:-1], name.encode(), value.model_dump_json().encode())


async def _recorder(request: Request) -> Recorder:  # not in a thread
    return Recorder(request)


Recording = Annotated[Recorder, Depends(_recorder)]


class QuestionRoute(JsonRoute):
    """A route about a model whose refusals and failures are recorded too."""

    def get_route_handler(self) -> Callable[[Request], Coroutine[Any, Any, Response]]:
        handle = super().get_route_handler()
        asked = self.path_format.rpartition("/")[2]

        async def recorded(request: Request) -> Response:
            try:
                return await handle(request)
            except ClientDisconnect:
                raise
            except Exception as error:
                response = errors.answer_to(request, error)
                body = getattr(request.state, "body", b"")
                audit = await record_failure(request, _model(request), asked, body, response)
                if response is None:
                    raise
                if audit is not None:
                    response.body = with_member(bytes(response.body), "audit", audit)
                    response.headers["content-length"] = str(len(response.body))
                return response

        return recorded


async def record_failure(
    request: Request, model: ServedModel | None, asked: str, body: bytes, response: Response | None
) -> Audit | None:
    """What went wrong with a question about a model that is served, as a record; ``response``:
    how it is answered, None for a failure that nobody foresaw.

    Not recorded: who was not admitted, and that nobody had time (503); neither is about a model,
    unless the checker had rejected something by then.
    """
    status = 500 if response is None else response.status_code
    if model is None or status in (401, 403, 404) or not hasattr(request.state, "principal"):
        return None
    slug = errors.INTERNAL_ERROR.slug if response is None else errors.slug_of(response)
    in_doubt = response is not None and errors.rejected_in(response) > 0
    if status == 503 and slug != errors.OUT_OF_SERVICE.slug and not in_doubt:
        return None
    kind = Kind.FAILURE if status >= 500 else Kind.REFUSAL
    request.state.named = None  # sent again, it is looked at again
    recorder = Recorder(request)
    draft = recorder.drafting.refused(kind, model, response, asked, asked_as_json(body))
    try:
        return await recorder.record(draft)
    except ServiceError:
        if response is None:  # two failures at once: the first one is the news
            return None
        raise


def _model(request: Request) -> ServedModel | None:
    state = state_of(request)
    try:
        return state.registry.find(
            request.path_params["model"], request.query_params.get("version")
        )
    except UnknownModel:
        return None


def asked_as_json(body: bytes) -> bytes:
    """The body as JSON; of what is none, or too long, only how long it was."""
    if len(body) <= MAX_REFUSED:
        try:
            read_json(body)
            return body.removeprefix(b"\xef\xbb\xbf")
        except ServiceError:
            pass
    return b'{"unreadable_bytes":%d}' % len(body)

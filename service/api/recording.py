"""Every question leaves a record: what was asked, what was answered, by which model, for whom.

A reply leaves once its record is durable (or, by the settings, before; it then says so). What
is kept is the reply byte for byte, less its member ``audit``.
"""

from __future__ import annotations

import asyncio
import json
import time
from collections.abc import Callable, Coroutine, Mapping
from concurrent.futures import Future
from typing import Annotated, Any

from fastapi import Depends, Request, Response
from starlette.requests import ClientDisconnect

from models.errors import UnknownModel
from service import logs
from service.access import Principal
from service.api import errors
from service.api.body import JsonRoute, read_json
from service.api.replies import ifonly_version
from service.api.schema.base import Wire
from service.api.schema.replies import Audit
from service.api.state import State
from service.errors import JournalFull, ServiceError
from service.registry import ServedModel
from service.store.chain import Facts, Kind, Record
from service.store.journal import Draft, Receipt

MAX_REFUSED = 65_536
"""Bytes of a refused request that are kept word for word."""


class Recorder:
    """Records for one request."""

    def __init__(self, request: Request) -> None:
        self._state: State = request.app.state.ifonly
        self._principal: Principal = request.state.principal
        self._started: float = request.state.started

    @property
    def principal(self) -> Principal:
        return self._principal

    async def answer(
        self, kind: Kind, model: ServedModel, request: Wire, work: Callable[[], Wire]
    ) -> Response:
        """Do ``work`` in a worker thread, record what it says, and reply with both.

        Raises
        ------
        JournalFull, StoreUnavailable
            If it cannot be recorded: then it is not answered either.
        """
        if self._state.store.journal.waiting >= self._state.settings.audit_queue:
            raise JournalFull(self._state.store.journal.waiting)  # before the work, not after
        body, draft = await self._state.workers.run(
            lambda: self._answered(kind, model, request, work())
        )
        audit = await self.record(draft)
        return Response(with_member(body, "audit", audit), media_type="application/json")

    def _answered(
        self, kind: Kind, model: ServedModel, request: Wire, reply: Wire
    ) -> tuple[bytes, Draft]:
        body = reply.model_dump_json(by_alias=True).encode()
        asked = request.model_dump_json(by_alias=True, exclude_unset=True).encode()
        work, provenance = getattr(reply, "work", None), getattr(reply, "provenance", None)
        said: dict[str, Any] = {
            "status": getattr(reply, "status", None),
            "languages": ",".join(getattr(request, "languages", [])) or None,
            "engine": getattr(provenance, "engine", None),
            "seed": getattr(provenance, "seed", None),
            "detail": None if work is None else work.model_dump(),
        }
        if hasattr(reply, "id"):
            said["id"] = reply.id
        facts = self.facts(kind, model, **said)
        return body, Draft(facts, b'{"answer":%b,"request":%b}' % (body, asked))

    def facts(self, kind: Kind, model: ServedModel, **said: Any) -> Facts:
        deployed = model.deployed
        return self._facts(
            kind=kind,
            model=deployed.name,
            version=deployed.version,
            model_sha256=deployed.model_sha256,
            spec_sha256=deployed.spec_sha256,
            **said,
        )

    def review(self, of: Record, verdict: str, detail: Mapping[str, Any]) -> Facts:
        """What is said of an explanation; it names the model, so that both are found by it."""
        model, version = of.facts.model, of.facts.version
        return self._facts(
            kind=Kind.REVIEW,
            about=of.facts.id,
            status=verdict,
            model=model,
            version=version,
            detail=detail,
        )

    def _facts(self, **said: Any) -> Facts:
        return Facts(
            actor=self._principal.actor,
            role=self._principal.in_words,
            request_id=logs.request_id.get(),
            engine_version=ifonly_version(),
            latency_us=round((time.perf_counter() - self._started) * 1e6),
            **said,
        )

    async def record(self, draft: Draft) -> Audit:
        """Where ``draft`` stands now, or (eventual durability) that it will.

        Raises
        ------
        JournalFull, StoreUnavailable
            If it cannot be recorded.
        """
        journal = self._state.store.journal
        done = journal.append(draft)
        if self._state.settings.audit_durability == "eventual":
            done.add_done_callback(_complain)
            return Audit(id=draft.facts.id, writer=journal.writer, durable=False)
        receipt = await asyncio.wrap_future(done)
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


def _recorder(request: Request) -> Recorder:
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
                response = await errors.answer_to(request, error)
                audit = await _record_failure(request, asked, error, response)
                if response is None:
                    raise
                if audit is not None:
                    response.body = with_member(bytes(response.body), "audit", audit)
                    response.headers["content-length"] = str(len(response.body))
                return response

        return recorded


async def _record_failure(
    request: Request, asked: str, error: Exception, response: Response | None
) -> Audit | None:
    """What went wrong with a question about a model that is served, as a record.

    Not recorded: who was not admitted, and that nobody had time (503); neither is about a model.
    """
    status = 500 if response is None else response.status_code
    model = _model(request)
    if model is None or status in (401, 403, 404, 503) or not hasattr(request.state, "principal"):
        return None
    kind = Kind.FAILURE if status >= 500 else Kind.REFUSAL
    problem = b"null" if response is None else bytes(response.body)
    slug = errors.INTERNAL_ERROR.slug
    if response is not None:
        slug = json.loads(problem)["type"].rpartition(":")[2]
    recorder = Recorder(request)
    facts = recorder.facts(kind, model, status=slug, detail={"asked": asked})
    content = b'{"answer":%b,"request":%b}' % (problem, _asked(request))
    try:
        return await recorder.record(Draft(facts, content))
    except ServiceError:
        if response is None:  # two failures at once: the first one is the news
            return None
        raise


def _model(request: Request) -> ServedModel | None:
    state: State = request.app.state.ifonly
    try:
        return state.registry.get(request.path_params["model"], request.query_params.get("version"))
    except UnknownModel:
        return None


def _asked(request: Request) -> bytes:
    """The body as JSON; of what is none, or too long, only how long it was."""
    body: bytes = getattr(request.state, "body", b"")
    if len(body) <= MAX_REFUSED:
        try:
            read_json(body)
            return body.removeprefix(b"\xef\xbb\xbf")
        except ServiceError:
            pass
    return b'{"unreadable_bytes":%d}' % len(body)

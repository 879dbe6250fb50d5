"""Routes whose requests may be named by their client (``Idempotency-Key``) and sent again."""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any

from fastapi import Request, Response

from service.audit import records
from service.doors.http.body import JsonRoute
from service.doors.http.recording import QuestionRoute
from service.doors.http.state import AppState, state_of
from service.errors import AlreadyAnswered, ErasedRecord, Fault, InvalidRequest, RequestPart
from service.jobs import submission
from service.store import archive, idempotency, jobs
from service.store.chain import Kind, Payload, Record
from service.store.idempotency import Named

HEADER = "Idempotency-Key"
REPLAYED = {"Idempotency-Replayed": "true"}
_ACCEPTABLE = re.compile(r"[\x21-\x7e]{1,128}")

Handle = Callable[[Request], Awaitable[Response]]
PARAMETER: dict[str, Any] = {
    "parameters": [
        {
            "name": HEADER,
            "in": "header",
            "required": False,
            "description": "Names this request: sent again with the same key, it is answered "
            "with the same reply.",
            "schema": {"type": "string", "minLength": 1, "maxLength": 128},
        }
    ]
}
"""``openapi_extra`` of these routes."""


class IdempotentRoute(JsonRoute):
    """A route whose requests are answered once for each key of a client."""

    async def admitted(self, request: Request, handle: Handle) -> Response:
        key = request.headers.get(HEADER)
        if key is None or request.method != "POST":
            return await handle(request)
        return await _answered_once(request, key, handle)


class IdempotentQuestionRoute(QuestionRoute, IdempotentRoute):
    """The same of a route whose refusals are recorded."""


async def _answered_once(request: Request, key: str, handle: Handle) -> Response:
    state = state_of(request)
    named = Named.of(request.state.principal.actor, _checked(key), await _parts(request))
    request.state.named = named
    try:
        await state.readers.run(partial(idempotency.check, state.store.database, named))
        return await handle(request)
    except AlreadyAnswered as found:
        return await state.readers.run(partial(_replay, state, named, found.record))


def _checked(key: str) -> str:
    if _ACCEPTABLE.fullmatch(key):
        return key
    problem = f"{HEADER} is not 1 to 128 visible ASCII characters"
    raise InvalidRequest(RequestPart.REQUEST, [Fault((HEADER,), problem, parameter=HEADER)])


async def _parts(request: Request) -> tuple[bytes, ...]:
    """What makes it the same request; ``Prefer`` decides whether it becomes a job."""
    prefers = b"async" if submission.prefers_async(request.headers.get("prefer")) else b""
    path, query = request.url.path.encode(), request.url.query.encode()
    return request.method.encode(), path, query, prefers, await request.body()


def _replay(state: AppState, named: Named, identity: str) -> Response:
    """The reply that the record tells of.

    Raises
    ------
    ErasedRecord
        If it was erased.
    NotAsSealed
        If it does not hold, or tells of another request.
    """
    record, payload = archive.get(state.store.database, identity)
    idempotency.require(named, record, payload)
    if record.facts.kind is Kind.JOB:
        told = submission.shown(jobs.find(state.store.database, identity), records.audit(record))
        return submission.reply(told, 202, {"Location": told.links.self_, **REPLAYED})
    if record.facts.kind is Kind.REVIEW:
        body = records.review(record, payload).model_dump_json().encode()
        return Response(body, 201, REPLAYED, "application/json")
    return Response(_answer(record, payload), 200, REPLAYED, "application/json")


def _answer(record: Record, payload: Payload | None) -> bytes:
    if payload is None:
        raise ErasedRecord(record.facts.id)
    answer = json.loads(payload.content)["answer"] | {"audit": records.audit(record).model_dump()}
    return json.dumps(answer, ensure_ascii=False, separators=(",", ":")).encode()

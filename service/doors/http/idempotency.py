"""Requests that their client may name (``Idempotency-Key``) and send again."""

from __future__ import annotations

import json
import re
from collections.abc import Awaitable, Callable
from functools import partial
from typing import Any, TypeVar

from fastapi import Request, Response

from ifonly.service.audit import alarms, records
from ifonly.service.audit.follow_up import outcomes
from ifonly.service.audit.sampling import samples
from ifonly.service.doors.http.context import AppState, Context
from ifonly.service.doors.http.written import JSON, prefers_async, written
from ifonly.service.errors import AlreadyAnswered, ErasedRecord, Fault, InvalidRequest, RequestPart
from ifonly.service.jobs import submission
from ifonly.service.store import archive, idempotency, jobs
from ifonly.service.store.chain import Payload, Record
from ifonly.service.store.idempotency import Named
from ifonly.service.store.kinds import RecordKind

HEADER = "Idempotency-Key"
REPLAYED = {"Idempotency-Replayed": "true"}
_ACCEPTABLE = re.compile(r"[\x21-\x7e]{1,128}")

R = TypeVar("R")
Answer = Callable[[], Awaitable[Response]]
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


async def read_name(request: Request, context: Context) -> None:
    """Keep in ``context`` what the client calls this request, if it does.

    Raises
    ------
    InvalidRequest
        If that is no key.
    """
    key = request.headers.get(HEADER)
    if key is None or request.method != "POST":
        return
    principal = context.principal
    assert principal is not None  # routes whose requests have names are not for everybody
    # The digest covers method, path, query and body: a key sent to another route is refused.
    context.named = Named.of(principal.actor, _checked(key), await _parts(request))


async def answered_once(request: Request, context: Context, answer: Answer) -> Response:
    """The earlier reply, if the client has named this request and it was answered before; else
    its ``answer``."""
    await read_name(request, context)
    if context.named is None:
        return await answer()
    return await once(context.state, context.named, answer, _replay)


async def once(
    state: AppState,
    named: Named,
    answer: Callable[[], Awaitable[R]],
    replay: Callable[[AppState, Named, str], R],
) -> R:
    """``answer``, or what ``replay`` makes of the record (by its id) that answered it before."""
    try:
        # Two at once may both pass here: the journal looks again in the transaction that records.
        await state.readers.run(partial(idempotency.check, state.store.database, named))
        return await answer()
    except AlreadyAnswered as found:
        return await state.readers.run(partial(replay, state, named, found.record))


def earlier(state: AppState, named: Named, identity: str) -> bytes:
    """The answer to a question, as its record has it.

    Raises
    ------
    ErasedRecord
        If it was erased.
    NotAsSealed
        If the record does not hold, or tells of another request.
    """
    record, payload = archive.get(state.store.database, identity)
    idempotency.require(named, record, payload)
    return _answer(record, payload)


def _checked(key: str) -> str:
    if _ACCEPTABLE.fullmatch(key):
        return key
    problem = f"{HEADER} is not 1 to 128 visible ASCII characters"
    raise InvalidRequest(RequestPart.REQUEST, [Fault((HEADER,), problem, parameter=HEADER)])


async def _parts(request: Request) -> tuple[bytes, ...]:
    """What makes it the same request; ``Prefer`` decides whether it becomes a job."""
    prefers = b"async" if prefers_async(request.headers.get("prefer")) else b""
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
    if record.facts.kind is RecordKind.JOB:
        told = submission.shown(jobs.find(state.store.database, identity), records.audit(record))
        return written(told, 202, {"Location": told.links.self_, **REPLAYED})
    if record.facts.kind is RecordKind.REVIEW:
        return written(records.review(record, payload), 201, REPLAYED)
    if record.facts.kind is RecordKind.OUTCOME:
        return written(outcomes.outcome(record, payload), 201, REPLAYED)
    if record.facts.kind is RecordKind.SAMPLE:
        return written(samples.read(state.store.database, identity), 201, REPLAYED)
    if record.facts.kind is RecordKind.ALARM:
        acted = alarms.given_before(state.store.database, state.registry, record, payload)
        return written(acted, 200, REPLAYED)
    # Read from the record, not from a copy: what was erased there cannot be had by its name.
    return Response(_answer(record, payload), 200, REPLAYED, JSON)


def _answer(record: Record, payload: Payload | None) -> bytes:
    if payload is None:
        raise ErasedRecord(record.facts.id)
    answer = json.loads(payload.content)["answer"] | {"audit": records.audit(record).model_dump()}
    return json.dumps(answer, ensure_ascii=False, separators=(",", ":")).encode()

"""Where CloudEvents come in."""

from __future__ import annotations

import asyncio
import json
import re
from collections.abc import Iterator, Sequence
from functools import partial
from typing import Annotated, Any

from fastapi import APIRouter, Path, Request, Response

from ifonly.service import logs
from ifonly.service.doors.events.services import model_of, of_equipment, told_of
from ifonly.service.doors.http.body import QUICK_BYTES, media_type
from ifonly.service.doors.http.context import (
    AppState,
    Context,
    Recording,
    Shared,
    context_of,
)
from ifonly.service.doors.http.openapi import guarded
from ifonly.service.doors.http.problems import UnsupportedMediaType
from ifonly.service.doors.http.request_path import ApiRoute, BytesRoute
from ifonly.service.doors.http.written import written
from ifonly.service.store import dead_letters, inbox
from ifonly.service.store.chain import timestamp
from ifonly.service.store.inbox import Arrived, Half
from ifonly.service.wire import cloudevents as wire
from ifonly.service.wire.events import DeadLetter, DeadLetters, EventsAccepted

REQUEST = "org.kubeflow.serving.inference.request"
RESPONSE = "org.kubeflow.serving.inference.response"
HALVES = {REQUEST: Half.REQUEST, RESPONSE: Half.RESPONSE}
JOINED_BY = ("inferenceservicename", "namespace", "component", "endpoint")
"""With source and id: what both halves of one prediction say alike."""
TOLD = (*JOINED_BY, "traceparent")
_TRACE = re.compile(r"[0-9a-f]{2}(-[0-9a-f]{2,32}){3}")
"""A trace context of W3C's, as far as it is told on."""

router = APIRouter(route_class=BytesRoute, tags=["events"])
letters = APIRouter(
    prefix="/api/v1/events/dead-letters",
    route_class=ApiRoute,
    tags=["events"],
    responses=guarded(404, 422),
)
LISTED = 1_000
Identity = Annotated[
    str, Path(max_length=64, pattern=r"^[^\x00]*$", description="A dead letter's id.")
]
_EVENT: dict[str, Any] = {
    "type": "object",
    "required": ["specversion", "id", "source", "type"],
    "properties": {
        "specversion": {"const": "1.0"},
        "id": {"type": "string", "description": "The same of a request and its response."},
        "source": {"type": "string"},
        "type": {"type": "string", "examples": [*HALVES]},
        "inferenceservicename": {"type": "string"},
        "namespace": {"type": "string"},
        "data": {},
    },
}
OF_EACH: dict[str, Any] = {
    "status_code": 202,
    "response_model": EventsAccepted,
    "responses": guarded(400, 404, 408, 413, 415, 422),
    "openapi_extra": {
        "requestBody": {
            "required": True,
            "content": {
                wire.STRUCTURED: {"schema": _EVENT},
                wire.BATCHED: {"schema": {"type": "array", "items": _EVENT}},
                wire.JSON: {
                    "schema": {
                        "description": "The data of one event, whose attributes are the headers "
                        "`ce-…` (binary mode)."
                    }
                },
            },
        }
    },
}


@router.post("/api/v1/events", **OF_EACH)
async def send_events(request: Request, state: Shared) -> Response:
    """Requests to deployed models, and their responses, as CloudEvents (structured, batched or
    binary). The two of one prediction may come in any order; once both are there, what is an alarm
    is explained, and told to the sink. 202: they are kept."""
    return await _received(request, state, context_of(request))


# KServe's logger sends to the URL that it was told, and most name a host alone.
@router.post("/", **OF_EACH)
async def send_events_to_root(request: Request, state: Shared) -> Response:
    """As `/api/v1/events`."""
    return await _received(request, state, context_of(request))


async def _received(request: Request, state: AppState, context: Context) -> Response:
    body = context.body
    kind = media_type(request.headers)
    if kind.startswith("application/cloudevents") and kind not in (wire.STRUCTURED, wire.BATCHED):
        raise UnsupportedMediaType(f"the content type is {kind}; events come in JSON")
    work = partial(wire.read, body, request.headers, kind)
    events = work() if len(body) <= QUICK_BYTES else await state.parsers.run(work)
    assert context.principal is not None  # no route for everybody
    identity = logs.request_id()
    arrived = [
        Arrived(
            half=HALVES[event.type],
            joined_by=(event.source, event.id, *(said.get(name, "") for name in JOINED_BY)),
            said={"id": event.id, "source": event.source, **said},
            data=event.data,
            principal=context.principal,
            request_id=identity,
        )
        for event, said in _known(events, state, context)
    ]
    change = inbox.accept(arrived, state.settings.max_waiting_events)
    # Durable before the reply: whoever logs sends once.
    new = await asyncio.wrap_future(state.store.journal.change(change)) if arrived else 0
    counted = {"accepted": new, "duplicates": len(arrived) - new}
    counted["ignored"] = len(events) - len(arrived)
    state.metrics.events(counted)
    return written(EventsAccepted(**counted), 202)


def _known(
    events: Sequence[wire.CloudEvent], state: AppState, context: Context
) -> Iterator[tuple[wire.CloudEvent, dict[str, str]]]:
    """Those that tell of a prediction, and what is told on of each.

    Raises
    ------
    InvalidRequest, UnknownModel, Forbidden
        If one is of no model that is served here, or of one that is not the sender's.
    """
    many = len(events) > 1
    for place, event in enumerate(events):
        if event.type not in HALVES:
            continue
        said = {name: event.attributes[name] for name in TOLD if name in event.attributes}
        headers = _headers(event)
        found = said.pop("traceparent", None) or headers.get("traceparent")
        if found is not None and _TRACE.fullmatch(found):
            said["traceparent"] = found
        model = model_of(said, state.registry, state.settings, (place,) if many else ())
        said |= of_equipment(event.attributes, headers, model, state.settings)
        assert context.principal is not None
        context.principal.scope.check(told_of(said))
        yield event, said


def _headers(event: wire.CloudEvent) -> dict[str, str]:
    """Those that KServe was told to log (``logger.metadataHeaders``): the first value of each, by
    its name in small letters."""
    try:
        logged = json.loads(event.attributes.get("metadata", "{}"))
        return {
            str(name).lower(): str(values[0])
            for name, values in logged.items()
            if isinstance(values, list) and values
        }
    except (ValueError, AttributeError, RecursionError):
        return {}


@letters.get("", response_model=DeadLetters)
async def list_dead_letters(state: Shared) -> Response:
    """Events that could not be read, and messages that could not be sent."""
    found = await state.readers.run(partial(dead_letters.listing, state.store.database))
    shown = [
        DeadLetter(
            id=letter.id,
            kind=letter.kind.value,
            reason=letter.reason,
            time=timestamp(letter.time_us),
            attempts=letter.attempts,
            about=letter.about,
        )
        for letter in found[:LISTED]
    ]
    return written(DeadLetters(letters=shown, total=len(found)))


@letters.post("/{id}/retry", status_code=204, response_class=Response)
async def retry_dead_letter(id: Identity, state: Shared) -> Response:
    """Have it read, or sent, once more."""
    await asyncio.wrap_future(state.store.journal.change(dead_letters.retry(id)))
    return Response(status_code=204)


@letters.delete("/{id}", status_code=204, response_class=Response)
async def discard_dead_letter(id: Identity, state: Shared, recording: Recording) -> Response:
    """Remove it; what was explained stays in the audit trail."""
    await asyncio.wrap_future(state.store.journal.change(dead_letters.discard(id)))
    actor = recording.principal.actor
    logs.logger.warning("the dead letter %s was discarded by %s", logs.escaped(id), actor)
    return Response(status_code=204)

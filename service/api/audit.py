"""Routes of what was recorded: explanations, their reviews, and the audit trail."""

from __future__ import annotations

from functools import partial
from typing import Annotated

from fastapi import APIRouter, Path, Query, Response
from fastapi.responses import StreamingResponse

from service.api import inspection, oversight, reviewing, trail
from service.api.once import PARAMETER, OnceRoute
from service.api.openapi import guarded
from service.api.recording import Recording
from service.api.replay import replay
from service.api.schema import inspection as wire_one
from service.api.schema import report as wire_many
from service.api.schema import trail as wire
from service.api.state import Shared
from service.store.export import MEDIA_TYPES, export
from service.store.verification import verify

router = APIRouter(prefix="/api/v1", route_class=OnceRoute)

Identity = Annotated[
    str, Path(max_length=64, pattern=r"^[^\x00]*$", description="An explanation's id.")
]
JSON = "application/json"
CSV = "text/csv"


@router.get(
    "/explanations/{id}",
    tags=["reviews"],
    response_model=wire.ExplanationRecord,
    responses=guarded(404, 410, 422),
)
async def read_explanation(id: Identity, state: Shared) -> Response:
    """An explanation as it was given, with its request and its reviews."""
    body = await state.readers.run(partial(trail.explanation, state.store.database, id))
    return Response(body, media_type=JSON)


@router.get(
    "/explanations/{id}/reviews",
    tags=["reviews"],
    response_model=wire.ReviewsReply,
    responses=guarded(404, 422),
)
async def list_reviews(id: Identity, state: Shared) -> Response:
    """What people said of it, oldest first."""
    reply = await state.readers.run(partial(trail.reviews, state.store.database, id))
    return Response(reply.model_dump_json(), media_type=JSON)


@router.post(
    "/explanations/{id}/reviews",
    tags=["reviews"],
    status_code=201,
    response_model=wire.Review,
    responses=guarded(400, 404, 413, 415, 422),
    openapi_extra=PARAMETER,
)
async def review(
    id: Identity, request: wire.ReviewRequest, state: Shared, recording: Recording
) -> Response:
    """Approve, reject or comment on it; or say whether it was acted on, and what happened."""
    reply = await reviewing.given(id, request, state, recording)
    return Response(reply.model_dump_json(), 201, media_type=JSON)


@router.get(
    "/audit/events", tags=["audit"], response_model=wire.EventsReply, responses=guarded(422)
)
async def list_events(query: Annotated[wire.PageQuery, Query()], state: Shared) -> Response:
    """Records of all chains, the newest first."""
    reply = await state.readers.run(partial(trail.events, state.store.database, query))
    return Response(reply.model_dump_json(), media_type=JSON)


@router.get(
    "/audit/events/{id}",
    tags=["audit"],
    response_model=wire_one.EventReply,
    responses=guarded(404, 422),
)
async def read_event(id: Identity, state: Shared) -> Response:
    """One record whole: what it tells of, what it claims in words, what was said about it."""
    reply = await state.readers.run(partial(inspection.event, state.store.database, id))
    return Response(reply.model_dump_json(), media_type=JSON)


@router.get(
    "/audit/events/{id}/verify",
    tags=["audit"],
    response_model=wire_one.StretchReply,
    responses=guarded(404, 422),
)
async def verify_one(id: Identity, state: Shared) -> Response:
    """Hold one record against its chain, from the anchor before it to the first that has it; an
    answer in it is recomputed besides."""
    reply = await state.readers.run(
        partial(inspection.verified, state.store.database, state.registry, id)
    )
    return Response(reply.model_dump_json(), media_type=JSON)


@router.post(
    "/audit/events/{id}/replay",
    tags=["audit"],
    response_model=wire_one.ReplayReply,
    responses=guarded(404, 409, 410, 422),
)
async def replay_one(id: Identity, state: Shared) -> Response:
    """Ask a recorded question again of the model with the same digests. Records nothing."""
    again = partial(replay, state.store.database, state.registry, id)
    came = await state.workers.run(again)
    return Response(inspection.replayed(came).model_dump_json(), media_type=JSON)


@router.get(
    "/audit/queue", tags=["reviews"], response_model=wire_many.QueueReply, responses=guarded(422)
)
async def list_queue(query: Annotated[wire_many.QueueQuery, Query()], state: Shared) -> Response:
    """Explanations that no auditor has approved or rejected, the newest first."""
    reply = await state.readers.run(partial(oversight.queue, state.store.database, query))
    return Response(reply.model_dump_json(), media_type=JSON)


@router.get(
    "/audit/report",
    tags=["audit"],
    response_model=wire_many.ReportReply,
    responses={200: {"content": {CSV: {"schema": {"type": "string"}}}}, **guarded(422)},
)
async def report(query: Annotated[wire_many.ReportQuery, Query()], state: Shared) -> Response:
    """Recourse over a period: success, infeasibility and cost by group, levers, rules, verdicts.

    Reads every explanation in the period: some thousands a second."""
    database, registry = state.store.database, state.registry
    if query.format == "csv":
        body = await state.auditors.run(partial(oversight.as_csv, database, registry, query))
        name = 'attachment; filename="recourse.csv"'
        return Response(body, media_type=CSV, headers={"Content-Disposition": name})
    _, reply = await state.auditors.run(partial(oversight.recourse, database, registry, query))
    return Response(reply.model_dump_json(), media_type=JSON)


@router.get(
    "/audit/verify", tags=["audit"], response_model=wire.VerificationReply, responses=guarded()
)
async def verify_all(state: Shared) -> Response:
    """Read every chain and see whether it holds. Takes a second for some ten thousand records."""
    check = partial(verify, state.store.database, state.settings.audit_anchor_file)
    report = await state.auditors.run(check)
    return Response(trail.verification(report).model_dump_json(), media_type=JSON)


@router.get(
    "/audit/export",
    tags=["audit"],
    response_class=Response,
    responses={
        200: {"content": {kind: {"schema": {"type": "string"}} for kind in MEDIA_TYPES.values()}},
        **guarded(422, 501),
    },
)
async def export_all(query: Annotated[wire.ExportQuery, Query()], state: Shared) -> Response:
    """The trail as a file, chain by chain, with salts and payloads: enough to verify it."""
    entries = trail.entries(state.store.database, query)
    pieces = trail.gathered(export(entries, query.format))
    name = f'attachment; filename="audit.{query.format.value}"'
    return StreamingResponse(
        pieces,
        media_type=MEDIA_TYPES[query.format],
        headers={"Content-Disposition": name},
    )

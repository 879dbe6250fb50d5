"""Routes of what came of advice."""

from __future__ import annotations

from functools import partial
from typing import Annotated

from fastapi import APIRouter, Query, Response

from ifonly.service.audit.follow_up import outcomes, telling
from ifonly.service.doors.http.audit import CSV, Identity
from ifonly.service.doors.http.context import Recording, Shared
from ifonly.service.doors.http.idempotency import PARAMETER
from ifonly.service.doors.http.openapi import guarded
from ifonly.service.doors.http.request_path import ApiRoute, OnceRoute
from ifonly.service.doors.http.written import attachment, written
from ifonly.service.wire import outcomes as wire

router = APIRouter(prefix="/api/v1", route_class=OnceRoute)


@router.post(
    "/explanations/{id}/outcomes",
    tags=["reviews"],
    status_code=201,
    response_model=wire.Outcome,
    responses=guarded(400, 404, 413, 415, 422),
    openapi_extra=PARAMETER,
)
async def tell_outcome(
    id: Identity, request: wire.OutcomeRequest, recording: Recording
) -> Response:
    """What came of its advice, by the plant's own word; the last one counts. Or: one's own word
    taken back."""
    return written(await outcomes.told(id, request, recording), 201)


@router.get(
    "/explanations/{id}/follow-up",
    tags=["reviews"],
    response_model=wire.FollowUpReply,
    responses=guarded(404, 422),
)
async def read_follow_up(
    id: Identity, query: Annotated[wire.WindowQuery, Query()], state: Shared
) -> Response:
    """What became of its advice: decided, carried out as later readings show, with which
    outcome."""
    find = partial(telling.one, state.store.database, state.registry, id, query.window_minutes)
    return written(await state.readers.run(find))


@router.get(
    "/audit/follow-up",
    tags=["audit"],
    response_model=wire.FollowUpReport,
    responses={200: {"content": {CSV: {"schema": {"type": "string"}}}}, **guarded(422)},
)
async def report_follow_up(
    query: Annotated[wire.FollowUpQuery, Query()], state: Shared
) -> Response:
    """How much advice was followed, carried out and successful, by lever, way, version or
    attribute."""
    database, registry = state.store.database, state.registry
    if query.format == "csv":
        body = await state.auditors.run(partial(telling.as_csv, database, registry, query))
        return Response(body, media_type=CSV, headers=attachment("follow-up.csv"))
    found = await state.auditors.run(partial(telling.report, database, registry, query))
    return written(found.reply)


together = APIRouter(prefix="/api/v1", route_class=ApiRoute)


@together.post(
    "/outcomes",
    tags=["reviews"],
    response_model=wire.OutcomesReply,
    responses=guarded(400, 413, 415, 422),
)
async def tell_outcomes(request: wire.OutcomesRequest, recording: Recording) -> Response:
    """Many at once, as a plant's system sends them: of explanations by id, or of equipment, whose
    newest explanation before that is meant. Each is recorded, or refused, by itself."""
    return written(await outcomes.told_many(request, recording))

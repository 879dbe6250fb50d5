"""Routes of alarms: what is open, and what people do about it."""

from __future__ import annotations

from functools import partial
from typing import Annotated

from fastapi import APIRouter, Path, Query, Response

from ifonly.service.audit import alarms, alarms_together
from ifonly.service.doors.http.context import Recording, Shared
from ifonly.service.doors.http.idempotency import PARAMETER
from ifonly.service.doors.http.openapi import guarded
from ifonly.service.doors.http.request_path import ApiRoute, OnceRoute
from ifonly.service.doors.http.written import written
from ifonly.service.wire import alarms as wire

router = APIRouter(prefix="/api/v1/alarms", route_class=OnceRoute, tags=["alarms"])

Identity = Annotated[str, Path(max_length=64, pattern=r"^[^\x00]*$", description="An alarm's id.")]


@router.get("", response_model=wire.AlarmsReply, responses=guarded(422))
async def list_alarms(query: Annotated[wire.AlarmsQuery, Query()], state: Shared) -> Response:
    """Alarms of equipment, one each; those that want somebody first."""
    list_them = partial(alarms.listing, state.store.database, state.registry, query)
    return written(await state.readers.run(list_them))


@router.get("/{id}", response_model=wire.AlarmReply, responses=guarded(404, 422))
async def read_alarm(id: Identity, state: Shared) -> Response:
    """One alarm, and what people did about it."""
    find = partial(alarms.one, state.store.database, state.registry, id)
    return written(await state.readers.run(find))


@router.post(
    "/{id}/actions",
    response_model=wire.ActedReply,
    responses=guarded(400, 404, 409, 413, 415, 422),
    openapi_extra=PARAMETER,
)
async def act_on_alarm(id: Identity, request: wire.ActionRequest, recording: Recording) -> Response:
    """Acknowledge or shelve it, comment on it, take it out of service, say what was done. Done
    twice it is done, and recorded, once."""
    return written(await alarms.given(id, request, recording))


together = APIRouter(prefix="/api/v1/alarms", route_class=ApiRoute, tags=["alarms"])


@together.post(
    "/actions",
    response_model=wire.ActedTogetherReply,
    responses=guarded(400, 413, 415, 422),
)
async def act_on_alarms(request: wire.ActionsRequest, recording: Recording) -> Response:
    """The same about several: a record of each. Sent again it does nothing twice, so it needs no
    `Idempotency-Key`; what has returned since it was looked at stays as it is."""
    return written(await alarms_together.given_together(request, recording))

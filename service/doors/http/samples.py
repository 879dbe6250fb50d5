"""Routes of auditors' review: what waits, by kind; samples, and what judging them shows."""

from __future__ import annotations

from functools import partial
from typing import Annotated

from fastapi import APIRouter, Path, Query, Response

from ifonly.service.audit import review_groups
from ifonly.service.audit.sampling import samples
from ifonly.service.doors.http.context import Recording, Shared
from ifonly.service.doors.http.idempotency import PARAMETER
from ifonly.service.doors.http.openapi import guarded
from ifonly.service.doors.http.request_path import OnceRoute
from ifonly.service.doors.http.written import written
from ifonly.service.wire import samples as wire

router = APIRouter(prefix="/api/v1/audit", route_class=OnceRoute, tags=["reviews"])

Identity = Annotated[str, Path(max_length=64, pattern=r"^[^\x00]*$", description="A sample's id.")]


@router.get("/groups", response_model=wire.GroupsReply, responses=guarded(422))
async def list_groups(query: Annotated[wire.GroupsQuery, Query()], state: Shared) -> Response:
    """Explanations that wait for review by kind of suggestion: levers and directions, claim,
    what blocks, whether it survives the tolerances. The greatest group first."""
    reply = await state.auditors.run(partial(review_groups.groups, state.store.database, query))
    return written(reply, warns=False)


@router.get("/samples", response_model=wire.SamplesReply, responses=guarded(422))
async def list_samples(query: Annotated[wire.SamplesQuery, Query()], state: Shared) -> Response:
    """Samples that were drawn, how far each is, and what it shows so far."""
    reply = await state.auditors.run(partial(samples.listing, state.store.database, query))
    return written(reply)


@router.post(
    "/samples",
    status_code=201,
    response_model=wire.SampleReply,
    responses=guarded(400, 413, 415, 422),
    openapi_extra=PARAMETER,
)
async def draw_sample(request: wire.SampleRequest, recording: Recording) -> Response:
    """Draw a sample of explanations for review. Population, seed and sample are a record, so that
    anybody can draw it again."""
    return written(await samples.draw(request, recording), 201)


@router.get("/samples/{id}", response_model=wire.SampleReply, responses=guarded(404, 409, 422))
async def read_sample(id: Identity, state: Shared) -> Response:
    """A sample, each verdict, and what they show of the population, exactly."""
    return written(await state.readers.run(partial(samples.read, state.store.database, id)))


@router.get(
    "/samples/{id}/redraw", response_model=wire.RedrawReply, responses=guarded(404, 409, 422)
)
async def redraw_sample(id: Identity, state: Shared) -> Response:
    """Draw it again from what is recorded now, and compare."""
    return written(await state.auditors.run(partial(samples.redrawn, state.store.database, id)))

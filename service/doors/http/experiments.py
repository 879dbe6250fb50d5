"""Routes of experiments on advice."""

from __future__ import annotations

from functools import partial
from typing import Annotated

from fastapi import APIRouter, Path, Response

from ifonly.service.audit import registered_experiments as registered
from ifonly.service.audit.experiments import results, started
from ifonly.service.doors.http.context import Recording, Shared
from ifonly.service.doors.http.openapi import guarded
from ifonly.service.doors.http.request_path import ApiRoute
from ifonly.service.doors.http.written import written
from ifonly.service.wire import experiments as wire

router = APIRouter(prefix="/api/v1/experiments", route_class=ApiRoute, tags=["experiments"])

Identity = Annotated[
    str, Path(max_length=64, pattern=r"^[^\x00]*$", description="An experiment's id, or its name.")
]


@router.get("", response_model=wire.ExperimentsReply, responses=guarded(422))
async def list_experiments(state: Shared) -> Response:
    """Designs, the newest first, and whether they run."""
    known = await state.readers.run(partial(registered.registered, state.store.database))
    return written(wire.ExperimentsReply(experiments=[results.state_of(each) for each in known]))


@router.post(
    "",
    status_code=201,
    response_model=wire.ExperimentState,
    responses=guarded(400, 404, 413, 415, 422),
)
async def start_experiment(request: wire.ExperimentRequest, recording: Recording) -> Response:
    """Seal a design in a record. From then on alarms of that model are assigned to its arms."""
    return written(await started.start(request, recording), 201)


@router.get("/{id}", response_model=wire.ExperimentReply, responses=guarded(404, 422))
async def read_experiment(id: Identity, state: Shared) -> Response:
    """A design, and what it has found so far: it may be looked at as often as one likes."""
    look = partial(results.reply, state.store.database, state.registry, id)
    return written(await state.auditors.run(look))


@router.post(
    "/{id}/stop",
    response_model=wire.ExperimentState,
    responses=guarded(400, 404, 413, 415, 422),
)
async def stop_experiment(
    id: Identity, request: wire.StopRequest, recording: Recording
) -> Response:
    """Assign no more, by a record. What is stopped stays so."""
    return written(await started.stop(id, request, recording))

"""The routes by which a model arrives, and by which one of its versions is chosen."""

from __future__ import annotations

import io
from functools import partial

from fastapi import APIRouter, Request, Response

from ifonly.service.audit.activations import activate, check_scope
from ifonly.service.audit.comparison import compare
from ifonly.service.audit.uploads import take_in
from ifonly.service.doors.http.context import Recording, Shared
from ifonly.service.doors.http.openapi import bytes_in, guarded
from ifonly.service.doors.http.problems import UnsupportedMediaType
from ifonly.service.doors.http.request_path import ApiRoute
from ifonly.service.doors.http.routes import ModelName
from ifonly.service.doors.http.written import OCTETS, written
from ifonly.service.wire import models as wire
from ifonly.service.wire import staged

router = APIRouter(prefix="/api/v1", route_class=ApiRoute, tags=["models"])

ZIP = "application/zip"
# Browsers on Windows call a zip x-zip-compressed, and scripts send octets.
MEDIA_TYPES = (ZIP, "application/x-zip-compressed", OCTETS)


@router.post(
    "/models",
    status_code=201,
    response_model=wire.UploadReply,
    responses=guarded(409, 413, 415, 422),
    openapi_extra={"requestBody": bytes_in(f"A zip; `{ZIP}`, too.")},
)
async def upload_model(request: Request, recording: Recording) -> Response:
    """A new version of a model, as a zip of its folder: served at once, if it can be."""
    # Refused by its type first: a form would be read as a broken zip.
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in MEDIA_TYPES:
        raise UnsupportedMediaType(f"the content type is {kind or 'not given'}; this takes {ZIP}")
    reply = await take_in(io.BytesIO(await request.body()), recording, request.url.path)
    place = f"/api/v1/models/{reply.name}?version={reply.version}"
    return written(reply, 201, {"Location": place})


@router.post(
    "/models/{model}/activations",
    status_code=201,
    response_model=staged.ActivationReply,
    responses=guarded(400, 404, 409, 413, 415, 422),
)
async def activate_version(
    model: ModelName, chosen: staged.ActivationRequest, request: Request, recording: Recording
) -> Response:
    """Have a version asked where a request names none: a later one, or an earlier one again."""
    return written(await activate(recording, model, chosen, request.url.path), 201)


@router.post(
    "/models/{model}/comparisons",
    response_model=staged.ComparisonReply,
    responses=guarded(400, 404, 409, 413, 415, 422),
)
async def compare_version(
    model: ModelName, asked: staged.ComparisonRequest, state: Shared, recording: Recording
) -> Response:
    """What a version would decide of the last rows that the active one has decided, and what is
    otherwise in its spec."""
    check_scope(model, recording.principal)
    look = partial(compare, state.store.database, state.registry, model, asked)
    return written(await state.auditors.run(look))

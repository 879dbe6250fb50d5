"""The route by which a model arrives."""

from __future__ import annotations

import io

from fastapi import APIRouter, Request, Response

from ifonly.service.audit.uploads import take_in
from ifonly.service.doors.http.context import Recording
from ifonly.service.doors.http.openapi import bytes_in, guarded
from ifonly.service.doors.http.problems import UnsupportedMediaType
from ifonly.service.doors.http.request_path import ApiRoute
from ifonly.service.doors.http.written import OCTETS, written
from ifonly.service.wire import models as wire

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

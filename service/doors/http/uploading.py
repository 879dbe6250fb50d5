"""The route by which a model arrives, and what is recorded of it."""

from __future__ import annotations

import io
from typing import IO

import anyio.to_thread
from fastapi import APIRouter, Request, Response

from service.access import Principal
from service.audit.drafts import content
from service.doors.http import errors
from service.doors.http.body import JsonRoute
from service.doors.http.errors import UnsupportedMediaType
from service.doors.http.openapi import guarded
from service.doors.http.recording import Recorder, Recording
from service.doors.http.state import AppState, Shared
from service.errors import CannotUpload, Forbidden, ServiceError
from service.served import uploads
from service.served.uploads import Staged
from service.store.chain import Facts, Kind
from service.store.journal import Draft
from service.wire import models as wire

router = APIRouter(prefix="/api/v1", route_class=JsonRoute, tags=["models"])

ZIP = "application/zip"
OCTETS = "application/octet-stream"
MEDIA_TYPES = (ZIP, "application/x-zip-compressed", OCTETS)
UPLOADED, REFUSED = "uploaded", "refused"


@router.post(
    "/models",
    status_code=201,
    response_model=wire.UploadReply,
    responses=guarded(409, 413, 415, 422),
    openapi_extra={
        "requestBody": {
            "required": True,
            "content": {
                kind: {"schema": {"type": "string", "format": "binary"}} for kind in (ZIP, OCTETS)
            },
        }
    },
)
async def upload(request: Request, state: Shared, recording: Recording) -> Response:
    """A new version of a model, as a zip of its folder: served at once, if it can be."""
    kind = request.headers.get("content-type", "").partition(";")[0].strip().lower()
    if kind not in MEDIA_TYPES:
        raise UnsupportedMediaType(f"the content type is {kind or 'not given'}; this takes {ZIP}")
    reply = await taken_in(io.BytesIO(await request.body()), state, recording, request.url.path)
    place = f"/api/v1/models/{reply.name}?version={reply.version}"
    return Response(reply.model_dump_json(), 201, {"Location": place}, "application/json")


async def taken_in(
    archive: IO[bytes], state: AppState, recording: Recorder, path: str
) -> wire.UploadReply:
    """Try what was sent, record it, and have it served; in this order.

    Raises
    ------
    InvalidRequest, CannotUpload, Forbidden
        If it is not to be served; that is recorded too.
    """
    try:
        found = await anyio.to_thread.run_sync(uploads.stage, state.registry, archive)
    except ServiceError as error:
        await _refused(error, recording, path)
        raise
    try:
        _check_scope(found, recording.principal)
        audit = await recording.record(Draft(_uploaded(found, recording)))
        await anyio.to_thread.run_sync(uploads.publish, state.registry, found)
    except (CannotUpload, Forbidden) as error:
        await _refused(error, recording, path)
        raise
    finally:
        await anyio.to_thread.run_sync(uploads.discard, found)
    deployed = found.model.deployed
    return wire.UploadReply(
        name=deployed.name,
        version=deployed.version,
        model_sha256=deployed.model_sha256,
        spec_sha256=deployed.spec_sha256,
        causal_sha256=deployed.causal_sha256 or None,
        zip_sha256=found.sha256,
        files=found.parcel.files,
        bytes=found.parcel.size,
        audit=audit,
    )


def _check_scope(found: Staged, principal: Principal) -> None:
    """Raises
    ------
    Forbidden
        If it is none of their models; or if they are here for some machines only, for a model
        decides for all of them.
    """
    scope = principal.scope
    if not scope.has_model(found.model.name) or scope.attributes:
        raise Forbidden(f"{principal.actor} may send models within their scope only")


def _uploaded(found: Staged, recording: Recorder) -> Facts:
    detail = {"zip_sha256": found.sha256, "files": found.parcel.files, "bytes": found.parcel.size}
    return recording.drafting.facts(Kind.MODEL, found.model, status=UPLOADED, detail=detail)


async def _refused(error: ServiceError, recording: Recorder, path: str) -> None:
    """Whoever sends what is refused is remembered, with the reasons; not the model."""
    problem = errors.problem_of(path, error)
    assert problem is not None
    facts = recording.drafting.plain(
        kind=Kind.MODEL, status=REFUSED, detail={"why": errors.slug_of(problem)}
    )
    await recording.record(Draft(facts, content(bytes(problem.body), b"null")))

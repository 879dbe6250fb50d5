"""The route by which other logs have their heads cosigned: C2SP tlog-witness.

Nobody signs in: whose head it is its signature says, and of logs that the settings do not name
nothing is done.
"""

from __future__ import annotations

import asyncio
from http import HTTPStatus

from fastapi import APIRouter, Request, Response

from ifonly.service.ask.problem_types import (
    NOT_A_CHECKPOINT,
    NOT_CONSISTENT,
    NOT_SIGNED,
    UNKNOWN_LOG,
)
from ifonly.service.ask.problems import Refusal
from ifonly.service.doors.http.context import Shared
from ifonly.service.doors.http.openapi import bytes_in, refusals
from ifonly.service.doors.http.problems import BodyTooLarge
from ifonly.service.doors.http.request_path import PublicRoute
from ifonly.service.store.chain import now_us
from ifonly.service.store.witness import take
from ifonly.service.transparency.signing import cosign
from ifonly.service.transparency.verifier import MAX_NOTE
from ifonly.service.transparency.witnessing import (
    AddCheckpointRequest,
    NotWitnessed,
    OtherSize,
    WitnessRefusal,
    trusted,
)

router = APIRouter(prefix="/api/v1/witness", route_class=PublicRoute, tags=["audit"])

TEXT, SIZE = "text/plain", "text/x.tlog.size"
KINDS = {
    WitnessRefusal.MALFORMED: NOT_A_CHECKPOINT,
    WitnessRefusal.UNKNOWN_LOG: UNKNOWN_LOG,
    WitnessRefusal.NOT_SIGNED: NOT_SIGNED,
    WitnessRefusal.NOT_CONSISTENT: NOT_CONSISTENT,
}
_PLAIN = {"schema": {"type": "string"}}


@router.post(
    "/add-checkpoint",
    response_class=Response,
    responses={
        200: {"content": {TEXT: _PLAIN}, "description": "The cosignature: a line of a note."},
        409: {"content": {SIZE: _PLAIN}, "description": "The size that was cosigned last."},
        **refusals(400, 403, 404, 413, 422, 503),
    },
    openapi_extra={"requestBody": bytes_in("As C2SP's tlog-witness has it.")},
)
async def add_checkpoint(request: Request, state: Shared) -> Response:
    """Cosign the head of another log, if it begins with the one that was cosigned last."""
    body = await request.body()
    if len(body) > MAX_NOTE:
        raise BodyTooLarge(len(body), MAX_NOTE)
    signer, logs = state.witness
    try:
        shown = AddCheckpointRequest.parse(body)
        checkpoint = trusted(shown, logs)
        # Kept before it is signed: a witness must never forget what it cosigned (tlog-witness).
        why = await asyncio.wrap_future(state.store.journal.change(take(shown, checkpoint)))
        if why is not None:
            raise why
    except NotWitnessed as error:
        raise Refusal(KINDS[error.fault], str(error)) from None
    except OtherSize as other:
        return Response(f"{other.size}\n", HTTPStatus.CONFLICT, media_type=SIZE)
    assert signer is not None  # where logs are known there is a key
    line = str(cosign(signer, checkpoint.text, now_us() // 1_000_000))
    return Response(line, media_type=TEXT)

"""Routes of the log over all records: its newest head, and proofs between heads."""

from __future__ import annotations

from functools import partial
from typing import Annotated

from fastapi import APIRouter, Query, Response

from ifonly.service.doors.http.context import Shared
from ifonly.service.doors.http.openapi import guarded
from ifonly.service.doors.http.request_path import ApiRoute
from ifonly.service.doors.http.written import written
from ifonly.service.errors import Fault, InvalidRequest, RequestPart, UnknownRecord
from ifonly.service.store import translog
from ifonly.service.store.database import Database
from ifonly.service.transparency.verifier import b64
from ifonly.service.wire import log as wire

router = APIRouter(prefix="/api/v1/audit/log", route_class=ApiRoute, tags=["audit"])
TEXT = "text/plain"


@router.get(
    "/checkpoint",
    response_class=Response,
    responses={200: {"content": {TEXT: {"schema": {"type": "string"}}}}, **guarded(404)},
)
async def checkpoint(state: Shared) -> Response:
    """The newest signed head (C2SP tlog-checkpoint), with the cosignatures it has by now. Whoever
    keeps one finds out by it if anything before it is ever rewritten."""
    # In the threads of readers: a look at the store must not hold the event loop.
    head = await state.readers.run(partial(translog.latest, state.store.database))
    if head is None:
        raise UnknownRecord("checkpoint", "signed head")
    # As text, byte for byte: what is signed must not be written anew.
    return Response(head.whole, media_type=TEXT)


@router.get("/consistency", response_model=wire.ConsistencyReply, responses=guarded(422))
async def consistency(query: Annotated[wire.ConsistencyQuery, Query()], state: Shared) -> Response:
    """That the log of one size begins with that of another."""
    reply = await state.readers.run(partial(_consistency, state.store.database, query))
    return written(reply)


def _consistency(database: Database, query: wire.ConsistencyQuery) -> wire.ConsistencyReply:
    """Raises
    ------
    InvalidRequest
        If the log was never so large.
    """
    head = translog.latest(database)
    newest = 0 if head is None else head.size
    to = newest if query.to is None else query.to
    # Proofs up to signed heads only: a larger tree is one that nobody vouches for yet.
    if not query.from_ <= to <= newest:
        problem = f"from is {query.from_} and to is {to}: 0 <= from <= to <= {newest}"
        fault = Fault(("to",), problem, to, limit=newest, parameter="to")
        raise InvalidRequest(RequestPart.REQUEST, [fault])
    hashes = translog.consistency(database, query.from_, to)
    return wire.ConsistencyReply(from_=query.from_, to=to, hashes=[b64(each) for each in hashes])

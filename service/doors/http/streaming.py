"""Rows that are answered as they come: ``POST …/explanations/stream``."""

from __future__ import annotations

import asyncio
import contextlib
import zlib
from collections.abc import AsyncIterator, Mapping
from typing import TYPE_CHECKING, Annotated, Any

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import StreamingResponse
from starlette.requests import ClientDisconnect
from starlette.types import Receive, Scope, Send

from ifonly.service.ask import problem_types as kinds
from ifonly.service.ask.problems import Refusal
from ifonly.service.doors.http.arguments import StreamSelection, question_of
from ifonly.service.doors.http.context import Recording, Shared
from ifonly.service.doors.http.idempotency import HEADER
from ifonly.service.doors.http.negotiation import VARY, form_of_body, form_wanted, takes_gzip
from ifonly.service.doors.http.openapi import bytes_in, bytes_out, guarded
from ifonly.service.doors.http.problems import UnsupportedMediaType
from ifonly.service.doors.http.request_path import StreamRoute
from ifonly.service.doors.http.routes import ModelName
from ifonly.service.errors import Fault, InvalidRequest, RequestPart
from ifonly.service.jobs.forms import INSTALL, MEDIA_TYPES, TableForm, can

if TYPE_CHECKING:
    from ifonly.service.doors.http.answering_rows import RowStream

asking = APIRouter(prefix="/api/v1", route_class=StreamRoute, tags=["jobs"])

FORMS = (TableForm.JSONL, TableForm.ARROW, TableForm.PARQUET)
RECORD = "Ifonly-Record"
"""Header with the id of the record that the stream was begun; that of its end is about it."""
KINDS = ", ".join(f"`{MEDIA_TYPES[form]}`" for form in FORMS)


@asking.post(
    "/models/{model}/explanations/stream",
    response_class=Response,
    responses={
        200: bytes_out(*(MEDIA_TYPES[form] for form in FORMS)),
        **guarded(400, 404, 406, 408, 410, 413, 415, 422, 501, 503),
    },
    openapi_extra={
        "requestBody": bytes_in(
            "Rows: lines of JSON, each an object of the features, or one with `instance`, perhaps "
            f"with `id`; an Arrow stream; a Parquet file. Declared as {KINDS}."
        )
    },
)
async def stream_explanations(
    model: ModelName,
    selected: Annotated[StreamSelection, Query()],
    request: Request,
    state: Shared,
    recording: Recording,
) -> Response:
    """The same question about each row, answered while others still come (of a Parquet file, once
    it is whole), in order, in the form that came or that `Accept` names.

    Read the reply while you send: who does not read is not read from. A row that cannot be read
    has a `problem`; if the stream cannot go on, its last row says why. Nothing of it is kept but
    two records of the audit trail: of its beginning (header `Ifonly-Record`), and of its end, with
    the digests of what came and what was answered.
    """
    if HEADER in request.headers:
        problem = f"{HEADER} names what is kept to be told again; a stream is not: submit a job"
        fault = Fault((HEADER,), problem, parameter=HEADER)
        raise InvalidRequest(RequestPart.REQUEST, [fault])
    served = state.registry.get(model, selected.version)
    question = dict(question_of(selected.question))
    recording.principal.scope.check(question.get("attributes", {}))
    form = form_of_body(request.headers)
    if form not in FORMS:
        raise UnsupportedMediaType(f"a stream of rows is {KINDS}, not {form}: submit a job")
    if not can(TableForm.ARROW):
        raise Refusal(kinds.FORMAT_UNAVAILABLE, f"streams need pyarrow: {INSTALL}")
    wanted, kind = form_wanted(request.headers, form)
    if wanted not in FORMS:
        raise Refusal(kinds.NOT_ACCEPTABLE, f"a stream of rows is {KINDS}, not {wanted}")
    # Only here: pyarrow is an extra, and large.
    from ifonly.service.doors.http.answering_rows import RowStream

    with contextlib.ExitStack() as stack:
        stack.enter_context(state.streams.one(recording.principal.actor))
        stream = RowStream(request, recording, served, question, form, wanted)
        pieces = stream.pieces()
        try:
            # The first answers are waited for: what is wrong with all rows is no row's problem.
            first = await anext(pieces, b"")
        except BaseException:
            await pieces.aclose()
            raise
        place = stack.pop_all()
    headers = {**VARY, RECORD: stream.record}
    answers: AsyncIterator[bytes] = _with_first(first, pieces)
    if takes_gzip(request.headers) and wanted is not TableForm.PARQUET:
        answers, headers["Content-Encoding"] = _packed(answers), "gzip"
    return Duplex(answers, pieces, place, stream, headers, kind)


async def _with_first(first: bytes, pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    yield first
    async for piece in pieces:
        yield piece


async def _packed(pieces: AsyncIterator[bytes]) -> AsyncIterator[bytes]:
    # 16: gzip's own header, in which zlib writes no time.
    packer = zlib.compressobj(1, wbits=zlib.MAX_WBITS | 16)
    async for piece in pieces:
        # Flushed: what is answered is not kept back until there is more.
        yield packer.compress(piece) + packer.flush(zlib.Z_SYNC_FLUSH)
    yield packer.flush()


class Duplex(StreamingResponse):
    """A reply that is sent while its request still comes. Nobody but the stream reads from the
    client, so it is the stream that hears it go away."""

    def __init__(
        self,
        answers: AsyncIterator[bytes],
        pieces: Any,
        place: contextlib.ExitStack,
        stream: RowStream,
        headers: Mapping[str, str],
        kind: str,
    ) -> None:
        super().__init__(answers, headers=headers, media_type=kind)
        self._pieces = pieces
        self._place = place
        self._stream = stream

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        sending = asyncio.ensure_future(self.stream_response(send))
        leaving = asyncio.ensure_future(self._stream.left())
        try:
            await asyncio.wait({sending, leaving}, return_when=asyncio.FIRST_COMPLETED)
            if sending.done():
                sending.result()
        except ClientDisconnect:
            pass  # nobody is left to be told
        finally:
            leaving.cancel()
            sending.cancel()
            await asyncio.gather(sending, leaving, return_exceptions=True)
            await self._pieces.aclose()
            self._place.close()

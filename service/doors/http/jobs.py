"""Routes of jobs: questions that are answered after the reply."""

from __future__ import annotations

import asyncio
from collections.abc import AsyncIterator
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.responses import StreamingResponse
from fastapi.sse import format_sse_event

from ifonly.service.access import Principal, Role
from ifonly.service.audit import records
from ifonly.service.doors.http import authentication
from ifonly.service.doors.http.arguments import JobSelection, checked_webhook, question_of
from ifonly.service.doors.http.authentication import Admitted
from ifonly.service.doors.http.body import plain
from ifonly.service.doors.http.context import AppState, Recording, Shared
from ifonly.service.doors.http.idempotency import PARAMETER
from ifonly.service.doors.http.negotiation import (
    VARY,
    form_of_body,
    form_wanted,
    gzipped,
    takes_gzip,
)
from ifonly.service.doors.http.openapi import REFERENCE, bytes_in, bytes_out, guarded
from ifonly.service.doors.http.request_path import ApiRoute, QuestionRoute
from ifonly.service.doors.http.routes import ModelName
from ifonly.service.doors.http.streams import STILL_THERE, changes, streamed
from ifonly.service.doors.http.written import accepted, written
from ifonly.service.errors import Fault, Forbidden, InvalidRequest, JobNotFinished, RequestPart
from ifonly.service.jobs import answers, reading, submission, tables
from ifonly.service.jobs.forms import MEDIA_TYPES, TableForm
from ifonly.service.jobs.reading import BodyLimits, JobQuestions
from ifonly.service.store import jobs
from ifonly.service.store.jobs import JobFilter, StoredJob
from ifonly.service.wire import examples
from ifonly.service.wire import jobs as wire

router = APIRouter(prefix="/api/v1/jobs", route_class=ApiRoute, tags=["jobs"])
asking = APIRouter(prefix="/api/v1", route_class=QuestionRoute, tags=["jobs"])

Identity = Annotated[str, Path(max_length=64, pattern=r"^[^\x00]*$", description="A job's id.")]
SEE_ALL = frozenset({Role.AUDITOR, Role.ADMIN})
"""Who is listed the jobs of others."""
LOOK_SECONDS = 0.5
"""Between two looks at how far a job is, for who listens."""


READ = ", ".join(f"`{kind}`" for kind in MEDIA_TYPES.values())


@asking.post(
    "/models/{model}/explanations/bulk",
    status_code=202,
    response_model=wire.Job,
    responses=guarded(400, 404, 410, 413, 415, 422, 503),
    openapi_extra={
        **PARAMETER,
        "requestBody": bytes_in(
            "Rows. Lines of JSON, each a question as `explanations` takes it and, if you like, the "
            "row's `id`; or a table with a column for each feature, perhaps `id`, and "
            f"`attributes.NAME` for each attribute. Declared as {READ}.",
            {
                "contentMediaType": MEDIA_TYPES[TableForm.JSONL],
                "contentSchema": {"$ref": f"{REFERENCE}ExplanationRequest"},
            },
            example=examples.LINES,
        ),
    },
)
async def submit_job(
    model: ModelName,
    selected: Annotated[JobSelection, Query()],
    request: Request,
    state: Shared,
    recording: Recording,
) -> Response:
    """Many rows, each asked about as by `explanations`; answered one after the other.

    A row that is wrong is answered with its problem; it does not keep the others from theirs. A
    row keeps its place in what was sent as its number: a blank line asks nothing, and counts.
    """
    # Looked up before the body is read: a job about an unknown model is refused at once.
    served = state.registry.get(model, selected.version)
    form, question = form_of_body(request.headers), question_of(selected.question)
    body, settings = await request.body(), state.settings
    limits = BodyLimits(settings.max_job_rows, settings.max_body_bytes)

    def read() -> JobQuestions:
        unpacked = plain(body, request.headers, settings.max_job_bytes)
        return reading.read(unpacked, form, served.schema, question, limits)

    # A job's body may be megabytes: a thread unpacks and splits it.
    questions = await state.parsers.run(read)
    webhook = checked_webhook(selected.webhook, settings)
    return accepted(await submission.submit(questions, served, recording, webhook))


@router.get("", response_model=wire.JobsReply, responses=guarded(422))
async def list_jobs(
    query: Annotated[wire.JobsQuery, Query()], state: Shared, recording: Recording
) -> Response:
    """Jobs, the newest first: one's own; to auditors and admins, everybody's."""
    principal = recording.principal
    by = query.by if principal.roles & SEE_ALL else principal.actor
    if query.by not in (None, by):
        raise Forbidden("jobs of others are listed to auditors and admins")
    wanted = JobFilter(by, query.state, query.model)
    look = partial(jobs.page, state.store.database, wanted, query.cursor, query.limit)
    page = await state.readers.run(look)
    # Marked, not left out: who tampers must not be able to hide a job.
    told = [submission.shown(job, doubtful=job.id in page.doubtful) for job in page.jobs]
    return written(wire.JobsReply(jobs=told, next=page.next))


async def _find(state: AppState, identity: str) -> StoredJob:
    return await state.readers.run(partial(jobs.find, state.store.database, identity))


@router.get("/{id}", response_model=wire.Job, responses=guarded(404, 422))
async def read_job(id: Identity, state: Shared) -> Response:
    """How far it is."""
    return written(submission.shown(await _find(state, id)))


@router.delete("/{id}", response_model=wire.Job, responses=guarded(404, 422))
async def cancel_job(id: Identity, state: Shared, recording: Recording) -> Response:
    """No further row is answered; what was answered stays. For who asked for it, and admins."""
    _check_owner(await _find(state, id), recording.principal)
    work = jobs.cancel(id, recording.principal.actor)
    await asyncio.wrap_future(state.store.journal.append(work))
    return written(submission.shown(await _find(state, id)))


def _check_owner(job: StoredJob, principal: Principal) -> None:
    if principal.actor != job.actor and Role.ADMIN not in principal.roles:
        raise Forbidden(f"job {job.id} is for who asked for it, and for admins, to cancel")


@router.get(
    "/{id}/events",
    response_class=Response,
    responses={
        200: {"content": {"text/event-stream": {}}},
        **guarded(404, 422),
    },
)
async def follow_job(id: Identity, request: Request, state: Shared) -> Response:
    """Server-sent events: the job each time that it gets further, named by its state; the last
    is `done` or `cancelled`. Ends, too, once the key or token would not open it any more."""
    job = await _find(state, id)
    return streamed(_progress(job, state, request))


async def _progress(job: StoredJob, state: AppState, request: Request) -> AsyncIterator[bytes]:
    look = partial(_find, state, job.id)
    # A stream outlives the check at its beginning: a revoked key must not listen on.
    admitted = Admitted(partial(authentication.is_still, request))
    async for now in changes(look, None, LOOK_SECONDS, state.closing, admitted):
        if now is None:
            yield STILL_THERE
            continue
        data = submission.shown(now).model_dump_json(by_alias=True)
        yield format_sse_event(event=now.state, data_str=data)
        if now.state.is_final:
            return


@router.get(
    "/{id}/result",
    response_class=Response,
    responses={
        200: bytes_out(*MEDIA_TYPES.values()),
        **guarded(404, 406, 409, 422),
    },
)
async def read_result(
    id: Identity, query: Annotated[wire.ResultQuery, Query()], request: Request, state: Shared
) -> Response:
    """One line a row, in order: `row`, the `id` that its client gave, and its `explanation` or its
    `problem`; `erased` if that was erased since; a problem of type `not-as-sealed` if what is there
    is not what was recorded. Of a cancelled job, the rows that were answered.

    With `form=flat`, and as CSV, Arrow stream or Parquet file (`Accept`): a few columns of each.
    `Accept-Encoding: gzip` is answered so, except of Parquet.
    """
    form, kind = form_wanted(request.headers, TableForm.JSONL)
    if form is not TableForm.JSONL and query.form == "full":
        problem = f"form is full, which there is of lines of JSON alone, not of {form}"
        fault = Fault(("form",), problem, "full", limit=["flat"], parameter="form")
        raise InvalidRequest(RequestPart.REQUEST, [fault])
    job = await _find(state, id)
    if not job.state.is_final:
        raise JobNotFinished(id, job.answered, job.rows)
    look = partial(jobs.results, state.store.database, id, query.first, query.last)
    rows = answers.answers(await state.readers.run(look))
    # Gathered: each line by itself would cost a change of threads.
    is_flat = query.form == "flat"
    pieces = records.gathered(tables.written(rows, form, is_flat=is_flat))
    headers = dict(VARY)
    # What is in a Parquet file is packed already.
    if takes_gzip(request.headers) and form is not TableForm.PARQUET:
        pieces, headers["Content-Encoding"] = gzipped(pieces), "gzip"
    return StreamingResponse(pieces, headers=headers, media_type=kind)

"""Routes of jobs: questions that are answered after the reply."""

from __future__ import annotations

import asyncio
import json
from collections.abc import AsyncIterator
from functools import partial
from typing import Annotated, Any

import anyio.to_thread
from fastapi import APIRouter, Path, Query, Request, Response
from fastapi.responses import StreamingResponse
from fastapi.sse import format_sse_event

from ifonly.service.access import Principal, Role
from ifonly.service.audit import records
from ifonly.service.doors.http import authentication
from ifonly.service.doors.http.arguments import JobSelection, checked_webhook
from ifonly.service.doors.http.authentication import Admitted
from ifonly.service.doors.http.body import LINES, read_lines
from ifonly.service.doors.http.context import AppState, Recording, Shared
from ifonly.service.doors.http.idempotency import PARAMETER
from ifonly.service.doors.http.openapi import REFERENCE, bytes_in, bytes_out, guarded
from ifonly.service.doors.http.request_path import ApiRoute, QuestionRoute
from ifonly.service.doors.http.routes import ModelName
from ifonly.service.doors.http.streams import STILL_THERE, changes, streamed
from ifonly.service.doors.http.written import accepted, kind_for, written
from ifonly.service.errors import Forbidden, JobNotFinished
from ifonly.service.jobs import submission
from ifonly.service.store import jobs
from ifonly.service.store.jobs import JobResult, StoredJob
from ifonly.service.store.kinds import RecordKind
from ifonly.service.wire import examples
from ifonly.service.wire import jobs as wire

router = APIRouter(prefix="/api/v1/jobs", route_class=ApiRoute, tags=["jobs"])
asking = APIRouter(prefix="/api/v1", route_class=QuestionRoute, tags=["jobs"])

Identity = Annotated[str, Path(max_length=64, pattern=r"^[^\x00]*$", description="A job's id.")]
LOOK_SECONDS = 0.5
"""Between two looks at how far a job is, for who listens."""


@asking.post(
    "/models/{model}/explanations/bulk",
    status_code=202,
    response_model=wire.Job,
    responses=guarded(400, 404, 410, 413, 415, 422, 503),
    openapi_extra={
        **PARAMETER,
        "requestBody": bytes_in(
            f"Lines of JSON, each a question as `explanations` takes it; `{LINES}`, too.",
            {
                "contentMediaType": LINES,
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
    """One line of JSON a row, each as the body of `explanations`; answered one after the other.

    A line that is wrong is answered with its problem; it does not keep the others from theirs.
    """
    # Looked up before the body is read: a job about an unknown model is refused at once.
    served = state.registry.get(model, selected.version)
    body = await request.body()
    # A job's body may be megabytes: a thread unpacks and splits it.
    lines = await anyio.to_thread.run_sync(read_lines, body, request.headers, state.settings)
    webhook = checked_webhook(selected.webhook, state.settings)
    return accepted(await submission.submit(lines, served, recording, webhook))


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
        200: bytes_out(LINES),
        **guarded(404, 409, 422),
    },
)
async def read_result(id: Identity, request: Request, state: Shared) -> Response:
    """One line a row, in order: `row` (from 0) and its `explanation` or its `problem`; `erased`
    if that was erased since; a problem of type `not-as-sealed` if what is there is not what was
    recorded. Of a cancelled job, the rows that were answered."""
    job = await _find(state, id)
    if not job.state.is_final:
        raise JobNotFinished(id, job.answered, job.rows)
    rows = await state.readers.run(partial(jobs.results, state.store.database, id))
    # Gathered: each line by itself would cost a change of threads.
    lines = records.gathered(map(_line, rows))
    kind = kind_for(request.headers.get("accept"), LINES)
    return StreamingResponse(lines, media_type=kind)


def _line(result: JobResult) -> bytes:
    told: dict[str, Any] = {"row": result.number}
    if result.findings:
        told["problem"] = records.doubted(result.findings)
    elif result.payload is None:
        told |= {"erased": True, "audit": records.audit(result.record).model_dump()}
    else:
        name = "explanation" if result.record.facts.kind is RecordKind.EXPLANATION else "problem"
        answer = json.loads(result.payload.content)["answer"]
        told[name] = answer | {"audit": records.audit(result.record).model_dump()}
    return json.dumps(told, ensure_ascii=False).encode() + b"\n"

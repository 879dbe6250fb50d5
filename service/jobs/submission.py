"""Questions that become a job, and what is said of one."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from fastapi import Response

from service.doors.http.recording import Recorder, durable
from service.doors.http.state import AppState
from service.served.registry import ServedModel
from service.store import jobs
from service.store.chain import Kind, timestamp
from service.store.jobs import StoredJob
from service.wire import jobs as wire
from service.wire.replies import Audit

RESPOND_ASYNC = "respond-async"


def prefers_async(prefer: str | None) -> bool:
    """Whether the header ``Prefer`` (RFC 7240) asks for a job instead of an answer."""
    wishes = (prefer or "").split(",")
    return any(wish.partition(";")[0].strip().lower() == RESPOND_ASYNC for wish in wishes)


async def submitted(
    lines: Sequence[bytes], model: ServedModel, state: AppState, recording: Recorder
) -> Response:
    """A job of these questions: 202 with where it is, once it is durable.

    Raises
    ------
    QueueFull
        If too many rows wait already.
    """
    scope = recording.principal.scope.in_words
    detail = {"rows": len(lines)} | ({} if scope is None else {"scope": scope})
    facts = recording.drafting.facts(Kind.JOB, model, status=jobs.State.QUEUED.value, detail=detail)
    job, work = jobs.submit(facts, lines, state.settings.max_waiting_rows)
    receipt = await asyncio.wrap_future(recording.append(work))
    state.wake()
    audit = durable(receipt)
    told = shown(job, audit)
    headers = {"Location": told.links.self_, "Preference-Applied": "respond-async"}
    return reply(told, 202, headers)


def reply(job: wire.Job, status: int, headers: dict[str, str] | None = None) -> Response:
    body = job.model_dump_json(by_alias=True)
    return Response(body, status, headers, media_type="application/json")


def shown(job: StoredJob, audit: Audit | None = None) -> wire.Job:
    """How far a job is; ``audit``: of the request that was just made, if it was."""
    here = f"/api/v1/jobs/{job.id}"
    return wire.Job(
        id=job.id,
        state=job.state,
        model=job.model,
        version=job.version,
        rows=job.rows,
        answered=job.answered,
        refused=job.refused,
        created=timestamp(job.created_us),
        started=None if job.started_us is None else timestamp(job.started_us),
        finished=None if job.finished_us is None else timestamp(job.finished_us),
        links=wire.JobLinks(self_=here, events=f"{here}/events", result=f"{here}/result"),
        audit=audit,
    )

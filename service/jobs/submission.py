"""JobQuestions that become a job, and what is said of one."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from functools import partial

import sqlalchemy as sa

from ifonly.service.audit.recorder import Recorder, durable
from ifonly.service.jobs.reading import JobQuestions
from ifonly.service.served.registry import ServedModel
from ifonly.service.store import jobs, outbox
from ifonly.service.store.chain import timestamp
from ifonly.service.store.jobs import StoredJob
from ifonly.service.store.journal import Draft, RecordedWrite
from ifonly.service.store.kinds import RecordKind
from ifonly.service.store.terms import State
from ifonly.service.wire import jobs as wire
from ifonly.service.wire.replies import Audit


async def submit(
    questions: JobQuestions, model: ServedModel, recorder: Recorder, webhook: str | None = None
) -> wire.Job:
    """A job of these questions, once it is durable; ``webhook``: who is told of its end.

    Of several rows, those that need nothing changed may have one record together.

    Raises
    ------
    QueueFull
        If too many rows wait already.
    """
    runtime, scope = recorder.runtime, recorder.principal.scope.in_words
    detail = {"rows": len(questions.lines)} | ({} if scope is None else {"scope": scope})
    if len(questions.lines) > 1:
        detail["shared"] = 1
    if (traceparent := runtime.tracing.traceparent) is not None:
        detail |= {"traceparent": traceparent}
    facts = recorder.drafting.facts(RecordKind.JOB, model, status=State.QUEUED.value, detail=detail)
    lines, places = questions.lines, questions.places
    job, work = jobs.submit(facts, lines, runtime.settings.max_waiting_rows, places)
    # Durable before the reply: the job's record is all that its client has.
    append = work if webhook is None else partial(_with_webhook, work, job.id, webhook)
    receipt = await asyncio.wrap_future(recorder.append(append))
    runtime.wake()
    return shown(job, durable(receipt))


def _with_webhook(
    work: RecordedWrite, job: str, webhook: str, connection: sa.Connection
) -> Draft | Sequence[Draft]:
    outbox.expect(connection, job, {None: {}}, webhook)
    return work(connection)


def shown(job: StoredJob, audit: Audit | None = None, *, doubtful: bool = False) -> wire.Job:
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
        statuses=None if job.statuses is None else dict(job.statuses),
        by=job.actor,
        doubtful=doubtful,
        created=timestamp(job.created_us),
        started=None if job.started_us is None else timestamp(job.started_us),
        finished=None if job.finished_us is None else timestamp(job.finished_us),
        links=wire.JobLinks(self_=here, events=f"{here}/events", result=f"{here}/result"),
        audit=audit,
    )

"""Questions that become a job, and what is said of one."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence

from ifonly.service.audit.recorder import Recorder, durable
from ifonly.service.served.registry import ServedModel
from ifonly.service.store import jobs
from ifonly.service.store.chain import timestamp
from ifonly.service.store.jobs import StoredJob
from ifonly.service.store.kinds import RecordKind
from ifonly.service.wire import jobs as wire
from ifonly.service.wire.replies import Audit


async def submit(lines: Sequence[bytes], model: ServedModel, recorder: Recorder) -> wire.Job:
    """A job of these questions, once it is durable.

    Raises
    ------
    QueueFull
        If too many rows wait already.
    """
    runtime, scope = recorder.runtime, recorder.principal.scope.in_words
    detail = {"rows": len(lines)} | ({} if scope is None else {"scope": scope})
    if (traceparent := runtime.tracing.traceparent) is not None:
        detail |= {"traceparent": traceparent}
    facts = recorder.drafting.facts(
        RecordKind.JOB, model, status=jobs.State.QUEUED.value, detail=detail
    )
    job, work = jobs.submit(facts, lines, runtime.settings.max_waiting_rows)
    # Durable before the reply: the job's record is all that its client has.
    receipt = await asyncio.wrap_future(recorder.append(work))
    runtime.wake()
    return shown(job, durable(receipt))


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

"""Who looked at what others asked, as records.

A look is recorded before its reply leaves: one record a request, whatever the number of records
that it shows; the same look again within a minute is the same look. Nobody's look at what they
asked themselves is recorded, and none where nobody is known (no accounts).
"""

from __future__ import annotations

import asyncio
import time
from functools import partial

from fastapi import Request, Response

from ifonly.service.access import ANYONE
from ifonly.service.audit.recent_accesses import EXPORTED, LISTED, READ, with_query
from ifonly.service.doors.http.context import Context
from ifonly.service.store import archive
from ifonly.service.store.kinds import RecordKind

LOOKS = {
    ("GET", "/api/v1/explanations/{id}"): READ,
    ("GET", "/api/v1/explanations/{id}/reviews"): READ,
    ("GET", "/api/v1/explanations/{id}/follow-up"): READ,
    ("GET", "/api/v1/audit/follow-up"): LISTED,
    ("GET", "/api/v1/experiments"): LISTED,
    ("GET", "/api/v1/experiments/{id}"): LISTED,
    ("GET", "/api/v1/alarms"): LISTED,
    ("GET", "/api/v1/alarms/{id}"): READ,
    ("GET", "/api/v1/jobs/{id}/result"): EXPORTED,
    ("GET", "/api/v1/audit/events"): LISTED,
    ("GET", "/api/v1/audit/events/{id}"): READ,
    ("GET", "/api/v1/audit/events/{id}/verify"): READ,
    ("POST", "/api/v1/audit/events/{id}/replay"): READ,
    ("GET", "/api/v1/audit/events/{id}/bundle"): EXPORTED,
    ("GET", "/api/v1/audit/queue"): LISTED,
    ("GET", "/api/v1/audit/groups"): LISTED,
    ("GET", "/api/v1/audit/samples"): LISTED,
    ("GET", "/api/v1/audit/samples/{id}"): LISTED,
    ("GET", "/api/v1/audit/samples/{id}/redraw"): LISTED,
    ("GET", "/api/v1/audit/report"): LISTED,
    ("GET", "/api/v1/audit/fairness"): LISTED,
    ("GET", "/api/v1/audit/export"): EXPORTED,
    ("POST", "/api/v1/models/{model}/comparisons"): LISTED,
    ("GET", "/records"): LISTED,
    ("GET", "/records/export"): EXPORTED,
    ("GET", "/records/{id}"): READ,
    ("POST", "/records/{id}/verify"): READ,
    ("POST", "/records/{id}/replay"): READ,
    ("GET", "/records/table"): EXPORTED,
    ("GET", "/reviews"): LISTED,
    ("GET", "/reviews/samples"): LISTED,
    ("GET", "/reviews/samples/{id}"): LISTED,
    ("POST", "/reviews/samples/{id}/redraw"): LISTED,
    ("GET", "/experiments"): LISTED,
    ("GET", "/experiments/new"): LISTED,
    ("GET", "/experiments/{id}"): LISTED,
    ("GET", "/experiments/{id}/results"): LISTED,
    ("GET", "/report"): LISTED,
    ("GET", "/report/table"): EXPORTED,
    ("GET", "/report/follow-up"): LISTED,
    ("GET", "/report/fairness"): LISTED,
    ("GET", "/models/{model}/comparison"): LISTED,
    ("GET", "/alarms"): LISTED,
    ("GET", "/alarms/{id}"): READ,
    ("GET", "/alarms/{id}/readings"): READ,
    ("GET", "/sheets/{id}"): READ,
    ("GET", "/sheets/{id}/file"): EXPORTED,
    ("GET", "/remedies"): LISTED,
    ("POST", "/remedies"): LISTED,
}
"""What is recorded. A route that shows what was recorded and is not in it is found by a test."""


async def record_look(
    request: Request, context: Context, template: str, response: Response
) -> None:
    """Record who looked at what ``response`` shows, before it leaves.

    Raises
    ------
    JournalFull, StoreUnavailable, StoreDamaged
        If that cannot be recorded: then nothing is shown.
    """
    status = LOOKS.get((request.method, template))
    # What was refused showed nothing, and without accounts there is nobody to name.
    if status is None or context.principal in (None, ANYONE) or response.status_code >= 300:
        return
    looks, actor = context.state.accesses, context.recorder().principal.actor
    # The query too: a filter is another look.
    what = f"{request.method} {request.url.path}?{request.url.query}"
    if looks.is_new(actor, what, time.monotonic()):
        try:
            await _record(request, context, template, status)
        # Also when the request was cancelled: this look is not recorded, so the next must be.
        except BaseException:
            looks.forget(actor, what)
            raise


async def _record(request: Request, context: Context, template: str, status: str) -> None:
    state, identity = context.state, request.path_params.get("id")
    recorder = context.recorder(identity)
    if identity is not None and status != LISTED:
        # A look at one's own record needs none; a list (a sample, too) may have others' and always
        # does.
        find = partial(archive.actor_of, state.store.database, identity)
        if await state.readers.run(find) == recorder.principal.actor:
            return
    by = {"by": f"{request.method} {template}"}
    facts = recorder.drafting.plain(kind=RecordKind.ACCESS, status=status, detail=by)
    done = state.store.journal.append(with_query(facts, request.url.query))
    # Waited for before the reply leaves: what cannot be recorded is not shown.
    await asyncio.wrap_future(done)

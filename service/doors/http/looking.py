"""Who looked at what others asked, as records.

A look is recorded before its reply leaves: one record a request, whatever the number of records
that it shows; the same look again within a minute is the same look. Nobody's look at what they
asked themselves is recorded, and none where nobody is known (no accounts).
"""

from __future__ import annotations

import asyncio
import json
import time
from functools import partial

from fastapi import Request, Response

from service.access import ANYONE, Principal
from service.audit.drafts import Drafting
from service.doors.http.state import AppState
from service.store import archive
from service.store.chain import Facts, Kind
from service.store.journal import Draft

READ, LISTED, EXPORTED = "read", "listed", "exported"
"""Status of the record: of one record, of several, of a file of them."""
LOOKS = {
    ("GET", "/api/v1/explanations/{id}"): READ,
    ("GET", "/api/v1/explanations/{id}/reviews"): READ,
    ("GET", "/api/v1/jobs/{id}/result"): EXPORTED,
    ("GET", "/api/v1/audit/events"): LISTED,
    ("GET", "/api/v1/audit/events/{id}"): READ,
    ("GET", "/api/v1/audit/events/{id}/verify"): READ,
    ("POST", "/api/v1/audit/events/{id}/replay"): READ,
    ("GET", "/api/v1/audit/events/{id}/bundle"): EXPORTED,
    ("GET", "/api/v1/audit/queue"): LISTED,
    ("GET", "/api/v1/audit/report"): LISTED,
    ("GET", "/api/v1/audit/export"): EXPORTED,
    ("GET", "/records"): LISTED,
    ("GET", "/records/export"): EXPORTED,
    ("GET", "/records/{id}"): READ,
    ("POST", "/records/{id}/verify"): READ,
    ("POST", "/records/{id}/replay"): READ,
    ("GET", "/reviews"): LISTED,
    ("GET", "/report"): LISTED,
    ("GET", "/report/table"): EXPORTED,
    ("GET", "/alarms"): LISTED,
    ("GET", "/alarms/{id}"): READ,
}
"""What is recorded. A route that shows what was recorded and is not in it is found by a test."""


async def looked(request: Request, template: str, response: Response) -> Response:
    """``response``, once it is recorded who looked at what it shows.

    Raises
    ------
    JournalFull, StoreUnavailable, StoreDamaged
        If that cannot be recorded: then nothing is shown.
    """
    principal: Principal = request.state.principal
    status = LOOKS.get((request.method, template))
    if status is None or principal == ANYONE or response.status_code >= 300:
        return response
    state: AppState = request.app.state.ifonly
    what = f"{request.method} {request.url.path}?{request.url.query}"
    if state.looks.is_new(principal.actor, what, time.monotonic()):
        try:
            await _record(request, state, template, status)
        except BaseException:
            state.looks.forget(principal.actor, what)
            raise
    return response


async def _record(request: Request, state: AppState, template: str, status: str) -> None:
    principal: Principal = request.state.principal
    identity = request.path_params.get("id")
    if identity is not None:
        find = partial(archive.actor_of, state.store.database, identity)
        if await state.readers.run(find) == principal.actor:
            return
    drafting = Drafting(principal, request.state.started, identity)
    by = {"by": f"{request.method} {template}"}
    facts = drafting.plain(kind=Kind.ACCESS, status=status, detail=by)
    done = state.store.journal.append(with_query(facts, request.url.query))
    await asyncio.wrap_future(done)


def with_query(facts: Facts, query: str) -> Draft:
    """The record of a look; ``query``, which may name somebody, can be erased."""
    if not query:
        return Draft(facts)
    return Draft(facts, json.dumps({"request": {"query": query}}).encode())

"""Routes of the list of recent predictions, and of the sign that there are new ones."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator
from functools import partial
from typing import Annotated

from fastapi import APIRouter, Query, Request, Response
from fastapi.responses import StreamingResponse

from service.doors.http.authentication import Admitted
from service.doors.http.context import AppState, Shared
from service.doors.pages.operator.listing import listed
from service.doors.pages.rendering import page
from service.doors.pages.request_path import PageRoute
from service.doors.pages.visit import is_still, visit_of
from service.errors import Overloaded
from service.store import recent

router = APIRouter(route_class=PageRoute, include_in_schema=False)

LOOK_SECONDS = 1.0
"""Between two looks whether there is something new, for who listens."""
SILENCE_SECONDS = 15.0
"""After which a listener is told that we are still there."""
Cursor = Annotated[str | None, Query(max_length=512)]


@router.get("/alarms")
async def list_alarms(
    request: Request, state: Shared, alarms: Cursor = None, others: Cursor = None
) -> Response:
    """Alarms first, then whatever else was predicted; the newest of each."""
    visit = visit_of(request)
    read = partial(listed, state.store.database, state.registry, tag=visit.language)
    found = await state.readers.run(lambda: (read("alarms", alarms), read("others", others)))
    return page(request, "operator/alarms.html", alarms=found[0], others=found[1])


@router.get("/alarms/events")
async def follow_alarms(request: Request, state: Shared) -> Response:
    """Server-sent events: ``changed`` each time that a list has a new entry; until the session
    ends."""
    return StreamingResponse(
        _signs(state, state.closing, Admitted(partial(is_still, request))),
        media_type="text/event-stream",
        headers={"Cache-Control": "no-store", "X-Accel-Buffering": "no"},
    )


async def _signs(state: AppState, closing: asyncio.Event, admitted: Admitted) -> AsyncIterator[str]:
    look = partial(recent.newest, state.store.database)
    told = await state.readers.run(look)
    silent = 0.0
    yield "retry: 2000\n\n"
    while not closing.is_set() and await admitted.still():
        sign = told
        with contextlib.suppress(Overloaded):  # then at the next look
            sign = await state.readers.run(look)
        if sign != told:
            told, silent = sign, 0.0
            yield "event: changed\ndata: \n\n"
        elif silent >= SILENCE_SECONDS:
            silent = 0.0
            yield ": still there\n\n"
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(closing.wait(), LOOK_SECONDS)
        silent += LOOK_SECONDS

"""What Prometheus asks for."""

from __future__ import annotations

from functools import partial

from fastapi import APIRouter, Response

from ifonly.service.audit import alarms
from ifonly.service.doors.http.context import Shared
from ifonly.service.doors.http.openapi import guarded
from ifonly.service.doors.http.request_path import ApiRoute
from ifonly.service.metrics import MEDIA_TYPE
from ifonly.service.store import inbox, jobs, outbox
from ifonly.service.store.database import Database

router = APIRouter(route_class=ApiRoute, tags=["health"])


@router.get(
    "/metrics",
    response_class=Response,
    responses={200: {"content": {"text/plain": {}}}, **guarded()},
)
async def metrics(state: Shared) -> Response:
    """Counts and times for Prometheus, of all processes that share its folder."""
    # Rows wait in the store, for whichever process takes them.
    rows = await state.readers.run(partial(jobs.waiting, state.store.database))
    state.metrics.letters(*await state.readers.run(partial(_letters, state.store.database)))
    broken = (r.name for r in state.registry.refused.values() if r.is_out_of_service)
    state.metrics.out_of_service(broken)
    standing = partial(alarms.standing, state.store.database, state.registry)
    state.metrics.alarms(await state.readers.run(standing))
    text = state.metrics.told(state.workers.waiting, state.store.journal.waiting, rows)
    return Response(text, media_type=MEDIA_TYPE)


def _letters(database: Database) -> tuple[int, int]:
    """Messages that wait, and dead letters of both kinds."""
    unread = inbox.count(database, inbox.PairState.DEAD)
    unsent = outbox.count(database, outbox.MessageState.DEAD)
    return outbox.count(database, outbox.MessageState.QUEUED), unread + unsent

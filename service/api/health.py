"""Is the process alive, and can it answer?"""

from __future__ import annotations

from fastapi import APIRouter

from service.api.errors import NOT_READY, Refusal
from service.api.openapi import refusals
from service.api.schema.models import Live, Ready
from service.api.state import Shared

router = APIRouter(prefix="/healthz", tags=["health"])


@router.get("/live", responses=refusals())
async def live() -> Live:
    """The process runs and its event loop turns."""
    return Live()


@router.get("/ready", responses=refusals(503))
async def ready(state: Shared) -> Ready:
    """At least one model is served, and the store takes records."""
    count = len(state.registry.names())
    if not count:
        raise Refusal(NOT_READY, "no model is served; GET /api/v1/models has the reasons")
    if not state.store.journal.is_well:
        raise Refusal(NOT_READY, "the store takes no records; the log has the reason")
    return Ready(models=count)

"""Is the process alive, and can it answer?"""

from __future__ import annotations

from fastapi import APIRouter

from models.onnx.watchdog import watchdog
from service.ask.problem_types import NOT_READY
from service.ask.problems import Refusal
from service.doors.http.context import Shared
from service.doors.http.openapi import refusals
from service.wire.models import Live, Ready

router = APIRouter(prefix="/healthz", tags=["health"])


@router.get("/live", responses=refusals())
async def live() -> Live:
    """The process runs and its event loop turns."""
    return Live()


@router.get("/ready", responses=refusals(503))
async def ready(state: Shared) -> Ready:
    """At least one model is served, no thread is stuck in one, and the store takes records."""
    count = len(state.registry.in_service())
    # A stuck thread never comes back: an orchestrator should replace the process.
    if stuck := watchdog.stuck:
        named = ", ".join(stuck)
        raise Refusal(NOT_READY, f"a run of {named} does not end, and its thread with it")
    if not count:
        raise Refusal(NOT_READY, "no model is served; GET /api/v1/models has the reasons")
    if not state.store.journal.is_well:
        raise Refusal(NOT_READY, "the store takes no records; the log has the reason")
    return Ready(models=count)

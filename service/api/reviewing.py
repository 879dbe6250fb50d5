"""What somebody says of an explanation, from wherever they say it."""

from __future__ import annotations

from functools import partial

from service.api import trail
from service.api.recording import Recorder
from service.api.schema import trail as wire
from service.api.state import AppState
from service.store.journal import Draft


async def given(
    identity: str, request: wire.ReviewRequest, state: AppState, recording: Recorder
) -> wire.Review:
    """Check that they may, and that there is such an explanation; then record it.

    Raises
    ------
    Forbidden, UnknownRecord, InvalidRequest
        If they may not, or it is about nothing.
    """
    trail.check_reviewer(request.verdict, recording.principal.roles)
    find = partial(trail.reviewed, state.store.database, identity, request)
    record, detail = await state.readers.run(find)
    facts = recording.drafting.review(record, request.verdict, detail)
    content = b'{"request":%b}' % request.model_dump_json(exclude_unset=True).encode()
    audit = await recording.record(Draft(facts, content))
    return trail.said(facts, audit, request.comment)

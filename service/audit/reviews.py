"""What somebody says of an explanation, from wherever they say it."""

from __future__ import annotations

from functools import partial

from service.audit import records
from service.doors.http.recording import Recorder
from service.doors.http.state import AppState
from service.store.journal import Draft
from service.wire import trail as wire


async def given(
    identity: str, request: wire.ReviewRequest, state: AppState, recording: Recorder
) -> wire.Review:
    """Check that they may, and that there is such an explanation; then record it.

    Raises
    ------
    Forbidden, UnknownRecord, InvalidRequest
        If they may not, or it is about nothing.
    """
    records.check_reviewer(request.verdict, recording.principal.roles)
    find = partial(records.reviewed, state.store.database, identity, request)
    record, detail = await state.readers.run(find)
    facts = recording.drafting.review(record, request.verdict, detail)
    content = b'{"request":%b}' % request.model_dump_json(exclude_unset=True).encode()
    audit = await recording.record(Draft(facts, content))
    return records.said(facts, audit, request.comment)

"""What somebody says of an explanation, from wherever they say it."""

from __future__ import annotations

from functools import partial

from ifonly.service.audit import records
from ifonly.service.audit.recorder import Recorder
from ifonly.service.store.journal import Draft
from ifonly.service.store.kinds import RecordKind
from ifonly.service.wire import trail as wire


async def given(identity: str, request: wire.ReviewRequest, recorder: Recorder) -> wire.Review:
    """Check that they may, and that there is such an explanation; then record it.

    Raises
    ------
    Forbidden, UnknownRecord, InvalidRequest
        If they may not, or it is about nothing.
    """
    records.check_reviewer(request.verdict, recorder.principal.roles)
    runtime = recorder.runtime
    find = partial(
        records.reviewed, runtime.store.database, identity, request, recorder.principal.actor
    )
    record, detail = await runtime.readers.run(find)
    facts = recorder.drafting.said_of(RecordKind.REVIEW, record, request.verdict, detail)
    content = b'{"request":%b}' % request.model_dump_json(exclude_unset=True).encode()
    audit = await recorder.record(Draft(facts, content))
    return records.said(facts, audit, request.comment)

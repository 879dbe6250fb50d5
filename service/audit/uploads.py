"""A model that arrives: tried, recorded, then served."""

from __future__ import annotations

from typing import IO

import anyio.to_thread

from ifonly.service.audit.activations import check_scope, refused
from ifonly.service.audit.recorder import Recorder
from ifonly.service.errors import CannotUpload, Forbidden, ServiceError
from ifonly.service.served import uploads
from ifonly.service.served.uploads import Staged
from ifonly.service.store.chain import Facts
from ifonly.service.store.journal import Draft
from ifonly.service.store.kinds import RecordKind
from ifonly.service.wire import models as wire

UPLOADED = "uploaded"


async def take_in(archive: IO[bytes], recorder: Recorder, path: str) -> wire.UploadReply:
    """Try what was sent, record it, and have it served; in this order.

    Raises
    ------
    InvalidRequest, CannotUpload, Forbidden
        If it is not to be served; that is recorded too.
    """
    registry = recorder.runtime.registry
    try:
        # In a thread: unpacking and trying take seconds.
        found = await anyio.to_thread.run_sync(uploads.stage, registry, archive)
    except ServiceError as error:
        await refused(error, recorder, path)
        raise
    try:
        # The zip has the model's name, so only now is it known whether they may send it.
        check_scope(found.model.name, recorder.principal)
        # Recorded before it is served: no model may decide anything without a record of its coming.
        audit = await recorder.record(Draft(_uploaded(found, recorder)))
        await anyio.to_thread.run_sync(uploads.publish, registry, found)
    except (CannotUpload, Forbidden) as error:
        await refused(error, recorder, path)
        raise
    finally:
        await anyio.to_thread.run_sync(uploads.discard, found)
    deployed = found.model.deployed
    return wire.UploadReply(
        name=deployed.name,
        version=deployed.version,
        model_sha256=deployed.model_sha256,
        spec_sha256=deployed.spec_sha256,
        causal_sha256=deployed.causal_sha256 or None,
        zip_sha256=found.sha256,
        files=found.parcel.files,
        bytes=found.parcel.size,
        audit=audit,
    )


def _uploaded(found: Staged, recorder: Recorder) -> Facts:
    detail = {"zip_sha256": found.sha256, "files": found.parcel.files, "bytes": found.parcel.size}
    return recorder.drafting.facts(RecordKind.MODEL, found.model, status=UPLOADED, detail=detail)

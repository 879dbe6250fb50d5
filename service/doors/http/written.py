"""Wire types as replies."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from fastapi import Response

from ifonly.service.audit.recorder import Recorded
from ifonly.service.wire import jobs as wire
from ifonly.service.wire.base import Wire

JSON = "application/json"
OCTETS = "application/octet-stream"
RESPOND_ASYNC = "respond-async"


def written(
    reply: Wire, status: int = 200, headers: Mapping[str, str] | None = None, *, warns: bool = True
) -> Response:
    """``reply`` as JSON. ``warns``: not of values of another type than declared, for what was
    tampered with is shown as it was found."""
    body = reply.model_dump_json(by_alias=True, warnings=warns)
    # Not by FastAPI, which would validate and write the reply a second time.
    return Response(body, status, headers, JSON)


def recorded(answer: Recorded[Any]) -> Response:
    """What was answered, and where that is recorded."""
    return Response(answer.written(), media_type=JSON)


def attachment(name: str) -> dict[str, str]:
    """The header by which a browser keeps a reply as a file called ``name``."""
    return {"Content-Disposition": f'attachment; filename="{name}"'}


def kind_for(accept: str | None, kind: str) -> str:
    """What a reply of ``kind`` is called to whoever sent ``accept``: bytes, if they take those and
    know nothing of it (as clients that are made from the OpenAPI document)."""
    taken = {each.partition(";")[0].strip().lower() for each in (accept or "").split(",")}
    return OCTETS if OCTETS in taken and kind not in taken else kind


def prefers_async(prefer: str | None) -> bool:
    """Whether the header ``Prefer`` (RFC 7240) asks for a job instead of an answer."""
    # RFC 7240, 2: one header may hold several preferences, and unknown ones are ignored.
    wishes = (prefer or "").split(",")
    return any(wish.partition(";")[0].strip().lower() == RESPOND_ASYNC for wish in wishes)


def accepted(job: wire.Job) -> Response:
    """A job that was submitted just now."""
    # RFC 7240, 3: a client learns by this header that its preference was kept.
    headers = {"Location": job.links.self_, "Preference-Applied": RESPOND_ASYNC}
    return written(job, 202, headers)

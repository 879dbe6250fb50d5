"""No body is read beyond its limit."""

from __future__ import annotations

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from service.api.errors import BodyTooLarge, problem_response

BULK = "/bulk"
"""How the path of a request ends that may be longer."""


class BodyLimit:
    """ASGI middleware: refuses a body that says, or turns out, to be longer than the limit."""

    def __init__(self, app: ASGIApp, max_bytes: int, max_bulk_bytes: int | None = None) -> None:
        self._app = app
        self._max_bytes = max_bytes
        self._max_bulk_bytes = max_bulk_bytes or max_bytes

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        limit = self._max_bulk_bytes if scope["path"].endswith(BULK) else self._max_bytes
        declared = Headers(scope=scope).get("content-length", "")
        if declared.isdecimal() and int(declared) > limit:
            refusal = BodyTooLarge(int(declared), limit)
            response = problem_response(
                scope["path"], refusal.kind, refusal.detail, faults=refusal.faults
            )
            await _drain(receive, limit)
            await response(scope, receive, send)
            return
        await self._app(scope, _counted(receive, limit), send)


def _counted(receive: Receive, limit: int) -> Receive:
    """``receive`` that raises once more than the limit has come in."""
    total = 0

    async def counted() -> Message:
        nonlocal total
        message = await receive()
        total += len(message.get("body", b""))
        if total > limit:
            raise BodyTooLarge(None, limit)
        return message

    return counted


async def _drain(receive: Receive, max_bytes: int) -> None:
    """Take in, and drop, as much as any body may have: most clients read no answer before
    they have sent everything."""
    total = 0
    while total <= max_bytes:
        message = await receive()
        if message["type"] != "http.request" or not message.get("more_body", False):
            return
        total += len(message["body"])

"""No body is read beyond its limit, nor waited for beyond its time."""

from __future__ import annotations

import asyncio
from collections.abc import Mapping
from types import MappingProxyType

from starlette.datastructures import Headers
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ifonly.service.ask.problems import Refusal
from ifonly.service.doors.http.problems import BodyTooLarge, BodyTooSlow, answered

MAX_DIGITS = 20
"""Of a length that is read: no body has that many bytes."""


class BodyLimit:
    """ASGI middleware: refuses a body that says, or turns out, to be longer than the limit, and
    one that is not whole in time. ``longer``: how the paths end that may have other limits;
    ``streams``: those whose bodies are answered as they come, so that only each piece has its
    time."""

    def __init__(
        self,
        app: ASGIApp,
        max_bytes: int,
        longer: Mapping[str, int] = MappingProxyType({}),
        seconds: float = 30.0,
        streams: str = "/explanations/stream",
    ) -> None:
        self._app = app
        self._streams = streams
        self._max_bytes = max_bytes
        self._longer = longer
        self._seconds = seconds

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        limit = self._limit(scope)
        is_stream = scope["path"].endswith(self._streams)
        in_time = _in_time(receive, self._seconds, of_pieces=is_stream)
        declared = Headers(scope=scope).get("content-length", "")
        # Cut before int(), which raises on numbers of thousands of digits.
        if declared.isdecimal() and (length := int(declared[:MAX_DIGITS])) > limit:
            refusal: Refusal = BodyTooLarge(length, limit)
            try:
                await _drain(in_time, limit)
            except BodyTooSlow as slow:
                refusal = slow
            response = answered(refusal.problem, scope["path"])
            await response(scope, receive, send)
            return
        await self._app(scope, _counted(in_time, limit), send)

    def _limit(self, scope: Scope) -> int:
        for end, limit in self._longer.items():
            # By the path's end: middleware runs before the route is known.
            if scope["method"] == "POST" and scope["path"].endswith(end):
                return limit
        return self._max_bytes


def _in_time(receive: Receive, seconds: float, *, of_pieces: bool) -> Receive:
    """``receive`` that raises once the body should have been whole, or ``of_pieces`` the next
    piece; what comes after the body (that the client goes away) may take for ever."""
    # One end for the whole body: a limit for each part would never end a drip.
    by = asyncio.get_running_loop().time() + seconds
    whole = False

    async def timed() -> Message:
        nonlocal whole, by
        if whole:
            return await receive()
        if of_pieces:
            by = asyncio.get_running_loop().time() + seconds
        try:
            async with asyncio.timeout_at(by):
                message = await receive()
        except TimeoutError:
            raise BodyTooSlow(seconds) from None
        whole = not message.get("more_body", False)
        return message

    return timed


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
    # Whoever sends more than any body may have is cut off unheard.
    while total <= max_bytes:
        message = await receive()
        if message["type"] != "http.request" or not message.get("more_body", False):
            return
        total += len(message["body"])

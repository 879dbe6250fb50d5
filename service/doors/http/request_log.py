"""What surrounds every request: its id, its log line, and an answer when we fail."""

from __future__ import annotations

import random
import re
import time
from typing import Protocol

from starlette.datastructures import Headers, MutableHeaders
from starlette.requests import ClientDisconnect
from starlette.types import ASGIApp, Message, Receive, Scope, Send

from ifonly.service import logs
from ifonly.service.doors.http.problems import internal_error
from ifonly.service.tracing import Tracing

HEADER = "X-Request-ID"
_ACCEPTABLE = re.compile(r"[A-Za-z0-9._-]{1,128}")
# Not `uuid4`: asked for randomness, the kernel has the interpreter's lock let go of, and the event
# loop waits for it behind whoever computes. These need to differ, not to be hard to guess.
_bits = random.Random().getrandbits


class Replied(Protocol):
    """Is told of every reply: method, the route's template, status, seconds."""

    def __call__(self, method: str, route: str, status: int, seconds: float, /) -> None: ...


class RequestLog:
    """Outermost ASGI middleware. An id that the client sends is kept, if it is harmless."""

    def __init__(
        self, app: ASGIApp, replied: Replied | None = None, tracing: Tracing | None = None
    ) -> None:
        self._app = app
        self._replied = replied
        self._tracing = tracing or Tracing()

    async def __call__(self, scope: Scope, receive: Receive, send: Send) -> None:
        if scope["type"] != "http":
            await self._app(scope, receive, send)
            return
        headers = Headers(scope=scope)
        sent = headers.get(HEADER, "")
        # An id goes into logs and records: what could forge a line is replaced.
        identity = sent if _ACCEPTABLE.fullmatch(sent) else f"{_bits(128):032x}"
        with logs.of_request(identity):
            await self._answer(identity, headers, scope, receive, send)

    async def _answer(
        self, identity: str, headers: Headers, scope: Scope, receive: Receive, send: Send
    ) -> None:
        started, status = time.perf_counter(), 0
        scope.setdefault("state", {})["started"] = started

        async def send_with_id(message: Message) -> None:
            nonlocal status
            if message["type"] == "http.response.start":
                status = message["status"]
                MutableHeaders(scope=message)[HEADER] = identity
            await send(message)

        with self._tracing.request(scope["method"], headers) as said:
            try:
                await self._app(scope, receive, send_with_id)
            except ClientDisconnect:
                logs.logger.info("the client went away")
            except Exception as error:
                kind = type(error).__name__
                # Type and place only: a message may quote readings.
                logs.logger.error("failed: %s", logs.where(error), extra={"error": kind})
                logs.logger.debug("the failure's message", exc_info=error)
                if status:  # half of an answer is sent already: break it off, visibly
                    raise
                await internal_error(scope["path"])(scope, receive, send_with_id)
            finally:
                seconds = time.perf_counter() - started
                # At the end: only then is the route's template known.
                said(_route(scope), status or 500)
                _log(scope, status, seconds)
                if self._replied is not None:
                    self._replied(scope["method"], _route(scope), status, seconds)


# A path in a label or span would be a series for each id that was ever asked.
def _route(scope: Scope) -> str:
    """Its template, never its path."""
    return getattr(scope.get("route"), "path_format", "none")


def _log(scope: Scope, status: int, seconds: float) -> None:
    """One line a request: never its query, its body or its reply."""
    fields = {
        "method": scope["method"],
        "path": scope["path"],
        "status": status,
        "milliseconds": round(seconds * 1000, 1),
    }
    level = logs.logger.debug if scope["path"].startswith("/healthz/") else logs.logger.info
    # Escaped: a newline in a path must not begin a line of its own.
    shown = fields | {name: logs.escaped(scope[name]) for name in ("method", "path")}
    level("%(method)s %(path)s %(status)s in %(milliseconds)s ms", shown, extra=fields)

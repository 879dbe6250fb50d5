"""Connections that are closed on whoever does not say what they want (slow loris)."""

from __future__ import annotations

import asyncio
from collections.abc import Callable
from typing import Any

from uvicorn.protocols.http.httptools_impl import HttpToolsProtocol

HEAD_SECONDS = 10.0
"""A request's head has to be whole by then; from the connection's start, or its first byte."""
MAX_HEAD_BYTES = 65_536
"""Request line and headers together, give or take what comes at once."""


MAX_CONNECTIONS = 800
FULL = (
    b"HTTP/1.1 503 Service Unavailable\r\nRetry-After: 1\r\nContent-Length: 0\r\n"
    b"Connection: close\r\n\r\n"
)
"""What the one too many is told, whatever it asks: nothing of it is read."""


class PatientOnlySoLong(HttpToolsProtocol):
    """uvicorn's own, which waits for a head for ever and for as many as come, with an end to both.

    ``most``: connections of the process. ``noted`` is told how many there are whenever
    that changes.

    Between requests uvicorn's ``timeout_keep_alive`` counts; for bodies see
    :class:`ifonly.service.doors.http.limits.BodyLimit`.
    """

    head_seconds = HEAD_SECONDS

    def __init__(
        self,
        *arguments: Any,
        most: int = MAX_CONNECTIONS,
        noted: Callable[[int], None] | None = None,
        **options: Any,
    ) -> None:
        super().__init__(*arguments, **options)
        self._most = most
        self._noted = noted
        self._head_due: asyncio.TimerHandle | None = None
        self._head_bytes = 0

    def connection_made(self, transport: asyncio.Transport) -> None:  # type: ignore[override]
        super().connection_made(transport)
        self._await_head()
        self._note()
        # uvicorn has added this one to its set above, so the set is the count.
        if len(self.connections) > self._most:
            transport.write(FULL)
            transport.close()

    def connection_lost(self, exc: Exception | None) -> None:
        self._has_head()
        super().connection_lost(exc)
        self._note()

    def _note(self) -> None:
        if self._noted is not None:
            self._noted(len(self.connections))

    def data_received(self, data: bytes) -> None:
        super().data_received(data)
        # None: the head is whole, and what comes is a body.
        if self._head_due is None or self.transport.is_closing():
            return
        self._head_bytes += len(data)
        if self._head_bytes > MAX_HEAD_BYTES:
            self.send_400_response("The head of the request is too long.")

    def on_message_begin(self) -> None:
        super().on_message_begin()
        # A later request on the same connection: its head has its time, too.
        if self._head_due is None:
            self._await_head()

    def on_headers_complete(self) -> None:
        self._has_head()
        super().on_headers_complete()

    def _await_head(self) -> None:
        self._head_bytes = 0
        self._head_due = self.loop.call_later(self.head_seconds, self._give_up)

    def _has_head(self) -> None:
        if self._head_due is not None:
            self._head_due.cancel()
            self._head_due = None

    def _give_up(self) -> None:
        self._head_due = None
        if not self.transport.is_closing():
            self.transport.close()

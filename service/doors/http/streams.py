"""Server-sent events: what is told as often as it changes, to whoever may still hear it."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import AsyncIterator, Awaitable, Callable
from typing import TypeVar

from fastapi import Response
from fastapi.sse import EventSourceResponse, format_sse_event

from ifonly.service.doors.http.authentication import Admitted
from ifonly.service.errors import Overloaded

T = TypeVar("T")

SILENCE_SECONDS = 15.0
"""After which a listener is told that we are still there."""
STILL_THERE = format_sse_event(comment="still there")


def streamed(events: AsyncIterator[bytes]) -> Response:
    """``events``, each as :func:`fastapi.sse.format_sse_event` writes it; no proxy keeps them."""
    # nginx keeps a reply until it is long enough unless X-Accel-Buffering says no.
    unkept = {"Cache-Control": "no-store", "X-Accel-Buffering": "no"}
    return EventSourceResponse(events, headers=unkept)


async def changes(
    look: Callable[[], Awaitable[T]],
    told: T | None,
    seconds: float,
    closing: asyncio.Event,
    admitted: Admitted,
) -> AsyncIterator[T | None]:
    """What ``look`` finds every ``seconds``, each time that it differs from what was ``told``
    before; None after each 15 s of silence. Ends when the process is told to stop, or when whoever
    listens may no more."""
    silent = 0.0
    while not closing.is_set() and await admitted.still():
        found = told
        with contextlib.suppress(Overloaded):  # then at the next look
            found = await look()
        if found != told:
            told, silent = found, 0.0
            yield found
        elif silent >= SILENCE_SECONDS:
            silent = 0.0
            yield None
        # Woken by the end of the process: a stop does not wait for listeners.
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(closing.wait(), seconds)
        silent += seconds

"""Streams that have no end of their own end when the service is told to."""

from __future__ import annotations

import asyncio
import signal
import threading
from collections.abc import Iterator
from contextlib import contextmanager
from types import FrameType

SIGNALS = (signal.SIGINT, signal.SIGTERM)


@contextmanager
def closing() -> Iterator[asyncio.Event]:
    """An event that is set as soon as the process is told to stop.

    The server waits for replies under way before it lets the application clean up: a stream that
    waited for that would keep it waiting. Whatever else a signal does it does still.
    """
    event = asyncio.Event()
    loop = asyncio.get_running_loop()
    # Only a main thread may take signals.
    if threading.current_thread() is not threading.main_thread():
        yield event
        event.set()
        return
    before = {number: signal.getsignal(number) for number in SIGNALS}

    def tell(number: int, frame: FrameType | None) -> None:
        loop.call_soon_threadsafe(event.set)
        handler = before[signal.Signals(number)]
        if callable(handler):
            handler(number, frame)

    for number in SIGNALS:
        signal.signal(number, tell)
    try:
        yield event
    finally:
        event.set()
        for number, handler in before.items():
            signal.signal(number, handler)

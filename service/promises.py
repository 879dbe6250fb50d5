"""Futures of work that is done whoever still waits for it."""

from __future__ import annotations

from concurrent.futures import Future
from typing import TypeVar

T = TypeVar("T")


def promised() -> Future[T]:
    """A future that whoever waits for it cannot cancel.

    ``asyncio.wrap_future`` hands a task's cancellation on to the future it waits for. What is
    under way is done all the same, others may wait for it too, and the thread that does it would
    end: a future that was cancelled takes no result.
    """
    future: Future[T] = Future()
    future.set_running_or_notify_cancel()
    return future

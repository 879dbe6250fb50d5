"""What the routes of one application share, and how they reach it."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Annotated, TypeVar

import anyio
import anyio.to_thread
from fastapi import Depends, Request

from service.api.oidc import Issuer
from service.errors import Overloaded
from service.registry import Registry
from service.settings import Settings
from service.store.opened import Store

T = TypeVar("T")


class Workers:
    """Threads that answer questions, so that the event loop only shuffles bytes.

    Counts who is inside: the one thing here that changes, and only on the event loop.
    """

    def __init__(self, threads: int, max_waiting: int) -> None:
        self._limiter = anyio.CapacityLimiter(threads)
        self._room = threads + max_waiting
        self._threads = threads
        self._inside = 0

    @property
    def waiting(self) -> int:
        """Questions that have no thread yet."""
        return max(0, self._inside - self._threads)

    async def run(self, answer: Callable[[], T]) -> T:
        """Run ``answer`` in one of the threads.

        Raises
        ------
        Overloaded
            If too many wait for a thread already.
        """
        if self._inside >= self._room:
            raise Overloaded(self.waiting)
        self._inside += 1
        try:
            return await anyio.to_thread.run_sync(answer, limiter=self._limiter)
        finally:
            self._inside -= 1


@dataclass(frozen=True)
class State:
    """Made when the application starts."""

    settings: Settings
    registry: Registry
    workers: Workers
    store: Store
    readers: Workers
    """Threads that read the store: not those that answer questions."""
    auditors: Workers
    """Threads for what reads the whole store."""
    wake: Callable[[], None]
    """Tells those who answer rows of jobs that there are some."""
    issuer: Issuer | None
    """Of tokens that are accepted beside API keys."""


def _state(request: Request) -> State:
    state = request.app.state.ifonly
    assert isinstance(state, State)
    return state


Shared = Annotated[State, Depends(_state)]

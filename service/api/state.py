"""What the routes of one application share, and how they reach it."""

from __future__ import annotations

import asyncio
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, Any, TypeVar

import anyio
import anyio.to_thread
from fastapi import Depends, Request

from explainers.watch import Watch
from service.access import Scope
from service.api.looks import Looks
from service.api.oidc import Issuer
from service.api.rates import Rates
from service.errors import Overloaded
from service.metrics import Metrics
from service.predictor_host import PredictorHost
from service.registry import Registry
from service.settings import Settings
from service.store.opened import Store
from service.store.sequencer import Sequencer
from service.transparency.signing import Signer
from service.transparency.verifier import VerifierKey

T = TypeVar("T")

PATIENCE_SECONDS = 0.05
"""After which a question is a slow one."""


class Workers:
    """Threads that answer questions, so that the event loop only shuffles bytes.

    A question that takes longer than ``patience`` seconds goes on as a slow one, if there is
    room for another (``slow``), and leaves its place to those that wait: a proof that takes
    seconds does not hold up what takes milliseconds. All that changes does so on the event loop.
    """

    def __init__(
        self, threads: int, max_waiting: int, slow: int = 0, patience: float = PATIENCE_SECONDS
    ) -> None:
        self._limiter = anyio.CapacityLimiter(threads + slow)
        self._room = threads + slow + max_waiting
        self._quick = asyncio.Semaphore(threads)
        self._slow = asyncio.Semaphore(slow)
        self._patience = patience
        self._inside = 0
        self._waiting = 0

    @property
    def waiting(self) -> int:
        """Questions that have no thread yet."""
        return self._waiting

    async def run(self, answer: Callable[[], T], patience: float = math.inf) -> T:
        """Run ``answer`` in one of the threads.

        Raises
        ------
        Overloaded
            If too many wait for a thread already, or none is free for ``patience`` seconds.
        """
        if self._inside >= self._room:
            raise Overloaded(self.waiting)
        self._inside += 1
        self._waiting += 1
        try:
            async with asyncio.timeout(None if patience == math.inf else patience):
                await self._quick.acquire()
        except TimeoutError:
            self._inside -= 1
            raise Overloaded(self.waiting) from None
        except BaseException:
            self._inside -= 1
            raise
        finally:
            self._waiting -= 1
        place = _Place(self._quick)
        task = asyncio.ensure_future(anyio.to_thread.run_sync(answer, limiter=self._limiter))
        # When the thread is done, not when the client has gone away.
        task.add_done_callback(lambda done: self._leave(place, done))
        while place.lane is self._quick:
            done, _ = await asyncio.wait([task], timeout=self._patience)
            if done:
                return task.result()
            if not self._slow.locked():
                await self._slow.acquire()
                place.move(self._slow)
        return await asyncio.shield(task)

    def _leave(self, place: _Place, done: asyncio.Future[Any]) -> None:
        place.lane.release()
        self._inside -= 1
        if not done.cancelled():
            done.exception()  # somebody has looked, also if nobody waits for it any more


class _Place:
    """Where a question is: among the quick ones, or the slow ones."""

    def __init__(self, lane: asyncio.Semaphore) -> None:
        self.lane = lane

    def move(self, lane: asyncio.Semaphore) -> None:
        self.lane.release()
        self.lane = lane


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
    parsers: Workers
    """A thread that reads bodies which would hold up the event loop."""
    metrics: Metrics
    watch: Watch
    """Measures the stages of a request."""
    rates: Rates
    """How often who may ask."""
    wake: Callable[[], None]
    """Tells those who answer rows of jobs that there are some."""
    looks: Looks
    """Who looked at what within the last minute."""
    issuer: Issuer | None
    """Of tokens that are accepted beside API keys."""
    sequencer: Sequencer | None = None
    """Has heads of the log signed; None: another process does."""
    witness: tuple[Signer | None, Sequence[VerifierKey]] = (None, ())
    """Who cosigns heads of which other logs."""
    predictor: PredictorHost | None = None
    """Confirms what KServe's clients are answered."""

    def within(self, scope: Scope) -> State:
        """The same with the models and the records that somebody of that scope may see, and no
        others: no route has to think of it."""
        if scope.is_everything:
            return self
        database = replace(self.store.database, scope=scope)
        store = replace(self.store, database=database)
        return replace(self, registry=self.registry.within(scope), store=store)


def state_of(request: Request) -> State:
    """What a request is given: no more than whoever asks may see."""
    state = request.app.state.ifonly
    assert isinstance(state, State)
    principal = getattr(request.state, "principal", None)  # of a public route none is known
    return state if principal is None else state.within(principal.scope)


async def _state(request: Request) -> State:  # FastAPI would run a plain function in a thread
    return state_of(request)


Shared = Annotated[State, Depends(_state)]

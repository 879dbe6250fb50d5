"""The state of one application, and how its routes reach it."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Annotated, TypeVar

from fastapi import Depends, Request

from explainers.watch import Watch
from service.access import Scope
from service.audit.looks import Looks
from service.doors.http.oidc import Issuer
from service.metrics import Metrics
from service.scheduling.admission import Floor
from service.scheduling.rate_limit import Rates
from service.scheduling.search_quota import Shares
from service.scheduling.time_slices import Turns
from service.scheduling.worker_pools import Workers
from service.served.predictor_host import PredictorHost
from service.served.registry import Registry
from service.settings import Settings
from service.store.opened import Store
from service.store.sequencer import Sequencer
from service.transparency.signing import Signer
from service.transparency.verifier import VerifierKey

T = TypeVar("T")


@dataclass(frozen=True)
class AppState:
    """What the routes of one application share, made when it starts."""

    settings: Settings
    registry: Registry
    workers: Workers
    """Threads that explain."""
    quick: Workers
    """Threads that predict, whatever is being explained."""
    previews: Workers
    """Threads of what-ifs and of planes."""
    store: Store
    readers: Workers
    """Threads that read the store: not those that answer questions."""
    auditors: Workers
    """Threads for what reads the whole store."""
    parsers: Workers
    """A thread that reads bodies which would hold up the event loop."""
    door: Workers
    """Threads that ask who somebody is, of the store or of an issuer, before they are known."""
    outside: Workers
    """Threads that ask the issuer to let somebody in."""
    metrics: Metrics
    watch: Watch
    """Measures the stages of a request."""
    rates: Rates
    """How often who may ask."""
    floor: Floor
    """Whose requests are under way."""
    turns: Turns
    """Whose hard search runs."""
    shares: Shares
    """How much may be searched for whom."""
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

    async def previewed(self, look: Callable[[], T]) -> T:
        """``look``, a short question that leaves no record, in a thread.

        Raises
        ------
        Overloaded
            If none is free.
        """
        with self.turns.brief():
            return await self.previews.run(look)

    def within(self, scope: Scope) -> AppState:
        """The same with the models and the records that somebody of that scope may see, and no
        others: no route has to think of it."""
        if scope.is_everything:
            return self
        database = replace(self.store.database, scope=scope)
        store = replace(self.store, database=database)
        return replace(self, registry=self.registry.within(scope), store=store)


def state_of(request: Request) -> AppState:
    """What a request is given: no more than whoever asks may see."""
    state = request.app.state.ifonly
    assert isinstance(state, AppState)
    principal = getattr(request.state, "principal", None)  # of a public route none is known
    return state if principal is None else state.within(principal.scope)


async def _state(request: Request) -> AppState:  # FastAPI would run a plain function in a thread
    return state_of(request)


Shared = Annotated[AppState, Depends(_state)]

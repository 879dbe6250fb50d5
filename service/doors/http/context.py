"""What is known of a request: filled on its way (:mod:`.request_path`), read by its route."""

from __future__ import annotations

import asyncio
from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Annotated

from fastapi import Depends, Request

from ifonly.service.access import Principal
from ifonly.service.audit.drafts import Drafting
from ifonly.service.audit.recent_accesses import RecentAccesses
from ifonly.service.audit.recorder import Recorder
from ifonly.service.audit.runtime import Runtime
from ifonly.service.doors.demonstration import Demonstration
from ifonly.service.scheduling.admission import AdmissionQueue
from ifonly.service.scheduling.open_streams import OpenStreams
from ifonly.service.scheduling.rate_limit import Rates
from ifonly.service.scheduling.worker_pools import Workers
from ifonly.service.served.registry import ServedModel
from ifonly.service.store.idempotency import Named
from ifonly.service.transparency.signing import Signer
from ifonly.service.transparency.verifier import VerifierKey

if TYPE_CHECKING:  # as `doors.by_settings` says: imported where a setting names them
    from ifonly.service.doors.http.oidc import Issuer


@dataclass(frozen=True, kw_only=True)
class AppState(Runtime):
    """What the routes of one application share, made when it starts."""

    parsers: Workers
    """A thread that reads bodies which would hold up the event loop."""
    door: Workers
    """Threads that ask who somebody is, of the store or of an issuer, before they are known."""
    outside: Workers
    """Threads that ask the issuer to let somebody in."""
    rates: Rates
    """How often who may ask."""
    admission: AdmissionQueue
    """Whose requests are under way."""
    accesses: RecentAccesses
    """Who looked at what within the last minute."""
    streams: OpenStreams
    """Rows that are answered as they come."""
    closing: asyncio.Event
    """Set once the process is told to stop."""
    issuer: Issuer | None
    """Of tokens that are accepted beside API keys."""
    demonstration: Demonstration | None = None
    """The simulated machines; None: a service that has accounts, or several processes, has none."""
    witness: tuple[Signer | None, Sequence[VerifierKey]] = (None, ())
    """Who cosigns heads of which other logs."""
    """Confirms what KServe's clients are answered."""


@dataclass(slots=True)
class Context:
    """One request, as far as it was understood."""

    state: AppState
    """What whoever asks may see, once it is known who does."""
    started: float
    """By ``time.perf_counter``."""
    principal: Principal | None = None
    """Who asks; None: of a public route, or before it is known."""
    body: bytes = b""
    """As it was sent, unpacked."""
    named: Named | None = None
    """What its client calls it."""
    model: ServedModel | None = None
    """That it is about, where its path names none."""

    @classmethod
    def begun(cls, request: Request) -> Context:
        """That of a request of which nothing was read."""
        context = cls(application(request), request.state.started)
        request.state.context = context
        return context

    def admit(self, principal: Principal) -> None:
        """It is ``principal`` who asks: from now on they see what is within their scope."""
        self.principal = principal
        # Narrowed once for the whole request, so that no route can forget a scope.
        self.state = self.state.within(principal.scope)

    def recorder(self, about: str | None = None, about_us: int | None = None) -> Recorder:
        """Records for it; ``about``: the record that they are about, of ``about_us``."""
        assert self.principal is not None  # what is public is not recorded here
        drafting = Drafting(self.principal, self.started, about, about_us)
        return Recorder(self.state, drafting, self.named)


def application(request: Request) -> AppState:
    """All of it, whoever asks."""
    state = request.app.state.ifonly
    assert isinstance(state, AppState)
    return state


def context_of(request: Request) -> Context:
    """What is known of ``request``; of a route for everybody, nothing."""
    context = getattr(request.state, "context", None)
    return context if isinstance(context, Context) else Context.begun(request)


async def _state(request: Request) -> AppState:  # FastAPI would run a plain function in a thread
    return context_of(request).state


async def _recorder(request: Request) -> Recorder:
    return context_of(request).recorder()


Shared = Annotated[AppState, Depends(_state)]
Recording = Annotated[Recorder, Depends(_recorder)]

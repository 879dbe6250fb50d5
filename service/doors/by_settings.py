"""Parts of the application that settings ask for, or leave out."""

from __future__ import annotations

import asyncio
import contextlib
from collections.abc import Callable, Iterator
from contextlib import AbstractAsyncContextManager
from typing import TYPE_CHECKING

import anyio.to_thread
from fastapi import FastAPI

from ifonly.service import logs
from ifonly.service.doors.demonstration import Demonstration
from ifonly.service.errors import GrpcUnavailable, StoreUnavailable
from ifonly.service.metrics import Metrics
from ifonly.service.scheduling.worker_pools import Workers
from ifonly.service.settings import Settings
from ifonly.service.store.journal import Observer
from ifonly.service.store.opened import Store, opened_by
from ifonly.service.store.rates import Rate, SearchShare
from ifonly.service.store.translog import StoredHead

if TYPE_CHECKING:
    from ifonly.service.doors.http.oidc import Issuer
    from ifonly.service.doors.pages.accounts import Accounts
    from ifonly.service.sending.sender import Sender

KEPT = 4
"""Threads that explain for those who have none: so many keys may take all others."""
AGAIN_SECONDS = 1.0
"""Between two tries to open a store that is away."""

# What asks other machines is imported where a setting names one, and then before the process is
# ready: clients of HTTP, tokens and time stamps are an eighth of what a start imports.


@contextlib.contextmanager
def vouching(settings: Settings, store: Store) -> Iterator[Callable[[StoredHead], None] | None]:
    """Whom to tell of signed heads; None: nobody vouches for them.

    Raises
    ------
    NoLogKey
        If the settings cannot be used.
    """
    if not (settings.audit_witnesses or settings.audit_tsa_url or settings.audit_tsa_roots):
        yield None
        return
    from ifonly.service.audit import cosigning

    with cosigning.vouching(settings, store) as signed:
        yield signed


def issuer_of(settings: Settings) -> Issuer | None:
    """Of the plant's accounts' tokens, if there is one."""
    if not settings.oidc_issuer:
        return None
    from ifonly.service.doors.http.oidc import Issuer

    return Issuer.of(settings)


def accounts_of(settings: Settings) -> Accounts | None:
    """With which one signs in to the pages, if that is set up."""
    if not settings.oidc_client_id:
        return None
    from ifonly.service.doors.pages.accounts import Accounts

    return Accounts.of(settings)


def demonstration_of(settings: Settings, is_over: Callable[[], bool]) -> Demonstration | None:
    """Simulated machines are for whoever tries the service alone: one with accounts is a plant's,
    and of several processes only one would know of them."""
    is_tried = settings.no_auth and settings.processes == 1
    return Demonstration(is_over) if is_tried else None


def sender_of(settings: Settings, store: Store, metrics: Metrics) -> Sender | None:
    """Who sends events and webhooks, if there may be any.

    Raises
    ------
    SinkUnavailable
        If the settings name a sink or a secret that cannot be used.
    """
    if settings.event_sink is None and not settings.webhook_patterns:
        return None
    from ifonly.service.sending.sender import Sender

    return Sender(store, settings, metrics)


Remote = Callable[[FastAPI, Settings], AbstractAsyncContextManager[object]]


def grpc_of(settings: Settings) -> Remote:
    """What answers the same routes over gRPC, if a setting says where.

    Raises
    ------
    GrpcUnavailable
        If what it needs is not installed.
    """
    if settings.grpc_port is None:
        return lambda app, settings: contextlib.nullcontext()
    try:
        from ifonly.service.doors.open_inference import rpc
    except ImportError:
        raise GrpcUnavailable("IFONLY_GRPC_PORT needs: pip install 'ifonly[grpc]'") from None
    return rpc.serving


def rate_of(settings: Settings) -> Rate | None:
    """How often one may ask; None: as often as they like."""
    if not settings.rate_per_second:
        return None
    return Rate(settings.rate_per_second, settings.rate_burst)


def share_of(settings: Settings) -> SearchShare | None:
    """How much may be searched for whom; None: any amount. Without accounts there is one actor."""
    if settings.no_auth or not settings.share_search_per_second:
        return None
    return SearchShare(settings.share_search_per_second, settings.share_search_burst)


def explaining(settings: Settings) -> Workers:
    """Threads that explain."""
    return Workers(
        settings.workers,
        settings.max_waiting,
        settings.slow_workers,
        kept=KEPT,
        most_each=0 if settings.no_auth else settings.share_questions,
    )


async def store_opened(
    settings: Settings,
    observer: Observer,
    stack: contextlib.ExitStack,
    over: asyncio.Event | None,
) -> Store:
    """The store, until ``stack`` ends; ``over``: until then it is tried again while it is away."""
    while True:
        try:
            opening = opened_by(settings, observer=observer)
            return await anyio.to_thread.run_sync(stack.enter_context, opening)
        except StoreUnavailable as error:
            # A first start fails at once: somebody is there to read why.
            if over is None or over.is_set():
                raise
            logs.logger.warning("the store is away, and is tried again: %s", error)
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(over.wait(), AGAIN_SECONDS)

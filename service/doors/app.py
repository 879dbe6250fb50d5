"""The application: routes, middleware, and what runs beside the requests."""

from __future__ import annotations

import asyncio
import contextlib
import math
import signal
import time
from collections.abc import AsyncIterator, Callable, Coroutine, Iterator
from contextlib import AbstractAsyncContextManager
from functools import partial
from pathlib import Path
from typing import TYPE_CHECKING, Any

import anyio.to_thread
from fastapi import FastAPI

from ifonly.models.onnx.watchdog import watchdog
from ifonly.service import logs
from ifonly.service.ask.warming import warm
from ifonly.service.audit.experiments.started import stop_by_guards
from ifonly.service.audit.recent_accesses import RecentAccesses
from ifonly.service.audit.registered_experiments import RunningExperiments
from ifonly.service.audit.trust_root import sequencing, witness_of
from ifonly.service.doors import kserve, mlflow
from ifonly.service.doors.demonstration import Demonstration
from ifonly.service.doors.events import routes as events
from ifonly.service.doors.events.sorting import Sorter
from ifonly.service.doors.http import (
    alarms,
    audit,
    document,
    experiments,
    follow_up,
    health,
    jobs,
    log,
    openapi,
    problems,
    routes,
    samples,
    staging,
    stewarding,
    streaming,
    uploading,
    witness,
)
from ifonly.service.doors.http import metrics as scraped
from ifonly.service.doors.http.context import AppState
from ifonly.service.doors.http.hosts import Hosts, KnownHosts
from ifonly.service.doors.http.limits import BodyLimit
from ifonly.service.doors.http.request_log import RequestLog
from ifonly.service.doors.http.shutdown import closing
from ifonly.service.doors.open_inference import routes as open_inference
from ifonly.service.doors.pages import request_path as pages
from ifonly.service.doors.pages.cookies import Cookies
from ifonly.service.doors.pages.failures import Failures
from ifonly.service.doors.pages.headers import SafeHeaders
from ifonly.service.doors.pages.remedy_memory import RemedyMemory
from ifonly.service.doors.pages.routers import ROUTERS
from ifonly.service.doors.pages.strangers import Strangers
from ifonly.service.doors.pages.visit import Pages
from ifonly.service.errors import GrpcUnavailable, StoreUnavailable
from ifonly.service.jobs.workers import JobWorkers
from ifonly.service.metrics import Metrics
from ifonly.service.scheduling.admission import AdmissionQueue
from ifonly.service.scheduling.open_streams import OpenStreams
from ifonly.service.scheduling.presence import Presence
from ifonly.service.scheduling.rate_limit import Rates
from ifonly.service.scheduling.search_quota import Shares
from ifonly.service.scheduling.time_slices import Turns
from ifonly.service.scheduling.worker_pools import Workers
from ifonly.service.served import uploads
from ifonly.service.served.registry import Registry
from ifonly.service.settings import Settings, ifonly_version
from ifonly.service.store.journal import Observer
from ifonly.service.store.opened import Store, opened_by
from ifonly.service.store.rates import Rate, SearchShare
from ifonly.service.store.retention import Kept, forget
from ifonly.service.store.sessions import signing_secret
from ifonly.service.store.translog import StoredHead
from ifonly.service.tracing import Stages, tracing

if TYPE_CHECKING:
    from ifonly.service.doors.http.oidc import Issuer
    from ifonly.service.doors.pages.accounts import Accounts
    from ifonly.service.sending.sender import Sender

FORGET_SECONDS = 3_600.0
FORGET_PAUSE_SECONDS = 0.2
"""Between two pieces: answers are recorded meanwhile."""
AGAIN_SECONDS = 1.0
"""Between two tries to open a store that is away."""
SEARCHING_SHARE = 0.7
"""Of the time that requests under way have to finish once the process is told to stop."""
READERS = 4
"""Threads that read the store; with the one that writes, well below its connections."""
COMPARED_AFTER_SECONDS = 5.0
"""After which a model that was just loaded is compared with its predictor, at the latest."""
COMPARED_SOONER = 10
"""How many times as often predictors are compared while one differs, or is away."""
KEPT = 4
"""Threads that explain for those who have none: so many keys may take all others."""
DOORKEEPERS, MOST_AT_DOOR = 2, 256
"""Threads that find out who somebody is, and who may wait for them."""


def create_app(
    settings: Settings | None = None,
    registry: Registry | None = None,
    *,
    waits_for_store: bool = False,
    presence: Presence | None = None,
) -> FastAPI:
    """The service as an ASGI application.

    ``registry`` is one that is loaded already; without it, the folder that the settings name is
    loaded when the application starts, and nothing to serve keeps it from starting.
    ``waits_for_store``: nor does a store that is away; it is tried again until the process is told
    to stop. For one that takes the place of another: that the store was there once is known.
    ``presence``: who asks, if other processes answer beside this one.
    """
    settings = settings or Settings()
    metrics = Metrics()
    traces = tracing(settings, ifonly_version())
    watch = Stages(metrics, traces)
    remote = grpc_of(settings)

    @contextlib.asynccontextmanager
    async def lifespan(app: FastAPI) -> AsyncIterator[None]:
        models = registry
        if models is None:
            models = Registry.of(settings, warm=warm)
            await anyio.to_thread.run_sync(models.load)
        with contextlib.ExitStack() as stack:
            # Closed in the opposite order: what is opened first is used by all that follows.
            stack.callback(models.close)
            stack.callback(metrics.close)
            stack.callback(traces.close)
            told = stack.enter_context(closing())
            over = told if waits_for_store else None
            store = await _opened(settings, metrics.committed, stack, over)
            # The signer tells the vouchers of each head, so they exist first.
            signed = stack.enter_context(vouching(settings, store))
            signing = sequencing(settings, store, signed)
            sequencer = await anyio.to_thread.run_sync(stack.enter_context, signing)
            shares = Shares(store.database, store.journal, share_of(settings))
            turns = Turns(settings.hard_searches, shares.charge)
            stack.callback(turns.stop)
            job_workers = JobWorkers(store, models, settings, turns, traces)
            app.state.ifonly = AppState(
                settings=settings,
                registry=models,
                closing=told,
                workers=explaining(settings),
                quick=Workers(settings.workers, settings.max_waiting, settings.workers, kept=1),
                previews=Workers(1, settings.max_waiting, 1, kept=1),
                store=store,
                readers=Workers(READERS, settings.max_waiting),
                # max_waiting 0 refuses a second one: the first may read for minutes.
                auditors=Workers(threads=1, max_waiting=0),
                parsers=Workers(threads=1, max_waiting=settings.max_waiting),
                door=Workers(DOORKEEPERS, MOST_AT_DOOR),
                outside=Workers(DOORKEEPERS, settings.max_waiting),
                metrics=metrics,
                watch=watch,
                tracing=traces,
                rates=Rates(store.journal, rate_of(settings)),
                admission=AdmissionQueue(presence),
                turns=turns,
                shares=shares,
                experiments=RunningExperiments(store.database),
                wake=job_workers.wake,
                accesses=RecentAccesses(),
                streams=OpenStreams(settings.max_streams),
                issuer=issuer_of(settings),
                sequencer=sequencer,
                demonstration=demonstration_of(settings, told.is_set),
                witness=witness_of(settings),
            )
            secret = partial(signing_secret, store.database, store.journal)
            cookies = Cookies(await anyio.to_thread.run_sync(secret))
            accounts = accounts_of(settings)
            app.state.pages = Pages(
                settings, cookies, accounts, Failures(), Strangers(), RemedyMemory()
            )
            if settings.no_auth:
                logs.logger.warning("no accounts: whoever reaches %s may do all", settings.host)
            kept = Kept(settings.keep_jobs_days, settings.keep_idempotency_days)
            clean = _beside(_forget(store, kept, models.root))
            ending = _ending(told, turns, settings.shutdown_seconds)
            refreshing = _refreshing(models, settings.refresh_seconds)
            sorter = Sorter(app.state.ifonly) if settings.job_threads else None
            sender = sender_of(settings, store, metrics)
            guarding = _beside(_guard(app.state.ifonly, settings.experiment_guard_seconds))
            comparing = _beside(_compare(models, metrics, settings.predictor_compare_seconds))
            async with refreshing, clean, ending, guarding, comparing, remote(app, settings):
                job_workers.start()
                if sorter is not None:  # else another process does the work
                    sorter.start()
                if sender is not None:
                    sender.start()
                try:
                    yield
                finally:
                    if app.state.ifonly.demonstration is not None:
                        app.state.ifonly.demonstration.stop()
                    if sorter is not None:
                        await anyio.to_thread.run_sync(sorter.stop)
                    if sender is not None:
                        await anyio.to_thread.run_sync(sender.stop)
                    # Searches end first: a thread that searches cannot be joined.
                    turns.stop()
                    watchdog.stop_all()  # nobody waits any more for what the graphs say
                    await anyio.to_thread.run_sync(job_workers.stop)

    app = openapi.Service(
        with_accounts=not settings.no_auth,
        title="ifonly",
        summary="The smallest change that would have flipped a deployed model's decision.",
        description=openapi.DESCRIPTION,
        version=ifonly_version(),
        # Short names: clients that are made from the document call their methods so.
        generate_unique_id_function=lambda route: route.name,
        servers=[{"url": settings.public_url or "/"}],
        license_info={"name": "Apache-2.0", "identifier": "Apache-2.0"},
        openapi_tags=openapi.TAGS,
        # The stock pages fetch their scripts from a network that a plant does not have.
        docs_url=None,
        redoc_url=None,
        openapi_url=None,  # a route of ours, which refuses what it does not know
        redirect_slashes=False,
        lifespan=lifespan,
    )
    app.include_router(routes.asking)  # looked at first: what is asked most
    app.include_router(routes.router)
    app.include_router(stewarding.router)
    app.include_router(jobs.asking)
    app.include_router(streaming.asking)
    app.include_router(jobs.router)
    app.include_router(audit.router)
    app.include_router(samples.router)
    app.include_router(follow_up.router)
    app.include_router(follow_up.together)
    app.include_router(experiments.router)
    app.include_router(alarms.router)
    app.include_router(alarms.together)
    app.include_router(log.router)
    app.include_router(witness.router)
    app.include_router(kserve.router)
    app.include_router(kserve.asking)
    app.include_router(open_inference.public)
    app.include_router(open_inference.router)
    app.include_router(open_inference.asking)
    app.include_router(open_inference.indexing)
    app.include_router(mlflow.public)
    app.include_router(mlflow.asking)
    app.include_router(events.router)
    app.include_router(events.letters)
    app.include_router(uploading.router)
    app.include_router(staging.router)
    app.include_router(health.front)
    app.include_router(health.router)
    app.include_router(scraped.router)
    app.include_router(document.router)
    for router in ROUTERS:
        app.include_router(router)
    problems.install(app)
    pages.install(app)
    app.add_middleware(
        BodyLimit,
        max_bytes=settings.max_body_bytes,
        longer={
            "/bulk": settings.max_job_bytes,
            "/explanations/stream": settings.max_stream_bytes,
            "/models": settings.max_upload_bytes,
            "/staged": settings.max_upload_bytes,
        },
        seconds=settings.body_seconds,
    )
    # Added after the limit, so asked before it: a misdirected request is refused unread.
    app.add_middleware(KnownHosts, hosts=Hosts.of(settings))
    app.add_middleware(RequestLog, replied=metrics.replied, tracing=traces)
    app.add_middleware(SafeHeaders)  # added last, so outermost
    return app


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


async def _opened(
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


@contextlib.asynccontextmanager
async def _beside(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """``work`` is done meanwhile, as far as it gets."""
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


@contextlib.asynccontextmanager
async def _ending(told: asyncio.Event, turns: Turns, seconds: float) -> AsyncIterator[None]:
    """Once the process is told to stop, searches end in time for their answers to be sent."""

    async def end() -> None:
        await told.wait()
        await asyncio.sleep(SEARCHING_SHARE * seconds)
        turns.stop()

    async with _beside(end()):
        yield


@contextlib.asynccontextmanager
async def _refreshing(registry: Registry, seconds: float) -> AsyncIterator[None]:
    """Look at the folder of models every few seconds, and at SIGHUP."""
    wake = asyncio.Event()
    loop = asyncio.get_running_loop()
    hangup = getattr(signal, "SIGHUP", None)  # Windows has none
    listening = False
    if hangup is not None:
        # Only a main thread may listen to signals.
        with contextlib.suppress(NotImplementedError, RuntimeError, ValueError):
            loop.add_signal_handler(hangup, wake.set)
            listening = True
    try:
        async with _beside(_refresh(registry, seconds or None, wake)):
            yield
    finally:
        if listening and hangup is not None:
            loop.remove_signal_handler(hangup)


async def _forget(store: Store, kept: Kept, root: Path) -> None:
    """Remove what is too old, at the start and then every hour."""
    while True:
        try:
            await anyio.to_thread.run_sync(uploads.sweep, root)
            while await asyncio.wrap_future(store.journal.change(forget(kept))):
                await asyncio.sleep(FORGET_PAUSE_SECONDS)
        except Exception as error:  # whatever it was, the next hour may go well
            logs.logger.warning("what is too old could not be removed: %s", logs.where(error))
        await asyncio.sleep(FORGET_SECONDS)


async def _guard(state: AppState, seconds: float) -> None:
    """Every ``seconds``, end experiments of which a guard has become worse; 0: never."""
    look = partial(stop_by_guards, state.store.database, state.registry, state.store.journal)
    while seconds:
        await anyio.sleep(seconds)
        try:
            for ended in await anyio.to_thread.run_sync(look):
                state.experiments.forget()
                logs.logger.warning("the experiment %s was stopped by a guard", ended)
        except Exception as error:  # whatever it was, the next look may go well
            logs.logger.warning("experiments could not be looked at: %s", logs.where(error))


async def _compare(registry: Registry, metrics: Metrics, seconds: float) -> None:
    """Ask predictors about reference rows, at the start and then every ``seconds``; 0: never."""

    def look() -> bool:
        """Whether all answered as their copies do."""
        is_well = True
        for model in registry.compare():
            found = None if model.predictor is None else model.predictor.compared
            if found is not None:
                metrics.compared(model.name, math.nan if found.why else found.differing)
                is_well &= not (found.differs or found.why)
        return is_well

    due = 0.0
    while seconds:
        if time.monotonic() >= due or registry.has_uncompared:
            is_well = False
            try:
                is_well = await anyio.to_thread.run_sync(look)
            except Exception as error:  # whatever it was, the next look may go well
                logs.logger.warning("predictors could not be compared: %s", logs.where(error))
            due = time.monotonic() + (seconds if is_well else seconds / COMPARED_SOONER)
        # A model that is loaded meanwhile is compared soon.
        await asyncio.sleep(min(seconds, COMPARED_AFTER_SECONDS))


async def _refresh(registry: Registry, seconds: float | None, wake: asyncio.Event) -> None:
    while True:
        with contextlib.suppress(TimeoutError):
            await asyncio.wait_for(wake.wait(), seconds)
        wake.clear()
        try:
            await anyio.to_thread.run_sync(registry.refresh)
        except Exception as error:  # whatever it was, the next look may go well
            logs.logger.error("the models could not be refreshed: %s", logs.where(error))

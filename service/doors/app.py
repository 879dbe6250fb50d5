"""The application: routes, middleware, and what runs beside the requests."""

from __future__ import annotations

import contextlib
from collections.abc import AsyncIterator
from functools import partial

import anyio.to_thread
from fastapi import FastAPI

from ifonly.models.onnx.watchdog import watchdog
from ifonly.service import logs
from ifonly.service.ask.warming import warm
from ifonly.service.audit.recent_accesses import RecentAccesses
from ifonly.service.audit.registered_experiments import RunningExperiments
from ifonly.service.audit.trust_root import sequencing, witness_of
from ifonly.service.doors import kserve, mlflow
from ifonly.service.doors.background import (
    beside,
    compare_predictors,
    ending_searches,
    forget_old,
    guard_experiments,
    refreshing,
)
from ifonly.service.doors.by_settings import (
    accounts_of,
    demonstration_of,
    explaining,
    grpc_of,
    issuer_of,
    rate_of,
    sender_of,
    share_of,
    store_opened,
    vouching,
)
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
from ifonly.service.jobs.workers import JobWorkers
from ifonly.service.metrics import Metrics
from ifonly.service.scheduling.admission import AdmissionQueue
from ifonly.service.scheduling.open_streams import OpenStreams
from ifonly.service.scheduling.presence import Presence
from ifonly.service.scheduling.rate_limit import Rates
from ifonly.service.scheduling.search_quota import Shares
from ifonly.service.scheduling.time_slices import Turns
from ifonly.service.scheduling.worker_pools import Workers
from ifonly.service.served.registry import Registry
from ifonly.service.settings import Settings, ifonly_version
from ifonly.service.store.retention import Kept
from ifonly.service.store.sessions import signing_secret
from ifonly.service.tracing import Stages, tracing

READERS = 4
"""Threads that read the store; with the one that writes, well below its connections."""
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
            store = await store_opened(settings, metrics.committed, stack, over)
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
            clean = beside(forget_old(store, kept, models.root))
            ending = ending_searches(told, turns, settings.shutdown_seconds)
            refreshed = refreshing(models, settings.refresh_seconds)
            sorter = Sorter(app.state.ifonly) if settings.job_threads else None
            sender = sender_of(settings, store, metrics)
            guarding = beside(
                guard_experiments(app.state.ifonly, settings.experiment_guard_seconds)
            )
            comparing = beside(
                compare_predictors(models, metrics, settings.predictor_compare_seconds)
            )
            async with refreshed, clean, ending, guarding, comparing, remote(app, settings):
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

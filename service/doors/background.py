"""What runs beside the requests: searches end in time, models are read anew, old rows go."""

from __future__ import annotations

import asyncio
import contextlib
import math
import signal
import time
from collections.abc import AsyncIterator, Coroutine
from functools import partial
from pathlib import Path
from typing import Any

import anyio.to_thread

from ifonly.service import logs
from ifonly.service.audit.experiments.started import stop_by_guards
from ifonly.service.doors.http.context import AppState
from ifonly.service.metrics import Metrics
from ifonly.service.scheduling.time_slices import Turns
from ifonly.service.served import uploads
from ifonly.service.served.registry import Registry
from ifonly.service.store.opened import Store
from ifonly.service.store.retention import Kept, forget

FORGET_SECONDS = 3_600.0
FORGET_PAUSE_SECONDS = 0.2
"""Between two pieces: answers are recorded meanwhile."""
SEARCHING_SHARE = 0.7
"""Of the time that requests under way have to finish once the process is told to stop."""
COMPARED_AFTER_SECONDS = 5.0
"""After which a model that was just loaded is compared with its predictor, at the latest."""
COMPARED_SOONER = 10
"""How many times as often predictors are compared while one differs, or is away."""


@contextlib.asynccontextmanager
async def beside(work: Coroutine[Any, Any, None]) -> AsyncIterator[None]:
    """``work`` is done meanwhile, as far as it gets."""
    task = asyncio.create_task(work)
    try:
        yield
    finally:
        task.cancel()
        with contextlib.suppress(asyncio.CancelledError):
            await task


@contextlib.asynccontextmanager
async def ending_searches(told: asyncio.Event, turns: Turns, seconds: float) -> AsyncIterator[None]:
    """Once the process is told to stop, searches end in time for their answers to be sent."""

    async def end() -> None:
        await told.wait()
        await asyncio.sleep(SEARCHING_SHARE * seconds)
        turns.stop()

    async with beside(end()):
        yield


@contextlib.asynccontextmanager
async def refreshing(registry: Registry, seconds: float) -> AsyncIterator[None]:
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
        async with beside(_refresh(registry, seconds or None, wake)):
            yield
    finally:
        if listening and hangup is not None:
            loop.remove_signal_handler(hangup)


async def forget_old(store: Store, kept: Kept, root: Path) -> None:
    """Remove what is too old, at the start and then every hour."""
    while True:
        try:
            await anyio.to_thread.run_sync(uploads.sweep, root)
            while await asyncio.wrap_future(store.journal.change(forget(kept))):
                await asyncio.sleep(FORGET_PAUSE_SECONDS)
        except Exception as error:  # whatever it was, the next hour may go well
            logs.logger.warning("what is too old could not be removed: %s", logs.where(error))
        await asyncio.sleep(FORGET_SECONDS)


async def guard_experiments(state: AppState, seconds: float) -> None:
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


async def compare_predictors(registry: Registry, metrics: Metrics, seconds: float) -> None:
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

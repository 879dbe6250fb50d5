"""How the interpreter is set for a process that serves and does nothing else."""

from __future__ import annotations

import contextlib
import gc
import os
import sys
import threading
from collections.abc import AsyncIterator
from typing import Any

from fastapi import FastAPI

from ifonly.models.onnx.watchdog import watchdog
from ifonly.service import logs

SWITCH_SECONDS = 0.0005
"""After which a thread that computes lets another go on (Python's default: ten times as long).
The event loop and the journal compute little and wait for that at every step, the journal while
other processes wait for it."""

LAST_SECONDS = 3.0
"""Once everything is closed a process ends; one that does not, for a thread that hears nothing,
is ended after so long."""


def settled(app: FastAPI) -> FastAPI:
    """The same, for a process of its own.

    What is there once it has started (modules, models, compiled code) is there until it ends: the
    garbage collector leaves it alone. Otherwise it looks all of it through every few thousand
    requests, and holds the interpreter's lock for about 90 ms.
    """
    sys.setswitchinterval(SWITCH_SECONDS)
    starting = app.router.lifespan_context

    @contextlib.asynccontextmanager
    async def lifespan(within: FastAPI) -> AsyncIterator[Any]:
        async with starting(within) as state:
            # Collected first: what is garbage now would be frozen for good.
            gc.collect()
            gc.freeze()
            yield state
        # Started once all is closed: records are on the disk by then.
        last = threading.Timer(LAST_SECONDS, _end)
        # Or the timer itself would keep the interpreter from ending.
        last.daemon = True
        last.start()

    app.router.lifespan_context = lifespan
    return app


def _end() -> None:
    """The interpreter would wait for all threads, for ever for one in a graph's endless node."""
    logs.logger.error("threads are still busy with %s", ", ".join(watchdog.running) or "something")
    # sys.exit would wait for the very thread.
    os._exit(1)

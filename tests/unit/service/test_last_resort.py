"""A process whose threads hear nothing ends all the same, once everything is closed."""

from __future__ import annotations

import subprocess
import sys

PROGRAM = """
import contextlib, signal, sys, threading
sys.path[:0] = {path!r}
import uvicorn
from fastapi import FastAPI
from ifonly.service.doors.cli import interpreter

interpreter.LAST_SECONDS = 0.2

@contextlib.asynccontextmanager
async def lifespan(app):
    threading.Thread(target=threading.Event().wait).start()  # hears nothing, and is no daemon
    threading.Timer(0.5, signal.raise_signal, [signal.SIGTERM]).start()
    yield
    print("closed", flush=True)

signal.signal(signal.SIGTERM, lambda *_: None)  # as `ifonly serve` does
app = interpreter.settled(FastAPI(lifespan=lifespan))
uvicorn.run(app, port=0, log_config=None)
"""


def test_a_thread_that_hears_nothing_does_not_keep_the_process() -> None:
    code = PROGRAM.format(path=sys.path)
    ended = subprocess.run(
        [sys.executable, "-c", code], capture_output=True, text=True, timeout=300, check=False
    )
    assert ended.stdout == "closed\n"
    assert "threads are still busy" in ended.stderr

"""Work done in forked processes: a fault is planted in one, and forgotten with it."""

from __future__ import annotations

import os
import pickle
import resource
import select
import signal
import struct
import time
import warnings
from collections.abc import Callable, Iterator
from typing import Any

PATIENCE = 3
"""Seconds of CPU for one piece of work; a fault may well search for ever."""
WALL = 180.0
"""Seconds without a word after which a process is taken for stuck."""
MEMORY = 6 << 30

Died = str


def run(work: Callable[[], Iterator[Any]], patience: int = PATIENCE) -> tuple[list[Any], Died]:
    """What ``work`` yields in a process of its own, and how that died before its end, if it did.
    Each thing may take ``patience`` seconds of CPU."""
    reading, writing = os.pipe()
    with warnings.catch_warnings():  # other threads only wait, and hold nothing that is needed
        warnings.simplefilter("ignore", DeprecationWarning)
        pid = os.fork()
    if not pid:
        os.close(reading)
        _child(work, writing, patience)
    os.close(writing)
    with os.fdopen(reading, "rb") as stream:
        found = list(_received(stream, pid))
    _, status = os.waitpid(pid, 0)
    died = signal.Signals(os.WTERMSIG(status)).name if os.WIFSIGNALED(status) else ""
    return found, died


def _child(work: Callable[[], Iterator[Any]], writing: int, patience: int) -> None:
    """Never returns."""
    code = 1
    try:
        null = os.open(os.devnull, os.O_WRONLY)
        os.dup2(null, 1)
        os.dup2(null, 2)
        resource.setrlimit(resource.RLIMIT_CORE, (0, 0))
        resource.setrlimit(resource.RLIMIT_AS, (MEMORY, resource.RLIM_INFINITY))
        _allow(patience)
        for found in work():
            data = pickle.dumps(found)
            os.write(writing, struct.pack("<q", len(data)))
            while data:
                data = data[os.write(writing, data) :]
            _allow(patience)
        code = 0
    finally:
        os._exit(code)


def _allow(seconds: int) -> None:
    """So many more seconds of CPU, then SIGXCPU."""
    used = time.process_time()
    resource.setrlimit(resource.RLIMIT_CPU, (int(used) + seconds + 1, resource.RLIM_INFINITY))


def _received(stream: Any, pid: int) -> Iterator[Any]:
    while True:
        ready, _, _ = select.select([stream], [], [], WALL)
        if not ready:
            os.kill(pid, signal.SIGKILL)
            return
        head = stream.read(8)
        if len(head) < 8:
            return
        data = stream.read(struct.unpack("<q", head)[0])
        yield pickle.loads(data)

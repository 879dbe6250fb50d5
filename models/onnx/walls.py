"""Limits of a process that runs graphs of strangers, which it puts on itself."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator
from pathlib import Path

if sys.platform != "win32":
    import resource

_OOM = Path("/proc/self/oom_score_adj")


def wall_in(memory_bytes: int, file_bytes: int = 0) -> None:
    """No more address space than that, no longer file written, nothing left where it dies; and
    where the machine has none left, this process goes first and not the service."""
    if sys.platform == "win32":  # has no such limits; the watchdog's remains
        return
    with contextlib.suppress(OSError):  # only Linux has it
        _OOM.write_text("1000")
    _at_most(resource.RLIMIT_AS, memory_bytes)
    _at_most(resource.RLIMIT_CORE, 0)
    # By default no file may grow: a graph that writes finds no room.
    _at_most(resource.RLIMIT_FSIZE, file_bytes)


@contextlib.contextmanager
def room(memory_bytes: int) -> Iterator[None]:
    """Within the block, the process takes no more address space than it has and so much more; what
    asks for more fails as where the machine has no more. Not for a process that serves others."""
    if sys.platform != "linux":  # no other says in a file how much it has
        yield
        return
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    pages = int(Path("/proc/self/statm").read_text().split()[0])
    most = pages * resource.getpagesize() + memory_bytes
    _at_most(resource.RLIMIT_AS, most if soft == resource.RLIM_INFINITY else min(most, soft))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))


def more_processor(seconds: float) -> None:
    """Processor seconds from now on, of all threads, after which the system ends this process."""
    if sys.platform == "win32":
        return
    used = resource.getrusage(resource.RUSAGE_SELF)
    _at_most(resource.RLIMIT_CPU, int(used.ru_utime + used.ru_stime + seconds) + 1)


def _at_most(what: int, most: int) -> None:
    if sys.platform != "win32":
        hard = resource.getrlimit(what)[1]
        # The hard limit may be lower already, and cannot be raised.
        soft = most if hard == resource.RLIM_INFINITY else min(most, hard)
        resource.setrlimit(what, (soft, hard))

"""Who asks just now, in any process of one service.

Processes that answer at one port share the processors, too: one that only ever sees the actor who
asks much would not know that others wait for a processor in the next. So each notes who asked
last and when, in memory that all of them have.
"""

from __future__ import annotations

import ctypes
import multiprocessing
import time
import zlib
from typing import TypeAlias

import numpy as np

SLOTS = 4_096
"""An actor is noted in one of so many places; two who share one are not told apart."""
ACTIVE_SECONDS = 1.0
"""Whoever asked so long ago still does."""

Stamps: TypeAlias = "ctypes.Array[ctypes.c_double]"


def shared() -> Stamps:
    """Memory that is shared by the processes that are given it at their start."""
    # Without a lock: a process killed while it held one would stop all others.
    return multiprocessing.get_context("spawn").RawArray(ctypes.c_double, SLOTS)


class Presence:
    """Thread-safe: each place is one number, written whole."""

    def __init__(self, stamps: Stamps | None = None) -> None:
        """``stamps``: of :func:`shared`; by default this process has its own."""
        own = (ctypes.c_double * SLOTS)() if stamps is None else stamps
        # A view of the same memory: counting 4,096 doubles costs microseconds.
        self._stamps = np.frombuffer(memoryview(own), dtype=np.float64)

    def note(self, actor: str) -> None:
        """The actor asks."""
        self._stamps[_slot(actor)] = time.monotonic()  # one clock for all processes of a machine

    def others(self, actor: str) -> int:
        """How many others have asked within ``ACTIVE_SECONDS``."""
        since = time.monotonic() - ACTIVE_SECONDS
        active = int(np.count_nonzero(self._stamps > since))
        return active - bool(self._stamps[_slot(actor)] > since)


def _slot(actor: str) -> int:
    # crc32 and not hash(): Python salts that anew in each process.
    return zlib.crc32(actor.encode()) % SLOTS

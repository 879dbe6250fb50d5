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
GROUPS = 64
"""Of so many groups of places it is noted when anybody of them asked last: the others are not
looked through, so that a look is short. (Over more than 500 numbers NumPy lets go of the
interpreter's lock, and the event loop would wait for it behind whoever computes.)"""
ACTIVE_SECONDS = 1.0
"""Whoever asked so long ago still does."""

Stamps: TypeAlias = "ctypes.Array[ctypes.c_double]"


def shared() -> Stamps:
    """Memory that is shared by the processes that are given it at their start."""
    # Without a lock: a process killed while it held one would stop all others.
    return multiprocessing.get_context("spawn").RawArray(ctypes.c_double, GROUPS + SLOTS)


class Presence:
    """Thread-safe: each place is one number, written whole."""

    def __init__(self, stamps: Stamps | None = None) -> None:
        """``stamps``: of :func:`shared`; by default this process has its own."""
        own = (ctypes.c_double * (GROUPS + SLOTS))() if stamps is None else stamps
        view = np.frombuffer(memoryview(own), dtype=np.float64)
        self._groups, self._stamps = view[:GROUPS], view[GROUPS:].reshape(GROUPS, -1)

    def note(self, actor: str) -> None:
        """The actor asks."""
        group, place = _place(actor)
        now = time.monotonic()  # one clock for all processes of a machine
        self._stamps[group, place] = self._groups[group] = now

    def others(self, actor: str) -> int:
        """How many others have asked within ``ACTIVE_SECONDS``."""
        since = time.monotonic() - ACTIVE_SECONDS
        active = int(np.count_nonzero(self._stamps[self._groups > since] > since))
        return active - bool(self._stamps[_place(actor)] > since)


def _place(actor: str) -> tuple[int, int]:
    # crc32 and not hash(): Python salts that anew in each process.
    return divmod(zlib.crc32(actor.encode()) % SLOTS, SLOTS // GROUPS)

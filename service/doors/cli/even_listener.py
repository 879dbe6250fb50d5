"""Processes at one port share its connections evenly: whoever has fewer takes the next.

They all listen at one socket, and the kernel wakes them all. Left to themselves, whoever is
scheduled first takes all that wait: of eight connections that are opened at once one process often
got all, and the other core idled. So each takes one at a time, and waits a moment while another
process has fewer, longer the more it has itself; whoever is not there in time loses it.
"""

from __future__ import annotations

import asyncio
import contextlib
import ctypes
import multiprocessing
import os
import socket
import time
from collections.abc import Callable
from typing import Any, TypeAlias

import numpy as np
import uvloop

from ifonly.service import logs

PLACES = 1_024
"""Each process is noted in one of so many places, by its id."""
ALIVE_SECONDS = 2.0
"""A process that has said nothing for so long takes no connections: nobody waits for it."""
BEAT_SECONDS = 0.5
STEP_SECONDS, LONGEST_SECONDS = 0.002, 0.01
"""Waited for each connection that a process is ahead, and at most."""
AGAIN_SECONDS = 1.0
"""Until the next try where the system has no more files or memory."""

Counts: TypeAlias = "ctypes.Array[ctypes.c_double]"


class Board:
    """How many connections each process has, in memory that is shared by the processes that are
    given it at their start. Each number is written by one process, whole."""

    def __init__(self, counts: Counts | None = None, place: int | None = None) -> None:
        """``counts``: of another board, whose memory this one shares; ``place``: of this process,
        by default by its id."""
        if counts is None:
            # Without a lock: a process killed while it held one would stop all others.
            counts = multiprocessing.get_context("spawn").RawArray(ctypes.c_double, 2 * PLACES)
        self.counts = counts
        view = np.frombuffer(memoryview(counts), dtype=np.float64)
        self._seen, self._open = view.reshape(2, PLACES)
        self._place = (os.getpid() if place is None else place) % PLACES

    def __reduce__(self) -> tuple[type[Board], tuple[Counts]]:
        # In the process that it is given to it is that process's.
        return Board, (self.counts,)

    def note(self, connections: int) -> None:
        """So many are open in this process."""
        self._open[self._place] = connections

    def is_here(self) -> None:
        """Say that this process takes connections; again and again, or nobody waits for it."""
        self._seen[self._place] = time.monotonic()  # one clock for all processes of a machine

    def is_gone(self) -> None:
        """It takes no more."""
        self._seen[self._place] = 0.0

    @property
    def ahead(self) -> int:
        """How many more this process has than the one that has fewest."""
        others = self._open[self._seen > time.monotonic() - ALIVE_SECONDS]
        return int(self._open[self._place] - others.min(initial=self._open[self._place]))


class EvenLoop(uvloop.Loop):
    """An event loop whose servers at a socket that others share leave them their part."""

    def __init__(self, board: Board) -> None:
        super().__init__()
        self._board = board

    async def create_server(  # type: ignore[override]
        self, protocol_factory: Callable[[], asyncio.BaseProtocol], *given: Any, **options: Any
    ) -> asyncio.AbstractServer:
        listener = options.get("sock")
        if listener is None or options.get("ssl") is not None:
            return await super().create_server(protocol_factory, *given, **options)
        return EvenServer(self, self._board, listener, protocol_factory)


class EvenServer(asyncio.AbstractServer):
    """Takes connections until it is closed."""

    def __init__(
        self,
        loop: asyncio.AbstractEventLoop,
        board: Board,
        listener: socket.socket,
        protocol_factory: Callable[[], asyncio.BaseProtocol],
    ) -> None:
        listener.setblocking(False)
        self._loop = loop
        self._board = board
        self._listener = listener
        self._protocol_factory = protocol_factory
        self._beats: asyncio.TimerHandle | None = None
        self._is_closed = self._is_connecting = False
        self._beat()
        self._taking = loop.create_task(self._take_all())

    def close(self) -> None:
        self._is_closed = True
        # One that is just being taken ends itself: cancelled midway, nobody would close it.
        if not self._is_connecting:
            self._taking.cancel()
        if self._beats is not None:
            self._beats.cancel()
        self._board.is_gone()

    async def wait_closed(self) -> None:
        with contextlib.suppress(asyncio.CancelledError):
            await self._taking

    def get_loop(self) -> asyncio.AbstractEventLoop:
        return self._loop

    async def start_serving(self) -> None:
        """It does from the start."""

    async def serve_forever(self) -> None:
        await self._taking

    def is_serving(self) -> bool:
        return not self._taking.done()

    def _beat(self) -> None:
        self._board.is_here()
        self._beats = self._loop.call_later(BEAT_SECONDS, self._beat)

    async def _take_all(self) -> None:
        while not self._is_closed:
            await self._one_waits()
            if ahead := self._board.ahead:
                await asyncio.sleep(min(ahead * STEP_SECONDS, LONGEST_SECONDS))
            try:
                await self._take()
            except OSError as error:
                # Out of files or memory: what waits goes on waiting, as with asyncio's own.
                logs.logger.error("no connection could be taken: %s", os.strerror(error.errno or 0))
                await asyncio.sleep(AGAIN_SECONDS)

    async def _one_waits(self) -> None:
        ready = asyncio.Event()
        self._loop.add_reader(self._listener, ready.set)
        try:
            await ready.wait()
        finally:
            self._loop.remove_reader(self._listener)

    async def _take(self) -> None:
        try:
            taken, _ = self._listener.accept()
        # Another process has taken it, or whoever asked has gone away.
        except (BlockingIOError, InterruptedError, ConnectionAbortedError):
            return
        # Until the protocol has it, so that it is counted before the next is taken.
        self._is_connecting = True
        try:
            transport, _ = await self._loop.connect_accepted_socket(self._protocol_factory, taken)
        finally:
            self._is_connecting = False
        # Whoever closes a server has told the connections that there were.
        if self._is_closed:
            transport.close()
